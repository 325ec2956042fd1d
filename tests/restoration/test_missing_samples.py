"""The quadratic form of missing samples, its bounds, and what is estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.optimize

from nmf_audio.restoration.missing_samples import (
    Unknown,
    _BoundedProgram,
    _FrameModel,
    estimate_missing,
)
from tests.restoration.material import LEVEL, chord, sdr

Array = npt.NDArray[Any]


def in_gap(positions: Array) -> Unknown:
    return Unknown(positions, np.ones(len(positions)), np.full(len(positions), -np.inf))


def full_matrix(band: Array) -> Array:
    n = band.shape[1]
    A = np.zeros((n, n))
    for d in range(min(len(band), n)):
        A += np.diag(band[d, : n - d], -d)
        if d:
            A += np.diag(band[d, : n - d], d)
    return A


def test_the_quadratic_form_is_the_weighted_energy_of_the_stft() -> None:
    rng = np.random.default_rng(0)
    y, n_fft = rng.standard_normal(150), 16
    positions = np.array([5, 6, 7, 40, 44, 45, 120, 149])
    y[positions] = 0.0
    model = _FrameModel(y, in_gap(positions), n_fft, 3)
    band, linear = model.find_cost(y)
    window = np.sin(np.pi * (np.arange(n_fft) + 0.5) / n_fft)
    variances = (model._W @ model._H).T + model._floor

    def cost(missing: Array) -> float:
        x = y.copy()
        x[positions] = missing
        padded = np.concatenate([np.zeros(n_fft - 4), x, np.zeros(2 * n_fft)])
        total = 0.0
        for t, v in enumerate(variances):
            X = np.fft.fft(padded[4 * t : 4 * t + n_fft] * window)
            total += float(np.sum(np.abs(X) ** 2 / np.concatenate([v, v[-2:0:-1]])))
        return total

    A, nothing = full_matrix(band), cost(np.zeros(8))
    for _ in range(3):
        missing = rng.standard_normal(8)
        expected = missing @ A @ missing + 2 * linear @ missing
        assert cost(missing) - nothing == pytest.approx(expected, rel=1e-9)


def test_a_bounded_program_ends_at_the_solution_of_non_negative_least_squares() -> None:
    rng = np.random.default_rng(1)
    n, signs = 12, np.where(np.arange(12) % 3 == 0, -1.0, 1.0)
    B = rng.standard_normal((n, n))
    A, c = B @ B.T + 0.1 * np.eye(n), rng.standard_normal(n)
    bounds = np.full(n, 0.3)
    bounds[[2, 7]] = -np.inf
    band = np.zeros((n, n))
    for d in range(n):
        band[d, : n - d] = np.diagonal(A, -d)
    program = _BoundedProgram(signs, bounds)
    for _ in range(20):
        x = program.improve(band.copy(), c.copy())
    limits = np.where(signs > 0, bounds, -np.inf), np.where(signs > 0, np.inf, -bounds)
    root = np.linalg.cholesky(A).T
    expected = scipy.optimize.lsq_linear(root, -np.linalg.solve(root.T, c), limits, method="bvls").x
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_a_gap_in_steady_tones_is_filled() -> None:
    y = chord()
    positions = np.arange(3000, 3160)
    broken = y.copy()
    # whatever is in a gap does not matter
    broken[positions] = 7.0
    found = y.copy()
    found[positions] = estimate_missing(broken, in_gap(positions), 2048, n_iter=6)
    assert sdr(y, found, np.isin(np.arange(len(y)), positions)) > 15


def test_the_level_does_not_matter() -> None:
    y = chord(2000)
    positions = np.flatnonzero(np.abs(y) > LEVEL)
    signs = np.sign(y[positions])
    quiet, loud = (
        estimate_missing(
            scale * np.clip(y, -LEVEL, LEVEL),
            Unknown(positions, signs, np.full(len(positions), scale * LEVEL)),
            256,
            n_iter=3,
        )
        for scale in (1e-6, 1e3)
    )
    np.testing.assert_allclose(1e9 * quiet, loud, rtol=1e-6)


def test_of_silence_silence_is_expected() -> None:
    positions = np.arange(50, 60)
    assert not np.any(estimate_missing(np.zeros(200), in_gap(positions), 32))
