"""Non-negative tensor factorization (NTF) of several channels with the same sources.

V[c, f, t] ~= sum_k Q[c, k] * W[f, k] * H[k, t], the parallel factor model (PARAFAC) with non-negative factors.
Stacked as one matrix whose rows are (channel, feature), it is V ~= A @ H with atoms A[(c, f), k] = Q[c, k] * W[f, k]:
NMF with atoms of rank one. So it runs on the updates of NMF.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import (
    check_array,
    check_number,
    check_real,
    check_rng,
    check_shape,
    check_whole,
    invalid,
)
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend, total_divergence
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Problem, check_result, convert, prepare
from nmf_audio.nmf.init import make_start
from nmf_audio.nmf.updates import compute_statistics, multiply, run_updates, to_public

__all__ = ["TensorFactorization", "factorize_tensor"]


class TensorFactorization(NamedTuple):
    """Result of `factorize_tensor`: V[c, f, t] ~= sum_k Q[c, k] * W[f, k] * H[k, t]."""

    Q: AnyArray
    """Share of each atom in each channel (n_channels, n_components); columns sum to 1."""
    W: AnyArray
    """Atoms (n_features, n_components) of unit L2 norm."""
    H: AnyArray
    """Activations (n_components, n_frames)."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Final beta divergence."""


@single_blas
def factorize_tensor(
    V: ArrayLike,
    n_components: int | None = None,
    beta: float = 1.0,
    *,
    Q: ArrayLike | None = None,
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[int, float], None] | None = None,
) -> TensorFactorization:
    """Factorize a tensor: each iteration updates H, then W, then Q.

    With L the model, R = V * L**(beta-2), P = L**(beta-1), computed anew before each update, and gamma as in
    `update_H`::

        H[k, t] *= (sum_cf Q[c, k] W[f, k] R[c, f, t] / sum_cf Q[c, k] W[f, k] P[c, f, t]) ** gamma
        W[f, k] *= (sum_ct Q[c, k] H[k, t] R[c, f, t] / sum_ct Q[c, k] H[k, t] P[c, f, t]) ** gamma
        Q[c, k] *= (sum_ft W[f, k] H[k, t] R[c, f, t] / sum_ft W[f, k] H[k, t] P[c, f, t]) ** gamma

    Given two of the factors the model is linear in the third, as in NMF: the cost rises at no update (Févotte &
    Idier 2011). The model for sounds panned between channels: D. FitzGerald, M. Cranitch, E. Coyle,
    "Non-negative tensor factorisation for sound source separation", ISSC 2005.

    Parameters
    ----------
    V : array_like (n_channels, n_features, n_frames), >= 0
        Data.
    n_components : int, optional
        Number of atoms; may be left out when `Q`, `W` and `H` are given.
    Q, W, H : array_like, optional
        Factors to start from, all three; random if left out.
    beta, max_iter, tol, rng, callback
        As in `factorize`.

    Returns
    -------
    TensorFactorization
        Named tuple ``(Q, W, H, n_iter, cost)``, float32 when `V` is, else float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> left_and_right = np.array([[3.0, 0.0], [1.0, 1.0]])
    >>> spectra = np.array([[4.0, 0.0], [2.0, 1.0], [0.0, 5.0]])
    >>> V = np.einsum("ck,fk,kt->cft", left_and_right, spectra, [[1.0, 0.0, 2.0, 1.0], [0.0, 3.0, 1.0, 1.0]])
    >>> Q = factorize_tensor(V, 2, tol=0, max_iter=500, rng=0).Q
    >>> sorted(Q[0].round(3).tolist())
    [0.0, 0.75]
    """
    v = check_real("V", V)
    check_shape("V", v, ("n_channels", "n_features", "n_frames"))
    problem = prepare(v.reshape(-1, v.shape[2]), beta, None)
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    place, w, h = _make_start(problem, v.shape[0], n_components, (Q, W, H), check_rng(rng))

    n_iter, cost = descend(
        lambda: _update(problem, place, w, h),
        lambda: total_divergence(problem, _stack(place, w), h),
        max_iter=max_iter,
        tol=tol,
        callback=problem.scale_callback(callback),
    )
    sizes = [place.sum(axis=1, keepdims=True), np.sqrt((w * w).sum(axis=1, keepdims=True))]
    shares, spectra = (a / np.where(size > 0, size, 1) for a, size in zip((place, w), sizes, strict=True))
    h = h * (sizes[0] * sizes[1])[:, 0]
    cost *= problem.unit_of_cost
    for name, result in (("Q", shares), ("W", spectra), ("the cost", cost)):
        check_result(name, result)
    return TensorFactorization(shares.T.copy(), spectra.T.copy(), to_public(problem, h), n_iter, cost)


def _update(problem: Problem, place: AnyArray, w: AnyArray, h: AnyArray) -> None:
    """Do one iteration in place, on frame-major factors (n_components, ...) and h (n_frames, n_components)."""
    everything = np.arange(len(w))
    run_updates(problem, _stack(place, w), h, np.zeros(len(w), problem.dtype), np.zeros(1, problem.dtype))
    for factor, other, subscripts in ((w, place, "kc,kcf->kf"), (place, w, "kf,kcf->kc")):
        sums = compute_statistics(problem, _stack(place, w), h, everything)
        num, den = (
            np.einsum(subscripts, other, s.reshape(len(w), place.shape[1], w.shape[1]), optimize=True)
            for s in sums
        )
        multiply(factor, num, den, problem.gamma)


def _stack(place: AnyArray, w: AnyArray) -> AnyArray:
    """Return the atoms (n_components, n_channels * n_features) of the stacked channels."""
    return np.ascontiguousarray((place[:, :, None] * w[:, None, :]).reshape(len(w), -1))


def _make_start(
    problem: Problem,
    n_channels: int,
    n_components: int | None,
    given: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    rng: np.random.Generator,
) -> tuple[AnyArray, AnyArray, AnyArray]:
    n_features = problem.n_features // n_channels
    if all(a is None for a in given):
        if n_components is None:
            raise invalid("n_components", None, "the number of atoms", "give it, or Q, W and H")
        wanted = check_whole("n_components", n_components, 1)
        w = np.abs(rng.standard_normal((wanted, n_features))) + 1e-3
        place = 0.5 + rng.random((wanted, n_channels))
        _, h = make_start(problem, wanted, "random", rng)
        model = float((w.sum(1) * place.sum(1) * h.sum(0)).sum()) / problem.V.size
        h *= problem.dtype.type(max(float(problem.V.mean(dtype=np.float64)), problem.eps) / model)
        return place.astype(problem.dtype), w.astype(problem.dtype), h
    for name, factor in zip("QWH", given, strict=True):
        if factor is None:
            raise invalid(name, None, "given beside the other two of Q, W and H", "give all three or none")
    n = check_array("Q", given[0], (n_channels, n_components or "n_components")).shape[1]
    shapes = ((n_channels, n), (n_features, n), (n, problem.n_frames))
    q, w, h = (
        convert(name, check_array(name, factor, shape), problem.dtype)
        for name, factor, shape in zip("QWH", given, shapes, strict=True)
    )
    scaled = h.T * problem.dtype.type(1.0 / problem.scale)
    return np.array(q.T, order="C"), np.array(w.T, order="C"), np.array(scaled, order="C")
