"""Mixtures: drawn evenly, repeatable, and what they claim to be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.errors import ParameterError
from nmf_audio.training.mixing import Mixer, Sounds, with_speeds
from nmf_audio.training.synthetic import (
    chirps,
    clicks,
    coloured_noise,
    hum,
    modulated_noise,
    random_spectrum,
    reverberate,
    unit,
)
from tests.training.sounds import hiss, voice

Array = npt.NDArray[np.float32]

SR, N = 16000, 24064


def sounds() -> tuple[Sounds, Sounds]:
    speech = with_speeds(
        {"a": [voice(2.0, seed=0)], "b": [voice(0.6, seed=1), voice(0.7, seed=2)]}, (1.0, 1.1)
    )
    noise = with_speeds({"rain": [hiss(2.0)], "fan": [hiss(0.5, slope=1.0), hiss(2.5, slope=0.5)]}, (1.0,))
    return speech, noise


def mixer(seed: int = 0, plain: bool = False) -> Mixer:
    speech, noise = sounds()
    return Mixer(speech, noise, n_samples=N, sr=SR, rng=np.random.default_rng(seed), plain=plain)


def test_the_same_seed_gives_the_same_mixtures() -> None:
    first, again, other = mixer(), mixer(), mixer(1)
    for _ in range(3):
        a, b = first.batch(4), again.batch(4)
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a.mixture, other.batch(4).mixture)


def test_mixtures_are_finite_and_of_a_usual_level() -> None:
    batch = mixer().batch(100)
    assert batch.wanted.shape == batch.mixture.shape == (100, N)
    assert batch.wanted.dtype == batch.mixture.dtype == np.float32
    assert np.isfinite(batch.wanted).all()
    assert np.isfinite(batch.mixture).all()
    assert 0.3 < np.median(batch.mixture.std(axis=1)) < 3


def test_some_hold_no_speech_and_say_so() -> None:
    batch = mixer().batch(200)
    assert np.array_equal(batch.wanted.any(axis=1), batch.present)
    assert 0 < (~batch.present).sum() < 40


def test_plain_mixtures_have_the_stated_ratios() -> None:
    batch = mixer(plain=True).batch(8)
    noise = batch.mixture - batch.wanted
    ratio = 20 * np.log10(batch.wanted.std(axis=1) / noise.std(axis=1))
    np.testing.assert_allclose(ratio, [-5, 0, 5, 10] * 2, atol=0.01)


def test_speakers_are_drawn_evenly_whatever_they_have() -> None:
    speech = {"one": [[np.full(N, 1, np.float32)]], "many": [[np.full(N, 2, np.float32)]] * 50}
    drawn = Mixer(speech, sounds()[1], n_samples=N, sr=SR, rng=np.random.default_rng(0))
    share = np.mean([drawn.say()[0] == 1 for _ in range(400)])
    assert 0.4 < share < 0.6


def test_short_clips_of_one_speaker_are_joined() -> None:
    speech = {"short": [[np.ones(3000, np.float32)]]}
    x = Mixer(speech, sounds()[1], n_samples=N, sr=SR, rng=np.random.default_rng(0)).say()
    assert len(x) == N
    assert 0.2 < x.mean() < 0.9


def test_speeds_change_the_length_and_silence_is_left_out() -> None:
    made = with_speeds({"a": [voice(1.0)], "silent": [np.zeros(1000, np.float32)]}, (0.8, 1.0, 1.25))
    assert list(made) == ["a"]
    assert [round(len(x) / SR, 2) for x in made["a"][0]] == [1.25, 1.0, 0.8]
    assert made["a"][0][1].std() == pytest.approx(1, rel=1e-4)


def test_sources_without_sound_are_refused() -> None:
    speech, noise = sounds()
    nothing: Sounds = {}
    for first, second in ((speech, nothing), (nothing, noise)):
        with pytest.raises(ParameterError, match="at least one recording"):
            Mixer(first, second, n_samples=N, sr=SR, rng=np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(5))
def test_synthetic_noises_have_unit_level(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = [f(N, SR, rng) for f in (hum, clicks, chirps, modulated_noise)] + [coloured_noise(N, rng)]
    for x in made:
        assert x.shape == (N,)
        assert x.dtype == np.float32
        assert x.std() == pytest.approx(1, rel=1e-3)


def test_a_room_keeps_the_direct_sound_and_early_part() -> None:
    rng = np.random.default_rng(0)
    pulse = np.zeros(N, np.float32)
    pulse[100] = 1
    wet, early = reverberate(pulse, SR, rng)
    assert wet[100] == pytest.approx(1, abs=1e-4)
    assert np.abs(wet[:100]).max() < 1e-4
    np.testing.assert_allclose(wet[: 100 + int(0.05 * SR)], early[: 100 + int(0.05 * SR)], atol=1e-5)
    assert np.linalg.norm(early[3000:]) < 1e-3 < np.linalg.norm(wet[3000:])


def test_random_spectrum_leaves_time_alone() -> None:
    pulse = np.zeros(4096, np.float32)
    pulse[2000] = 1
    filtered = random_spectrum(pulse, 5.0, np.random.default_rng(0))
    assert int(np.abs(filtered).argmax()) == 2000


def test_unit_of_silence_is_silence() -> None:
    assert not unit(np.zeros(10, np.float32)).any()
