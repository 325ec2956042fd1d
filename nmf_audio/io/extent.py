"""The bytes of a file that are samples: what its header states, and what is there.

Recorders that lose power leave 0 where the size belongs; sizes of 32 bits wrap around beyond 4 GB. The first bytes
behind the stated end tell whether more of the samples stand there, or something else.
"""

from __future__ import annotations

import math
import os
import struct
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from nmf_audio.io.formats import FORMATS
from nmf_audio.io.riff import LAYOUTS, Chunk, Cursor, Layout, walk_chunks

__all__ = [
    "MOST_PADDING",
    "SEVERAL_CHUNKS",
    "WRAP",
    "Extent",
    "describe_size",
    "find_extent",
    "find_joined",
    "is_other_than_samples",
]

WRAP = 2**32
"""What a size of 32 bits can't state is left out of it, once or several times."""

_MOST = WRAP - 1
# more of the head than this is not held in memory
_MAX_HEAD = 2**24
SEVERAL_CHUNKS = "is doubtful: its samples are in several chunks, of which other programs read the first"

MOST_PADDING = 2**20
"""Recorders fill the last block of a card with zeros."""

_AU = Layout(24, struct.Struct(">4sI"))
# the bytes of a chunk of samples before the first of them: AIFF, CAF
_BEFORE = {b"FORM": 8, b"caff": 4}
_BEHIND = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
_CHUNKS = (
    *(
        b"LIST",
        b"id3 ",
        b"ID3 ",
        b"bext",
        b"iXML",
        b"axml",
        b"umid",
        b"cue ",
        b"smpl",
        b"JUNK",
        b"fact",
        b"PEAK",
    ),
    *(b"NAME", b"AUTH", b"ANNO", b"(c) ", b"MARK", b"COMT", b"INST", b"info"),
)


class Extent(NamedTuple):
    """The place of the samples in a file.

    `start` is the place of the first, and `stop` that behind the last, or behind all that belongs to them;
    `damage` says what is missing or doubtful, half a sentence. `head` is what should stand before `start`, empty
    if it stands there. At `joined` another recording begins that was joined to this one, or another chunk of samples,
    before which `joined_head` should stand.
    """

    start: int
    stop: int
    head: bytes = b""
    damage: str | None = None
    joined: int | None = None
    joined_head: bytes = b""


def find_extent(file: BinaryIO, base: int = 0, head: bytes = b"") -> Extent | None:
    """Return the place of the samples of a WAV or one of its relatives that begins at `base`; None if not found.

    With a `head` what begins there is no more than another chunk of samples, before which that should stand. Raises
    EOFError if the file ends before the first sample.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(base)
    magic = head[:12] or file.read(12)
    if len(magic) < 12:
        raise EOFError
    if FORMATS["AU"].matches(magic):
        start, stated = struct.unpack(">II", magic[4:])
        if start < _AU.first:
            return None
        layout, chunk = _AU, Chunk(b".snd", start, stated)
    else:
        found = LAYOUTS.get(magic[:4])
        if found is None:
            return None
        layout = found if not head else found._replace(first=0)
        cursor = Cursor(file.read, layout.first, seek=lambda position: file.seek(base + position))
        first = next((chunk for chunk in walk_chunks(cursor, layout) if chunk.name == layout.samples), None)
        if first is None:
            return None
        chunk = first
    before = _BEFORE.get(magic[:4], 0)
    start, stated = base + chunk.start + before, chunk.n_bytes - before
    there = size - start
    if not chunk.is_unknown and there < stated:
        missing = f"is truncated: {max(there, 0)} of {stated} bytes of its samples are there"
        return Extent(start, size, head and _state(head, max(there, 0)), missing)
    is_long = magic[:4] in (b"RF64", b"BW64", b"riff", b"caff")
    n, damage, joined = there, None, None
    if not chunk.is_unknown:
        n, joined = _find_end(file, layout, magic, start, stated, size, wraps=not is_long)
        if n != stated and (stated <= 0 < n or is_long or (n - stated) % WRAP):
            damage = describe_size(stated, n)
    # libsndfile reads up to the end what is stated to be longer, not what is stated in 64 bits
    is_wrong = n != stated and (is_long or not chunk.is_unknown or n > stated)
    is_wrong |= magic[:4] == b"BW64"
    has_more = False
    if joined is not None:
        file.seek(joined)
        has_more = file.read(4) == layout.samples
    original = head
    if not head and (is_wrong or has_more) and start - base <= _MAX_HEAD:
        file.seek(base)
        original = file.read(start - base)
    if original and (head or is_wrong):
        head = _state(original, n)
        if n > _MOST and magic[:4] in (b"FORM", b"RIFX"):
            damage = f"is larger than its format allows; what lies beyond 4 GB of its {n} bytes can't be read"
    # of a W64 libsndfile reads all that follows as samples
    stop = start + n if magic[:4] == b"riff" else size if joined is None else joined
    return Extent(start, stop, head, damage, joined, original if has_more else b"")


def describe_size(stated: int, n_bytes: int) -> str:
    """Return what is wrong with a size that is not that of the samples, half a sentence.

    Examples
    --------
    >>> describe_size(1000, 5000)
    'is doubtful: its header states 1000 bytes of samples, 5000 follow'
    """
    if stated <= 0:
        return f"was never finished: its header says no samples, {n_bytes} bytes follow"
    return f"is doubtful: its header states {stated} bytes of samples, {n_bytes} follow"


def _find_end(
    file: BinaryIO, layout: Layout, magic: bytes, start: int, stated: int, size: int, *, wraps: bool
) -> tuple[int, int | None]:
    """Return how many bytes of samples there are, and where another recording begins, if one was joined."""
    stated = max(stated, 0)
    for n in range(stated + (size - start - stated) // WRAP * WRAP if wraps else stated, stated - 1, -WRAP):
        position = start + -(-n // layout.alignment) * layout.alignment
        joined = find_joined(file, layout, magic, position)
        if joined is not None:
            return n, joined
        if is_other_than_samples(file, layout, position, size):
            return n, None
    return size - start, None


def find_joined(file: BinaryIO, layout: Layout, magic: bytes, position: int) -> int | None:
    """Return where another recording of the format that began with `magic`, or another chunk of samples, begins.

    That is at a position, or behind chunks that stand there.
    """
    if layout is _AU:
        file.seek(position)
        return position if file.read(4) == magic[:4] else None
    cursor = Cursor(file.read, position, seek=file.seek)
    with suppress(EOFError):
        for chunk in walk_chunks(cursor, layout._replace(first=position)):
            place = chunk.start - layout.head.size
            file.seek(place)
            head = file.read(12)
            is_recording = head[:4] == magic[:4] and head[8:12] == magic[8:12]
            if is_recording or chunk.name == layout.samples:
                return place
            if not all(0x20 <= byte < 0x7F for byte in chunk.name):
                break
    return None


def is_other_than_samples(file: BinaryIO, layout: Layout, position: int, size: float) -> bool:
    """Return whether what stands at a position behind samples is none: the end, chunks, a tag, or padding."""
    if size - position < layout.head.size:
        return True
    file.seek(position)
    head = file.read(layout.head.size)
    if head.startswith(_BEHIND):
        return True
    if size - position <= MOST_PADDING:
        file.seek(position)
        if not any(file.read(MOST_PADDING)):
            return True
    return layout is not _AU and _are_chunks(file, layout, position, size)


def _are_chunks(file: BinaryIO, layout: Layout, position: int, size: float) -> bool:
    """Return whether chunks stand there: known ones, or any up to the end of the file."""
    file.seek(position)
    cursor = Cursor(file.read, position, seek=file.seek)
    try:
        for chunk in walk_chunks(cursor, layout._replace(first=position)):
            if chunk.name in _CHUNKS:
                return True
            if chunk.n_bytes < 0 or not all(0x20 <= byte < 0x7F for byte in chunk.name):
                return False
            # of a stream that goes on nobody knows how far
            if chunk.n_bytes > (size - chunk.start if math.isfinite(size) else _MAX_HEAD):
                return False
    except EOFError:
        return True
    return False


def _state(head: bytes, n_bytes: int) -> bytes:
    """Return what stands before the first sample with the bytes of samples stated as `n_bytes`."""
    magic = head[:4]
    before = _BEFORE.get(magic, 0)
    end, n_bytes = len(head) - before, n_bytes + before
    most = min(n_bytes, _MOST)
    if magic == b".snd":
        return head[:8] + struct.pack(">I", most) + head[12:]
    if magic == b"riff":
        at = end - 8
        return head[:at] + struct.pack("<Q", n_bytes + 24) + head[at + 8 :]
    if magic == b"caff":
        at = end - 8
        return head[:at] + struct.pack(">q", n_bytes) + head[at + 8 :]
    if magic in (b"RF64", b"BW64") and head[12:16] == b"ds64":
        sizes = struct.pack("<QQ", len(head) + n_bytes - 8, n_bytes)
        return b"RF64" + head[4:20] + sizes + head[36:-4] + struct.pack("<I", _MOST)
    if magic in (b"RF64", b"BW64") or (magic == b"RIFF" and n_bytes > _MOST - len(head)):
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(head) + 28 + n_bytes, n_bytes, 0, 0)
        return b"RF64\xff\xff\xff\xffWAVE" + sizes + head[12:-4] + struct.pack("<I", _MOST)
    order = "<" if magic == b"RIFF" else ">"
    at = end - 4
    total = struct.pack(order + "I", min(len(head) - 8 + n_bytes, _MOST))
    return magic + total + head[8:at] + struct.pack(order + "I", most) + head[at + 4 :]
