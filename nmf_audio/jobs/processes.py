"""Worker processes: the frame loop holds Python's lock, so threads would not run in parallel.

Each is a Python of its own that reads pickled works from its standard input, and writes what becomes of them to its
standard output. It runs no module of the caller's (as `multiprocessing` would), gets no Ctrl-C, and ends when its
pipes are closed, whatever becomes of the process that started it: then the next call of progress raises, and nothing
half done is left behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar

from nmf_audio._checks import check_whole
from nmf_audio._types import Progress
from nmf_audio.io.interrupts import handling_signals

__all__ = [
    "ProcessEndedError",
    "Processes",
    "Work",
    "can_start_processes",
    "check_jobs",
    "make_portable",
    "serve",
]

MAX_JOBS = 256

Result = TypeVar("Result", covariant=True)

START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from nmf_audio.jobs.processes import serve; serve()"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PROGRESS, LOG, WARNING, RESULT = range(4)


class Work(Protocol[Result]):
    """What can be sent to another process: it can be pickled, and so can what it returns."""

    def __call__(self, progress: Progress, /) -> Result:
        """Do it, and call `progress` with (done, total) as it goes."""

    def failed(self, error: Exception, /) -> Result:
        """Return what stands for the result where there is none."""


class ProcessEndedError(RuntimeError):
    """The process that did a work ended before it was done."""


def check_jobs(jobs: Any) -> int:
    """Return a number of processes if it is one; raise ParameterError if not."""
    return check_whole("jobs", jobs, 1, MAX_JOBS)


def can_start_processes() -> bool:
    """Return whether there is a Python to start; a program that is packed with its own has none."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


class Processes:
    """Processes that take works; started when they are needed, ended with the context.

    Examples
    --------
    >>> from nmf_audio.jobs.file_work import work_on
    >>> with Processes() as processes:
    ...     report = processes.remote(work_on("none.wav", "clean.wav"))(lambda done, total: None)
    >>> report.status
    'failed'
    """

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                _end(self._idle.get_nowait())

    def start(self, n: int) -> None:
        """Start some that wait for works."""
        for _ in range(n):
            self._idle.put(_start())

    def remote(self, work: Work[Result]) -> Callable[[Progress], Result]:
        """Return what does a work in one of the processes, and may be called in any thread.

        What `progress` raises ends the work, and the process with it.
        """

        def do(progress: Progress) -> Result:
            process = self._take()
            try:
                result: Result = _exchange(process, work, progress)
            except (EOFError, BrokenPipeError, pickle.UnpicklingError):
                # perhaps in the middle of a message
                how = _describe_end(_end(process))
                return work.failed(ProcessEndedError(f"the process that worked on it ended early ({how})"))
            except BaseException:
                _end(process)
                raise
            self._idle.put(process)
            return result

        return do

    def _take(self) -> subprocess.Popen[bytes]:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _start()


def _start() -> subprocess.Popen[bytes]:
    # isolated: no module of the current folder, nor of a folder that the environment names, is run
    own = [sysconfig.get_path("stdlib"), str(Path(sysconfig.get_path("platstdlib"), "lib-dynload"))]
    # Python's own modules first, whatever stands before them here
    folders = sorted(filter(None, map(str, sys.path)), key=lambda folder: folder not in own)
    return subprocess.Popen(
        [sys.executable, "-I", "-c", START, json.dumps(folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | ONE_THREAD,
        # Ctrl-C goes to all processes of a terminal's foreground group: not to a session of its own
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _exchange(process: subprocess.Popen[bytes], work: Work[Result], progress: Progress) -> Result:
    """Send a work, pass on its messages, and return its result."""
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump(work, process.stdin)
    process.stdin.flush()
    while True:
        kind, content = pickle.load(process.stdout)
        if kind == PROGRESS:
            progress(*content)
        elif kind == LOG:
            logging.getLogger("nmf_audio").info(content)
        elif kind == WARNING:
            warnings.warn(content, RuntimeWarning, stacklevel=2)
        else:
            result: Result = content
            return result


def _end(process: subprocess.Popen[bytes]) -> int:
    """Close a process's pipes, which ends it, and wait for that; return its exit code."""
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        # what is left in the buffer of a broken pipe need not arrive
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    return process.wait()


def _describe_end(code: int) -> str:
    """Return how a process ended, by its exit code."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


class _Messages:
    """Messages of a process to the one that started it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, kind: int, content: Any) -> None:
        """Send a message; end this process if the other one has ended."""
        data = pickle.dumps((kind, content))
        try:
            with self._lock:
                self._stream.write(data)
                self._stream.flush()
        except BrokenPipeError:
            # no Exception, so that it is not taken for an error of the work
            raise SystemExit(1) from None


def serve() -> None:
    """Do works from standard input until it ends: what a worker process runs."""
    with handling_signals(_leave):
        _serve()


def _leave(number: int, _: object) -> None:
    # no Exception, so that what is half done is removed
    raise SystemExit(128 + number)


def _serve() -> None:
    # what prints goes to standard error; the pipe to the other process is for messages alone
    messages = _Messages(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.send(LOG, record.getMessage())

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        messages.send(WARNING, str(message))

    logger = logging.getLogger("nmf_audio")
    logger.addHandler(Handler())
    logger.setLevel(logging.INFO)
    warnings.showwarning = show
    while True:
        try:
            work: Work[Any] = pickle.load(sys.stdin.buffer)
        except (EOFError, pickle.UnpicklingError):
            # the other process has ended, perhaps while it sent a work
            return
        try:
            result = work(lambda done, total: messages.send(PROGRESS, (done, total)))
        except Exception as error:
            result = work.failed(error)
        messages.send(RESULT, make_portable(result, work))


def make_portable(result: Any, work: Work[Any]) -> Any:
    """Return a result whose error, if it has one, can be sent to another process with its traceback as a note."""
    failure = getattr(result, "error", None)
    if failure is None:
        return result
    # a traceback is not pickled
    trace = "".join(traceback.format_exception(failure))
    failure.add_note(f"in another process:\n{trace}")
    try:
        pickle.loads(pickle.dumps(failure))
    except Exception:
        # one that can't be put together again
        return work.failed(RuntimeError(f"{type(failure).__name__}: {failure}"))
    return result
