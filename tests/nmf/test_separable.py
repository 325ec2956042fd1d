"""Anchors: exact on separable data, stable under noise, a good start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize, find_anchors, initialize, nnls
from nmf_audio.nmf.init import INITS
from nmf_audio.nmf.separable import project_successively

Array = NDArray[Any]


def _separable(seed: int) -> tuple[Array, Array, Array]:
    """Mixtures of four atoms, each of which is a frame, at any level; the atoms' frames."""
    rng = np.random.default_rng(seed)
    W = rng.gamma(0.5, 1, (10, 4)) + 0.01
    W /= W.sum(0)
    H = np.hstack([np.eye(4), rng.dirichlet(np.full(4, 0.7), 26).T])
    order = rng.permutation(30)
    V = W @ H[:, order]
    return V, W, np.flatnonzero(order < 4)


@pytest.mark.parametrize("seed", range(5))
def test_anchors_of_separable_data_are_its_atoms(seed: int) -> None:
    V, _, where = _separable(seed)
    loud = V * np.random.default_rng(seed).uniform(0.01, 100, 30)
    for data in (V, loud, 1e-200 * V):
        assert sorted(find_anchors(data, 4)) == sorted(where)
    loud[:, where[1]] = 0  # silence is no anchor
    assert where[1] not in find_anchors(loud, 4)
    H = nnls(V, V[:, find_anchors(V, 4)])
    assert_allclose(V[:, find_anchors(V, 4)] @ H, V, atol=1e-10)


@pytest.mark.parametrize("noise", [1e-5, 1e-4, 1e-3])
def test_the_error_is_of_the_order_of_the_noise(noise: float) -> None:
    for seed in range(5):
        V, W, _ = _separable(seed)
        N = np.random.default_rng(seed + 9).standard_normal(V.shape)
        noisy = np.maximum(V + noise * N / np.linalg.norm(N, axis=0), 0)
        found = noisy[:, find_anchors(noisy, 4)]
        found /= found.sum(0)
        error = np.linalg.norm(W[:, :, None] - found[:, None, :], axis=0).min(axis=1).max()
        # frames are scaled by sums that are noisy, too, so that their noise is about 1 + sqrt(10) times as long
        assert error < 4.2 * noise * np.linalg.cond(W) ** 2


@pytest.mark.parametrize("seed", range(4))
def test_robust_to_noise_as_the_theorem_states(seed: int) -> None:
    """Gillis & Vavasis (2014), theorem 3: noise of length e moves no atom by more than e * (1 + 80 * K**2)."""
    rng = np.random.default_rng(seed)
    W = rng.dirichlet(np.full(8, 0.3), 4).T
    K = np.linalg.norm(W, axis=0).max() / np.linalg.svd(W)[1].min()
    smallest = np.linalg.svd(W)[1].min()
    e = 0.99 * min(1 / (2 * np.sqrt(3)), 1 / 4) * smallest / (1 + 80 * K**2)
    middles = [(W[:, i] + W[:, j]) / 2 for i in range(4) for j in range(i)]
    V = np.column_stack([W, *middles])
    # noise that leaves the sums as they are: atoms inwards, middles outwards, which misleads the most
    outwards = V - W.mean(axis=1, keepdims=True)
    N: Array = outwards * np.where(np.arange(V.shape[1]) < 4, -1, 1)
    patterns: list[Array] = [N, rng.standard_normal((8, V.shape[1]))]
    for off in patterns:
        noise = off - off.mean(axis=0)
        noisy = V + e * noise / np.linalg.norm(noise, axis=0)
        found = noisy[:, project_successively(noisy.T.copy(), 4)]
        distance = np.linalg.norm(W[:, :, None] - found[:, None], axis=0)
        assert sorted(distance.argmin(axis=0)) == [0, 1, 2, 3], "each atom is found, once"
        assert distance.min(axis=1).max() <= e * (1 + 80 * K**2)


def test_where_fewer_frames_span_the_data_the_number_is_refused() -> None:
    V, _, _ = _separable(0)
    with pytest.raises(ParameterError, match="n_components=5; must be at most 4, since all other frames are"):
        find_anchors(V, 5)
    with pytest.raises(ParameterError, match="n_components=1; must be at most 0"):
        find_anchors(np.zeros((3, 4)), 1)
    with pytest.raises(ParameterError, match="n_components=0"):
        find_anchors(V, 0)
    # as a start, others are added
    assert initialize(V, 7, init="anchors", rng=0)[0].shape == (10, 7)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_on_separable_data_anchors_start_better_than_all_others(beta: float) -> None:
    V, _, _ = _separable(1)
    costs = {init: factorize(V + 1e-4, 4, beta, init=init, max_iter=3, tol=0, rng=0).cost for init in INITS}
    assert costs.pop("anchors") < 0.5 * min(costs.values())


def test_means_of_clusters_are_a_start() -> None:
    rng = np.random.default_rng(0)
    centres = rng.gamma(0.3, 1, (12, 4)) + 0.01
    V = centres[:, np.arange(40) % 4] * rng.uniform(0.1, 10, 40) * rng.uniform(0.95, 1.05, (12, 40))
    W, H = initialize(V, 4, init="k-means", rng=0)
    centres /= np.linalg.norm(centres, axis=0)
    assert (W.T @ centres).max(axis=0).min() > 0.999
    assert np.square(V - W @ H).sum() < 0.02 * np.square(V).sum()
    assert min(W.min(), H.min()) > 0
    # more than there are frames, and silence
    W, H = initialize(np.outer([1.0, 2.0], [1.0, 0.0]), 5, init="k-means", rng=0)
    assert (W.shape, H.shape) == ((2, 5), (5, 2))
    assert np.isfinite(initialize(np.zeros((3, 4)), 2, init="k-means", rng=0)[0]).all()
