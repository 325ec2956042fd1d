"""BLAS with one thread: several sum a product in another order, which rounds differently."""

import threading
from contextlib import ContextDecorator
from functools import cached_property
from typing import Any

__all__ = ["single_blas"]


class _SingleBlas(ContextDecorator):
    """Limits BLAS to one thread while any thread is inside; the limit is the process's, so entries are counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    @cached_property
    def _libraries(self) -> Any:
        import scipy.linalg.cython_blas  # the BLAS of compiled kernels: a library must be loaded to be limited
        from threadpoolctl import ThreadpoolController

        assert scipy.linalg.cython_blas
        return ThreadpoolController().select(user_api="blas").lib_controllers

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [library.num_threads for library in self._libraries]
                self._set_threads([1] * len(self._before))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._set_threads(self._before)

    def _set_threads(self, numbers: list[int]) -> None:
        for library, n in zip(self._libraries, numbers, strict=True):
            # threadpoolctl 3.8 ignores what is asked for in any but the first thread that asks
            getattr(library, "_real_set_num_threads", library.set_num_threads)(n)


single_blas = _SingleBlas()
"""A context, or a decorator of functions. It loads scipy, so streams, which must start at once, do not use it."""
