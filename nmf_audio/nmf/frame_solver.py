"""Activations of single frames under a fixed dictionary, for streams."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_whole
from nmf_audio._types import AnyArray
from nmf_audio.nmf import kernels
from nmf_audio.nmf.checks import check_beta, check_result, convert, exponent, per_atom

__all__ = ["FrameSolver"]


class FrameSolver:
    """A fixed number of updates of the activations, frame by frame, without allocation.

    ::

        L = W @ h + eps
        h *= ((W.T @ (m * v * L**(beta-2))) / (W.T @ (m * L**(beta-1)) + l1_H)) ** gamma      n_iter times

    The result for a frame does not depend on the frames beside it, to the last bit, and so not on where a
    stream is cut. Unlike in the functions for whole matrices, `eps` and `floor` are absolute: they fit data with a
    mean near 1.

    Parameters
    ----------
    W : array_like (n_features, n_components), >= 0
        Atoms. float64 is kept, all else becomes float32.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, or any other. For beta <= 0 the data must not hold
        zeros.
    n_iter : int, optional
        Updates per frame.
    l1_H : float or array_like (n_components,), optional
        Penalty on the activations.
    weights : array_like (n_features,), optional
        How much each feature counts (m above); 0 for those that are unknown in all frames.
    eps : float, optional
        Added to the model, > 0.
    floor : float, optional
        No activation falls below this; > 0. Activations that start lower, such as zeros, are not raised.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> solver = FrameSolver(W, n_iter=100)
    >>> h = np.ones(2)
    >>> solver(W @ [0.5, 2.0], h)
    >>> h.round(4).tolist()
    [0.5, 2.0]
    """

    def __init__(
        self,
        W: ArrayLike,
        *,
        beta: float = 1.0,
        n_iter: int = 15,
        l1_H: ArrayLike = 0.0,
        weights: ArrayLike | None = None,
        eps: float = 1e-6,
        floor: float = 1e-9,
    ) -> None:
        w = check_array("W", W, ("n_features", "n_components"))
        dtype: np.dtype[Any] = np.dtype(np.float64 if w.dtype == np.float64 else np.float32)
        self._atoms: AnyArray = np.array(w.T, dtype, order="C")
        n_components, n_features = self._atoms.shape
        self._beta, self._n_iter = check_beta(beta), check_whole("n_iter", n_iter, 0)
        tiny = float(np.finfo(dtype).tiny)
        self._gamma, self._eps, self._floor = (
            dtype.type(x)
            for x in (
                exponent(self._beta),
                check_number("eps", eps, tiny),
                check_number("floor", floor, tiny),
            )
        )
        self._l1 = per_atom(l1_H, n_components, "l1_H").astype(dtype)
        m = np.ones(n_features) if weights is None else check_array("weights", weights, (n_features,))
        self._weights = m.astype(dtype)
        self._base = self._l1.copy()
        self._work = tuple(
            np.zeros((1, n), dtype) for n in (n_features, n_features, n_components, n_components)
        )
        self._refresh(slice(None))

    @property
    def W(self) -> AnyArray:
        """The atoms: a copy, (n_features, n_components)."""
        atoms: AnyArray = self._atoms.T.copy()
        return atoms

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that frames and activations must have."""
        dtype: np.dtype[Any] = self._atoms.dtype
        return dtype

    def set_atoms(self, first: int, W: AnyArray) -> None:
        """Replace the atoms from column `first` on by those of W (n_features, n), without checks."""
        chosen = slice(first, first + W.shape[1])
        self._atoms[chosen] = W.T
        self._refresh(chosen)

    def _refresh(self, chosen: slice) -> None:
        if self._beta == 1:
            self._base[chosen] = self._l1[chosen] + self._atoms[chosen] @ self._weights

    def __call__(self, v: AnyArray, h: AnyArray) -> None:
        """Update `h` (n_components,) in place for the frame `v` (n_features,).

        Both must be contiguous, of the solver's dtype, non-negative and finite, which is not checked.
        """
        self._run(v[None], h[None])

    def solve(self, V: ArrayLike, H: ArrayLike | None = None) -> AnyArray:
        """Activations of several frames, each exactly as a call for it alone gives it.

        Parameters
        ----------
        V : array_like (n_features, n_frames), >= 0
            Data; there may be no frames.
        H : array_like (n_components, n_frames), optional
            Start; default all ones.

        Returns
        -------
        ndarray (n_components, n_frames)

        Raises
        ------
        ParameterError
            When shapes do not fit or entries are negative, NaN or infinite.
        """
        n_components, n_features = self._atoms.shape
        if np.shape(V) == (n_features, 0):
            return np.empty((n_components, 0), self.dtype)
        v = convert("V", check_array("V", V, (n_features, "n_frames")), self.dtype)
        if H is None:
            h = np.ones((v.shape[1], n_components), self.dtype)
        else:
            given = convert("H", check_array("H", H, (n_components, v.shape[1])), self.dtype)
            h = np.array(given.T, order="C")
        self._run(np.ascontiguousarray(v.T), h)
        check_result("H", h)
        return np.ascontiguousarray(h.T)

    def _run(self, V: AnyArray, H: AnyArray) -> None:
        L, Q, num, den = self._work
        kernels.infer_frames(
            V, self._weights, self._atoms, H, self._base, self._beta, self._gamma, self._eps, self._floor,
            self._n_iter, L, Q, num, den,
        )  # fmt: skip
