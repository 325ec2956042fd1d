"""Threads that share the frames; results do not depend on their number, to the bit.

Matrix products of a tile of frames are too small for the threads inside BLAS, which moreover sum in another order.
So BLAS is limited to one thread, and whole tiles are distributed.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Self, TypeVar

from nmf_audio.nmf.blas import single_blas

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """A context in which work on frames is shared between `n_jobs` threads.

    A ``Workers(1)`` that was never entered works in the caller's thread, and leaves BLAS as it is.
    """

    def __init__(self, n_jobs: int = 1) -> None:
        self._n_jobs = n_jobs
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        single_blas.__enter__()
        if self._n_jobs > 1:
            self._pool = ThreadPoolExecutor(self._n_jobs)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        single_blas.__exit__(*error)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Return the results in the order of `items`."""
        return map(function, items) if self._pool is None else self._pool.map(function, items)

    def over(self, n_frames: int, tile: int, function: Callable[[slice], object]) -> None:
        """Call `function` with slices that together cover all frames and divide no tile."""
        n_tiles = -(-n_frames // tile)
        bounds = [tile * (n_tiles * i // self._n_jobs) for i in range(self._n_jobs)] + [n_frames]
        spans = [slice(a, b) for a, b in pairwise(bounds) if a < b]
        for _ in self.map(function, spans):
            pass
