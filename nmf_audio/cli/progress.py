"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from nmf_audio.cli import common
from nmf_audio.cli.times import format_time
from nmf_audio.io.remote import Url

LINE_SECONDS = 180.0
"""Time between two lines about a work that has no bar."""


class Update(Protocol):
    """What takes how far a work is."""

    def __call__(self, done: float, total: float, note: str = "", /) -> None:
        """Show it, with a note beside it."""


@contextmanager
def progress_bar(args: argparse.Namespace, label: str, *, unit: str, lines: bool = False) -> Iterator[Update]:
    """Show the progress of a work, but with ``-q``: a bar if standard error is a terminal.

    The bar vanishes at the end, so that the next line written stands in its place. The time left is that of the
    average speed: of this work, not of an earlier one that it continues.
    With `lines`, a line is printed every few minutes where there is no terminal.
    """
    if args.verbosity == 0 or not (sys.stderr.isatty() or lines):
        yield lambda done, total, note="", /: None
        return
    if not sys.stderr.isatty():
        yield _Lines(args, label, unit)
        return
    from tqdm import tqdm

    with tqdm(
        desc=common.escape(label),
        unit=unit,
        unit_scale=True,
        leave=False,
        file=sys.stderr,
        smoothing=0,
        miniters=0,
    ) as bar:
        is_measured = False

        def update(done: float, total: float, note: str = "", /) -> None:
            nonlocal is_measured
            if not is_measured:
                # the speed does not count what came before
                bar.initial = bar.n = bar.last_print_n = done
                bar.start_t = bar._time()
                is_measured = True
            if note:
                bar.set_postfix_str(note, refresh=False)
            # of a pipe nobody knows how much there is to come
            bar.total = total if total > done else None
            bar.update(done - bar.n)

        args.bar_is_shown = True
        try:
            yield update
        finally:
            args.bar_is_shown = False


class _Lines:
    """Prints how far a work is every `LINE_SECONDS`."""

    def __init__(self, args: argparse.Namespace, label: str, unit: str) -> None:
        self._args, self._label, self._unit = args, label, unit
        self._printed = time.monotonic()
        self._begin: tuple[float, float] | None = None

    def __call__(self, done: float, total: float, note: str = "", /) -> None:
        now = time.monotonic()
        if self._begin is None:
            self._begin = now, done
        if now - self._printed < LINE_SECONDS:
            return
        self._printed = now
        started, before = self._begin
        words = [f"{done:.0f} of {total:.0f} {self._unit}"]
        words += [note] if note else []
        if done > before:
            left = (now - started) * (total - done) / (done - before)
            words.append(f"about {format_time(left)} left")
        common.print_message(self._args, f"{self._label}: {', '.join(words)}")


class SoundTotal:
    """Seconds of sound of many recordings: done, and to be done.

    How long those are that were not opened yet is estimated from their sizes in bytes, and from those of the same
    kind that were. A recording is None if nothing is done with it.
    """

    def __init__(self, recordings: Sequence[Path | None], update: Update) -> None:
        self._update = update
        self._kinds = [None if path is None else path.suffix.lower() for path in recordings]
        self._bytes = [_find_size(path) for path in recordings]
        self._done: dict[int, float] = {}
        self._lengths: dict[int, float] = {}
        self._sum_done = 0.0
        # bytes and seconds by kind
        self._unopened: dict[str | None, float] = defaultdict(float)
        self._opened: dict[str | None, float] = defaultdict(float)
        self._seconds: dict[str | None, float] = defaultdict(float)
        for kind, size in zip(self._kinds, self._bytes, strict=True):
            self._unopened[kind] += size

    def advance(self, i: int, done: float, total: float) -> None:
        """Take how far a recording is in seconds; a total of 0 ends it."""
        kind, length = self._kinds[i], self._lengths.get(i)
        if length is None:
            self._unopened[kind] -= self._bytes[i]
            if total:
                self._opened[kind] += self._bytes[i]
        if total == 0:
            done = total = length or 0.0
        self._seconds[kind] += total - (length or 0.0)
        self._sum_done += done - self._done.get(i, 0.0)
        self._lengths[i], self._done[i] = total, done
        self._update(self._sum_done, self._estimate())

    def _estimate(self) -> float:
        """Return the seconds of all recordings."""
        opened, read = sum(self._opened.values()), sum(self._seconds.values())
        seconds = read
        for kind, n_bytes in self._unopened.items():
            same, of_same = (
                (self._opened[kind], self._seconds[kind]) if self._opened[kind] else (opened, read)
            )
            seconds += n_bytes * of_same / same if same else 0
        return seconds


def _find_size(path: Path | None) -> int:
    try:
        return 0 if path is None or isinstance(path, Url) else os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0
