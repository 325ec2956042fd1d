"""Solvers of non-negative least squares, each on all columns of a `Quadratic` at once.

Each takes programs, a start X >= 0 and a number of steps, and returns X with no column worse. The first four take
steps that never raise the cost, `hals` fewer where they come to nothing; the last two go to the exact minimum,
whatever the number of steps.

====================  =====================================================================================
mu                    D. D. Lee, H. S. Seung, "Algorithms for non-negative matrix factorization", NIPS 2000
hals                  one component after the other, as often as it pays while the products are at hand: A. Cichocki,
                      A.-H. Phan, 2009; N. Gillis, F. Glineur, "Accelerated multiplicative updates and hierarchical
                      ALS algorithms for nonnegative matrix factorization", Neural Computation 24, 2012
projected-gradient    C.-J. Lin, "Projected gradient methods for nonnegative matrix factorization", 2007
optimal-gradient      N. Guan, D. Tao, Z. Luo, B. Yuan, "NeNMF: an optimal gradient method for nonnegative matrix
                      factorization", IEEE Trans. Signal Processing 60, 2012
active-set            H. Kim, H. Park, "Nonnegative matrix factorization based on alternating nonnegativity
                      constrained least squares and active set method", SIAM J. Matrix Anal. Appl. 30, 2008
block-pivoting        J. Kim, H. Park, "Fast nonnegative matrix factorization: an active-set-like method and
                      comparisons", SIAM J. Sci. Comput. 33, 2011
====================  =====================================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf import kernels
from nmf_audio.nmf.quadratic import Quadratic

__all__ = ["SOLVERS", "Solver", "improve_unit_rows"]

ENOUGH = 0.03
"""Coordinate descent ends where a sweep lowers the cost by less than this part of what the first did; docs/nmf.md."""

SUFFICIENT = 0.01
"""Share of the decrease that the gradient promises, which a projected step must reach."""

LONGEST = 1e6
"""A projected step is at most so many times as long as one that always reaches it."""

FULL_EXCHANGES = 3
"""Exchanges of all infeasible entries that block pivoting tries without progress before it moves single ones."""

RIDGE = 1e-14
"""Of the trace of G, added to its diagonal: atoms that depend on each other have a solution, too."""

SLACK = 1e-12
"""A gradient above minus so much of the largest entry of C counts as zero."""


def _multiply(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """X *= max(C, 0) / (G @ X + max(-C, 0))."""
    above, below = np.maximum(problem.C, 0), np.maximum(-problem.C, 0)
    for _ in range(n_steps):
        den = problem.product(X) + below
        X = X * np.divide(above, den, out=np.ones_like(X), where=den > 0)
    return X


def _descend_coordinates(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """X[k] = max(X[k] - (G[k] @ X - C[k]) / G[k, k], 0), for one k after the other, as long as it pays."""
    x, C = X.T.copy(), np.ascontiguousarray(problem.C.T, X.dtype)
    G = np.ascontiguousarray(problem.G, X.dtype)
    descend = kernels.descend_together if G.ndim == 2 else kernels.descend_each
    descend(G, C, x, n_steps, X.dtype.type(ENOUGH))
    return x.T


def improve_unit_rows(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """Lower the cost of rows of unit norm, one after the other, each to its minimum.

    With its norm fixed, the square of a row counts for nothing, and the minimum is where it points along the positive
    part of C[k] - G[k] @ X without its own term; where that has none, along the largest entry.
    """
    X = X.copy()
    for _ in range(n_steps):
        for k in range(len(X)):
            if problem.G[k, k] > 0:
                towards = problem.C[k] - problem.G[k] @ X + problem.G[k, k] * X[k]
                row = np.maximum(towards, 0)
                if not row.any():
                    row[towards.argmax()] = 1
                X[k] = row / np.sqrt(row @ row)
    return X


def _project_gradient(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """X = max(X - step * gradient, 0); each column's step grows while the cost falls enough, and else shrinks."""
    shortest = 1 / _curvature(problem)
    step = shortest
    gradient = problem.gradient(X)
    for _ in range(n_steps):
        change = np.maximum(X - step * gradient, 0) - X
        product = problem.product(change)
        promised, bend = (change * gradient).sum(axis=0), (change * product).sum(axis=0)
        falls = (1 - SUFFICIENT) * promised + bend / 2 <= 0
        X = X + np.where(falls, change, 0)
        gradient = gradient + np.where(falls, product, 0)
        step = np.clip(np.where(falls, 2 * step, step / 2), shortest, LONGEST * shortest)
    return X


def _accelerate_gradient(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """Nesterov's steps; a column whose cost would rise stays, and starts its momentum anew."""
    size = _curvature(problem)
    gradient = problem.gradient(X)
    Y, at_Y, t = X, gradient, np.ones(X.shape[1], X.dtype)
    for _ in range(n_steps):
        new = np.maximum(Y - at_Y / size, 0)
        at_new = problem.gradient(new)
        # the change of the cost, of twice its size, without the cancellation of two costs that are nearly equal
        falls = ((new - X) * (at_new + gradient)).sum(axis=0) <= 0
        t_next = ((1 + np.sqrt(1 + 4 * t * t)) / 2).astype(t.dtype)
        a = np.where(falls, (t - 1) / t_next, 0)
        new, at_new = np.where(falls, new, X), np.where(falls, at_new, gradient)
        Y, at_Y = new + a * (new - X), at_new + a * (at_new - gradient)
        X, gradient, t = new, at_new, np.where(falls, t_next, 1).astype(t.dtype)
    return X


def _search_active_set(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """Lawson & Hanson's method on all columns: the entry with the steepest gradient joins the passive set."""
    found, passive = X.astype(np.float64), X > 0
    todo = np.arange(X.shape[1])
    for _ in range(10 * (len(X) + 1)):
        part, p, x = problem.columns(todo), passive[:, todo], found[:, todo]
        z = _solve_passive(part, p)
        outside = p & (z <= 0)
        blocked = outside.any(axis=0)
        # as far towards z as no entry becomes negative; those that become 0 leave the passive set
        ratio = np.divide(x, x - z, out=np.full(x.shape, np.inf), where=outside & (x > z))
        reach = np.where(blocked, np.minimum(ratio.min(axis=0), 1), 1)
        x = x + reach * (z - x)
        p &= ~(outside & ((ratio <= reach) | (x <= 0)))
        x = np.where(p, np.maximum(x, 0), 0)
        descent = np.where(p, 0, -part.gradient(x))
        steepest = descent.argmax(axis=0)
        optimal = descent.max(axis=0) <= SLACK * np.abs(part.C).max(axis=0)
        joins = ~blocked & ~optimal
        p[steepest[joins], np.flatnonzero(joins)] = True
        found[:, todo], passive[:, todo] = x, p
        todo = todo[blocked | ~optimal]
        if not len(todo):
            break
    return _keep_better(problem, X, found)


def _pivot_blocks(problem: Quadratic, X: AnyArray, n_steps: int) -> AnyArray:
    """All entries that are infeasible change sides at once; where that does not help, only the last of them."""
    passive = X > 0
    found = np.zeros(X.shape)
    todo = np.arange(X.shape[1])
    fewest, tries = np.full(X.shape[1], len(X) + 1), np.full(X.shape[1], FULL_EXCHANGES)
    for _ in range(10 * (len(X) + 1)):
        part, p = problem.columns(todo), passive[:, todo]
        x = _solve_passive(part, p)
        found[:, todo] = x
        slack = SLACK * np.abs(part.C).max(axis=0)
        infeasible = np.where(p, x < 0, part.gradient(x) < -slack)
        count = infeasible.sum(axis=0)
        fewer = count < fewest[todo]
        all_of_them = fewer | (tries[todo] > 0)
        tries[todo] = np.where(fewer, FULL_EXCHANGES, tries[todo] - 1)
        fewest[todo] = np.minimum(fewest[todo], count)
        last = len(X) - 1 - infeasible[::-1].argmax(axis=0)
        only_last = infeasible & (np.arange(len(X))[:, None] == last)
        passive[:, todo] = p ^ np.where(all_of_them, infeasible, only_last)
        todo = todo[count > 0]
        if not len(todo):
            break
    return _keep_better(problem, X, np.maximum(found, 0))


def _solve_passive(problem: Quadratic, passive: AnyArray) -> AnyArray:
    """Return the unconstrained minimum over the passive entries, the others being 0."""
    p = passive.T
    G = np.where(p[:, :, None] & p[:, None, :], problem.G, 0).astype(np.float64)
    index = np.arange(p.shape[1])
    ridge = RIDGE * np.trace(G, axis1=1, axis2=2)[:, None]
    G[:, index, index] = np.where(p, G[:, index, index] + ridge, 1)
    # an atom of zeros has no minimum of its own, and stays 0
    G[:, index, index] += G[:, index, index] == 0
    rhs = np.where(passive, problem.C, 0).T.astype(np.float64)
    x: AnyArray = np.linalg.solve(G, rhs[:, :, None])[:, :, 0].T
    return x


def _keep_better(problem: Quadratic, before: AnyArray, after: AnyArray) -> AnyArray:
    """Return `after`, but `before` in columns where rounding made it worse."""
    better = problem.cost(after, problem.product(after)) <= problem.cost(before, problem.product(before))
    return np.where(better, after, before).astype(before.dtype)


def _curvature(problem: Quadratic) -> AnyArray:
    """Return the largest curvature of each program, above 0."""
    largest = np.atleast_1d(np.linalg.norm(problem.G, 2, axis=(-2, -1)))
    floor: AnyArray = np.maximum(largest * (1 + 1e-6), np.finfo(largest.dtype).tiny * 1e6)
    return floor


@dataclass(frozen=True)
class Solver:
    """A solver, and how it is used."""

    improve: Callable[[Quadratic, AnyArray, int], AnyArray]
    n_steps: int
    """Steps for each side in an iteration of a factorization, at most."""
    exact: bool = False


SOLVERS: dict[str, Solver] = {
    "mu": Solver(_multiply, 1),
    "hals": Solver(_descend_coordinates, 8),
    "projected-gradient": Solver(_project_gradient, 10),
    "optimal-gradient": Solver(_accelerate_gradient, 10),
    "active-set": Solver(_search_active_set, 1, exact=True),
    "block-pivoting": Solver(_pivot_blocks, 1, exact=True),
}
"""The solvers by name."""
