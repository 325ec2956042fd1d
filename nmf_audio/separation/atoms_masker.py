"""Masks by the known atoms of each source."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from nmf_audio._types import Array
from nmf_audio.dsp.gains import ratio_mask
from nmf_audio.nmf import Penalty, activations, factorize_penalised
from nmf_audio.separation.segment_masking import join_channels

__all__ = ["AtomsMasker"]


N_ITER = 24
"""Updates of the activations when the atoms are known; with momentum equivalent to 100 without."""

N_ITER_PENALISED = 60


class AtomsMasker:
    """Masks magnitudes by the atoms of each source: a `nmf_audio.separation.segment_masking.Masker`.

    It can be pickled, and so sent to another process. Atoms (n_rows, n_components) describe magnitudes to
    `power`, `mask_power` is the exponent of the masks on magnitudes, `penalty` acts on activations. With
    `places` each channel gets masks of its own, and rows are those of all channels, one channel after the
    other.

    Examples
    --------
    >>> atoms = [np.array([[1.0], [0.0]], np.float32), np.array([[0.0], [1.0]], np.float32)]
    >>> masks = AtomsMasker(atoms, beta=1, power=1, mask_power=2)(np.ones((1, 2, 3), np.float32))
    >>> masks.shape, masks[0, 0].round(3).tolist()
    ((2, 1, 2, 3), [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    """

    def __init__(
        self,
        atoms: Sequence[Array],
        *,
        beta: float,
        power: float,
        mask_power: float,
        penalty: Penalty | None = None,
        places: bool = False,
    ) -> None:
        W = np.concatenate(list(atoms), axis=1)
        if penalty is not None:
            W = W / np.maximum(W.sum(axis=0), np.float32(1e-30))
        self._W = W
        self._ends = np.cumsum([0] + [a.shape[1] for a in atoms])
        self._beta, self._power, self._mask_power = beta, power, mask_power
        self._penalty, self._places = penalty, places

    def __call__(self, S: Array) -> Array:
        """Return masks of magnitudes (n_channels, n_freq, n_frames), in the form of `Masker`."""
        W = self._W
        view = S if self._places else join_channels(S)
        V = view.reshape(-1, S.shape[2]) ** np.float32(self._power)
        if self._penalty is None:
            H = activations(V, W, beta=self._beta, n_iter=N_ITER)
        else:
            found = factorize_penalised(
                V, W=W, beta=self._beta, free=(), penalty=self._penalty, max_iter=N_ITER_PENALISED, tol=0
            )
            H = found.H
        models = np.stack([W[:, a:b] @ H[a:b] for a, b in itertools.pairwise(self._ends)])
        masks: Array = ratio_mask(models, self._mask_power / self._power).reshape(len(models), *view.shape)
        return masks
