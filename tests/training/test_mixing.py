"""Mixtures: drawn evenly, repeatable, and what they claim to be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.errors import ParameterError
from nmf_audio.training.mixing import NOISE_SPEEDS, SPEECH_SPEEDS, Batch, Mixer, Sounds, at_speed
from nmf_audio.training.sounds import Sound, in_memory
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
    speech = [("a", voice(2.0, seed=0)), ("b", voice(0.6, seed=1)), ("b", voice(0.7, seed=2))]
    noise = [("rain", hiss(2.0)), ("fan", hiss(0.5, slope=1.0)), ("fan", hiss(2.5, slope=0.5))]
    return in_memory(speech), in_memory(noise)


def constant(n: int, value: float) -> Sound:
    """No clip with its mean, but what is drawn can be told by its value."""
    return Sound(np.ones(n, np.int16), np.float32(value))


def tone(hz: float, n: int) -> Array:
    return np.sin(2 * np.pi * hz * np.arange(n) / SR).astype(np.float32)


def spectrum(x: Array) -> tuple[Array, Array]:
    """Frequencies, and the amplitudes of tones there."""
    window = np.blackman(len(x))
    size = 4 * len(x)
    amplitudes = np.abs(np.fft.rfft(window * x, size)) / (window.sum() / 2)
    return np.fft.rfftfreq(size, 1 / SR).astype(np.float32), amplitudes.astype(np.float32)


def mixer(seed: int = 0, plain: bool = False) -> Mixer:
    speech, noise = sounds()
    return Mixer(speech, noise, n_samples=N, sr=SR, rng=np.random.default_rng(seed), plain=plain)


@cache
def many() -> Batch:
    """Return mixtures of all kinds."""
    return mixer().batch(200)


def test_the_same_seed_gives_the_same_mixtures() -> None:
    first, again, other = mixer(), mixer(), mixer(1)
    for _ in range(3):
        a, b = first.batch(4), again.batch(4)
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a.mixture, other.batch(4).mixture)


def test_threads_that_draw_at_once_draw_what_one_alone_does() -> None:
    shared = mixer()
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seed: shared.seeded(seed).batch(4), range(4)))
    for seed, batch in enumerate(together):
        alone = shared.seeded(seed).batch(4)
        assert all(np.array_equal(x, y) for x, y in zip(alone, batch, strict=True))


def test_mixtures_are_finite_and_of_a_usual_level() -> None:
    batch = many()
    assert batch.wanted.shape == batch.mixture.shape == (200, N)
    assert batch.wanted.dtype == batch.mixture.dtype == np.float32
    assert np.isfinite(batch.wanted).all()
    assert np.isfinite(batch.mixture).all()
    assert 0.3 < np.median(batch.mixture.std(axis=1)) < 3


def test_some_hold_no_speech_and_say_so() -> None:
    batch = many()
    assert np.array_equal(batch.wanted.any(axis=1), batch.present)
    assert 0 < (~batch.present).sum() < 40


def test_plain_mixtures_have_the_stated_ratios() -> None:
    batch = mixer(plain=True).batch(8)
    noise = batch.mixture - batch.wanted
    ratio = 20 * np.log10(batch.wanted.std(axis=1) / noise.std(axis=1))
    np.testing.assert_allclose(ratio, [-5, 0, 5, 10] * 2, atol=0.01)


def test_speakers_are_drawn_evenly_whatever_they_have() -> None:
    speech = {"one": [constant(2 * N, 1)], "many": [constant(2 * N, 2)] * 50}
    drawn = Mixer(speech, sounds()[1], n_samples=N, sr=SR, rng=np.random.default_rng(0))
    share = np.mean([drawn.say()[N // 2] < 1.5 for _ in range(400)])
    assert 0.4 < share < 0.6


def test_short_clips_of_one_speaker_are_joined() -> None:
    speech = {"short": [constant(3000, 1)]}
    x = Mixer(speech, sounds()[1], n_samples=N, sr=SR, rng=np.random.default_rng(0)).say()
    assert len(x) == N
    assert 0.2 < x.mean() < 0.9


@pytest.mark.parametrize("speed", sorted({*SPEECH_SPEEDS, *NOISE_SPEEDS}), ids=str)
def test_a_tone_is_higher_by_its_speed_at_the_same_level(speed: Fraction) -> None:
    y = at_speed(tone(3000.0, round(N * speed)), speed)
    assert abs(len(y) - N) <= 1
    at, amplitudes = spectrum(y[1000:-1000])
    highest = amplitudes.argmax()
    assert at[highest] == pytest.approx(3000 * float(speed), abs=1.0)
    assert amplitudes[highest] == pytest.approx(1, abs=0.02)
    assert amplitudes[np.abs(at - at[highest]) > 20].max() < 1e-4, "no image, and nothing folded back"


@pytest.mark.parametrize("speed", [v for v in {*SPEECH_SPEEDS, *NOISE_SPEEDS} if v > 1], ids=str)
def test_what_gets_too_high_is_gone(speed: Fraction) -> None:
    y = at_speed(tone(8050 / float(speed), round(N * speed)), speed)
    assert spectrum(y[1000:-1000])[1].max() < 10 ** (-50 / 20)


def test_speech_and_noise_are_drawn_at_every_speed() -> None:
    sound = in_memory([("tone", tone(2000.0, 3 * N))])
    drawn = Mixer(sound, sound, n_samples=N, sr=SR, rng=np.random.default_rng(0))
    for draw, speeds in ((drawn.say, SPEECH_SPEEDS), (drawn.recorded_noise, NOISE_SPEEDS)):
        heard = set()
        for _ in range(60):
            x = draw()
            assert x.shape == (N,)
            at, amplitudes = spectrum(x)
            heard.add(round(float(at[amplitudes.argmax()] / 2000), 3))
        assert sorted(heard) == pytest.approx([float(speed) for speed in speeds], abs=1e-3)


def test_scores_are_at_the_recordings_own_speed() -> None:
    sound = in_memory([("tone", tone(2000.0, 3 * N))])
    drawn = Mixer(sound, sound, n_samples=N, sr=SR, rng=np.random.default_rng(0), plain=True)
    for _ in range(20):
        for x in (drawn.say(), drawn.recorded_noise()):
            at, amplitudes = spectrum(x)
            assert at[amplitudes.argmax()] == pytest.approx(2000, abs=1.0)


@pytest.mark.parametrize("n", [2, 100, 3000, N - 1, N, N + 1, 2 * N])
def test_recordings_of_any_length_fill_a_mixture(n: int) -> None:
    sound = in_memory([("any", hiss(n / SR))])
    drawn = Mixer(sound, sound, n_samples=N, sr=SR, rng=np.random.default_rng(0))
    for _ in range(20):
        assert drawn.say().shape == (N,)
        assert drawn.recorded_noise().shape == (N,)


def test_short_noise_is_repeated_without_gaps() -> None:
    sound = in_memory([("short", tone(800.0, 2000))])
    drawn = Mixer(sound, sound, n_samples=N, sr=SR, rng=np.random.default_rng(0))
    for _ in range(10):
        pieces = drawn.recorded_noise()[: N // 64 * 64].reshape(64, -1)
        np.testing.assert_allclose(pieces.std(axis=1), 1, atol=0.1)


def test_what_is_drawn_has_no_mean_and_unit_deviation() -> None:
    clip = 0.01 * hiss(6.0) + np.float32(0.3)
    sound = in_memory([("low", clip), ("high", 1000 * clip)])
    drawn = Mixer(sound, sound, n_samples=N, sr=SR, rng=np.random.default_rng(0))
    for x in (draw() for draw in (drawn.say, drawn.recorded_noise) for _ in range(20)):
        assert abs(x.mean()) < 0.02
        # what gets too high for the sample rate is not there any more
        assert 0.8 < x.std() < 1.03


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
