"""A folder into which recordings are put, and which of them are complete."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from nmf_audio.io.folder_walk import walk_folders

__all__ = ["SETTLING_SECONDS", "Inbox"]

SETTLING_SECONDS = 2.0


class Inbox:
    """Finds files that are complete, each once.

    A file is complete when its size and its time have stayed the same for a while, and, where the system can say so,
    nobody has it open for writing. One that is gone is forgotten. Those count whose extension is one of `extensions`,
    in lower case, and whose names are not hidden; with `recursive` those in folders, too.
    """

    def __init__(
        self,
        folder: Path,
        extensions: set[str],
        *,
        recursive: bool = False,
        settling_seconds: float = SETTLING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._extensions, self._recursive = folder, extensions, recursive
        self._settling_seconds, self._clock = settling_seconds, clock
        self._taken: set[str] = set()
        # what was seen of a file, and since when
        self._seen: dict[str, tuple[tuple[int, ...], float]] = {}

    def find_complete(self) -> list[Path]:
        """Return files that have become complete, those that were changed last at the end."""
        now, there, complete = self._clock(), set(), []
        for folder, names in walk_folders(self._folder):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118  # there may be very many
                if os.path.splitext(name)[1].lower() not in self._extensions:  # noqa: PTH122
                    continue
                there.add(path)
                if path not in self._taken and (changed := self._find_settled(path, now)) is not None:
                    complete.append((changed, path))
            if not self._recursive:
                break
        self._taken &= there
        self._seen = {path: seen for path, seen in self._seen.items() if path in there}
        self._taken.update(path for _, path in complete)
        return [Path(path) for _, path in sorted(complete)]

    def _find_settled(self, path: str, now: float) -> int | None:
        """Return when a file was changed, if it is complete."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            # it is gone again
            return None
        state = status.st_size, status.st_mtime_ns, status.st_ino
        before, since = self._seen.get(path, (None, now))
        if before != state:
            self._seen[path] = state, now
            return None
        if now - since < self._settling_seconds or _is_being_written(path):
            return None
        del self._seen[path]
        return status.st_mtime_ns


def _is_being_written(path: str) -> bool:
    """Whether a process of this computer has a file open for writing, as far as that can be found out."""
    try:
        import fcntl

        take, release = fcntl.F_SETLEASE, fcntl.F_UNLCK
    except (ImportError, AttributeError):
        return False
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # nobody gets a lease of reading while another writes; it is given back at once
        fcntl.fcntl(file, take, fcntl.F_RDLCK)
        fcntl.fcntl(file, take, release)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(file)
    return False
