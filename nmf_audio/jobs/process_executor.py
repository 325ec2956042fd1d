"""An executor whose processes are those of `Processes`: they run nothing of the caller's folder or modules."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from nmf_audio._types import Progress
from nmf_audio.jobs.processes import Processes, check_jobs

__all__ = ["ProcessExecutor"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Call:
    """A call as the work of a process."""

    function: Callable[[], Any]

    def __call__(self, progress: Progress, /) -> _Outcome:
        return _Outcome(self.function())

    def failed(self, error: Exception, /) -> _Outcome:
        return _Outcome(error=error)


class ProcessExecutor(Executor):
    """Calls functions of this package in processes of their own; the functions and what they return can be pickled.

    The `jobs` processes are started when they are needed; `ParameterError` if there may not be so many.

    Examples
    --------
    >>> from math import sqrt
    >>> with ProcessExecutor(2) as executor:
    ...     list(executor.map(sqrt, [4.0, 9.0]))
    [2.0, 3.0]
    """

    def __init__(self, jobs: int) -> None:
        self._threads, self._processes = ThreadPoolExecutor(check_jobs(jobs)), Processes()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call a function in one of the processes; see `concurrent.futures.Executor`."""
        return self._threads.submit(self._call, _Call(partial(fn, *args, **kwargs)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, once they have done what they were given; see `concurrent.futures.Executor`."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._processes.__exit__(None, None, None)

    def _call(self, call: _Call) -> Any:
        outcome = self._processes.remote(call)(lambda done, total: None)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value
