"""Frames that a dictionary is learned from: bands, spectrum, level, even draws."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_audio._types import Array
from nmf_audio.dsp.bands import BandMap, FrontEndSpec, band_edges
from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.dsp.stft import stft
from nmf_audio.errors import AudioFileError
from nmf_audio.training.corpus import Clip
from nmf_audio.training.draws import fair_shares

__all__ = ["Bands", "Frames", "analyse", "long_term_spectrum", "normalised_frames"]


QUIET = 0.1
"""Frames below this part of their clip's mean level are silence between sounds: nothing to learn there."""

SPECTRUM_RANGE = 1e-3
"""Smallest value of a long-term spectrum, relative to its largest, so that nothing is divided by zero."""


@dataclass(frozen=True)
class Bands:
    """Band magnitudes of clips, before normalisation.

    Attributes
    ----------
    magnitudes : tuple of ndarray, float32 (n_frames, n_bands)
        One array a clip, frames as rows.
    groups : tuple of str
        Group of each clip.
    n_observed : tuple of int
        How many bands, from the lowest, each clip's own sample rate can hold; those above are unknown.
    weights : tuple of float
        How much the frames of each clip count.
    heard : dict of pathlib.Path to float
        Seconds taken from each recording.
    """

    magnitudes: tuple[Array, ...]
    groups: tuple[str, ...]
    n_observed: tuple[int, ...]
    weights: tuple[float, ...]
    heard: dict[Path, float]


@dataclass(frozen=True)
class Frames:
    """Normalised frames of one group.

    Attributes
    ----------
    V : ndarray, float32 (n_bands, n_frames)
        Non-negative, about 1 on average; columns = frames.
    M : ndarray, float32 (n_bands, n_frames), optional
        The frame's weight where the band is known, and 0 where the recording's sample rate was too low for it; None
        when all are 1.
    """

    V: Array
    M: Array | None


def analyse(
    clips: Iterable[Clip], spec: FrontEndSpec, progress: Callable[[float], None] | None = None
) -> Bands:
    """Take clips through the front end's STFT and bands; silent ones are left out.

    An hour takes 90 MB. `progress` is called with the seconds analysed so far. `AudioFileError` if all is
    silence.
    """
    bank, edges = BandMap(spec, spec.sr), band_edges(spec)
    magnitudes, groups, n_observed, weights = [], [], [], []
    heard: dict[Path, float] = {}
    seconds = 0.0
    for clip in clips:
        seconds += len(clip.y) / spec.sr
        if progress is not None:
            progress(seconds)
        if not clip.y.any():
            continue
        path, sr = clip.recording.path, clip.recording.sr
        heard[path] = heard.get(path, 0.0) + len(clip.y) / spec.sr
        magnitudes.append(bank.pool(np.ascontiguousarray(np.abs(stft(clip.y, bank.n_fft)).T)))
        groups.append(clip.recording.group)
        n_observed.append(int(np.searchsorted(edges, sr / 2, side="right")))
        weights.append(clip.recording.weight)
    if not magnitudes:
        raise AudioFileError("all recordings are silent; there is nothing to learn from them")
    return Bands(tuple(magnitudes), tuple(groups), tuple(n_observed), tuple(weights), heard)


def long_term_spectrum(bands: Bands) -> Array:
    """Average the spectra of what sounds, every clip at the same level and every group with the same weight.

    The mean over bands is 1, and no band is below 0.001 of the largest.
    """
    n_bands = bands.magnitudes[0].shape[1]
    of_groups: dict[str, list[NDArray[np.float64]]] = {}
    for x, group, n_observed in zip(bands.magnitudes, bands.groups, bands.n_observed, strict=True):
        level = x.mean(axis=1)
        mean = x[level >= QUIET * level.mean()].mean(axis=0, dtype=np.float64)
        mean /= mean[:n_observed].mean()
        mean[n_observed:] = np.nan
        of_groups.setdefault(group, []).append(mean)
    total, count = np.zeros(n_bands), np.zeros(n_bands)
    for means in of_groups.values():
        known = np.isfinite(means)
        in_group = known.any(axis=0)
        sums = np.where(known, means, 0.0).sum(axis=0)
        total[in_group] += sums[in_group] / known.sum(axis=0)[in_group]
        count += in_group
    spectrum = total / np.maximum(count, 1)
    spectrum = np.maximum(spectrum / spectrum.mean(), SPECTRUM_RANGE * spectrum.max() / spectrum.mean())
    unit: Array = (spectrum / spectrum.mean()).astype(np.float32)
    return unit


def normalised_frames(
    bands: Bands, *, spectrum: Array, n_frames: int | None, one_group: str | None, rng: np.random.Generator
) -> dict[str, Frames]:
    """Normalise every clip as the denoiser does, drop silence, and draw frames evenly over groups.

    There are at most `n_frames`, or all if that is None. They are returned by group, names sorted; with `one_group`,
    all together under that name.
    """
    n_bands = len(spectrum)
    rows: dict[str, list[Array]] = {}
    known: dict[str, list[NDArray[np.float64]]] = {}
    clips = zip(bands.magnitudes, bands.groups, bands.n_observed, bands.weights, strict=True)
    for x, group, n_observed, weight in clips:
        v = Normaliser(spectrum).process(x)
        level = v.mean(axis=1)
        v = v[level >= QUIET * level.mean()]
        rows.setdefault(group, []).append(v)
        known.setdefault(group, []).append(np.tile([float(n_observed), weight], (len(v), 1)))
    names = sorted(rows)
    budget = math.inf if n_frames is None else n_frames
    shares = fair_shares([float(sum(map(len, rows[name]))) for name in names], budget)
    drawn: dict[str, list[tuple[Array, NDArray[np.float64]]]] = {}
    for name, share in zip(names, shares, strict=True):
        v, observed = np.concatenate(rows.pop(name)), np.concatenate(known[name])
        chosen = np.sort(rng.choice(len(v), max(1, int(share)), replace=False))
        drawn.setdefault(one_group or name, []).append((v[chosen], observed[chosen]))
    frames = {}
    for name, parts in drawn.items():
        V = np.ascontiguousarray(np.concatenate([v for v, _ in parts]).T)
        observed, weights = np.concatenate([n for _, n in parts]).T
        complete = bool((observed >= n_bands).all() and (weights == 1).all())
        M = None if complete else ((np.arange(n_bands)[:, None] < observed) * weights).astype(np.float32)
        frames[name] = Frames(V, M)
    return frames
