"""Recordings worked on by any executor: what is sent there, what comes back, and what ends early.

Each recording is a task. A token, a file beside the first output, tells workers that they share the files, and, when
it is gone, that nobody waits for them any more. It holds what is large and the same for many recordings, such as the
denoiser; a worker that can't reach it asks for that once.
"""

from __future__ import annotations

import os
import pickle
import queue
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Generic

from nmf_audio._checks import invalid
from nmf_audio.io.atomic import check_target, replacing_all
from nmf_audio.io.interrupts import deferring_interrupts
from nmf_audio.io.temporary import TemporaryFile, remove_leftovers
from nmf_audio.jobs.file_work import AnyReport, FileWork
from nmf_audio.jobs.processes import ProcessEndedError
from nmf_audio.jobs.task_progress import Route, find_dask_client, receiving
from nmf_audio.jobs.tasks import (
    LARGE,
    Answer,
    Contents,
    Outcome,
    Task,
    describe_versions,
    do_task,
    hash_settings,
)

__all__ = ["run_on"]

Event = tuple[int] | tuple[int, float, float]
"""The number of a task that is done; or of one that is not, what is done of it, and all."""

FEW, MAX_TASKS, MAX_BYTES = 8, 4096, 2**30
"""Tasks that are sent and not yet done: at first, and later, enough for a thousand workers; and what memory the
recordings among them may take."""

PATIENCE_SECONDS = 10.0
"""Time without an answer after which tasks that are no longer wanted are taken back from a scheduler, though some may
run: longer than the processing of a block takes, so that those are waiting behind the tasks of others."""


def run_on(
    executor: Executor,
    works: Sequence[FileWork[AnyReport]],
    *,
    progress: Callable[[int, float, float], None],
    finished: Callable[[AnyReport], None] = lambda report: None,
) -> Iterator[AnyReport]:
    """Have works done by an executor, and yield their reports in their order.

    The executor's workers have this package; it stays open. Works have no open files. `progress` is called in the
    caller's thread with the number of a work and its (done, total), as far as its worker can send these, and once it
    is done with twice its seconds, then twice 0; `finished` with each report as soon as it is there, also if it is
    never yielded. `ParameterError` if a worker has other versions.
    """
    reports: dict[int, AnyReport] = {}
    n_yielded = 0
    upcoming = iter(range(len(works)))
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with (
        _token(works) as token,
        receiving(executor, lambda i, done, total: events.put((i, done, total))) as route,
    ):
        sender = _Sender(executor, works, token, route, events)
        interrupt: KeyboardInterrupt | None = None
        try:
            while n_yielded < len(works):
                try:
                    next_one = next(upcoming, None) if sender.has_room() else None
                    if next_one is not None:
                        sender.send(next_one)
                    elif (moved := sender.receive()) is not None:
                        progress(*moved)
                except KeyboardInterrupt as error:
                    # what is past its last block still comes to its end
                    interrupt = error
                    sender.end()
                while sender.ended:
                    with deferring_interrupts():
                        i, report = sender.ended.popitem()
                        reports[i] = report
                        finished(report)
                    progress(i, report.seconds, report.seconds)
                    progress(i, 0, 0)
                while n_yielded in reports:
                    yield reports.pop(n_yielded)
                    n_yielded += 1
                if interrupt is not None and n_yielded < len(works):
                    raise interrupt
        finally:
            sender.end()
            for report in sender.ended.values():
                finished(report)
            # of workers that died
            targets = [target for work in works for target in work.targets if isinstance(target, Path)]
            for folder in {target.parent for target in targets}:
                remove_leftovers(folder)


class _Sender(Generic[AnyReport]):
    """Sends works as tasks, and again if need be, until each has a report, which is put into `ended`."""

    def __init__(
        self,
        executor: Executor,
        works: Sequence[FileWork[AnyReport]],
        token: Path | None,
        route: Route,
        events: queue.SimpleQueue[Event],
    ) -> None:
        self._executor, self._token, self._route, self._events = executor, token, route, events
        self._works: Sequence[FileWork[AnyReport]] = works
        self.ended: dict[int, AnyReport] = {}
        self._futures: dict[int, Future[Answer]] = {}
        self._sizes: dict[int, int] = {}
        self._n_bytes, self._n_done = 0, 0
        self._packed: dict[tuple[object, ...], tuple[str, bytes]] = {}
        self._suspects: deque[int] = deque()
        self._alone: set[int] = set()
        self._sends_contents = False
        self._versions = describe_versions()
        self._hides_running = find_dask_client(executor) is not None

    def has_room(self) -> bool:
        """Whether more can be sent: few at first, lest all workers ask for the settings again and again."""
        most = 0 if self._suspects else min(MAX_TASKS, FEW + 2 * self._n_done)
        return len(self._futures) < most and self._n_bytes < MAX_BYTES

    def send(self, i: int) -> None:
        """Send a work, unless there is nothing to do."""
        settled = self._works[i].settle()
        if settled is not None:
            self.ended[i] = settled
        else:
            self._submit(i)

    def _submit(self, i: int, *, with_settings: bool = False) -> None:
        """Send a task; what keeps it from being sent is found by `receive`."""
        future: Future[Answer]
        try:
            future = self._executor.submit(do_task, self._make_task(i, with_settings))
        except (OSError, BrokenExecutor) as error:
            future = Future()
            future.set_exception(error)
        self._futures[i] = future
        future.add_done_callback(partial(self._note, i))

    def receive(self) -> tuple[int, float, float] | None:
        """Wait until a task moves, and return its number, what is done, and all; or until one is done.

        Then its report is kept, or it is sent again.
        """
        event = self._events.get()
        i = event[0]
        if len(event) == 3:
            # what comes late is of one that is done
            return event if i in self._futures else None
        # a report that is there is not to get lost
        with deferring_interrupts():
            self._take(i)
        if self._suspects and not self._futures:
            self._alone.add(self._suspects[0])
            self._submit(self._suspects.popleft())
        return None

    def end(self) -> None:
        """Let no more tasks begin, wait for those that did, and keep reports of what came to its end."""
        if self._token is not None:
            self._token.unlink(missing_ok=True)
            if self._hides_running and not self._sends_contents:
                self._wait_for_answers()
        running = {i: future for i, future in self._futures.items() if not future.cancel()}
        wait(running.values())
        with deferring_interrupts():
            for i, future in running.items():
                if future.exception() is None and future.result().outcome is Outcome.DONE:
                    self._take(i)
            self._futures.clear()

    def _wait_for_answers(self) -> None:
        """Wait for tasks as long as one after the other ends, as each does that looks for its token."""
        pending = set(self._futures.values())
        ended = pending
        while pending and ended:
            ended, pending = wait(pending, timeout=PATIENCE_SECONDS, return_when=FIRST_COMPLETED)

    def _note(self, i: int, future: Future[Answer]) -> None:
        self._events.put((i,))

    def _take(self, i: int) -> None:
        """Keep the report of a task that is done, or see to it that it is sent again."""
        report = self._read_answer(i)
        if report is not None:
            self.ended[i] = report
            self._n_done += 1

    def _read_answer(self, i: int) -> AnyReport | None:
        work: FileWork[AnyReport] = self._works[i]
        future = self._futures.pop(i)
        self._n_bytes -= self._sizes.pop(i, 0)
        error = None if future.cancelled() else future.exception()
        if hasattr(error, "allowed_failures") and i not in self._alone:
            # its workers died, perhaps of what another recording did to them
            self._suspects.append(i)
            return None
        if future.cancelled() or error is not None:
            return _failed(work, error)
        answer = future.result()
        if answer.outcome is Outcome.OTHER_VERSIONS:
            allowed = f"one whose workers have {self._versions}, as it is here"
            given = f"a worker has {answer.versions}"
            raise invalid("executor", self._executor, allowed, "install the same there", given=given)
        if answer.outcome is Outcome.NO_SETTINGS:
            self._submit(i, with_settings=True)
            return None
        if answer.outcome is Outcome.OUT_OF_REACH:
            if isinstance(work.src, Path) and not work.src.exists():
                # no worker is needed to find out why
                return work(lambda done, total: None)
            self._sends_contents = True
            self._submit(i)
            return None
        report: AnyReport = answer.report
        if not answer.contents:
            return report
        try:
            _write(work, answer.contents)
        except OSError as failure:
            return work.failed(failure)
        return report

    def _make_task(self, i: int, with_settings: bool) -> Task:
        work = self._works[i]
        large = {name: work.options[name] for name in LARGE if work.options.get(name) is not None}
        key, settings = self._pack(large)
        small = {name: value for name, value in work.options.items() if name not in large}
        contents = None
        existing: tuple[Path, ...] = ()
        if self._sends_contents:
            src = work.src if isinstance(work.src, Path) else None
            paths = [target for target in work.targets if isinstance(target, Path)]
            for path in paths:
                check_target(path, sources=[] if src is None else [src], force=small.get("force", False))
            # what a URL names workers fetch themselves
            contents = Contents("", b"") if src is None else Contents.read(src)
            existing = tuple(path for path in paths if path.exists())
            self._sizes[i] = len(contents.data)
            self._n_bytes += len(contents.data)
        return Task(
            replace(work, options=small),
            key,
            settings if with_settings else None,
            self._versions,
            self._token,
            self._route.for_task(i),
            contents,
            existing,
        )

    def _pack(self, large: dict[str, Any]) -> tuple[str, bytes]:
        """Return what is large in a work as bytes, and their hash, once for all works that have the same."""
        same = (self._sends_contents, *map(id, large.values()))
        if same not in self._packed:
            if self._sends_contents and isinstance(large.get("noise"), str | os.PathLike):
                large = large | {"noise": Contents.read(Path(large["noise"]))}
            settings = pickle.dumps(large)
            self._packed[same] = hash_settings(settings), settings
            if self._token is not None and len(self._packed) == 1:
                # where that can't be done, workers ask
                with suppress(OSError):
                    self._token.write_bytes(settings)
        return self._packed[same]


def _failed(work: FileWork[AnyReport], error: BaseException | None) -> AnyReport:
    """Return the report of a work that did not come to its end."""
    if isinstance(error, OSError):
        return work.failed(error)
    n_tries = getattr(error, "allowed_failures", None)
    if error is None or isinstance(error, BrokenExecutor):
        what = "its worker ended, or was taken away, before it was done"
    elif n_tries is not None:
        what = f"each of {n_tries + 1} workers that tried it alone ended before it was done"
    else:
        what = f"its worker could not do it ({type(error).__name__}: {error})"
    ended = ProcessEndedError(what)
    ended.__cause__ = error
    return work.failed(ended)


def _write(work: FileWork[Any], contents: dict[Path, bytes]) -> None:
    """Write what a worker sent back."""
    targets = [target for target in work.targets if isinstance(target, Path) and target in contents]
    sources = [work.src] if isinstance(work.src, Path) else []
    with replacing_all(targets, force=work.options.get("force", False), sources=sources) as temporaries:
        for target, temporary in zip(targets, temporaries, strict=True):
            temporary.write_bytes(contents[target])


@contextmanager
def _token(works: Sequence[FileWork[Any]]) -> Iterator[Path | None]:
    """Give a file beside the first output, as long as works are wanted; None if there can't be one."""
    first = next((path for work in works for path in work.targets if isinstance(path, Path)), None)
    folder = None if first is None else Path(os.path.realpath(first)).parent
    file = None
    if folder is not None:
        # that nothing can be written there is an error of each recording
        with suppress(OSError):
            file = TemporaryFile(folder / "token", secrets.token_hex(8), 0o600)
    if file is None or folder is None:
        yield None
        return
    try:
        # its own path may hold in this process alone
        yield folder / file.path.name
    finally:
        file.remove()
