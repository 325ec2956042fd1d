"""Estimates of missing samples: a Gaussian model of the STFT, whose variances are a factorization.

Bins of the STFT are taken for independent complex Gaussians of zero mean and of variances ``V = W @ H``, as in
Itakura-Saito NMF. With the known samples fixed, the missing ones x are those of the smallest ::

    sum_t,f  |STFT(x)_ft|**2 / (W @ H)_ft

a quadratic form whose matrix is banded, since samples meet within a frame at most. Each clipped sample stays at or
beyond the level at which it was clipped, which makes it a quadratic program. Its solution takes turns with updates of
W and H for the power spectrogram. The model is that of Bilen, Ozerov & Perez (2015, 2018), the alternation that
of Mokry, Magron, Oberlin & Fevotte (2023); here all frames are solved for together, with the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from nmf_audio._types import AnyArray
from nmf_audio.nmf import update_H, update_W
from nmf_audio.nmf.blas import single_blas

__all__ = ["Unknown", "estimate_missing"]

FLOOR = 1e-8
"""Variance that every bin has at least, in the mean power of all."""

MOST_MISSING = 0.01
"""Share of a frame, under its window, whose loss makes its spectrum useless to start from."""

START_UPDATES, UPDATES = 20, 2

ROWS = 256
"""Of the matrix, that are computed together: a bound of the memory."""


@dataclass(frozen=True)
class Unknown:
    """Missing samples of a signal.

    Parameters
    ----------
    positions : ndarray (n,) of int
        Where they are, ascending.
    signs : ndarray (n,)
        1 or -1: which way a clipped sample went.
    bounds : ndarray (n,)
        What the sample times its sign is at least: the level for clipped ones, minus infinity for those in gaps.
    """

    positions: AnyArray
    signs: AnyArray
    bounds: AnyArray


@single_blas
def estimate_missing(
    y: AnyArray, unknown: Unknown, n_fft: int, *, n_components: int = 20, n_iter: int = 15
) -> AnyArray:
    """Return the missing samples of a signal (n_samples,), float64."""
    x = y.astype(np.float64)
    in_gaps = np.isneginf(unknown.bounds)
    x[unknown.positions[in_gaps]] = 0.0
    scale = np.sqrt(np.mean(np.square(x)))
    if not scale > 0:
        return x[unknown.positions]
    x /= scale
    model = _FrameModel(x, unknown, n_fft, n_components)
    program = _BoundedProgram(unknown.signs, unknown.bounds / scale)
    for _ in range(n_iter):
        x[unknown.positions] = program.improve(*model.find_cost(x))
        model.learn(x)
    # the bounds once more: what is divided and multiplied again may differ in its last digit
    found: AnyArray = np.maximum(unknown.signs * x[unknown.positions] * scale, unknown.bounds)
    return unknown.signs * found


class _FrameModel:
    """Frames of one length of a signal, and the factorization of their power spectra."""

    def __init__(self, x: AnyArray, unknown: Unknown, n_fft: int, n_components: int) -> None:
        self._n_fft, self._hop = n_fft, n_fft // 4
        self._window = np.sin(np.pi * (np.arange(n_fft) + 0.5) / n_fft)
        n_frames = -(-(len(x) + n_fft) // self._hop)
        self._padding = (n_fft - self._hop, n_frames * self._hop + self._hop - len(x))
        self._known = np.ones(len(x))
        self._known[unknown.positions] = 0.0
        self._positions = unknown.positions + self._padding[0]
        starts = self._hop * np.arange(n_frames)
        first = np.searchsorted(self._positions, starts)
        last = np.searchsorted(self._positions, starts + n_fft)
        self._spans = list(zip(starts.tolist(), first.tolist(), last.tolist(), strict=True))
        self._bandwidth = int(np.max(last - first))
        self._start(x, unknown, n_components)

    def _cut(self, x: AnyArray) -> AnyArray:
        """Return the frames (n_frames, n_fft) of a signal."""
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, self._padding), self._n_fft)
        cut: AnyArray = frames[:: self._hop][: len(self._spans)]
        return cut

    def _power(self, x: AnyArray) -> AnyArray:
        """Return the power spectrogram (n_freq, n_frames), above zero."""
        X = np.fft.rfft(self._cut(x) * self._window, axis=1).T
        power: AnyArray = X.real**2 + X.imag**2 + self._floor
        return power

    def _start(self, x: AnyArray, unknown: Unknown, n_components: int) -> None:
        """Factorize the frames with few samples in gaps, and interpolate the activations of the others."""
        energy = self._window**2 / np.sum(self._window**2)
        in_gap = np.zeros(len(x))
        in_gap[unknown.positions[np.isneginf(unknown.bounds)]] = 1.0
        is_good = self._cut(in_gap) @ energy <= MOST_MISSING
        self._floor = 0.0
        self._floor = FLOOR * float(np.mean(self._power(x)))
        V = self._power(x)
        rng = np.random.default_rng(0)
        W = rng.uniform(0.1, 1.1, (len(V), n_components))
        H = rng.uniform(0.1, 1.1, (n_components, V.shape[1]))
        H *= np.mean(V) / np.mean(W @ H)
        good = np.flatnonzero(is_good)
        if len(good):
            for _ in range(START_UPDATES):
                H[:, good] = update_H(V[:, good], W, H[:, good], beta=0)
                W = update_W(V[:, good], W, H[:, good], beta=0)
            logs = np.log(np.maximum(H[:, good], np.finfo(float).tiny))
            frames = np.arange(V.shape[1])
            H = np.exp([np.interp(frames, good, row) for row in logs])
        self._W, self._H = W, H

    def learn(self, x: AnyArray) -> None:
        """Update the factorization for a signal."""
        V = self._power(x)
        for _ in range(UPDATES):
            self._H = update_H(V, self._W, self._H, beta=0)
            self._W = update_W(V, self._W, self._H, beta=0)

    def find_cost(self, x: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Return the quadratic form of the missing samples: the lower band of its matrix, and the linear term.

        Row d of the band has the entries (j + d, j) of the matrix.
        """
        # by columns, as LAPACK has it: it would copy another
        band = np.zeros((self._bandwidth, len(self._positions)), order="F")
        linear = np.zeros(len(self._positions))
        inverse = self._n_fft / ((self._W @ self._H).T + self._floor)
        correlation = np.fft.irfft(inverse, self._n_fft, axis=1)
        spectra = np.fft.rfft(self._cut(x * self._known) * self._window, axis=1)
        filtered = np.fft.irfft(inverse * spectra, self._n_fft, axis=1) * self._window
        for t, (start, first, last) in enumerate(self._spans):
            k = last - first
            if not k:
                continue
            inside = self._positions[first:last] - start
            weights = self._window[inside]
            # entry (d, j) is about missing samples j + d and j; beyond the last one the weight is 0
            ahead = np.lib.stride_tricks.sliding_window_view(np.pad(inside, (0, k - 1), "edge"), k)
            ahead_weights = np.lib.stride_tricks.sliding_window_view(np.pad(weights, (0, k - 1)), k)
            for row in range(0, k, ROWS):
                rows = slice(row, min(row + ROWS, k))
                products = ahead_weights[rows] * weights
                band[rows, first:last] += correlation[t][ahead[rows] - inside] * products
            linear[first:last] += filtered[t][inside]
        return band, linear


class _BoundedProgram:
    """Minimise x @ A @ x / 2 + c @ x over signs * x >= bounds, for a sequence of programs that change little.

    The set of samples at their bounds goes on from one to the next: after each solution those that are beyond their
    bound join it, and those leave it that the cost would draw away from theirs.
    """

    def __init__(self, signs: AnyArray, bounds: AnyArray) -> None:
        self._signs, self._bounds = signs, bounds
        self._fixed = np.zeros(len(signs), bool)
        self._is_bounded = bool(np.isfinite(bounds).any())

    def improve(self, band: AnyArray, linear: AnyArray) -> AnyArray:
        """Return the solution for the set as it is, brought within the bounds, and update the set."""
        n_bands = len(band)
        band[0] *= 1 + 1e-9
        if not self._is_bounded:
            return _solve(band, -linear)
        fixed = self._fixed
        at_bounds = np.where(fixed, self._signs * self._bounds, 0.0)
        right = linear + self._product(band, at_bounds) if fixed.any() else linear
        free = (~fixed).astype(np.float64)
        ahead = np.lib.stride_tricks.sliding_window_view(np.pad(free, (0, n_bands - 1)), n_bands).T
        reduced = band * ahead * free
        reduced[0, fixed] = 1.0
        x = np.where(fixed, at_bounds, _solve(reduced, -right * free))
        outward = self._signs * (self._product(band, x) + linear)
        self._fixed = np.where(fixed, outward >= 0, self._signs * x < self._bounds)
        result: AnyArray = self._signs * np.maximum(self._signs * x, self._bounds)
        return result

    @staticmethod
    def _product(band: AnyArray, x: AnyArray) -> AnyArray:
        product: AnyArray = scipy.linalg.blas.dsbmv(len(band) - 1, 1.0, band, x, lower=1)
        return product


def _solve(band: AnyArray, right: AnyArray) -> AnyArray:
    """Solve a positive definite system whose lower band is overwritten."""
    solved: AnyArray = scipy.linalg.solveh_banded(
        band, right, overwrite_ab=True, lower=True, check_finite=False
    )
    return solved
