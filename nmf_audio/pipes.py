"""Recordings that come and go through pipes: each block as soon as it is there.

WAV of plain numbers, and samples without a header, are read as they come. Whatever else comes goes into a temporary
file first. What is written is WAV whose head does not know the length, unless it is known or can be put right at the
end, or samples without a header.
"""

from __future__ import annotations

import io
import math
import os
import select
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from nmf_audio.audio_io import AudioReader, check_values
from nmf_audio.containers import Container
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.formats import output_faults
from nmf_audio.pcm import PCM_BYTES, RawFormat, decode, encode
from nmf_audio.wav import WavHead, read_head, write_head

__all__ = ["STREAM", "StreamReader", "StreamWriter", "open_stream", "stream_container", "stream_faults"]

Samples = npt.NDArray[np.floating[Any]]

STREAM = Path("-")
"""What reports call a stream."""

_FORMATS = ("WAV", "WAVEX")
_BLOCK_BYTES = 2**16
_MAX_VALUES = 2**20
# more of a head than this is not kept in memory for a second look
_MAX_KEPT = 2**22
# how files begin that a temporary file is worth while for: others are refused before an endless stream fills the disk
_BEGINNINGS = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff", b".snd"),
    *(b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2"),
)


def stream_faults(
    *, raw: RawFormat | None = None, format: Any = None, subtype: Any = None, sr: Any = None
) -> list[str]:
    """Say all that is wrong with what an output stream is asked to be, a sentence each.

    Parameters
    ----------
    raw : RawFormat or None
        What it is made of if it has no header.
    format, subtype, sr
        What was asked for; see `nmf_audio.formats.output_faults`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> stream_faults(format="FLAC")
    ["format='FLAC'; a stream is WAV, WAVEX, or raw samples (--raw, raw=)"]
    """
    faults = []
    if format is not None and str(format).upper() not in _FORMATS:
        faults.append(f"format={format!r}; a stream is {', '.join(_FORMATS)}, or raw samples (--raw, raw=)")
    if subtype is not None and raw is not None and format is None:
        faults.append(f"subtype={subtype!r}: raw={raw.coding} says it already; leave one of them out")
    elif subtype is not None and str(subtype).upper() not in PCM_BYTES:
        faults.append(f"subtype={subtype!r}; allowed for a stream are {', '.join(PCM_BYTES)}")
    return faults + output_faults(STREAM, sr=sr)


def stream_container(
    source: Container, *, raw: RawFormat | None = None, format: str | None = None, subtype: str | None = None
) -> Container:
    """Choose what goes to a stream.

    Parameters
    ----------
    source : Container
        What the input is: its coding is kept if it is plain numbers, else it becomes 16-bit integers.
    raw : RawFormat or None
        What the stream is made of if it has no header.
    format, subtype : str or None
        What was asked for, and `stream_faults` has nothing against; `format` wins over `raw`.

    Returns
    -------
    Container
        WAV, WAVEX, or ``RAW``.
    """
    if raw is not None and format is None:
        return Container("RAW", raw.subtype)
    name = "WAV" if source.format != "WAVEX" else "WAVEX"
    coding = source.subtype if source.subtype in PCM_BYTES else "PCM_16"
    return Container((format or name).upper(), (subtype or coding).upper())


def _label(file: BinaryIO) -> str:
    """Return how messages call an open file."""
    try:
        number = file.fileno()
    except (OSError, AttributeError):
        number = -1
    return {0: "standard input", 1: "standard output"}.get(number, "the stream")


class _Bytes:
    """The bytes of a stream, taken as they come; some can be given back."""

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file, self._label = file, label
        self._read = getattr(file, "read1", file.read)
        self._ahead = b""
        self._kept: bytearray | None = None

    def some(self, n: int) -> bytes:
        """Return what is there, at most n bytes; wait if nothing is; nothing at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:n], self._ahead[n:]
        else:
            try:
                while (data := self._read(n)) is None:
                    # somebody set the pipe not to wait
                    select.select([self._file], [], [])
            except OSError as error:
                raise AudioFileError(f"{self._label}: can't be read: {error.strerror}") from error
        if self._kept is not None:
            self._kept += data
            if len(self._kept) > _MAX_KEPT:
                self._kept = None
        return bytes(data)

    def exactly(self, n: int) -> bytes:
        """Return n bytes, fewer at the end."""
        parts = []
        while n and (data := self.some(n)):
            parts.append(data)
            n -= len(data)
        return b"".join(parts)

    def give_back(self, data: bytes) -> None:
        """Let `data` come again."""
        self._ahead = data + self._ahead

    def head(self) -> WavHead | None:
        """Read up to the first sample; give everything back if it is no WAV of plain numbers."""
        self._kept = bytearray()
        try:
            head = read_head(self.exactly)
        except EOFError:
            raise AudioFileError(f"{self._label}: ended before the first sample") from None
        kept, self._kept = self._kept, None
        if head is None:
            if kept is None:
                raise AudioFileError(f"{self._label}: is no WAV that can be read; its head does not end")
            self.give_back(bytes(kept))
        return head


class StreamReader:
    """Reads samples from a stream as they come.

    `open_stream` makes these.

    Parameters
    ----------
    source : _Bytes
        Stands at the first sample.
    head : WavHead
        What the samples are.
    label : str
        How messages call the stream.
    raw : bool
        Whether there was no head in the stream.

    Attributes
    ----------
    label, sr, n_channels, n_samples, container, tags, n_read, damage
        As those of `AudioReader`.
    channel_mask : int
        Which loudspeaker each channel is for.
    """

    def __init__(self, source: _Bytes, head: WavHead, label: str, *, raw: bool = False) -> None:
        self.label, self.sr, self.n_channels = label, head.sr, head.n_channels
        name = "RAW" if raw else "WAVEX" if head.extensible else "WAV"
        self.container = Container(name, head.subtype)
        self.n_samples = None if head.n_bytes is None else head.n_bytes // head.frame_bytes
        self.tags = dict(head.tags)
        self.channel_mask = head.channel_mask
        self.n_read = 0
        self.damage: str | None = None
        self._source, self._frame_bytes, self._n_bytes = source, head.frame_bytes, head.n_bytes

    def blocks(self, dtype: type[np.floating[Any]] = np.float32) -> Iterator[Samples]:
        """Yield the samples as they come, in blocks of a second at most; see `AudioReader.blocks`."""
        n_block = self._frame_bytes * max(1, min(self.sr, _MAX_VALUES // self.n_channels))
        left = math.inf if self._n_bytes is None else self._n_bytes
        rest = b""
        while data := self._source.some(int(min(n_block - len(rest), left))) if left else b"":
            left -= len(data)
            rest += data
            n_whole = len(rest) // self._frame_bytes * self._frame_bytes
            if n_whole:
                block = decode(rest[:n_whole], self.container.subtype, self.n_channels, dtype)
                rest = rest[n_whole:]
                check_values(block, self.n_read, self.sr, self.label)
                self.n_read += block.shape[1]
                yield block
        n_came = self.n_read * self._frame_bytes + len(rest)
        if self._n_bytes is not None and left:
            self.damage = f"is truncated: {n_came} of {self._n_bytes} bytes of its samples came"
        elif len(rest) > 1 or (rest and (rest != b"\0" or n_came % 2)):
            # one zero after an odd number of bytes only makes it even
            self.damage = "is truncated: it ends within a sample"

    def hear(self, start: float, end: float) -> Samples:
        """Return a part that is yet to come, and will come again.

        Parameters
        ----------
        start, end : float
            In seconds; up to the end all that came is held in memory.

        Returns
        -------
        ndarray (n_channels, n), float32

        Raises
        ------
        AudioFileError
            If the stream ends before the part begins.
        """
        first, last = (round(seconds * self.sr) * self._frame_bytes for seconds in (start, end))
        data = self._source.exactly(last if self._n_bytes is None else min(last, self._n_bytes))
        self._source.give_back(data)
        whole = data[first : len(data) // self._frame_bytes * self._frame_bytes]
        if not whole:
            seconds = len(data) / self._frame_bytes / self.sr
            raise AudioFileError(f"{self.label}: has no noise from {start:g} s on; it ends at {seconds:g} s")
        noise = decode(whole, self.container.subtype, self.n_channels)
        check_values(noise, first // self._frame_bytes, self.sr, self.label)
        return noise

    def drain(self) -> None:
        """Take what follows the samples (tags), so that whoever writes it finds the pipe open."""
        if self._n_bytes is not None and self.n_read * self._frame_bytes >= self._n_bytes:
            while self._source.some(_BLOCK_BYTES):
                pass


@contextmanager
def open_stream(file: BinaryIO, raw: RawFormat | None = None) -> Iterator[StreamReader | AudioReader]:
    """Read a recording from an open file, from where it stands to its end.

    Parameters
    ----------
    file : binary file
        A pipe, for example ``sys.stdin.buffer``.
    raw : RawFormat or None
        What the samples are if there is no header.

    Yields
    ------
    StreamReader or AudioReader
        The latter if all of the stream had to go into a temporary file first: FLAC, MP3, WAV in other codings.

    Raises
    ------
    ParameterError
        If `raw` lacks the sample rate.
    AudioFileError
        If there is no audio that can be read.

    Examples
    --------
    >>> file = io.BytesIO(write_head(WavHead(16000, 1, "PCM_16")) + bytes(640))
    >>> with open_stream(file) as reader:
    ...     print(reader.sr, reader.n_samples, [block.shape for block in reader.blocks()])
    16000 None [(1, 320)]
    """
    label = _label(file)
    source = _Bytes(file, label)
    if raw is not None and raw.sr is None:
        raise ParameterError("raw: sr is None; the sample rate of the input is needed")
    head = source.head() if raw is None or raw.sr is None else WavHead(raw.sr, raw.n_channels, raw.subtype)
    if head is not None:
        reader = StreamReader(source, head, label, raw=raw is not None)
        yield reader
        reader.drain()
        return
    beginning = source.exactly(12)
    source.give_back(beginning)
    if not beginning:
        raise AudioFileError(f"{label}: is empty (0 bytes)")
    if not beginning.startswith(_BEGINNINGS):
        raise AudioFileError(
            f"{label}: holds no audio that can be read; WAV, FLAC, OGG, MP3, AIFF and others can, and samples "
            "without a header if --raw (raw=) says what they are"
        )
    with tempfile.TemporaryDirectory() as folder:
        spooled = Path(folder) / "stream"
        try:
            with spooled.open("wb") as copy:
                while data := source.some(_BLOCK_BYTES):
                    copy.write(data)
        except OSError as error:
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(
                f"{label}: has no room in the temporary folder {folder}: {error.strerror}"
            ) from error
        with AudioReader(spooled, label=label) as whole:
            yield whole


class StreamWriter:
    r"""Writes samples to a stream, each block at once; a context manager.

    Parameters
    ----------
    file : binary file
        A pipe, for example ``sys.stdout.buffer``.
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    container : Container
        See `stream_container`; more than two channels make a WAV a WAVEX.
    n_samples : int or None
        How many there will be, if known.
    tags : mapping, optional
        Title, artist and so on.
    channel_mask : int
        Which loudspeaker each channel is for.

    Attributes
    ----------
    label, sr, n_written, n_clipped, warnings, container
        As those of `AudioWriter`.

    Raises
    ------
    BrokenPipeError
        If whoever reads the stream has left.
    AudioFileError
        If it can't be written for another reason.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> with StreamWriter(file, 16000, 1, Container("RAW", "PCM_16")) as writer:
    ...     _ = writer.write(np.array([[0.5, -0.5]], np.float32))
    >>> file.getvalue()
    b'\x00@\x00\xc0'
    """

    def __init__(
        self,
        file: BinaryIO,
        sr: int,
        n_channels: int,
        container: Container,
        *,
        n_samples: int | None = None,
        tags: Mapping[str, str] | None = None,
        channel_mask: int = 0,
    ) -> None:
        subtype = container.subtype
        extensible = container.format == "WAVEX" or n_channels > 2
        name = "RAW" if container.format == "RAW" else "WAVEX" if extensible else "WAV"
        self.container = Container(name, subtype)
        self.sr = sr
        self.n_written = self.n_clipped = 0
        self.warnings: list[str] = []
        self._file, self.label = file, _label(file)
        frame_bytes = n_channels * PCM_BYTES[subtype]
        self._head = WavHead(
            *(sr, n_channels, subtype, None if n_samples is None else n_samples * frame_bytes),
            extensible=extensible,
            channel_mask=channel_mask,
            tags=tags or {},
        )
        self._start = file.tell() if name != "RAW" and _can_go_back(file) else None
        if name != "RAW":
            self._put(write_head(self._head))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def write(self, y: Samples) -> Samples:
        """Write a block at once; see `AudioWriter.write`."""
        data, stored, n_clipped = encode(y, self.container.subtype)
        self._put(data)
        self.n_clipped += n_clipped
        self.n_written += y.shape[1]
        return stored

    def close(self) -> None:
        """End the recording: put the length into the head, where that is possible; the file stays open."""
        n_bytes = self.n_written * self._head.frame_bytes
        if n_bytes % 2 and self.container.format != "RAW" and (self._start is not None or self._head.n_bytes):
            self._put(b"\0")
        if self._start is None or n_bytes == self._head.n_bytes:
            return
        end = self._file.tell()
        self._file.seek(self._start)
        self._put(write_head(WavHead(**{**vars(self._head), "n_bytes": n_bytes})))
        self._file.seek(end)

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
            raise AudioFileError(f"{self.label}: can't be written: {error.strerror}") from error


def _can_go_back(file: BinaryIO) -> bool:
    """Whether what was written can be put right: not in a pipe, nor in a file that is only added to (``>>``)."""
    if not file.seekable():
        return False
    try:
        import fcntl

        return not fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, io.UnsupportedOperation):
        return True
