"""Detection of clip levels and drop-outs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.restoration.faults import ClipLevels, PeakCounter, Span, find_dropouts
from tests.restoration.material import LEVEL, SR, chord


def find_levels(y: npt.NDArray[np.float64], block: int = 1000) -> ClipLevels:
    counter = PeakCounter()
    for start in range(0, len(y), block):
        counter.add(y[start : start + block])
    return counter.find_levels()


@pytest.mark.parametrize("block", [1, 37, 6000])
def test_the_level_of_clipping_is_found_however_the_signal_is_cut(block: int) -> None:
    y = chord()
    high, low = find_levels(np.clip(y, -0.6, LEVEL), block)
    assert high == pytest.approx(LEVEL, rel=2e-4)
    assert low == pytest.approx(-0.6, rel=2e-4)


def test_one_side_alone_may_be_clipped() -> None:
    high, low = find_levels(np.minimum(chord(), LEVEL))
    assert high == pytest.approx(LEVEL, rel=2e-4)
    assert low == -np.inf


@pytest.mark.parametrize("frequency", [20.0, 100.0, 440.0, 3000.0])
@pytest.mark.parametrize("steps", [2**7, 2**15, 2**23])
def test_the_peaks_of_a_tone_are_not_taken_for_clipping(frequency: float, steps: int) -> None:
    y = np.sin(2 * np.pi * frequency * np.arange(48000) / 48000)
    assert find_levels(np.rint(0.9 * y * steps) / steps) == (np.inf, -np.inf)


@pytest.mark.parametrize("y", [np.zeros(1000), np.empty(0), np.full(5, 0.5), -np.ones(5)])
def test_silence_and_little_sound_are_not_clipped(y: npt.NDArray[np.float64]) -> None:
    assert find_levels(y) == (np.inf, -np.inf)


def test_the_mean_square_is_that_of_all_blocks() -> None:
    counter = PeakCounter()
    for block in np.split(chord(), 6):
        counter.add(block)
    assert counter.rms == pytest.approx(np.sqrt(np.mean(chord() ** 2)))


def test_dropouts_are_zeros_within_sound() -> None:
    y = chord() + 1e-9
    rms = float(np.sqrt(np.mean(y**2)))
    # long enough, too short, as long as a pause
    for start, end in ((1000, 1100), (2000, 2004), (3000, 3900)):
        y[start:end] = 0.0
    assert find_dropouts(y, SR, rms) == [Span(1000, 1100)]


def test_zeros_beside_quiet_sound_are_a_pause() -> None:
    y = chord() + 1e-9
    y[900:1000] *= 1e-3
    y[1000:1100] = 0.0
    assert find_dropouts(y, SR, float(np.sqrt(np.mean(y**2)))) == []


@pytest.mark.parametrize("n_bits", [8, 12])
def test_sound_that_is_rounded_to_zeros_has_no_dropouts(n_bits: int) -> None:
    scale = 2.0 ** (n_bits - 1)
    # falls from full scale to below a step
    y = np.round(scale * chord(16000) * np.exp(-np.arange(16000) / 2000)) / scale
    counter = PeakCounter()
    for block in np.split(y, 4):
        counter.add(block)
    assert counter.step == 1 / scale
    assert find_dropouts(y, SR, 1e-6), "some runs of zeros are as long as drop-outs"
    assert find_dropouts(y, SR, 1e-6, counter.step) == []
    y[400:500] = 0.0
    assert find_dropouts(y, SR, counter.rms, counter.step) == [Span(400, 500)]
