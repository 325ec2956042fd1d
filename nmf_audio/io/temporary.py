"""Temporary files beside outputs, and the removal of those that dead processes left.

Their names have the computer on which the process runs and the run of its system, a word that all files of one step
share, and a digest of the name that the file gets in the end. The process holds a lock on the file, which the system
lets go of when it ends.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nmf_audio.io.locks import lock

__all__ = ["TemporaryFile", "remove_leftovers", "remove_leftovers_beside", "spool_file"]

_PATTERN = re.compile(
    r"\.nmf-audio-([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{8})\.(?:part|new|old)"
)
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class TemporaryFile:
    """An empty file, at `path` beside a target, which can be put in its place, and taken back.

    `real` is the target, no link; `word` are 16 hexadecimal digits that the file shares with the others of one
    step; `mode` are its permissions, as far as the umask grants them.
    """

    def __init__(self, real: Path, word: str, mode: int) -> None:
        stem = f".nmf-audio-{_computer()}-{_system()}-{word}-{_digest(real.name)}"
        self._stack = ExitStack()
        with ExitStack() as stack:
            folder = _hold(real.parent, stack)
            self._real, self.path = folder / real.name, folder / f"{stem}.part"
            self._new, self._old = self.path.with_suffix(".new"), self.path.with_suffix(".old")
            self._make(mode, stack)
            self._stack = stack.pop_all()
        self._is_placed = False

    def _make(self, mode: int, stack: ExitStack) -> None:
        while True:
            file = os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, mode)
            is_locked = lock(file)
            is_there = os.fstat(file).st_nlink > 0
            if is_locked and is_there:
                stack.callback(os.close, file)
                return
            os.close(file)
            if is_locked is None:
                return
            # taken for a leftover in the moment before it was locked
            self.path.unlink(missing_ok=True)

    def sync(self, mode: int) -> None:
        """Send what was written to the disk, and narrow the permissions to `mode`."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.chmod(self.path.stat().st_mode & mode)

    def place(self, *, force: bool, is_last: bool) -> None:
        """Put it in its place; `is_last` if it need not be taken back.

        Raises FileExistsError if there is something and `force` is not given, OSError if it can't be done.
        """
        if not force:
            if not _link(self.path, self._real):
                if os.path.lexists(self._real):
                    raise FileExistsError(self._real)
                self.path.replace(self._real)
        elif is_last:
            self.path.replace(self._real)
        else:
            with suppress(FileNotFoundError):
                if not _link(self._real, self._old):
                    shutil.copy2(self._real, self._old)
            # the first name stays, as the sign that what is in the place is this file
            (self._new if _link(self.path, self._new) else self.path).replace(self._real)
        self._is_placed = True

    def take_back(self) -> None:
        """Have the place as it was before."""
        if self._is_placed:
            _restore(self._real, self._old)

    def remove(self) -> None:
        """Remove what is temporary."""
        with self._stack:
            for path in (self._new, self._old, self.path):
                path.unlink(missing_ok=True)


@contextmanager
def spool_file() -> Iterator[Path]:
    """Give an empty file in the system's temporary folder, which nobody else may read; it goes at the end."""
    target = Path(os.path.realpath(tempfile.gettempdir()), "stream")
    remove_leftovers_beside([target])
    file = TemporaryFile(target, secrets.token_hex(8), 0o600)
    try:
        yield file.path
    finally:
        file.remove()


def remove_leftovers_beside(targets: Iterable[str | os.PathLike[str]]) -> None:
    """Call `remove_leftovers` for the folders of targets, for each once a process: they may hold very many files."""
    for folder in {os.path.dirname(os.path.realpath(target)) for target in targets}:  # noqa: PTH120
        _remove_leftovers_once(folder)


@functools.cache
def _remove_leftovers_once(folder: str) -> None:
    remove_leftovers(Path(folder))


def remove_leftovers(folder: Path) -> None:
    """Remove what dead processes left in a folder, and what is in its place of a step that they did not end.

    That is what has the name of a `TemporaryFile`, belongs to this person, and is locked by nobody: of this run of
    the system, or of an earlier one on this computer, if it has not changed since.
    """
    steps: dict[tuple[str, str], list[str]] = {}
    with suppress(OSError):
        names = os.listdir(folder)  # noqa: PTH208  # the quickest, where there are very many
        for name in names:
            match = _PATTERN.fullmatch(name)
            if match and (match[1] == _computer() or match[2] == _system()):
                steps.setdefault((match[2], match[3]), []).append(name)
    for (system, _), step in steps.items():
        # what can't be looked at stays
        with suppress(OSError):
            _remove_step(folder, step, names, math.inf if system == _system() else _find_start())


def _remove_step(folder: Path, step: Sequence[str], names: Sequence[str], before: float) -> None:
    """Remove the files of a step that is dead, if none has changed from a time on."""
    parts = [folder / name for name in step if name.endswith(".part")]
    with ExitStack() as stack:
        found = []
        for part in parts:
            file = os.open(part, _FLAGS)
            stack.callback(os.close, file)
            status = os.fstat(file)
            is_mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
            if not is_mine or status.st_mtime >= before or not lock(file):
                return
            found.append(status)
        if any(status.st_nlink == 1 for status in found):
            # some are in their places, not all
            for part, status in zip(parts, found, strict=True):
                for name in names if status.st_nlink > 1 else ():
                    if _digest(name) == part.stem[-8:] and os.path.samestat((folder / name).lstat(), status):
                        _restore(folder / name, part.with_suffix(".old"))
        for name in step if parts else ():
            (folder / name).unlink(missing_ok=True)


def _restore(real: Path, old: Path) -> None:
    try:
        old.replace(real)
    except FileNotFoundError:
        real.unlink()


def _hold(folder: Path, stack: ExitStack) -> Path:
    """Return a path of a folder that holds even if it is renamed, where there is such a thing."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, number)
        held = Path(f"/proc/self/fd/{number}")
        with suppress(OSError):
            return held if held.samefile(folder) else folder
    return folder


def _link(src: Path, dst: Path) -> bool:
    """Give a file a second name; False where there are none."""
    try:
        os.link(src, dst)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        return False
    return True


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


@functools.cache
def _system() -> str:
    """Return a word for what locks hold on: this run of the system, else the computer."""
    try:
        return _digest(Path("/proc/sys/kernel/random/boot_id").read_text())
    except OSError:
        return _computer()


@functools.cache
def _computer() -> str:
    """Return a word for this computer, or container."""
    number = ""
    with suppress(OSError):
        number = Path("/etc/machine-id").read_text()
    return _digest(number + socket.gethostname())


def _find_start() -> float:
    """Return when the system was started, as times of files are counted."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
