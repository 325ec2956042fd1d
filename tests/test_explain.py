from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio import Denoiser
from nmf_audio.dsp.bands import FrontEndSpec, band_matrix, frame_size
from nmf_audio.dsp.stft import istft, stft
from nmf_audio.errors import ParameterError
from nmf_audio.explanation import explain
from nmf_audio.nmf.gated_memory import GatedMemory
from tests.tiny import dictionary_with_memory

Array = npt.NDArray[np.float32]


@pytest.mark.parametrize("method", ["trained", "adaptive", "classic"])
@pytest.mark.parametrize("sr", [16000, 48000])
def test_the_gains_are_those_that_were_applied(method: str, sr: int, noisy_speech: Array) -> None:
    y = noisy_speech[: 2 * 16000 + 100]
    denoiser = Denoiser(method=method)
    found = explain(y, sr, denoiser)
    np.testing.assert_array_equal(found.denoised, denoiser.denoise(y, sr))
    n_fft = frame_size(sr)
    X = stft(y, n_fft)
    assert found.gains.shape == X.shape
    np.testing.assert_allclose(istft(X * found.gains, n_fft, len(y)), found.denoised, atol=1e-6)


def test_estimates_are_in_the_unit_of_the_signal(noisy_speech: Array, clean_speech: Array) -> None:
    found = explain(noisy_speech, 16000, Denoiser("trained"))
    B = band_matrix(FrontEndSpec(), 16000)
    np.testing.assert_allclose(found.noisy, B @ np.abs(stft(noisy_speech, 512)), rtol=1e-3, atol=1e-5)
    speech = B @ np.abs(stft(clean_speech, 512))
    noise = B @ np.abs(stft(noisy_speech - clean_speech, 512))

    def distance(a: Array, b: Array) -> float:
        return float(np.linalg.norm(np.sqrt(a) - np.sqrt(b)))

    assert distance(found.speech, speech) < distance(found.noisy, speech)
    assert distance(found.noise, noise) < distance(found.noisy, noise)


def test_atoms_have_names_and_the_strongest_are_found(noisy_speech: Array) -> None:
    found = explain(noisy_speech[:32000], 16000)
    assert len(found.atoms) == len(found.H)
    assert found.atoms[0] == "speech 0"
    assert found.atoms[-1].startswith("running")
    rows = found.strongest(5)
    assert rows == sorted(set(rows))
    weakest_shown = found.H[rows].sum(axis=1).min()
    others = np.delete(found.H.sum(axis=1), rows)
    assert weakest_shown >= others.max()


def test_what_the_memory_did_is_told(noisy_speech: Array) -> None:
    """It is what a memory says that runs beside the decomposition on the same frames."""
    dictionary = dictionary_with_memory()
    found = explain(noisy_speech[:16000], 16000, Denoiser(dictionary), warm_up=0)
    assert found.priors is not None
    n = len(found.atoms)
    memory = GatedMemory(dictionary.arrays, at=np.arange(n), n_activations=n, n_observed=100)
    seen: list[Array] = []
    stream = Denoiser(dictionary).stream(16000, observer=lambda found, *_: seen.append(found.normalised))
    stream.process(noisy_speech[:16000])
    # at the beginning the tracked floor is the frame
    factor, inhibition, logit = (x[0] for x in memory.process(seen[0][:1], seen[0][:1]))
    np.testing.assert_allclose(found.priors.factor[:, 0], factor, rtol=1e-5)
    np.testing.assert_allclose(found.priors.inhibition[:, 0], inhibition, rtol=1e-5)
    np.testing.assert_allclose(found.priors.logit[:, 0], logit, atol=1e-5)
    expected = 20 * np.log10(factor) - 20 * np.log10(1 + inhibition)
    np.testing.assert_allclose(found.raised()[:, 0], expected, atol=1e-3)
    assert found.raised().shape == found.H.shape
    assert found.priors.logit.shape == found.noisy.shape


def test_without_a_memory_nothing_is_told_of_one(noisy_speech: Array) -> None:
    found = explain(noisy_speech[:4000], 16000, Denoiser(method="adaptive"))
    assert found.priors is None
    with pytest.raises(ParameterError, match="no gated memory"):
        found.raised()


def test_silence_can_be_explained() -> None:
    found = explain(np.zeros(4000, np.float32), 16000)
    assert not found.denoised.any()
    assert np.isfinite(found.speech).all()
