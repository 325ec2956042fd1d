"""Non-negative matrix factorization as an object with scikit-learn's methods."""

import inspect
import warnings
from typing import Any, Self

from numpy.typing import ArrayLike

from nmf_audio._checks import (
    check_choice,
    check_number,
    check_real,
    check_shape,
    check_whole,
    invalid,
    out_of_order,
)
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.errors import ConvergenceWarning
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Free, any_positive, prepare
from nmf_audio.nmf.factorization import Factorization, factorize
from nmf_audio.nmf.init import INITS
from nmf_audio.nmf.online import OnlineAtoms
from nmf_audio.nmf.updates import Norm, activations

__all__ = ["NMF"]


class NMF:
    """V ~= W @ H with the beta divergence: atoms W, activations H, all non-negative.

    **Orientation: V is (n_features, n_frames), one frame per COLUMN, as audio has it. scikit-learn's NMF
    takes the transpose**, calls our H.T "W" and our W.T "components_".

    Parameters
    ----------
    n_components : int
        Number of atoms.
    beta, solver, init, l1_H, l1_W, l2_H, l2_W, norm, max_iter, tol, momentum, coarse, n_jobs, rng
        As in `factorize`.
    rho : float in [0, 1], optional
        `partial_fit`: weight of the past at each batch.
    batch_iter : int, optional
        `partial_fit`: updates of the activations of each batch before its atoms are updated.

    Attributes
    ----------
    W_ : ndarray (n_features, n_components)
        Atoms, one per column.
    n_features_in_ : int
        Rows of the data that it was learned from.
    n_iter_ : int
        Iterations of the last `fit`, or batches seen by `partial_fit`.
    reconstruction_err_ : float
        Beta divergence plus penalties at the end of `fit`, or of the last batch. (scikit-learn's attribute of
        this name is the square root of twice the divergence.)

    Arguments are kept as they are given, and checked when something is learned or transformed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.random.default_rng(0).random((6, 20))
    >>> model = NMF(3, rng=0)
    >>> H = model.fit_transform(V)
    >>> model.W_.shape, H.shape
    ((6, 3), (3, 20))
    """

    W_: AnyArray
    n_iter_: int
    reconstruction_err_: float

    def __init__(
        self,
        n_components: int,
        *,
        beta: float = 1.0,
        solver: str | None = None,
        init: str = "random",
        l1_H: ArrayLike = 0.0,
        l1_W: ArrayLike = 0.0,
        l2_H: ArrayLike = 0.0,
        l2_W: ArrayLike = 0.0,
        norm: Norm = None,
        max_iter: int = 200,
        tol: float = 1e-4,
        momentum: float = 0.9,
        coarse: int | None = None,
        n_jobs: int = 1,
        rho: float = 0.9,
        batch_iter: int = 20,
        rng: RandomSource = None,
    ) -> None:
        self.n_components = n_components
        self.beta = beta
        self.solver = solver
        self.init = init
        self.l1_H = l1_H
        self.l1_W = l1_W
        self.l2_H = l2_H
        self.l2_W = l2_W
        self.norm: Norm = norm
        self.max_iter = max_iter
        self.tol = tol
        self.momentum = momentum
        self.coarse = coarse
        self.n_jobs = n_jobs
        self.rho = rho
        self.batch_iter = batch_iter
        self.rng = rng
        self._online: OnlineAtoms | None = None

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"NMF({arguments})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments by name; `sklearn.base.clone` makes another one with them. `deep` counts for nothing.

        Returns
        -------
        dict

        Examples
        --------
        >>> NMF(3, beta=2).get_params()["beta"]
        2
        """
        return {name: getattr(self, name) for name in inspect.signature(NMF).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments.

        Returns
        -------
        NMF
            Itself.

        Raises
        ------
        ParameterError
            When there is no such argument.

        Examples
        --------
        >>> NMF(3).set_params(n_components=5).n_components
        5
        """
        for name, value in params.items():
            setattr(self, check_choice("params", name, self.get_params()), value)
        return self

    def fit(
        self,
        V: ArrayLike,
        *,
        W: ArrayLike | None = None,
        H: ArrayLike | None = None,
        free: Free = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Learn the atoms; see `factorize` for the arguments.

        Returns
        -------
        NMF
            Itself.

        Raises
        ------
        ParameterError
            When an argument is not allowed.

        Warns
        -----
        ConvergenceWarning
            When `max_iter` was reached before `tol`, unless that is 0.
        """
        self._learn(V, W, H, free, weights)
        return self

    def fit_transform(
        self,
        V: ArrayLike,
        *,
        W: ArrayLike | None = None,
        H: ArrayLike | None = None,
        free: Free = None,
        weights: ArrayLike | None = None,
    ) -> AnyArray:
        """Learn the atoms and return the activations.

        Parameters
        ----------
        V : array_like (n_features, n_frames), >= 0
            Data, one frame per column.
        W, H, free, weights
            Start, atoms to be learned, weights of the entries: as in `factorize`.

        Returns
        -------
        ndarray (n_components, n_frames)
            Activations.

        Raises
        ------
        ParameterError
            When an argument is not allowed.

        Warns
        -----
        ConvergenceWarning
            As in `fit`.
        """
        return self._learn(V, W, H, free, weights)

    def _learn(
        self,
        V: ArrayLike,
        W: ArrayLike | None,
        H: ArrayLike | None,
        free: Free,
        weights: ArrayLike | None,
    ) -> AnyArray:
        """Learn the atoms for a public method, at whose caller warnings point; return the activations."""
        self._check()
        result = factorize(
            V, self.n_components, self.beta, solver=self.solver, init=self.init, W=W, H=H, free=free,
            l1_H=self.l1_H, l1_W=self.l1_W, l2_H=self.l2_H, l2_W=self.l2_W, norm=self.norm, weights=weights,
            max_iter=self.max_iter, tol=self.tol, momentum=self.momentum, coarse=self.coarse, n_jobs=self.n_jobs,
            rng=self.rng,
        )  # fmt: skip
        self.W_, self.n_iter_, self.reconstruction_err_ = result.W, result.n_iter, result.cost
        self._online = None
        self._warn_unless_converged(result, 4)
        return result.H

    def transform(
        self, V: ArrayLike, *, H: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> AnyArray:
        """Activations of the learned atoms for other data, until `tol` or `max_iter`.

        Parameters
        ----------
        V : array_like (n_features, n_frames), >= 0
            Data.
        H : array_like (n_components, n_frames), optional
            Start; default: all atoms of a frame equal.
        weights : array_like (n_features, n_frames), optional
            As in `factorize`.

        Returns
        -------
        ndarray (n_components, n_frames)

        Raises
        ------
        ParameterError
            Before `fit`, or when an argument is not allowed.

        Warns
        -----
        ConvergenceWarning
            As in `fit`.
        """
        result = factorize(
            self._check_features(V), self.n_components, self.beta, solver=self.solver, W=self.W_, H=H, free=(),
            l1_H=self.l1_H, l2_H=self.l2_H, weights=weights, max_iter=self.max_iter, tol=self.tol,
            momentum=self.momentum, n_jobs=self.n_jobs,
        )  # fmt: skip
        self._warn_unless_converged(result)
        return result.H

    @single_blas
    def inverse_transform(self, H: ArrayLike) -> AnyArray:
        """The model ``W_ @ H``, (n_features, n_frames).

        Parameters
        ----------
        H : array_like (n_components, n_frames)
            Activations.

        Returns
        -------
        ndarray (n_features, n_frames)

        Raises
        ------
        ParameterError
            Before `fit`, or when the shape does not fit.
        """
        W, h = self._fitted(), check_real("H", H)
        check_shape("H", h, (W.shape[1], "n_frames"))
        model: AnyArray = W @ h
        return model

    def partial_fit(self, V: ArrayLike, *, weights: ArrayLike | None = None) -> Self:
        """Learn from one more batch of frames, as `OnlineAtoms` does.

        Atoms start from the first batch that is not silent, or from those of `fit`. `norm` and `l1_W` have no exact
        online form: atoms keep the sums that they start with.

        Parameters
        ----------
        V : array_like (n_features, n_frames), >= 0
            Batch.
        weights : array_like (n_features, n_frames), optional
            As in `factorize`.

        Returns
        -------
        NMF
            Itself.

        Raises
        ------
        ParameterError
            When an argument is not allowed.
        """
        self._check()
        if self._online is None:
            if not hasattr(self, "W_"):
                prepare(V, self.beta, weights)
                if not any_positive(V, weights):
                    return self
                self.W_ = factorize(
                    V, self.n_components, self.beta, init=self.init, l1_H=self.l1_H, weights=weights,
                    max_iter=1, tol=0.0, coarse=1, rng=self.rng,
                ).W  # fmt: skip
            self._online = OnlineAtoms(self.W_, beta=self.beta, rho=self.rho)
            self.n_iter_ = 0
        V = self._check_features(V)
        H = activations(
            V,
            self.W_,
            n_iter=self.batch_iter,
            beta=self.beta,
            l1_H=self.l1_H,
            weights=weights,
            n_jobs=self.n_jobs,
        )
        self._online.update(V, H, weights=weights)
        self.W_ = self._online.W
        self.n_iter_ += 1
        return self

    def _check(self) -> None:
        """Check what `factorize` does not."""
        check_choice("init", self.init, INITS, advice="or give W and H")
        check_number("rho", self.rho, 0.0, 1.0)
        check_whole("batch_iter", self.batch_iter, 1)

    def _warn_unless_converged(self, result: Factorization, stacklevel: int = 3) -> None:
        if self.tol > 0 and result.n_iter >= self.max_iter:
            warnings.warn(
                f"the cost still fell by more than tol={self.tol:g} of its first value when max_iter={self.max_iter} "
                "was reached; raise either of them",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )

    @property
    def n_features_in_(self) -> int:
        """Rows of the data that the atoms were learned from; scikit-learn's name."""
        return len(self._fitted())

    def _fitted(self) -> AnyArray:
        if not hasattr(self, "W_"):
            raise out_of_order("this NMF has no atoms yet", "call fit or partial_fit first")
        return self.W_

    def _check_features(self, V: ArrayLike) -> AnyArray:
        v, n = check_real("V", V), len(self._fitted())
        if v.ndim == 2 and len(v) != n:
            given = f"V has {len(v)} features, the atoms have {n}"
            raise invalid("V", v.shape, f"of shape ({n}, n_frames)", given=given)
        return v
