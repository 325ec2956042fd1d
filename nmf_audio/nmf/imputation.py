"""Imputation: unknown entries of data, filled in by a factorization of the known ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_real, check_shape, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.factorization import factorize

__all__ = ["Imputation", "impute"]


class Imputation(NamedTuple):
    """Result of `impute`."""

    V: AnyArray
    """The data, bit for bit, with W @ H where they are unknown (n_features, n_frames)."""
    W: AnyArray
    """Atoms (n_features, n_components): those given, or learned."""
    H: AnyArray
    """Activations (n_components, n_frames)."""
    cost: float
    """Divergence of the known entries, plus penalties."""


def impute(
    V: ArrayLike,
    n_components: int | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    W: ArrayLike | None = None,
    l1_H: ArrayLike = 0.0,
    solver: str | None = None,
    max_iter: int = 1000,
    tol: float = 1e-6,
    rng: RandomSource = None,
) -> Imputation:
    """Fill in unknown entries from what is known.

    Weights of 0 leave unknown entries out of the cost, so that they neither count as zeros nor draw atoms towards a
    guess; the model fills them in. Where atoms are known, what an unknown part of a frame does to its activations is
    a product of two small numbers, its share and how badly the atoms fit: an effect of second order (B. Ren et al.,
    "Using data imputation for signal separation in high-contrast imaging", Astrophysical Journal 892, 2020). For
    Gaussian noise of known variances, beta 2 and weights of 1 / variance make twice the cost chi squared, and the
    result the most likely one (M. R. Blanton, S. Roweis, "K-corrections and filter transformations in the
    ultraviolet, optical, and near-infrared", Astronomical Journal 133, 2007; G. Zhu, "Nonnegative matrix
    factorization (NMF) with heteroscedastic uncertainties and missing data", arXiv:1612.06037, 2016).

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data. What is NaN, or masked, is unknown.
    n_components : int, optional
        Number of atoms; may be left out when `W` is given.
    beta : float, optional
        Divergence, see `factorize`.
    weights : array_like (n_features, n_frames), optional
        How much each entry counts; entries with 0 are unknown, too.
    W : array_like (n_features, n_components), optional
        Atoms that are known, learned from other data. Default: they are learned from the known entries, so a feature
        or frame without any is not filled in by more than its start.
    l1_H : float or array_like (n_components,), optional
        Penalty on the activations.
    solver, max_iter, tol, rng : optional
        As in `factorize`.

    Returns
    -------
    Imputation
        Named tuple ``(V, W, H, cost)``.

    Raises
    ------
    ParameterError
        When an argument is not allowed, or nothing is known.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 4.0, 3.0])
    >>> V[2, 2] = np.nan
    >>> float(impute(V, 1, rng=0).V[2, 2].round(3))
    12.0
    """
    v = check_real("V", np.where(V.mask, np.nan, V.data) if isinstance(V, np.ma.MaskedArray) else V)
    known = ~np.isnan(v)
    if not known.any():
        raise invalid("V", np.nan, "known in at least one entry", given="V is all NaN or masked")
    if weights is None:
        m = known.astype(np.float64)
    else:
        check_shape("V", v, ("n_features", "n_frames"))
        m = np.where(known, check_array("weights", weights, v.shape), 0)
    found = factorize(
        v, n_components, beta, W=W, free=None if W is None else (), weights=None if (m == 1).all() else m,
        l1_H=l1_H, solver=solver, max_iter=max_iter, tol=tol, rng=rng,
    )  # fmt: skip
    filled = np.where(m > 0, v, found.W @ found.H).astype(found.W.dtype)
    return Imputation(filled, found.W, found.H, found.cost)
