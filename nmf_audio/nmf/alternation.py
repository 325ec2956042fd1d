"""Alternating updates of activations and atoms, with momentum that may not raise the cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf import kernels
from nmf_audio.nmf.checks import Problem
from nmf_audio.nmf.divergences import beta_divergence
from nmf_audio.nmf.least_squares import improve_side
from nmf_audio.nmf.momentum import Momentum
from nmf_audio.nmf.nnls_solvers import Solver, improve_unit_rows
from nmf_audio.nmf.quadratic import least_squares
from nmf_audio.nmf.updates import Norm, run_updates, scale_to_unit, update_atoms
from nmf_audio.nmf.workers import Workers

__all__ = ["CHECK_EVERY", "Alternation", "choose_coarse_frames", "descend", "total_divergence"]

CHECK_EVERY = 10
"""Iterations between two evaluations of the cost, each of which takes about as long as an iteration."""

COST_ENTRIES = 2**16
"""Entries whose divergence one thread computes at once."""

COARSE_WORK = 8
"""A coarse start takes as long as so many iterations over all frames."""

ATOM_FLOOR = 1e-30
"""No entry of an atom is extrapolated below this."""

GOLDEN = 0.6180339887498949


@dataclass
class Alternation:
    """A factorization in progress; `atoms` and `h` are frame-major and change in place.

    Without a `solver` by multiplicative updates; with one, which is for the Euclidean cost, momentum is none of its.
    """

    problem: Problem
    atoms: AnyArray
    h: AnyArray
    free: AnyArray
    l1_H: AnyArray
    l1_W: AnyArray
    norm: Norm
    momentum: Momentum
    workers: Workers
    solver: Solver | None
    l2_H: AnyArray
    l2_W: AnyArray

    def cost(self) -> float:
        """Divergence plus penalties, in the problem's scale."""
        of_h = float(self.h.sum(axis=0, dtype=np.float64) @ self.l1_H)
        penalties = of_h + float(self.atoms.sum(axis=1, dtype=np.float64) @ self.l1_W)
        for x, l2 in ((self.h.T, self.l2_H), (self.atoms, self.l2_W)):
            if l2.any():
                penalties += float(np.square(x, dtype=np.float64).sum(axis=1) @ l2) / 2
        return total_divergence(self.problem, self.atoms, self.h, self.workers) + penalties

    def run(
        self,
        max_iter: int,
        tol: float = 0.0,
        callback: Callable[[int, float], None] | None = None,
        first: float | None = None,
    ) -> tuple[int, float]:
        """Iterate until the cost falls by less than `tol` * `first` (default: the cost now) over `CHECK_EVERY`.

        Returns the number of iterations and the final cost. Where momentum made the cost rise between two
        evaluations, the iterations between them are repeated without it.
        """
        if not (self.momentum or tol > 0 or callback is not None):
            self._iterate(max_iter, None)
            return max_iter, self.cost()
        previous = (self.atoms.copy(), self.h.copy()) if self.momentum else None
        cost = self.cost()
        first = cost if first is None else first
        n_iter = 0
        while n_iter < max_iter:
            n = min(CHECK_EVERY, max_iter - n_iter)
            kept = (self.atoms.copy(), self.h.copy()) if self.momentum else None
            self._iterate(n, previous)
            now = self.cost()
            if now > cost and kept is not None:
                self.atoms[:], self.h[:] = kept
                self._iterate(n, None)
                now = self.cost()
                self.momentum.weaken()
            n_iter += n
            if callback is not None and n == CHECK_EVERY:
                callback(n_iter, now)
            fell, cost = cost - now, now
            if tol > 0 and n == CHECK_EVERY and fell < tol * first:
                break
        return n_iter, cost

    def _iterate(self, n_iter: int, previous: tuple[AnyArray, AnyArray] | None) -> None:
        """Update H, then W, `n_iter` times, extrapolated from `previous` atoms and activations, which are renewed."""
        if self.solver is not None:
            for _ in range(n_iter):
                self._solve(self.solver)
            return
        dtype = self.problem.dtype
        before_atoms, before_h = previous if previous is not None else (None, None)
        steps = np.zeros(n_iter, dtype) if previous is None else self.momentum.steps(n_iter, dtype)
        # with all atoms fixed a tile of frames runs all its updates at once
        for part in steps[:, None] if len(self.free) else steps[None]:
            if before_atoms is not None and len(self.free):
                self._extrapolate_atoms(before_atoms, part[0])
            run_updates(
                self.problem, self.atoms, self.h, self.l1_H, part, previous=before_h, workers=self.workers,
            )  # fmt: skip
            update_atoms(self.problem, self.atoms, self.h, self.free, self.l1_W, self.norm, self.workers)

    def _solve(self, solver: Solver) -> None:
        V, M = self.problem.V, self.problem.M
        improve_side(V, M, self.atoms, self.h.T, self.l1_H, self.l2_H, solver, workers=self.workers)
        if self.norm == "l2" and len(self.free):
            program = least_squares(V.T, None, self.h.T, self.l1_W, np.zeros_like(self.l2_W))
            part = program.free_rows(self.atoms, self.free)
            self.atoms[self.free] = improve_unit_rows(part, self.atoms[self.free], solver.n_steps)
        elif len(self.free):
            free = None if len(self.free) == len(self.atoms) else self.free
            improve_side(V.T, M.T, self.h.T, self.atoms, self.l1_W, self.l2_W, solver, free, self.workers)

    def _extrapolate_atoms(self, previous: AnyArray, step: AnyArray) -> None:
        now = self.atoms[self.free]
        if step > 0:
            moved = np.empty_like(now)
            kernels.extrapolate(now, previous[self.free], step, self.problem.dtype.type(ATOM_FLOOR), moved)
            self.atoms[self.free] = scale_to_unit(moved) if self.norm == "l2" else moved
        previous[self.free] = now

    def start_coarsely(self, stride: int) -> None:
        """Learn the atoms from one frame in `stride` first; then all frames start with the mean profile of these."""
        chosen = choose_coarse_frames(self.problem.n_frames, stride)
        V, M = self.problem.V[chosen], self.problem.M[chosen] if self.problem.M.size else self.problem.M
        problem, momentum = replace(self.problem, V=V, M=M), Momentum(self.momentum.largest)
        part = replace(self, problem=problem, h=self.h[chosen], momentum=momentum)
        part.run(COARSE_WORK * stride)
        self.h[:] = self.problem.start(self.atoms, part.h.mean(axis=0, dtype=np.float64))


def descend(
    update: Callable[[], None],
    cost: Callable[[], float],
    *,
    max_iter: int,
    tol: float,
    callback: Callable[[int, float], None] | None,
) -> tuple[int, float]:
    """Update until the cost falls by less than `tol` times its first value over `CHECK_EVERY` iterations.

    Returns the number of iterations and the final cost, which is evaluated only where something depends on it.
    """
    watched = tol > 0 or callback is not None
    first = previous = cost() if watched else 0.0
    for n_iter in range(1, max_iter + 1):
        update()
        if watched and n_iter % CHECK_EVERY == 0:
            now = cost()
            if callback is not None:
                callback(n_iter, now)
            if tol > 0 and previous - now < tol * abs(first):
                return n_iter, now
            previous = now
    return max_iter, cost()


def choose_coarse_frames(n_frames: int, stride: int) -> AnyArray:
    """Return one frame of each `stride`, at offsets without a period."""
    groups = np.arange(n_frames // stride)
    frames: AnyArray = stride * groups + np.floor(stride * (GOLDEN * groups % 1.0)).astype(np.intp)
    return frames


def total_divergence(problem: Problem, atoms: AnyArray, h: AnyArray, workers: Workers | None = None) -> float:
    """Beta divergence of all frames, in the problem's scale."""
    # arrays as small as this lie in the cache, and their memory is used again
    n = max(1, COST_ENTRIES // problem.n_features)

    def part(first: int) -> float:
        t = slice(first, first + n)
        model = h[t] @ atoms
        model += problem.dtype.type(problem.eps)
        weights = problem.M[t] if problem.M.size else None
        return beta_divergence(problem.V[t], model, problem.beta, weights=weights)

    return sum((workers or Workers()).map(part, range(0, problem.n_frames, n)))
