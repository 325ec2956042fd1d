"""Chunks beside the samples of a WAV, AIFF or CAF: read, and appended to another.

libsndfile carries over no origin, time code, markers or pictures, and no text in a code page of eight bits. Layout:
see `nmf_audio.io.riff`; EBU Tech 3285 (``bext``), gallery.co.uk/ixml.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.extent import find_extent
from nmf_audio.io.riff import LAYOUTS, OWN_CHUNKS, Cursor, walk_chunks

__all__ = [
    "ID3_CHUNKS",
    "SPEAKER_CHUNKS",
    "append_chunks",
    "is_kept",
    "is_text",
    "is_timeless",
    "read_chunks",
]

_FAMILIES = {
    **dict.fromkeys((b"RIFF", b"RF64", b"BW64"), b"RIFF"),
    **{magic: magic for magic in (b"RIFX", b"FORM", b"caff")},
}
_FORMS = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
ID3_CHUNKS = (b"id3 ", b"ID3 ")
SPEAKER_CHUNKS = (b"chan", b"CHAN")
_TEXTS = (b"NAME", b"AUTH", b"(c) ", b"ANNO", b"APPL", b"info", b"strg")
_TIMELESS = (*_TEXTS, *ID3_CHUNKS, *SPEAKER_CHUNKS, b"_PMX", b"DISP")
# the longest that a recorder has a use for; a hostile file may claim more
_MAX_BYTES = 2**24
_RIFF_LIMIT = 2**32 - 2**16


def _family(path: Path) -> bytes:
    """Return the key in `LAYOUTS` of a file whose chunks are read here; empty if it is another."""
    with path.open("rb") as file:
        head = file.read(12)
    family = _FAMILIES.get(head[:4], b"")
    return family if family not in _FORMS or head[8:] in _FORMS[family] else b""


def is_kept(name: bytes, body: bytes) -> bool:
    """Whether a chunk is nothing that a writer makes anew, and has a name that readers take."""
    is_name = all(0x20 <= byte < 0x7F for byte in name)
    return is_name and name not in OWN_CHUNKS and not (name == b"LIST" and _has_samples(body))


def _has_samples(body: bytes) -> bool:
    """Whether a list has samples, or its size is wrong and the chunk of samples lies in it."""
    at = 4
    while at + 8 <= len(body):
        if body[at : at + 4] == b"data":
            return True
        at += 8 + (int.from_bytes(body[at + 4 : at + 8], "little") + 1) // 2 * 2
    return body[:4] == b"wavl"


def is_timeless(name: bytes, body: bytes) -> bool:
    """Whether a chunk is known to count no samples, so that it holds for a part, or at another rate."""
    return name in _TIMELESS or is_text(name, body)


def is_text(name: bytes, body: bytes) -> bool:
    """Whether a chunk has title, artist and so on."""
    return name in _TEXTS or (name, body[:4]) == (b"LIST", b"INFO")


def read_chunks(path: Path) -> list[tuple[bytes, bytes]]:
    """Return names and contents of the chunks of a WAV, AIFF or CAF that no writer makes anew.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"RIFF" + struct.pack("<I", 18) + b"WAVE" + struct.pack("<4sI", b"iXML", 6) + b"<BWF/>")
    ...     file.flush()
    ...     read_chunks(Path(file.name))
    [(b'iXML', b'<BWF/>')]
    """
    if not _family(path):
        return []
    found: list[tuple[bytes, bytes]] = []
    with path.open("rb") as file, suppress(EOFError):
        size = _find_end(file)
        file.seek(0)
        layout = LAYOUTS[file.read(4)]
        n_left = _MAX_BYTES
        for name, start, n_bytes, _ in walk_chunks(Cursor(file.read, 4, seek=file.seek), layout):
            if start > size or not all(0x20 <= byte < 0x7F for byte in name):
                break
            if name not in OWN_CHUNKS and start + n_bytes <= size and 0 <= n_bytes <= n_left:
                body = file.read(n_bytes)
                if is_kept(name, body):
                    found.append((name, body))
                    n_left -= n_bytes
    return found


def _find_end(file: BinaryIO) -> int:
    """Return where the chunks of a file end at the latest: another recording, or samples beyond what is stated."""
    size = os.fstat(file.fileno()).st_size
    with suppress(EOFError):
        first = last = find_extent(file)
        while last is not None and last.joined is not None:
            if not last.joined_head:
                return last.joined
            last = find_extent(file, last.joined, last.joined_head)
        file.seek(0)
        if first is not None and first.head and file.read(4) != b"BW64":
            return first.start
    return size


def append_chunks(path: Path, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    """Write chunks behind all that a finished WAV, RF64, AIFF or CAF has.

    `ValueError` if it is no such file, or would be too large.
    """
    family = _family(path)
    if not family:
        raise ValueError(f"{path}: no WAV, AIFF or CAF")
    layout = LAYOUTS[family]
    data = b""
    for name, body in chunks:
        data += layout.head.pack(name, len(body)) + body + bytes(-len(body) % layout.alignment)
    with path.open("r+b") as file:
        magic = file.read(4)
        end = file.seek(0, os.SEEK_END)
        padding = bytes(-end % layout.alignment)
        n_all = end + len(padding) + len(data) - 8
        if magic not in (b"RF64", b"BW64", b"caff") and n_all > _RIFF_LIMIT:
            raise ValueError(f"{path}: too large for its format")
        file.write(padding + data)
        if magic in (b"RIFF", b"RIFX", b"FORM"):
            file.seek(4)
            file.write(struct.pack("<I" if magic == b"RIFF" else ">I", n_all))
        elif magic != b"caff":
            file.seek(12)
            if file.read(4) != b"ds64":
                raise ValueError(f"{path}: an RF64 without its sizes")
            file.seek(20)
            file.write(struct.pack("<Q", n_all))
