"""Tags, pictures and cue sheet of a FLAC: read and put into another, with what libsndfile leaves out.

Layout: RFC 9639.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from nmf_audio.io.atomic import replace_front
from nmf_audio.io.tags.comments import build_comments, parse_comments

__all__ = ["COMMENT", "OTHERS", "PICTURE", "put_comment", "put_metadata_blocks", "read_metadata_blocks"]

APPLICATION, COMMENT, CUESHEET, PICTURE = 2, 4, 5, 6
OTHERS = {CUESHEET: "a cue sheet", APPLICATION: "blocks of other programs"}
_LAST = 0x80
# more than covers take; the length of one block has 24 bits
_MAX_BYTES = 2**26
_MAX_BLOCKS = 1000


def read_metadata_blocks(path: Path, *, is_whole: bool = True) -> list[tuple[int, bytes]]:
    """Return types and contents of tags, pictures, cue sheet and blocks of other programs of a FLAC.

    Without the last two, which may count samples, unless they are for all of it at its own rate (`is_whole`),
    and without the tags of loudness (``REPLAYGAIN_...``), which no longer hold once the noise is removed.
    Empty if the file is no FLAC, or what stands before its sound is broken.
    """
    with path.open("rb") as file:
        blocks = _blocks(file)
    kept = (COMMENT, PICTURE, CUESHEET, APPLICATION) if is_whole else (COMMENT, PICTURE)
    return [
        (kind, _without_loudness(body) if kind == COMMENT else body) for kind, body in blocks if kind in kept
    ]


def _blocks(file: BinaryIO) -> list[tuple[int, bytes]]:
    """Return all blocks, and leave the file behind them; none if they are broken."""
    found: list[tuple[int, bytes]] = []
    if file.read(4) != b"fLaC":
        return []
    n_all = 0
    for _ in range(_MAX_BLOCKS):
        head = file.read(4)
        n = int.from_bytes(head[1:], "big")
        n_all += n
        if len(head) < 4 or n_all > _MAX_BYTES:
            return []
        body = file.read(n)
        if len(body) < n:
            return []
        found.append((head[0] & ~_LAST, body))
        if head[0] & _LAST:
            return found
    return []


def _without_loudness(body: bytes) -> bytes:
    """Leave the tags of loudness out of a block of tags; what can't be read stays as it is."""
    comments = parse_comments(body)
    kept = [comment for comment in comments if not comment.upper().startswith(b"REPLAYGAIN_")]
    if len(kept) == len(comments):
        return body
    n_vendor = int.from_bytes(body[:4], "little")
    return build_comments(kept, body[4 : 4 + n_vendor])


def put_comment(path: Path, comment: bytes) -> None:
    """Put one more tag into a finished FLAC."""
    bodies = [body for kind, body in read_metadata_blocks(path) if kind == COMMENT]
    comments = [*(parse_comments(bodies[0]) if bodies else []), comment]
    put_metadata_blocks(path, [(COMMENT, build_comments(comments))])


def put_metadata_blocks(path: Path, blocks: Iterable[tuple[int, bytes]]) -> None:
    """Put blocks into a finished FLAC, in the place of those of the same types; ValueError if it is none."""
    blocks = list(blocks)
    kinds = {kind for kind, _ in blocks}
    with path.open("rb") as file:
        own = _blocks(file)
        n_old = file.tell()
    if not own:
        raise ValueError(f"{path}: no FLAC")
    together = [block for block in own if block[0] not in kinds] + blocks
    front = b"fLaC"
    for i, (kind, body) in enumerate(together):
        front += (
            bytes([kind | (_LAST if i == len(together) - 1 else 0)]) + len(body).to_bytes(3, "big") + body
        )
    replace_front(path, n_old, front)
