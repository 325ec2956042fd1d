"""How media files look from outside, how their sound is coded, and PyAV, which reads and writes them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_audio.errors import MissingExtraError

__all__ = ["ENCODERS", "Encoder", "is_media", "is_media_head", "load", "open_to_read"]


@dataclass(frozen=True)
class Encoder:
    """How sound is coded.

    Parameters
    ----------
    name : str
        What FFmpeg calls the encoder.
    sample_format : str
        What it takes, in FFmpeg's words.
    bits : int or None
        Of the integers that it keeps; None for floats.
    """

    name: str
    sample_format: str
    bits: int | None = None


ENCODERS: dict[str, Encoder] = {
    "AAC": Encoder("aac", "fltp"),
    "OPUS": Encoder("libopus", "flt"),
    "ALAC_16": Encoder("alac", "s16p", 16),
    "ALAC_24": Encoder("alac", "s32p", 24),
    "FLAC_16": Encoder("flac", "s16", 16),
    "FLAC_24": Encoder("flac", "s32", 24),
    "PCM_16": Encoder("pcm_s16le", "s16", 16),
    "PCM_24": Encoder("pcm_s24le", "s32", 24),
    "PCM_32": Encoder("pcm_s32le", "s32", 32),
    "FLOAT": Encoder("pcm_f32le", "flt"),
}
"""How each subtype is encoded."""

# how the first bytes of media files look, from where on
_MAGIC = (
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
    (4, b"free"),
    (4, b"skip"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"0&\xb2u\x8ef\xcf\x11"),
    (0, b"FLV\x01"),
    (0, b"#!AMR"),
    (0, b"\x00\x00\x01\xba"),
    (0, b"\x0b\x77"),
    (0, b"MAC "),
    (0, b"wvpk"),
    (0, b"ADIF"),
    (8, b"AVI "),
)


def is_media(path: Path) -> bool:
    """Whether the first bytes of a file are those of a media file, which libsndfile does not read.

    Parameters
    ----------
    path : Path
        A file; what is none, or can't be read, is no media file.

    Returns
    -------
    bool

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(bytes(4) + b"ftypisom")
    ...     file.flush()
    ...     is_media(Path(file.name))
    True
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_media_head(file.read(2 * 192 + 5))
    except OSError:
        return False


def is_media_head(head: bytes) -> bool:
    """Whether these are the first bytes of a media file; all kinds can be told by 389 of them."""
    if any(head[start:].startswith(magic) for start, magic in _MAGIC):
        return True
    # AAC: twelve bits of one, then a bit of version, and layer 0, which MPEG audio does not have
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return True
    # MPEG-TS: packets of a fixed size, which begin alike
    for start, n_packet in ((0, 188), (4, 192)):
        firsts = head[start : start + 2 * n_packet + 1 : n_packet]
        if firsts == b"GGG":
            return True
    return False


def load(what: str) -> Any:
    """Return the module ``av``.

    Parameters
    ----------
    what : str
        What it is needed for.

    Raises
    ------
    MissingExtraError
        If PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs PyAV; install it with: pip install 'nmf-audio[media]'"
        ) from error
    return av


def open_to_read(av: Any, path: str | os.PathLike[str]) -> Any:
    """Open a media file; tags that are not text in UTF-8 come out with marks in place of what can't be read.

    Parameters
    ----------
    av : module
        PyAV, see `load`.
    path : path-like
        The file.

    Returns
    -------
    av.container.InputContainer

    Raises
    ------
    av.error.FFmpegError, ValueError
        If it can't be opened.
    """
    # before version 19 bytes that are no text are a fault unless this says otherwise; since then they never are
    options = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    # the prefix keeps a colon in a name from being taken for the end of a protocol
    return av.open(f"file:{os.fspath(path)}", **options)
