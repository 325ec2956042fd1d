"""Semi-NMF, convex NMF, and their relation to k-means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize_convex, factorize_semi, k_means

Array = NDArray[Any]


def _clusters(signed: bool) -> tuple[Array, Array]:
    """Frames around three centres, and the cluster of each."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    centres = 4 * rng.standard_normal((6, 3)) if signed else 4 * rng.random((6, 3))
    X = centres[:, labels] + 0.3 * (rng.standard_normal((6, 24)) if signed else rng.random((6, 24)))
    return X, labels


def _k_means_cost(X: Array, labels: Array) -> float:
    parts = [X[:, labels == k] for k in range(3)]
    return sum(float(((p - p.mean(axis=1, keepdims=True)) ** 2).sum()) for p in parts) / 2


def _indicators(labels: Array) -> tuple[Array, Array]:
    H = (labels == np.arange(3)[:, None]).astype(float)
    return H.T / H.sum(axis=1), H


@pytest.mark.parametrize("signed", [True, False])
def test_with_indicators_of_clusters_the_cost_is_that_of_k_means(signed: bool) -> None:
    X, _ = _clusters(signed)
    labels = k_means(X.T, 3, rng=0)
    A, H = _indicators(labels)
    expected = _k_means_cost(X, labels)
    assert 0.5 * ((X - X @ A @ H) ** 2).sum() == pytest.approx(expected)
    # zeros stay zero: the partition is kept, and the cost can only fall below that of equal activations
    convex = factorize_convex(X, 3, A=A, H=H, max_iter=30, tol=0)
    assert ((convex.H > 0) == (H > 0)).all()
    assert ((convex.A > 0) <= (A > 0)).all()
    assert convex.cost <= expected
    semi = factorize_semi(X, 3, H=H, max_iter=30, tol=0)
    assert semi.cost <= convex.cost + 1e-9, "convex NMF restricts the atoms of semi-NMF"
    assert (semi.H.argmax(axis=0) == labels).all()


@pytest.mark.parametrize("signed", [True, False])
def test_atoms_are_mixtures_of_frames_and_no_update_raises_the_cost(signed: bool) -> None:
    X, labels = _clusters(signed)
    costs = [factorize_convex(X, 3, max_iter=n, tol=0, rng=0).cost for n in (1, 2, 3, 5, 9, 20, 60)]
    assert np.all(np.diff(costs) <= 1e-12)
    W, H, A, n_iter, cost = factorize_convex(X, 3, rng=0)
    assert n_iter <= 200
    assert_allclose(W, X @ A)
    assert_allclose(A.sum(axis=0), 1)
    assert min(A.min(), H.min()) >= 0
    assert cost == pytest.approx(0.5 * ((X - W @ H) ** 2).sum())
    if signed:
        assert len(set(zip(H.argmax(axis=0), labels, strict=True))) == 3, "the clusters are found"


def test_convex_updates_are_the_equations() -> None:
    rng = np.random.default_rng(1)
    X, A, H = rng.standard_normal((4, 9)), rng.random((9, 2)), rng.random((2, 9))
    got = factorize_convex(X, 2, A=A, H=H, max_iter=1, tol=0)
    Y = X.T @ X
    P, N = (abs(Y) + Y) / 2, (abs(Y) - Y) / 2
    G = H.T * np.sqrt((P @ A + H.T @ A.T @ N @ A) / (N @ A + H.T @ A.T @ P @ A))
    A = A * np.sqrt((P @ G + N @ A @ G.T @ G) / (N @ G + P @ A @ G.T @ G))
    assert_allclose(got.A, A / A.sum(axis=0))
    assert_allclose(got.A @ got.H, A @ G.T)


def test_semi_nmf_falls_below_the_steps_of_the_paper() -> None:
    rng = np.random.default_rng(2)
    X, start = rng.standard_normal((8, 20)), rng.random((3, 20))
    G = start.T.copy()
    for _ in range(50):
        F = X @ G @ np.linalg.inv(G.T @ G)
        XF, FF = X.T @ F, F.T @ F
        (P, N), (PF, NF) = (((abs(Z) + Z) / 2, (abs(Z) - Z) / 2) for Z in (XF, FF))
        G *= np.sqrt((P + G @ NF) / (N + G @ PF))
    theirs = 0.5 * ((X - F @ G.T) ** 2).sum()
    costs = [factorize_semi(X, 3, H=start, max_iter=n, tol=0).cost for n in (1, 2, 4, 8, 16, 50)]
    assert np.all(np.diff(costs) <= 1e-12)
    assert costs[-1] <= theirs * 1.001
    # unconstrained atoms of data of rank 3 and activations that may be anything >= 0
    low = rng.standard_normal((8, 3)) @ rng.random((3, 20))
    got = factorize_semi(1e9 * low, 3, max_iter=1000, tol=0, rng=0)
    assert got.cost < 1e-3 * 0.5 * (1e9 * low**2).sum() * 1e9
    assert got.H.min() >= 0


def test_what_is_not_allowed_is_named() -> None:
    X = np.ones((3, 4))
    for function in (factorize_semi, factorize_convex):
        assert np.isfinite(function(np.zeros((3, 4)), 2, rng=0).cost)
        with pytest.raises(ParameterError, match="n_components=5; must be a whole number from 1 to 4"):
            function(X, 5)
        with pytest.raises(ParameterError, match=r"H\[0, 0\]=-1.0; must be finite and >= 0"):
            function(X, 2, H=-np.ones((2, 4)))
        with pytest.raises(ParameterError, match=r"X\[0, 0\]=nan"):
            function(X * np.nan, 2)
