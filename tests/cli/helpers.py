"""What the tests of commands share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

COMMAND = [sys.executable, "-m", "nmf_audio.cli.denoise"]
Run = Callable[..., tuple[int, list[str], list[str]]]


def take_interrupts() -> None:
    """Before a command starts: let it be interrupted, which what runs in a shell's background is not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def piping(content: bytes) -> Iterator[None]:
    """Let a pipe be the standard input of this process, through which this comes."""
    outlet, inlet = os.pipe()
    saved = os.dup(0)
    os.dup2(outlet, 0)
    os.close(outlet)

    def write() -> None:
        with os.fdopen(inlet, "wb") as file:
            file.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        writer.join()


def ended_within(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether a process ends that soon."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def without_compiling(said: str) -> str:
    """Return what a command said, but that it compiled: that depends on what the disk has."""
    return "".join(line for line in said.splitlines(keepends=True) if "compiling loops" not in line)


def names(folder: Path) -> list[str]:
    """Return the names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def shown_on_terminal(words: list[str]) -> bytes:
    """Run the command with a terminal as standard error, and return what came there."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    shown = b""
    # Linux reports the closed other end of a terminal as an error
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert process.wait() == 0
    return shown
