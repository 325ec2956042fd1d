from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmf_audio import FrontEndSpec, ParameterError
from nmf_audio.dsp.bands import BandMap, band_matrix, frame_size
from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.dsp.stft import analysis_window, istft, stft

RATES = [4000, 8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]


@pytest.mark.parametrize("sr", RATES)
def test_frame_is_32_ms_even_and_fft_friendly(sr: int) -> None:
    n_fft = frame_size(sr)
    assert n_fft % 2 == 0
    assert abs(n_fft / sr - 0.032) < 0.032 * 0.02
    rest = n_fft
    for p in (2, 3, 5, 7, 11):
        while rest % p == 0:
            rest //= p
    assert rest == 1


@pytest.mark.parametrize("sr", [0, 3999, 400000, 16000.0, "16000", True, None])
def test_rates_that_are_not_allowed_are_refused(sr: object) -> None:
    with pytest.raises(ParameterError, match="sr="):
        frame_size(sr)  # type: ignore[arg-type]


@pytest.mark.parametrize("sr", [8000, 44100])
def test_a_frame_is_the_transform_of_windowed_samples_around_its_centre(sr: int) -> None:
    n_fft = frame_size(sr)
    y = np.random.default_rng(0).standard_normal(5 * n_fft + 7).astype(np.float32)
    X = stft(y, n_fft)
    assert X.shape == (n_fft // 2 + 1, 12)
    k, n = np.ogrid[: n_fft // 2 + 1, :n_fft]
    transform = np.sin(np.pi * n / n_fft) * np.exp(-2j * np.pi * k * n / n_fft)
    padded = np.concatenate([np.zeros(n_fft // 2), y, np.zeros(n_fft)])
    for t in (0, 1, 6, 11):
        expected = transform @ padded[t * n_fft // 2 : t * n_fft // 2 + n_fft]
        np.testing.assert_allclose(X[:, t], expected, atol=2e-5 * np.abs(X).max())


@pytest.mark.slow
@pytest.mark.parametrize("sr", [8000, 16000, 44100, 48000])
def test_stft_agrees_with_librosa(sr: int) -> None:
    import librosa

    n_fft = frame_size(sr)
    y = np.random.default_rng(0).standard_normal(5 * n_fft).astype(np.float32)
    X = stft(y, n_fft)
    expected = librosa.stft(
        y, n_fft=n_fft, hop_length=n_fft // 2, window=analysis_window(n_fft), center=True, pad_mode="constant"
    )
    assert X.shape == expected.shape
    assert X.dtype == np.complex64
    np.testing.assert_allclose(X, expected, atol=2e-5 * np.abs(expected).max())


@given(length=st.integers(0, 3000), n_channels=st.integers(1, 3), sr=st.sampled_from([8000, 16000, 44100]))
def test_analysis_and_synthesis_reconstruct(length: int, n_channels: int, sr: int) -> None:
    n_fft = frame_size(sr)
    y = np.random.default_rng(length).uniform(-1, 1, (n_channels, length)).astype(np.float32)
    back = istft(stft(y, n_fft), n_fft, length)
    assert back.shape == y.shape
    assert back.dtype == np.float32
    assert np.abs(back - y).max(initial=0) <= 1e-6


@pytest.mark.parametrize("sr", RATES)
def test_bands_share_every_bin_up_to_the_top(sr: int) -> None:
    spec = FrontEndSpec()
    bands = band_matrix(spec, sr)
    n_fft = frame_size(sr)
    assert bands.shape == (spec.n_bands, n_fft // 2 + 1)
    f = np.arange(n_fft // 2 + 1) * sr / n_fft
    top = 8000.001 if sr <= 16000 else BandMap(spec, sr).centres[-1]
    assert top > 7500
    np.testing.assert_allclose(bands[:, f <= top].sum(axis=0), 1, atol=1e-6)
    assert not bands[:, f > top].any()
    assert (bands >= 0).all()


def test_low_bands_are_single_bins_at_the_specs_own_rate() -> None:
    bands = band_matrix(FrontEndSpec(), 16000)
    np.testing.assert_array_equal(bands[:63, :63], np.eye(63, dtype=np.float32))


def test_bands_above_half_the_rate_are_missing() -> None:
    spec = FrontEndSpec()
    band_map = BandMap(spec, 8000)
    assert band_map.n_observed < spec.n_bands
    assert band_map.centres[-1] <= 4000
    assert not band_matrix(spec, 8000)[band_map.n_observed :].any()
    # above the spec's own rate the highest band is missing too
    assert [BandMap(spec, sr).n_observed for sr in (16000, 48000)] == [spec.n_bands, spec.n_bands - 1]


@pytest.mark.parametrize("sr", RATES)
def test_pool_and_spread_are_the_matrix_and_its_transpose(sr: int) -> None:
    band_map = BandMap(FrontEndSpec(), sr)
    B = band_map.matrix()
    rng = np.random.default_rng(1)
    S = rng.random((4, band_map.n_freq), dtype=np.float32)
    np.testing.assert_allclose(band_map.pool(S), S @ B.T * (512 / band_map.n_fft), rtol=2e-5)
    gains = rng.random((4, band_map.n_observed), dtype=np.float32)
    np.testing.assert_allclose(band_map.spread(gains), (gains @ B)[:, : band_map.n_covered], rtol=2e-5)


def test_bands_of_one_tone_do_not_depend_on_the_rate() -> None:
    pooled = {}
    for sr in (16000, 44100, 48000):
        band_map = BandMap(FrontEndSpec(), sr)
        y = np.sin(2 * np.pi * 1000 * np.arange(sr) / sr).astype(np.float32)
        pooled[sr] = band_map.pool(np.abs(stft(y, band_map.n_fft)).T)[10][:99]
    peak = pooled[16000].max()
    np.testing.assert_allclose(pooled[48000], pooled[16000], atol=0.02 * peak)
    np.testing.assert_allclose(pooled[44100], pooled[16000], atol=0.05 * peak)


@given(decibels=st.floats(-90, 90), seed=st.integers(0, 100))
def test_normalised_bands_do_not_depend_on_the_level(decibels: float, seed: int) -> None:
    x = np.random.default_rng(seed).gamma(1.0, 1.0, (30, 6)).astype(np.float32)
    spectrum = np.linspace(2, 1, 6, dtype=np.float32)
    gain = np.float32(10 ** (decibels / 20))
    expected = Normaliser(spectrum).process(x)
    np.testing.assert_allclose(Normaliser(spectrum).process(x * gain), expected, rtol=1e-4)


def test_normalised_bands_are_about_one_and_silence_does_not_move_the_level() -> None:
    x = np.random.default_rng(0).gamma(2.0, 1.0, (200, 6)).astype(np.float32)
    silence = np.zeros((500, 6), np.float32)
    spectrum = np.ones(6, np.float32)
    plain, interrupted = Normaliser(spectrum), Normaliser(spectrum)
    first = plain.process(x)
    assert abs(first.mean() - 1) < 0.1
    np.testing.assert_array_equal(interrupted.process(x), first)
    quiet = interrupted.process(silence)
    assert quiet.max() < 1e-3
    np.testing.assert_array_equal(interrupted.process(x), plain.process(x))


@given(
    whitening=st.floats(0, 1), decibels=st.floats(-90, 90), cut=st.integers(0, 30), seed=st.integers(0, 100)
)
def test_whitened_bands_depend_on_neither_level_nor_blocks(
    whitening: float, decibels: float, cut: int, seed: int
) -> None:
    x = np.random.default_rng(seed).gamma(1.0, 1.0, (30, 6)).astype(np.float32)
    spectrum = np.linspace(2, 1, 6, dtype=np.float32)
    expected = Normaliser(spectrum, whitening).process(x)
    louder = Normaliser(spectrum, whitening)
    parts = [louder.process(part * np.float32(10 ** (decibels / 20))) for part in (x[:cut], x[cut:])]
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-4)


def test_whitening_takes_its_share_of_a_tilt() -> None:
    tilt = np.geomspace(30, 0.3, 6)
    x = (tilt * np.random.default_rng(0).gamma(2.0, 0.5, (2000, 6))).astype(np.float32)
    for whitening in (0.0, 0.3, 1.0):
        v = Normaliser(np.ones(6, np.float32), whitening).process(x)[500:].mean(axis=0)
        np.testing.assert_allclose(v / v[0], (tilt / tilt[0]) ** (1 - whitening), rtol=0.05)


def test_the_tilt_is_held_in_silence_and_forgotten_on_reset() -> None:
    x = (np.geomspace(30, 0.3, 6) * np.random.default_rng(0).gamma(2.0, 0.5, (400, 6))).astype(np.float32)
    plain, interrupted = (Normaliser(np.ones(6, np.float32), 1.0) for _ in range(2))
    first = plain.process(x)
    np.testing.assert_array_equal(interrupted.process(x), first)
    interrupted.process(np.zeros((300, 6), np.float32))
    np.testing.assert_array_equal(interrupted.process(x), plain.process(x))
    interrupted.reset()
    np.testing.assert_array_equal(interrupted.process(x), first)


@pytest.mark.parametrize("scale", [2.0**-15, 2.0**15])
def test_words_between_near_silence_do_not_depend_on_the_unit_of_the_samples(scale: float) -> None:
    x = np.random.default_rng(0).gamma(2.0, 1.0, (200, 6)).astype(np.float32)
    x[np.arange(200) % 60 > 20] *= 1e-4
    spectrum = np.linspace(2, 1, 6, dtype=np.float32)
    expected = Normaliser(spectrum, 0.3).process(x)
    np.testing.assert_array_equal(Normaliser(spectrum, 0.3).process(np.float32(scale) * x), expected)


@pytest.mark.parametrize("n_frames", [1, 2, 6, 7])
@pytest.mark.parametrize("at", [0, 50])
def test_level_and_tilt_forget_a_spike_and_follow_an_onset(at: int, n_frames: int) -> None:
    x = np.random.default_rng(0).gamma(2.0, 1.0, (100, 6)).astype(np.float32)
    spike = np.geomspace(1e4, 1e6, 6, dtype=np.float32) * x[:n_frames]
    spectrum = np.linspace(2, 1, 6, dtype=np.float32)
    expected = Normaliser(spectrum, 0.3).process(x)[at:]
    after = Normaliser(spectrum, 0.3).process(np.concatenate([x[:at], spike, x[at:]]))[at + n_frames :]
    if n_frames <= 6:
        np.testing.assert_array_equal(after, expected)
    else:
        assert after.max() < 0.01 * expected.max()


def test_digital_silence_does_not_end_a_spike() -> None:
    x = np.random.default_rng(0).gamma(2.0, 1.0, (100, 6)).astype(np.float32)
    spike, silence = np.full((1, 6), 1e9, np.float32), np.zeros((30, 6), np.float32)
    normaliser, expected = Normaliser(np.ones(6, np.float32)), Normaliser(np.ones(6, np.float32)).process(x)
    parts = [normaliser.process(part) for part in (x[:50], spike, silence, x[50:])]
    np.testing.assert_array_equal(parts[3], expected[50:])


def test_spec_survives_its_dict_and_refuses_others() -> None:
    spec = FrontEndSpec(n_high=20)
    assert FrontEndSpec.from_dict(spec.to_dict()) == spec
    older = {name: x for name, x in spec.to_dict().items() if name != "whitening"}
    assert FrontEndSpec.from_dict(older).whitening == 0
    for wrong in (
        {},
        {**spec.to_dict(), "whitening": 1.5},
        {**spec.to_dict(), "n_high": 0},
        {**spec.to_dict(), "sr": "16000"},
        {"x": 1},
    ):
        with pytest.raises(ParameterError, match="; must be"):
            FrontEndSpec.from_dict(wrong)
