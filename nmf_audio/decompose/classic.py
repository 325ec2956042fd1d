"""The textbook recipe: fixed dictionaries, sparse activations, a Wiener mask.

Schmidt, Larsen & Hsiao (2007) and many after: dictionaries of speech and of noise are learned offline; a noisy frame
is decomposed by multiplicative updates with both held fixed, ``v ~= [W_s | W_n] @ h``; the two partial products
``W_s @ h_s`` and ``W_n @ h_n`` give the mask. Every frame is decomposed on its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nmf_audio.decompose.base import Estimate
from nmf_audio.dictionary import Dictionary
from nmf_audio.gains import ratio_mask
from nmf_audio.nmf import FrameSolver

__all__ = ["ClassicDecomposition"]

Array = npt.NDArray[np.float32]

N_ITER = 25
L1_H = 0.1
"""Relative to the level 1 of the normalised bands; atoms have unit L2 norm, so that it acts on the mask."""

MASK_EXPONENT = 2.0


class ClassicDecomposition:
    """Fixed dictionaries, frame by frame.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind ``plain``.
    n_observed : int
        Bands that the signal has: its first ones. The others are missing, not zero.
    """

    def __init__(self, dictionary: Dictionary, n_observed: int) -> None:
        self.sources = dictionary.sources
        blocks = [dictionary.columns(s)[:n_observed] for s in self.sources]
        W = np.concatenate(blocks, axis=1)
        W = W / np.maximum(np.linalg.norm(W, axis=0), 1e-6)
        self._power = np.float32(dictionary.power)
        self._exponent = MASK_EXPONENT / dictionary.power
        self._solver = FrameSolver(W, beta=dictionary.beta, n_iter=N_ITER, l1_H=L1_H)
        self._n_components = W.shape[1]
        ends = np.cumsum([block.shape[1] for block in blocks])
        self._blocks = [
            (np.ascontiguousarray(W[:, end - block.shape[1] : end]), slice(end - block.shape[1], end))
            for end, block in zip(ends, blocks, strict=True)
        ]

    def reset(self) -> None:
        """Do nothing: a frame does not depend on others."""

    def process(self, V: Array) -> Estimate:
        """Take the next frames V (n_bands, n_frames)."""
        spectra = np.empty((len(self.sources), *V.shape), np.float32)
        H = np.ones((V.shape[1], self._n_components), np.float32)
        for t, h in enumerate(H):
            self._solver(np.ascontiguousarray(V[:, t] ** self._power), h)
            for i, (W, columns) in enumerate(self._blocks):
                spectra[i, :, t] = W @ h[columns]
        return Estimate(spectra, ratio_mask(spectra, self._exponent), H.T)
