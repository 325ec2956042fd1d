"""What lies above the dictionary's 8 kHz is denoised too: never cut off, never left as it was."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from nmf_audio import Denoiser
from nmf_audio.dsp.bands import BandMap, FrontEndSpec, frame_size
from nmf_audio.dsp.highband import HighBandGain
from nmf_audio.dsp.stft import stft

Array = npt.NDArray[np.float32]


def wide_band(clean: Array, sr: int) -> Array:
    """Speech with sound up to 20 kHz: images of its band (4-8 kHz comes again at 8-12 kHz), 6 dB down."""
    images = np.zeros(3 * len(clean), np.float32)
    images[::3] = 3 * clean
    X = np.fft.rfft(images)
    f = np.fft.rfftfreq(len(images), 1 / 48000)
    X[f > 8000] *= 0.5
    X[f > 20000] = 0
    y = np.fft.irfft(X, len(images)).astype(np.float32)
    return y if sr == 48000 else soxr.resample(y, 48000, sr)


def band_power(y: Array, sr: int, low_hz: float, high_hz: float) -> npt.NDArray[np.float64]:
    """Power per frame between two frequencies."""
    n_fft = frame_size(sr)
    f = np.arange(n_fft // 2 + 1) * sr / n_fft
    X = stft(y, n_fft)[(f > low_hz) & (f < high_hz)]
    power: npt.NDArray[np.float64] = np.square(np.abs(X), dtype=np.float64).sum(axis=0)
    return power


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


@pytest.mark.parametrize("sr", [44100, 48000])
def test_clean_speech_keeps_its_high_band(sr: int, clean_speech: Array) -> None:
    y = wide_band(clean_speech, sr)
    out = Denoiser().denoise(y, sr)
    change = decibels(band_power(out, sr, 8200, 20000).sum() / band_power(y, sr, 8200, 20000).sum())
    assert abs(change) < 1


def test_a_noise_that_gets_louder_during_speech_becomes_the_floor() -> None:
    band_map = BandMap(FrontEndSpec(), 48000)
    n = 3000
    high = np.ones((n, band_map.n_freq - band_map.n_covered), np.float32)
    high[:20] *= 0.1
    bands, mask = np.ones((n, band_map.n_observed), np.float32), np.ones((n, band_map.n_observed), np.float32)
    gains = HighBandGain(band_map).process(high, bands, mask)
    assert gains[50].min() > 0.9
    assert gains[-1].max() < 0.1


@pytest.mark.parametrize("snr_db", [0, 10, 20])
@pytest.mark.parametrize("sr", [44100, 48000])
def test_pauses_are_denoised_above_the_dictionary(sr: int, snr_db: float, clean_speech: Array) -> None:
    y = wide_band(clean_speech, sr)
    noise = np.random.default_rng(0).standard_normal(len(y)).astype(np.float32)
    noise *= np.sqrt(np.mean(y**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    noisy = y + noise
    power = band_power(y, sr, 0, 20000)
    pause = power < 1e-4 * power.max()
    pause[: round(sr / (frame_size(sr) // 2))] = False
    assert pause.sum() >= 10
    before, after = (
        band_power(x, sr, 8200, 20000)[pause].sum() for x in (noisy, Denoiser().denoise(noisy, sr))
    )
    assert decibels(before / after) >= 10
