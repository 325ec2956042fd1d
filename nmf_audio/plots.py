"""Plots: each function draws into a matplotlib Axes and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_array, check_number
from nmf_audio._types import Array
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import band_edges, frame_size
from nmf_audio.dsp.stft import stft
from nmf_audio.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nmf_audio.nmf import RankComparison

__all__ = ["new_axes", "plot_activations", "plot_atoms", "plot_cells", "plot_ranks", "plot_spectrogram"]


LABELLED_HZ = (0, 250, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 12000, 16000, 24000)
"""Frequencies that a band axis is labelled with."""

OCTAVES_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)
"""Labels of an ERB-rate axis, far enough apart in a picture of any height."""

EITHER_SIGN = "RdBu_r"
"""Colours of values of either sign: blue below 0, red above."""


def new_axes(width: float = 10.0, height: float = 5.0) -> Axes:
    """Return Axes in a new figure, without a window.

    Parameters
    ----------
    width, height : float
        Size of the figure in inches.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes.figure.savefig(path)`` writes it.

    Raises
    ------
    MissingExtraError
        When matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "matplotlib is not installed; pictures need it: pip install matplotlib"
        ) from error
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def plot_atoms(
    dictionary: Dictionary, *, source: str | None = None, range_db: float = 40.0, ax: Axes | None = None
) -> Axes:
    """Draw the atoms of a dictionary as columns, grouped by source.

    Within a group they are sorted by mean frequency.

    Parameters
    ----------
    dictionary : Dictionary
        The dictionary.
    source : str, optional
        Only this source; all if None.
    range_db : float
        Darkest shade, in decibels below each atom's largest band. Atoms are drawn as they are: in bands divided by
        the long-term spectrum of speech.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Atoms on the x axis, bands on the y axis, labelled in Hz.

    Raises
    ------
    ParameterError
        When the dictionary lacks the source or `range_db` isn't positive.
    MissingExtraError
        When matplotlib isn't installed.

    Examples
    --------
    >>> from nmf_audio import load_dictionary
    >>> ax = plot_atoms(load_dictionary("plain"), source="speech")
    >>> ax.get_xlabel()
    'atoms'
    """
    check_number("range_db", range_db, 0, above=True, unit="dB", advice="40 is the default")
    ax = new_axes() if ax is None else ax
    columns, starts, names, position = [], [], [], 0
    for wanted in dictionary.sources if source is None else (source,):
        W = dictionary.columns(wanted)
        groups = [group for group in dictionary.groups if group.source == wanted]
        first = 0
        for group in groups:
            atoms = W[:, first : first + group.stop - group.start]
            first += atoms.shape[1]
            centre = (np.arange(len(W)) @ atoms) / atoms.sum(axis=0)
            columns.append(atoms[:, np.argsort(centre, kind="stable")])
            starts.append(position)
            names.append(group.name if len(groups) > 1 or group.name == wanted else f"{wanted}: {group.name}")
            position += atoms.shape[1]
    W = np.concatenate(columns, axis=1)
    level = W / W.max(axis=0)
    decibels = (20 / dictionary.power) * np.log10(np.maximum(level, 1e-12))
    image = ax.imshow(
        decibels, origin="lower", aspect="auto", interpolation="nearest", cmap="magma", vmin=-range_db, vmax=0
    )
    ax.figure.colorbar(image, ax=ax, label="dB below the largest band", pad=0.01)
    for start in starts[1:]:
        ax.axvline(start - 0.5, color="white", linewidth=0.5)
    middles = (np.array(starts) + np.array([*starts[1:], position]) - 1) / 2
    ax.set_xticks(middles, names, rotation=90 if len(names) > 4 else 0, fontsize="small")
    _label_bands(ax, dictionary)
    ax.set_xlabel("atoms")
    ax.set_title(f"dictionary {dictionary.name!r}")
    return ax


def plot_spectrogram(y: Array, sr: int, *, range_db: float = 80.0, ax: Axes | None = None) -> Axes:
    """Draw the spectrogram of a waveform, in the 32 ms frames of the denoiser.

    Parameters
    ----------
    y : ndarray, float (n_samples,)
        Waveform of one channel.
    sr : int
        Sample rate, Hz.
    range_db : float
        Darkest shade, in decibels below the loudest cell.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Time in seconds on the x axis, frequency in kHz on the y axis.

    Raises
    ------
    ParameterError
        When `y` isn't one channel with samples, `range_db` isn't positive or `sr` is out of range.
    MissingExtraError
        When matplotlib isn't installed.

    Examples
    --------
    >>> y = np.sin(np.arange(16000) * 0.3).astype(np.float32)
    >>> plot_spectrogram(y, 16000).get_ylabel()
    'kHz'
    """
    y = check_array("y", y, ("n_samples",), low=-np.inf, advice="give one channel").astype(
        np.float32, copy=False
    )
    check_number("range_db", range_db, 0, above=True, unit="dB", advice="80 is the default")
    n_fft = frame_size(sr)
    ax = new_axes() if ax is None else ax
    S = np.abs(stft(y, n_fft))
    decibels = 20 * np.log10(np.maximum(S, 1e-12) / max(float(S.max()), 1e-12))
    image = ax.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=-range_db,
        vmax=0,
        extent=(0, S.shape[1] * (n_fft // 2) / sr, 0, sr / 2000),
    )
    ax.figure.colorbar(image, ax=ax, label="dB below the loudest cell", pad=0.01)
    ax.set_xlabel("s")
    ax.set_ylabel("kHz")
    return ax


def plot_cells(
    values: Array,
    times: npt.NDArray[np.float64],
    hz: npt.NDArray[np.float64],
    *,
    label: str,
    range_db: float | None = None,
    reference: float = 1.0,
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw values of bands (or bins) and frames: magnitudes in decibels, or gains.

    Parameters
    ----------
    values : ndarray (n_bands, n_frames)
        Non-negative values; of either sign with `limit`.
    times : ndarray (n_frames,)
        Centres of the frames in seconds.
    hz : ndarray (n_bands,)
        Centres of the bands in Hz, rising.
    label : str
        Label of the colour bar.
    range_db : float, optional
        Draw decibels, down to this much below `reference`; if None, draw the values from 0 to `reference`.
    reference : float
        The brightest shade.
    limit : float, optional
        Draw values of either sign as they are, from -limit to limit, white at 0.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Time in seconds on the x axis, frequency in Hz on the y axis, on the ERB-rate scale.

    Raises
    ------
    ParameterError
        When shapes do not fit.
    MissingExtraError
        When matplotlib isn't installed.

    Examples
    --------
    >>> ax = plot_cells(np.ones((2, 3)), np.arange(3.0), np.array([100.0, 200.0]), label="gain")
    >>> ax.get_ylabel()
    'Hz'
    """
    values = check_array("values", values, (len(hz) or "n_bands", len(times) or "n_frames"), low=-np.inf)
    ax = new_axes() if ax is None else ax
    shades, low, high = values, 0.0, reference
    if range_db is not None:
        shades = 20 * np.log10(np.maximum(values, 1e-12) / max(reference, 1e-12))
        low, high = -range_db, 0.0
    if limit is not None:
        low, high = -limit, limit
    mesh = ax.pcolormesh(
        _edges(times),
        np.maximum(_edges(hz), 0),
        shades,
        cmap="magma" if limit is None else EITHER_SIGN,
        vmin=low,
        vmax=high,
        rasterized=True,
    )
    ax.figure.colorbar(mesh, ax=ax, label=label, pad=0.01)
    # one smooth scale for bands and bins
    ax.set_yscale("function", functions=(_erb_rate, _frequency))
    ticks = [f for f in OCTAVES_HZ if f <= hz[-1]]
    ax.set_yticks(ticks, [str(f) for f in ticks])
    ax.minorticks_off()
    ax.set_xlabel("s")
    ax.set_ylabel("Hz")
    return ax


def plot_activations(
    H: Array,
    times: npt.NDArray[np.float64],
    names: list[str],
    *,
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw activations over time, one row per atom, each scaled to its largest value.

    Parameters
    ----------
    H : ndarray (n_components, n_frames)
        Activations, or, with `limit`, changes of activations in dB: raised above 0, lowered below.
    times : ndarray (n_frames,)
        Centres of the frames in seconds.
    names : list of str
        Names of the rows.
    limit : float, optional
        Draw values of either sign as they are, from -limit to limit, white at 0.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Time in seconds on the x axis, atoms on the y axis.

    Raises
    ------
    ParameterError
        When shapes do not fit.
    MissingExtraError
        When matplotlib isn't installed.

    Examples
    --------
    >>> ax = plot_activations(np.ones((2, 3)), np.arange(3.0), ["speech 1", "rain 2"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['speech 1', 'rain 2']
    """
    H = check_array("H", H, (len(names) or "n_components", len(times) or "n_frames"), low=-np.inf)
    ax = new_axes() if ax is None else ax
    half = (times[-1] - times[0]) / max(len(times) - 1, 1) / 2
    shown = H / np.maximum(H.max(axis=1, keepdims=True), 1e-12) if limit is None else H
    image = ax.imshow(
        shown,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="viridis" if limit is None else EITHER_SIGN,
        vmin=0 if limit is None else -limit,
        vmax=limit or 1,
        extent=(times[0] - half, times[-1] + half, -0.5, len(names) - 0.5),
    )
    ax.figure.colorbar(image, ax=ax, label="dB" if limit else "share of its largest", pad=0.01)
    ax.set_yticks(np.arange(len(names)), names, fontsize="x-small")
    ax.set_xlabel("s")
    return ax


def plot_ranks(compared: RankComparison, *, ax: Axes | None = None) -> Axes:
    """Draw what numbers of atoms leave unexplained, and how well they predict what is held out.

    Parameters
    ----------
    compared : RankComparison
        Of `nmf_audio.nmf.compare_ranks` or `nmf_audio.find_rank`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Numbers of atoms on the x axis, fractional residual variance on the y axis; the divergence of held-out entries
        has an axis of its own on the right, with bars of one standard error. A line marks the best number.

    Raises
    ------
    MissingExtraError
        When matplotlib isn't installed.

    Examples
    --------
    >>> from nmf_audio.nmf import compare_ranks
    >>> plot_ranks(compare_ranks(np.ones((4, 6)), [1, 2], rng=0)).get_xlabel()
    'atoms'
    """
    from nmf_audio.nmf.cross_validation import standard_error

    ax = new_axes(8.0, 5.0) if ax is None else ax
    ranks, held_out = compared.ranks, compared.held_out
    lines = [
        *ax.plot(ranks, compared.residuals, "o-", label="residual variance, one atom after the other"),
        *ax.plot(ranks, compared.principal, "s--", label="of principal components: the least possible"),
    ]
    right = ax.twinx()
    error = standard_error(held_out)
    bars = right.errorbar(
        ranks, held_out.mean(axis=0), error, color="C2", marker="^", label="held-out entries (right)"
    )
    chosen = ax.axvline(compared.best, color="black", linestyle=":", label=f"{compared.best} atoms")
    ax.set_xscale("log", base=2)
    ax.set_xticks(ranks, [str(n) for n in ranks])
    ax.minorticks_off()
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("atoms")
    ax.set_ylabel("fractional residual variance")
    right.set_ylabel("mean divergence of a held-out entry")
    ax.legend(handles=[*lines, bars, chosen], fontsize="small")
    return ax


def _erb_rate(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Glasberg and Moore's ERB-rate."""
    return np.asarray(21.4 * np.log10(1 + 0.00437 * np.maximum(hz, 0)))


def _frequency(rate: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((10 ** (rate / 21.4) - 1) / 0.00437)


def _edges(centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the edges between cells, and those of the first and the last one."""
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middles[0], 2 * centres[-1] - middles[-1]
    edges: npt.NDArray[np.float64] = np.concatenate([[first], middles, [last]])
    return edges


def _label_bands(ax: Axes, dictionary: Dictionary) -> None:
    centres = band_edges(dictionary.spec)
    hz = [f for f in LABELLED_HZ if f <= centres[-1]]
    ax.set_yticks(np.interp(hz, centres, np.arange(len(centres))), [str(f) for f in hz])
    ax.set_ylabel("Hz")
