"""Detect truncated files, as far as their headers tell: WAV and its relatives, AIFF, AU, CAF, Ogg, MP4, Matroska.

libsndfile and FFmpeg open most of these without a message, and read what is there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.extent import find_extent
from nmf_audio.io.formats import FORMATS
from nmf_audio.io.joined import scan_ogg

__all__ = ["describe_truncation"]

# more top-level boxes than a file with a fragment every second of a week has
_MAX_BOXES = 2_000_000
_SEGMENT = b"\x18S\x80g"


def describe_truncation(path: Path) -> str | None:
    """Return what is missing at the end of a regular file: half a sentence, or None if nothing is known to be.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".au") as file:
    ...     _ = file.write(b".snd" + (24).to_bytes(4, "big") + (1000).to_bytes(4, "big") + bytes(512))
    ...     file.flush()
    ...     describe_truncation(Path(file.name))
    'is truncated: 500 of 1000 bytes of its samples are there'
    >>> with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
    ...     _ = file.write((8).to_bytes(4, "big") + b"ftyp" + (1000).to_bytes(4, "big") + b"mdat" + bytes(92))
    ...     file.flush()
    ...     describe_truncation(Path(file.name))
    'is truncated: 100 of 1000 bytes of its part mdat are there'
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(12)
        if FORMATS["OGG"].matches(head):
            return scan_ogg(path).describe_damage()
        if FORMATS["MKV"].matches(head):
            return _check_matroska(file, size)
        if FORMATS["MP4"].matches(head):
            return _check_boxes(file, size)
        with suppress(EOFError):
            found = find_extent(file)
            return None if found is None else found.damage
    return None


def _check_boxes(file: BinaryIO, size: int) -> str | None:
    position, names = 0, set()
    for _ in range(_MAX_BOXES):
        if position + 8 > size:
            break
        file.seek(position)
        head = file.read(16)
        n_bytes, name = int.from_bytes(head[:4], "big"), head[4:8]
        if n_bytes == 1:
            n_bytes = int.from_bytes(head[8:16], "big")
        names.add(name)
        if n_bytes == 0:
            break
        if n_bytes < 8:
            return None
        if position + n_bytes > size:
            if not name.isalnum():
                return "is damaged: one of its parts has no name"
            label = name.decode("latin-1")
            return f"is truncated: {size - position} of {n_bytes} bytes of its part {label} are there"
        position += n_bytes
    return None if b"moov" in names else "was never finished: its index (moov) is missing"


def _check_matroska(file: BinaryIO, size: int) -> str | None:
    file.seek(4)
    n_head = _element_size(file)
    if n_head is None:
        return None
    file.seek(n_head, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return None
    n_bytes = _element_size(file)
    there = size - file.tell()
    if n_bytes is None or there >= n_bytes:
        return None
    return f"is truncated: {there} of {n_bytes} bytes of its content are there"


def _element_size(file: BinaryIO) -> int | None:
    """Read the size of an element; None if it is unknown, as in a live recording, or is no size."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    n_more = 8 - first[0].bit_length()
    value = (first[0] & (0xFF >> (n_more + 1))) << (8 * n_more) | int.from_bytes(file.read(n_more), "big")
    return None if value == (1 << (7 * (n_more + 1))) - 1 else value
