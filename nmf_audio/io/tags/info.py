"""Texts in the INFO list of a WAV and in chunks of an AIFF: as bytes, and as text.

Nothing says which code page they are in; where the container stays the same they are kept as bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["INFO_TAGS", "build_info", "decode_text", "list_other_texts", "read_texts"]

_LISTED = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICMT": "comment",
    b"ICRD": "date",
    b"IGNR": "genre",
    b"ITRK": "tracknumber",
    b"ICOP": "copyright",
}
INFO_TAGS = frozenset(_LISTED.values())
"""The tags that a WAV has a place for."""

_CHUNKS = {b"NAME": "title", b"AUTH": "artist", b"(c) ": "copyright", b"ANNO": "comment"}
_INFO = b"INFO"


def decode_text(data: bytes) -> str:
    r"""Return a text up to its first zero: UTF-8 if it is that, or else Windows' code page of Western Europe.

    Examples
    --------
    >>> decode_text("Müller".encode()), decode_text(b"M\xfcller\0 ")
    ('Müller', 'Müller')
    """
    data = data.split(b"\0")[0]
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding).strip()
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1").strip()


def read_texts(chunks: Iterable[tuple[bytes, bytes]], order: str = "<") -> dict[str, str]:
    """Return title, artist and so on, as libsndfile calls them, from chunks of a WAV or AIFF.

    `order` is that of the bytes of numbers.
    """
    texts: dict[str, str] = {}
    for name, body in chunks:
        if name == b"LIST" and body[:4] == _INFO:
            texts |= {_LISTED[entry]: text for entry, text in _read_list(body, order) if entry in _LISTED}
        elif name in _CHUNKS and (text := decode_text(body)):
            texts.setdefault(_CHUNKS[name], text)
    return texts


def _read_list(body: bytes, order: str) -> Iterator[tuple[bytes, str]]:
    position = 4
    while position + 8 <= len(body):
        name, n = struct.unpack_from(order + "4sI", body, position)
        if text := decode_text(body[position + 8 : position + 8 + n]):
            yield name, text
        position += 8 + n + n % 2


def list_other_texts(name: bytes, body: bytes) -> list[str]:
    """Return the names of texts in a chunk that `read_texts` leaves out; the program that wrote it is none."""
    if name != b"LIST":
        return []
    order = ">" if body[8:9] == b"\0" else "<"
    names = [entry for entry, _ in _read_list(body, order) if entry not in (*_LISTED, b"ISFT")]
    return [entry.decode("latin-1").strip() for entry in names]


def build_info(tags: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    r"""Return the INFO list of a WAV, as a chunk, with those of the tags that it has a place for; or no chunk.

    Examples
    --------
    >>> build_info({"title": "Talk", "mood": "calm"})
    [(b'LIST', b'INFOINAM\x05\x00\x00\x00Talk\x00\x00')]
    """
    names = {tag: name for name, tag in _LISTED.items()}
    body = b""
    for tag, text in tags.items():
        if tag in names:
            data = text.encode("utf-8", "replace") + b"\0"
            body += struct.pack("<4sI", names[tag], len(data)) + data + bytes(len(data) % 2)
    return [(b"LIST", _INFO + body)] if body else []
