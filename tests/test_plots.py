"""Pictures draw into the axes that they are given and show the numbers that they were given."""

import numpy as np
import pytest

from nmf_audio.errors import ParameterError
from nmf_audio.plots import new_axes, plot_atoms, plot_spectrogram
from tests.tiny import tiny_dictionary


def test_atoms_are_drawn_by_source_in_decibels_below_their_largest_band() -> None:
    dictionary = tiny_dictionary()
    ax = new_axes()
    assert plot_atoms(dictionary, ax=ax) is ax
    (image,) = ax.get_images()
    drawn = np.asarray(image.get_array())
    W = dictionary.arrays["W"]
    expected = np.maximum(20 * np.log10(W / W.max(axis=0)), -240)
    assert drawn.shape == W.shape
    for block in (slice(0, 8), slice(8, 10)):
        np.testing.assert_allclose(
            np.sort(drawn[:, block].sum(axis=0)), np.sort(expected[:, block].sum(axis=0)), rtol=1e-4
        )
    assert [label.get_text() for label in ax.get_xticklabels()] == ["speech", "noise"]


def test_one_source_only() -> None:
    ax = plot_atoms(tiny_dictionary(), source="noise")
    assert np.asarray(ax.get_images()[0].get_array()).shape == (100, 2)
    with pytest.raises(ParameterError, match="source='birds'"):
        plot_atoms(tiny_dictionary(), source="birds")


@pytest.mark.parametrize("sr", [8000, 16000, 48000])
def test_a_tone_lies_at_its_frequency(sr: int) -> None:
    y = np.sin(2 * np.pi * 1000 * np.arange(sr) / sr).astype(np.float32)
    ax = plot_spectrogram(y, sr)
    (image,) = ax.get_images()
    drawn = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    row = int(np.argmax(drawn[:, drawn.shape[1] // 2]))
    assert row / (drawn.shape[0] - 1) * top == pytest.approx(1.0, abs=0.04)
    assert (left, bottom, top) == (0, 0, sr / 2000)
    assert right == pytest.approx(1.0, abs=0.05)
    assert drawn.max() == 0


def test_silence_can_be_drawn() -> None:
    plot_spectrogram(np.zeros(1000, np.float32), 16000)


def test_arguments_are_checked() -> None:
    with pytest.raises(ParameterError, match="y has shape"):
        plot_spectrogram(np.zeros((2, 100), np.float32), 16000)
    with pytest.raises(ParameterError, match="range_db=0"):
        plot_spectrogram(np.zeros(100, np.float32), 16000, range_db=0)
    with pytest.raises(ParameterError, match="range_db=-1"):
        plot_atoms(tiny_dictionary(), range_db=-1)
