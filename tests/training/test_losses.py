"""The loss: its gradient, and what it prefers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.training.losses import Loss, Weights
from nmf_audio.training.loudness import LoudnessDisturbance
from nmf_audio.training.spectra import inverse, inverse_back, spectra

Array = npt.NDArray[np.float32]

N_FFT, SR, N_FRAMES = 128, 4000, 40


def signals(seed: int = 0) -> tuple[Array, Array]:
    """Speech-like bursts and the same with noise, (3, n_samples)."""
    rng = np.random.default_rng(seed)
    n = N_FRAMES * N_FFT // 2
    level = np.repeat(rng.random((3, N_FRAMES)), N_FFT // 2, axis=1)
    s = (rng.standard_normal((3, n)) * level).astype(np.float32)
    return s, s + np.float32(0.5) * rng.standard_normal((3, n)).astype(np.float32)


@pytest.mark.parametrize(
    "weights",
    [Weights(0, 0, 0, 0), Weights(1, 0, 0, 0), Weights(0, 1, 0, 0), Weights(0, 0, 0.01, 0), Weights(loud=0)],
)
def test_gradient_is_the_slope(weights: Weights) -> None:
    rng = np.random.default_rng(1)
    s, x = signals()
    S, X = spectra(s, N_FFT), spectra(x, N_FFT)
    loss, present = Loss(weights, N_FFT, SR), np.array([True, True, False])
    mask = rng.uniform(0.2, 1, X.shape).astype(np.float32)
    direction = rng.standard_normal(X.shape).astype(np.float32)
    gradient = loss(X, S, s, mask, present)[1]
    step = np.float32(1e-3)
    above, below = (loss(X, S, s, mask + d * direction, present)[0]["loss"] for d in (step, -step))
    assert (above - below) / 2e-3 == pytest.approx(float((gradient * direction).sum()), rel=0.02, abs=1e-4)


def test_loudness_is_added_where_speech_is() -> None:
    s, x = signals()
    S, X = spectra(s, N_FFT), spectra(x, N_FFT)
    mask = np.random.default_rng(1).uniform(0.2, 1, X.shape).astype(np.float32)
    present = np.array([True, False, True])
    (plain, d_plain), (loud, d_loud) = (
        Loss(Weights(loud=weight), N_FFT, SR)(X, S, s, mask, present) for weight in (0, 0.3)
    )
    both = [LoudnessDisturbance(N_FFT, SR)(mask[i] * np.abs(X[i]), np.abs(S[i])) for i in (0, 2)]
    assert loud["loud"] == pytest.approx(np.mean([value for value, _ in both]))
    assert loud["loss"] - plain["loss"] == pytest.approx(0.3 * loud["loud"], rel=1e-5)
    expected = [0.15 * both[0][1] * np.abs(X[0]), 0 * mask[1], 0.15 * both[1][1] * np.abs(X[2])]
    np.testing.assert_allclose(d_loud - d_plain, expected, rtol=1e-3, atol=1e-8)


def test_the_right_mask_costs_least() -> None:
    s, x = signals()
    S, X = spectra(s, N_FFT), spectra(x, N_FFT)
    loss, present = Loss(Weights(), N_FFT, SR), np.ones(3, np.bool_)
    ideal = np.minimum(np.abs(S) / np.abs(X), 1).astype(np.float32)
    costs = [loss(X, S, s, m, present)[0]["loss"] for m in (ideal, np.ones_like(ideal), 0.5 * ideal)]
    assert costs[0] == min(costs)
    perfect = loss(S, S, s, np.ones_like(ideal), present)[0]
    assert perfect["comp"] == perfect["asym"] == 0
    assert perfect["env"] == pytest.approx(0, abs=1e-3)
    assert perfect["sdr"] == pytest.approx(30, abs=0.1)


def test_lost_speech_costs_more_than_noise_that_stays() -> None:
    s, _ = signals()
    S = spectra(s, N_FFT)
    loss, present = Loss(Weights(asym=1, env=0, sdr=0), N_FFT, SR), np.ones(3, np.bool_)
    c = 0.3
    less, more = (np.full(S.shape, (1 + d) ** (1 / c), np.float32) for d in (-0.2, 0.2))
    assert loss(S, S, s, less, present)[0]["loss"] > 1.5 * loss(S, S, s, more, present)[0]["loss"]


def test_si_sdr_is_that_of_the_waveform() -> None:
    s, x = signals()
    S, X = spectra(s, N_FFT), spectra(x, N_FFT)
    mask = np.random.default_rng(3).random(X.shape).astype(np.float32)
    found = Loss(Weights(), N_FFT, SR)(X, S, s, mask, np.array([True, False, False]))[0]["sdr"]
    y = inverse(X[0] * mask[0], N_FFT).astype(np.float64)
    t = s[0, : len(y)].astype(np.float64)
    t = t * (y @ t) / (t @ t)
    assert found == pytest.approx(10 * np.log10((t @ t) / ((t - y) @ (t - y))), abs=0.05)


def test_gradient_through_the_inverse_is_its_adjoint() -> None:
    rng = np.random.default_rng(4)
    X = spectra(signals()[1], N_FFT)
    mask = rng.random(X.shape).astype(np.float32)
    y = inverse(X * mask, N_FFT)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    assert float((inverse_back(dy, X, N_FFT) * mask).sum()) == pytest.approx(float((dy * y).sum()), rel=1e-4)


def test_no_speech_has_no_si_sdr() -> None:
    s, x = signals()
    nothing = np.zeros_like(s)
    parts, gradient = Loss(Weights(), N_FFT, SR)(
        spectra(x, N_FFT),
        spectra(nothing, N_FFT),
        nothing,
        np.ones((3, N_FRAMES, 65), np.float32),
        np.zeros(3, np.bool_),
    )
    assert parts["sdr"] == 0
    assert np.isfinite(gradient).all()
    assert gradient.sum() > 0
