"""Tasks: recordings to be worked on as they are sent to a worker of an executor, and what it answers."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from nmf_audio import __version__
from nmf_audio._types import Progress
from nmf_audio.io.remote import locate
from nmf_audio.jobs.file_work import FileWork
from nmf_audio.jobs.processes import make_portable
from nmf_audio.jobs.staging import Stage
from nmf_audio.jobs.task_progress import Route, find_dask_worker
from nmf_audio.nmf.blas import single_blas

__all__ = ["LARGE", "Answer", "Contents", "Outcome", "Task", "describe_versions", "do_task", "hash_settings"]

LARGE = ("denoiser", "separator", "noise")
"""Options that many works share, and that a worker keeps."""

N_KEPT = 4
"""Settings that a worker keeps: the last ones."""

CHECK_SECONDS = 0.5
"""Time between two looks whether a work is still wanted."""

_COMPUTED_WITH = ("numpy", "numba", "soundfile", "soxr")
_settings: OrderedDict[str, dict[str, Any]] = OrderedDict()


@dataclass(frozen=True)
class Contents:
    """A file as it is sent: its name and its bytes."""

    name: str
    data: bytes

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the contents of a file."""
        return cls(path.name, path.read_bytes())


@dataclass(frozen=True)
class Task:
    """A recording to be worked on.

    `key` is the hash of the large options of the work, which `settings` has, pickled, unless the worker is thought
    to have them. `versions` are those of the sender, and `token` is a file that is there as long as the work is
    wanted; `route` is the way by which it is told how far the work is. A worker that can't reach the recording gets
    its `contents`, and the outputs that are to be replaced.
    """

    work: FileWork[Any]
    key: str
    settings: bytes | None
    versions: str
    token: Path | None
    route: Route
    contents: Contents | None = None
    existing: tuple[Path, ...] = ()


class Outcome(Enum):
    """What became of a task."""

    DONE = auto()
    NO_SETTINGS = auto()
    OUT_OF_REACH = auto()
    OTHER_VERSIONS = auto()
    NOT_WANTED = auto()


@dataclass(frozen=True)
class Answer:
    """What a worker sends back.

    All outcomes but DONE ask for something else, or come to nothing. `contents` are the outputs if the recording was
    sent, `versions` those of the worker if they are others.
    """

    outcome: Outcome
    report: Any = None
    contents: dict[Path, bytes] = field(default_factory=dict)
    versions: str = ""


class _NotWantedError(BaseException):
    """Ends a recording that nobody waits for: not an error of it."""


@functools.cache
def describe_versions() -> str:
    """Return the versions on which the bits of an output depend, in one line."""
    return ", ".join(
        [f"nmf_audio {__version__}", *(f"{name} {_find_version(name)}" for name in _COMPUTED_WITH)]
    )


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


@single_blas
def do_task(task: Task) -> Answer:
    """Do a task: what a worker runs. BLAS has one thread meanwhile, so that workers give the same bits."""
    versions = describe_versions()
    if task.versions != versions:
        return Answer(Outcome.OTHER_VERSIONS, versions=versions)
    if task.contents is None and not _can_reach(task):
        return Answer(Outcome.OUT_OF_REACH)
    large = _find_settings(task)
    if large is None:
        return Answer(Outcome.NO_SETTINGS)
    work = replace(task.work, options=task.work.options | large)
    with task.route.open() as progress:
        try:
            if task.contents is None:
                return Answer(Outcome.DONE, make_portable(work(_Lease(task.token, progress)), work))
            return _do_with_contents(work, task.contents, task.existing, _Lease(None, progress))
        except _NotWantedError:
            return Answer(Outcome.NOT_WANTED)


def _can_reach(task: Task) -> bool:
    needed = [task.token, task.work.src]
    return all(os.path.lexists(path) for path in needed if isinstance(path, Path))


def _find_settings(task: Task) -> dict[str, Any] | None:
    """Return the large options of a task: those that are kept, came with it, or are in the token."""
    large = _settings.get(task.key)
    if large is None:
        data = task.settings
        if data is None and task.token is not None:
            with suppress(OSError):
                data = task.token.read_bytes()
        # what is in a folder may come from others
        if data is None or hash_settings(data) != task.key:
            return None
        _settings[task.key] = large = pickle.loads(data)
        while len(_settings) > N_KEPT:
            _settings.popitem(last=False)
    return large


def hash_settings(data: bytes) -> str:
    """Return the key of settings."""
    return hashlib.sha256(data).hexdigest()


class _Lease:
    """Passes on how far a work is, and ends it when its token is gone, or a scheduler has taken the task back."""

    def __init__(self, token: Path | None, progress: Progress) -> None:
        self._token, self._progress, self._checked = token, progress, time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        self._progress(done, total)
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        if (self._token is not None and not os.path.lexists(self._token)) or _is_taken_back():
            raise _NotWantedError


def _is_taken_back() -> bool:
    """Return whether this thread works for a dask scheduler that no longer wants the result."""
    worker = find_dask_worker()
    if worker is None:
        return False
    try:
        task = worker.state.tasks.get(worker.get_current_task())
    except KeyError:
        # not one of those in which it runs tasks
        return False
    return task is None or task.state == "cancelled"


def _do_with_contents(
    work: FileWork[Any], contents: Contents, existing: tuple[Path, ...], lease: _Lease
) -> Answer:
    """Work on a recording that came with the task, in a temporary folder; its outputs go back."""
    with Stage() as stage:

        def add(sent: Any, data: bytes | None = None) -> Any:
            if not isinstance(sent, Path):
                # a URL
                return sent
            path = stage.add(sent)
            if data is not None or sent in existing:
                path.write_bytes(data or b"")
            return path

        options = work.options | {"force": True}
        noise, rest = options.get("noise"), options.get("keep_noise")
        if isinstance(noise, Contents):
            options["noise"] = add(Path(noise.name), noise.data)
        if rest is not None:
            options["keep_noise"] = add(locate(rest))
        src = add(work.src, contents.data)
        dst = {name: add(path) for name, path in work.dst.items()} if isinstance(work.dst, dict) else None
        local = replace(work, src=src, dst=dst or add(work.dst), options=options, skip_existing=False)
        report = local(lease)
        written = {}
        if report.status != "failed":
            written = {
                stage.rename(path): path.read_bytes()
                for path in local.targets
                if isinstance(path, Path) and path.exists()
            }
        return Answer(Outcome.DONE, make_portable(stage.rename(report), work), written)
