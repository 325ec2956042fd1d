"""Single keys that are pressed while a command runs."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def pressed() -> Iterator[Callable[[], str] | None]:
    """Listen to the keyboard, if there is one; the terminal is as it was when the context is left.

    What is yielded returns the keys that were pressed since it was last called; it is None if standard input is not
    a terminal, or this program is in the background of its shell.
    """
    if not sys.stdin or not sys.stdin.isatty():
        yield None
    elif sys.platform == "win32":
        yield _read_windows
    else:
        import select
        import termios
        import tty

        terminal = sys.stdin.fileno()
        if os.tcgetpgrp(terminal) != os.getpgrp():
            # in a shell's background: to touch the terminal would halt the program
            yield None
            return

        def read() -> str:
            keys = b""
            while select.select([terminal], [], [], 0)[0]:
                found = os.read(terminal, 64)
                if not found:
                    break
                keys += found
            return keys.decode("utf-8", "ignore")

        before = termios.tcgetattr(terminal)
        try:
            # Ctrl-C remains an interrupt
            tty.setcbreak(terminal)
            yield read
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read_windows() -> str:
    import msvcrt

    keys = ""
    # of the few names that mypy knows of this module on other systems
    while msvcrt.kbhit():  # type: ignore[attr-defined,unused-ignore]
        keys += msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
    return keys
