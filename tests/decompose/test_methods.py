"""What holds for every method, and what each is there for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio import (
    Denoiser,
    Dictionary,
    DictionaryError,
    FrontEndSpec,
    Group,
    ParameterError,
    load_dictionary,
)
from nmf_audio.decompose import METHODS, make_decomposition
from nmf_audio.decompose.adaptive import RATES, AdaptiveDecomposition, AdaptiveSettings
from nmf_audio.decompose.fixed import SourcesDecomposition
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.dsp.stft import stft
from nmf_audio.metrics import si_sdr
from tests.tiny import NO_MEMORY, denoiser_by, dictionary_with_memory

Array = npt.NDArray[np.float32]


def bands_of(y: Array, spectrum: Array) -> Array:
    band_map = BandMap(FrontEndSpec(), 16000)
    return Normaliser(spectrum).process(band_map.pool(np.abs(stft(y, band_map.n_fft)).T)).T


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
def test_masks_share_every_cell(method: str, noisy_speech: Array) -> None:
    denoiser = denoiser_by(method)
    V = bands_of(noisy_speech[:48000], denoiser.dictionary.spectrum)
    decomposition = make_decomposition(denoiser.method, denoiser.dictionary, len(V))
    estimate = decomposition.process(V)
    assert decomposition.sources == ("speech", "noise")
    assert estimate.masks.shape == estimate.spectra.shape == (2, *V.shape)
    assert np.isfinite(estimate.spectra).all()
    assert (estimate.spectra >= 0).all()
    assert ((estimate.masks >= 0) & (estimate.masks <= 1)).all()
    np.testing.assert_allclose(estimate.masks.sum(axis=0), 1, atol=1e-5)


def test_priors_are_kept_on_request_and_change_nothing(noisy_speech: Array) -> None:
    dictionary = dictionary_with_memory()
    V = bands_of(noisy_speech[:8000], dictionary.spectrum)
    plain, kept = (
        make_decomposition("trained", dictionary, len(V), keep_priors=keep).process(V)
        for keep in (False, True)
    )
    assert plain.priors is None
    assert kept.priors is not None
    assert kept.priors.logit.shape == V.shape
    np.testing.assert_array_equal(kept.masks, plain.masks)
    assert (
        make_decomposition("trained", load_dictionary("trained"), len(V), keep_priors=True).process(V).priors
        is None
    )


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
def test_a_quieter_recording_gives_the_same_result_quieter(method: str, noisy_speech: Array) -> None:
    y = noisy_speech[:48000]
    denoiser = denoiser_by(method)
    loud = denoiser.denoise(y, 16000)
    for decibels in (-30, 30):
        gain = np.float32(10 ** (decibels / 20))
        scaled = denoiser.denoise(y * gain, 16000) / gain
        np.testing.assert_allclose(scaled, loud, atol=1e-4 * np.abs(loud).max())


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
def test_channels_of_equal_or_opposite_phase_are_treated_alike(method: str, noisy_speech: Array) -> None:
    y = noisy_speech[:32000]
    denoiser = denoiser_by(method)
    mono = denoiser.denoise(y, 16000)
    same = denoiser.denoise(np.stack([y, y]), 16000)
    opposite = denoiser.denoise(np.stack([y, -y]), 16000)
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(opposite[0], -opposite[1])
    np.testing.assert_allclose(same[0], mono, atol=1e-5)
    np.testing.assert_allclose(opposite[0], mono, atol=1e-5)


@pytest.mark.parametrize("method", ["trained", "adaptive"])
def test_noisy_speech_comes_closer_to_clean(method: str, noisy_speech: Array, clean_speech: Array) -> None:
    out = Denoiser(method=method).denoise(noisy_speech, 16000)
    assert si_sdr(clean_speech, out) > si_sdr(clean_speech, noisy_speech) + 2


@pytest.mark.parametrize("method", METHODS)
def test_the_most_that_is_taken_is_what_was_asked_for(method: str) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    for reduction_db in (6.0, 12.0):
        out = Denoiser(method=method, reduction_db=reduction_db).denoise(noise, 16000)
        taken = 20 * np.log10(np.std(noise[32000:]) / np.std(out[32000:]))
        assert 0 < taken <= reduction_db + 0.01


def test_steady_noise_is_taken_by_those_who_follow_it() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(96000).astype(np.float32)
    for method in ("trained", "adaptive"):
        out = Denoiser(method=method).denoise(noise, 16000)
        assert np.std(out[48000:]) < 0.2 * np.std(noise[48000:])


def test_each_part_of_adaptive_changes_the_result(noisy_speech: Array) -> None:
    dictionary = load_dictionary("plain")
    V = bands_of(noisy_speech[:32000], dictionary.spectrum)
    settings = [
        AdaptiveSettings(),
        AdaptiveSettings(speech_atoms=False),
        AdaptiveSettings(running_atoms=False),
    ]
    masks = [AdaptiveDecomposition(dictionary, len(V), s).process(V).masks for s in settings]
    for i, a in enumerate(masks):
        for b in masks[:i]:
            assert np.abs(a - b).max() > 1e-2


def test_adaptive_learns_noise_atoms_frame_by_frame(noisy_speech: Array) -> None:
    dictionary = load_dictionary("plain")
    V = bands_of(noisy_speech[:16000], dictionary.spectrum)
    decomposition = AdaptiveDecomposition(dictionary, len(V))
    decomposition.process(V[:, :1])
    assert decomposition._running is not None
    expected = decomposition._running
    for v in V.T[1:]:
        noise_mask = decomposition.process(v[:, None]).masks[1, :, 0]
        expected = RATES * expected + (1 - RATES) * noise_mask * v
        np.testing.assert_allclose(decomposition._running, expected, rtol=1e-4)
    assert np.ptp(expected, axis=0).max() > 0.01


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("mask_power", [1.0, 2.0, 6.0])
def test_masks_have_the_exponent_that_is_asked_for(power: float, mask_power: float) -> None:
    rng = np.random.default_rng(0)
    atoms = {name: rng.random((100, 5), np.float32) for name in ("a", "b", "c")}
    decomposition = SourcesDecomposition(atoms, 100, beta=1, power=power, mask_power=mask_power)
    estimate = decomposition.process(rng.random((100, 7), np.float32))
    # spectra are magnitudes to `power`, the exponent is one of magnitudes
    magnitudes = estimate.spectra.astype(np.float64) ** (1 / power)
    expected = magnitudes**mask_power / (magnitudes**mask_power).sum(axis=0)
    np.testing.assert_allclose(estimate.masks, expected, rtol=1e-4)


@pytest.mark.parametrize("method", ["classic", "adaptive"])
def test_dictionaries_of_power_spectra_work(method: str, noisy_speech: Array) -> None:
    plain = load_dictionary("plain")
    dictionary = Dictionary(
        "plain", plain.spec, plain.spectrum, {"W": plain.arrays["W"] ** 2}, plain.groups, beta=0.0, power=2.0
    )
    out = Denoiser(dictionary, method=method).denoise(noisy_speech[:32000], 16000)
    assert np.isfinite(out).all()
    assert 0.1 < np.std(out) / np.std(noisy_speech[:32000]) < 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Denoiser(method="magic"),
            "method='magic'; must be 'trained', 'adaptive'",
        ),
        (lambda: Denoiser(reduction_db=-1), "reduction_db=-1"),
        (lambda: Denoiser(reduction_db=float("nan")), "reduction_db=nan"),
        (lambda: Denoiser(mix=2), "mix=2"),
        (lambda: Denoiser(mix=True), "mix=True"),
        (lambda: Denoiser().stream(100), "sr=100"),
        (lambda: Denoiser().denoise(np.zeros((100, 2), np.float32), 16000), r"pass y\.T"),
    ],
)
def test_values_that_are_not_allowed_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


def test_method_and_dictionary_must_fit() -> None:
    with pytest.raises(DictionaryError, match="needs a dictionary of kind 'trained'"):
        Denoiser("plain", method="trained")
    assert Denoiser("plain").method == "adaptive"
    assert Denoiser(method="classic").dictionary.name == "plain"
    plain = load_dictionary("plain")
    speech = plain.columns("speech")
    only = Dictionary(
        "plain", plain.spec, plain.spectrum, {"W": speech}, (Group("speech", "speech", 0, speech.shape[1]),)
    )
    with pytest.raises(DictionaryError, match="no noise atoms"):
        Denoiser(only)


def test_a_denoiser_says_what_it_is() -> None:
    assert repr(Denoiser(reduction_db=20)) == "Denoiser('best', method='trained', reduction_db=20, mix=1)"
    assert "latency 512" in repr(Denoiser().stream(16000, 2))


@pytest.mark.parametrize("name", ["W_out", "A", "run_gain", "head_mask"])
def test_a_dictionary_of_extreme_values_is_an_error_rather_than_silence(
    name: str, noisy_speech: Array
) -> None:
    dictionary = dictionary_with_memory()
    extreme = np.full_like(dictionary.arrays[name], 1e4 if name.startswith("head") else 3e38)
    denoiser = Denoiser(replace(dictionary, arrays={**dictionary.arrays, name: extreme}))
    with contextlib.suppress(DictionaryError):
        assert np.isfinite(denoiser.denoise(noisy_speech[:8000], 16000)).all()


def test_masks_that_are_not_finite_are_an_error(noisy_speech: Array) -> None:
    dictionary = load_dictionary("trained")
    extreme = np.full_like(dictionary.arrays["W_out"], 3e38)
    denoiser = Denoiser(replace(dictionary, arrays={**dictionary.arrays, "W_out": extreme}))
    with pytest.raises(DictionaryError, match="not finite"):
        denoiser.denoise(noisy_speech[:8000], 16000)
