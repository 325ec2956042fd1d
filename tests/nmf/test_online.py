from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import OnlineAtoms, sum_for_atoms, update_W

from . import naive
from .conftest import Example

Make = Callable[..., Example]


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-6), (np.float32, 1e-3)])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_agrees_with_the_equations(example: Make, beta: float, dtype: Any, rtol: float) -> None:
    V, W, H = example(dtype=dtype)
    online, slow = OnlineAtoms(W, beta=beta, rho=0.8), naive.Online(W, beta, 0.8)
    for first in range(0, 16, 4):
        batch = slice(first, first + 4)
        # batches of very different level: the sums are in the data's units
        online.update(V[:, batch] * 10**first, H[:, batch] * 10**first)
        slow.update(V[:, batch] * 10.0**first, H[:, batch] * 10.0**first)
    assert_allclose(online.W, slow.W, rtol=rtol)


def test_forgetting_everything_is_an_update_of_the_atoms(example: Make) -> None:
    for beta in (0.0, 1.0, 2.0):
        V, W, H = example()
        online = OnlineAtoms(W, beta=beta, rho=0.0)
        online.update(V, H)
        expected = update_W(V, W, H, beta=beta)
        assert_allclose(online.W, expected * W.sum(0) / expected.sum(0), rtol=1e-8)


def test_keeping_everything_is_the_batch_as_a_whole_for_kl() -> None:
    rng = np.random.default_rng(0)
    H = rng.uniform(0.1, 1, (3, 60))
    W = rng.uniform(0.1, 1, (10, 3))
    W /= W.sum(0)
    start = rng.uniform(0.1, 1, (10, 3))
    online = OnlineAtoms(start / start.sum(0), rho=0.9)
    for _ in range(300):
        for first in range(0, 60, 6):
            online.update((W @ H)[:, first : first + 6], H[:, first : first + 6])
    assert_allclose(online.W, W, rtol=0.02)


def test_fixed_atoms_stay_and_the_sums_stay(example: Make) -> None:
    V, W, H = example(dtype=np.float32)
    online = OnlineAtoms(W, free=[1, 3], beta=0.0)
    online.update(V, H)
    assert_array_equal(online.W[:, [0, 2]], W[:, [0, 2]])
    assert_allclose(online.W.sum(0), W.sum(0), rtol=1e-5)
    assert not np.allclose(online.W[:, 1], W[:, 1])
    assert online.W.dtype == np.float32


def test_a_prior_holds_the_atoms(example: Make) -> None:
    for beta in (0.0, 1.0, 2.0, 3.0):
        V, W, H = example()
        moved = []
        for prior in (0.0, 10.0, 1e9):
            online = OnlineAtoms(W, beta=beta, prior=prior)
            online.update(V, H)
            moved.append(np.abs(online.W - W).max())
        assert moved[0] > moved[1] > moved[2]
        assert moved[2] < 1e-6


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_silence_and_unknown_batches_leave_finite_atoms(example: Make, beta: float) -> None:
    V, W, H = example()
    W[3, 1] = 0
    online = OnlineAtoms(W, beta=beta)
    online.update(np.zeros_like(V), np.zeros_like(H))
    online.update(V, H)
    online.update(np.zeros_like(V), H)
    assert np.all(np.isfinite(online.W))
    assert online.W[3, 1] == 0


def test_unknown_entries_are_ignored(example: Make) -> None:
    V, W, H = example()
    M = np.ones_like(V)
    M[2, 3:] = 0
    for beta in (0.0, 1.0):
        results = []
        for filling in (0.0, np.nan, 1e6):
            online = OnlineAtoms(W, beta=beta)
            online.update(np.where(M > 0, V, filling), H, weights=M)
            results.append(online.W)
        assert_allclose(results[1], results[0], rtol=1e-9)
        assert_allclose(results[2], results[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": np.ones(3)}, r"W has shape \(3,\)"),
        ({"rho": 1.5}, r"rho=1.5; must be a number from 0 to 1"),
        ({"beta": np.nan}, "beta=nan"),
        ({"free": [7]}, r"free=\[7\]"),
        ({"prior": -1}, "prior=-1; must be a number of at least 0"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        OnlineAtoms(**{"W": np.ones((3, 2)), **arguments})


def test_bad_batches_are_refused() -> None:
    online = OnlineAtoms(np.ones((3, 2)))
    with pytest.raises(ParameterError, match=r"W has shape \(3, 2\); must be of shape \(2, n_components\)"):
        online.update(np.ones((2, 4)), np.ones((2, 4)))
    with pytest.raises(ParameterError, match=r"H has shape \(2, 3\)"):
        online.update(np.ones((3, 4)), np.ones((2, 3)))


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("norm", [None, "l2"])
def test_sums_of_parts_are_those_of_the_batch(example: Make, beta: float, norm: Any) -> None:
    V, W, H = example()
    whole, parts = (OnlineAtoms(W, beta=beta, norm=norm) for _ in range(2))
    for _ in range(2):
        atoms = parts.W
        sums = [sum_for_atoms(V[:, t], atoms, H[:, t], beta=beta) for t in (slice(0, 5), slice(5, None))]
        whole.update(V, H)
        parts.add(sums[0][0] + sums[1][0], sums[0][1] + sums[1][1])
    assert_allclose(parts.W, whole.W, rtol=1e-9)
    continued = OnlineAtoms(W, beta=beta, norm=norm)
    continued.state = parts.state
    for online in (parts, continued):
        online.update(V, H)
    assert_array_equal(continued.W, parts.W)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 3.0])
def test_unit_atoms_that_forget_everything_are_those_of_the_batch_update(example: Make, beta: float) -> None:
    V, W, H = example()
    online = OnlineAtoms(W, beta=beta, rho=0.0, norm="l2")
    unit = W / np.linalg.norm(W, axis=0)
    online.update(V, H)
    assert_allclose(online.W, update_W(V, unit, H, beta=beta, norm="l2"), rtol=1e-8)
