"""Many recordings: in processes or an executor, in order, one broken file costing that file only."""

from __future__ import annotations

import inspect
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nmf_audio._checks import check_callable, check_flag, conflict, invalid
from nmf_audio._types import PathLike, Progress
from nmf_audio.io.remote import Url, identify, locate
from nmf_audio.jobs.denoise_file import choose_denoiser, denoise_file
from nmf_audio.jobs.file_work import AnyReport, FileWork, work_on
from nmf_audio.jobs.output_names import default_output, source_files
from nmf_audio.jobs.processes import Processes, can_start_processes, check_jobs
from nmf_audio.jobs.report import Report, SeparationReport

if TYPE_CHECKING:
    from nmf_audio.separation.stream import SourceSeparator

__all__ = ["denoise_files", "in_total", "run_files", "run_in_order", "separate_files"]

Result = TypeVar("Result")

DENOISER_OPTIONS = ("denoiser", "dictionary", "method", "preset", "reduction_db", "mix", "channels")


class _StoppedError(BaseException):
    """Ends a recording that is not wanted any more: not an error of it, and not to be caught as one."""


def denoise_files(
    files: Iterable[PathLike | tuple[PathLike, PathLike]] | PathLike,
    *,
    jobs: int = 1,
    isolate: bool = False,
    executor: Executor | None = None,
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
    isolate : bool
        Work in a process of its own although `jobs` is 1. A recording that makes a decoder crash costs itself alone
        then, as it does with more `jobs`: its report says which signal ended the process.
    executor : concurrent.futures.Executor or None
        What works on them instead: threads, processes, or workers elsewhere, such as those of
        ``dask.distributed.Client.get_executor()``, ``mpi4py.futures`` or loky. Each worker loads the denoiser once.
        One that can't reach the recordings, or the folder of the outputs, is sent the bytes of a recording, and sends
        back those of the outputs. It stays open.
    skip_existing : bool
        Leave recordings alone whose output exists.
    progress : callable or None
        Called, in the caller's thread, with the number of recordings done (with decimals) and of all. What it raises
        ends the work: incomplete outputs are removed, finished ones stay. So does closing the iterator, or Ctrl-C.
        With an executor there are decimals if its workers are threads, processes of the same computer (not on
        Windows), or dask's, which send them once a second. Otherwise, as with ``mpi4py.futures`` on several
        computers, only whole recordings are counted.
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
        If `jobs` or an option of the denoiser is not allowed, two recordings have the same output, a `denoiser` is
        given beside options of one, or `isolate` where no process can be started, or beside an `executor`. Nothing
        is written then. While it runs, if a worker of the executor has other versions of this package or of what it
        computes with.
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
    _check_workers(jobs, isolate, executor, progress)
    check_flag("skip_existing", skip_existing)
    check_flag("force", options.get("force", False))
    # a keyword that there is not is the caller's mistake, not that of each recording
    inspect.signature(denoise_file).bind(None, None, **options)
    # the dictionary is loaded once
    denoiser = choose_denoiser(**{name: options.pop(name, None) for name in DENOISER_OPTIONS})
    works = []
    for src, dst in _pairs(files, str, os.PathLike, Url):
        target = default_output(src, format=options.get("format")) if dst is None else locate(dst)
        works.append(work_on(src, target, skip_existing=skip_existing, denoiser=denoiser, **options))
    _check_targets(works)
    advance = in_total(len(works), progress)
    return run_files(works, jobs=jobs, isolate=isolate, executor=executor, progress=advance)


def separate_files(
    files: Iterable[PathLike | tuple[PathLike, Mapping[str, PathLike]]] | PathLike,
    *,
    separator: SourceSeparator,
    jobs: int = 1,
    isolate: bool = False,
    executor: Executor | None = None,
    skip_existing: bool = False,
    progress: Callable[[float, int], None] | None = None,
    **options: Any,
) -> Iterator[SeparationReport]:
    """Separate mixtures, some at a time, as `denoise_files` denoises recordings.

    Parameters
    ----------
    files : iterable of path, or of (src, parts); or one path
        The mixtures, and where their parts go if not to what `source_files` returns.
    separator : SourceSeparator
        As for `separate_file`.
    jobs, isolate, executor, skip_existing, progress
        As for `denoise_files`; parts exist if all but the residual do.
    **options
        As for `separate_file`.

    Yields
    ------
    SeparationReport
        One for each mixture, in their order; see `denoise_files`.

    Raises
    ------
    ParameterError
        If `jobs` is not allowed, or two parts have the same file. Nothing is written then.
    TypeError
        If a keyword is none of `separate_file`.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numpy as np
    >>> import soundfile
    >>> from nmf_audio import Separator
    >>> with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as executor:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(16000), 16000)
    ...     files = [f"{folder}/a.wav", f"{folder}/none.wav"]
    ...     reports = list(separate_files(files, separator=Separator("plain"), executor=executor))
    >>> [report.status for report in reports]
    ['done', 'failed']
    """
    # what denoises does not load what separates
    from nmf_audio.jobs.separate_file import separate_file
    from nmf_audio.separation.stream import check_separator

    check_separator(separator)
    _check_workers(jobs, isolate, executor, progress)
    check_flag("skip_existing", skip_existing)
    check_flag("force", options.get("force", False))
    inspect.signature(separate_file).bind(None, None, separator=separator, **options)
    works = []
    for src, given in _pairs(files, Mapping):
        default = source_files(src, separator.sources, format=options.get("format"))
        parts = default if given is None else {name: locate(part) for name, part in given.items()}
        keywords = {"separator": separator, **options}
        works.append(FileWork(separate_file, SeparationReport, src, parts, keywords, skip_existing))
    _check_targets(works)
    advance = in_total(len(works), progress)
    return run_files(works, jobs=jobs, isolate=isolate, executor=executor, progress=advance)


def _check_workers(jobs: int, isolate: bool, executor: Executor | None, progress: object) -> None:
    check_jobs(jobs)
    check_flag("isolate", isolate)
    check_callable("progress", progress)
    if isolate and not can_start_processes():
        raise invalid("isolate", isolate, "False in a program that has no Python to start")
    if executor is None:
        return
    if not isinstance(executor, Executor):
        raise invalid("executor", executor, "a concurrent.futures.Executor")
    if jobs != 1:
        raise conflict(
            {"jobs": jobs, "executor": executor}, "the executor has workers of its own; leave jobs out"
        )
    if isolate:
        raise conflict({"isolate": isolate, "executor": executor})


def _pairs(files: Any, *kinds: type) -> Iterator[tuple[Path, Any]]:
    """Yield recordings, and what is given for their outputs, of one of some kinds, or None."""
    pair = f"(src, {'parts' if kinds == (Mapping,) else 'dst'})"
    if isinstance(files, str | os.PathLike | Url):
        files = [files]
    if not isinstance(files, Iterable):
        raise invalid("files", files, f"a path, or a list of paths or of {pair}")
    for entry in files:
        src, dst = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, None)
        paths = (src, *dst.values()) if isinstance(dst, Mapping) else (src,)
        is_known = dst is None or isinstance(dst, kinds)
        if not is_known or not all(isinstance(path, str | os.PathLike | Url) for path in paths):
            raise invalid("files", entry, f"a path, or {pair}")
        yield locate(src), dst


def _check_targets(works: Iterable[FileWork[Any]]) -> None:
    """Refuse two recordings with the same output."""
    taken: dict[str, FileWork[Any]] = {}
    for work in works:
        for target in work.targets:
            other = taken.setdefault(identify(target), work)
            if other is not work:
                given = f"{other.src} and {work.src} have the same output {target}"
                raise invalid("files", str(target), "written to different files", given=given)


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


def run_files(
    works: Sequence[FileWork[AnyReport]],
    *,
    jobs: int = 1,
    isolate: bool = False,
    executor: Executor | None = None,
    progress: Callable[[int, float, float], None],
    finished: Callable[[Any], None] = lambda report: None,
) -> Generator[AnyReport]:
    """Work on recordings and yield reports in their order: one at a time here, several or isolated ones elsewhere.

    Several works, if `jobs` is above 1 or there is an `executor`, may have no open files. For `progress` and
    `finished` see `run_in_order`.
    """
    if executor is not None:
        from nmf_audio.jobs.executors import run_on

        yield from run_on(executor, works, progress=progress, finished=finished)
        return
    alone = jobs == 1 or len(works) == 1
    if (alone and not isolate) or not can_start_processes():
        yield from run_in_order(works, jobs=jobs, progress=progress, finished=finished)
        return
    with Processes() as processes:
        remote = [processes.remote(work) for work in works]
        yield from run_in_order(remote, jobs=jobs, progress=progress, finished=finished)


def run_in_order(
    works: Iterable[Callable[[Progress], Result]],
    *,
    jobs: int = 1,
    progress: Callable[[int, float, float], None],
    finished: Callable[[Result], None] = lambda result: None,
) -> Iterator[Result]:
    """Do works in threads, `jobs` at a time, and yield what they return in their order.

    Ctrl-C reaches the caller's thread only: the works end between two blocks, by an exception that their
    progress call raises, so that none is interrupted while it puts a file in its place. `progress` is called in
    the caller's thread with the number of the work and its (done, total), which are 0 once it is done; `finished`
    is called there with each result as soon as it is there, also if it is never yielded.
    """
    works = list(works)
    stop = threading.Event()
    outcomes: dict[int, Result | BaseException] = {}
    told: set[int] = set()
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

    def tell(i: int) -> None:
        outcome = outcomes.get(i)
        if outcome is not None and not isinstance(outcome, BaseException) and i not in told:
            told.add(i)
            finished(outcome)

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
                tell(event[0])
                progress(*event)
            while n_yielded in outcomes:
                outcome = outcomes[n_yielded]
                if isinstance(outcome, BaseException):
                    break
                tell(n_yielded)
                yield outcome
                del outcomes[n_yielded]
                n_yielded += 1
            if interrupt is not None and n_yielded < len(works):
                raise interrupt
        # a result may be taken before the word that it is there
        pool.shutdown()
        while not events.empty():
            progress(*events.get())
    finally:
        stop.set()
        pool.shutdown()
        for i in sorted(outcomes):
            tell(i)
