"""The disturbance of loudness: what it hears, its gradient, and that it follows PESQ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import metrics
from nmf_audio.training.loudness import LoudnessDisturbance
from nmf_audio.training.spectra import spectra
from nmf_audio.training.synthetic import coloured_noise

Array = npt.NDArray[np.float32]

N_FFT, SR = 512, 16000
CLEAN = Path(__file__).parents[2] / "demos" / "clean.flac"


@pytest.fixture(scope="module")
def speech() -> Array:
    y, _ = soundfile.read(CLEAN, dtype="float32")
    return np.asarray(y[: 4 * SR // 256 * 256])


@pytest.fixture(scope="module")
def disturbance() -> LoudnessDisturbance:
    return LoudnessDisturbance(N_FFT, SR)


def magnitudes(y: Array) -> Array:
    return np.asarray(np.abs(spectra(y[None], N_FFT)[0]))


def noise_like(speech: Array, snr_db: float, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(coloured_noise(len(speech), rng) * speech.std() * 10 ** (-snr_db / 20), np.float32)


def test_levels_do_not_count(speech: Array, disturbance: LoudnessDisturbance) -> None:
    ref, est = magnitudes(speech), magnitudes(speech + noise_like(speech, 5))
    value = disturbance(est, ref)[0]
    assert value > 0.3
    assert disturbance(ref, ref)[0] < 1e-5
    assert disturbance(np.float32(2) * est, ref)[0] == pytest.approx(value, rel=1e-3)
    assert disturbance(np.float32(30) * est, np.float32(30) * ref)[0] == pytest.approx(value, rel=1e-3)


def test_what_nobody_hears_does_not_count(speech: Array, disturbance: LoudnessDisturbance) -> None:
    ref = magnitudes(speech)
    assert disturbance(magnitudes(speech + noise_like(speech, 80)), ref)[0] < 0.05
    assert disturbance(magnitudes(speech + noise_like(speech, 20)), ref)[0] > 0.1


def test_beside_silence_there_is_nothing_to_hear(speech: Array, disturbance: LoudnessDisturbance) -> None:
    est = magnitudes(speech)
    value, gradient = disturbance(est, np.zeros_like(est))
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("seed", range(4))
def test_gradient_is_the_slope(speech: Array, disturbance: LoudnessDisturbance, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ref, est = magnitudes(speech), magnitudes(speech + noise_like(speech, 5, seed))
    gains = disturbance.gains(est, ref)
    direction = (est * rng.standard_normal(est.shape)).astype(np.float32)
    gradient = disturbance(est, ref, gains)[1].astype(np.float64)
    step = np.float32(1e-3)
    above, below = (disturbance(est + d * direction, ref, gains)[0] for d in (step, -step))
    size = float(np.linalg.norm(gradient * est))
    assert (above - below) / 2e-3 == pytest.approx(float((gradient * direction).sum()), abs=0.05 * size)
    # and downhill it gets quieter to the ear
    downhill = np.maximum(est - np.float32(0.1) * est * np.sign(gradient), 0).astype(np.float32)
    assert disturbance(downhill, ref)[0] < disturbance(est, ref)[0]


@pytest.mark.slow
def test_it_follows_pesq(speech: Array, disturbance: LoudnessDisturbance) -> None:
    ref = magnitudes(speech)
    values, scores = [], []
    for seed in range(6):
        for snr_db in (-5, 0, 5, 10, 20):
            y = speech + noise_like(speech, snr_db, seed)
            values.append(disturbance(magnitudes(y), ref)[0])
            scores.append(metrics.pesq(speech, y, SR))
    # from MOS-LQO back to the sum that PESQ forms (P.862.2)
    raw = (3.8224 - np.log(4 / (np.array(scores) - 0.999) - 1)) / 1.3669
    assert np.corrcoef(values, raw)[0, 1] < -0.9
