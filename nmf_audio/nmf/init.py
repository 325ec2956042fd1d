"""Starting points of a factorization."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_choice, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Problem, prepare
from nmf_audio.nmf.kmeans import k_means
from nmf_audio.nmf.nnls_solvers import SOLVERS
from nmf_audio.nmf.quadratic import Quadratic
from nmf_audio.nmf.separable import project_successively

__all__ = ["INITS", "initialize", "make_start"]

FITTING_STEPS = 20
"""Of coordinate descent, for the activations of atoms that are found directly."""


@single_blas
def initialize(
    V: ArrayLike,
    n_components: int,
    *,
    init: str = "random",
    rng: RandomSource = None,
) -> tuple[AnyArray, AnyArray]:
    """Atoms and activations to start from: W (n_features, n_components) and H (n_components, n_frames).

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    n_components : int
        Number of atoms.
    init : {"random", "frames", "nndsvda", "nndsvdar", "k-means", "anchors"}, optional
        "random": absolute values of normal numbers. "frames": frames of `V` drawn at random, silent ones left out,
        with a little noise; all activations of a frame equal. "nndsvda", "nndsvdar": from the singular vectors
        (Boutsidis & Gallopoulos 2008), zeros replaced by the mean or by small random numbers, since a multiplicative
        update leaves zeros as they are; not more atoms than the smaller side of `V`. "k-means": means of clusters of
        frames that are scaled to one length (S. Wild, J. Curry, A. Dougherty, "Improving non-negative matrix
        factorizations through structured initialization", Pattern Recognition 37, 2004). "anchors": the frames of
        `find_anchors`, as far as they are different. To both belong the best activations, zeros replaced by small
        random numbers; where there are fewer clusters or anchors, the others are as for "frames".
    rng : int, Generator or None, optional
        Source of randomness; the same int gives the same start.

    Returns
    -------
    W, H : ndarray
        Positive, atoms at unit L2 norm, W @ H at the level of `V`: scaling `V` scales H and leaves W. dtype
        of the data as `update_H` has it.

    Raises
    ------
    ParameterError
        When `init` is unknown or does not fit the shape, or `V` has a bad entry.

    Examples
    --------
    >>> import numpy as np
    >>> W, H = initialize(np.ones((4, 6)), 2, init="random", rng=0)
    >>> W.shape, H.shape
    ((4, 2), (2, 6))
    """
    problem = prepare(V, 1.0, None)
    W, H = make_start(problem, check_whole("n_components", n_components, 1), init, check_rng(rng))
    return np.ascontiguousarray(W.T), np.ascontiguousarray(H.T * problem.dtype.type(problem.scale))


def make_start(
    problem: Problem, n_components: int, init: str, rng: np.random.Generator
) -> tuple[AnyArray, AnyArray]:
    """Return a start, frame-major and in the problem's scale."""
    W, H = INITS[check_choice("init", init, INITS, advice="or give W and H")](problem.V, n_components, rng)
    norm = np.sqrt((W * W).sum(axis=1))
    W /= norm[:, None]
    H *= norm
    model = float((W.sum(axis=1) * H.sum(axis=0)).sum()) / problem.V.size
    H *= max(float(problem.V.mean(dtype=np.float64)), problem.eps) / model
    return W.astype(problem.dtype), H.astype(problem.dtype)


def _random(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    n_frames, n_features = V.shape
    W = np.abs(rng.standard_normal((n_components, n_features))) + 1e-3
    return W, np.abs(rng.standard_normal((n_frames, n_components))) + 1e-3


def _frames(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    level = V.mean(axis=1, dtype=np.float64)
    audible = np.flatnonzero(level > 1e-6 * level.max())
    if not len(audible):
        audible = np.arange(len(V))
    chosen = rng.choice(audible, n_components, replace=len(audible) < n_components)
    W = V[chosen].astype(np.float64)
    noise = rng.random(W.shape) + 1e-3
    W += 0.05 * np.maximum(level[chosen], 1e-6)[:, None] * noise
    return W, np.maximum(np.repeat(level[:, None], n_components, axis=1), 1e-6)


def _singular(V: AnyArray, n_components: int) -> tuple[AnyArray, AnyArray]:
    n_frames, n_features = V.shape
    if n_components > min(V.shape):
        allowed = (
            f"at most {min(V.shape)}, as a {n_features} x {n_frames} matrix has no more singular vectors"
        )
        raise invalid("n_components", n_components, allowed, "give init='random' or 'frames'")
    left, values, right = np.linalg.svd(V.astype(np.float64), full_matrices=False)
    W = np.zeros((n_components, n_features))
    H = np.zeros((n_frames, n_components))
    for k in range(n_components):
        h, w = left[:, k], right[k]
        if k == 0:
            pairs = [(np.abs(h), np.abs(w))]
        else:
            pairs = [(np.maximum(sign * h, 0), np.maximum(sign * w, 0)) for sign in (1, -1)]
        # a singular vector has both signs: of its two non-negative halves the stronger is taken
        norms = [np.sqrt((a * a).sum() * (b * b).sum()) for a, b in pairs]
        best = int(np.argmax(norms))
        if norms[best] > 0:
            a, b = pairs[best]
            size = np.sqrt(values[k] * norms[best])
            H[:, k] = size * a / np.sqrt((a * a).sum())
            W[k] = size * b / np.sqrt((b * b).sum())
    return W, H


def _nndsvda(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    W, H = _singular(V, n_components)
    fill = max(float(V.mean(dtype=np.float64)), 1e-6)
    return _fill(W, fill, fill), _fill(H, fill, fill)


def _nndsvdar(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    W, H = _singular(V, n_components)
    fill = max(float(V.mean(dtype=np.float64)), 1e-6)
    W_fill, H_fill = (0.01 * fill * (rng.random(a.shape) + 1e-3) for a in (W, H))
    return _fill(W, fill, W_fill), _fill(H, fill, H_fill)


def _clusters(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    W, H = _frames(V, n_components, rng)
    length = np.sqrt((V * V).sum(axis=1, keepdims=True))
    scaled = V / np.where(length > 0, length, 1)
    labels = k_means(scaled, min(n_components, len(V)), n_starts=1, rng=rng)
    for k in np.unique(labels):
        mean = V[labels == k].mean(axis=0)
        if mean.any():
            W[k] = mean
    return _fit_activations(V, W, H, rng)


def _anchors(V: AnyArray, n_components: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    W, H = _frames(V, n_components, rng)
    anchors = project_successively(V, n_components)
    W[: len(anchors)] = V[anchors]
    return _fit_activations(V, W, H, rng)


def _fit_activations(
    V: AnyArray, W: AnyArray, H: AnyArray, rng: np.random.Generator
) -> tuple[AnyArray, AnyArray]:
    """Return atoms and their best activations, without zeros."""
    H = SOLVERS["hals"].improve(Quadratic(W @ W.T, W @ V.T), H.T, FITTING_STEPS).T
    fill = max(float(V.mean(dtype=np.float64)), 1e-6)
    W_fill, H_fill = (0.01 * fill * (rng.random(a.shape) + 1e-3) for a in (W, H))
    return _fill(W, fill, W_fill), _fill(H, float(H.mean()), H_fill)


def _fill(a: AnyArray, level: float, value: ArrayLike) -> AnyArray:
    return np.where(a > 1e-6 * level, a, value)


INITS: dict[str, Callable[[AnyArray, int, np.random.Generator], tuple[AnyArray, AnyArray]]] = {
    "random": _random,
    "frames": _frames,
    "nndsvda": _nndsvda,
    "nndsvdar": _nndsvdar,
    "k-means": _clusters,
    "anchors": _anchors,
}
"""The starts by name."""
