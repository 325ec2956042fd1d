"""Non-negative least squares: activations of fixed atoms at the smallest Euclidean cost."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_choice, check_number, check_whole
from nmf_audio._types import AnyArray
from nmf_audio.errors import ConvergenceWarning
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import prepare
from nmf_audio.nmf.nnls_solvers import SOLVERS, Solver
from nmf_audio.nmf.quadratic import least_squares
from nmf_audio.nmf.updates import to_frame_major, to_public
from nmf_audio.nmf.workers import Workers

__all__ = ["improve_side", "nnls"]

TILE = 1024
"""Columns that are solved together: results do not depend on the number of threads."""

LARGEST_TILE = 4_000_000
"""Entries of the largest array of a tile, where each column has a matrix of its own."""

ROUND = 50
"""Steps between two checks whether the minimum is reached."""


@single_blas
def nnls(
    V: ArrayLike,
    W: ArrayLike,
    *,
    solver: str = "block-pivoting",
    l1_H: ArrayLike = 0.0,
    l2_H: ArrayLike = 0.0,
    H: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-8,
) -> AnyArray:
    """Activations of fixed atoms that minimise the Euclidean cost.

    ::

        sum(weights * (V - W @ H)**2) / 2 + sum(l1_H * H.sum(axis=1)) + sum(l2_H * (H**2).sum(axis=1)) / 2

    The problem is convex: all solvers come to the same cost, and to the same `H` where the atoms are linearly
    independent or `l2_H` is above 0.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    W : array_like (n_features, n_components), >= 0
        Atoms.
    solver : {"block-pivoting", "active-set", "hals", "optimal-gradient", "projected-gradient", "mu"}, optional
        The first two are exact (J. Kim & H. Park 2011; H. Kim & H. Park 2008). The others take steps that never raise
        the cost: coordinate descent (Gillis & Glineur 2012), Nesterov's gradient (Guan et al. 2012), projected
        gradient (Lin 2007), multiplicative updates (Lee & Seung 2000), which are slow near zeros.
    l1_H, l2_H : float or array_like (n_components,), optional
        Penalties; the unit of `l1_H` is that of V, `l2_H` has none when `W` has none.
    H : array_like (n_components, n_frames), optional
        Start; a good one saves most of the work. Default: in each frame all atoms equal.
    weights : array_like (n_features, n_frames), optional
        How much each entry counts; 0 for unknown ones, which may be NaN in `V`. Each frame then has a matrix of its
        own, so that solving takes longer.
    max_iter : int, optional
        Largest number of steps of the solvers that are not exact.
    tol : float, optional
        They end when no step along one axis to its minimum is longer than `tol` times the largest activation.

    Returns
    -------
    ndarray (n_components, n_frames)
        dtype as in `update_H`.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Warns
    -----
    ConvergenceWarning
        When `max_iter` was reached before `tol`.

    Examples
    --------
    >>> import numpy as np
    >>> W = np.array([[1.0, 1.0], [0.0, 1.0]])
    >>> nnls([[1.0, 3.0], [2.0, 1.0]], W).round(6).tolist()
    [[0.0, 2.0], [1.5, 1.0]]
    """
    problem = prepare(V, 2.0, weights)
    atoms, h = to_frame_major(problem, W, H)
    used = SOLVERS[check_choice("solver", solver, SOLVERS)]
    l1, l2 = problem.penalty(l1_H, len(atoms), "l1_H"), problem.penalty(l2_H, len(atoms), "l2_H")
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    tol = max(tol, 100 * float(np.finfo(problem.dtype).eps))
    converged = True
    for t in _tiles(problem.V, problem.M, atoms):
        program = least_squares(problem.V[t], problem.M[t] if problem.M.size else None, atoms, l1, l2)
        X, n = np.ascontiguousarray(h[t].T), 0
        while n < max_iter:
            X = used.improve(program, X, min(ROUND, max_iter - n))
            n += ROUND
            if used.exact or program.residual(X) <= tol:
                break
        else:
            converged = False
        h[t] = X.T
    if not converged:
        warnings.warn(
            f"the activations still moved by more than tol={tol:g} when max_iter={max_iter} was reached; "
            "raise either of them, or give solver='block-pivoting'",
            ConvergenceWarning,
            stacklevel=3,
        )
    return to_public(problem, h)


def improve_side(
    V: AnyArray,
    M: AnyArray,
    A: AnyArray,
    X: AnyArray,
    l1: AnyArray,
    l2: AnyArray,
    solver: Solver,
    free: AnyArray | None = None,
    workers: Workers | None = None,
) -> None:
    """Lower |V - X.T @ A|**2 / 2 plus penalties, with weights M, in place by the solver's steps on X.

    Takes V and M (n_columns, n), A (n_components, n), X (n_components, n_columns); only the `free` rows change.
    """

    def run(t: slice) -> None:
        program = least_squares(V[t], M[t] if M.size else None, A, l1, l2)
        x = X[:, t]
        if free is None:
            X[:, t] = solver.improve(program, x, solver.n_steps)
        else:
            X[free, t] = solver.improve(program.free_rows(x, free), x[free], solver.n_steps)

    for _ in (workers or Workers()).map(run, _tiles(V, M, A)):
        pass


def _tiles(V: AnyArray, M: AnyArray, A: AnyArray) -> list[slice]:
    """Cut the columns; into smaller tiles where each column has a matrix of its own."""
    n = max(1, min(TILE, LARGEST_TILE // (len(A) * max(A.shape)))) if M.size else TILE
    return [slice(a, a + n) for a in range(0, len(V), n)]
