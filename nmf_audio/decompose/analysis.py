"""Spectra in, estimates of the sources out, with state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio.decompose.base import Decomposition, Estimate
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.normaliser import Normaliser

__all__ = ["Analysis", "Found"]

Array = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]


class Found(NamedTuple):
    """What was found in some frames.

    Attributes
    ----------
    joint : ndarray (n_frames, n_freq), float32
        Magnitudes, all channels joined by power.
    bands, normalised : ndarray (n_frames, n_observed), float32
        Band magnitudes, and what the decomposition took.
    estimate : Estimate
        What it made of them.
    """

    joint: Array
    bands: Array
    normalised: Array
    estimate: Estimate


class Analysis:
    """Spectra in, estimates of the sources out, with state.

    Parameters
    ----------
    decomposition : Decomposition
        Takes the first ``band_map.n_observed`` bands.
    spectrum : ndarray (n_bands,), float32
        Long-term spectrum that bands are divided by.
    band_map : BandMap
        Front end at the signal's rate.
    """

    def __init__(self, decomposition: Decomposition, spectrum: Array, band_map: BandMap) -> None:
        self._decomposition, self._bands = decomposition, band_map
        self._normaliser = Normaliser(spectrum[: band_map.n_observed], band_map.spec.whitening)
        # a stream runs from its first block at full speed: whatever has to be compiled or loaded is so now
        silence = np.zeros((1, band_map.n_observed), np.float32)
        decomposition.process(self._normaliser.process(silence).T)
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far."""
        self._decomposition.reset()
        self._normaliser.reset()

    def reset_normaliser(self) -> None:
        """Forget level and tilt, but not what the decomposition has learned."""
        self._normaliser.reset()

    def process(self, X: ComplexArray) -> Found:
        """Take the next frames X (n_channels, n_frames, n_freq)."""
        magnitudes: Array = np.abs(X)
        # joined by power, so that channels of opposite phase do not cancel
        joint: Array = magnitudes[0] if len(X) == 1 else np.sqrt(np.square(magnitudes).mean(axis=0))
        bands = self._bands.pool(joint)
        normalised = self._normaliser.process(bands)
        return Found(joint, bands, normalised, self._decomposition.process(normalised.T))
