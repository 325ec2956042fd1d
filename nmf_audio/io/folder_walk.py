"""A folder and all below it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

__all__ = ["walk_folders"]


def walk_folders(
    root: str | os.PathLike[str],
    *,
    follow_links: bool = True,
    on_error: Callable[[OSError], object] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Yield folders, and the names of what is in each but folders; both sorted, without those that are hidden.

    Each folder is entered once, whatever links lead to it. `on_error` is told of those that can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     os.mkdir(f"{root}/below")
    ...     os.symlink(root, f"{root}/below/back")
    ...     open(f"{root}/below/a.wav", "w").close()
    ...     [names for _, names in walk_folders(root)]
    [[], ['a.wav']]
    """
    entered = set()
    for folder, below, names in os.walk(root, followlinks=follow_links, onerror=on_error):
        real = os.path.realpath(folder)
        if real in entered:
            below.clear()
            continue
        entered.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield folder, sorted(name for name in names if not name.startswith("."))
