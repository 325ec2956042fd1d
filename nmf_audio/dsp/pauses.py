"""Level of the noise in the pauses of speech, before and after denoising."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array

__all__ = ["NoiseLevels", "PauseMeter"]


LOWEST_DB, HIGHEST_DB = -180.0, 80.0
SPEECH_STEP_DB, LEVEL_STEP_DB = 1.0, 0.5

MARGIN_DB = 6.0
"""In a pause the speech estimate is this far below its frame. Recordings without noise have no such frames."""

DEPTHS_DB = (25, 20, 15, 10)
"""In a pause it is this far below its own mean, too: the first depth with enough frames counts."""

MIN_SHARE, MIN_FRAMES = 0.1, 10
"""The fewest frames that are enough."""

LOUD_SHARE = 0.05
"""Share of the frames, the loudest, that must be speech: if even there the estimate is `MARGIN_DB` below its frame,
the signal is noise alone.
"""


class NoiseLevels(NamedTuple):
    """Medians over the frames of all pauses, in decibels below full scale."""

    before_db: float
    after_db: float


class PauseMeter:
    """Finds the pauses of a signal, frame of `n_fft` samples after frame, and the level of the noise in them.

    The speech estimate shows which frames are pauses. How far below its mean it must be there is known at the end
    only, so frames are counted by the level of their speech estimate and by their own level, before and after.
    """

    def __init__(self, n_fft: int) -> None:
        self._n_fft = n_fft
        n_speech = round((HIGHEST_DB - LOWEST_DB) / SPEECH_STEP_DB)
        n_level = round((HIGHEST_DB - LOWEST_DB) / LEVEL_STEP_DB)
        self._n_frames = np.zeros(n_speech, np.int64)
        self._powers = np.zeros((2, n_speech))
        self._levels = np.zeros((2, n_speech, n_level), np.int32)

    def add(self, magnitudes: Array, speech_gains: Array, gains: Array) -> None:
        """Take frames: STFT magnitudes, the gains of the speech estimate, those applied, all (n_frames, n_freq)."""
        before, speech, after = (
            4.0 / self._n_fft**2 * np.einsum("ij,ij->i", x, x, dtype=np.float64)
            for x in (magnitudes, magnitudes * speech_gains, magnitudes * gains)
        )
        rows = _cells(speech, SPEECH_STEP_DB)
        np.add.at(self._n_frames, rows, before > 0)
        for sums, power in zip(self._powers, (before, speech), strict=True):
            np.add.at(sums, rows, power)
        quiet = (speech < 10 ** (-MARGIN_DB / 10) * before).astype(np.int32)
        for levels, power in zip(self._levels, (before, after), strict=True):
            np.add.at(levels, (rows, _cells(power, LEVEL_STEP_DB)), quiet)

    def merge(self, other: PauseMeter) -> None:
        """Take all frames that another meter of the same signal took."""
        self._n_frames += other._n_frames
        self._powers += other._powers
        self._levels += other._levels

    def result(self) -> NoiseLevels | None:
        """Return the level of the noise; None if there are no pauses, or nothing but noise."""
        n, (before, speech) = self._n_frames, self._powers
        loud = _share_of_loudest(n)
        if not n.any() or loud @ speech < 10 ** (-MARGIN_DB / 10) * (loud @ before):
            return None
        mean_db = 10 * np.log10(speech.sum() / n.sum())
        for depth in DEPTHS_DB:
            stop = max(0, int((mean_db - depth - LOWEST_DB) / SPEECH_STEP_DB))
            counts = self._levels[:, :stop].sum(axis=1)
            if counts[0].sum() >= max(MIN_FRAMES, MIN_SHARE * n.sum()):
                return NoiseLevels(*(_median(row) for row in counts))
        return None


def _cells(power: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.intp]:
    decibels = 10 * np.log10(np.maximum(power, 1e-30))
    n = round((HIGHEST_DB - LOWEST_DB) / step)
    return np.clip((decibels - LOWEST_DB) / step, 0, n - 1).astype(np.intp)


def _share_of_loudest(n: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return which part of the frames in each cell belongs to the loudest ones."""
    louder = n[::-1].cumsum()[::-1] - n
    wanted = np.clip(LOUD_SHARE * n.sum() - louder, 0, n)
    shares: npt.NDArray[np.float64] = np.divide(wanted, n, out=np.zeros(len(n)), where=n > 0)
    return shares


def _median(counts: npt.NDArray[np.int32]) -> float:
    """Return the median of levels that were counted in cells, interpolated in its cell."""
    total = counts.cumsum()
    half = total[-1] / 2
    cell = int(np.searchsorted(total, half))
    inside = (half - total[cell] + counts[cell]) / counts[cell]
    return LOWEST_DB + LEVEL_STEP_DB * (cell + float(inside))
