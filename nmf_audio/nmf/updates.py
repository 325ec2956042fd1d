"""Multiplicative updates of activations and atoms.

V ~= W @ H, with V (n_features, n_frames), W (n_features, n_components) and H (n_components, n_frames): one
*column* of V is one frame, one column of W one atom. scikit-learn has the transpose of all three.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_choice, check_number, check_whole, invalid
from nmf_audio._types import AnyArray
from nmf_audio.nmf import kernels
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Free, Problem, check_result, convert, free_atoms, prepare
from nmf_audio.nmf.momentum import MAX_MOMENTUM, Momentum
from nmf_audio.nmf.workers import Workers

__all__ = ["activations", "update_H", "update_W"]

TILE = 128
"""Frames that run all their iterations together: enough for fast products, few enough to stay in the cache."""

BLOCK = 1024
"""Frames whose sums for the atoms, and whose cost, one thread computes at once."""

Norm = Literal["l2"] | None
NORMS: tuple[Norm, ...] = (None, "l2")

_ALONE = Workers()


@single_blas
def update_H(
    V: ArrayLike,
    W: ArrayLike,
    H: ArrayLike,
    *,
    beta: float = 1.0,
    l1_H: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
    n_iter: int = 1,
) -> AnyArray:
    """Update the activations with the atoms fixed.

    ::

        L = W @ H
        H *= ((W.T @ (M * V * L**(beta-2))) / (W.T @ (M * L**(beta-1)) + l1_H)) ** gamma

    with gamma = 1 / (2-beta) for beta < 1, 1 / (beta-1) for beta > 2, else 1, and the weights M. The cost,
    that is the beta divergence plus sum(l1_H * H.sum(axis=1)), does not rise (Fevotte & Idier 2011).

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data. For beta <= 0, where the cost of a zero is infinite, entries are raised to 1e-10 of the mean, and zeros
        scattered among other entries to 0.03 of the mean of those in their frame, or of all of them if that is less,
        with a warning.
    W : array_like (n_features, n_components), >= 0
        Atoms.
    H : array_like (n_components, n_frames), >= 0
        Activations to start from; not changed. Zeros stay zero; all else stays above a floor far below the
        level.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, or any other.
    l1_H : float or array_like (n_components,), optional
        Penalty on the activations. For beta other than 1 its unit is that of V to the power beta - 1.
    weights : array_like (n_features, n_frames), optional
        Weight of each entry. Entries of weight 0 are unknown: they are ignored, not taken as zeros, and may be NaN
        in `V`. A frame without known entries keeps its activations (unless a penalty reduces them).
    n_iter : int, optional
        Number of updates.

    Returns
    -------
    ndarray (n_components, n_frames)
        float32 when `V` is float32 (or an integer of at most 16 bits), else float64.

    Raises
    ------
    ParameterError
        When shapes do not fit, or entries are negative, NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> H = np.array([[3.0], [5.0]])
    >>> bool(np.allclose(update_H(W @ H, W, np.ones((2, 1)), n_iter=200), H))
    True
    """
    problem = prepare(V, beta, weights)
    atoms, h = to_frame_major(problem, W, H)
    no_momentum = np.zeros(check_whole("n_iter", n_iter, 1), problem.dtype)
    run_updates(problem, atoms, h, problem.penalty(l1_H, len(atoms), "l1_H"), no_momentum)
    return to_public(problem, h)


@single_blas
def update_W(
    V: ArrayLike,
    W: ArrayLike,
    H: ArrayLike,
    *,
    beta: float = 1.0,
    l1_W: ArrayLike = 0.0,
    free: Free = None,
    norm: Norm = None,
    weights: ArrayLike | None = None,
    n_iter: int = 1,
) -> AnyArray:
    """Update the atoms, or some of them, with the activations fixed.

    With R = M * V * L**(beta-2), Q = M * L**(beta-1), L = W @ H, and gamma as in `update_H`::

        W *= ((R @ H.T) / (Q @ H.T + l1_W)) ** gamma

    and with ``norm="l2"``, where the objective holds W / |W| in place of W, so that sparse activations can't
    be had by larger atoms (Eggert & Koerner 2004; Le Roux, Weninger & Hershey 2015)::

        P = R @ H.T;  Q = Q @ H.T + l1_W
        W *= ((P + W * (W*Q).sum(0)) / (Q + W * (W*P).sum(0))) ** gamma;   W /= sqrt((W*W).sum(0))

    Without `norm` the cost does not rise. With it descent is observed, not proven.

    Parameters
    ----------
    V, W, H, beta, weights
        As in `update_H`. Zeros of W stay zero.
    l1_W : float or array_like (n_components,), optional
        Penalty on the atoms.
    free : slice, indices or boolean mask, optional
        The atoms that may change (default: all). The others come back bit for bit.
    norm : None or "l2", optional
        "l2" keeps the free atoms at unit L2 norm within the objective; they are brought to it first.
    n_iter : int, optional
        Number of updates.

    Returns
    -------
    ndarray (n_features, n_components)
        dtype as in `update_H`.

    Raises
    ------
    ParameterError
        When shapes do not fit, entries are negative, NaN or infinite, or `free` or `norm` is not understood.

    Examples
    --------
    >>> import numpy as np
    >>> H = np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 1.0]])
    >>> W = np.array([[1.0, 2.0], [4.0, 1.0]])
    >>> bool(np.allclose(update_W(W @ H, np.ones((2, 2)), H, n_iter=500), W))
    True
    """
    problem = prepare(V, beta, weights)
    atoms, h = to_frame_major(problem, W, H)
    chosen = free_atoms(free, len(atoms))
    check_choice("norm", norm, NORMS)
    l1 = problem.penalty(l1_W, len(atoms), "l1_W")
    if norm == "l2":
        atoms[chosen] = scale_to_unit(atoms[chosen])
    for _ in range(check_whole("n_iter", n_iter, 1)):
        update_atoms(problem, atoms, h, chosen, l1, norm)
    check_result("W", atoms)
    return atoms.T.copy()


def activations(
    V: ArrayLike,
    W: ArrayLike,
    *,
    beta: float = 1.0,
    n_iter: int = 50,
    l1_H: ArrayLike = 0.0,
    H: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    momentum: float = 0.9,
    n_jobs: int = 1,
) -> AnyArray:
    """Activations of fixed atoms after a fixed number of updates, with momentum.

    Each update starts a little further along the last step: from H * (H / H_before)**a in place of H, with weights a
    that grow from 0 to `momentum` (`Momentum` has the equation and its source). About 16 such updates come as far
    as 50 plain ones, 36 as far as 200. That the cost falls at each is observed, not proven; with ``momentum=0`` it is
    proven.

    For 1 <= beta <= 2 the problem is convex: with enough iterations every positive start comes to the same
    cost.

    Parameters
    ----------
    V, W, beta, l1_H, weights
        As in `update_H`.
    n_iter : int, optional
        Number of updates. There is no stopping rule.
    H : array_like (n_components, n_frames), optional
        Start. Default: in each frame all atoms equal, with the frame's level.
    momentum : float in [0, 1), optional
        Largest weight of the last step; 0 for plain updates, as `update_H` does them.
    n_jobs : int, optional
        Threads that share the frames; the result is the same to the last bit. BLAS is held at one thread meanwhile.

    Returns
    -------
    ndarray (n_components, n_frames)
        dtype as in `update_H`.

    Raises
    ------
    ParameterError
        As in `update_H`.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> bool(np.allclose(activations(W @ [[3.0], [5.0]], W, n_iter=200), [[3.0], [5.0]]))
    True
    """
    problem = prepare(V, beta, weights)
    atoms, h = to_frame_major(problem, W, H)
    weight = Momentum(check_number("momentum", momentum, 0.0, MAX_MOMENTUM))
    penalty, n_iter = problem.penalty(l1_H, len(atoms), "l1_H"), check_whole("n_iter", n_iter, 1)
    with Workers(check_whole("n_jobs", n_jobs, 1)) as workers:
        steps = weight.steps(n_iter, problem.dtype)
        run_updates(
            problem,
            atoms,
            h,
            penalty,
            steps,
            previous=h.copy() if weight else None,
            workers=workers,
        )
    return to_public(problem, h)


def to_frame_major(problem: Problem, W: ArrayLike, H: ArrayLike | None) -> tuple[AnyArray, AnyArray]:
    """Return copies of W and H, checked, frame-major, with activations in the problem's scale."""
    w = convert("W", check_array("W", W, (problem.n_features, "n_components")), problem.dtype)
    if not w.any():
        # updates multiply: zeros stay zero
        raise invalid("W", 0, "above 0 for at least one entry", given="W is all 0")
    atoms = np.array(w.T, order="C")
    if H is None:
        return atoms, problem.start(atoms, np.ones(len(atoms)))
    given = convert("H", check_array("H", H, (len(atoms), problem.n_frames)), problem.dtype)
    return atoms, np.array(given.T * problem.dtype.type(1.0 / problem.scale), order="C")


def to_public(problem: Problem, h: AnyArray) -> AnyArray:
    """Return activations as (n_components, n_frames), in the scale of the data."""
    activations = np.ascontiguousarray(h.T * problem.dtype.type(problem.scale))
    check_result("H", activations)
    return activations


def run_updates(
    problem: Problem,
    atoms: AnyArray,
    h: AnyArray,
    l1: AnyArray,
    steps: AnyArray,
    *,
    previous: AnyArray | None = None,
    workers: Workers = _ALONE,
) -> None:
    """Update frame-major activations in place, once for each of `steps`, as the kernel takes it and `previous`."""
    scalar = problem.dtype.type
    before = h[:0] if previous is None else previous
    floor, eps, gamma = scalar(problem.floor(atoms)), scalar(problem.eps), scalar(problem.gamma)

    def run(t: slice) -> None:
        kernels.update_activations(
            problem.V[t],
            problem.M[t],
            atoms,
            h[t],
            before[t],
            l1,
            problem.beta,
            gamma,
            eps,
            floor,
            steps,
            TILE,
        )

    workers.over(problem.n_frames, TILE, run)


def update_atoms(
    problem: Problem,
    atoms: AnyArray,
    h: AnyArray,
    free: AnyArray,
    l1: AnyArray,
    norm: Norm,
    workers: Workers = _ALONE,
) -> None:
    """Update the free rows of frame-major atoms in place."""
    if not len(free):
        return
    P, Q = compute_statistics(problem, atoms, h, free, workers)
    w = atoms[free]
    Q += l1[free, None]
    if norm == "l2":
        P, Q = P + w * (w * Q).sum(1, keepdims=True), Q + w * (w * P).sum(1, keepdims=True)
    ratio = np.divide(P, Q, out=np.ones_like(P), where=Q > 0)
    new = keep_above_floor(w, w * (ratio if problem.gamma == 1 else ratio**problem.gamma))
    atoms[free] = scale_to_unit(new) if norm == "l2" else new


def compute_statistics(
    problem: Problem, atoms: AnyArray, h: AnyArray, free: AnyArray, workers: Workers = _ALONE
) -> tuple[AnyArray, AnyArray]:
    """Return the positive and negative part of the gradient in the free atoms, (n_free, n_features) each."""
    everything = len(free) == len(atoms) and bool((np.diff(free) > 0).all())
    eps = problem.dtype.type(problem.eps)
    shape = (len(free), problem.n_features)

    def run(first: int) -> tuple[AnyArray, AnyArray]:
        t = slice(first, first + BLOCK)
        P, Q = np.empty(shape, problem.dtype), np.empty(shape, problem.dtype)
        h_free = h[t] if everything else np.ascontiguousarray(h[t, free])
        kernels.atom_statistics(problem.V[t], problem.M[t], atoms, h[t], h_free, problem.beta, eps, P, Q)
        return P, Q

    P, Q = np.zeros(shape, problem.dtype), np.zeros(shape, problem.dtype)
    for p, q in workers.map(run, range(0, problem.n_frames, BLOCK)):
        P += p
        Q += q
    return P, Q


def compute_ratios(
    V: AnyArray, L: AnyArray, beta: float, M: AnyArray | None = None
) -> tuple[AnyArray, AnyArray]:
    """Return M * V * L**(beta-2) and M * L**(beta-1), the two parts of the gradient in a model L; M may be empty."""
    if beta == 2:
        parts = V, L
    elif beta == 1:
        parts = V / L, np.ones_like(L)
    elif beta == 0:
        inverse = 1 / L
        parts = V * inverse * inverse, inverse
    else:
        power = L ** L.dtype.type(beta - 2)
        parts = V * power, power * L
    return parts if M is None or not M.size else (M * parts[0], M * parts[1])


def multiply(factor: AnyArray, num: AnyArray, den: AnyArray, gamma: float) -> None:
    """Multiply a factor in place by (num / den) ** gamma, and keep its entries above the floor."""
    ratio = np.divide(num, den, out=np.ones_like(num), where=den > 0)
    factor[:] = keep_above_floor(factor, factor * (ratio if gamma == 1 else ratio**gamma))


def keep_above_floor(old: AnyArray, new: AnyArray) -> AnyArray:
    """Limit entries to at least 1e-10 of their atom's largest, which prevents denormals; zeros stay zero."""
    floor = np.maximum(new.max(axis=1, keepdims=True) * new.dtype.type(1e-10), new.dtype.type(1e-30))
    kept: AnyArray = np.maximum(new, np.minimum(old, floor))
    return kept


def scale_to_unit(atoms: AnyArray) -> AnyArray:
    """Scale rows to unit L2 norm; a row of zeros stays so."""
    norm = np.sqrt((atoms * atoms).sum(axis=1, keepdims=True))
    out: AnyArray = atoms / np.where(norm > 0, norm, atoms.dtype.type(1))
    return out
