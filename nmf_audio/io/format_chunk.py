"""Loudspeakers and valid bits in the head of a WAV, AIFF or CAF: read, and put into another.

libsndfile reads and writes neither. Layout: Microsoft's ``WAVEFORMATEXTENSIBLE``; Apple's *Core Audio Format
Specification*, Channel Layout Chunk, which AIFF has, too.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.riff import LAYOUTS, Cursor, Layout, walk_chunks

__all__ = ["NOTHING", "FormatChunk", "build_speaker_chunk", "put_format", "read_format"]

_EXTENSIBLE = 0xFFFE
_PCM = 1
_BY_BITS = 0x10000
_SPEAKERS = (b"CHAN", b"chan")


@dataclass(frozen=True)
class FormatChunk:
    """What the head of a file says of its samples, as far as libsndfile does not; None where it says nothing."""

    channel_mask: int | None = None
    """Which loudspeaker each channel is for, see `nmf_audio.io.speakers`; 0 for none in particular."""

    valid_bits: int | None = None
    """Of each integer, the highest ones; None for all that are stored."""


NOTHING = FormatChunk()
"""A head that says none of this."""


def read_format(path: Path) -> FormatChunk:
    """Return what the head of a file says; nothing if it is none of a WAV and its relatives, AIFF or CAF."""
    with path.open("rb") as file, suppress(EOFError):
        found = _find(file, b"fmt ", *_SPEAKERS)
        if found is None:
            return NOTHING
        name, body, layout = found
        if name in _SPEAKERS:
            return _read_speakers(body)
        return _read_wav(body, ">" if layout is LAYOUTS[b"RIFX"] else "<")
    return NOTHING


def put_format(path: Path, form: FormatChunk) -> None:
    """Put mask and valid bits into the head of a finished WAV, as far as they are known and have a place there."""
    with path.open("r+b") as file, suppress(EOFError):
        found = _find(file, b"fmt ")
        if found is None:
            return
        _, body, layout = found
        order = ">" if layout is LAYOUTS[b"RIFX"] else "<"
        (tag,) = struct.unpack_from(order + "H", body)
        start = file.tell() - len(body)
        extensible = tag == _EXTENSIBLE and len(body) >= 40
        if form.valid_bits is not None:
            file.seek(start + (18 if extensible else 14))
            file.write(struct.pack(order + "H", form.valid_bits))
        if form.channel_mask is not None and extensible:
            file.seek(start + 20)
            file.write(struct.pack(order + "I", form.channel_mask))


def build_speaker_chunk(format: str, mask: int) -> tuple[bytes, bytes]:
    """Return name and content of the chunk of an AIFF or CAF that states a mask."""
    return (b"CHAN" if format == "AIFF" else b"chan"), struct.pack(">III", _BY_BITS, mask, 0)


def _find(file: BinaryIO, *names: bytes) -> tuple[bytes, bytes, Layout] | None:
    """Return the first chunk of these names and its content, and leave the file behind it."""
    layout = LAYOUTS.get(file.read(4))
    if layout is None:
        return None
    for chunk in walk_chunks(Cursor(file.read, 4, seek=file.seek), layout):
        if chunk.name in names:
            return chunk.name, file.read(min(chunk.n_bytes, 64)), layout
    return None


def _read_wav(body: bytes, order: str) -> FormatChunk:
    if len(body) < 16:
        return NOTHING
    tag, n_channels, _, _, frame_bytes, bits = struct.unpack_from(order + "HHIIHH", body)
    stored = 8 * (frame_bytes // max(n_channels, 1))
    mask, valid, least = None, bits, stored - 7
    if tag == _EXTENSIBLE and len(body) >= 40:
        valid, mask, tag = struct.unpack_from(order + "HIH", body, 18)
        least = 1
    return FormatChunk(mask, valid if tag == _PCM and least <= valid < stored else None)


def _read_speakers(body: bytes) -> FormatChunk:
    if len(body) < 8:
        return NOTHING
    tag, mask = struct.unpack_from(">II", body)
    return FormatChunk(mask if tag == _BY_BITS else None)
