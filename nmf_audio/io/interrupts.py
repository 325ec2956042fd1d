"""Signals that end a program: who takes them, and steps that they wait for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["SIGNALS", "deferring_interrupts", "handling_signals"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[dict[int, Any]]:
    """Let a function take what ends a program, but what is ignored (by ``nohup``); the main thread only can do so.

    Yields what takes the signals afterwards, which is what did so before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    taken = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in taken}
    try:
        yield before
    finally:
        for number, later in before.items():
            signal.signal(number, later)


@contextmanager
def deferring_interrupts() -> Iterator[None]:
    """Let signals that would raise an exception in this thread wait for the end of the block.

    An exception out of the blue is lost where C code calls back into Python, and leaves things half done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda *event: arrived.append(event))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in arrived:
            handlers[signal.Signals(number)](number, frame)
