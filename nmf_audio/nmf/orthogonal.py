"""Orthogonal NMF: activations whose rows are orthogonal, so that each frame belongs to one atom.

Non-negative rows are orthogonal only where no frame has two activations. With equal activations within each cluster
this is k-means (C. Ding, T. Li, W. Peng, H. Park, "Orthogonal nonnegative matrix tri-factorizations for clustering",
KDD 2006); where they differ, each frame is a multiple of its centre, and the levels of frames do not count.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_choice, check_number, check_rng, check_whole
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import check_result, power_of_two
from nmf_audio.nmf.kmeans import k_means

__all__ = ["OrthogonalFactorization", "factorize_orthogonal"]

AWAY = 0.2
"""Added to the indicators of clusters, so that multiplicative updates can change them."""


class OrthogonalFactorization(NamedTuple):
    """Result of `factorize_orthogonal`: V ~= W @ H."""

    W: AnyArray
    """Atoms (n_features, n_components), >= 0."""
    H: AnyArray
    """Activations (n_components, n_frames), >= 0; rows have unit norm, or are 0 where an atom has no frame."""
    labels: AnyArray
    """Atom of each frame (n_frames,), the one with the largest activation."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Half the squared error."""


@single_blas
def factorize_orthogonal(
    V: ArrayLike,
    n_components: int,
    *,
    solver: str = "assignment",
    H: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-6,
    rng: RandomSource = None,
) -> OrthogonalFactorization:
    """Factorize V ~= W @ H with H @ H.T = 1.

    "assignment" takes the best atoms for the frames of each, and then for each frame the atom in whose direction it
    has the largest component (F. Pompili, N. Gillis, P.-A. Absil, F. Glineur, "Two algorithms for orthogonal
    nonnegative matrix factorization with application to clustering", Neurocomputing 141, 2014). Both are exact
    minima: the cost |V - W @ H|**2 / 2 never rises, and the rows are orthogonal throughout. "mu" are the updates of
    Ding et al. (2006)::

        H *= sqrt((W.T @ V) / (W.T @ V @ H.T @ H))      W *= (V @ H.T) / (W @ H @ H.T)

    which let frames belong to several atoms on the way, so that the start counts less; rows become orthogonal only in
    the limit, and the cost may rise where they are brought nearer to that.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data: one column is one frame.
    n_components : int
        Number of atoms, at most n_frames.
    solver : {"assignment", "mu"}, optional
        See above.
    H : array_like (n_components, n_frames), >= 0, optional
        Activations to start from; for "mu" zeros stay zero. Default: clusters found by `k_means`.
    max_iter, tol
        As in `factorize`.
    rng : int, Generator or None, optional
        For the clusters.

    Returns
    -------
    OrthogonalFactorization
        Named tuple ``(W, H, labels, n_iter, cost)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0]])
    >>> found = factorize_orthogonal(V, 2, rng=0)
    >>> bool(np.allclose(found.H @ found.H.T, np.eye(2))), found.cost < 1e-12
    (True, True)
    """
    v = check_array("V", V, ("n_features", "n_frames")).astype(np.float64)
    scale = power_of_two(v)
    v = v / scale
    n = check_whole("n_components", n_components, 1, v.shape[1], advice="V has no more frames")
    generator = check_rng(rng)
    make_update = SOLVERS[check_choice("solver", solver, SOLVERS)]
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    if H is None:
        h = (k_means(v.T, n, rng=generator) == np.arange(n)[:, None]) + (AWAY if solver == "mu" else 0.0)
    else:
        h = check_array("H", H, (n, v.shape[1])).astype(np.float64)
        h /= power_of_two(h)
    w = _best_atoms(v, h, np.zeros((len(v), n)))
    update = make_update(v, w, h)
    n_iter, _ = descend(update, lambda: _cost(v, w, h), max_iter=max_iter, tol=tol, callback=None)
    size = np.linalg.norm(h, axis=1, keepdims=True)
    h = np.divide(h, size, out=np.zeros_like(h), where=size > 0)
    w = w * size[:, 0] if solver == "mu" else v @ h.T
    cost = _cost(v, w, h) * scale * scale
    check_result("the cost", cost)
    return OrthogonalFactorization(w * scale, h, h.argmax(axis=0), n_iter, cost)


def _cost(v: AnyArray, w: AnyArray, h: AnyArray) -> float:
    return float(((v - w @ h) ** 2).sum()) / 2


def _best_atoms(v: AnyArray, h: AnyArray, before: AnyArray) -> AnyArray:
    """Return the minimum over the atoms for orthogonal rows; an atom without frames stays as it was."""
    size = (h * h).sum(axis=1)
    atoms: AnyArray = np.where(size > 0, v @ h.T / np.where(size > 0, size, 1), before)
    return atoms


def _assign(v: AnyArray, w: AnyArray, h: AnyArray) -> Callable[[], None]:
    def update() -> None:
        w[:] = _best_atoms(v, h, w)
        size = np.sqrt((w * w).sum(axis=0))
        along = np.divide(w, size, out=np.zeros_like(w), where=size > 0).T @ v
        labels = along.argmax(axis=0)
        h[:] = np.where(labels == np.arange(len(h))[:, None], along, 0)
        h[:] = np.divide(h, size[:, None], out=np.zeros_like(h), where=size[:, None] > 0)
        w[:] = _best_atoms(v, h, w)

    return update


def _multiply(v: AnyArray, w: AnyArray, h: AnyArray) -> Callable[[], None]:
    def scaled(num: AnyArray, den: AnyArray) -> AnyArray:
        return np.divide(num, den, out=np.ones_like(den), where=den > 0)

    def update() -> None:
        wv = w.T @ v
        h[:] *= np.sqrt(scaled(wv, wv @ h.T @ h))
        w[:] *= scaled(v @ h.T, w @ (h @ h.T))

    return update


SOLVERS: dict[str, Callable[[AnyArray, AnyArray, AnyArray], Callable[[], None]]] = {
    "assignment": _assign,
    "mu": _multiply,
}
"""Makers of one iteration, which changes W and H in place."""
