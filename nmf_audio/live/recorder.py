"""A recorder of live sound: a lock-free buffer that the callback fills, and the writer that empties it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from nmf_audio._types import Array
from nmf_audio.io.atomic import replacing
from nmf_audio.io.containers import Container, choose_container
from nmf_audio.io.sndfile_writer import AudioWriter

__all__ = ["Recorder", "RingBuffer"]


BUFFER_SECONDS = 20

_BYTES = 3
_WAV_LIMIT = 2**32 - 2**20


class RingBuffer:
    """Samples on their way from one thread to one other, without locks; `n_lost` is how many found no room.

    Only `put` moves the end, only `take` moves the beginning, and each does so after it has copied.

    Examples
    --------
    >>> ring = RingBuffer(1, 3)
    >>> for block in ([[1, 2]], [[3, 4]]):
    ...     ring.put(np.array(block, np.float32))
    >>> ring.take(), ring.n_lost
    (array([[1., 2.]], dtype=float32), 2)
    """

    def __init__(self, n_channels: int, size: int) -> None:
        self._ring = np.zeros((n_channels, size), np.float32)
        self._begin = self._end = 0
        self.n_lost = 0

    def put(self, y: Array) -> None:
        """Append samples (n_channels, n), or lose all of them if there is no room."""
        n, size = y.shape[1], self._ring.shape[1]
        if n > size - (self._end - self._begin):
            self.n_lost += n
            return
        at = self._end % size
        first = min(n, size - at)
        self._ring[:, at : at + first] = y[:, :first]
        self._ring[:, : n - first] = y[:, first:]
        self._end += n

    def take(self) -> Array:
        """Return all samples (n_channels, n) that are there."""
        size = self._ring.shape[1]
        n = self._end - self._begin
        at = self._begin % size
        first = min(n, size - at)
        y = np.concatenate([self._ring[:, at : at + first], self._ring[:, : n - first]], axis=1)
        self._begin += n
        return y


class Recorder:
    """Writes what is played to a file; a context manager.

    The file is there once the context is left, whatever ended it: what was played until then is complete. Its
    extension names the format, with 24 bits where the format has them. The callback puts samples on the `tape`;
    `n_lost` is how many of those played are not in the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], sr: int, n_channels: int, *, force: bool = False
    ) -> None:
        self.tape = RingBuffer(n_channels, BUFFER_SECONDS * sr)
        self.n_written = self._n_too_many = 0
        self._path, self._sr, self._n_channels, self._force = Path(path), sr, n_channels, force
        self._container = choose_container(self._path, Container("WAV", "PCM_24"))
        self._room = _WAV_LIMIT // (_BYTES * n_channels) if self._container.format.startswith("WAV") else None
        self._stack = ExitStack()

    @property
    def n_lost(self) -> int:
        """Samples that are not in the file though they went out."""
        return self.tape.n_lost + self._n_too_many

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self._path, force=self._force))
            self._writer = stack.enter_context(
                AudioWriter(temporary, self._sr, self._n_channels, self._container, label=str(self._path))
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self.write()

    def write(self) -> None:
        """Write what waits in the buffer; call it more often than every `BUFFER_SECONDS`."""
        y = self.tape.take()
        room = y.shape[1] if self._room is None else self._room - self.n_written
        self._writer.write(y[:, :room])
        self.n_written += min(room, y.shape[1])
        self._n_too_many += max(y.shape[1] - room, 0)
