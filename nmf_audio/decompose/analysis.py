"""Analysis: from spectra to estimates of the sources, with state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nmf_audio._types import Array, ComplexArray
from nmf_audio.decompose.base import Decomposition, Estimate
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.errors import DictionaryError

__all__ = ["AnalysedFrames", "Analysis"]


class AnalysedFrames(NamedTuple):
    """The steps of `Analysis` on some frames.

    Magnitudes with all channels joined by power, (n_frames, n_freq); band magnitudes and normalised bands,
    (n_frames, n_observed); the estimate of the sources.
    """

    joint: Array
    bands: Array
    normalised: Array
    estimate: Estimate


class Analysis:
    """The path from spectra to estimates of the sources, with state.

    `spectrum` (n_bands,) is the long-term spectrum by which bands are divided; the decomposition takes the first
    ``band_map.n_observed`` of them.
    """

    def __init__(self, decomposition: Decomposition, spectrum: Array, band_map: BandMap) -> None:
        self._decomposition, self._bands = decomposition, band_map
        self._normaliser = Normaliser(spectrum[: band_map.n_observed], band_map.spec.whitening)
        # the first block of a stream must not wait: compile and load everything now
        silence = np.zeros((1, band_map.n_observed), np.float32)
        self._estimate(self._normaliser.process(silence))
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far."""
        self._decomposition.reset()
        self._normaliser.reset()

    def reset_normaliser(self) -> None:
        """Forget level and tilt, but not what the decomposition has learned."""
        self._normaliser.reset()

    def process(self, X: ComplexArray) -> AnalysedFrames:
        """Take the next frames X (n_channels, n_frames, n_freq); DictionaryError if arithmetic overflows."""
        magnitudes: Array = np.abs(X)
        # joined by power, so that channels of opposite phase do not cancel
        joint: Array = magnitudes[0] if len(X) == 1 else np.sqrt(np.square(magnitudes).mean(axis=0))
        bands = self._bands.pool(joint)
        normalised = self._normaliser.process(bands)
        return AnalysedFrames(joint, bands, normalised, self._estimate(normalised))

    def _estimate(self, normalised: Array) -> Estimate:
        # extreme values in a dictionary lead to one error below, rather than to warnings
        with np.errstate(all="ignore"):
            estimate = self._decomposition.process(normalised.T)
        if not np.isfinite(estimate.masks).all():
            raise DictionaryError(
                "the dictionary holds values so extreme that masks are not finite; use another one"
            )
        return estimate
