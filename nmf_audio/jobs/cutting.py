"""A long recording, cut into pieces on disk, each behind what its stream has to hear first."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array
from nmf_audio.jobs.piece_work import Piece
from nmf_audio.jobs.processes import can_start_processes

__all__ = ["Cutter", "Samples", "Shape", "is_worth_cutting"]

Samples = npt.NDArray[np.floating[Any]]

SETTLING_SECONDS = 60
"""After these the largest difference was 2e-5 of the peak on recordings whose voice and noise change every 6 s, and
2e-6 on stationary noise whose loudness does; after 30 s it was up to 3e-3 there."""

SHORTEST_SECONDS = 300
"""Shorter recordings are not cut."""

LONGEST_SECONDS, LARGEST_BYTES = 2400, 2**28
"""Of a piece, with what it hears before: the longer, the less is heard twice, and the more room they need."""

SHORT = 3
"""Length of the last piece, in times that are heard before it: those beside it are joined meanwhile, and little is
left to join in the end."""

SILENT = 1e-6
"""Peak of a second in which nothing settles: the level of the front end does not move in digital silence."""


class Shape(NamedTuple):
    """What is known of a signal: rate, channels, length, and the frames that it is cut into."""

    sr: int
    n_channels: int
    n_samples: int | None
    frame_length: int


def is_worth_cutting(n_samples: int | None, sr: int) -> bool:
    """Return whether a signal has more than one piece, and there are processes for them."""
    return (n_samples is None or n_samples > SHORTEST_SECONDS * sr) and can_start_processes()


class Cutter:
    """Writes the pieces of a signal of this shape into a folder, for so many processes.

    If the channels are not `linked`, each must have been heard before the signal is cut.
    """

    def __init__(self, folder: Path, shape: Shape, *, linked: bool, jobs: int) -> None:
        self._folder, self._linked = folder, linked
        # about a second, and whole frames, so that every piece has its frames where one stream would
        self.block_length = shape.frame_length * max(1, round(shape.sr / shape.frame_length))
        self._n_settling = round(SETTLING_SECONDS * shape.sr / self.block_length)
        self._lengths = choose_lengths(shape, jobs, self._n_settling * self.block_length)

    def cut(self, blocks: Iterable[Samples]) -> Generator[Piece]:
        """Write pieces, and yield each as soon as it is there, with a block that lies behind it."""
        # of a long silence no more than this is kept, and nothing is cut until there was sound again
        before: deque[tuple[Array, bool]] = deque(maxlen=2 * self._n_settling)
        n, n_heard = 0, 0
        length, later = self._lengths
        with ExitStack() as stack:
            ended: tuple[Piece, Any] | None = None
            current, file = self._new_piece(stack, n, before)
            for block in _reblock(blocks, self.block_length):
                if ended is not None:
                    ended[1].write(block.T.tobytes())
                    ended[1].close()
                    yield ended[0]
                    ended = None
                file.write(block.T.tobytes())
                current.n_samples += block.shape[1]
                if len(before) == before.maxlen:
                    n_heard -= before.popleft()[1]
                before.append((block, self._is_heard(block)))
                n_heard += before[-1][1]
                # more than enough is dropped
                while n_heard - before[0][1] >= self._n_settling:
                    n_heard -= before.popleft()[1]
                has_settled = n_heard >= self._n_settling
                if has_settled and current.n_before + current.n_samples >= length:
                    n, length = n + 1, later
                    ended = current, file
                    current, file = self._new_piece(stack, n, before)
            if ended is not None:
                ended[1].close()
                yield ended[0]
            file.close()
            if current.n_samples:
                yield current

    def _new_piece(self, stack: ExitStack, n: int, before: Iterable[tuple[Array, bool]]) -> tuple[Piece, Any]:
        folder = self._folder / str(n)
        folder.mkdir()
        piece = Piece(folder, sum(block.shape[1] for block, _ in before))
        file = stack.enter_context(piece.source.open("wb"))
        for block, _ in before:
            file.write(block.T.tobytes())
        return piece, file

    def _is_heard(self, block: Array) -> bool:
        peaks = np.abs(block).max(axis=1)
        return bool((peaks.max() if self._linked else peaks.min()) > SILENT)


def choose_lengths(shape: Shape, jobs: int, n_settling: int) -> tuple[int, int]:
    """Return the lengths of the first piece and of the others in samples, with what is heard before them.

    All processes have the same to do; the first piece hears nothing before, and what remains at the end is short.
    """
    longest = min(LONGEST_SECONDS * shape.sr, LARGEST_BYTES // (4 * shape.n_channels))
    longest = max(longest, 2 * n_settling)
    if not shape.n_samples:
        return longest, longest
    n_rounds = math.ceil((shape.n_samples - n_settling) / (jobs * (longest - n_settling)))
    n_pieces = jobs * n_rounds
    length = math.ceil((shape.n_samples + n_pieces * n_settling) / n_pieces)
    first = length - SHORT * n_settling
    if first >= SHORT * n_settling:
        return first, length
    # too short for that
    length = math.ceil((shape.n_samples + (n_pieces - 1) * n_settling) / n_pieces)
    return length, length


def _reblock(blocks: Iterable[Samples], n: int) -> Iterator[Array]:
    """Yield the same samples as float32 in blocks of n; the last may be shorter."""
    waiting: list[Array] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block.astype(np.float32))
        n_waiting += block.shape[1]
        if n_waiting >= n:
            joined = np.concatenate(waiting, axis=1)
            end = n_waiting // n * n
            for i in range(0, end, n):
                yield np.ascontiguousarray(joined[:, i : i + n])
            waiting, n_waiting = [joined[:, end:]], n_waiting - end
    if n_waiting:
        yield np.concatenate(waiting, axis=1)
