"""Clustering by weighted k-means: X ~= G @ C, where each row of G has a single 1.

It is the factorization of X in which the columns of G are orthogonal: C. Ding, X. He, H. D. Simon, "On the
equivalence of nonnegative matrix factorization and spectral clustering", SDM 2005.
"""

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_rng, check_whole
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import power_of_two

__all__ = ["k_means"]

N_STARTS = 20
MAX_ITER = 100


@single_blas
def k_means(
    X: ArrayLike,
    n_clusters: int,
    *,
    weights: ArrayLike | None = None,
    n_starts: int = N_STARTS,
    rng: RandomSource = None,
) -> AnyArray:
    """Put items into clusters, so that sum_i weights[i] * |X[i] - C[labels[i]]|**2 is small.

    Lloyd's updates of labels and of the centres C, neither of which raises that sum, from several starts that are
    drawn far from each other (D. Arthur, S. Vassilvitskii, "k-means++", SODA 2007).

    Parameters
    ----------
    X : array_like (n, n_features)
        Items as rows.
    n_clusters : int
        At most n.
    weights : array_like (n,), >= 0, optional
        Weight of each item; equal by default.
    n_starts : int, optional
        Number of starts, of which the best counts.
    rng : int, Generator or None, optional
        For the starts.

    Returns
    -------
    ndarray (n,) of int
        Cluster of each item, from 0. Some are empty where fewer items differ.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> labels = k_means([[0.0], [0.1], [5.0]], 2, rng=0)
    >>> bool(labels[0] == labels[1] != labels[2])
    True
    """
    x = check_array("X", X, ("n_items", "n_features"), low=-np.inf).astype(np.float64, copy=False)
    x = x / power_of_two(x)
    n_clusters = check_whole("n_clusters", n_clusters, 1, len(x), advice="X has no more items")
    w = np.ones(len(x)) if weights is None else check_array("weights", weights, (len(x),)).astype(np.float64)
    w = w / power_of_two(w)
    w = w / w.sum() if w.any() else np.full(len(x), 1 / len(x))
    generator = check_rng(rng)
    found = [
        _descend(x, w, _draw_centres(x, w, n_clusters, generator))
        for _ in range(check_whole("n_starts", n_starts, 1))
    ]
    return min(found, key=lambda one: one[1])[0]


def _draw_centres(x: AnyArray, w: AnyArray, n: int, rng: np.random.Generator) -> AnyArray:
    """Draw centres among the items, with probabilities of their weighted squared distance to earlier centres."""
    chosen = [int(rng.choice(len(x), p=w))]
    while len(chosen) < n:
        odds = w * _squared_distances(x, x[chosen]).min(axis=1)
        total = odds.sum()
        chosen.append(int(rng.choice(len(x), p=odds / total if total > 0 else w)))
    return x[chosen]


def _descend(x: AnyArray, w: AnyArray, centres: AnyArray) -> tuple[AnyArray, float]:
    labels = _squared_distances(x, centres).argmin(axis=1)
    for _ in range(MAX_ITER):
        member = w * (labels == np.arange(len(centres))[:, None])
        size = member.sum(axis=1, keepdims=True)
        # a cluster that has lost all its items stays where it is
        centres = np.where(size > 0, member @ x / np.where(size > 0, size, 1), centres)
        before, labels = labels, _squared_distances(x, centres).argmin(axis=1)
        if (labels == before).all():
            break
    return labels, float(w @ _squared_distances(x, centres).min(axis=1))


def _squared_distances(x: AnyArray, centres: AnyArray) -> AnyArray:
    # one centre after the other: all at once take memory for each pair
    return np.stack([((x - centre) ** 2).sum(axis=-1) for centre in centres], axis=-1)
