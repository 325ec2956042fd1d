"""Noises made from random statistics: repeatable, finite, different each time, and what they claim to be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_audio._types import Array
from nmf_audio.training.textures import gate, impacts, texture, tones

Maker = Callable[[int, int, np.random.Generator], Array]

N, SR = 16000, 16000
MAKERS = [texture, impacts, tones]


@pytest.mark.parametrize("make", MAKERS)
@given(n=st.integers(200, 9000), sr=st.sampled_from([8000, 16000, 48000]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_any_length_rate_and_seed_gives_finite_noise_of_unit_level(
    make: Maker, n: int, sr: int, seed: int
) -> None:
    x = make(n, sr, np.random.default_rng(seed))
    assert x.shape == (n,)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert x.std() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_seed_gives_the_same_noise_and_another_one_another(make: Maker) -> None:
    first, again, other = (make(N, SR, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


def band_levels(x: Array) -> Array:
    power = np.abs(np.fft.rfft(x)) ** 2
    return 10 * np.log10([part.mean() for part in np.array_split(power, 16)])


def test_textures_differ_in_spectrum_more_than_draws_of_white_noise_do() -> None:
    rng = np.random.default_rng(0)
    shapes = np.array([band_levels(texture(N, SR, rng)) for _ in range(12)])
    white = np.array([band_levels(rng.standard_normal(N, np.float32)) for _ in range(12)])
    assert shapes.std(axis=0).mean() > 10 * white.std(axis=0).mean()


def peakedness(x: Array) -> float:
    levels = np.sqrt((x[: N // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1))
    return float(levels.max() / np.median(levels))


def test_impacts_stand_out_in_time_and_tones_in_frequency() -> None:
    rng = np.random.default_rng(1)
    steady = np.median([peakedness(rng.standard_normal(N, np.float32)) for _ in range(20)])
    struck = np.median([peakedness(impacts(N, SR, rng)) for _ in range(20)])
    assert struck > 1.5 * steady

    def tonality(x: Array) -> float:
        power = np.sort(np.abs(np.fft.rfft(x)) ** 2)
        return float(power[-80:].sum() / power.sum())

    noisy = np.median([tonality(rng.standard_normal(N, np.float32)) for _ in range(20)])
    tonal = np.median([tonality(tones(N, SR, rng)) for _ in range(20)])
    assert tonal > 3 * noisy


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(100, 20000))
@settings(max_examples=20, deadline=None)
def test_a_gate_opens_fully_closes_and_never_amplifies(seed: int, n: int) -> None:
    gains = gate(n, SR, np.random.default_rng(seed))
    assert gains.shape == (n,)
    assert gains.dtype == np.float32
    assert gains.max() <= 1
    assert gains.min() > 0


def test_gates_are_open_and_closed_by_turns() -> None:
    rng = np.random.default_rng(5)
    gains = np.concatenate([gate(5 * SR, SR, rng) for _ in range(10)])
    assert 0.2 < (gains > 0.9).mean() < 0.8
    assert (gains < 0.3).mean() > 0.1
