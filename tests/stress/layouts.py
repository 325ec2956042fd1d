"""The layout of audio files: fields of their headers, and parts that can be moved, copied and left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Field", "Layout", "find_layout", "repair_ogg"]

MOST_PARTS = 400


@dataclass(frozen=True)
class Field:
    """A whole number in a file."""

    at: int
    width: int
    big: bool = False

    def read(self, content: bytes) -> int:
        return int.from_bytes(content[self.at : self.at + self.width], "big" if self.big else "little")

    def pack(self, value: int) -> bytes:
        wrapped: int = value % (1 << 8 * self.width)
        return wrapped.to_bytes(self.width, "big" if self.big else "little")


@dataclass
class Layout:
    """What a file is made of: numbers, and parts (start, stop): chunks, pages, boxes, frames."""

    fields: list[Field] = field(default_factory=list)
    parts: list[tuple[int, int]] = field(default_factory=list)

    def add(self, at: int, *widths: int, big: bool = False) -> None:
        """Add fields that follow each other."""
        for width in widths:
            self.fields.append(Field(at, width, big))
            at += width


def find_layout(content: bytes) -> Layout:
    """Return the layout of a file, as far as it is known."""
    layout = Layout()
    if content[:4] in (b"RIFF", b"RF64", b"BW64"):
        layout.add(4, 4)
        _find_chunks(content, 12, layout, size_width=4, big=False)
    elif content[:4] == b"FORM":
        layout.add(4, 4, big=True)
        _find_chunks(content, 12, layout, size_width=4, big=True)
    elif content[:4] == b"caff":
        layout.add(4, 2, 2, big=True)
        _find_chunks(content, 8, layout, size_width=8, big=True)
    elif content[:4] == b"riff":
        layout.add(16, 8)
        _find_wave64(content, layout)
    elif content[:4] == b"fLaC":
        _find_flac(content, layout)
    elif content[:4] == b"OggS":
        _find_ogg(content, layout)
    elif content[4:8] in (b"ftyp", b"moov"):
        _find_boxes(content, 0, len(content), layout)
    elif content[:4] == b"\x1aE\xdf\xa3":
        _find_ebml(content, 0, len(content), layout)
    elif content[:4] == b".snd":
        layout.add(4, 4, 4, 4, 4, 4, big=True)
    elif content[:3] == b"ID3" or content[:1] == b"\xff":
        _find_mpeg(content, layout)
    else:
        # heads of NIST, VOC and others that are text or small
        layout.add(0, *(1,) * min(64, len(content)))
    return layout


def _find_chunks(content: bytes, at: int, layout: Layout, *, size_width: int, big: bool) -> None:
    while at + 4 + size_width <= len(content) and len(layout.parts) < MOST_PARTS:
        layout.add(at, 4, size_width, big=big)
        size = Field(at + 4, size_width, big).read(content)
        body = at + 4 + size_width
        stop = min(body + size, len(content))
        if content[at : at + 4] not in (b"data", b"SSND"):
            head = min(stop - body, 48) & ~1
            layout.add(body, *(2,) * (head // 2), big=big)
            layout.add(body, *(4,) * (head // 4), big=big)
        stop += size % 2 if size_width == 4 else 0
        layout.parts.append((at, min(stop, len(content))))
        at = stop


def _find_wave64(content: bytes, layout: Layout) -> None:
    at = 40
    while at + 24 <= len(content) and len(layout.parts) < MOST_PARTS:
        layout.add(at + 16, 8)
        size = Field(at + 16, 8).read(content)
        if content[at : at + 4] != b"data":
            layout.add(at + 24, *(2,) * 8)
        stop = min(at + max(24, (size + 7) // 8 * 8), len(content))
        layout.parts.append((at, stop))
        at = stop


def _find_flac(content: bytes, layout: Layout) -> None:
    at = 4
    while at + 4 <= len(content) and len(layout.parts) < MOST_PARTS:
        layout.add(at, 1, 3, big=True)
        stop = at + 4 + Field(at + 1, 3, True).read(content)
        layout.add(at + 4, 2, 2, 3, 3, 4, 4, 8, big=True)
        layout.parts.append((at, min(stop, len(content))))
        is_last = content[at] & 0x80
        at = stop
        if is_last:
            break
    for start, stop in _find_parts(content, rb"\xff[\xf8\xf9]", at):
        layout.add(start, 2, 1, 1, 1, 1, big=True)
        layout.parts.append((start, stop))


def _find_parts(content: bytes, magic: bytes, at: int = 0) -> Iterator[tuple[int, int]]:
    """Yield parts that begin with some bytes, each up to the next one."""
    starts = [found.start() for found in re.finditer(magic, content) if found.start() >= at][:MOST_PARTS]
    yield from pairwise([*starts, len(content)])


def _find_ogg(content: bytes, layout: Layout) -> None:
    for start, stop in _find_parts(content, rb"OggS\0"):
        layout.add(start + 4, 1, 1, 8, 4, 4, 4, 1)
        n_segments = content[start + 26] if start + 26 < len(content) else 0
        layout.add(start + 27, *(1,) * min(n_segments, 4))
        layout.add(start + 27 + n_segments, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 4, 4)
        layout.parts.append((start, stop))


_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"meta", b"ilst", b"edts", b"dinf"}


def _find_boxes(content: bytes, at: int, end: int, layout: Layout) -> None:
    while at + 8 <= end and len(layout.parts) < MOST_PARTS:
        kind, size = content[at + 4 : at + 8], Field(at, 4, True).read(content)
        stop = min(at + max(size, 8), end)
        layout.add(at, 4, 4, big=True)
        layout.parts.append((at, stop))
        if kind in _CONTAINERS:
            _find_boxes(content, at + (12 if kind == b"meta" else 8), stop, layout)
        elif kind != b"mdat":
            head = min(stop - at - 8, 64)
            layout.add(at + 8, *(4,) * (head // 4), big=True)
        at = stop


# Segment, Info, Tracks, TrackEntry, Audio, Cluster, BlockGroup, Cues, SeekHead, Tags, Tag
_MASTERS = {
    0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B, 0x114D9B74, 0x1254C367,
    0x7373,
}  # fmt: skip


def _find_ebml(content: bytes, at: int, end: int, layout: Layout) -> None:
    while at < end and len(layout.parts) < MOST_PARTS:
        n_id = 9 - content[at].bit_length()
        if at + n_id >= end:
            return
        n_size = 9 - content[at + n_id].bit_length()
        body = at + n_id + n_size
        if n_id > 4 or n_size > 8 or body > end:
            return
        size = Field(at + n_id, n_size, True).read(content) & (2 ** (7 * n_size) - 1)
        stop = end if size == 2 ** (7 * n_size) - 1 else min(body + size, end)
        layout.add(at, n_id, n_size, big=True)
        layout.parts.append((at, stop))
        if Field(at, n_id, True).read(content) in _MASTERS:
            _find_ebml(content, body, stop, layout)
        elif 0 < stop - body <= 8:
            layout.add(body, stop - body, big=True)
        elif stop - body > 4:
            # track number, time, flags of a block
            layout.add(body, 1, 2, 1, big=True)
        at = stop


def _find_mpeg(content: bytes, layout: Layout) -> None:
    if content[:3] == b"ID3":
        layout.add(3, 1, 1, 1, 1, 1, 1, 1)
        layout.add(14, 4, 2, 1, big=True)
    for start, stop in _find_parts(content, rb"\xff[\xe2-\xff]"):
        layout.add(start, 1, 1, 1, 1, big=True)
        layout.parts.append((start, stop))
    for found in re.finditer(rb"Xing|Info|LAME", content):
        layout.add(found.end(), 4, 4, 4, 4, big=True)


def _table() -> Iterator[int]:
    for i in range(256):
        crc = i << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
        yield crc & 0xFFFFFFFF


_CRC = tuple(_table())


def repair_ogg(content: bytes) -> bytes:
    """Return an Ogg file whose pages have the checksums that fit them: a reader does not drop them then."""
    repaired = bytearray(content)
    starts = [found.start() for found in re.finditer(rb"OggS", content)]
    for start in starts:
        if start + 27 > len(content):
            break
        n_segments = content[start + 26]
        stop = start + 27 + n_segments + sum(content[start + 27 : start + 27 + n_segments])
        repaired[start + 22 : start + 26] = bytes(4)
        crc = 0
        for byte in repaired[start:stop]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
        repaired[start + 22 : start + 26] = crc.to_bytes(4, "little")
    return bytes(repaired)
