"""Online NMF: atoms learned batch by batch, with forgetting; the sums of a batch may be those of its parts."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_choice, check_number, check_real
from nmf_audio._types import AnyArray
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import (
    Free,
    any_positive,
    check_beta,
    check_result,
    convert,
    exponent,
    free_atoms,
    prepare,
)
from nmf_audio.nmf.updates import (
    NORMS,
    Norm,
    compute_statistics,
    keep_above_floor,
    scale_to_unit,
    to_frame_major,
)

__all__ = ["OnlineAtoms", "sum_for_atoms"]


class OnlineAtoms:
    """Atoms, all or some of them, that follow the data batch by batch.

    Two sums A and B, multiplied by `rho` at each batch, stand for all earlier batches
    (Lefevre, Bach & Fevotte, "Online algorithms for nonnegative matrix factorization with the Itakura-Saito
    divergence", 2011, and its form for other beta). With L = W @ H, num = (V * L**(beta-2)) @ H.T and den =
    L**(beta-1) @ H.T::

        beta < 1:       A = rho*A + W**(2-beta) * num   B = rho*B + den                W = (A/B)**(1/(2-beta))
        1 <= beta <= 2: A = rho*A + W**(2-beta) * num   B = rho*B + W**(1-beta) * den  W = A/B
        beta > 2:       A = rho*A + num                 B = rho*B + W**(1-beta) * den  W = (A/B)**(1/(beta-1))

    Each atom keeps the sum that it had at first; A and B are scaled along with it. With ``norm="l2"`` atoms have
    unit L2 norm within the objective, as in `update_W`, whose update is made with A and B in place of num and den.

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
    norm : None or "l2", optional
        "l2" for sparse activations, see `update_W`.

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
        self,
        W: ArrayLike,
        *,
        beta: float = 1.0,
        rho: float = 0.9,
        free: Free = None,
        prior: float = 0.0,
        norm: Norm = None,
    ) -> None:
        w = check_array("W", W, ("n_features", "n_components"))
        dtype: np.dtype[Any] = np.dtype(np.float32 if w.dtype == np.float32 else np.float64)
        self._atoms: AnyArray = np.array(w.T, dtype, order="C")
        self._beta = check_beta(beta)
        self._rho = check_number("rho", rho, 0.0, 1.0)
        self._free = free_atoms(free, len(self._atoms))
        self._norm = check_choice("norm", norm, NORMS)
        if norm == "l2":
            self._atoms[self._free] = scale_to_unit(self._atoms[self._free])
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
        """Weight of the past at each update; it may be set."""
        return self._rho

    @rho.setter
    def rho(self, rho: float) -> None:
        self._rho = check_number("rho", rho, 0.0, 1.0)

    @property
    def state(self) -> AnyArray:
        """Free atoms, A, B and the sum of each atom, (4, n_free, n_features); set it to continue from there."""
        sums = np.broadcast_to(self._sums, self._A.shape)
        state: AnyArray = np.stack([self._atoms[self._free].astype(np.float64), self._A, self._B, sums])
        return state

    @state.setter
    def state(self, state: AnyArray) -> None:
        atoms, self._A, self._B, sums = check_array("state", state, (4, *self._A.shape)).astype(np.float64)
        self._atoms[self._free], self._sums = atoms, sums[:, :1]

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
        sums = sum_for_atoms(V, self._atoms.T, H, beta=self._beta, free=self._free, weights=weights)
        if any_positive(V, weights):
            self.add(*sums)

    def add(self, num: AnyArray, den: AnyArray) -> None:
        """Learn from the sums of a batch with the current atoms; those of its parts are added up.

        Parameters
        ----------
        num, den : ndarray (n_features, n_free)
            What `sum_for_atoms` returned.

        Raises
        ------
        ParameterError
            When atoms or sums leave the range of numbers.
        """
        if not len(self._free):
            return
        beta = self._beta
        old = self._atoms[self._free]
        w = old.astype(np.float64)
        A = self._rho * self._A + (w ** (2.0 - beta) * num.T if beta <= 2 else num.T)
        B = self._rho * self._B + (_power(w, 1.0 - beta) * den.T if beta > 1 else den.T)
        if self._norm == "l2":
            new = scale_to_unit(_update_unit_atoms(w, A, B, beta))
        else:
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


@single_blas
def sum_for_atoms(
    V: ArrayLike,
    W: ArrayLike,
    H: ArrayLike,
    *,
    beta: float = 1.0,
    free: Free = None,
    weights: ArrayLike | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Sum up over frames what `OnlineAtoms` learns from: the sums of two parts of a batch add up to those of both.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    W : array_like (n_features, n_components), >= 0
        Atoms.
    H : array_like (n_components, n_frames), >= 0
        Activations of all atoms for these frames.
    beta, free, weights
        As in `OnlineAtoms`.

    Returns
    -------
    num, den : ndarray (n_features, n_free), float64
        ``(V * L**(beta-2)) @ H.T`` and ``L**(beta-1) @ H.T`` with L = W @ H, of the free atoms.

    Raises
    ------
    ParameterError
        When shapes do not fit or entries are negative, NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> num, den = sum_for_atoms([[3.0], [1.0]], np.ones((2, 1)), [[2.0]])
    >>> num.round(6).ravel().tolist(), den.round(6).ravel().tolist()
    ([3.0, 1.0], [2.0, 2.0])
    """
    w = check_array("W", W, ("n_features", "n_components"))
    v = convert("V", check_real("V", V), np.dtype(np.float32 if w.dtype == np.float32 else np.float64))
    problem = prepare(v, beta, weights)
    atoms, h = to_frame_major(problem, w, H)
    num, den = (
        np.ascontiguousarray(part.T, np.float64) * problem.scale**beta
        for part in compute_statistics(problem, atoms, h, free_atoms(free, len(atoms)))
    )
    return num, den


def _update_unit_atoms(w: AnyArray, A: AnyArray, B: AnyArray, beta: float) -> AnyArray:
    """Return atoms of unit norm after one update with sums A and B over batches, not yet scaled."""
    num = A if beta > 2 else A * _power(w, beta - 2.0)
    den = B * w ** (beta - 1.0) if beta > 1 else B
    den, num = (
        den + w * (w * num).sum(axis=1, keepdims=True),
        num + w * (w * den).sum(axis=1, keepdims=True),
    )
    ratio = np.divide(num, den, out=np.ones_like(w), where=den > 0)
    new: AnyArray = w * ratio ** exponent(beta)
    return new


def _power(w: AnyArray, exponent: float) -> Any:
    return np.power(w, exponent, out=np.zeros_like(w), where=w > 0)
