"""Semi-NMF and convex NMF: data of any sign, and atoms that are mixtures of frames.

C. Ding, T. Li, M. I. Jordan, "Convex and semi-nonnegative matrix factorizations", IEEE Trans. PAMI 32(1), 2010. Both
relax k-means: with indicators of clusters as activations, and centres as atoms, their cost is that of k-means.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_rng, check_whole
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import check_result, power_of_two
from nmf_audio.nmf.kmeans import k_means
from nmf_audio.nmf.nnls_solvers import SOLVERS
from nmf_audio.nmf.quadratic import Quadratic

__all__ = ["ConvexFactorization", "SemiFactorization", "factorize_convex", "factorize_semi"]

AWAY = 0.2
"""Added to the indicators of clusters that the factors start from, so that multiplicative updates can change them."""


class SemiFactorization(NamedTuple):
    """Result of `factorize_semi`: X ~= W @ H."""

    W: AnyArray
    """Atoms (n_features, n_components), of any sign."""
    H: AnyArray
    """Activations (n_components, n_frames), >= 0."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Half the squared error."""


class ConvexFactorization(NamedTuple):
    """Result of `factorize_convex`: X ~= X @ A @ H."""

    W: AnyArray
    """Atoms X @ A (n_features, n_components)."""
    H: AnyArray
    """Activations (n_components, n_frames), >= 0."""
    A: AnyArray
    """Share of each frame in each atom (n_frames, n_components), >= 0; columns sum to 1."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Half the squared error."""


@single_blas
def factorize_semi(
    X: ArrayLike,
    n_components: int,
    *,
    H: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-6,
    rng: RandomSource = None,
) -> SemiFactorization:
    """Factorize data of any sign, X ~= W @ H with H >= 0 and W of any sign.

    Each iteration takes the best atoms, ``W = X @ pinv(H)``, and then lowers the cost |X - W @ H|**2 / 2 in H by
    coordinate descent, where Ding, Li & Jordan (2010) take multiplicative steps. Neither raises it.

    Parameters
    ----------
    X : array_like (n_features, n_frames)
        Data: one column is one frame.
    n_components : int
        Number of atoms, at most n_frames.
    H : array_like (n_components, n_frames), >= 0, optional
        Activations to start from. Default: clusters found by `k_means`, as the paper does.
    max_iter, tol
        As in `factorize`.
    rng : int, Generator or None, optional
        For the clusters.

    Returns
    -------
    SemiFactorization
        Named tuple ``(W, H, n_iter, cost)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.outer([1.0, -2.0], [1.0, 2.0, 3.0])
    >>> factorize_semi(X, 1, rng=0).cost < 1e-12
    True
    """
    x, scale, h, _ = _start(X, n_components, H, rng)
    w = np.empty((len(x), len(h)))

    def update() -> None:
        w[:] = x @ np.linalg.pinv(h)
        hals = SOLVERS["hals"]
        h[:] = hals.improve(Quadratic(w.T @ w, w.T @ x), h, hals.n_steps)

    w[:] = x @ np.linalg.pinv(h)
    n_iter, cost = _run(update, lambda: float(((x - w @ h) ** 2).sum()) / 2, max_iter, tol)
    for name, result in (("W", w * scale), ("the cost", cost * scale * scale)):
        check_result(name, result)
    return SemiFactorization(w * scale, h, n_iter, cost * scale * scale)


@single_blas
def factorize_convex(
    X: ArrayLike,
    n_components: int,
    *,
    A: ArrayLike | None = None,
    H: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-6,
    rng: RandomSource = None,
) -> ConvexFactorization:
    """Factorize data of any sign, X ~= X @ A @ H with A, H >= 0: each atom is a mixture of frames.

    With Y = X.T @ X, and Y+ and Y- its positive and negative parts (Ding, Li & Jordan 2010)::

        H *= ((A.T@Y+ + A.T@Y-@A @ H) / (A.T@Y- + A.T@Y+@A @ H)) ** gamma
        A *= ((Y+@H.T + Y-@A @ H@H.T) / (Y-@H.T + Y+@A @ H@H.T)) ** gamma

    with gamma = 1/2. Where no entry of Y is negative, as for data >= 0, gamma = 1 goes further and does not raise the
    cost |X - X @ A @ H|**2 / 2 either (Lee & Seung 2000). For data >= 0 an iteration takes about twice as long as one
    of NMF; for others Y is held, of size n_frames squared.

    Parameters
    ----------
    X : array_like (n_features, n_frames)
        Data: one column is one frame.
    n_components : int
        Number of atoms, at most n_frames.
    A : array_like (n_frames, n_components), >= 0, optional
        Shares to start from; default: those of the clusters in `H`.
    H : array_like (n_components, n_frames), >= 0, optional
        Activations to start from; zeros stay zero. Default: clusters found by `k_means`, and a little of all others.
    max_iter, tol
        As in `factorize`.
    rng : int, Generator or None, optional
        For the clusters.

    Returns
    -------
    ConvexFactorization
        Named tuple ``(W, H, A, n_iter, cost)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0]])
    >>> W, H, A, n_iter, cost = factorize_convex(X, 2, max_iter=2000, tol=0, rng=0)
    >>> bool(np.allclose(W, X @ A)), cost < 1e-3
    (True, True)
    """
    x, scale, h, clusters = _start(X, n_components, H, rng)
    if A is None:
        a = clusters.T / np.maximum(clusters.sum(axis=1), np.finfo(float).tiny)
    else:
        a = check_array("A", A, (x.shape[1], len(h))).astype(np.float64)
    above, below, gamma = _gram(x)

    def step(target: AnyArray, num: AnyArray, den: AnyArray) -> None:
        target *= np.divide(num, den, out=np.ones_like(den), where=den > 0) ** gamma

    def update() -> None:
        ya, yb = above(a), below(a)
        step(h, ya.T + (a.T @ yb) @ h, yb.T + (a.T @ ya) @ h)
        hh = h @ h.T
        step(a, above(h.T) + yb @ hh, below(h.T) + ya @ hh)

    n_iter, cost = _run(update, lambda: float(((x - (x @ a) @ h) ** 2).sum()) / 2, max_iter, tol)
    sums = a.sum(axis=0)
    sums = np.where(sums > 0, sums, 1)
    a, h = a / sums, h * sums[:, None]
    check_result("the cost", cost * scale * scale)
    return ConvexFactorization((x @ a) * scale, h, a, n_iter, cost * scale * scale)


def _start(
    X: ArrayLike, n_components: int, H: ArrayLike | None, rng: RandomSource
) -> tuple[AnyArray, float, AnyArray, AnyArray]:
    """Return data over a power of two, that power, activations, and activations without zeros."""
    x = check_array("X", X, ("n_features", "n_frames"), low=-np.inf).astype(np.float64)
    scale = power_of_two(x)
    x = x / scale
    n = check_whole("n_components", n_components, 1, x.shape[1], advice="X has no more frames")
    generator = check_rng(rng)
    if H is not None:
        h = check_array("H", H, (n, x.shape[1])).astype(np.float64)
        return x, scale, h, h
    labels = k_means(x.T, n, rng=generator)
    h = (labels == np.arange(n)[:, None]) + AWAY
    return x, scale, h, h.copy()


def _run(
    update: Callable[[], None], cost: Callable[[], float], max_iter: int, tol: float
) -> tuple[int, float]:
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    return descend(update, cost, max_iter=max_iter, tol=tol, callback=None)


def _gram(
    x: AnyArray,
) -> tuple[Callable[[AnyArray], AnyArray], Callable[[AnyArray], AnyArray], float]:
    """Return products with the positive and the negative part of X.T @ X, and the exponent of the updates."""
    if x.min() >= 0:
        return lambda z: x.T @ (x @ z), np.zeros_like, 1.0
    y = x.T @ x
    above, below = np.maximum(y, 0), np.maximum(-y, 0)
    return lambda z: above @ z, lambda z: below @ z, 0.5 if below.any() else 1.0
