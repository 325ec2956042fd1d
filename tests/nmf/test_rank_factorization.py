"""Exact factorizations: found where their condition holds, and refused with the reason where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize_rank, factorize_rank_symmetric

Array = NDArray[Any]


def _monomial(seed: int, rank: int = 4) -> tuple[Array, Array]:
    """Factors that hold a diagonal matrix each, in mixed order."""
    rng = np.random.default_rng(seed)
    W = np.vstack([np.diag(rng.uniform(0.5, 2, rank)), rng.gamma(0.5, 1, (9, rank))])[
        rng.permutation(9 + rank)
    ]
    H = np.hstack([np.diag(rng.uniform(0.5, 2, rank)), rng.gamma(0.5, 1, (rank, 11))])
    return W, H[:, rng.permutation(11 + rank)]


@pytest.mark.parametrize("seed", range(6))
def test_with_a_monomial_submatrix_of_its_rank_the_factors_are_found(seed: int) -> None:
    W, H = _monomial(seed)
    for level in (1.0, 1e-200, 1e200):
        got = factorize_rank(level * W @ H)
        assert_allclose(got.W @ got.H / level, W @ H, atol=1e-12)
        assert min(got.W.min(), got.H.min()) >= 0
        assert got.W.shape == (13, 4)
        corner = (W @ H)[np.ix_(got.features, got.frames)]
        assert np.count_nonzero(corner) == 4
        # the same atoms as those the data were made of, up to their scale and order
        atoms = got.W / level
        cosine = (atoms / np.linalg.norm(atoms, axis=0)).T @ (W / np.linalg.norm(W, axis=0))
        assert_allclose(np.sort(cosine.max(axis=0)), 1)


@pytest.mark.parametrize("seed", range(6))
def test_the_symmetric_case(seed: int) -> None:
    G = _monomial(seed)[0]
    for level in (1.0, 1e-200, 1e100):
        got, items = factorize_rank_symmetric(level * G @ G.T)
        assert_allclose(got @ got.T / level, G @ G.T, atol=1e-12)
        assert got.min() >= 0
        assert np.count_nonzero(got[items]) == 4
        # unique up to the order of the columns
        order = [int(np.argmax(row)) for row in G[items]]
        assert_allclose(got / np.sqrt(level), G[:, order], atol=1e-12)


def test_each_condition_that_does_not_hold_is_named() -> None:
    W, H = _monomial(0)
    rng = np.random.default_rng(0)
    with pytest.raises(ParameterError, match="V is all 0; must be above 0"):
        factorize_rank(np.zeros((3, 4)))
    # atoms without features of their own
    with pytest.raises(
        ParameterError, match=r"combinations of 4 \(.*\), but no feature is above 0 in frame \d+ and"
    ):
        factorize_rank((W + 0.1) @ H)
    # no frame with an atom alone: the rank says little of the atoms then
    with pytest.raises(
        ParameterError, match="must be with a monomial submatrix of its rank; factorize finds"
    ):
        factorize_rank(W @ (H + 0.1))
    with pytest.raises(ParameterError, match="monomial submatrix"):
        factorize_rank(rng.random((5, 6)))
    with pytest.raises(
        ParameterError, match=r"of A all columns .* but A\[\d+, \d+\] is not 0; must be with a diagonal"
    ):
        factorize_rank_symmetric((W + 0.1) @ (W + 0.1).T)
    # of full rank, with a diagonal submatrix of less, and no factor
    with pytest.raises(ParameterError, match="diagonal principal submatrix of its rank"):
        factorize_rank_symmetric([[1.0, 0.0, 0.9], [0.0, 1.0, 0.9], [0.9, 0.9, 1.0]])
    with pytest.raises(ParameterError, match="not symmetric"):
        factorize_rank_symmetric(W)
    with pytest.raises(ParameterError, match="tol=2; must be a number from 0 to 1"):
        factorize_rank(W @ H, tol=2)


def test_the_tolerance_counts_small_numbers_as_zero() -> None:
    W, H = _monomial(1)
    noisy = W @ H + 1e-6 * np.random.default_rng(0).random((13, 15))
    with pytest.raises(ParameterError):
        factorize_rank(noisy)
    assert_allclose(factorize_rank(noisy, tol=1e-4).W.shape, (13, 4))
    eye = np.diag([3.0, 1.0, 2.0])
    assert_array_equal(factorize_rank(eye).W @ factorize_rank(eye).H, eye)
