"""Gains above the dictionary's top: what a dictionary of 16 kHz does to a recording of 48 kHz.

Speech above 8 kHz comes with speech just below it, so the top bands' mask says when there is speech; a noise floor
of its own says how much of a high band is noise. For each high band, with P its power in this frame::

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

from nmf_audio.bands import BandMap

__all__ = ["HighBandGain"]

Array = npt.NDArray[np.float32]

TOP_BANDS_FROM = 0.5
"""The mask is looked at from this part of the dictionary's top frequency upwards (3.9 kHz for 7.7 kHz)."""

ABSENT, PRESENT = 0.2, 0.7
SMOOTHING = 0.7
FLOOR_RISE = 1.006
NOISE_RATE, FORGETTING_RATE = 0.1, 0.03
OVERESTIMATE = 1.5
BANDS_PER_OCTAVE = 3


class HighBandGain:
    """Gain of the bins above the top band, frame after frame.

    Parameters
    ----------
    band_map : BandMap
        The map that ends below the signal's highest bin.
    """

    def __init__(self, band_map: BandMap) -> None:
        f = np.arange(band_map.n_covered, band_map.n_freq) * (band_map.sr / band_map.n_fft)
        top = float(band_map.centres[-1])
        n = max(1, math.ceil(BANDS_PER_OCTAVE * math.log2(band_map.sr / 2 / top)))
        edges = top * (band_map.sr / 2 / top) ** (np.arange(1, n) / n)
        self._band = np.searchsorted(edges, f)
        self._band = np.unique(self._band, return_inverse=True)[1]
        self._counts = np.bincount(self._band).astype(np.float64)
        self._top = slice(int(np.searchsorted(band_map.centres, TOP_BANDS_FROM * top)), band_map.n_observed)
        self.reset()

    def reset(self) -> None:
        """Forget the noise floor."""
        self._started = False
        self._smooth = self._floor = self._noise = np.zeros(len(self._counts))

    def process(self, high: Array, bands: Array, mask: Array) -> Array:
        """Return gains of the next frames' high bins.

        Parameters
        ----------
        high : ndarray (n_frames, n_high_bins), float32
            Magnitudes above the top band.
        bands : ndarray (n_frames, n_observed), float32
            Band magnitudes of the same frames.
        mask : ndarray (n_frames, n_observed), float32
            Speech mask of the same frames.

        Returns
        -------
        ndarray (n_frames, n_high_bins), float32
            Gains in [0, 1].
        """
        gains = np.empty((len(high), len(self._counts)), np.float32)
        for t in range(len(high)):
            power = np.bincount(self._band, np.square(high[t], dtype=np.float64)) / self._counts
            weight = np.square(bands[t, self._top], dtype=np.float64)
            total = weight.sum()
            share = float(weight @ mask[t, self._top] / total) if total > 0 else 1.0
            gains[t] = self._step(power, min(1.0, max(0.0, (share - ABSENT) / (PRESENT - ABSENT))))
        return gains[:, self._band]

    def _step(self, power: npt.NDArray[np.float64], presence: float) -> npt.NDArray[np.float64]:
        if not self._started:
            self._started = bool(power.any())
            self._smooth = self._floor = power
            self._noise = (1 - presence) * power
        self._smooth = SMOOTHING * self._smooth + (1 - SMOOTHING) * power
        self._floor = np.minimum(FLOOR_RISE * self._floor, self._smooth)
        learned = NOISE_RATE * (1 - presence) * (power - self._noise)
        forgotten = FORGETTING_RATE * presence * (self._floor - self._noise)
        self._noise = self._noise + learned + forgotten
        noise = OVERESTIMATE * np.maximum(self._noise, self._floor)
        ratio = np.divide(noise, power, out=np.zeros_like(power), where=power > 0)
        gain: npt.NDArray[np.float64] = presence * np.maximum(0, 1 - ratio**2)
        return gain
