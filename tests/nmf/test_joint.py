"""Joint factorization: kinds of rows and columns that several matrices share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import beta_divergence, factorize, factorize_joint

Array = NDArray[Any]


@pytest.fixture
def matrices() -> list[tuple[Array, str, str]]:
    rng = np.random.default_rng(0)
    return [
        (rng.gamma(1, 1, (5, 7)) + 0.01, "bands", "time"),
        (3 * rng.gamma(1, 1, (4, 7)) + 0.01, "pixels", "time"),
        (rng.gamma(1, 1, (6, 5)) + 0.01, "sources", "bands"),
    ]


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_the_cost_never_rises_and_is_the_sum(matrices: list[tuple[Array, str, str]], beta: float) -> None:
    factors: Any = None
    before = np.inf
    for _ in range(12):
        factors, _, cost = factorize_joint(matrices, 3, beta, factors=factors, max_iter=1, tol=0, rng=0)
        total = sum(beta_divergence(V, factors[r] @ factors[c].T, beta) for V, r, c in matrices)
        assert cost == pytest.approx(total, rel=1e-6)
        assert cost <= before * (1 + 1e-9)
        before = cost


def test_of_one_matrix_it_is_nmf_and_of_matrices_with_one_common_side_that_of_their_stack(
    matrices: list[tuple[Array, str, str]],
) -> None:
    (V, _, _), (U, _, _), _ = matrices
    rng = np.random.default_rng(1)
    W, X, H = rng.random((5, 3)) + 0.1, rng.random((4, 3)) + 0.1, rng.random((7, 3)) + 0.1
    start = {"bands": W, "pixels": X, "time": H}
    # factors are updated in the order in which they are first named: V.T names time first, as H comes first in NMF
    both = factorize_joint(
        [(V.T, "time", "bands"), (U.T, "time", "pixels")], 3, factors=start, max_iter=7, tol=0
    )
    stack = factorize(np.vstack([V, U]), W=np.vstack([W, X]), H=H.T, max_iter=7, tol=0, momentum=0)
    assert_allclose(both.factors["time"], stack.H.T, rtol=1e-6)
    assert_allclose(np.vstack([both.factors["bands"], both.factors["pixels"]]), stack.W, rtol=1e-6)
    assert both.cost == pytest.approx(stack.cost)


def test_what_is_shared_fills_in_what_one_matrix_does_not_know() -> None:
    rng = np.random.default_rng(2)
    people, films, words = (rng.gamma(0.5, 1, (n, 2)) for n in (12, 15, 20))
    ratings, texts = people @ films.T, films @ words.T
    seen = (rng.random(ratings.shape) < 0.5).astype(float)
    seen[:, 3] = 0  # a film that nobody has seen
    given = np.where(seen > 0, ratings, np.nan)
    options: dict[str, Any] = {"max_iter": 400, "tol": 0, "rng": 0}
    found = factorize_joint(
        [(given, "people", "films"), (texts, "films", "words")], 2, weights=[seen, 2.0], **options
    ).factors
    assert_allclose((found["people"] @ found["films"].T)[:, 3], ratings[:, 3], atol=0.05 * ratings.max())
    heavier = factorize_joint([(3 * texts, "films", "words")], 2, weights=[0.5], **options)
    assert heavier.cost == pytest.approx(
        factorize_joint([(3 * texts, "films", "words")], 2, **options).cost / 2
    )


def test_levels_of_any_size() -> None:
    V = np.outer([1.0, 2.0], [3.0, 1.0, 2.0])
    for level in (1e-200, 1e200):
        found = factorize_joint([(level * V, "a", "b")], 1, max_iter=50, rng=0).factors
        assert_allclose(found["a"] @ found["b"].T / level, V, rtol=1e-4)
    assert np.isfinite(factorize_joint([(0 * V, "a", "b")], 2, rng=0).cost)


def test_what_is_not_allowed_is_named() -> None:
    V = np.ones((2, 3))
    for message, arguments in (
        (r"matrices=\[\]; must be at least one", {"matrices": []}),
        ("columns='a'; must be another kind than the rows", {"matrices": [(V, "a", "a")]}),
        ("'b' has 2 entries in matrix 1, and 3 before", {"matrices": [(V, "a", "b"), (V, "b", "c")]}),
        ("factors='z'; must be for a kind of 'a', 'b'", {"matrices": [(V, "a", "b")], "factors": {"z": V}}),
        (
            r"a has shape \(2, 3\); must be of shape \(2, 1\)",
            {"matrices": [(V, "a", "b")], "factors": {"a": V}},
        ),
        ("weights=2; must be one for each of 1", {"matrices": [(V, "a", "b")], "weights": [None, None]}),
        ("weights=0; must be a number of at least|weights=0", {"matrices": [(V, "a", "b")], "weights": [0]}),
        (r"V\[0, 0\]=-1", {"matrices": [(-V, "a", "b")]}),
    ):
        with pytest.raises(ParameterError, match=message):
            factorize_joint(n_components=1, **arguments)
