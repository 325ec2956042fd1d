"""The recordings in one file (``cat a.mp3 b.mp3``, a saved radio stream), and where the bytes of each of them lie.

libsndfile reads the first. Layout: RFC 3533 (Ogg), the frame headers of ISO 11172-3, and the frame in front of an MP3
that states its length (Xing, Info, VBRI).
"""

from __future__ import annotations

import mmap
import os
import zlib
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from nmf_audio.io.extent import SEVERAL_CHUNKS, find_extent
from nmf_audio.io.formats import FORMATS, READ_ONLY
from nmf_audio.io.tags.id3 import count_tag_bytes

__all__ = ["MOST_MPEG_FRAME", "Part", "find_flac", "find_mp3_frames", "find_parts", "scan_ogg"]

_FLAC = b"fLaC\0\0\0\x22"
_LENGTH_WORDS = (b"Xing", b"Info", b"VBRI")
# bytes of a frame before that: its head, sums of its bits or none, how many channels it has
_BEFORE_LENGTH = (36, 21, 13, 38, 23, 15)
# with the word itself; also what two blocks that are searched have in common
_MOST_BEFORE_LENGTH = 64
_BLOCK_BYTES = 2**22
# no frame of MPEG audio is longer
MOST_MPEG_FRAME = 1729
# what encoders leave free between a tag and the first frame
_MOST_BEFORE_FIRST = 4096
_PAGE_HEAD = 27
_IS_FIRST, _IS_LAST = 2, 4
# zlib's checksum takes the bits of a byte in the other order
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Part(NamedTuple):
    """The bytes of one recording in a file: from `start` up to `stop`, behind a `head` that should stand there.

    Without an end it is the whole file, as it is. `is_sized` is no if its length shows only when all frames are
    counted, which libsndfile does where the bytes have no known end, as in a pipe. What it can't read of a part that
    `has_gaps` it leaves out, so that what follows comes too early.
    """

    start: int = 0
    stop: int | None = None
    head: bytes = b""
    is_sized: bool = True
    has_gaps: bool = False


def find_parts(path: Path) -> tuple[list[Part], str | None]:
    """Return the recordings in a file that libsndfile may read, and what is missing of it, half a sentence."""
    with path.open("rb") as file:
        magic = file.read(12)
        size = os.fstat(file.fileno()).st_size
        if FORMATS["OGG"].matches(magic):
            pages = scan_ogg(path)
            links = _join(pages.starts, size) if len(pages.starts) > 1 else [Part()]
            return [link._replace(has_gaps=pages.n_gaps > 0) for link in links], pages.describe_damage()
        if FORMATS["FLAC"].matches(magic):
            return _join([0], size), None
        if FORMATS["MP3"].matches(magic) or READ_ONLY[".mp2"].matches(magic):
            file.seek(count_tag_bytes(magic))
            if _is_mpeg_audio(file.read(4)):
                return _find_mp3_parts(path, count_tag_bytes(magic), size), None
        file.seek(0)
        parts: list[Part] = []
        damage, doubt, base, head, has_samples = None, None, 0, b"", False
        with suppress(EOFError):
            while (found := find_extent(file, base, head)) is not None:
                is_whole = base == 0 and not found.head and found.stop == size
                start = found.start if found.head else base
                parts.append(Part() if is_whole else Part(start, found.stop, found.head))
                is_more = found.start < found.stop
                if head and has_samples and is_more:
                    doubt = SEVERAL_CHUNKS
                damage = damage or found.damage
                has_samples = is_more or (bool(head) and has_samples)
                if found.joined is None:
                    break
                base, head = found.joined, found.joined_head
        return parts or [Part()], damage or doubt


def _join(starts: list[int], size: int) -> list[Part]:
    """Return parts each of which ends where the next begins."""
    return [Part(start, stop) for start, stop in pairwise([*starts, size])]


def _find_mp3_parts(path: Path, n_tag: int, size: int) -> list[Part]:
    starts = find_mp3(path)
    # frames before the first that states a length
    is_stated = bool(starts) and starts[0] - n_tag < _MOST_BEFORE_FIRST
    if is_stated:
        return _join([0, *starts[1:]], size)
    return [Part(n_tag, starts[0] if starts else size, is_sized=False), *_join(starts, size)]


class OggPages(NamedTuple):
    """The pages of an Ogg file: where each recording begins, how many gaps there are, whether the last is there."""

    starts: list[int]
    n_gaps: int
    has_end: bool

    def describe_damage(self) -> str | None:
        """Return what is missing, half a sentence."""
        if self.n_gaps:
            return (
                f"is damaged: its pages can't be read in {self.n_gaps} place{'s' if self.n_gaps > 1 else ''}"
            )
        return None if self.has_end else "is truncated: its last page is missing"


def scan_ogg(path: Path) -> OggPages:
    """Read the heads and check the sums of all pages of an Ogg file."""
    starts: list[int] = []
    n_gaps, was_first, is_last = 0, False, False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position, expected = 0, 0
        while (position := data.find(b"OggS", position)) >= 0 and position + _PAGE_HEAD <= len(data):
            n_segments = data[position + 26]
            end = position + _PAGE_HEAD + n_segments
            end += sum(data[position + _PAGE_HEAD : end])
            page = data[position:end]
            if end > len(data) or _checksum(page) != page[22:26]:
                is_last = False
                position += 1
                continue
            is_first, is_last = bool(page[5] & _IS_FIRST), bool(page[5] & _IS_LAST)
            n_gaps += position != expected
            if is_first and not was_first:
                starts.append(position)
            was_first = is_first
            position = expected = end
        return OggPages(starts or [0], n_gaps, is_last)


def _checksum(page: bytes) -> bytes:
    """Return the checksum of a page as it stands there: CRC-32, the highest bit first, from 0 on."""
    body = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    return (zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_REVERSED)


def find_mp3(path: Path) -> list[int]:
    """Return where frames begin that state the length of an MP3: none, or one for each MP3 that was joined."""
    starts = set()
    with path.open("rb") as file:
        base, tail = 0, b""
        while block := file.read(_BLOCK_BYTES):
            data = tail + block
            for word in _LENGTH_WORDS:
                at = -1
                while (at := data.find(word, at + 1)) >= 0:
                    places = (at - n for n in _BEFORE_LENGTH if at >= n)
                    starts.update([base + n for n in places if _is_mpeg_audio(data[n : n + 4])][:1])
            tail = data[-_MOST_BEFORE_LENGTH:]
            base += len(data) - len(tail)
    return sorted(starts)


def find_mp3_frames(path: Path, place: int) -> int | None:
    """Return where more frames of an MP3 begin, behind those that it states and tags after them; None if none do."""
    with path.open("rb") as file:
        while True:
            file.seek(place)
            head = file.read(128)
            if head[:3] == b"TAG" and len(head) == 128:
                place += 128
            elif n_bytes := count_tag_bytes(head):
                place += n_bytes
            else:
                return place if _is_mpeg_audio(head) else None


def _is_mpeg_audio(head: bytes) -> bool:
    """Return whether these four bytes begin a frame of MPEG audio."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x06 != 0x00
        and head[1] & 0x18 != 0x08
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )


def find_flac(path: Path, start: int) -> int | None:
    """Return where the next FLAC begins that was joined, at `start` or behind it; None if none does."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_FLAC, start)
    return None if place < 0 else place
