"""Decomposition by fixed atoms of named sources: sparse activations, a Wiener mask.

Smaragdis, Raj & Shashanka (2007), Schmidt & Olsson (2006) and many after: dictionaries are learned offline, one for
each source; a frame of the mixture is decomposed by multiplicative updates with all of them held fixed,
``v ~= [W_1 | W_2 | ...] @ h``; the partial products ``S_i = W_i @ h_i`` give the masks ``S_i**p / sum_j S_j**p``.
Every frame is decomposed on its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nmf_audio._types import Array
from nmf_audio.decompose.base import Estimate
from nmf_audio.defaults import DEFAULT_MASK_POWER
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.gains import ratio_mask
from nmf_audio.nmf import FrameSolver

__all__ = ["L1_H", "N_ITER", "ClassicDecomposition", "SourcesDecomposition", "normalise_atoms"]


N_ITER = 25
L1_H = 0.5
"""Relative to the level 1 of the normalised bands; atoms have unit L2 norm, so that it acts on the mask."""

CLASSIC_L1_H = 0.1


def normalise_atoms(W: Array, n_observed: int) -> Array:
    """Return the first bands of atoms W (n_bands, n_components), their columns at L2 norm 1."""
    observed = W[:n_observed]
    unit: Array = observed / np.maximum(np.linalg.norm(observed, axis=0), np.float32(1e-6))
    return unit


class SourcesDecomposition:
    """Fixed atoms of any number of sources, frame by frame.

    `atoms` are matrices (n_bands, n_components) in the order of the estimates, of which the first `n_observed` bands
    count: the others are missing, not zero. They describe magnitudes to `power`; `mask_power` is the exponent of the
    mask on magnitudes (2: Wiener filter), `l1_H` the penalty on activations.
    """

    def __init__(
        self,
        atoms: Mapping[str, Array],
        n_observed: int,
        *,
        beta: float,
        power: float,
        mask_power: float,
        l1_H: float = L1_H,
    ) -> None:
        self.sources = tuple(atoms)
        blocks = [normalise_atoms(W, n_observed) for W in atoms.values()]
        self._power = np.float32(power)
        self._exponent = mask_power / power
        self._solver = FrameSolver(np.concatenate(blocks, axis=1), beta=beta, n_iter=N_ITER, l1_H=l1_H)
        ends = np.cumsum([block.shape[1] for block in blocks])
        self._n_components = int(ends[-1])
        self._blocks = [
            (np.ascontiguousarray(block), slice(end - block.shape[1], end))
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


class ClassicDecomposition(SourcesDecomposition):
    """Fixed atoms of speech and of noise, from one ``plain`` dictionary: the textbook recipe for denoising.

    Schmidt, Larsen & Hsiao (2007) and many after.
    """

    def __init__(self, dictionary: Dictionary, n_observed: int) -> None:
        super().__init__(
            {source: dictionary.columns(source) for source in dictionary.sources},
            n_observed,
            beta=dictionary.beta,
            power=dictionary.power,
            mask_power=DEFAULT_MASK_POWER,
            l1_H=CLASSIC_L1_H,
        )
