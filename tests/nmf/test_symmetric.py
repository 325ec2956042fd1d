from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import cluster, factorize_symmetric


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 99), st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=40, deadline=None)
def test_the_cost_does_not_rise(n: int, n_clusters: int, seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    F = rng.random((n, 3))
    A = level * F @ F.T
    G = rng.random((n, n_clusters)) + 0.01
    before = float(((A - G @ G.T) ** 2).sum())
    for _ in range(8):
        start = G.copy()
        G, cost = factorize_symmetric(A, n_clusters, G=start, max_iter=1)
        # the update as it is written, entry by entry
        for i in range(n):
            for j in range(n_clusters):
                num = sum(A[i, m] * start[m, j] for m in range(n))
                den = sum(
                    start[i, k] * sum(start[m, k] * start[m, j] for m in range(n)) for k in range(n_clusters)
                )
                assert G[i, j] == pytest.approx(start[i, j] * (num / den) ** (1 / 3))
        assert cost <= before * (1 + 1e-9) + 1e-12
        before = cost


def test_finds_the_factor_of_a_matrix_that_has_one() -> None:
    G = np.kron(np.eye(3), np.ones((4, 1))) * np.random.default_rng(0).uniform(0.5, 1, (12, 1))
    found, cost = factorize_symmetric(G @ G.T, 3, rng=3, max_iter=2000)
    assert cost < 1e-6
    assert_allclose(found @ found.T, G @ G.T, atol=1e-3)


def _points(seed: int) -> tuple[Any, Any]:
    """Return labels of points in three heaps, and the similarities of the points."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], [5, 9, 14])
    points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])[truth] + 0.7 * rng.standard_normal((28, 2))
    A = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1))
    return truth, A


@pytest.mark.parametrize("seed", range(4))
def test_points_in_heaps_are_clusters(seed: int) -> None:
    truth, A = _points(seed)
    ours = cluster(A, 3, rng=0)
    together, expected = ours[:, None] == ours, truth[:, None] == truth
    assert (together == expected).mean() > 0.87


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_those_of_spectral_clustering(seed: int) -> None:
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import adjusted_rand_score

    truth, A = _points(seed)
    theirs = SpectralClustering(3, affinity="precomputed", random_state=0).fit_predict(A)
    ours = cluster(A, 3, rng=0)
    assert adjusted_rand_score(truth, ours) >= adjusted_rand_score(truth, theirs) - 0.1
    assert adjusted_rand_score(truth, ours) > 0.7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": np.ones((2, 3))}, "shape"),
        ({"A": [[1.0, 0.5], [0.1, 1.0]]}, "symmetric"),
        ({"A": [[1.0, -0.5], [-0.5, 1.0]]}, "A"),
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"G": np.ones((3, 2))}, "G has shape"),
    ],
)
def test_faults_of_the_factorization_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"A": np.eye(2), "n_clusters": 2} | change
    with pytest.raises(ParameterError, match=message):
        factorize_symmetric(arguments.pop("A"), **arguments)


def test_faults_of_clustering_are_named() -> None:
    with pytest.raises(ParameterError, match="n_clusters=3; must be a whole number from 1 to 2"):
        cluster(np.eye(2), 3)
    with pytest.raises(ParameterError, match=r"A\[0, 0\]=0; must be above 0"):
        cluster([[0.0, 0.0], [0.0, 1.0]], 1)
