"""RIFF and its relatives: the walk over chunks, and the head of a WAV stream.

libsndfile reads and writes the head of files only, since it seeks. Layout: Microsoft's *Multimedia Programming
Interface* (1991) and ``WAVEFORMATEXTENSIBLE``; EBU Tech 3306 (RF64) and ITU-R BS.2088 (BW64).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from nmf_audio.io.formats import pcm_bits
from nmf_audio.io.pcm import PCM_BYTES

__all__ = [
    "LAYOUTS",
    "OWN_CHUNKS",
    "Chunk",
    "Cursor",
    "Layout",
    "WavHead",
    "read_head",
    "walk_chunks",
    "write_head",
]

# more chunks than any recorder writes before the samples; a hostile file may have millions
_MAX_CHUNKS = 10_000
_UNKNOWN = 0xFFFFFFFF
# what programs that write to a pipe put for the length: SoX 0x7ffff000 rounded down to whole frames, LAME 0x7fffffff,
# arecord 0x80000000, ffmpeg 0xffffffff; a CAF has -1
_UNKNOWN_LENGTHS = (range(-1, 0), range(0x7FFF0000, 0x80000001), range(0xFFFF0000, 0x100000000))


class Layout(NamedTuple):
    """The layout of chunks: where the first begins, their heads, their alignment, the one of the samples."""

    first: int
    head: struct.Struct
    counts_head: bool = False
    alignment: int = 2
    samples: bytes = b"data"


LAYOUTS = {
    **dict.fromkeys((b"RIFF", b"RF64", b"BW64"), Layout(12, struct.Struct("<4sI"))),
    b"RIFX": Layout(12, struct.Struct(">4sI")),
    b"FORM": Layout(12, struct.Struct(">4sI"), samples=b"SSND"),
    b"riff": Layout(40, struct.Struct("<16sQ"), counts_head=True, alignment=8),
    b"caff": Layout(8, struct.Struct(">4sq"), alignment=1),
}
"""First four bytes of a file -> layout of its chunks: WAV and its relatives, AIFF, W64, CAF."""

# what any writer makes anew, what only fills, and what no longer holds once the samples are others
OWN_CHUNKS = (
    *(b"fmt ", b"data", b"fact", b"ds64", b"COMM", b"SSND", b"FVER", b"desc", b"pakt", b"kuki"),
    *(b"JUNK", b"junk", b"PAD ", b"FLLR", b"fake", b"free"),
    *(b"PEAK", b"peak", b"levl", b"ovvw", b"MD5 "),
)

_LITTLE_ENDIAN = (b"RIFF", b"RF64", b"BW64")


class Chunk(NamedTuple):
    """The head of a chunk: its name, where its content begins, and the bytes of that.

    `is_exact` says that the bytes were stated apart from the head, in 64 bits.
    """

    name: bytes
    start: int
    n_bytes: int
    is_exact: bool = False

    @property
    def is_unknown(self) -> bool:
        """Whether the bytes are what a program writes while it does not know them."""
        return not self.is_exact and _is_unknown_length(self.n_bytes)


class Cursor:
    """A position in a file or a stream.

    `read` returns the next n bytes, fewer at the end; `seek` goes to a position: without it, what lies
    between is read.
    """

    def __init__(
        self, read: Callable[[int], bytes], position: int = 0, *, seek: Callable[[int], object] | None = None
    ) -> None:
        self._read, self._position, self._seek = read, position, seek

    def take(self, n: int) -> bytes:
        """Return n bytes; raise EOFError if there are fewer."""
        data = self._read(n)
        if len(data) < n:
            raise EOFError
        self._position += n
        return data

    def move_to(self, position: int) -> None:
        """Go to a position; in a stream, one that was not read yet."""
        if self._seek is not None:
            try:
                self._seek(position)
            except (OSError, ValueError, OverflowError):
                # no file is as long
                raise EOFError from None
            self._position = position
        while self._position < position:
            self.take(min(position - self._position, _MAX_BODY))


def walk_chunks(cursor: Cursor, layout: Layout) -> Iterator[Chunk]:
    r"""Yield the chunks of a file or stream in their order; the cursor stands at the content of each.

    Ends behind 10,000 chunks, samples of unknown length or a negative length; raises EOFError at the end of the file.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO(b"RIFF" + bytes(8) + b"fmt \x10\0\0\0" + bytes(16) + b"data\4\0\0\0")
    >>> next(walk_chunks(Cursor(file.read, seek=file.seek), LAYOUTS[b"RIFF"]))
    Chunk(name=b'fmt ', start=20, n_bytes=16, is_exact=False)
    """
    position, n_samples_bytes = layout.first, 0
    for _ in range(_MAX_CHUNKS):
        cursor.move_to(position)
        name, n_bytes = layout.head.unpack(cursor.take(layout.head.size))
        name, start = name[:4], position + layout.head.size
        if layout.counts_head:
            n_bytes -= layout.head.size
        if name == b"ds64" and n_bytes >= 16:
            _, n_samples_bytes = struct.unpack("<QQ", cursor.take(16))
        is_exact = name == layout.samples and n_bytes == _UNKNOWN and n_samples_bytes > 0
        if is_exact:
            n_bytes = n_samples_bytes
        yield Chunk(name, start, n_bytes, is_exact)
        if n_bytes < 0 or (name == layout.samples and n_bytes == _UNKNOWN and not is_exact):
            return
        position = start + -(-n_bytes // layout.alignment) * layout.alignment


def _is_unknown_length(n_bytes: int) -> bool:
    return any(n_bytes in lengths for lengths in _UNKNOWN_LENGTHS)


_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBTYPES = {
    (_IEEE_FLOAT if pcm_bits(name) is None else _PCM, 8 * n_bytes): name
    for name, n_bytes in PCM_BYTES.items()
}
# what follows the two bytes of a format tag in the GUID that stands for it
_GUID_REST = bytes.fromhex("000000001000800000aa00389b71")
_MAX_BODY = 2**20
# longer ones, with what stands beside the samples, are near what stands for an unknown length
_MAX_KNOWN = 0xFFFF0000 - 2 * _MAX_BODY


@dataclass(frozen=True)
class WavHead:
    """The head of a WAV stream: what stands before its samples.

    `subtype` is a key of `PCM_BYTES`; `n_bytes` those of the samples as stated, None if they were not known when it
    was written. It is `extensible`, a ``WAVEFORMATEXTENSIBLE``, as it should be with more than two channels.
    `channel_mask` and `valid_bits` are those of `FormatChunk`, `chunks` names and contents of what else stands
    before the samples; with `has_long_sizes` it was an RF64 or BW64, which is not written.
    """

    sr: int
    n_channels: int
    subtype: str
    n_bytes: int | None = None
    extensible: bool = False
    channel_mask: int = 0
    valid_bits: int | None = None
    chunks: Sequence[tuple[bytes, bytes]] = ()
    has_long_sizes: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of each channel."""
        return self.n_channels * PCM_BYTES[self.subtype]


def read_head(read: Callable[[int], bytes]) -> WavHead | None:
    """Read the head of a WAV stream, up to the first sample.

    None if it is no WAV stream of plain numbers; it may be one of another coding. EOFError if it is one, and
    ends before the first sample. `read` returns the next n bytes, fewer at the end of the stream.

    Examples
    --------
    >>> import io
    >>> read_head(io.BytesIO(write_head(WavHead(48000, 2, "PCM_24"))).read).sr
    48000
    """
    start = read(12)
    if start[:4] not in _LITTLE_ENDIAN or start[8:12] != b"WAVE":
        return None
    cursor = Cursor(read, 12)
    head: WavHead | None = None
    chunks: list[tuple[bytes, bytes]] = []
    n_left = _MAX_BODY
    for chunk in walk_chunks(cursor, LAYOUTS[start[:4]]):
        if chunk.name == b"data":
            if head is None:
                return None
            return replace(
                head,
                n_bytes=None if chunk.is_unknown else chunk.n_bytes,
                has_long_sizes=start[:4] != b"RIFF",
                chunks=tuple(chunks),
            )
        if chunk.n_bytes > _MAX_BODY:
            if head is None:
                return None
        elif chunk.name == b"fmt " and head is None:
            head = _read_format(cursor.take(chunk.n_bytes))
            if head is None:
                return None
        elif chunk.name not in OWN_CHUNKS and chunk.n_bytes <= n_left:
            chunks.append((chunk.name, cursor.take(chunk.n_bytes)))
            n_left -= chunk.n_bytes
    return None


# what libsndfile holds
_MAX_RATE = 2**31


def _read_format(body: bytes) -> WavHead | None:
    if len(body) < 16:
        return None
    tag, n_channels, sr, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    extensible = tag == _EXTENSIBLE and len(body) >= 40
    channel_mask, valid_bits = 0, bits
    if extensible:
        valid_bits, channel_mask, tag, rest = struct.unpack("<HIH14s", body[18:40])
        if rest != _GUID_REST:
            return None
    subtype = _SUBTYPES.get((tag, bits))
    if (
        subtype is None
        or n_channels == 0
        or not 0 < sr < _MAX_RATE
        or frame_bytes != n_channels * PCM_BYTES[subtype]
    ):
        return None
    return WavHead(
        *(sr, n_channels, subtype),
        extensible=extensible,
        channel_mask=channel_mask,
        valid_bits=valid_bits if tag == _PCM and 0 < valid_bits < bits else None,
    )


def write_head(head: WavHead) -> bytes:
    """Return the bytes that stand before the samples.

    A length that is None, or more than a WAV can state, becomes 0xFFFFFFFF, as ffmpeg writes to a pipe: it,
    and SoX, read on to the end then.
    """
    is_float = pcm_bits(head.subtype) is None
    tag, bits = _IEEE_FLOAT if is_float else _PCM, 8 * PCM_BYTES[head.subtype]
    n_channels, frame_bytes = head.n_channels, head.frame_bytes
    form = struct.pack(
        "<HHIIHH",
        _EXTENSIBLE if head.extensible else tag,
        *(n_channels, head.sr, min(head.sr * frame_bytes, _UNKNOWN), frame_bytes, bits),
    )
    if head.extensible:
        valid_bits = head.valid_bits or bits
        form += struct.pack("<HHIH14s", 22, valid_bits, head.channel_mask, tag, _GUID_REST)
    elif is_float:
        form += struct.pack("<H", 0)
    known = head.n_bytes is not None and head.n_bytes < _MAX_KNOWN
    n_bytes = (head.n_bytes or 0) if known else _UNKNOWN
    chunks = _chunk(b"fmt ", form)
    if is_float:
        chunks += _chunk(b"fact", struct.pack("<I", n_bytes // frame_bytes if known else 0))
    chunks += b"".join(_chunk(name, body) for name, body in head.chunks)
    riff_bytes = 4 + len(chunks) + 8 + n_bytes + n_bytes % 2 if known else _UNKNOWN
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + chunks + struct.pack("<4sI", b"data", n_bytes)
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2)
