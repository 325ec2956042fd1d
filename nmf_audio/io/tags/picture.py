"""Pictures that belong to a recording, such as its cover: as the object, and as FLAC and Ogg have it.

Layout: RFC 9639, 8.8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Picture", "pack_picture", "unpack_picture"]

FRONT_COVER = 3
_SIGNATURES = {b"\x89PNG": "image/png", b"GIF8": "image/gif", b"BM": "image/bmp", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Picture:
    """A picture: its file, what it shows by ID3's numbers (3 is the front cover), and a text for it."""

    data: bytes
    kind: int = FRONT_COVER
    description: str = ""

    @property
    def mime(self) -> str:
        """Type of the file, as its first bytes tell."""
        return next(
            (mime for first, mime in _SIGNATURES.items() if self.data.startswith(first)), "image/jpeg"
        )


def pack_picture(picture: Picture) -> bytes:
    """Return a picture as a block of FLAC; its size in pixels is left open.

    Examples
    --------
    >>> unpack_picture(pack_picture(Picture(b"...", description="of it")))
    Picture(data=b'...', kind=3, description='of it')
    """
    mime, text = picture.mime.encode(), picture.description.encode("utf-8", "replace")
    head = struct.pack(">II", picture.kind, len(mime)) + mime + struct.pack(">I", len(text)) + text
    return head + struct.pack(">IIIII", 0, 0, 0, 0, len(picture.data)) + picture.data


def unpack_picture(block: bytes) -> Picture | None:
    """Return the picture in a block of FLAC; None if it is broken, or a link to a picture."""
    try:
        kind, n_mime = struct.unpack_from(">II", block)
        position = 8 + n_mime
        mime = block[8:position]
        (n_text,) = struct.unpack_from(">I", block, position)
        text = block[position + 4 : position + 4 + n_text]
        position += 4 + n_text + 16
        (n_data,) = struct.unpack_from(">I", block, position)
    except struct.error:
        return None
    data = block[position + 4 : position + 4 + n_data]
    if mime == b"-->" or not data or len(data) < n_data:
        return None
    return Picture(data, kind, text.decode("utf-8", "replace"))
