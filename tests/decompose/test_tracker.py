from __future__ import annotations

import numpy as np

from nmf_audio.decompose.noise_tracker import NoiseTracker


def run(power: np.ndarray) -> np.ndarray:
    tracker = NoiseTracker(power.shape[1])
    return np.array([tracker.step(frame) for frame in power])


def test_it_settles_at_the_noise_power() -> None:
    rng = np.random.default_rng(0)
    levels = np.repeat([1.0, 10.0, 100.0], 32)
    power = rng.exponential(levels, (600, 96)).astype(np.float32)
    settled = run(power)[200:].mean(axis=0).reshape(3, 32).mean(axis=1)
    # within 1.5 dB: the estimate is a little low, since large values are taken for speech at times
    np.testing.assert_allclose(settled, [1, 10, 100], rtol=0.3)


def test_speech_hardly_moves_it_and_a_louder_noise_does() -> None:
    rng = np.random.default_rng(1)
    noise = rng.exponential(1.0, (400, 32)).astype(np.float32)
    speech = noise.copy()
    speech[200:210] += 1000
    quiet, with_speech = run(noise), run(speech)
    assert with_speech[209].mean() < 1.5 * quiet[209].mean()
    louder = noise.copy()
    louder[200:] *= 10
    assert run(louder)[-100:].mean() > 7
    louder[200:] *= 100
    assert run(louder)[-50:].mean() > 700


def test_scale_and_reset() -> None:
    power = np.random.default_rng(2).exponential(1.0, (50, 3)).astype(np.float32)
    np.testing.assert_allclose(run(power * np.float32(1e-6)), run(power) * 1e-6, rtol=1e-4)
    tracker = NoiseTracker(3)
    first = [tracker.step(frame) for frame in power]
    tracker.reset()
    np.testing.assert_array_equal([tracker.step(frame) for frame in power], first)
