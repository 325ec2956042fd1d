"""The gated memory against a slow twin written from the equations, and what it does for a decomposition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.dsp.normaliser import FLOOR
from nmf_audio.nmf.gated_memory import GatedMemory
from tests.nmf import naive
from tests.tiny import memory_arrays

Array = npt.NDArray[np.float32]

N_BANDS, K, N_ACTIVATIONS = 20, 6, 9
AT = np.array([3, 1, 7, 2, 6, 4])


def make(arrays: dict[str, Array], n_observed: int = N_BANDS) -> GatedMemory:
    return GatedMemory(arrays, at=AT, n_activations=N_ACTIVATIONS, n_observed=n_observed)


def frames(n_frames: int = 50, n_bands: int = N_BANDS, seed: int = 0) -> Array:
    return np.random.default_rng(seed).gamma(0.7, 1.5, (n_frames, n_bands)).astype(np.float32)


def run(memory: GatedMemory, V: Array, floors: Array) -> list[tuple[Array, Array, Array]]:
    # cut into two: the state goes on
    halves = [memory.process(x, floor) for x, floor in ((V[:7], floors[:7]), (V[7:], floors[7:]))]
    return [frame for half in halves for frame in zip(*half, strict=True)]


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("n_observed", [N_BANDS, N_BANDS - 1, 9])
def test_agrees_with_the_equations(second: bool, n_observed: int) -> None:
    arrays = memory_arrays(N_BANDS, K, second=second)
    V, floors = frames(n_bands=n_observed), frames(n_bands=n_observed, seed=1)
    V[:4] = V[20:30] = floors[:4] = FLOOR
    twin = naive.GatedMemory(arrays)
    others = np.setdiff1d(np.arange(N_ACTIVATIONS), AT)
    for told, v, floor in zip(run(make(arrays, n_observed), V, floors), V, floors, strict=True):
        factor, inhibition, logit = told
        assert (factor[others] == 1).all()
        for result, expected in zip((factor[AT], inhibition[AT], logit), twin.step(v, floor), strict=True):
            np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("second", [False, True])
def test_after_a_reset_it_is_as_new(second: bool) -> None:
    memory = make(memory_arrays(N_BANDS, K, second=second))
    V = frames()
    first = run(memory, V, V)
    memory.reset()
    for again, told in zip(run(memory, V, V), first, strict=True):
        for a, b in zip(again, told, strict=True):
            np.testing.assert_array_equal(a, b)


def test_extreme_heads_stay_in_range() -> None:
    arrays = memory_arrays(N_BANDS, K, second=False)
    for name in ("head_prior", "head_inhibit"):
        arrays[name] *= 1000
    told = run(make(arrays), frames(), frames())
    factor, inhibition = (np.array([t[i][AT] for t in told]) for i in range(2))
    np.testing.assert_allclose([factor.min(), factor.max()], np.exp([-6, 6]), rtol=1e-5)
    assert inhibition.min() == 0
    assert 200 < inhibition.max() < 1e4


def test_a_band_reaches_its_own_and_the_next_groups_and_through_the_second_memory_one_more() -> None:
    for second, reach in ((False, 1), (True, 2)):
        arrays = memory_arrays(N_BANDS, K, second=second)
        for name in ("head_mask", "second_up"):
            if name in arrays:
                arrays[name] *= 0
        V = frames(1)
        changed = V.copy()
        changed[:, 0] += 1
        logits = [run(make(arrays), x, V)[0][2].reshape(-1, 4) for x in (V, changed)]
        heard = (logits[0] != logits[1]).any(axis=1)
        assert heard.tolist() == [g <= reach for g in range(N_BANDS // 4)]


@pytest.mark.parametrize("second", [False, True])
def test_what_was_heard_long_ago_is_forgotten(second: bool) -> None:
    arrays = memory_arrays(N_BANDS, K, second=second)
    for unit in ("local", "global", "second"):
        if f"{unit}_bias" in arrays:
            arrays[f"{unit}_bias"][..., : len(arrays[f"{unit}_back"])] = 30  # as open to the past as can be
    V = frames(5000)
    whole = run(
        make(arrays), np.concatenate([frames(50, seed=2), V]), np.concatenate([frames(50, seed=3), V])
    )
    for a, b in zip(whole[-1], run(make(arrays), V, V)[-1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert np.abs(whole[50][2] - run(make(arrays), V, V)[0][2]).max() > 1e-3
