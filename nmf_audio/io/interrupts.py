"""Interrupts that wait until a step is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["deferring_interrupts"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def deferring_interrupts() -> Iterator[None]:
    """Let signals that would interrupt this thread wait for the end of the block.

    An exception out of the blue is lost where C code calls back into Python, and leaves things half done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda *event: arrived.append(event))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in arrived:
            handlers[signal.Signals(number)](number, frame)
