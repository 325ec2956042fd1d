"""Coded and clipped copies: the sound stays in its place, and loses what coding and clipping take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.training import mixing
from nmf_audio.training.copies import MP3_RATES, clip_loudest, code_as_mp3
from tests.training.test_mixing import mixer

Array = npt.NDArray[np.float32]


@pytest.mark.parametrize("level", [0.6, 0.84, 0.92])
@pytest.mark.parametrize("sr", MP3_RATES)
def test_an_mp3_is_in_step_and_not_the_same(sr: int, level: float, noisy_speech: Array) -> None:
    x = 3 * noisy_speech[:24000]
    before = x.copy()
    y = code_as_mp3(x, sr, level)
    np.testing.assert_array_equal(x, before)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    inside = slice(2000, -2000)
    error = y[inside] - x[inside]
    assert 0.003 < np.std(error) / np.std(x[inside]) < 0.9
    shifted = [np.std(np.roll(y, n)[inside] - x[inside]) for n in (-1, 1)]
    assert np.std(error) < min(shifted)


def test_silence_stays() -> None:
    assert not code_as_mp3(np.zeros(4000, np.float32), 16000, 0.8).any()


def test_the_loudest_samples_are_cut_off(noisy_speech: Array) -> None:
    x = noisy_speech[:10000]
    y = clip_loudest(x, 0.02)
    at_limit = np.abs(y) == np.abs(y).max()
    assert at_limit.sum() == pytest.approx(200, abs=2)
    np.testing.assert_array_equal(y[~at_limit], x[~at_limit])


def test_mixtures_may_be_clipped_or_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = mixer().batch(3)
    monkeypatch.setattr(mixing, "CODED", 0.0)
    monkeypatch.setattr(mixing, "CLIPPED", 1.0)
    clipped = mixer().batch(1)
    assert (np.abs(clipped.mixture[0]) == np.abs(clipped.mixture[0]).max()).sum() > 10
    monkeypatch.setattr(mixing, "CODED", 1.0)
    coded = mixer().batch(1)
    assert not np.array_equal(coded.mixture[0], plain.mixture[0])
    # what is wanted is the speech as it was
    np.testing.assert_array_equal(clipped.wanted[0], coded.wanted[0])
