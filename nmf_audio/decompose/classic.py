"""The textbook recipe for denoising: fixed atoms of speech and of noise.

Schmidt, Larsen & Hsiao (2007) and many after; `nmf_audio.decompose.sources` has the equations.
"""

from __future__ import annotations

from nmf_audio.decompose.sources import SourcesDecomposition
from nmf_audio.defaults import DEFAULT_MASK_POWER
from nmf_audio.dictionary import Dictionary

__all__ = ["ClassicDecomposition"]

L1_H = 0.1


class ClassicDecomposition(SourcesDecomposition):
    """Fixed atoms of one dictionary, frame by frame.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind ``plain``.
    n_observed : int
        Bands that the signal has: its first ones. The others are missing, not zero.
    """

    def __init__(self, dictionary: Dictionary, n_observed: int) -> None:
        super().__init__(
            {source: dictionary.columns(source) for source in dictionary.sources},
            n_observed,
            beta=dictionary.beta,
            power=dictionary.power,
            mask_power=DEFAULT_MASK_POWER,
            l1_H=L1_H,
        )
