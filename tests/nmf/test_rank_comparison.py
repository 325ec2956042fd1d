"""Comparison of numbers of atoms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import compare_ranks, cross_validate, factorize_sequentially, principal_residuals
from nmf_audio.nmf.rank_comparison import ranks_up_to


def test_the_curves_are_those_of_the_parts() -> None:
    rng = np.random.default_rng(3)
    V = rng.poisson(rng.gamma(0.5, 6, (20, 3)) @ rng.gamma(0.5, 6, (3, 30))).astype(float)
    shares: list[float] = []
    found = compare_ranks(V, [5, 1, 3], max_iter=50, rng=7, callback=shares.append)
    assert found.ranks.tolist() == [5, 1, 3]
    assert_array_equal(found.residuals, factorize_sequentially(V, 5, max_iter=50).residuals[found.ranks - 1])
    assert_array_equal(found.principal, principal_residuals(V, 5)[found.ranks - 1])
    validated = cross_validate(V, [5, 1, 3], n_folds=3, max_iter=50, rng=7)
    assert_array_equal(found.held_out, validated.held_out)
    assert found.best == validated.best == 3
    assert (found.residuals >= found.principal * (1 - 1e-9)).all()
    assert np.all(np.diff(shares) > 0)
    assert shares[-1] == pytest.approx(1)


def test_more_atoms_than_rows_leave_nothing_to_principal_components() -> None:
    found = compare_ranks(np.random.default_rng(0).random((3, 20)), [2, 6], max_iter=5, rng=0)
    assert found.principal[0] > 0
    assert found.principal[1] == 0


def test_one_number_stands_for_those_up_to_it() -> None:
    assert ranks_up_to(1) == [1]
    assert ranks_up_to(3) == [1, 2, 3]
    assert ranks_up_to(64)[-3:] == [32, 48, 64]
    for n in range(1, 70):
        assert ranks_up_to(n) == sorted(set(ranks_up_to(n)))
        assert ranks_up_to(n)[-1] == n


def test_what_is_not_allowed_is_named() -> None:
    V = np.ones((4, 5))
    for ranks in ([], [2, 2]):
        with pytest.raises(ParameterError, match="must be numbers of atoms, each once, at least one"):
            compare_ranks(V, ranks)
    with pytest.raises(ParameterError, match="ranks=0; must be a whole number of at least 1"):
        compare_ranks(V, 0)
    with pytest.raises(ParameterError, match="n_folds=1; must be"):
        compare_ranks(V, 2, n_folds=1)
