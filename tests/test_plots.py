"""Pictures draw into the axes that they are given and show the numbers that they were given."""

from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from matplotlib.figure import Figure

from nmf_audio import explain
from nmf_audio.cli.explain import _draw
from nmf_audio.errors import ParameterError
from nmf_audio.plots import new_axes, plot_atoms, plot_cells, plot_spectrogram
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


def test_labels_of_frequency_axes_are_apart_and_a_flat_spectrum_has_no_step() -> None:
    noise = np.random.default_rng(0).standard_normal(12000).astype(np.float32)
    for sr in (8000, 16000, 48000):
        found = explain(noise, sr)
        for hz, cells in ((found.band_hz, found.noisy), (found.frequencies, found.gains)):
            ax = plot_cells(cells, found.times, hz, label="gain", ax=new_axes(12, 2.5))
            cast(Figure, ax.figure).draw_without_rendering()
            boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
            assert len(boxes) >= 5
            for below, above in pairwise(boxes):
                assert below.y1 < above.y0
            (mesh,) = ax.collections
            assert np.asarray(mesh.get_array()).shape == cells.shape


def test_the_picture_of_bands_has_no_step_where_they_grow_wider() -> None:
    noise = np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    found = explain(noise, 16000)
    figure = cast(Figure, new_axes(12, 18).figure)
    figure.clear()
    _draw(found, figure)
    mean = np.asarray(figure.axes[0].collections[0].get_array()).mean(axis=1)
    low, high = (np.median(mean[part]) for part in (slice(40, 62), slice(66, 90)))
    assert abs(high - low) < 1.5
