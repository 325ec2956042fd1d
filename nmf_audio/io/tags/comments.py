"""Vorbis comments, the tags of FLAC and Ogg: ``NAME=text``, any number of each name.

Layout: Vorbis I specification, 5; RFC 9639, 8.6; pictures in them: wiki.xiph.org/VorbisComment.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Mapping

from nmf_audio.io.tags.picture import Picture, pack_picture, unpack_picture

__all__ = [
    "build_comments",
    "find_mask",
    "find_pictures",
    "make_comments",
    "parse_comments",
    "read_tags",
    "state_mask",
]

_PICTURE, _MASK = "METADATA_BLOCK_PICTURE", "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
# loudness no longer holds once the noise is removed; the encoder is another one
_STALE = re.compile(
    rb"(REPLAYGAIN_|R128_|ENCODER(_OPTIONS)?=|METADATA_BLOCK_PICTURE=|WAVEFORMATEXT\w*=)", re.I
)
_OF_TIME = re.compile(rb"(CHAPTER\d|CUESHEET=)", re.I)
# longer lists are of no tagger
_MAX_COMMENTS = 10_000


def parse_comments(body: bytes) -> list[bytes]:
    """Return the comments of a block; none if it is broken."""
    found = []
    try:
        (n_vendor,) = struct.unpack_from("<I", body)
        position = 4 + n_vendor
        (n_comments,) = struct.unpack_from("<I", body, position)
        position += 4
        for _ in range(min(n_comments, _MAX_COMMENTS)):
            (n,) = struct.unpack_from("<I", body, position)
            comment = body[position + 4 : position + 4 + n]
            if len(comment) < n:
                return []
            found.append(comment)
            position += 4 + n
    except struct.error:
        return []
    return found


def build_comments(comments: Iterable[bytes], vendor: bytes = b"nmf_audio") -> bytes:
    """Return a block of comments; `vendor` is who wrote it."""
    comments = list(comments)
    listed = b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments)) + listed


def make_comments(tags: Mapping[str, str]) -> list[bytes]:
    """Return tags by libsndfile's names as comments."""
    return [f"{name.upper()}={text}".encode("utf-8", "replace") for name, text in tags.items()]


def keep_comments(comments: Iterable[bytes], *, is_whole: bool = True) -> list[bytes]:
    """Return the comments that another file takes over: without pictures and loudspeakers, and what no longer holds.

    Without those that count time, too, unless they are for all of a recording (`is_whole`).
    """
    return [
        comment
        for comment in comments
        if not _STALE.match(comment) and (is_whole or not _OF_TIME.match(comment))
    ]


def read_tags(comments: Iterable[bytes]) -> dict[str, str]:
    """Return comments as tags in small letters, with several of a name in one text.

    Examples
    --------
    >>> read_tags([b"Artist=A", b"ARTIST=B", b"TITLE="])
    {'artist': 'A; B'}
    """
    tags: dict[str, str] = {}
    for comment in keep_comments(comments):
        name, _, text = comment.decode("utf-8", "replace").partition("=")
        if name and text:
            name = name.lower()
            tags[name] = f"{tags[name]}; {text}" if name in tags else text
    return tags


def find_pictures(comments: Iterable[bytes]) -> list[Picture]:
    """Return the pictures in comments of an Ogg."""
    found = []
    for comment in comments:
        name, _, text = comment.partition(b"=")
        if name.upper() == _PICTURE.encode():
            try:
                picture = unpack_picture(base64.b64decode(text))
            except binascii.Error:
                continue
            if picture is not None:
                found.append(picture)
    return found


def state_picture(picture: Picture) -> bytes:
    """Return a picture as a comment of an Ogg."""
    return _PICTURE.encode() + b"=" + base64.b64encode(pack_picture(picture))


def find_mask(comments: Iterable[bytes]) -> int | None:
    """Return the mask of loudspeakers that comments state, see `nmf_audio.io.speakers`; None if they do not.

    Examples
    --------
    >>> find_mask([state_mask(0x60F)])
    1551
    """
    for comment in comments:
        found = re.fullmatch(rb"(?i:WAVEFORMATEXTENSIBLE_CHANNEL_MASK)=0[xX]([0-9a-fA-F]{1,8})", comment)
        if found:
            return int(found[1], 16)
    return None


def state_mask(mask: int) -> bytes:
    """Return a mask of loudspeakers as a comment of a FLAC."""
    return f"{_MASK}=0x{mask:04X}".encode()
