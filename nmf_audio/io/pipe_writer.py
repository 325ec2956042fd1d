"""Recordings that go through pipes: each block at once, as WAV or raw samples.

The head of a WAV does not know the length, unless it is known beforehand or can be put right in the end.
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from nmf_audio._checks import check_choice, collect, conflict, invalid
from nmf_audio.errors import AudioFileError, NmfAudioError
from nmf_audio.io.base import Samples, WriterContext
from nmf_audio.io.containers import Container, list_output_errors
from nmf_audio.io.format_chunk import NOTHING, FormatChunk
from nmf_audio.io.formats import FORMATS
from nmf_audio.io.pcm import PCM_BYTES, RawFormat, encode
from nmf_audio.io.pipe_reader import STREAM, label_stream
from nmf_audio.io.riff import WavHead, write_head
from nmf_audio.io.speakers import is_usual

__all__ = ["StreamWriter", "choose_stream_container", "list_stream_errors"]

_FIRST_BYTES = 256
"""What the first read from a pipe must return, so that SoX can recognise the format without being told."""

_FORMATS = tuple(entry.name for entry in FORMATS.values() if entry.is_streamed)


def list_stream_errors(
    *,
    raw: RawFormat | None = None,
    format: Any = None,
    subtype: Any = None,
    sr: Any = None,
    bitrate: Any = None,
    quality: Any = None,
) -> list[NmfAudioError]:
    """Return all that is wrong with what an output stream is asked to be.

    `raw` is what it is made of if it has no header; for the others see `list_output_errors`.

    Examples
    --------
    >>> list_stream_errors(format="FLAC")
    [ParameterError("format='FLAC'; must be 'WAV' or 'WAVEX'; a stream is one of these, or raw samples")]
    """
    errors: list[NmfAudioError] = []
    if format is not None:
        only = "a stream is one of these, or raw samples"
        collect(errors, check_choice, "format", format, _FORMATS, any_case=True, advice=only)
    if subtype is not None and raw is not None and format is None:
        errors.append(conflict({"subtype": subtype, "raw": raw.coding}))
    elif subtype is not None:
        only = "a stream has plain numbers"
        collect(errors, check_choice, "subtype", subtype, PCM_BYTES, any_case=True, advice=only)
    for name, value in (("bitrate", bitrate), ("quality", quality)):
        if value is not None:
            errors.append(invalid(name, value, "left out", "a stream has plain numbers"))
    return errors + list_output_errors(STREAM, sr=sr)


def choose_stream_container(
    source: Container, *, raw: RawFormat | None = None, format: str | None = None, subtype: str | None = None
) -> Container:
    """Choose what goes to a stream: WAV, WAVEX, or ``RAW``.

    The coding of the input is kept if it is plain numbers, else it becomes 16-bit integers. What was asked
    for wins, if `list_stream_errors` has nothing against it; `format` wins over `raw`.
    """
    if raw is not None and format is None:
        return Container("RAW", raw.subtype)
    name = "WAV" if source.format != "WAVEX" else "WAVEX"
    coding = source.subtype if source.subtype in PCM_BYTES else "PCM_16"
    return Container((format or name).upper(), (subtype or coding).upper())


class StreamWriter(WriterContext):
    """Writes samples to a stream, each block at once; a context manager with the attributes of `AudioWriter`.

    A WAV becomes a WAVEX if it has more than two channels, or if `form` names loudspeakers. `chunks` stand
    before the samples; `warnings` are sentences about what is left out. `BrokenPipeError` if whoever reads the
    stream has left; `AudioFileError` if it can't be written for another reason.
    """

    def __init__(
        self,
        file: BinaryIO,
        sr: int,
        n_channels: int,
        container: Container,
        *,
        n_samples: int | None = None,
        form: FormatChunk = NOTHING,
        chunks: Sequence[tuple[bytes, bytes]] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        subtype = container.subtype
        extensible = container.format == "WAVEX" or n_channels > 2 or form.valid_bits is not None
        extensible = extensible or not is_usual(form.channel_mask, n_channels)
        name = "RAW" if container.format == "RAW" else "WAVEX" if extensible else "WAV"
        self.container = Container(name, subtype)
        self.sr = sr
        self.n_written = self.n_clipped = 0
        self.warnings = [*warnings]
        self._file, self.label = file, label_stream(file)
        frame_bytes = n_channels * PCM_BYTES[subtype]
        self._head = WavHead(
            *(sr, n_channels, subtype, None if n_samples is None else n_samples * frame_bytes),
            extensible=extensible,
            channel_mask=form.channel_mask or 0,
            valid_bits=form.valid_bits,
            chunks=chunks,
        )
        self._start = file.tell() if name != "RAW" and _can_go_back(file) else None
        self._held = b"" if name == "RAW" else write_head(self._head)

    def write(self, y: Samples) -> Samples:
        """Write a block at once; see `AudioWriter.write`."""
        data, stored, n_clipped = encode(y, self.container.subtype, self._head.valid_bits)
        self._write(data)
        self.n_clipped += n_clipped
        self.n_written += y.shape[1]
        return stored

    def close(self) -> None:
        """End the recording: put the length into the head, where that is possible; the file stays open."""
        self._write(b"", at_once=True)
        n_bytes = self.n_written * self._head.frame_bytes
        if n_bytes % 2 and self.container.format != "RAW" and (self._start is not None or self._head.n_bytes):
            self._put(b"\0")
        if self._start is None or n_bytes == self._head.n_bytes:
            if self._head.n_bytes is not None and n_bytes > self._head.n_bytes:
                n_stated = self._head.n_bytes // self._head.frame_bytes
                self.warnings.append(
                    f"its header states {n_stated} samples, {self.n_written} were written; read it to its end"
                )
            return
        end = self._file.tell()
        self._file.seek(self._start)
        self._put(write_head(replace(self._head, n_bytes=n_bytes)))
        self._file.seek(end)

    def _write(self, data: bytes, *, at_once: bool = False) -> None:
        """Write bytes, but the first not before there are enough of them."""
        if self._held:
            data, self._held = self._held + data, b""
            if len(data) < _FIRST_BYTES and not at_once:
                self._held = data
                return
        self._put(data)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                n = self._file.write(view)
                if n is None:
                    # somebody set the pipe not to wait
                    select.select([], [self._file], [])
                view = view[n or 0 :]
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise AudioFileError(f"{self.label}: can't be written: {error.strerror or error}") from error


def _can_go_back(file: BinaryIO) -> bool:
    """Whether what was written can be put right: not in a pipe, nor in a file that is only added to (``>>``)."""
    if not file.seekable():
        return False
    try:
        import fcntl

        return not fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, io.UnsupportedOperation):
        return True
