"""What the tests of commands share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

COMMAND = [sys.executable, "-m", "nmf_audio.cli.denoise"]
Run = Callable[..., tuple[int, list[str], list[str]]]


def take_interrupts() -> None:
    """Before a command starts: let it be interrupted, which what runs in a shell's background is not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def names(folder: Path) -> list[str]:
    """Return the names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())
