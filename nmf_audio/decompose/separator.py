"""Dictionaries trained to separate any sources: the decomposition of `nmf_audio.nmf.unrolled_sources`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nmf_audio.decompose.base import Estimate
from nmf_audio.dictionary import Dictionary
from nmf_audio.frontend import FLOOR
from nmf_audio.nmf.unrolled_sources import UnrolledSources

__all__ = ["SeparatorDecomposition"]

Array = npt.NDArray[np.float32]


class SeparatorDecomposition:
    """Any number of sources, causal, with a fixed number of layers a frame.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind ``separator``.
    n_observed : int
        Bands that the signal has: its first ones. The others are missing, not zero.
    """

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
