"""Detect truncated files, as far as their headers tell: WAV, Ogg, MP3, MP4, Matroska, AVI, ASF, FLV, and relatives.

libsndfile and FFmpeg open most of these without a message, and read what is there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.extent import find_extent
from nmf_audio.io.formats import FORMATS, READ_ONLY
from nmf_audio.io.joined import scan_ogg
from nmf_audio.io.tags.id3 import count_tag_bytes

__all__ = ["describe_truncation"]

# more top-level boxes than a file with a fragment every second of a week has
_MAX_BOXES = 2_000_000
# more tags than an FLV of a week has
_MAX_TAGS = 100_000_000
_TS_HEAD = 400
# a first frame has those words 4 to 40 bytes behind its beginning
_MPEG_HEAD = 60
_MAX_HEAD = 2**20
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_VOC = b"Creative Voi"
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
        if head == _VOC:
            return _check_voc(file, size)
        if FORMATS["MP3"].matches(head):
            return _check_mpeg(file, size)
        if READ_ONLY[".avi"].matches(head):
            return _check_avi(file, size)
        if READ_ONLY[".flv"].matches(head):
            return _check_flv(file, size)
        if READ_ONLY[".wma"].matches(head):
            return _check_asf(file, size)
        if READ_ONLY[".ts"].matches(head + file.read(_TS_HEAD)):
            n_rest = size % (188 if head[:1] == b"G" else 192)
            return "is truncated: it ends within a packet" if n_rest else None
        file.seek(len(head))
        with suppress(EOFError):
            found = find_extent(file)
            return None if found is None else found.damage
    return None


def _check_mpeg(file: BinaryIO, size: int) -> str | None:
    """Compare with the bytes that the first frame of an MP3 states, if it does (Xing, Info: field 2 of its flags)."""
    file.seek(0)
    file.seek(count_tag_bytes(file.read(128)))
    frame = file.read(_MPEG_HEAD)
    at = max(frame.find(word) for word in (b"Xing", b"Info"))
    flags = frame[at + 7 : at + 8] if at >= 0 else b"\0"
    if not flags or not flags[0] & 2:
        return None
    place = at + 8 + 4 * (flags[0] & 1)
    stated = int.from_bytes(frame[place : place + 4], "big")
    # some count the tags, too
    return f"is truncated: {size} of {stated} bytes are there" if size < stated else None


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


def _check_avi(file: BinaryIO, size: int) -> str | None:
    # one of more than a gigabyte is several in a row
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        n_bytes = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or n_bytes in (0, 0xFFFFFFFF):
            return None
        if position + 8 + n_bytes > size:
            return f"is truncated: {size - position - 8} of {n_bytes} bytes of its content are there"
        position += 8 + n_bytes + n_bytes % 2
    return None


def _check_flv(file: BinaryIO, size: int) -> str | None:
    file.seek(5)
    # behind the head, and behind each tag, stands how long it is
    position = int.from_bytes(file.read(4), "big") + 4
    for _ in range(_MAX_TAGS):
        if position >= size:
            break
        file.seek(position)
        position += 11 + int.from_bytes(file.read(4)[1:], "big") + 4
    return None if position == size else "is truncated: its last piece is not whole"


def _check_asf(file: BinaryIO, size: int) -> str | None:
    file.seek(16)
    head = file.read(min(int.from_bytes(file.read(8), "little"), _MAX_HEAD))
    at = head.find(_FILE_PROPERTIES)
    stated = int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0
    return f"is truncated: {size} of {stated} bytes are there" if stated > size else None


def _check_voc(file: BinaryIO, size: int) -> str | None:
    file.seek(20)
    position = int.from_bytes(file.read(2), "little")
    for _ in range(_MAX_BOXES):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] == 0:
            break
        n_bytes = int.from_bytes(head[1:], "little")
        if position + 4 + n_bytes > size:
            return f"is truncated: {size - position - 4} of {n_bytes} bytes of its last block are there"
        position += 4 + n_bytes
    return None
