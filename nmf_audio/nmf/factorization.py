"""Learning atoms and activations together: alternating multiplicative updates until the cost stands still."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import kernels
from nmf_audio.nmf.checks import Array, Free, Problem, count, free_atoms, matrix, number, prepare
from nmf_audio.nmf.divergences import beta_divergence
from nmf_audio.nmf.init import start
from nmf_audio.nmf.updates import (
    MAX_MOMENTUM,
    Norm,
    check_norm,
    frame_major,
    public,
    run_updates,
    unit,
    update_atoms,
)

__all__ = ["Factorization", "factorize"]

CHECK_EVERY = 10
"""Iterations between two looks at the cost, which costs about as much as an iteration."""

BLOCK = 1024
"""Frames of which the cost is computed at a time: memory does not grow with the length."""


class Factorization(NamedTuple):
    """What `factorize` returns: V ~= W @ H."""

    W: Array
    """Atoms (n_features, n_components)."""
    H: Array
    """Activations (n_components, n_frames)."""
    n_iter: int
    """Iterations done."""
    cost: float
    """Beta divergence plus penalties at the end."""


def factorize(
    V: ArrayLike,
    n_components: int | None = None,
    beta: float = 1.0,
    *,
    init: str = "random",
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    free: Free = None,
    l1_H: ArrayLike = 0.0,
    l1_W: ArrayLike = 0.0,
    norm: Norm = None,
    weights: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    momentum: float = 0.0,
    rng: int | np.random.Generator | None = None,
    callback: Callable[[int, float], None] | None = None,
) -> Factorization:
    """Factorize V ~= W @ H: each iteration updates H, then W.

    The objective is the beta divergence of V and W @ H plus ``sum_k l1_H[k] * sum_t H[k, t]`` and ``sum_k
    l1_W[k] * sum_f W[f, k]``. Every tenth iteration it is computed; the loop ends when it fell by less than
    `tol` times its value at the start.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data: one column is one frame (scikit-learn has the transpose).
    n_components : int, optional
        Number of atoms; may be left out when `W` or `H` is given.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito (on power spectra), or any other.
    init : {"random", "frames", "nndsvda", "nndsvdar"}, optional
        Start of what is not given, see `initialize`.
    W : array_like (n_features, n_components), optional
        Atoms to start from. Without `H` the activations of a frame then start equal.
    H : array_like (n_components, n_frames), optional
        Activations to start from.
    free : slice, indices or boolean mask, optional
        The atoms that are learned (default: all); the others come back bit for bit. ``()`` learns activations
        only.
    l1_H, l1_W : float or array_like (n_components,), optional
        Penalties. With `l1_H` take ``norm="l2"``: otherwise larger atoms undo the penalty.
    norm : None or "l2", optional
        "l2" keeps the free atoms at unit L2 norm inside the objective (sparse NMF, see `update_W`).
    weights : array_like (n_features, n_frames), optional
        How much each entry counts; 0 for unknown ones, which may be NaN in `V`.
    max_iter : int, optional
        Largest number of iterations.
    tol : float, optional
        Relative fall of the objective over ten iterations below which it ends; 0 for always `max_iter`.
    momentum : float in [0, 1), optional
        Largest weight of the last step in each update of W and H, see `activations`: with 0.9 about 60
        iterations come as far as 200 without. That the cost falls is then observed, not proven; where it is
        seen to rise, momentum starts afresh. 0: plain updates.
    rng : int, Generator or None, optional
        For `init`; the same int gives the same result.
    callback : callable, optional
        Called as ``callback(n_iter, cost)`` after every tenth iteration, for progress.

    Returns
    -------
    Factorization
        Named tuple ``(W, H, n_iter, cost)``; W and H are float32 when `V` is, else float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed; the message says which and what is.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 2.0, 3.0], [4.0, 0.5, 1.0, 2.0])
    >>> W, H, n_iter, cost = factorize(V, 1, rng=0)
    >>> bool(np.allclose(W @ H, V)), cost < 1e-6
    (True, True)
    """
    problem = prepare(V, beta, weights)
    check_norm(norm)
    max_iter, tol = count(max_iter, "max_iter"), number(tol, "tol", low=0.0)
    momentum = number(momentum, "momentum", 0.0, MAX_MOMENTUM)
    atoms, h = _start(problem, n_components, W, H, init, rng)
    n_components = len(atoms)
    chosen = free_atoms(free, n_components)
    penalty_H, penalty_W = problem.l1(l1_H, n_components, "l1_H"), problem.l1(l1_W, n_components, "l1_W")
    if norm == "l2":
        length = np.sqrt((atoms * atoms).sum(axis=1))
        atoms[chosen] = unit(atoms[chosen])
        h[:, chosen] *= length[chosen]

    def objective() -> float:
        return (
            total_divergence(problem, atoms, h)
            + float(h.sum(0) @ penalty_H)
            + float(atoms.sum(1) @ penalty_W)
        )

    unit_of_cost = problem.scale**problem.beta
    watched = tol > 0 or callback is not None
    first = previous = objective() if watched else 0.0
    n_iter = 0
    ahead = _Momentum(momentum, atoms, h)
    while n_iter < max_iter:
        if momentum > 0:
            ahead.move(problem, atoms, h, chosen, norm)
        run_updates(problem, atoms, h, penalty_H, 1)
        update_atoms(problem, atoms, h, chosen, penalty_W, norm)
        n_iter += 1
        if watched and n_iter % CHECK_EVERY == 0:
            cost = objective()
            if callback is not None:
                callback(n_iter, cost * unit_of_cost)
            if momentum > 0 and cost > previous:
                ahead.restart()
            elif tol > 0 and previous - cost < tol * first:
                break
            previous = cost
    return Factorization(atoms.T.copy(), public(problem, h), n_iter, objective() * unit_of_cost)


class _Momentum:
    """Takes atoms and activations further along their last step, before they are updated."""

    def __init__(self, momentum: float, atoms: Array, h: Array) -> None:
        self._momentum = momentum
        self._atoms, self._h = (atoms.copy(), h.copy()) if momentum > 0 else (atoms, h)
        self.restart()

    def restart(self) -> None:
        self._t = 1.0

    def move(self, problem: Problem, atoms: Array, h: Array, free: Array, norm: Norm) -> None:
        t_next = (1.0 + math.sqrt(1.0 + 4.0 * self._t**2)) / 2.0
        a = min((self._t - 1.0) / t_next, self._momentum)
        self._t = t_next
        if a == 0:
            self._atoms[:], self._h[:] = atoms, h
            return
        scalar = problem.dtype.type
        kernels.extrapolate(h, self._h, scalar(a), scalar(problem.floor(atoms)), h)
        if len(free):
            before = atoms[free]
            moved = np.empty_like(before)
            kernels.extrapolate(before, self._atoms[free], scalar(a), scalar(1e-30), moved)
            self._atoms[free] = before
            atoms[free] = unit(moved) if norm == "l2" else moved


def _start(
    problem: Problem,
    n_components: int | None,
    W: ArrayLike | None,
    H: ArrayLike | None,
    init: str,
    rng: int | np.random.Generator | None,
) -> tuple[Array, Array]:
    given = None
    if H is not None:
        given = len(matrix(H, problem.dtype, "H", (None, problem.n_frames)))
    if W is not None:
        given = matrix(W, problem.dtype, "W", (problem.n_features, given)).shape[1]
    if given is None and n_components is None:
        raise ParameterError("n_components=None; give the number of atoms, or W, or H")
    wanted = given if n_components is None else count(n_components, "n_components")
    if given is not None and wanted != given:
        raise ParameterError(
            f"n_components={wanted}, but the given W or H has {given} atoms; leave one of them out"
        )
    assert wanted is not None
    if W is not None:
        return frame_major(problem, W, H)
    atoms, h = start(problem, wanted, init, rng)
    return (atoms, h) if H is None else frame_major(problem, atoms.T, H)


def total_divergence(problem: Problem, atoms: Array, h: Array) -> float:
    total = 0.0
    for first in range(0, problem.n_frames, BLOCK):
        block = slice(first, first + BLOCK)
        model = h[block] @ atoms
        model += problem.dtype.type(problem.eps)
        weights = problem.M[block] if problem.M.size else None
        total += beta_divergence(problem.V[block], model, problem.beta, weights=weights)
    return total
