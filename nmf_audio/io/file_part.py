"""A part of a file as a file of its own, behind a head that takes the place of what stands there."""

from __future__ import annotations

import io
import os
from pathlib import Path

__all__ = ["FilePart"]


class FilePart(io.RawIOBase):
    """The bytes `head`, and behind them those of a file from `start` up to `stop`.

    Without `is_sized` it does not say how long it is, like a pipe, though it can be read from any place.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"0123456789")
    ...     file.flush()
    ...     with FilePart(Path(file.name), start=6, stop=9, head=b"abc") as part:
    ...         part.read(), part.seek(2), part.read(2)
    (b'abc678', 2, b'c6')
    """

    def __init__(
        self, path: Path, start: int = 0, stop: int | None = None, head: bytes = b"", is_sized: bool = True
    ) -> None:
        self._file = path.open("rb", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        self._start, self._stop = start, size if stop is None else min(stop, size)
        self._head, self._is_sized = head, is_sized
        self._position = 0

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; whoever asks for the end of what is not sized finds it where it begins."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset = offset + len(self._head) + self._stop - self._start if self._is_sized else 0
        self._position = max(offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def get_place(self) -> int:
        """Return the position in the file, behind the head."""
        return self._start + self._position - len(self._head)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what stands here; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        piece = self._head[self._position : self._position + len(view)]
        view[: len(piece)] = piece
        n = len(piece)
        self._position += n
        if n == len(view):
            return n
        self._file.seek(self.get_place())
        n_left = min(max(self._stop - self.get_place(), 0), len(view) - n)
        while n_left and (n_more := self._file.readinto(view[n : n + n_left])):
            n += n_more
            n_left -= n_more
            self._position += n_more
        return n

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
