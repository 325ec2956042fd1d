"""Many recordings: in processes, in order, one broken file costing that file only."""

from __future__ import annotations

import inspect
import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from nmf_audio._checks import invalid
from nmf_audio._types import PathLike, Progress
from nmf_audio.defaults import RESIDUAL
from nmf_audio.io.pipe_reader import get_report_path
from nmf_audio.io.temporary import remove_leftovers, remove_leftovers_beside
from nmf_audio.jobs.denoise_file import choose_denoiser, denoise_file
from nmf_audio.jobs.outputs import default_output
from nmf_audio.jobs.processes import ProcessEndedError, Processes, Work, can_start_processes, check_jobs
from nmf_audio.jobs.report import Report, SeparationReport

__all__ = ["FileWork", "denoise_files", "in_total", "run_files", "run_in_order", "work_on"]

Result = TypeVar("Result")
AnyReport = TypeVar("AnyReport", Report, SeparationReport)

DENOISER_OPTIONS = ("denoiser", "dictionary", "method", "preset", "reduction_db", "mix", "channels")


class _StoppedError(BaseException):
    """Ends a recording that is not wanted any more: not an error of it, and not to be caught as one."""


def denoise_files(
    files: Iterable[PathLike | tuple[PathLike, PathLike]] | PathLike,
    *,
    jobs: int = 1,
    skip_existing: bool = False,
    progress: Callable[[float, int], None] | None = None,
    **options: Any,
) -> Iterator[Report]:
    """Denoise recordings, some at a time.

    Parameters
    ----------
    files : iterable of path, or of (src, dst); or one path
        The recordings, and where to write if not to ``<stem>.denoised<ext>`` beside them.
    jobs : int
        How many recordings are worked on at the same time, 1 to 256. More than one are worked on in processes of
        their own, each with one thread, which end with the last recording.
    skip_existing : bool
        Leave recordings alone whose output exists.
    progress : callable or None
        Called, in the caller's thread, with the number of recordings done (with decimals) and of all. What it
        raises ends the work: halves are removed, finished ones stay. So does closing the iterator, or Ctrl-C.
    **options
        As for `denoise_file`, but `keep_noise`. A `denoiser` that is given is made once for all.

    Yields
    ------
    Report
        One for each recording, in their order. An exception that `denoise_file` raised is in `Report.error`,
        with the status ``failed``; the rest goes on.

    Raises
    ------
    ParameterError
        If `jobs` or an option of the denoiser is not allowed, two recordings have the same output, or a `denoiser`
        is given beside options of one. Nothing is written then.
    DictionaryError
        If the dictionary can't be used, or does not fit the method.
    TypeError
        If a keyword is none of `denoise_file`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(16000), 16000)
    ...     reports = list(denoise_files([f"{folder}/a.wav", f"{folder}/none.wav"], jobs=2))
    >>> [report.status for report in reports]
    ['done', 'failed']
    """
    check_jobs(jobs)
    # a keyword that there is not is the caller's mistake, not that of each recording
    inspect.signature(denoise_file).bind(None, None, **options)
    # the dictionary is loaded once
    denoiser = choose_denoiser(**{name: options.pop(name, None) for name in DENOISER_OPTIONS})
    if isinstance(files, str | os.PathLike):
        files = [files]
    pairs = [_pair(entry, options.get("format")) for entry in files]
    taken: dict[str, Path] = {}
    for src, dst in pairs:
        other = taken.setdefault(os.path.realpath(dst), src)
        if other is not src:
            given = f"{other} and {src} have the same output {dst}"
            raise invalid("files", str(dst), "written to different files", given=given)
    works = [
        work_on(src, dst, skip_existing=skip_existing, denoiser=denoiser, **options) for src, dst in pairs
    ]
    return run_files(works, jobs=jobs, progress=in_total(len(works), progress))


def in_total(
    n_works: int, progress: Callable[[float, int], None] | None
) -> Callable[[int, float, float], None]:
    """Return what `run_in_order` calls, if only the sum over all works is of interest: `progress` (done, n_works)."""
    shares = [0.0] * n_works

    def advance(i: int, done: float, total: float) -> None:
        shares[i] = done / total if total else 1.0
        if progress is not None:
            progress(sum(shares), n_works)

    return advance


def _pair(entry: PathLike | tuple[PathLike, PathLike], format: str | None) -> tuple[Path, Path]:
    paths = entry if isinstance(entry, tuple) else (entry,)
    if len(paths) not in (1, 2) or not all(isinstance(path, str | os.PathLike) for path in paths):
        raise invalid("files", entry, "a path, or (src, dst)")
    return Path(paths[0]), Path(paths[1]) if len(paths) == 2 else default_output(paths[0], format=format)


@dataclass(frozen=True)
class FileWork(Generic[AnyReport]):
    """Processes one recording and reports whatever becomes of it.

    `process` is `denoise_file` or `separate_file`, `report` the type of what it returns, `dst` an output or the
    mapping of all of them. With `skip_existing` a recording whose outputs exist is left alone; a `refusal` is
    why it can't be processed, if that is known.
    """

    process: Callable[..., AnyReport]
    report: type[AnyReport]
    src: Path | BinaryIO
    dst: Path | BinaryIO | dict[str, Path]
    options: dict[str, Any]
    skip_existing: bool = False
    refusal: Exception | None = None

    def __call__(self, progress: Progress) -> AnyReport:
        """Do it."""
        if self.skip_existing:
            remove_leftovers_beside(self._targets())
        if self.skip_existing and all(map(os.path.lexists, self._targets())):
            return self._make_report("skipped")
        if self.refusal is not None:
            return self.failed(self.refusal)
        try:
            return self.process(self.src, self.dst, progress=progress, **self.options)
        except Exception as error:
            # one bad file must not cost the night's batch
            return self.failed(error)

    def failed(self, error: Exception) -> AnyReport:
        """Return the report of a recording that could not be processed."""
        if isinstance(error, ProcessEndedError):
            for folder in {target.parent for target in self._targets()}:
                remove_leftovers(folder)
        _forget_locals(error)
        return self._make_report("failed", error=error)

    def _targets(self) -> list[Path]:
        if not isinstance(self.dst, dict):
            return [get_report_path(self.dst)]
        # a residual with next to nothing in it was not written
        return [path for name, path in self.dst.items() if name != RESIDUAL]

    def _make_report(self, status: str, **fields: Any) -> AnyReport:
        dst = self.dst if isinstance(self.dst, dict) else get_report_path(self.dst)
        make: Callable[..., AnyReport] = self.report
        return make(get_report_path(self.src), dst, status, **fields)


def _forget_locals(error: BaseException | None) -> None:
    """Let go of what functions held when they failed: their traceback is kept as long as the report."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def work_on(
    src: Path | BinaryIO, dst: Path | BinaryIO, *, skip_existing: bool = False, **options: Any
) -> FileWork[Report]:
    """Return what denoises one recording, for `run_files`; `options` are those of `denoise_file`."""
    return FileWork(denoise_file, Report, src, dst, options, skip_existing)


def run_files(
    works: Sequence[Work[Result]], *, jobs: int = 1, progress: Callable[[int, float, float], None]
) -> Iterator[Result]:
    """Work on recordings and yield reports in their order: one at a time here, more in processes of their own.

    Several works, if `jobs` is above 1, may have no open files. For `progress` see `run_in_order`.
    """
    if jobs == 1 or len(works) == 1 or not can_start_processes():
        yield from run_in_order(works, jobs=jobs, progress=progress)
        return
    with Processes() as processes:
        yield from run_in_order([processes.remote(work) for work in works], jobs=jobs, progress=progress)


def run_in_order(
    works: Iterable[Callable[[Progress], Result]],
    *,
    jobs: int = 1,
    progress: Callable[[int, float, float], None],
) -> Iterator[Result]:
    """Do works in threads, `jobs` at a time, and yield what they return in their order.

    Ctrl-C reaches the caller's thread only: the works end between two blocks, by an exception that their
    progress call raises, so that none is interrupted while it puts a file in its place. `progress` is called in
    the caller's thread with the number of the work and its (done, total), which are 0 once it is done.
    """
    works = list(works)
    stop = threading.Event()
    outcomes: dict[int, Result | BaseException] = {}
    events: queue.SimpleQueue[tuple[int, float, float]] = queue.SimpleQueue()

    def do(i: int) -> None:
        def advance(done: float, total: float) -> None:
            if stop.is_set():
                raise _StoppedError
            events.put((i, done, total))

        try:
            outcomes[i] = works[i](advance)
        except BaseException as error:
            outcomes[i] = error
        events.put((i, 0, 0))

    numbers = iter(range(len(works)))

    def do_all() -> None:
        for i in numbers:
            if stop.is_set():
                return
            do(i)

    n_yielded = 0
    pool = ThreadPoolExecutor(jobs)
    try:
        for _ in range(min(jobs, len(works))):
            pool.submit(do_all)
        while n_yielded < len(works):
            event, interrupt = None, None
            try:
                event = events.get()
            except KeyboardInterrupt as error:
                # what is past its last block still comes to its end
                interrupt = error
                stop.set()
                pool.shutdown()
            if event is not None:
                outcome = outcomes.get(event[0])
                if isinstance(outcome, BaseException):
                    raise outcome
                progress(*event)
            while n_yielded in outcomes:
                outcome = outcomes[n_yielded]
                if isinstance(outcome, BaseException):
                    break
                yield outcome
                del outcomes[n_yielded]
                n_yielded += 1
            if interrupt is not None and n_yielded < len(works):
                raise interrupt
    finally:
        stop.set()
        pool.shutdown()
