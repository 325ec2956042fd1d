"""Probabilistic latent semantic analysis by expectation-maximisation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import power_of_two

__all__ = ["Topics", "plsa"]


class Topics(NamedTuple):
    """Result of `plsa`: P(f, t) ~= sum_k weight[k] * features[f, k] * frames[k, t]."""

    features: AnyArray
    """P(f | k), (n_features, n_components); columns sum to 1."""
    weight: AnyArray
    """P(k), (n_components,); sums to 1."""
    frames: AnyArray
    """P(t | k), (n_components, n_frames); rows sum to 1."""
    n_iter: int
    """Number of iterations."""
    log_likelihood: float
    """sum V * log P."""


@single_blas
def plsa(
    V: ArrayLike,
    n_components: int,
    *,
    features: ArrayLike | None = None,
    frames: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-6,
    rng: RandomSource = None,
) -> Topics:
    """Explain counts by topics: each count of feature f in frame t was drawn from one of `n_components` topics.

    Each iteration takes the expected share of the topics in each count (E), and from these the distributions (M)::

        P(k | f, t) = P(k) * P(f | k) * P(t | k) / sum_j P(j) * P(f | j) * P(t | j)
        P(f | k) ~ sum_t V[f, t] * P(k | f, t)    P(t | k) ~ sum_f V[f, t] * P(k | f, t)    P(k) ~ both sums

    The likelihood never falls (T. Hofmann, "Unsupervised learning by probabilistic latent semantic analysis",
    Machine Learning 42, 2001). It is NMF with the Kullback-Leibler divergence: the same fixed points, and, from one
    start with the level of V, an update of P(f | k) is that of W, and one of P(t | k) that of H, up to their scale
    (E. Gaussier, C. Goutte, "Relation between PLSA and NMF and implications", SIGIR 2005). In audio it is known as
    probabilistic latent component analysis.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Counts, which need not be whole.
    n_components : int
        Number of topics.
    features, frames, weight : array_like, optional
        Distributions to start from, of the shapes of the result; they are scaled to sums of 1. Default: random, and
        equal weights.
    max_iter, tol
        As in `factorize`; the cost is minus the log-likelihood.
    rng : int, Generator or None, optional
        For the start.

    Returns
    -------
    Topics
        Named tuple ``(features, weight, frames, n_iter, log_likelihood)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> found = plsa([[4, 4, 0], [2, 2, 0], [0, 0, 5]], 2, rng=0)
    >>> sorted(found.weight.round(3).tolist())
    [0.294, 0.706]
    """
    v = check_array("V", V, ("n_features", "n_frames")).astype(np.float64)
    if not v.any():
        raise invalid("V", 0, "above 0 for at least one entry", given="V is all 0")
    scale = power_of_two(v)
    v = v / scale
    n, generator = check_whole("n_components", n_components, 1), check_rng(rng)
    given = (
        ("features", features, (len(v), n)),
        ("frames", frames, (n, v.shape[1])),
        ("weight", weight, (n,)),
    )
    starts = []
    for axis, (name, value, shape) in enumerate(given):
        if value is None:
            start = generator.random(shape) + 0.1 if name != "weight" else np.ones(shape)
        else:
            start = check_array(name, value, shape).astype(np.float64)
        sums = start.sum(axis=(0, 1, 0)[axis], keepdims=True)
        if not (sums > 0).all():
            raise invalid(
                name, 0, "above 0 in at least one entry of each topic", given=f"{name} has a topic of 0"
            )
        starts.append(start / sums)
    P_f, P_t, P_k = starts

    def model() -> AnyArray:
        P: AnyArray = (P_f * P_k) @ P_t
        return P

    def update() -> None:
        P = model()
        ratio = np.divide(v, P, out=np.zeros_like(v), where=P > 0)
        of_f, of_t = P_f * P_k * (ratio @ P_t.T), P_t * P_k[:, None] * (P_f.T @ ratio)
        total = of_f.sum(axis=0)
        known = total > 0  # a topic that explains nothing keeps its distributions
        P_f[:, known] = of_f[:, known] / total[known]
        P_t[known] = of_t[known] / of_t[known].sum(axis=1, keepdims=True)
        P_k[:] = total / total.sum()

    def cost() -> float:
        seen = v > 0
        with np.errstate(divide="ignore"):
            return -float(v[seen] @ np.log(model()[seen]))

    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    n_iter, end = descend(update, cost, max_iter=max_iter, tol=tol, callback=None)
    return Topics(P_f, P_k, P_t, n_iter, -end * scale)
