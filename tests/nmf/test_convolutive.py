"""Convolutive NMF: patterns that come back, wherever they begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import beta_divergence, factorize, factorize_convolutive

Array = NDArray[Any]


def _model(W: Array, H: Array) -> Array:
    L = np.zeros((W.shape[0], H.shape[1]))
    for lag in range(W.shape[2]):
        L[:, lag:] += W[:, :, lag] @ H[:, : H.shape[1] - lag]
    return L


def _example(seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.gamma(1, 1, (6, 15)) + 0.01, rng.random((6, 2, 3)) + 0.1, rng.random((2, 15)) + 0.1


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_the_cost_never_rises_and_is_that_of_the_model(beta: float) -> None:
    V, W, H = _example()
    before = beta_divergence(V, _model(W, H), beta)
    for _ in range(12):
        W, H, _, cost = factorize_convolutive(V, beta=beta, W=W, H=H, max_iter=1, tol=0)
        assert cost <= before * (1 + 1e-9)
        assert cost == pytest.approx(beta_divergence(V, _model(W, H), beta), rel=1e-5)
        assert_allclose((W**2).sum(axis=(0, 2)), 1)
        before = cost


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_updates_are_the_equations(beta: float) -> None:
    V, W, H = _example(1)
    got = factorize_convolutive(V, beta=beta, W=W, H=H, max_iter=1, tol=0)

    def parts() -> tuple[Array, Array]:
        L = _model(W, H)
        return V * L ** (beta - 2), L ** (beta - 1)

    num, den = (
        sum(np.pad(W[:, :, lag].T @ part[:, lag:], ((0, 0), (0, lag))) for lag in range(3))
        for part in parts()
    )
    H = H * num / den
    num, den = (
        np.stack([part[:, lag:] @ H[:, : 15 - lag].T for lag in range(3)], axis=2) for part in parts()
    )
    W = W * num / den
    size = np.sqrt((W**2).sum(axis=(0, 2)))
    assert_allclose(got.W, W / size[:, None], rtol=1e-6)
    assert_allclose(got.H, H * size[:, None], rtol=1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_known_patterns_are_found_where_they_begin(beta: float) -> None:
    rng = np.random.default_rng(3)
    # two sweeps, one up and one down, of four frames
    patterns = 0.02 + np.stack([np.eye(8)[[0, 2, 4, 6]].T, np.eye(8)[[7, 5, 3, 1]].T], axis=1)
    onsets = np.zeros((2, 60))
    onsets[0, [3, 15, 27, 41]] = [1, 2, 1, 3]
    onsets[1, [8, 20, 29, 44, 52]] = [2, 1, 2, 1, 2]
    V = _model(patterns, onsets) + 1e-3 * rng.random((8, 60))
    runs = [factorize_convolutive(V, 2, 4, beta, max_iter=300, tol=0, rng=seed) for seed in range(3)]
    found = min(runs, key=lambda run: run.cost)
    assert found.cost < 0.02 * factorize(V, 2, beta, max_iter=300, tol=0, rng=0).cost
    truth = patterns / np.sqrt((patterns**2).sum(axis=(0, 2)))[:, None]
    match = np.einsum("fkl,fjl->kj", truth, found.W)
    assert match.max(axis=1).min() > 0.98
    for k, j in enumerate(match.argmax(axis=1)):
        assert set(np.argsort(found.H[j])[-np.count_nonzero(onsets[k]) :]) == set(np.flatnonzero(onsets[k]))


def test_with_one_lag_it_is_nmf() -> None:
    V, W, H = _example()
    plain = factorize(V, W=W[:, :, 0], H=H, max_iter=20, tol=0, momentum=0)
    one = factorize_convolutive(V, W=W[:, :, :1], H=H, max_iter=20, tol=0)
    assert_allclose(one.W[:, :, 0] @ one.H, plain.W @ plain.H, rtol=1e-6)
    assert one.cost == pytest.approx(plain.cost)


def test_unknown_entries_levels_and_types() -> None:
    V, W, H = _example()
    M = np.ones_like(V)
    M[2, 4:8] = 0
    runs = [
        factorize_convolutive(np.where(M > 0, V, fill), W=W, H=H, weights=M, max_iter=5, tol=0).W
        for fill in (np.nan, 7.0)
    ]
    assert_allclose(runs[0], runs[1])
    loud = factorize_convolutive(1e30 * V, 2, 3, rng=0)
    quiet = factorize_convolutive(1e-30 * V, 2, 3, rng=0)
    assert_allclose(loud.W, quiet.W, rtol=1e-6)
    assert factorize_convolutive(V.astype(np.float32), 2, 3, rng=0).W.dtype == np.float32
    assert np.isfinite(factorize_convolutive(np.zeros((3, 5)), 2, 3, rng=0).cost)


def test_what_is_not_allowed_is_named() -> None:
    V = np.ones((3, 5))
    for message, arguments in (
        ("n_lags=None; must be a whole number of at least 1; give it, or W", {"n_components": 2}),
        ("n_components=None", {"n_lags": 2}),
        (
            "n_lags=6; must be a whole number from 1 to 5; V has no more frames",
            {"n_components": 2, "n_lags": 6},
        ),
        (r"W has shape \(3, 2\); must be of shape \(3, n_components, n_lags\)", {"W": np.ones((3, 2))}),
        ("W is all 0", {"W": np.zeros((3, 2, 2))}),
    ):
        with pytest.raises(ParameterError, match=message):
            factorize_convolutive(V, **arguments)
