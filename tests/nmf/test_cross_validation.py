"""Cross-validation by entries that are held out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import cross_validate, factorize


def test_it_finds_the_number_of_atoms_that_the_data_were_made_of() -> None:
    for rank in (2, 4):
        rng = np.random.default_rng(rank)
        V = rng.poisson(rng.gamma(0.4, 8, (30, rank)) @ rng.gamma(0.4, 8, (rank, 40)))
        found = cross_validate(V, [1, 2, 3, 4, 5, 6], max_iter=100, rng=0)
        assert found.best == rank
        # while the cost of what was learned from only ever falls
        costs = [factorize(V, n, rng=0).cost for n in (rank, rank + 2)]
        assert costs[1] < costs[0]
        mean = found.held_out.mean(axis=0)
        assert mean[5] > 1.1 * mean[rank - 1]
        assert found.held_out.shape == (5, 6)
        assert found.ranks.tolist() == [1, 2, 3, 4, 5, 6]


def test_unknown_entries_do_not_count_and_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    V, M = rng.random((8, 9)), (rng.random((8, 9)) < 0.8).astype(float)
    runs = [
        cross_validate(
            np.where(M > 0, V, fill), [1, 2], 2.0, weights=M, n_folds=3, max_iter=10, rng=4
        ).held_out
        for fill in (np.nan, 5.0)
    ]
    assert_array_equal(runs[0], runs[1])
    counts: list[tuple[int, int]] = []
    cross_validate(V, [1, 2], n_folds=2, max_iter=5, rng=0, callback=lambda *done: counts.append(done))
    assert counts == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_is_not_allowed_is_named() -> None:
    V = np.ones((4, 5))
    with pytest.raises(ParameterError, match=r"ranks=3; must be numbers of atoms, .*; such as range\(1, 9\)"):
        cross_validate(np.ones((4, 5)), 3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"ranks=\[2, 2\]; must be numbers of atoms, each once"):
        cross_validate(V, [2, 2])
    with pytest.raises(ParameterError, match="ranks=0; must be a whole number of at least 1"):
        cross_validate(V, [0])
    with pytest.raises(ParameterError, match="n_folds=1; must be a whole number from 2 to 20"):
        cross_validate(V, [1], n_folds=1)
