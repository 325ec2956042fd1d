"""Threads that share the frames, while BLAS works with one thread: the same bits whatever their number.

Matrix products of a tile of frames are too small for the threads inside BLAS, which moreover sum up in another order
then; whole tiles are shared out instead.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from typing import Any, Self, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")


class _SingleBlas:
    """Holds BLAS at one thread while anyone is inside: a property of the process, so those inside are counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    @cached_property
    def _controller(self) -> Any:
        import scipy.linalg.cython_blas  # the BLAS of compiled kernels: only what is loaded can be held
        from threadpoolctl import ThreadpoolController

        assert scipy.linalg.cython_blas
        return ThreadpoolController()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limits = self._controller.limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.restore_original_limits()


_SINGLE_BLAS = _SingleBlas()


class Workers:
    """A context in which work on frames is shared between `n_jobs` threads.

    Outside of it (``Workers(1)`` that was never entered) all is done at once, in the caller's thread, and BLAS is
    left as it is.
    """

    def __init__(self, n_jobs: int = 1) -> None:
        self._n_jobs = n_jobs
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        _SINGLE_BLAS.__enter__()
        if self._n_jobs > 1:
            self._pool = ThreadPoolExecutor(self._n_jobs)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        _SINGLE_BLAS.__exit__(*error)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in the order of `items`."""
        return map(function, items) if self._pool is None else self._pool.map(function, items)

    def over(self, n_frames: int, tile: int, function: Callable[[slice], object]) -> None:
        """Call `function` with slices that make up all frames; none divides a tile."""
        n_tiles = -(-n_frames // tile)
        bounds = [tile * (n_tiles * i // self._n_jobs) for i in range(self._n_jobs)] + [n_frames]
        spans = [slice(a, b) for a, b in pairwise(bounds) if a < b]
        for _ in self.map(function, spans):
            pass
