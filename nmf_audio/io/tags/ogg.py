"""Comments in the head of an Ogg Vorbis or Opus: read, and put into another, with pictures.

libsndfile carries over nine of them. Layout: RFC 3533 (pages), RFC 7845 (Opus), Vorbis I specification.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nmf_audio.io.atomic import replace_front
from nmf_audio.io.tags.comments import build_comments, parse_comments

__all__ = ["has_speakers", "is_head_packet", "put_ogg_comments", "read_ogg_comments"]

_PAGE = struct.Struct("<4sBBqIIIB")
_CONTINUED, _NOTHING_ENDS = 1, -1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# first bytes of the first packet -> packets of the head behind it, first bytes and end of that of the comments
_KINDS = {b"\x01vorbis": (2, b"\x03vorbis", b"\x01"), b"OpusHead": (1, b"OpusTags", b"")}
# more than covers take
_MAX_BYTES = 2**26


class _Page(NamedTuple):
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    def pack(self) -> bytes:
        """Return the page as it is stored."""
        head = _PAGE.pack(b"OggS", 0, self.flags, self.granule, self.serial, self.number, 0, len(self.lacing))
        page = head + self.lacing + self.body
        return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _checksum(page: bytes) -> int:
    """Return the CRC-32 of Ogg, which is that of zlib with the bits of all bytes, and of the result, in reverse."""
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


def _read_page(file: BinaryIO) -> _Page | None:
    head = file.read(_PAGE.size)
    if len(head) < _PAGE.size or head[:4] != b"OggS":
        return None
    _, _, flags, granule, serial, number, _, n_segments = _PAGE.unpack(head)
    lacing = file.read(n_segments)
    return _Page(flags, granule, serial, number, lacing, file.read(sum(lacing)))


class _Head(NamedTuple):
    """The head of an Ogg: its first page, the packets behind it, and how many pages these take."""

    first: _Page
    packets: list[bytes]
    n_pages: int


def _read_head(file: BinaryIO) -> _Head | None:
    """Return the head and leave the file behind it; None if it is of another kind, or broken."""
    first = _read_page(file)
    if first is None:
        return None
    n_packets = next((n for start, (n, _, _) in _KINDS.items() if first.body.startswith(start)), 0)
    packets, n_bytes, n_pages, is_open = [b""], 0, 0, False
    while len(packets) <= n_packets:
        page = _read_page(file)
        if page is None or page.serial != first.serial or n_bytes > _MAX_BYTES:
            return None
        n_pages, position = n_pages + 1, 0
        n_bytes += len(page.body)
        for n in page.lacing:
            packets[-1] += page.body[position : position + n]
            position += n
            is_open = n == 255
            if not is_open:
                packets.append(b"")
    return None if is_open or n_packets == 0 else _Head(first, packets[:n_packets], n_pages)


def read_ogg_comments(path: Path) -> list[bytes]:
    """Return the comments of an Ogg Vorbis or Opus; none if it is another, or its head is broken."""
    with path.open("rb") as file:
        head = _read_head(file)
    if head is None:
        return []
    for _, start, _ in _KINDS.values():
        if head.packets[0].startswith(start):
            return parse_comments(head.packets[0][len(start) :])
    return []


def has_speakers(path: Path) -> bool:
    """Whether the channels of an Ogg have loudspeakers: not those of an Opus that says otherwise."""
    with path.open("rb") as file:
        page = _read_page(file)
    if page is None or not page.body.startswith(b"OpusHead"):
        return True
    return len(page.body) > 18 and page.body[18] < 2


def is_head_packet(data: bytes) -> bool:
    r"""Whether a packet of an Ogg is no sound, but of the head of FLAC or Speex, which may begin anew in the middle.

    Examples
    --------
    >>> is_head_packet(b"\x03\0\0\x02ab"), is_head_packet(b"\xff\xf8\0\x02ab")
    (True, False)
    """
    # type and length of a block of metadata
    is_block = data[:1] != b"\xff" and int.from_bytes(data[1:4], "big") == len(data) - 4
    return data.startswith((b"Speex   ", b"\x7fFLAC")) or is_block


def put_ogg_comments(path: Path, comments: Iterable[bytes]) -> None:
    """Put comments into a finished Ogg Vorbis or Opus, in the place of its own; ValueError if it is neither."""
    with path.open("rb") as file:
        head = _read_head(file)
        n_old = file.tell()
    if head is None:
        raise ValueError(f"{path}: no Ogg Vorbis or Opus")
    start, end = next((start, end) for _, start, end in _KINDS.values() if head.packets[0].startswith(start))
    packets = [start + build_comments(comments) + end, *head.packets[1:]]
    pages = list(_paginate(packets, head.first))
    replace_front(path, n_old, b"".join(page.pack() for page in (head.first, *pages)))
    if len(pages) != head.n_pages:
        _renumber(path, sum(len(page.pack()) for page in (head.first, *pages)), 1 + len(pages))


def _paginate(packets: Iterable[bytes], first: _Page) -> Iterator[_Page]:
    """Yield pages with packets of the head."""
    segments = []
    for packet in packets:
        pieces = [packet[i : i + 255] for i in range(0, len(packet) + 1, 255)]
        segments += [(piece, i > 0) for i, piece in enumerate(pieces)]
    for number, i in enumerate(range(0, len(segments), 255), 1):
        page = segments[i : i + 255]
        lacing = bytes(len(piece) for piece, _ in page)
        granule = 0 if min(lacing) < 255 else _NOTHING_ENDS
        flags = _CONTINUED if page[0][1] else 0
        yield _Page(flags, granule, first.serial, number, lacing, b"".join(piece for piece, _ in page))


def _renumber(path: Path, position: int, number: int) -> None:
    """Number the pages from a position on."""
    with path.open("r+b") as file:
        file.seek(position)
        while (page := _read_page(file)) is not None:
            data = page._replace(number=number).pack()
            file.seek(position)
            file.write(data)
            position += len(data)
            number += 1
