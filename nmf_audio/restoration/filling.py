"""Estimates of all missing samples within a window of a signal, with the length of frames that fits it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.dsp.bands import frame_size
from nmf_audio.restoration.missing_samples import Unknown, estimate_missing

__all__ = ["fill"]

FRAME_SECONDS = (0.064, 0.032, 0.016)
"""Lengths of frames for speech and for clipping; the shorter ones where the matrix would become too large."""

LONG_FRAME_SECONDS = 0.256
"""The length for gaps in steady tones."""

MAX_ENTRIES = 4e7
"""Of the matrix: 320 MB."""

REHEARSAL_SECONDS, SHORTEST_SIDE_SECONDS = 0.05, 0.2
"""Longest gaps that are made for the choice, and the sound on one side that they need."""

N_ITER_CLIPPED, N_ITER_GAPS, N_ITER_REHEARSAL = 15, 8, 5

MARGIN = 1.2
"""By how much the long frames must lower the error in the rehearsal to be chosen."""


def fill(y: AnyArray, sr: int, unknown: Unknown) -> AnyArray | None:
    """Return the missing samples of a signal (n_samples,), float64; None if nothing else is known, or too little."""
    if len(unknown.positions) == len(y):
        return None
    sizes = [frame_size(sr, seconds) for seconds in FRAME_SECONDS]
    fitting = [n_fft for n_fft in sizes if _count_entries(unknown, n_fft) <= MAX_ENTRIES]
    if not fitting:
        return None
    n_fft = fitting[0]
    in_gaps = np.isneginf(unknown.bounds)
    if not in_gaps.any():
        return estimate_missing(y, unknown, n_fft, n_iter=N_ITER_CLIPPED)
    long = frame_size(sr, LONG_FRAME_SECONDS)
    if _count_entries(unknown, long) <= MAX_ENTRIES:
        n_fft = _choose(y, sr, unknown, (n_fft, long))
    return estimate_missing(y, unknown, n_fft, n_iter=N_ITER_GAPS if in_gaps.all() else N_ITER_CLIPPED)


def _count_entries(unknown: Unknown, n_fft: int) -> int:
    """Return the number of entries of the matrix's band."""
    after = np.searchsorted(unknown.positions, unknown.positions + n_fft)
    return int(np.max(after - np.arange(len(after)))) * len(after)


def _choose(y: AnyArray, sr: int, unknown: Unknown, n_ffts: Sequence[int]) -> int:
    """Return which of two lengths restores gaps better that are made before and behind those there are."""
    gaps = unknown.positions[np.isneginf(unknown.bounds)]
    errors = np.zeros(2)
    for start, end in ((0, int(gaps[0])), (int(gaps[-1]) + 1, len(y))):
        if end - start < SHORTEST_SIDE_SECONDS * sr:
            continue
        side = y[start:end]
        n_made = min(round(REHEARSAL_SECONDS * sr), len(gaps))
        made = (end - start - n_made) // 2 + np.arange(n_made)
        signs, bounds, lost = np.ones(len(side)), np.full(len(side), -np.inf), np.zeros(len(side), bool)
        within = (unknown.positions >= start) & (unknown.positions < end)
        clipped = unknown.positions[within] - start
        signs[clipped], bounds[clipped], lost[clipped] = unknown.signs[within], unknown.bounds[within], True
        known = made[~lost[made]]
        bounds[made], lost[made] = -np.inf, True
        positions = np.flatnonzero(lost)
        harder = Unknown(positions, signs[positions], bounds[positions])
        for i, n_fft in enumerate(n_ffts):
            x = side.copy()
            x[positions] = estimate_missing(side, harder, n_fft, n_iter=N_ITER_REHEARSAL)
            errors[i] += np.sum(np.square(x[known] - side[known]))
    return n_ffts[1] if errors[0] > MARGIN * errors[1] else n_ffts[0]
