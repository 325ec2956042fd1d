"""A pipe in memory."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class Pipe(io.RawIOBase, BinaryIO):
    """What can be read or written once, from start to end, and comes in pieces of at most `n_most` bytes."""

    def __init__(self, content: bytes = b"", n_most: int = 2**16) -> None:
        self.content, self.position, self.n_most = bytearray(content), 0, n_most

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        part = self.content[self.position : self.position + min(len(buffer), self.n_most)]
        buffer[: len(part)] = part
        self.position += len(part)
        return len(part)

    def write(self, block: Any) -> int:
        self.content += block
        return len(block)
