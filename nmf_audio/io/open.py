"""Recordings and outputs of any kind: which reader reads a file, which writer writes one."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from nmf_audio._checks import invalid
from nmf_audio.errors import AudioFileError, MissingExtraError
from nmf_audio.io.bit_rates import choose_bit_rate, choose_encoding
from nmf_audio.io.containers import Container, Wanted, choose_container, choose_rate, is_writable
from nmf_audio.io.extras import collect_extras, collect_head, list_left_out, must_state_speakers
from nmf_audio.io.format_chunk import FormatChunk
from nmf_audio.io.formats import (
    CODINGS,
    FORMATS,
    Coding,
    Format,
    find_format,
    is_media_head,
    is_recording_head,
    refuse_read_only,
)
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.media.writer import MediaWriter
from nmf_audio.io.pcm import RawFormat
from nmf_audio.io.pipe_reader import ENDS_WITHIN_SAMPLE, ByteSource, StreamReader, label_stream
from nmf_audio.io.pipe_writer import StreamWriter
from nmf_audio.io.riff import WavHead, write_head
from nmf_audio.io.sndfile_reader import AudioReader, UnknownFormatError
from nmf_audio.io.sndfile_writer import AudioWriter
from nmf_audio.io.temporary import spool_file

__all__ = [
    "Reader",
    "Writer",
    "get_default_container",
    "is_media",
    "is_recording",
    "open_reader",
    "open_stream",
    "open_stream_writer",
    "open_writer",
]

Reader = AudioReader | MediaReader | StreamReader
Writer = AudioWriter | MediaWriter | StreamWriter

_BLOCK_BYTES = 2**16
# enough to recognise any format
_HEAD_BYTES = 389


def open_reader(path: str | os.PathLike[str], *, label: str | None = None) -> AudioReader | MediaReader:
    """Open a recording of any kind; what is in the file decides, not its name. Its name in messages is `label`.

    What libsndfile can't read, or not in step behind damage, PyAV reads; `MissingExtraError` if that is needed and
    not installed. `AudioFileError` if the file is missing, empty, no regular file, or holds no audio that can be
    read.
    """
    path = Path(path)
    head = _read_head(path)
    if is_media_head(head):
        return MediaReader(path, label=label)
    try:
        reader = AudioReader(path, label=label)
        if not reader.is_out_of_step:
            return reader
        reader.close()
        try:
            return MediaReader(path, label=label)
        except MissingExtraError:
            return AudioReader(path, label=label)
    except UnknownFormatError as error:
        try:
            return MediaReader(path, label=label)
        except AudioFileError:
            raise error from None
        except MissingExtraError as missing:
            if not is_recording_head(head):
                raise error from None
            raise MissingExtraError(f"{error}; PyAV reads more: install it with: pip install av") from missing


def is_media(path: Path) -> bool:
    """Whether a file begins as a media file does, which libsndfile does not read; no if it can't be read."""
    return is_media_head(_read_head(path))


def is_recording(path: Path) -> bool:
    """Whether a file begins as a recording of any known format does; no if it can't be read."""
    return is_recording_head(_read_head(path))


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a file, or none if it can't be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb", buffering=0) as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


@contextmanager
def open_stream(file: BinaryIO, raw: RawFormat | None = None, *, whole: bool = False) -> Iterator[Reader]:
    """Read a recording from an open file, such as ``sys.stdin.buffer``, from where it stands to its end.

    All of the stream has to go into a temporary file first if it is no WAV of plain numbers: FLAC, MP3, videos.
    With `whole` it goes there whatever it is: it can then be opened again, at the reader's `path`. `raw` is
    what the samples are if there is no header, and must have a sample rate.

    Examples
    --------
    >>> import io
    >>> from nmf_audio.io.riff import write_head
    >>> file = io.BytesIO(write_head(WavHead(16000, 1, "PCM_16")) + bytes(640))
    >>> with open_stream(file) as reader:
    ...     print(reader.sr, reader.n_samples, [block.shape for block in reader.blocks()])
    16000 None [(1, 320)]
    """
    label = label_stream(file)
    source = ByteSource(file, label)
    if raw is None:
        head = None if whole else source.read_head()
    elif raw.sr is None:
        raise invalid("raw", raw, "a format with the sample rate of the input")
    else:
        head = WavHead(raw.sr, raw.n_channels, raw.subtype)
        if whole:
            # behind a head they are a file like any other
            source.give_back(write_head(head))
    if head is not None and not whole:
        reader = StreamReader(source, head, label, raw=raw is not None)
        yield reader
        reader.drain()
        return
    beginning = source.read_exactly(_HEAD_BYTES)
    source.give_back(beginning)
    if not beginning:
        raise AudioFileError(f"{label}: is empty (0 bytes)")
    # others are refused before an endless stream fills the disk
    if not is_recording_head(beginning):
        raise AudioFileError(
            f"{label}: holds no audio that can be read; WAV, FLAC, OGG, MP3, AIFF and others can",
            argument="raw",
            purpose=" to read samples without a header",
        )
    with spool_file() as spooled:
        try:
            with spooled.open("wb") as copy:
                while data := source.read_some(_BLOCK_BYTES):
                    copy.write(data)
                n_bytes = copy.tell()
        except OSError as error:
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(
                f"{label}: does not fit into the temporary folder {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        with open_reader(spooled, label=label) as spooled_reader:
            if head is not None and (n_bytes - len(write_head(head))) % head.frame_bytes:
                spooled_reader.damage = ENDS_WITHIN_SAMPLE
            yield spooled_reader


def get_default_container(reader: Reader) -> Container:
    """Return what outputs are like, if nobody asks for anything else: samples without a header become WAV."""
    container = reader.container
    return Container("WAV", container.subtype) if container.format == "RAW" else container


def open_stream_writer(
    target: BinaryIO,
    reader: Reader,
    container: Container,
    *,
    sr: int | None = None,
    n_samples: int | None = None,
    is_part: bool = False,
) -> StreamWriter:
    """Open a stream for what a recording becomes.

    `sr` is another rate than the recording's, `n_samples` the length of what is written, at the rate of the
    recording, if it is known; `is_part` if that is not the whole.
    """
    exact = sr in (None, reader.sr) and not isinstance(reader, MediaReader)
    is_raw = container.format == "RAW"
    is_whole = sr in (None, reader.sr) and not is_part
    chunks, warnings = ([], []) if is_raw else collect_head(reader, container, is_whole=is_whole)
    valid_bits = reader.form.valid_bits if container.subtype == reader.container.subtype else None
    return StreamWriter(
        *(target, sr or reader.sr, reader.n_channels, container),
        n_samples=n_samples if exact else None,
        form=FormatChunk(reader.channel_mask, None if is_raw else valid_bits),
        chunks=chunks,
        warnings=warnings,
    )


def open_writer(
    temporary: Path,
    target: Path,
    reader: Reader,
    wanted: Wanted,
    *,
    n_samples: int = 0,
    is_part: bool = False,
    sound_only: bool = False,
) -> AudioWriter | MediaWriter:
    """Open an output for what a recording becomes: what is not wanted otherwise is as it is there.

    `temporary` is where to write, see `replacing`, `target` what the person calls it. `n_samples` is the
    length of the part that is written, at the rate of the recording, as far as it is known; `is_part` if that
    is not the whole. `sound_only` leaves all but the sound out. `AudioFileError` if the output can't hold
    that.
    """
    entry = find_format(target, wanted.container) or FORMATS.get(reader.container.format)
    media = reader if isinstance(reader, MediaReader) else None
    if entry is not None and entry.muxer is not None:
        container = Container(entry.container, _subtype(entry, wanted, reader))
        sr = choose_rate(str(target), container, reader.sr, wanted)
        copied = None if is_part or sound_only else media
        if copied is None and is_part and entry.has_picture and media is not None and media.has_picture:
            raise AudioFileError(
                f"{target}: only the whole of a video can be written; leave start and end out, or name an output "
                "for the sound alone, such as .m4a or .wav"
            )
        writer = MediaWriter(
            *(temporary, sr, reader.n_channels, container),
            tags=reader.tags,
            pictures=reader.pictures,
            label=str(target),
            source=None if copied is None else copied.path,
            start=Fraction(0) if copied is None else copied.start,
            channel_mask=reader.channel_mask,
            bit_rate=_bit_rate(target, container, sr, reader, wanted),
        )
        writer.left_out += list_left_out(reader, container) if copied is None else []
        return writer
    if media is not None and (
        entry is None or (media.has_picture and find_format(target, wanted.container) is None)
    ):
        raise refuse_read_only(reader.container.format, f"{target}: ")
    n_values = math.ceil(n_samples * (wanted.sr or reader.sr) / reader.sr) * reader.n_channels
    container = choose_container(
        target, get_default_container(reader), n_values, format=wanted.container, subtype=wanted.subtype
    )
    sr = choose_rate(str(target), container, reader.sr, wanted)
    extensible = replace(container, format="WAVEX")
    if container.format == "WAV" and must_state_speakers(reader) and is_writable(extensible):
        container = extensible
    return AudioWriter(
        *(temporary, sr, reader.n_channels, container),
        label=str(target),
        extras=collect_extras(reader, container, sr=sr, is_part=is_part),
        encoding=choose_encoding(
            *(container, sr, reader.n_channels, _bit_rate(target, container, sr, reader, wanted)),
            quality=wanted.quality,
        ),
    )


def _bit_rate(target: Path, container: Container, sr: int, reader: Reader, wanted: Wanted) -> int | None:
    source = (reader.container.subtype, None if isinstance(reader, StreamReader) else reader.bit_rate)
    return choose_bit_rate(str(target), container, sr, reader.n_channels, wanted, source)


def _subtype(entry: Format, wanted: Wanted, reader: Reader) -> str:
    if wanted.subtype is not None:
        return wanted.subtype
    subtype = reader.container.subtype
    is_lossy = CODINGS.get(subtype, Coding()).has_bit_rate
    if subtype in entry.subtypes and (is_lossy or wanted.bitrate is None):
        return subtype
    return entry.subtypes[0]
