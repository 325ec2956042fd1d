"""Recordings and outputs of any kind: which reader reads a file, which writer writes one."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path

from nmf_audio.audio_io import AudioReader, AudioWriter
from nmf_audio.chunks import read_chunks
from nmf_audio.containers import Container, container_for
from nmf_audio.errors import AudioFileError
from nmf_audio.formats import FORMATS, Format, Wanted, format_for
from nmf_audio.media.codecs import is_media
from nmf_audio.media.reader import MediaReader
from nmf_audio.media.writer import MediaWriter
from nmf_audio.pipes import StreamReader, StreamWriter

__all__ = ["Reader", "Writer", "open_reader", "open_writer", "source_of"]

Reader = AudioReader | MediaReader | StreamReader
Writer = AudioWriter | MediaWriter | StreamWriter


def open_reader(path: str | os.PathLike[str]) -> AudioReader | MediaReader:
    """Open a recording of any kind; what is in the file decides, not its name.

    Parameters
    ----------
    path : str or path
        The recording.

    Returns
    -------
    AudioReader or MediaReader

    Raises
    ------
    AudioFileError
        If the file is missing, empty, no regular file, or holds no audio that can be read.
    MissingExtraError
        If it is a media file and PyAV is not installed.
    """
    return MediaReader(path) if is_media(Path(path)) else AudioReader(path)


def source_of(reader: Reader) -> Container:
    """Return what outputs are like, if nobody asks for anything else: samples without a header become WAV."""
    container = reader.container
    return Container("WAV", container.subtype) if container.format == "RAW" else container


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
    """Open an output for what a recording becomes.

    Parameters
    ----------
    temporary : Path
        Where to write, see `replacing`.
    target : Path
        The output as the person calls it.
    reader : AudioReader, MediaReader or StreamReader
        The recording: what is not asked for is as it is.
    wanted : Wanted
        What was asked for.
    n_samples : int
        Length of the part that is written, at the rate of the recording, as far as it is known.
    is_part : bool
        Whether only a part of the recording is written.
    sound_only : bool
        Leave all but the sound out.

    Returns
    -------
    AudioWriter or MediaWriter

    Raises
    ------
    AudioFileError
        If the output can't hold that.
    """
    sr = reader.sr if wanted.sr is None else wanted.sr
    entry = format_for(target, wanted.container) or FORMATS.get(reader.container.format)
    media = reader if isinstance(reader, MediaReader) else None
    if entry is not None and entry.muxer is not None:
        container = Container(entry.container, _subtype(entry, wanted, reader))
        if media is None or sound_only:
            return MediaWriter(
                temporary, sr, reader.n_channels, container, tags=reader.tags, label=str(target)
            )
        if is_part and entry.has_picture and media.has_picture:
            raise AudioFileError(
                f"{target}: of a video the whole can be written only; leave start and end out, or name an output "
                "for the sound alone, such as .m4a or .wav"
            )
        return MediaWriter(
            temporary,
            sr,
            reader.n_channels,
            container,
            tags=reader.tags,
            label=str(target),
            source=None if is_part else media.path,
            start=Fraction(0) if is_part else media.start,
            layout=media.layout,
            bit_rate=media.bit_rate,
        )
    if entry is None and media is not None:
        raise AudioFileError(
            f"{target}: {reader.container.format} can be read, not written; name an output such as .m4a, .mkv or "
            ".wav"
        )
    n_values = math.ceil(n_samples * sr / reader.sr) * reader.n_channels
    container = container_for(
        target, source_of(reader), n_values, format=wanted.container, subtype=wanted.subtype
    )
    chunks = read_chunks(reader.path) if isinstance(reader, AudioReader) else []
    # they count samples
    fit = container.format in ("WAV", "WAVEX", "RF64") and container.endian != "BIG"
    fit = fit and not is_part and sr == reader.sr
    writer = AudioWriter(
        temporary,
        sr,
        reader.n_channels,
        container,
        tags=reader.tags,
        label=str(target),
        chunks=chunks if fit else (),
    )
    if chunks and not fit:
        lost = dict.fromkeys(name.decode("latin-1").strip() for name, _ in chunks)
        writer.warnings.append(f"left out, since it is for a whole WAV of the same rate: {', '.join(lost)}")
    return writer


def _subtype(entry: Format, wanted: Wanted, reader: Reader) -> str:
    if wanted.subtype is not None:
        return wanted.subtype
    subtype = reader.container.subtype
    return subtype if subtype in entry.subtypes else entry.subtypes[0]
