"""What a WAV says beside samples and tags, which libsndfile does not carry over: origin, time code, markers.

Layout: EBU Tech 3285 (``bext``), gallery.co.uk/ixml (``iXML``), Microsoft's *Multimedia Programming Interface*
(``cue`` and what goes with it), EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

__all__ = ["append_chunks", "read_chunks"]

_KEPT = (b"bext", b"iXML", b"axml", b"umid", b"cue ", b"smpl", b"LIST")
# the longest that a recorder has a use for; a hostile file may claim more
_MAX_BYTES = 2**24
_MAX_CHUNKS = 10_000
_RIFF_LIMIT = 2**32 - 2**16


def read_chunks(path: Path) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a WAV or RF64 that say where it comes from and what is where in it.

    Parameters
    ----------
    path : Path
        A file of any kind.

    Returns
    -------
    list of (bytes, bytes)
        Names and contents, in their order; empty if the file has none or is no WAV.

    Raises
    ------
    OSError
        If the file can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"RIFF" + struct.pack("<I", 18) + b"WAVE" + struct.pack("<4sI", b"iXML", 6) + b"<BWF/>")
    ...     file.flush()
    ...     read_chunks(Path(file.name))
    [(b'iXML', b'<BWF/>')]
    """
    found: list[tuple[bytes, bytes]] = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            return []
        position, n_kept, n_data = 12, 0, 0
        for _ in range(_MAX_CHUNKS):
            if position + 8 > size:
                break
            file.seek(position)
            name, n_bytes = struct.unpack("<4sI", file.read(8))
            if name == b"ds64":
                _, n_data = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
            elif name == b"data" and n_bytes == 0xFFFFFFFF:
                n_bytes = n_data or size
            elif name in _KEPT and position + 8 + n_bytes <= size and n_kept + n_bytes <= _MAX_BYTES:
                body = file.read(n_bytes)
                # libsndfile writes the other lists, those of tags
                if name != b"LIST" or body[:4] == b"adtl":
                    found.append((name, body))
                    n_kept += n_bytes
            position += 8 + n_bytes + n_bytes % 2
    return found


def append_chunks(path: Path, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    """Write chunks behind all that a WAV or RF64 has.

    Parameters
    ----------
    path : Path
        A finished file.
    chunks : iterable of (bytes, bytes)
        Names and contents.

    Raises
    ------
    OSError
        If the disk does not take them.
    ValueError
        If it is no such file, or it would be larger than a WAV can be.
    """
    data = b"".join(
        struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2) for name, body in chunks
    )
    with path.open("r+b") as file:
        head = file.read(12)
        end = file.seek(0, os.SEEK_END)
        padding = bytes(end % 2)
        n_riff = end + len(padding) + len(data) - 8
        if head[:4] not in (b"RIFF", b"RF64") or (head[:4] == b"RIFF" and n_riff > _RIFF_LIMIT):
            raise ValueError(f"{path}: no WAV, or too large for one")
        file.write(padding + data)
        if head[:4] == b"RIFF":
            file.seek(4)
            file.write(struct.pack("<I", n_riff))
            return
        file.seek(12)
        if file.read(4) != b"ds64":
            raise ValueError(f"{path}: an RF64 without its sizes")
        file.seek(20)
        file.write(struct.pack("<Q", n_riff))
