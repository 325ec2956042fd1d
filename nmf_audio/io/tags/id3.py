"""The tag in front of an MP3: read as it is, made anew, put in its place.

libsndfile garbles all but ASCII in it, knows ten of its texts, and does not carry over pictures and chapters. Layout:
id3.org/id3v2.4.0-structure, and those of versions 2.3 and 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.atomic import replace_front
from nmf_audio.io.tags.picture import Picture

__all__ = [
    "build_tag",
    "count_tag_bytes",
    "find_pictures",
    "list_others",
    "put_tag",
    "read_tag",
    "read_texts",
]

# names of libsndfile and of Vorbis comments, as taggers have them
_FRAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "tracknumber": b"TRCK",
    "genre": b"TCON",
    "copyright": b"TCOP",
    "software": b"TSSE",
    "albumartist": b"TPE2",
    "conductor": b"TPE3",
    "remixer": b"TPE4",
    "composer": b"TCOM",
    "lyricist": b"TEXT",
    "discnumber": b"TPOS",
    "organization": b"TPUB",
    "grouping": b"TIT1",
    "version": b"TIT3",
    "bpm": b"TBPM",
    "isrc": b"TSRC",
    "language": b"TLAN",
    "mood": b"TMOO",
    "media": b"TMED",
    "originaldate": b"TDOR",
    "titlesort": b"TSOT",
    "artistsort": b"TSOP",
    "albumsort": b"TSOA",
    "albumartistsort": b"TSO2",
    "composersort": b"TSOC",
    "compilation": b"TCMP",
}
_HEAD = 10
_HAS_FOOTER, _UNSYNCHRONISED, _HAS_EXTENSION = 0x10, 0x80, 0x40
_UTF8 = b"\x03"
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_WORDS = {
    **dict.fromkeys(("SYLT", "SLT"), "timed lyrics"),
    **dict.fromkeys(("USLT", "ULT"), "lyrics"),
    **dict.fromkeys(("CHAP", "CTOC"), "chapters"),
    **dict.fromkeys(("GEOB", "GEO"), "an attachment"),
    **dict.fromkeys(("PRIV", "UFID", "UFI"), "data of a program"),
    **dict.fromkeys(("POPM", "POP"), "a rating"),
    **dict.fromkeys(("TIPL", "TMCL", "IPLS", "IPL"), "people"),
    **dict.fromkeys(("TOWN", "TRSN", "TRSO", "TOPE", "TOAL", "TOLY", "TOFN"), "owners and origin"),
    **dict.fromkeys(("ETCO", "ETC", "MLLT", "MLL", "SYTC", "STC"), "marks of time"),
}
# names of links begin with it
_LINK = "W"
# the same as others, what an encoder says of itself, lengths, and who counts plays
_SILENT = (
    *("APIC", "PIC", "TSSE", "TENC", "TSS", "TEN", "TLEN", "TLE", "PCNT", "CNT"),
    *("TFLT", "TFT", "MCDI", "MCI", "SEEK", "ASPI", "TDTG", "TDEN", "TSIZ", "TSI"),
    *("TDLY", "TDY", "TDAT", "TDA", "TIME", "TIM", "TRDA", "TRD"),
    # loudness no longer holds
    *("RVAD", "RVA2", "RVA", "RGAD", "EQUA", "EQU2", "EQU"),
)
_READ_AS = {
    **{frame.decode(): name for name, frame in _FRAMES.items() if name != "software"},
    **{"TYER": "date", "TORY": "originaldate", "COMM": "comment", "USLT": "lyrics", "WCOP": "license"},
    **{"TT2": "title", "TP1": "artist", "TAL": "album", "TYE": "date", "TRK": "tracknumber"},
    **{"TCO": "genre", "TCR": "copyright", "COM": "comment", "ULT": "lyrics", "WCP": "license"},
    **{"TP2": "albumartist", "TP3": "conductor", "TP4": "remixer", "TCM": "composer", "TXT": "lyricist"},
    **{"TPA": "discnumber", "TPB": "organization", "TT1": "grouping", "TT3": "version", "TBP": "bpm"},
    **{"TRC": "isrc", "TLA": "language", "TMT": "media", "TOR": "originaldate", "TCP": "compilation"},
    **{"TST": "titlesort", "TSP": "artistsort", "TSA": "albumsort", "TS2": "albumartistsort"},
}
# names of comments that a program wrote for itself, such as lengths and loudness, or that are there twice
_OWN_COMMENTS = ("iTun", "ID3v1")
# more than any cover; what a size can state is 256 MB
_MAX_BYTES = 2**25


def read_tag(path: Path) -> bytes:
    """Return the tag in front of a file: all of it; empty if there is none, or one that is cut off or above 32 MB."""
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


def find_pictures(tag: bytes) -> list[Picture]:
    """Return the pictures in a tag."""
    found = []
    for name, body in _read_frames(tag):
        if name not in ("APIC", "PIC") or len(body) < 6 or body[0] >= len(_ENCODINGS):
            continue
        # a type that ends with a zero, or three letters in version 2.2
        n = body.find(b"\0", 1) if name == "APIC" else 3
        mime, rest = body[1 : n + 1], body[n + 1 :]
        text, data = _split_text(rest[1:], body[0])
        if n > 0 and data and not mime.startswith(b"-->"):
            found.append(Picture(data, rest[0], text.decode(_ENCODINGS[body[0]], "replace")))
    return found


def _split_text(data: bytes, encoding: int) -> tuple[bytes, bytes]:
    """Split behind a text that ends with a zero, of two bytes in UTF-16."""
    if encoding not in (1, 2):
        text, _, rest = data.partition(b"\0")
        return text, rest
    for i in range(0, len(data) - 1, 2):
        if data[i : i + 2] == b"\0\0":
            return data[:i], data[i + 2 :]
    return data, b""


def read_texts(tag: bytes) -> dict[str, str]:
    """Return title, artist and so on, with names in small letters; several texts of a name are one."""
    texts: dict[str, list[str]] = {}
    for name, body in _read_frames(tag):
        said = _READ_AS.get(name)
        if name in ("WCOP", "WCP"):
            text = body.partition(b"\0")[0].decode("latin-1")
        elif not body or body[0] >= len(_ENCODINGS):
            continue
        elif name in ("TXXX", "TXX"):
            described, data = _split_text(body[1:], body[0])
            said, text = _decode(described, body[0]).lower(), _decode(data, body[0])
            # FFmpeg writes lyrics so
            said = "lyrics" if said == "uslt" else said
        elif said in ("comment", "lyrics"):
            # three letters say the language
            described, data = _split_text(body[4:], body[0])
            text = "" if _decode(described, body[0]).startswith(_OWN_COMMENTS) else _decode(data, body[0])
        else:
            text = _decode(body[1:], body[0])
        is_stale = said is None or said.startswith(("replaygain_", "itun")) or "=" in said
        if said and text and not is_stale and text not in texts.setdefault(said, []):
            texts[said].append(text)
    return {name: "; ".join(words) for name, words in texts.items()}


def _decode(data: bytes, encoding: int) -> str:
    """Return texts that zeros separate as one."""
    text = data.decode(_ENCODINGS[encoding], "replace").strip("\0")
    return "; ".join(filter(None, (word.strip("\ufeff ") for word in text.split("\0"))))


def list_others(tag: bytes) -> list[str]:
    """Return in words what a tag says that is neither a picture nor one of its texts."""
    others: dict[str, None] = {}
    for name, body in _read_frames(tag):
        is_lost = name not in ("TXXX", "TXX") and (name not in _READ_AS or not body)
        if name not in _SILENT and is_lost:
            unknown = "links" if name.startswith(_LINK) else f"what ID3 calls {name}"
            others[_WORDS.get(name, unknown)] = None
    return list(others)


def _read_frames(tag: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the frames of a tag; those that are compressed or encrypted are empty."""
    if len(tag) < _HEAD:
        return
    version, flags = tag[3], tag[5]
    body = tag[_HEAD:]
    if flags & _UNSYNCHRONISED and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    position = 0
    if flags & _HAS_EXTENSION and version > 2:
        n = _number(body[:4], version)
        position = n if version == 4 else 4 + n
    n_name, n_head = (3, 6) if version == 2 else (4, 10)
    while position + n_head <= len(body) and body[position : position + 1].isalnum():
        head = body[position : position + n_head]
        n = _number(head[n_name : 2 * n_name], version)
        content = body[position + n_head : position + n_head + n]
        position += n_head + n
        if version == 4:
            if head[9] & 0x02:
                content = content.replace(b"\xff\0", b"\xff")
            content = b"" if head[9] & 0x0C else content[4:] if head[9] & 0x01 else content
        elif version == 3 and head[9] & 0xC0:
            content = b""
        yield head[:n_name].decode("latin-1"), content


def _number(data: bytes, version: int) -> int:
    """Return a size: seven bits a byte in version 2.4, but for programs that write all eight."""
    if version == 4 and max(data, default=0) < 0x80:
        return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3] if len(data) == 4 else 0
    return int.from_bytes(data, "big")


def build_tag(tags: Mapping[str, str], pictures: Sequence[Picture] = ()) -> bytes:
    r"""Return a tag in UTF-8 with title, artist and so on, as libsndfile calls them; empty if there are none.

    Examples
    --------
    >>> build_tag({"title": "Talk"})
    b'ID3\x04\x00\x00\x00\x00\x00\x0fTIT2\x00\x00\x00\x05\x00\x00\x03Talk'
    """
    frames = b""
    for name, text in tags.items():
        words = text.encode("utf-8", "replace")
        if name in ("comment", "lyrics"):
            frames += _frame(b"COMM" if name == "comment" else b"USLT", _UTF8 + b"und\0" + words)
        elif name in _FRAMES:
            frames += _frame(_FRAMES[name], _UTF8 + words)
        else:
            frames += _frame(b"TXXX", _UTF8 + name.upper().encode("utf-8", "replace") + b"\0" + words)
    for picture in pictures:
        shown = bytes([picture.kind & 0xFF]) + picture.description.encode("utf-8", "replace")
        head = _UTF8 + picture.mime.encode() + b"\0" + shown + b"\0"
        frames += _frame(b"APIC", head + picture.data)
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
