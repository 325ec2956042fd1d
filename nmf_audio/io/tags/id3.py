"""The tag in front of an MP3: read as it is, made anew, put in its place.

libsndfile garbles all but ASCII in it, and does not carry over pictures and chapters. Layout:
id3.org/id3v2.4.0-structure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.atomic import replace_front

__all__ = ["build_tag", "count_tag_bytes", "put_tag", "read_tag"]

_FRAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "tracknumber": b"TRCK",
    "genre": b"TCON",
    "copyright": b"TCOP",
    "software": b"TSSE",
}
_HEAD = 10
_HAS_FOOTER = 0x10
_UTF8 = b"\x03"
# more than any cover; what a size can state is 256 MB
_MAX_BYTES = 2**25


def read_tag(path: Path) -> bytes:
    """Return the tag in front of a file: all of it; empty if there is none, or one that is cut off or above 32 MB.

    Examples
    --------
    >>> import tempfile
    >>> tag = build_tag({"title": "Äpfel"})
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(tag + b"sound")
    ...     file.flush()
    ...     read_tag(Path(file.name)) == tag
    True
    """
    with path.open("rb") as file:
        n = _tag_bytes(file)
        file.seek(0)
        tag = file.read(n) if n <= _MAX_BYTES else b""
    return tag if len(tag) == n else b""


def _tag_bytes(file: BinaryIO) -> int:
    file.seek(0)
    return count_tag_bytes(file.read(_HEAD))


def count_tag_bytes(head: bytes) -> int:
    """Return how long the tag is that begins with these bytes, ten at least; 0 if none does.

    Examples
    --------
    >>> count_tag_bytes(build_tag({"title": "talk"})[:10])
    25
    """
    if len(head) < _HEAD or head[:3] != b"ID3" or max(head[6:_HEAD]) > 0x7F:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return _HEAD + size + (_HEAD if head[5] & _HAS_FOOTER else 0)


def build_tag(tags: Mapping[str, str]) -> bytes:
    r"""Return a tag in UTF-8 with title, artist and so on, as libsndfile calls them; empty if there are none.

    Examples
    --------
    >>> build_tag({"title": "Talk"})
    b'ID3\x04\x00\x00\x00\x00\x00\x0fTIT2\x00\x00\x00\x05\x00\x00\x03Talk'
    """
    frames = b""
    for name, text in tags.items():
        words = text.encode("utf-8", "replace")
        if name == "comment":
            frames += _frame(b"COMM", _UTF8 + b"und\0" + words)
        elif name in _FRAMES:
            frames += _frame(_FRAMES[name], _UTF8 + words)
        else:
            frames += _frame(b"TXXX", _UTF8 + name.upper().encode() + b"\0" + words)
    return b"ID3\x04\0\0" + _size(len(frames)) + frames if frames else b""


def _frame(name: bytes, body: bytes) -> bytes:
    return name + _size(len(body)) + bytes(2) + body


def _size(n: int) -> bytes:
    """Return a size in seven bits a byte."""
    return bytes(n >> shift & 0x7F for shift in (21, 14, 7, 0))


def put_tag(path: Path, tag: bytes) -> None:
    """Put a tag in front of a finished file, in the place of the one that is there."""
    with path.open("rb") as file:
        n_old = _tag_bytes(file)
    replace_front(path, n_old, tag)
