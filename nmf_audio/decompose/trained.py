"""Dictionaries trained to separate: unrolled recurrent decompositions of speech and noise, and of any sources."""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array
from nmf_audio.decompose.base import Estimate
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.normaliser import FLOOR, SILENCE
from nmf_audio.nmf.gated_memory import Priors
from nmf_audio.nmf.unrolled import UnrolledNMF
from nmf_audio.nmf.unrolled_sources import UnrolledSources

__all__ = ["SeparatorDecomposition", "TrainedDecomposition"]


class TrainedDecomposition:
    """The default method: causal, a fixed number of layers per frame, noise learned during processing.

    It takes a dictionary of kind ``trained`` and its first `n_observed` bands; the others are missing, not zero. With
    `keep_priors` estimates have the priors of a gated memory.
    """

    sources = ("speech", "noise")

    def __init__(self, dictionary: Dictionary, n_observed: int, *, keep_priors: bool = False) -> None:
        self._nmf = UnrolledNMF(
            dictionary.arrays, n_speech=dictionary.n_components("speech"), n_observed=n_observed
        )
        self._keep_priors = keep_priors and self._nmf.has_memory

    def reset(self) -> None:
        """Forget all frames so far."""
        self._nmf.reset()

    def process(self, V: Array) -> Estimate:
        """Take the next frames V (n_bands, n_frames)."""
        frames = np.ascontiguousarray(V.T)
        priors = None
        if self._keep_priors:
            n, n_observed = self._nmf.n_components, frames.shape[1]
            priors = Priors(*(np.empty((len(frames), k), np.float32) for k in (n, n, n_observed)))
        spectra, masks, H = self._nmf.process(frames, SILENCE + FLOOR, FLOOR, priors)
        with_frames_last = None if priors is None else Priors(*(x.T for x in priors))
        return Estimate(spectra.swapaxes(1, 2), masks.swapaxes(1, 2), H.T, with_frames_last)


class SeparatorDecomposition:
    """Any number of sources by a dictionary of kind ``separator``: causal, a fixed number of layers per frame."""

    def __init__(self, dictionary: Dictionary, n_observed: int) -> None:
        self.sources = dictionary.sources
        sizes = [dictionary.n_components(source) for source in self.sources]
        self._nmf = UnrolledSources(dictionary.arrays, sizes=sizes, n_observed=n_observed)

    def reset(self) -> None:
        """Forget all frames so far."""
        self._nmf.reset()

    def process(self, V: Array) -> Estimate:
        """Take the next frames V (n_bands, n_frames)."""
        spectra, masks, H = self._nmf.process(np.ascontiguousarray(V.T), FLOOR)
        return Estimate(spectra.swapaxes(1, 2), masks.swapaxes(1, 2), H.T)
