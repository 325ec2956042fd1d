"""NMF as an estimator of scikit-learn, which must be installed: samples are ROWS here."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from nmf_audio._types import AnyArray
from nmf_audio.nmf.divergences import beta_divergence
from nmf_audio.nmf.factorization import factorize
from nmf_audio.nmf.least_squares import nnls
from nmf_audio.nmf.updates import Norm, activations

__all__ = ["NMFEstimator"]


class NMFEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """X ~= T @ components_, all non-negative, in scikit-learn's orientation: one sample is one row of X.

    For pipelines, searches over parameters, and ``librosa.decompose.decompose(transformer=)``. What a row is
    transformed to depends on no other row: for beta 2 the exact minimum, for others `max_iter` updates.

    Parameters
    ----------
    n_components : int, optional
        Number of components; default: that of the features.
    beta, solver, init, l1_H, l1_W, l2_H, l2_W, norm, max_iter, tol
        As in `factorize`: W are the components, H what X is transformed to.
    random_state : int, RandomState or None, optional
        For the start.

    Attributes
    ----------
    components_ : ndarray (n_components, n_features)
        One in each row.
    n_iter_ : int
        Iterations of `fit`.
    reconstruction_err_ : float
        Beta divergence plus penalties at the end of `fit`.
    n_features_in_, feature_names_in_
        As of all estimators.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).random((20, 6))
    >>> NMFEstimator(3, random_state=0).fit_transform(X).shape
    (20, 3)
    """

    components_: AnyArray
    n_iter_: int
    reconstruction_err_: float

    def __init__(
        self,
        n_components: int | None = None,
        *,
        beta: float = 2.0,
        solver: str | None = None,
        init: str = "random",
        l1_H: ArrayLike = 0.0,
        l1_W: ArrayLike = 0.0,
        l2_H: ArrayLike = 0.0,
        l2_W: ArrayLike = 0.0,
        norm: Norm = None,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.beta = beta
        self.solver = solver
        self.init = init
        self.l1_H = l1_H
        self.l1_W = l1_W
        self.l2_H = l2_H
        self.l2_W = l2_W
        self.norm = norm
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the components.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix (n_samples, n_features), >= 0
            Data.
        y : ignored
            For pipelines.

        Returns
        -------
        NMFEstimator
            Itself.

        Raises
        ------
        ValueError
            When an argument is not allowed.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            When `max_iter` was reached before `tol`, unless that is 0.
        """
        x = self._validate(X, reset=True)
        n = x.shape[1] if self.n_components is None else self.n_components
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        result = factorize(
            x.T, n, self.beta, solver=self.solver, init=self.init, l1_H=self.l1_H, l1_W=self.l1_W, l2_H=self.l2_H,
            l2_W=self.l2_W, norm=self.norm, max_iter=self.max_iter, tol=self.tol, rng=seed,
        )  # fmt: skip
        self.components_ = np.ascontiguousarray(result.W.T)
        self.n_iter_, self.reconstruction_err_ = result.n_iter, result.cost
        if self.tol > 0 and result.n_iter >= self.max_iter:
            given = f"max_iter={self.max_iter} was reached before tol={self.tol:g}"
            warnings.warn(f"{given}; raise either of them", ConvergenceWarning, stacklevel=2)
        return self

    def transform(self, X: Any) -> AnyArray:
        """Return the shares of the components in each row.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix (n_samples, n_features), >= 0
            Data.

        Returns
        -------
        ndarray (n_samples, n_components)

        Raises
        ------
        ValueError
            When the data are not allowed, and before `fit`.
        """
        check_is_fitted(self)
        x, W = self._validate(X, reset=False), self.components_.T
        if self.beta == 2:
            H = nnls(x.T, W, l1_H=self.l1_H, l2_H=self.l2_H)
        else:
            H = activations(x.T, W, beta=self.beta, l1_H=self.l1_H, n_iter=self.max_iter)
        return np.ascontiguousarray(H.T)

    def inverse_transform(self, X: ArrayLike) -> AnyArray:
        """Return the model of what was transformed.

        Parameters
        ----------
        X : array_like (n_samples, n_components)
            What `transform` returned.

        Returns
        -------
        ndarray (n_samples, n_features)
        """
        check_is_fitted(self)
        model: AnyArray = np.asarray(X) @ self.components_
        return model

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the mean divergence of an entry of other data from its model, for searches over parameters.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix (n_samples, n_features), >= 0
            Data.
        y : ignored
            For pipelines.

        Returns
        -------
        float
        """
        model = self.inverse_transform(self.transform(X))
        x = self._validate(X, reset=False)
        return -beta_divergence(x, model, self.beta) / x.size

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _validate(self, X: Any, *, reset: bool) -> AnyArray:
        x = validate_data(self, X, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32], reset=reset)
        check_non_negative(x, type(self).__name__)
        dense: AnyArray = x.toarray() if hasattr(x, "toarray") else x
        return dense
