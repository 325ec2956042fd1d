"""Sequential NMF: one atom at a time, with the earlier ones kept, and what each leaves unexplained."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_whole
from nmf_audio._types import AnyArray
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import prepare
from nmf_audio.nmf.factorization import factorize

__all__ = ["SequentialFactorization", "factorize_sequentially", "principal_residuals"]

POWER_STEPS = 10
"""Of the power method, for the start of an atom."""


class SequentialFactorization(NamedTuple):
    """Result of `factorize_sequentially`: V ~= W @ H."""

    W: AnyArray
    """Atoms (n_features, n_components) of unit L2 norm; the first k are those that k components would have given."""
    H: AnyArray
    """Activations of all of them (n_components, n_frames)."""
    costs: AnyArray
    """Cost with the first 1, 2, ... atoms (n_components,)."""
    residuals: AnyArray
    """Fractional residual variance with the first 1, 2, ... atoms (n_components,)."""


@single_blas
def factorize_sequentially(
    V: ArrayLike,
    n_components: int,
    beta: float = 1.0,
    *,
    solver: str | None = None,
    weights: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    callback: Callable[[int, float], None] | None = None,
) -> SequentialFactorization:
    """Factorize V ~= W @ H by one atom after the other, each learned with the earlier ones fixed.

    So atoms come in an order, that of what each explains beyond the earlier ones, and the first k are the best
    dictionary of k atoms so far: taking fewer needs no other factorization, and more go on from these (G. Zhu,
    "Nonnegative matrix factorization (NMF) with heteroscedastic uncertainties and missing data", arXiv:1612.06037,
    2016; B. Ren et al., "Non-negative matrix factorization: robust extraction of extended structures", Astrophysical
    Journal 852, 2018). All activations are learned anew for each. There is no chance in it: an atom starts from the
    leading singular vectors of what the model lacks, and from the frame where it lacks most, and the better one
    counts. `factorize` with as many atoms, all of them free, comes to a lower cost: what is kept can't make room.

    The fractional residual variance is sum(weights * (V - W @ H)**2) / sum(weights * V**2), whatever beta is. None of
    rank k is below that of `principal_residuals`.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data: one column is one frame.
    n_components : int
        Number of atoms.
    beta, solver, weights, max_iter, tol
        As in `factorize`, for each atom.
    callback : callable, optional
        Called as ``callback(k, cost)`` after each atom.

    Returns
    -------
    SequentialFactorization
        Named tuple ``(W, H, costs, residuals)``.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.array([[4.0, 0.0, 4.0], [0.0, 1.0, 1.0]])
    >>> found = factorize_sequentially(V, 2, 2.0, max_iter=500, tol=0)
    >>> found.W.round(1).tolist()
    [[1.0, 0.0], [0.1, 1.0]]
    """
    problem, n = prepare(V, beta, weights), check_whole("n_components", n_components, 1)
    v = problem.V.T.astype(np.float64) * problem.scale
    m = problem.M.T.astype(np.float64) if problem.M.size else np.ones_like(v)
    W, H = np.empty((len(v), 0), problem.dtype), np.empty((0, v.shape[1]), problem.dtype)
    costs, residuals = [], []
    for k in range(n):
        left = np.where(m > 0, np.maximum(v - W @ H, 0), 0)
        runs = [
            factorize(
                V, None, beta, solver=solver, weights=weights, free=[k], max_iter=max_iter, tol=tol,
                W=np.column_stack([W, w]), H=np.vstack([H, h]),
            )
            for w, h in (_start(left, left.sum(axis=0)), _start(left, (left**2).sum(axis=0), n_steps=0))
        ]  # fmt: skip
        found = min(runs, key=lambda run: run.cost)
        size = float(np.linalg.norm(found.W[:, k])) or 1.0
        W, H = found.W.copy(), found.H.copy()
        W[:, k] /= size
        H[k] *= size
        costs.append(found.cost)
        residuals.append(
            float((m * (v - W @ H) ** 2).sum() / max(float((m * v**2).sum()), np.finfo(float).tiny))
        )
        if callback is not None:
            callback(k + 1, found.cost)
    return SequentialFactorization(W, H, np.array(costs), np.array(residuals))


@single_blas
def principal_residuals(V: ArrayLike, n_components: int) -> AnyArray:
    """Fractional residual variance with the first 1, 2, ... principal components, of V as it is, means included.

    It is the least that any factorization of that rank leaves (C. Eckart, G. Young, "The approximation of one matrix
    by another of lower rank", Psychometrika 1, 1936).

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    n_components : int
        How many, at most the smaller side of `V`.

    Returns
    -------
    ndarray (n_components,), float64

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> principal_residuals([[3.0, 0.0], [0.0, 1.0]], 2).round(3).tolist()
    [0.1, 0.0]
    """
    v = prepare(V, 2.0, None).V.astype(np.float64)
    n = check_whole("n_components", n_components, 1, min(v.shape), advice="V has no more")
    power = np.linalg.svd(v, compute_uv=False) ** 2
    # from the smallest on: a difference of sums would end in rounding
    left: AnyArray = np.append(np.cumsum(power[::-1])[::-1][1:], 0)[:n]
    return left / max(float(power.sum()), np.finfo(float).tiny)


def _start(left: AnyArray, h: AnyArray, n_steps: int = POWER_STEPS) -> tuple[AnyArray, AnyArray]:
    """Return the leading singular vectors of what is left >= 0, or with no steps its largest frame; no entry is 0."""
    w = left @ h if n_steps else left[:, h.argmax()]
    for _ in range(n_steps):
        h = w @ left
        w = left @ h
        w = w / (np.linalg.norm(w) or 1.0)
    size = np.linalg.norm(w) or 1.0
    h = (w / size) @ left
    return w / size + 1e-3 / np.sqrt(len(w)), h + 1e-3 * h.mean()
