"""Separable NMF: atoms that are frames of the data, the anchors.

V is separable when each atom occurs alone in some frame: V = V[:, anchors] @ H with H >= 0. Then the anchors, and so
an exact factorization, are found directly (S. Arora, R. Ge, R. Kannan, A. Moitra, "Computing a nonnegative matrix
factorization - provably", STOC 2012).
"""

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_whole, invalid
from nmf_audio._types import AnyArray
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import prepare

__all__ = ["NOTHING_LEFT", "find_anchors", "project_successively"]

NOTHING_LEFT = 1e-6
"""Frames of which projections leave less than this share of the length are combinations of the anchors."""


@single_blas
def find_anchors(V: ArrayLike, n_components: int) -> AnyArray:
    """Frames of which all others are mixtures, by successive projection.

    Frames are scaled to a sum of 1. The longest one is an anchor; all frames are projected onto what is orthogonal to
    it, and so on, as in QR with column pivoting. On data that are separable by linearly independent atoms the anchors
    are these atoms. With noise of length e in each scaled frame, small enough, each atom is within a distance of the
    order of ``e * cond(W)**2`` of an anchor (N. Gillis, S. A. Vavasis, "Fast and robust recursive algorithms for
    separable nonnegative matrix factorization", IEEE Trans. PAMI 36(4), 2014). On data that are not separable the
    anchors are frames far from each other: a start, ``init="anchors"``.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    n_components : int
        Number of anchors, at most the rank of `V`.

    Returns
    -------
    ndarray (n_components,) of int
        Indices of frames, the longest first; ``nnls(V, V[:, anchors])`` gives the activations.

    Raises
    ------
    ParameterError
        When an argument is not allowed, or fewer frames already span the data.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> find_anchors(W @ [[0.5, 1.0, 0.2, 0.0], [0.5, 0.0, 0.8, 1.0]], 2).tolist()
    [1, 3]
    """
    problem = prepare(V, 1.0, None)
    n = check_whole("n_components", n_components, 1)
    anchors = project_successively(problem.V, n)
    if len(anchors) < n:
        allowed = f"at most {len(anchors)}, since all other frames are combinations of that many"
        raise invalid("n_components", n, allowed)
    return anchors


def project_successively(V: AnyArray, n: int, nothing_left: float = NOTHING_LEFT) -> AnyArray:
    """Return up to n anchors of frame-major data: fewer, where these leave less than a share of all lengths."""
    sums = V.sum(axis=1, dtype=np.float64, keepdims=True)
    left = np.divide(V, sums, out=np.zeros(V.shape), where=sums > 0)
    lengths = (left * left).sum(axis=1)
    smallest = nothing_left**2 * lengths.max(initial=0)
    anchors: list[int] = []
    while len(anchors) < n:
        longest = int(lengths.argmax())
        if lengths[longest] <= smallest:
            break
        anchors.append(longest)
        direction = left[longest] / np.sqrt(lengths[longest])
        left -= np.outer(left @ direction, direction)
        lengths = (left * left).sum(axis=1)
    return np.array(anchors, np.intp)
