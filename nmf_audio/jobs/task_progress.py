"""Progress within the tasks of an executor: from its workers to the process that waits for them.

Workers that are threads of that process call it. Those that are processes of the same computer send datagrams to a
socket in a folder that is its user's alone; not on Windows, which has no such sockets. Those of a dask scheduler log
events there. What is sent may get lost, or come late: it is for the eye.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from nmf_audio._types import Progress

__all__ = ["Route", "find_dask_client", "find_dask_worker", "receiving"]

DASK_SECONDS = 1.0
"""Time between two messages of a task through a dask scheduler, which has a thousand workers to look after."""

Receiver = Callable[[int, float, float], None]
_TOPIC = "nmf_audio progress"
_MESSAGE = struct.Struct("=qdd")
_receivers: dict[str, Receiver] = {}


@dataclass(frozen=True)
class Route:
    """Where a worker sends how far it is.

    `process` and `key` are those of what waits, `address` is a socket there if it has one, `number` that of the task.
    """

    process: int
    key: str
    address: str | None
    number: int = 0

    def for_task(self, number: int) -> Self:
        """Return the route for a task."""
        return replace(self, number=number)

    @contextmanager
    def open(self) -> Iterator[Progress]:
        """Give what sends (done, total), by the first way that there is here; by none if there is none."""
        # a process that was forked has a copy of them
        receiver = _receivers.get(self.key) if self.process == os.getpid() else None
        worker = find_dask_worker()
        if receiver is not None:
            yield partial(receiver, self.number)
        elif worker is not None:
            yield self._log_to(worker)
        elif self.address is not None:
            with _connecting(self.address) as sender:
                yield lambda done, total: _send(sender, _MESSAGE.pack(self.number, done, total))
        else:
            yield lambda done, total: None

    def _log_to(self, worker: Any) -> Progress:
        sent = time.monotonic()

        def send(done: float, total: float) -> None:
            nonlocal sent
            if time.monotonic() - sent >= DASK_SECONDS:
                sent = time.monotonic()
                worker.log_event(_TOPIC, [self.key, self.number, float(done), float(total)])

        return send


@contextmanager
def receiving(executor: Executor, receiver: Receiver) -> Iterator[Route]:
    """Let a function be called, in any thread, with the number of a task and how far it is."""
    key = secrets.token_hex(8)
    client = find_dask_client(executor)
    with ExitStack() as stack:
        _receivers[key] = receiver
        stack.callback(_receivers.pop, key)
        address = None
        if client is not None:
            # as long as the client lives, lest another run with it is cut off
            client.subscribe_topic(_TOPIC, _receive_event)
        elif not isinstance(executor, ThreadPoolExecutor):
            address = stack.enter_context(_listening(receiver))
        yield Route(os.getpid(), key, address)


def find_dask_client(executor: Executor) -> Any:
    """Return the client of dask whose executor this is, or None."""
    distributed = sys.modules.get("distributed")
    client = getattr(executor, "_client", None)
    return client if distributed is not None and isinstance(client, distributed.Client) else None


def find_dask_worker() -> Any:
    """Return the worker of a dask scheduler for which this thread works, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        # this is none, or not one of its threads
        with suppress(ValueError):
            return distributed.get_worker()
    return None


def _receive_event(event: tuple[float, Any]) -> None:
    """Take an event of any client's tasks: those of others have no receiver here."""
    key, *content = event[1]
    receiver = _receivers.get(key)
    if receiver is not None:
        receiver(*content)


@contextmanager
def _listening(receiver: Receiver) -> Iterator[str | None]:
    """Give the address of a socket whose messages are received; None where there can't be one."""
    with ExitStack() as stack:
        address = ender = None
        # such as a path that is too long for a socket
        with suppress(OSError, AttributeError):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nmf_audio_"))
            inlet = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            address = str(Path(folder, "progress"))
            inlet.bind(address)
            # its path may be gone when the work is done
            ender = stack.enter_context(_connecting(address))
        if ender is None:
            yield None
            return

        def receive() -> None:
            while message := inlet.recv(_MESSAGE.size):
                receiver(*_MESSAGE.unpack(message))

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            ender.setblocking(True)
            ender.send(b"")
            thread.join()


@contextmanager
def _connecting(address: str) -> Iterator[socket.socket | None]:
    """Give a socket that sends to an address of this computer; None if nobody listens there."""
    with ExitStack() as stack:
        sender = None
        with suppress(OSError, AttributeError):
            made = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            made.setblocking(False)
            made.connect(address)
            sender = made
        yield sender


def _send(sender: socket.socket | None, message: bytes) -> None:
    if sender is not None:
        # nobody waits any more, or more was sent than is read
        with suppress(OSError):
            sender.send(message)
