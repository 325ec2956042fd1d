"""Online NMF: atoms learned batch by batch, with forgetting."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_real
from nmf_audio._types import AnyArray
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import (
    Free,
    any_positive,
    check_result,
    convert,
    exponent,
    free_atoms,
    prepare,
)
from nmf_audio.nmf.updates import compute_statistics, keep_above_floor, to_frame_major

__all__ = ["OnlineAtoms"]


class OnlineAtoms:
    """Atoms, all or some of them, that follow the data batch by batch.

    Two sums A and B, multiplied by `rho` at each batch, stand for all earlier batches
    (Lefevre, Bach & Fevotte, "Online algorithms for nonnegative matrix factorization with the Itakura-Saito
    divergence", 2011, and its form for other beta). With L = W @ H, num = (V * L**(beta-2)) @ H.T and den =
    L**(beta-1) @ H.T::

        beta < 1:       A = rho*A + W**(2-beta) * num   B = rho*B + den                W = (A/B)**(1/(2-beta))
        1 <= beta <= 2: A = rho*A + W**(2-beta) * num   B = rho*B + W**(1-beta) * den  W = A/B
        beta > 2:       A = rho*A + num                 B = rho*B + W**(1-beta) * den  W = (A/B)**(1/(beta-1))

    Each atom keeps the sum that it had at first; A and B are scaled along with it.

    Parameters
    ----------
    W : array_like (n_features, n_components), >= 0
        Atoms to start from.
    beta : float, optional
        Divergence, see `factorize`.
    rho : float in [0, 1], optional
        Weight of the past at each call of `update`: 1 forgets nothing, 0 everything.
    free : slice, indices or boolean mask, optional
        The atoms that are learned (default: all); the others stay bit for bit.
    prior : float, optional
        Weight of the start: that of batches in which the activations of each atom sum to `prior` (beta 1; for other
        beta the unit is that of `den`). 0: the first batch replaces it.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> online = OnlineAtoms(np.ones((2, 1)), rho=0.5)
    >>> for _ in range(20):
    ...     online.update([[3.0], [1.0]], [[2.0]])
    >>> online.W.round(3).ravel().tolist()
    [1.5, 0.5]
    """

    def __init__(
        self, W: ArrayLike, *, beta: float = 1.0, rho: float = 0.9, free: Free = None, prior: float = 0.0
    ) -> None:
        w = check_array("W", W, ("n_features", "n_components"))
        dtype: np.dtype[Any] = np.dtype(np.float32 if w.dtype == np.float32 else np.float64)
        self._atoms: AnyArray = np.array(w.T, dtype, order="C")
        self._beta = check_number("beta", beta)
        self._rho = check_number("rho", rho, 0.0, 1.0)
        self._free = free_atoms(free, len(self._atoms))
        start = self._atoms[self._free].astype(np.float64)
        power = 2.0 - self._beta if self._beta < 1 else self._beta - 1.0 if self._beta > 2 else 1.0
        self._sums = start.sum(axis=1, keepdims=True)
        self._B = np.full(start.shape, check_number("prior", prior, 0.0))
        self._A = start**power * self._B

    @property
    def W(self) -> AnyArray:
        """The current atoms: a copy, (n_features, n_components)."""
        atoms: AnyArray = self._atoms.T.copy()
        return atoms

    @property
    def rho(self) -> float:
        """Weight of the past at each update."""
        return self._rho

    @single_blas
    def update(self, V: ArrayLike, H: ArrayLike, *, weights: ArrayLike | None = None) -> None:
        """Learn from a batch of frames; silence is passed over, and nothing is forgotten meanwhile.

        Parameters
        ----------
        V : array_like (n_features, n_frames), >= 0
            Data.
        H : array_like (n_components, n_frames), >= 0
            Activations of all atoms for these frames.
        weights : array_like (n_features, n_frames), optional
            How much each entry counts; 0 for unknown.

        Raises
        ------
        ParameterError
            When shapes do not fit or entries are negative, NaN or infinite.
        """
        beta = self._beta
        v = convert("V", check_real("V", V), self._atoms.dtype)
        problem = prepare(v, beta, weights)
        _, h = to_frame_major(problem, self._atoms.T, H)
        if not len(self._free) or not any_positive(v, weights):
            return
        num, den = (
            part.astype(np.float64) * problem.scale**beta
            for part in compute_statistics(problem, self._atoms, h, self._free)
        )
        old = self._atoms[self._free]
        w = old.astype(np.float64)
        A = self._rho * self._A + (w ** (2.0 - beta) * num if beta <= 2 else num)
        B = self._rho * self._B + (_power(w, 1.0 - beta) * den if beta > 1 else den)
        new = np.divide(A, B, out=np.power(w, 1.0 / exponent(beta)), where=B > 0)
        if exponent(beta) != 1:
            new **= exponent(beta)
        sums = new.sum(axis=1, keepdims=True)
        s = np.where((sums > 0) & (self._sums > 0), sums / np.where(self._sums > 0, self._sums, 1.0), 1.0)
        new /= s
        A *= s if beta > 2 else s ** (beta - 1.0)
        B *= s**beta if beta > 1 else s
        atoms = keep_above_floor(old, new.astype(old.dtype))
        for name, result in (("W", atoms), ("the memory of earlier batches", np.stack([A, B]))):
            check_result(name, result)
        self._A, self._B, self._atoms[self._free] = A, B, atoms


def _power(w: AnyArray, exponent: float) -> Any:
    return np.power(w, exponent, out=np.zeros_like(w), where=w > 0)
