"""Weighted k-means: as good as scikit-learn's, and true to its weights."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio import ParameterError
from nmf_audio.nmf import k_means

Array = npt.NDArray[Any]


def _cost(X: Array, labels: Array, weights: Array) -> float:
    total = 0.0
    for label in set(labels.tolist()):
        mine = labels == label
        centre = np.average(X[mine], axis=0, weights=weights[mine])
        total += float(weights[mine] @ ((X[mine] - centre) ** 2).sum(axis=1))
    return total


def test_of_a_few_items_the_best_clusters_are_found() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, weights = rng.standard_normal((7, 3)), rng.random(7) + 0.01
        best = min(_cost(X, np.array((0, *labels)), weights) for labels in product((0, 1), repeat=6))
        np.testing.assert_allclose(_cost(X, k_means(X, 2, weights=weights, rng=0), weights), best)


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [1, 2, 3, 4])
def test_it_is_as_good_as_that_of_scikit_learn(n_clusters: int) -> None:
    from sklearn.cluster import KMeans

    ratios = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, weights = rng.standard_normal((24, 3)), rng.random(24) + 0.01
        other = KMeans(n_clusters, n_init=20, random_state=0).fit_predict(X, sample_weight=weights)
        ours = k_means(X, n_clusters, weights=weights, rng=0)
        ratios.append(_cost(X, ours, weights) / _cost(X, other, weights))
    # both may end in a local minimum, so single cases differ
    assert np.mean(ratios) < 1.01
    assert max(ratios) < 1.1


def test_a_heavy_item_is_a_cluster_of_its_own_and_a_light_one_is_not() -> None:
    X = np.array([[0.0], [0.1], [1.0], [1.1], [9.0]])
    assert len(set(k_means(X, 2, rng=0)[:4].tolist())) == 1, "the odd one is far away"
    light = k_means(X, 2, weights=[1, 1, 1, 1, 1e-4], rng=0)
    assert light.tolist() in ([0, 0, 1, 1, 1], [1, 1, 0, 0, 0])


def test_items_that_are_alike_may_leave_clusters_empty() -> None:
    assert set(k_means(np.ones((5, 2)), 3, rng=0).tolist()) == {0}
    assert len(k_means(np.ones((5, 2)), 3, weights=np.zeros(5), rng=0)) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones(3)}, r"X has shape \(3,\)"),
        ({"X": np.full((3, 1), np.nan)}, r"X\[0, 0\]=nan; must be finite"),
        ({"n_clusters": 4}, "n_clusters=4; must be a whole number from 1 to 3; X has no more items"),
        ({"n_clusters": 0}, "n_clusters=0"),
        ({"weights": np.ones(2)}, "weights has shape"),
        ({"weights": [1.0, -1.0, 1.0]}, "weights"),
        ({"n_starts": 0}, "n_starts=0"),
    ],
)
def test_faults_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"X": np.eye(3), "n_clusters": 2} | change
    with pytest.raises(ParameterError, match=message):
        k_means(arguments.pop("X"), arguments.pop("n_clusters"), **arguments)
