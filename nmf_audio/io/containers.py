"""Audio containers: which one a file name means, what it can hold, and whether a file is all there."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nmf_audio.errors import AudioFileError

__all__ = [
    "EXTENSIONS",
    "RATES",
    "Container",
    "container_for",
    "is_unknown_length",
    "pcm_bits",
    "room_for",
    "too_large",
    "unfinished",
]

EXTENSIONS: dict[str, tuple[str, str | None]] = {
    ".wav": ("WAV", None),
    ".flac": ("FLAC", None),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", None),
    ".aiff": ("AIFF", None),
    ".aifc": ("AIFF", None),
    ".w64": ("W64", None),
    ".rf64": ("RF64", None),
    ".caf": ("CAF", None),
    ".au": ("AU", None),
    ".snd": ("AU", None),
}
"""Extension -> container, and subtype to prefer when the input's is unknown to it."""
RATES: dict[str, tuple[int, ...]] = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
"""The sample rates in Hz of codings that don't take all."""

_RIFF_FAMILY = ("WAV", "WAVEX", "RF64")

_NEAREST = {
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_24": ("PCM_32",),
    "PCM_32": ("PCM_24",),
    "FLOAT": ("PCM_24",),
    "DOUBLE": ("FLOAT", "PCM_24"),
    "FLAC_16": ("PCM_16",),
    "FLAC_24": ("PCM_24",),
    "ALAC_16": ("PCM_16",),
    "ALAC_20": ("PCM_24",),
    "ALAC_24": ("PCM_24",),
    "ALAC_32": ("PCM_32", "PCM_24"),
}

_PCM_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "DPCM_8": 8,
    "DWVW_12": 12,
    "ALAC_20": 20,
    "PCM_24": 24,
    "ALAC_24": 24,
    "DWVW_24": 24,
    "PCM_32": 32,
    "ALAC_32": 32,
}
_FLOATING = {"FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}

# what programs that write to a pipe put for the length: SoX 0x7ffff000 rounded down to whole frames, LAME 0x7fffffff,
# arecord 0x80000000, ffmpeg 0xffffffff; a CAF has -1
_UNKNOWN_LENGTHS = (range(-1, 0), range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))
# more chunks than any recorder writes before the samples; a hostile file may have millions
_MAX_CHUNKS = 10_000

# a size field of these has 32 bits; what stands beside the samples is below this margin, see chunks.py
SIZE_LIMIT = 2**32 - 2**25
_LIMITED = ("WAV", "WAVEX", "AIFF", "AU")
_BITS = {"FLOAT": 32, "DOUBLE": 64, "ULAW": 8, "ALAW": 8}


@dataclass(frozen=True)
class Container:
    """How an audio file stores its samples, in libsndfile's words.

    Parameters
    ----------
    format : str
        Container, for example ``'WAV'``.
    subtype : str
        Coding of the samples, for example ``'PCM_16'``.
    endian : str
        ``'FILE'`` (the container's own byte order), ``'LITTLE'`` or ``'BIG'``.
    """

    format: str
    subtype: str
    endian: str = "FILE"


def pcm_bits(subtype: str) -> int | None:
    """Return the bits of the integers that a subtype takes.

    Parameters
    ----------
    subtype : str
        libsndfile's name of a coding.

    Returns
    -------
    int or None
        8 to 32; 16 for the companded and ADPCM codings; None for those that take floats beyond full scale.

    Examples
    --------
    >>> pcm_bits("PCM_24"), pcm_bits("ULAW"), pcm_bits("VORBIS")
    (24, 16, None)
    """
    return None if subtype in _FLOATING else _PCM_BITS.get(subtype, 16)


def room_for(container: Container) -> int | None:
    """Return how many values (samples times channels) a file of this kind has room for.

    Parameters
    ----------
    container : Container
        What is to be written.

    Returns
    -------
    int or None
        None if there is no limit that matters.

    Examples
    --------
    >>> room_for(Container("WAV", "PCM_16")), room_for(Container("FLAC", "PCM_16"))
    (2130706432, None)
    """
    if container.format not in _LIMITED:
        return None
    return SIZE_LIMIT * 8 // _BITS.get(container.subtype, pcm_bits(container.subtype) or 64)


def container_for(
    target: Path,
    source: Container,
    n_values: int = 0,
    *,
    format: str | None = None,
    subtype: str | None = None,
) -> Container:
    """Choose container and subtype of an output.

    Those of the input are kept; an extension that means another container wins, and takes the input's subtype
    or the nearest that it has. A WAV that would be too large becomes RF64.

    Parameters
    ----------
    target : Path
        The output; only its extension counts.
    source : Container
        What the input is.
    n_values : int
        Samples times channels, for the containers whose size is limited.
    format : str or None
        A container in libsndfile's words, which wins over the extension.
    subtype : str or None
        The coding to use.

    Returns
    -------
    Container
        What to write.

    Raises
    ------
    AudioFileError
        If the container has no such subtype, or can't hold as much.

    Examples
    --------
    >>> container_for(Path("clean.flac"), Container("WAV", "FLOAT"))
    Container(format='FLAC', subtype='PCM_24', endian='FILE')
    >>> container_for(Path("clean.wav"), Container("WAVEX", "PCM_16"))
    Container(format='WAVEX', subtype='PCM_16', endian='FILE')
    """
    import soundfile

    name, preferred = EXTENSIONS.get(target.suffix.lower(), (source.format, None))
    if name == "WAV" and source.format in _RIFF_FAMILY:
        name = source.format
    if format is not None and format != name:
        name, preferred = format, None
    endian = source.endian if name == source.format else "FILE"
    candidates = [source.subtype, *_NEAREST.get(source.subtype, ()), preferred]
    if name != source.format and source.subtype.startswith("MPEG"):
        # libsndfile says that a WAV may hold MP3, and then writes it at some rates only; few programs read it
        candidates = [preferred]
    if name == "OGG" and preferred == "OPUS":
        candidates.insert(0, "OPUS")
    if subtype is not None:
        if not soundfile.check_format(name, subtype):
            raise AudioFileError(
                f"{target}: {name} has no subtype {subtype}; allowed are "
                f"{', '.join(soundfile.available_subtypes(name))}"
            )
        candidates = [subtype]
    chosen = next((s for s in candidates if s and soundfile.check_format(name, s)), None)
    container = Container(name, chosen or soundfile.default_subtype(name))
    room = room_for(container)
    if room is not None and n_values > room:
        if name not in _RIFF_FAMILY or not soundfile.check_format("RF64", container.subtype):
            raise AudioFileError(too_large(str(target), container))
        container = Container("RF64", container.subtype)
    if soundfile.check_format(container.format, container.subtype, endian):
        container = Container(container.format, container.subtype, endian)
    return container


def too_large(label: str, container: Container) -> str:
    """Say that a file can't hold more, and which can."""
    return (
        f"{label}: {container.format} with {container.subtype} can't hold more than 4 GB; "
        "formats that can are RF64, W64, CAF and FLAC (format=)"
    )


def unfinished(path: Path) -> str | None:
    """Say what is missing at the end of an audio file, as far as its header tells.

    libsndfile opens a shortened WAV, AIFF, W64, AU or OGG file without a word, and shorter.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    str or None
        Half a sentence, to follow the name of the file; None if nothing is known to be missing.

    Raises
    ------
    OSError
        If the file can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".au") as file:
    ...     _ = file.write(b".snd" + (24).to_bytes(4, "big") + (1000).to_bytes(4, "big") + bytes(512))
    ...     file.flush()
    ...     unfinished(Path(file.name))
    'is truncated: 500 of 1000 bytes of its samples are there'
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(40)
        if head[:4] == b"OggS":
            return None if _ogg_has_end(file, size) else "is truncated: its last page is missing"
        found = _find_samples(file, head, size)
        if found is None:
            return None
        start, declared = found
        there = size - start
        if declared == 0 and there > 0 and not _is_chunk(file, start):
            return f"was never finished: its header says no samples, {there} bytes follow"
    if there < declared:
        return f"is truncated: {max(there, 0)} of {declared} bytes of its samples are there"
    return None


def is_unknown_length(n_bytes: int) -> bool:
    """Whether this is what a program puts for the bytes of the samples while it does not know them."""
    return any(n_bytes in lengths for lengths in _UNKNOWN_LENGTHS)


def _find_samples(file: BinaryIO, head: bytes, size: int) -> tuple[int, int] | None:
    """Return where the samples start and their bytes as declared; None if the header does not say."""
    magic = head[:4]
    if magic == b".snd" and len(head) >= 12:
        start, declared = struct.unpack(">II", head[4:12])
        return None if declared == 0xFFFFFFFF else (start, declared)
    # first chunk, layout of its head, whether a size counts the head, alignment, name of the samples' chunk
    layout = {
        b"RIFF": (12, "<4sI", False, 2, b"data"),
        b"RIFX": (12, ">4sI", False, 2, b"data"),
        b"RF64": (12, "<4sI", False, 2, b"data"),
        b"FORM": (12, ">4sI", False, 2, b"SSND"),
        b"riff": (40, "<16sQ", True, 8, b"data"),
        b"caff": (8, ">4sq", False, 1, b"data"),
    }.get(magic)
    if layout is None:
        return None
    position, form, counts_head, align, wanted = layout
    n_head = struct.calcsize(form)
    declared_64 = None
    for _ in range(_MAX_CHUNKS):
        if position + n_head > size:
            return None
        file.seek(position)
        name, n_bytes = struct.unpack(form, file.read(n_head))
        if name == b"ds64":
            _, declared_64 = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        if counts_head:
            n_bytes -= n_head
        if name[:4] == wanted:
            if n_bytes == 0xFFFFFFFF and magic == b"RF64" and declared_64:
                n_bytes = declared_64
            return None if is_unknown_length(n_bytes) else (position + n_head, n_bytes)
        if n_bytes < 0:
            return None
        position += n_head + -(-n_bytes // align) * align
    return None


def _is_chunk(file: BinaryIO, position: int) -> bool:
    """Whether what stands at `position` looks like the head of a chunk, as tags after no samples do."""
    file.seek(position)
    name = file.read(4)
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _ogg_has_end(file: BinaryIO, size: int) -> bool:
    """Whether the last page of an Ogg file carries the end-of-stream flag and is whole."""
    n_page = 27 + 255 + 255 * 255
    start = max(0, size - 2 * n_page)
    file.seek(start)
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return False
    n_segments = tail[page + 26]
    segments = tail[page + 27 : page + 27 + n_segments]
    whole = len(segments) == n_segments and len(tail) >= page + 27 + n_segments + sum(segments)
    return whole and bool(tail[page + 5] & 4)
