"""The beta divergence.

It measures the distance of a model L from the data V, entry by entry: beta 2 is half the squared Euclidean
distance, beta 1 the generalised Kullback-Leibler divergence, beta 0 the Itakura-Saito divergence.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmf_audio._checks import check_real, check_shape

__all__ = ["beta_divergence"]

LARGEST = 1e30
"""Where entries are larger, or all below its inverse, they are scaled first: powers might be infinite, or NaN."""


def beta_divergence(
    V: ArrayLike, L: ArrayLike, beta: float = 1.0, *, weights: ArrayLike | None = None
) -> float:
    """Sum of the beta divergences of all entries.

    For beta not 0 or 1, with the limits there::

        d(v | l) = (v**beta + (beta - 1) * l**beta - beta * v * l**(beta - 1)) / (beta * (beta - 1))
        d(v | l) = v * log(v / l) - v + l                                  (beta 1, with 0 * log 0 = 0)
        d(v | l) = v / l - log(v / l) - 1                                  (beta 0)

    (Fevotte & Idier, "Algorithms for nonnegative matrix factorization with the beta-divergence", 2011.)

    Parameters
    ----------
    V, L : array_like of one shape
        Data and model, >= 0. Scaling both by c scales the result by ``c ** beta``.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, or any number between and beyond.
    weights : array_like of V's shape, optional
        How much each entry counts; 0 leaves it out, whatever `V` and `L` hold there.

    Returns
    -------
    float
        The divergence, computed in float64. It is infinite where beta <= 0 and V is zero, or where beta <= 1
        and L is zero and V is not, and where it leaves the range of float64.

    Raises
    ------
    ParameterError
        When the shapes differ.

    Examples
    --------
    >>> beta_divergence([[1.0, 2.0]], [[1.0, 1.0]], beta=2)
    0.5
    >>> beta_divergence([[1.0, 2.0]], [[1.0, 1.0]], beta=2, weights=[[1.0, 0.0]])
    0.0
    """
    v, m = (check_real(name, a).astype(np.float64, copy=False) for name, a in (("V", V), ("L", L)))
    check_shape("L", m, v.shape, advice="that of V")
    largest = max(v.max(initial=0), m.max(initial=0))
    if LARGEST < largest < np.inf or 0 < largest < 1 / LARGEST:
        scale = 2.0 ** np.floor(np.log2(largest))
        with np.errstate(over="ignore"):
            scaled = beta_divergence(v / scale, m / scale, beta, weights=weights)
            return float(scaled * scale**beta) if 0 < scaled < np.inf else scaled
    if weights is None and beta == 2:
        error = v - m
        return 0.5 * float(np.vdot(error, error))
    if weights is None:
        return float(_entries(v, m, float(beta)).sum())
    w = check_real("weights", weights).astype(np.float64, copy=False)
    check_shape("weights", w, v.shape, advice="that of V")
    known = w > 0
    return float(np.dot(w[known], _entries(v[known], m[known], float(beta))))


def _entries(v: NDArray[Any], m: NDArray[Any], beta: float) -> NDArray[Any]:
    out: NDArray[Any]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if beta == 2:
            out = 0.5 * (v - m) ** 2
        elif beta == 1:
            out = np.where(v > 0, v * np.log(v / m), 0.0) - v + m
        elif beta == 0:
            out = np.where((v > 0) & (m > 0), v / m - np.log(v / m) - 1.0, np.inf)
        else:
            # where a model of zero meets data of zero stands 0 * inf: the divergence is 0 for beta > 0
            cross = np.where((v == 0) & (beta > 0), 0.0, v * m ** (beta - 1.0))
            out = (v**beta + (beta - 1.0) * m**beta - beta * cross) / (beta * (beta - 1.0))
            if beta < 0:
                out[(v == 0) | (m == 0)] = np.inf
    return out
