"""Detection of clipping and drop-outs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio._types import AnyArray

__all__ = ["ClipLevels", "PeakCounter", "Span", "find_dropouts"]

AT_LEVEL = 1e-4
"""By which share of the level clipped samples may differ from it."""

FEWEST = 10
"""Samples at the level, below which nothing is called clipped."""

CROWDING = 8.0
"""How many times as many samples lie at a clip level as just below it. Of a sine in full, it is 1.4."""

KEPT = 64
"""Highest values that are counted."""

SHORTEST_SECONDS, MAX_GAP_SECONDS = 0.001, 0.1
NEIGHBOUR_SECONDS = 0.005
AUDIBLE = 0.1
"""Level on both sides of a drop-out, in that of the recording."""

STEPS = 8.0
"""The same in steps of the quantization: sound of a few steps is rounded to runs of zeros itself."""


class ClipLevels(NamedTuple):
    """The levels at which a channel is clipped: samples from `high` up and from `low` down; infinite for none."""

    high: float
    low: float


class Span(NamedTuple):
    """Samples from `start` to before `end`."""

    start: int
    end: int


class PeakCounter:
    """Counts the highest and lowest samples of a channel, its mean square and its smallest step, block by block."""

    def __init__(self) -> None:
        self._highest, self._lowest = _TopCounter(), _TopCounter()
        self._energy, self._n = 0.0, 0
        self.step = np.inf
        """Size of the smallest sample that is not zero; infinite if all are."""

    def add(self, y: npt.NDArray[Any]) -> None:
        """Take the next samples (n,)."""
        self._highest.add(y)
        self._lowest.add(-y)
        self._energy += float(np.sum(np.square(y, dtype=np.float64)))
        self._n += len(y)
        sizes = np.abs(y)
        self.step = min(self.step, float(np.min(sizes, initial=np.inf, where=sizes > 0)))

    @property
    def rms(self) -> float:
        """Root of the mean square."""
        return float(np.sqrt(self._energy / max(self._n, 1)))

    def find_levels(self) -> ClipLevels:
        """Return the levels at which samples crowd."""
        return ClipLevels(self._highest.find_level(), -self._lowest.find_level())


class _TopCounter:
    """The highest distinct values of a signal, and how often each comes."""

    def __init__(self) -> None:
        self._values = np.empty(0)
        self._counts = np.empty(0, np.intp)

    def add(self, y: npt.NDArray[Any]) -> None:
        """Take the next samples."""
        least = self._values[0] if len(self._values) == KEPT else -np.inf
        values, counts = np.unique(y[y >= least].astype(np.float64), return_counts=True)
        merged, index = np.unique(np.concatenate([self._values, values]), return_inverse=True)
        total = np.bincount(index, np.concatenate([self._counts, counts]), len(merged)).astype(np.intp)
        self._values, self._counts = merged[-KEPT:], total[-KEPT:]

    def find_level(self) -> float:
        """Return the level from which samples are clipped; infinity if they are not."""
        if not len(self._values) or self._values[-1] <= 0:
            return np.inf
        level = self._values[-1] * (1 - AT_LEVEL)
        at_level = self._values >= level
        # as much again below, twice over; of few digits the next value, however far
        below = ~at_level & (self._values >= self._values[-1] * (1 - 3 * AT_LEVEL))
        next_value = np.flatnonzero(~at_level)[-1:]
        n_below = max(int(self._counts[below].sum()), int(self._counts[next_value].sum()))
        n_at_level = int(self._counts[at_level].sum())
        return level if n_at_level >= FEWEST and n_at_level > CROWDING * n_below else np.inf


def find_dropouts(y: AnyArray, sr: int, rms: float, step: float = 0.0) -> list[Span]:
    """Return the runs of digital silence in a signal (n,) that sound stands around: 1 to 100 ms of zeros.

    `rms` and `step`, of the quantization, are those of the whole recording; the sound within 5 ms before and behind a
    run is above a tenth of the one and 8 times the other.
    """
    least = max(AUDIBLE * rms, STEPS * step)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], y == 0, [False]])))
    n_beside = max(round(NEIGHBOUR_SECONDS * sr), 1)
    found = []
    for start, end in edges.reshape(-1, 2).tolist():
        before, after = y[max(start - n_beside, 0) : start], y[end : end + n_beside]
        is_long = SHORTEST_SECONDS * sr <= end - start <= MAX_GAP_SECONDS * sr
        if is_long and all(_rms(side) > least for side in (before, after)):
            found.append(Span(start, end))
    return found


def _rms(y: AnyArray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64)))) if len(y) else 0.0
