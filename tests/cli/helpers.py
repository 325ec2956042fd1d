"""What the tests of commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

COMMAND = [sys.executable, "-m", "nmf_audio.cli.denoise"]
Run = Callable[..., tuple[int, list[str], list[str]]]


def names(folder: Path) -> list[str]:
    """Return the names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())
