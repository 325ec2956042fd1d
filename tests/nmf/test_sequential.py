"""One atom after the other: prefixes, residual variance, and its bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize, factorize_sequentially, nnls, principal_residuals

Array = NDArray[Any]


def _data(seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.gamma(0.5, 1, (12, 4)) @ rng.gamma(0.5, 1, (4, 30)) + 0.05 * rng.random((12, 30))


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_a_prefix_of_the_atoms_is_what_fewer_would_have_been(beta: float) -> None:
    V = _data()
    whole = factorize_sequentially(V, 5, beta)
    for k in (1, 3):
        part = factorize_sequentially(V, k, beta)
        assert_array_equal(part.W, whole.W[:, :k])
        assert_array_equal(part.costs, whole.costs[:k])
        assert_array_equal(part.residuals, whole.residuals[:k])
    assert np.all(np.diff(whole.costs) < 0)
    assert_allclose(np.linalg.norm(whole.W, axis=0), 1)


def test_each_prefix_is_the_best_dictionary_of_its_size_among_the_atoms_so_far() -> None:
    V = _data(1)
    found = factorize_sequentially(V, 4, 2.0, max_iter=2000, tol=1e-9)

    def left(W: Array) -> float:
        return float(np.square(V - W @ nnls(V, W)).sum() / np.square(V).sum())

    for k in range(1, 5):
        assert left(found.W[:, :k]) == pytest.approx(found.residuals[k - 1], rel=1e-2)
        # no atom that came later would have been better in the place of this one
        others = [left(np.column_stack([found.W[:, : k - 1], found.W[:, j]])) for j in range(k - 1, 4)]
        assert min(others) == others[0]


def test_residuals_are_bounded_by_those_of_principal_components() -> None:
    V = _data(2)
    bound = principal_residuals(V, 6)
    values = np.linalg.svd(V)[1] ** 2
    assert_allclose(bound, [values[k:].sum() / values.sum() for k in range(1, 7)])
    got = factorize_sequentially(V, 6, 2.0)
    assert np.all(got.residuals >= bound * (1 - 1e-9))
    assert got.residuals[0] == pytest.approx(bound[0], rel=1e-3), (
        "the first one is the same (Perron and Frobenius)"
    )
    assert_allclose(got.residuals[5], np.square(V - got.W @ got.H).sum() / np.square(V).sum())
    together = factorize(V, 6, 2.0, rng=0)
    assert bound[5] <= np.square(V - together.W @ together.H).sum() / np.square(V).sum() < got.residuals[5]
    assert principal_residuals(np.outer([1.0, 2.0], [1.0, 3.0]), 2)[0] < 1e-15
    with pytest.raises(
        ParameterError, match="n_components=7; must be a whole number from 1 to 6; V has no more"
    ):
        principal_residuals(V[:6], 7)


def test_weights_leave_entries_out_and_levels_do_not_count() -> None:
    V = _data()
    M = np.ones_like(V)
    M[3:6, 4:9] = 0
    hidden = factorize_sequentially(np.where(M > 0, V, np.nan), 3, weights=M)
    assert_array_equal(hidden.W, factorize_sequentially(np.where(M > 0, V, 9.0), 3, weights=M).W)
    loud = factorize_sequentially(1e30 * V, 3)
    assert_allclose(loud.residuals, factorize_sequentially(V, 3).residuals, rtol=1e-3)
    assert np.isfinite(factorize_sequentially(np.zeros((3, 4)), 2).W).all()
    seen: list[tuple[int, float]] = []
    costs = factorize_sequentially(V, 3, callback=lambda k, cost: seen.append((k, cost))).costs
    assert seen == list(zip([1, 2, 3], costs.tolist(), strict=True))
