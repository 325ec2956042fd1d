"""Gains above the dictionary's highest band, for recordings at 44.1 kHz and more.

Speech above 8 kHz comes with speech just below it, so the top bands' mask shows when there is speech; a noise floor
of its own shows how much of a high band is noise. For each high band, with P its power in this frame::

    presence = energy-weighted mean of the mask over the top bands, .2 and less -> 0, .7 and more -> 1
    smooth   = .7 * smooth + .3 * P
    floor    = min(1.006 * floor, smooth)              minimum tracking: 1.6 dB a second up, at once down
    noise    = noise + .1 * (1 - presence) * (P - noise) + .03 * presence * (floor - noise)
    gain     = presence * max(0, 1 - (1.5 * max(noise, floor) / P) ** 2)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array
from nmf_audio.dsp.bands import BandMap

__all__ = ["HighBandGain", "HighBandShares"]

Doubles = npt.NDArray[np.float64]

TOP_BANDS_FROM = 0.5
"""The mask counts from this part of the dictionary's top frequency upwards (3.9 kHz for 7.7 kHz)."""

ABSENT, PRESENT = 0.2, 0.7
SMOOTHING = 0.7
FLOOR_RISE = 1.006
NOISE_RATE, FORGETTING_RATE = 0.1, 0.03
OVERESTIMATE = 1.5
BANDS_PER_OCTAVE = 3


class HighBandShares:
    """Shares of named sources above the top band: those that they have over the top bands, by energy."""

    def __init__(self, band_map: BandMap) -> None:
        self._top = _find_top_bands(band_map)

    def process(self, bands: Array, masks: Array) -> Array:
        """Return the shares (n_sources, n_frames) of the next frames; they sum to 1 over the sources.

        Takes band magnitudes (n_frames, n_observed) and masks (n_sources, n_frames, n_observed) that sum to 1.
        """
        weight = np.square(bands[:, self._top], dtype=np.float64)
        total = weight.sum(axis=1, keepdims=True)
        weight = np.divide(weight, total, out=np.full_like(weight, 1 / weight.shape[1]), where=total > 0)
        # contiguous, so that the order of the sum does not depend on how many frames come at once
        top = np.ascontiguousarray(masks[:, :, self._top])
        shares: Array = (top * weight).sum(axis=2).astype(np.float32)
        return shares


def _find_top_bands(band_map: BandMap) -> slice:
    top = float(band_map.centres[-1])
    return slice(int(np.searchsorted(band_map.centres, TOP_BANDS_FROM * top)), band_map.n_observed)


class HighBandGain:
    """Gain of the bins above the top band, frame after frame."""

    def __init__(self, band_map: BandMap) -> None:
        f = np.arange(band_map.n_covered, band_map.n_freq) * (band_map.sr / band_map.n_fft)
        top = float(band_map.centres[-1])
        n = max(1, math.ceil(BANDS_PER_OCTAVE * math.log2(band_map.sr / 2 / top)))
        edges = top * (band_map.sr / 2 / top) ** (np.arange(1, n) / n)
        self._band = np.searchsorted(edges, f)
        self._band = np.unique(self._band, return_inverse=True)[1]
        self._counts = np.bincount(self._band)
        self._starts = np.cumsum(self._counts) - self._counts
        self._top = _find_top_bands(band_map)
        self.reset()

    def reset(self) -> None:
        """Forget the noise floor."""
        self._started = False
        self._smooth = self._floor = self._noise = np.zeros(len(self._counts))

    def process(self, high: Array, bands: Array, mask: Array) -> Array:
        """Return gains (n_frames, n_high_bins) in [0, 1] of the next frames' high bins.

        Takes magnitudes above the top band (n_frames, n_high_bins), and band magnitudes and speech mask of the same
        frames, (n_frames, n_observed) both.
        """
        power = np.add.reduceat(np.square(high, dtype=np.float64), self._starts, axis=1) / self._counts
        weight = np.square(bands[:, self._top], dtype=np.float64)
        total = weight.sum(axis=1)
        present = (weight * mask[:, self._top]).sum(axis=1)
        share = np.divide(present, total, out=np.ones_like(total), where=total > 0)
        presence = np.clip((share - ABSENT) / (PRESENT - ABSENT), 0, 1)[:, None]
        noise = OVERESTIMATE * self._follow(power, presence)
        ratio = np.divide(noise, power, out=np.zeros_like(power), where=power > 0)
        gains: Array = (presence * np.maximum(0, 1 - ratio**2)).astype(np.float32)
        spread: Array = gains[:, self._band]
        return spread

    def _follow(self, power: Doubles, presence: Doubles) -> Doubles:
        """Track noise and floor; return the larger of both (n_frames, n_high_bands)."""
        found = np.empty_like(power)
        learning, forgetting = NOISE_RATE * (1 - presence), FORGETTING_RATE * presence
        keeping = (1 - learning - forgetting).ravel().tolist()
        fresh, learned = (1 - SMOOTHING) * power, learning * power
        for t, (keep, forget) in enumerate(zip(keeping, forgetting.ravel().tolist(), strict=True)):
            if not self._started:
                self._started = bool(power[t].any())
                self._smooth = self._floor = power[t]
                self._noise = (1 - presence[t]) * power[t]
            self._smooth = SMOOTHING * self._smooth + fresh[t]
            self._floor = np.minimum(FLOOR_RISE * self._floor, self._smooth)
            self._noise = keep * self._noise + learned[t] + forget * self._floor
            np.maximum(self._noise, self._floor, out=found[t])
        return found
