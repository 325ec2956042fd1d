"""Run a command: what it raises, warns of and logs becomes sentences and an exit code."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from nmf_audio.cli.common import (
    EXIT_DONE,
    EXIT_ERROR,
    EXIT_USAGE,
    UsageError,
    describe,
    report_error,
    write_error,
)

__all__ = ["run_guarded"]

EXIT_SIGNAL = 128
"""More by the number of the signal that ended a command."""


def run_guarded(
    parse: Callable[[], argparse.Namespace],
    run: Callable[[argparse.Namespace], int],
    *,
    last: bool = False,
) -> int:
    """Run a command and turn what it raises into sentences and an exit code.

    With `last` the process ends after it. Then Ctrl-C counts for nothing any more, once `run` is over: it would stop
    no work, and turn the exit code of what is done into that of a killed process.
    """
    from nmf_audio.io.interrupts import handling_signals

    _open_standard_streams()
    try:
        args = parse()
    except OSError as error:
        # a help text that nobody can get
        write_error(describe(error))
        return EXIT_ERROR
    with _quiet_libraries(args), _messages(args), handling_signals(_interrupt) as handlers:
        try:
            try:
                code = run(args)
            finally:
                if last:
                    handlers[signal.SIGINT] = signal.SIG_IGN
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
        except UsageError as error:
            for message in error.errors:
                report_error(args, message)
            return EXIT_USAGE
        except KeyboardInterrupt as interrupt:
            number = signal.Signals(interrupt.args[0] if interrupt.args else signal.SIGINT)
            report_error(args, "interrupted" if number == signal.SIGINT else f"ended by {number.name}")
            return EXIT_SIGNAL + number
        except Exception as error:
            report_error(args, error)
            return EXIT_ERROR
    return EXIT_ERROR if code == EXIT_DONE and getattr(args, "output_failed", False) else code


@contextmanager
def _quiet_libraries(args: argparse.Namespace) -> Iterator[None]:
    """Keep what C libraries (libmpg123) write about damaged files off the terminal, but with ``--debug``."""
    if args.debug:
        yield
        return
    # they write to file descriptor 2: it leads nowhere meanwhile, and sys.stderr to a copy of it
    saved, python_stderr = os.dup(2), sys.stderr
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        if _descriptor(python_stderr) == 2:
            sys.stderr = open(saved, "w", encoding=python_stderr.encoding, closefd=False)  # noqa: SIM115
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        sys.stderr = python_stderr
        os.close(saved)
        os.close(nowhere)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None


@contextmanager
def _messages(args: argparse.Namespace) -> Iterator[None]:
    """Report what the package logs and warns of, one sentence each, but with ``-q``."""
    import logging
    import warnings

    def report(text: str) -> None:
        if args.verbosity > 0:
            report_error(args, text)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            report(record.getMessage())

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        report(f"warning: {message}")

    logger, handler = logging.getLogger("nmf_audio"), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _interrupt(number: int, _: object) -> None:
    """End a command as Ctrl-C does, whatever signal asks for that; while it cleans up, only Ctrl-C counts again."""
    from nmf_audio.io.interrupts import SIGNALS

    for other in set(SIGNALS) - {signal.SIGINT}:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _open_standard_streams() -> None:
    """Let descriptors lead to nowhere that were closed when the process started: files would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the lowest that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
