"""Orthogonal NMF: rows that are orthogonal, and where it is k-means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize_orthogonal

Array = NDArray[Any]


def _clusters(seed: int, n_each: int = 8) -> tuple[Array, Array]:
    """Frames around three centres, off them by vectors that are orthogonal to all centres and sum to 0.

    Then the best activations of a cluster are equal, as in k-means.
    """
    rng = np.random.default_rng(seed)
    centres = np.zeros((12, 3))
    centres[:6] = rng.uniform(0.2, 1, (6, 3)) + 3 * np.eye(6, 3)
    off = rng.uniform(-1, 1, (6, n_each // 2, 3))
    off = np.concatenate([off, -off], axis=1)
    off -= off.mean(axis=0)
    V = np.concatenate(
        [np.vstack([np.tile(centres[:6, [k]], n_each), 1 + 0.3 * off[:, :, k]]) for k in range(3)], axis=1
    )
    return V, np.repeat(np.arange(3), n_each)


def _lloyd(V: Array, labels: Array) -> tuple[Array, float]:
    """K-means from a partition."""
    while True:
        centres = np.stack([V[:, labels == k].mean(axis=1) for k in range(3)])
        distance = ((V.T[:, None] - centres) ** 2).sum(axis=-1)
        if (labels == distance.argmin(axis=1)).all():
            return labels, float(distance.min(axis=1).sum()) / 2
        labels = distance.argmin(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_k_means_from_the_same_start_where_levels_within_clusters_are_equal(seed: int) -> None:
    V, truth = _clusters(seed)
    start = truth.copy()
    wrong = np.random.default_rng(seed).choice(24, 6, replace=False)
    start[wrong] = (start[wrong] + 1) % 3
    labels, cost = _lloyd(V, start)
    H = (start == np.arange(3)[:, None]).astype(float)
    found = factorize_orthogonal(V, 3, H=H, tol=0)
    assert_array_equal(found.labels, labels)
    assert found.cost == pytest.approx(cost, rel=1e-6)
    size = np.bincount(labels)[labels]
    assert_allclose(found.H.max(axis=0), 1 / np.sqrt(size), rtol=1e-4)
    soft = factorize_orthogonal(V, 3, H=H + 0.2, solver="mu", max_iter=2000, tol=0)
    assert_array_equal(soft.labels, labels)
    assert soft.cost == pytest.approx(cost, rel=1e-2)


def test_indicators_of_any_partition_cost_what_k_means_says() -> None:
    rng = np.random.default_rng(0)
    V, labels = rng.random((5, 12)), np.arange(12) % 3
    indicators = (labels == np.arange(3)[:, None]) / np.sqrt(4)
    residual = V - (V @ indicators.T) @ indicators
    means = np.stack([V[:, labels == k].mean(axis=1) for k in range(3)])
    assert (residual**2).sum() == pytest.approx(((V - means[labels].T) ** 2).sum())
    # the best multiples of a centre can only be nearer
    found = factorize_orthogonal(V, 3, H=indicators, tol=0)
    assert found.cost <= (residual**2).sum() / 2


def test_rows_are_orthogonal_and_the_cost_never_rises() -> None:
    rng = np.random.default_rng(1)
    V = rng.gamma(0.5, 1, (10, 40))
    H = rng.random((4, 40))
    runs = [factorize_orthogonal(V, 4, H=H, max_iter=n, tol=0) for n in (1, 2, 3, 5, 8, 20)]
    assert np.all(np.diff([run.cost for run in runs]) <= 1e-12)
    for run in runs:
        assert_allclose(run.H @ run.H.T, np.eye(4), atol=1e-12)
        assert_allclose(run.cost, ((V - run.W @ run.H) ** 2).sum() / 2)
        assert min(run.W.min(), run.H.min()) >= 0
    # each frame goes where its cosine is largest
    W = runs[-1].W / np.linalg.norm(runs[-1].W, axis=0)
    assert_array_equal(runs[-1].labels, (W.T @ V).argmax(axis=0))


def test_multiplicative_updates_are_the_equations_and_come_near_to_orthogonal_rows() -> None:
    rng = np.random.default_rng(2)
    V, H = rng.random((6, 9)), rng.random((3, 9))
    got = factorize_orthogonal(V, 3, H=H, solver="mu", max_iter=1, tol=0)
    W = V @ H.T / (H**2).sum(axis=1)
    H = H * np.sqrt((W.T @ V) / (W.T @ V @ H.T @ H))
    W = W * (V @ H.T) / (W @ H @ H.T)
    size = np.linalg.norm(H, axis=1)
    assert_allclose(got.H, H / size[:, None])
    assert_allclose(got.W, W * size)
    clusters, truth = _clusters(0)
    found = factorize_orthogonal(clusters, 3, solver="mu", max_iter=2000, tol=0, rng=0)
    assert np.abs(found.H @ found.H.T - np.eye(3)).max() < 0.1
    assert len(set(zip(found.labels, truth, strict=True))) == 3


def test_levels_and_empty_atoms() -> None:
    V = np.array([[1.0, 1e3, 0.0, 0.0], [0.0, 0.0, 1e-3, 2.0]])
    found = factorize_orthogonal(1e130 * V, 2, H=[[1, 1, 0, 0], [0, 0, 1, 1]])
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.cost < 1e-12 * (V.max() * 1e130) ** 2
    idle = factorize_orthogonal(V, 3, H=[[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    assert_array_equal(idle.H[2], 0)
    assert idle.cost < 1e-9
    assert factorize_orthogonal(np.zeros((2, 3)), 2, rng=0).cost == 0
    for message, arguments in (
        ("n_components=5; must be a whole number from 1 to 4; V has no more frames", {"n_components": 5}),
        ("solver='hals'; must be 'assignment' or 'mu'", {"n_components": 2, "solver": "hals"}),
        ("H has shape", {"n_components": 2, "H": np.ones((3, 4))}),
    ):
        with pytest.raises(ParameterError, match=message):
            factorize_orthogonal(V, **arguments)
