"""The folder of the user's own dictionaries, which are found by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["HOME_VARIABLE", "home_folder", "own_dictionaries"]

HOME_VARIABLE = "NMF_AUDIO_HOME"


def home_folder() -> Path:
    """Return the folder of the user's own dictionaries; it need not exist.

    It is the value of the environment variable ``NMF_AUDIO_HOME``, or ``nmf-audio`` where the system keeps a user's
    data: in ``$XDG_DATA_HOME`` or ``~/.local/share``, on macOS in ``~/Library/Application Support``, on Windows in
    ``%LOCALAPPDATA%``.
    """
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    # unlike Path.expanduser, this raises nothing for a service that has no home
    return Path(os.path.expanduser(base)) / "nmf-audio"  # noqa: PTH111


def own_dictionaries() -> dict[str, Path]:
    """Return name and path of every dictionary in a person's own folder, see `load_dictionary`.

    Names are those of files without ``.npz``: none leads out of the folder. The files are not looked into.

    Returns
    -------
    dict of str to Path
        In the order of the names.

    Examples
    --------
    >>> "trained" in own_dictionaries()
    False
    """
    try:
        found = [path for path in sorted(home_folder().glob("*.npz")) if path.is_file()]
    except OSError:
        # what is in a folder that can't be looked into has no name here; its path may do
        return {}
    return {path.stem: path for path in found if not path.name.startswith(".")}
