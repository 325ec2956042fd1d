"""Clustering by symmetric NMF: A ~= G @ G.T, where G >= 0 holds the membership of each item in each cluster."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import check_result, power_of_two

__all__ = ["check_similarities", "cluster", "factorize_symmetric"]

N_STARTS = 20
MAX_ITER = 300
LARGEST_SCALE = 1e150
"""Of similarities: the squared error has to be in the range of float64."""


@single_blas
def factorize_symmetric(
    A: ArrayLike,
    n_clusters: int,
    *,
    G: ArrayLike | None = None,
    max_iter: int = MAX_ITER,
    rng: RandomSource = None,
) -> tuple[AnyArray, float]:
    """Factorize a matrix of similarities.

    ::

        G *= ((A @ G) / (G @ G.T @ G)) ** (1/3)

    For a positive semidefinite A the cost, |A - G @ G.T|**2, does not rise: its quartic term is bounded from above by
    fourth powers of the entries, the quadratic one, which is concave, by its tangent.

    C. Ding, X. He, H. D. Simon, "On the equivalence of nonnegative matrix factorization and spectral clustering",
    SDM 2005: for A scaled as in `cluster` this is the normalised cut of spectral clustering, with G >= 0 kept and the
    orthogonality of its columns relaxed. Nearly orthogonal columns are clusters: C. Ding, T. Li, W. Peng, H. Park,
    "Orthogonal nonnegative matrix tri-factorizations for clustering", KDD 2006.

    Parameters
    ----------
    A : array_like (n, n), >= 0
        Symmetric similarities.
    n_clusters : int
        Columns of G.
    G : array_like (n, n_clusters), >= 0, optional
        Start; random if left out.
    max_iter : int, optional
        Number of updates.
    rng : int, Generator or None, optional
        For the start.

    Returns
    -------
    G : ndarray (n, n_clusters), float64
    cost : float
        Squared error at the end.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> G, cost = factorize_symmetric([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 2, rng=0)
    >>> cost < 1e-6
    True
    """
    a, scale = check_similarities(A)
    if scale > LARGEST_SCALE:
        raise invalid(
            "A",
            a.max() * scale,
            f"at most {LARGEST_SCALE:g}",
            "scale it",
            given=f"A holds {a.max() * scale:g}",
        )
    n_clusters, max_iter = check_whole("n_clusters", n_clusters, 1), check_whole("max_iter", max_iter, 1)
    generator = check_rng(rng)
    if G is None:
        g = generator.random((len(a), n_clusters)) + 0.1
        g *= np.sqrt(a.sum() / (g @ g.T).sum())
    else:
        g = check_array("G", G, (len(a), n_clusters)) / math.sqrt(scale)
    for _ in range(max_iter):
        below = g @ (g.T @ g)
        g *= np.cbrt(np.divide(a @ g, below, out=np.zeros_like(g), where=below > 0))
    cost = float(((a - g @ g.T) ** 2).sum())
    check_result("G", g)
    return g * math.sqrt(scale), cost * scale * scale


def check_similarities(A: ArrayLike) -> tuple[AnyArray, float]:
    """Return A over a scale that is a power of four, whose root divides without rounding, too, and that scale."""
    a = check_array("A", A, ("n", "n")).astype(np.float64, copy=False)
    if len(a) != len(a.T) or not np.allclose(a, a.T):
        raise invalid("A", a.shape, "square, and symmetric", given=f"A of shape {a.shape} is not symmetric")
    scale = 4.0 ** (math.frexp(power_of_two(a))[1] // 2)
    return a / scale, scale


def cluster(A: ArrayLike, n_clusters: int, *, n_starts: int = N_STARTS, rng: RandomSource = None) -> AnyArray:
    """Put items into clusters: symmetric NMF of D**(-1/2) @ A @ D**(-1/2), D the row sums, from several starts.

    Parameters
    ----------
    A : array_like (n, n), > 0 on the diagonal
        Symmetric similarities.
    n_clusters : int
        At most n.
    n_starts : int, optional
        Number of random starts, of which the best counts.
    rng : int, Generator or None, optional
        For the starts.

    Returns
    -------
    ndarray (n,) of int
        Cluster of each item, from 0. Some may be empty.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> labels = cluster([[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]], 2, rng=0)
    >>> bool(labels[0] == labels[1] != labels[2])
    True
    """
    a, _ = check_similarities(A)
    if not (alike := np.diagonal(a) > 0).all():
        i = int(np.argmin(alike))
        raise invalid("A", 0, "above 0, since every item is like itself", given=f"A[{i}, {i}]=0")
    n_clusters = check_whole("n_clusters", n_clusters, 1, len(a), advice="A has no more items")
    size = np.sqrt(a.sum(axis=1))
    scaled = a / np.outer(size, size)
    generator = check_rng(rng)
    found = [
        factorize_symmetric(scaled, n_clusters, rng=generator)
        for _ in range(check_whole("n_starts", n_starts, 1))
    ]
    best = min(found, key=lambda one: one[1])[0]
    labels: AnyArray = best.argmax(axis=1)
    return labels
