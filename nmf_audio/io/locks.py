"""Locks on open files, which the system lets go of when the process ends, however it does."""

from typing import IO, Any

__all__ = ["lock"]


def lock(file: int | IO[Any]) -> bool | None:
    """Lock a file as long as it is open; False if another has done so, None if there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
