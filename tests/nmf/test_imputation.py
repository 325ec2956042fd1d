"""Imputation, weights as inverse variances, and what unknown entries do to a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import factorize, impute

Array = NDArray[Any]


def _data(seed: int = 0) -> tuple[np.random.Generator, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng, rng.gamma(0.5, 1, (20, 3)) + 0.05, rng.gamma(0.5, 1, (3, 40)) + 0.05


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_unknown_entries_are_filled_in_with_known_and_with_unknown_atoms(beta: float) -> None:
    rng, W, H = _data()
    truth = W @ H
    unknown = rng.random(truth.shape) < 0.3
    V = np.where(unknown, np.nan, truth)
    for atoms, worst in ((W, 0.02), (None, 0.1)):
        found = impute(V, 3, beta, W=atoms, max_iter=3000, tol=1e-9, rng=0)
        assert_array_equal(found.V[~unknown], truth[~unknown])
        error = np.sqrt(np.mean((found.V - truth)[unknown] ** 2) / np.mean(truth[unknown] ** 2))
        assert error < worst
        assert_array_equal(found.V[unknown], (found.W @ found.H)[unknown])
    assert_array_equal(impute(V, beta=beta, W=W).W, W)
    # zeros in the place of what is not known draw the model towards them
    zeros = factorize(np.where(unknown, 0, truth), 3, beta, rng=0)
    assert np.mean((zeros.W @ zeros.H - truth)[unknown] ** 2) > 20 * np.mean((found.V - truth)[unknown] ** 2)


def test_weights_of_inverse_variances_make_the_cost_chi_squared_and_the_fit_better() -> None:
    rng, W, H = _data(1)
    truth = 5 + W @ H
    sigma = np.where(rng.random(truth.shape) < 0.5, 0.02, 1.0)
    V = np.maximum(truth + sigma * rng.standard_normal(truth.shape), 0)
    weighted, plain = (
        factorize(V, 4, 2.0, weights=m, solver="hals", init="anchors", tol=1e-6) for m in (1 / sigma**2, None)
    )
    freedom = V.size - 4 * (20 + 40) + 4**2
    assert 2 * weighted.cost / freedom == pytest.approx(1, abs=0.25)
    errors = [np.mean((found.W @ found.H - truth) ** 2) for found in (weighted, plain)]
    assert errors[0] < 0.2 * errors[1]
    # the same factor in all variances changes nothing but the cost
    scaled = factorize(V, 4, 2.0, weights=0.01 / sigma**2, solver="hals", max_iter=20, tol=0, rng=0)
    same = factorize(V, 4, 2.0, weights=1 / sigma**2, solver="hals", max_iter=20, tol=0, rng=0)
    assert_allclose(scaled.W @ scaled.H, same.W @ same.H, rtol=1e-6)


def test_missing_data_have_an_effect_of_second_order() -> None:
    """Ren et al. (2020): what a missing region changes is the product of its size and of how badly the atoms fit.

    So halving both divides the change by four, halving one of them by two, and without a misfit there is none, while
    zeros in the place of what is missing have an effect of first order: that of the size alone.
    """
    x = (np.arange(2000) + 0.5) / 2000
    W = np.column_stack([np.ones(2000), 1 + np.sin(3 * x), np.exp(-x)])

    def change(share: float, misfit: float, fill: float = np.nan) -> float:
        V = (W @ [1.0, 2.0, 0.5] + misfit * np.cos(17 * x))[:, None]
        gap = np.where(np.abs(x - 0.4) < share / 2, fill, V[:, 0])[:, None]
        full = impute(V, beta=2.0, W=W, solver="block-pivoting")
        return float(np.abs(impute(gap, beta=2.0, W=W, solver="block-pivoting").H - full.H).max())

    base = change(0.04, 0.1)
    assert base > 1e-3
    assert change(0.04, 0.05) == pytest.approx(base / 2, rel=0.05)
    assert change(0.02, 0.1) == pytest.approx(base / 2, rel=0.05)
    assert change(0.02, 0.05) == pytest.approx(base / 4, rel=0.05)
    assert change(0.04, 0.0) < 1e-6
    assert change(0.04, 0.0, fill=0.0) > 10 * base


def test_weights_and_nan_go_together() -> None:
    _, W, H = _data()
    V, weights = W @ H, np.ones((20, 40))
    weights[2, 3], V[4, 5] = 0, np.nan
    found = impute(V, weights=weights, W=W, max_iter=3000)
    assert_allclose(found.V, W @ H, rtol=0.05, atol=0.02)
    single = impute(V.astype(np.float32), 2, rng=0)
    assert single.V.dtype == np.float32
    with pytest.raises(ParameterError, match="weights are all 0"):
        impute(np.ones((2, 3)), 1, weights=np.zeros((2, 3)))
    with pytest.raises(ParameterError, match="n_components=None"):
        impute(V)
    with pytest.raises(ParameterError, match="V has shape"):
        impute(np.ones(3), 1)


def test_masked_entries_are_unknown() -> None:
    _, W, H = _data()
    V = np.ma.masked_greater(W @ H, 2.0)
    assert np.ma.is_masked(V)
    found, expected = impute(V, 3, rng=0), impute(np.where(W @ H > 2, np.nan, W @ H), 3, rng=0)
    assert_array_equal(found.V, expected.V)
    assert impute(V.astype(np.float32), 3, rng=0).V.dtype == np.float32
    with pytest.raises(
        ParameterError, match=r"V; must be .* masked entries; give .*weights of 0.*or call impute"
    ):
        factorize(V, 3)
    assert_array_equal(factorize(np.ma.array(W), 3, rng=0).W, factorize(W, 3, rng=0).W)


@pytest.mark.parametrize(
    "V", [np.full((2, 3), np.nan), np.ma.array(np.ones((2, 3)), mask=True)], ids=["NaN", "masked"]
)
def test_nothing_known_is_refused(V: Array) -> None:
    with pytest.raises(ParameterError, match=r"V is all NaN or masked; must be known in at least one entry"):
        impute(V, 1)


def test_a_message_about_nan_says_what_to_do() -> None:
    V = np.array([[1.0, np.nan], [2.0, 3.0]])
    with pytest.raises(ParameterError, match=r"V\[0, 1\]=nan; must be finite and >= 0; impute\(\) fills in"):
        factorize(V, 1)
    with pytest.raises(ParameterError, match=r"V\[0, 1\]=nan; .*; give it a weight of 0"):
        factorize(V, 1, weights=np.ones((2, 2)))
    with pytest.raises(ParameterError, match=r"V\[0, 0\]=-1.0; must be finite and >= 0$"):
        factorize([[-1.0]], 1)
