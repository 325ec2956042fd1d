"""Atoms in the order of others: the best pairs, whatever order and scale."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import match_atoms


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e300])
def test_order_and_scale_are_undone(scale: float) -> None:
    rng = np.random.default_rng(0)
    reference, order = rng.random((8, 5)), rng.permutation(5)
    W = scale * (reference * rng.uniform(0.1, 1, 5))[:, order]
    found = match_atoms(W, reference)
    assert_allclose(found.cosines, 1)
    assert order[found.order].tolist() == list(range(5))


@pytest.mark.parametrize("seed", range(10))
def test_no_other_pairs_have_a_larger_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, reference = rng.standard_normal((3, 5)), rng.standard_normal((3, 4))
    cosines = (reference / np.linalg.norm(reference, axis=0)).T @ (W / np.linalg.norm(W, axis=0))
    best = max(
        itertools.permutations(range(5), 4),
        key=lambda order: sum(cosines[i, j] for i, j in enumerate(order)),
    )
    found = match_atoms(W, reference)
    assert tuple(found.order) == best
    assert_allclose(found.cosines, cosines[range(4), best])


def test_an_atom_of_zeros_is_like_none() -> None:
    order, cosines = match_atoms([[0.0, 1.0], [0.0, 1.0]], [[2.0, 1.0], [2.0, 0.0]])
    assert (order.tolist(), cosines.round(6).tolist()) == ([1, 0], [1, 0])


@pytest.mark.parametrize(
    ("W", "reference", "message"),
    [
        (
            np.ones((3, 2)),
            np.ones((3, 3)),
            "reference has 3 atoms; must be of at most 2 atoms, as many as W has",
        ),
        (np.ones((3, 2)), np.ones((4, 2)), "reference"),
        (np.ones(3), np.ones((3, 1)), "W"),
        (np.ones((3, 2)), np.full((3, 1), np.nan), "reference"),
    ],
)
def test_what_does_not_fit_is_refused(W: object, reference: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        match_atoms(W, reference)  # type: ignore[arg-type]
