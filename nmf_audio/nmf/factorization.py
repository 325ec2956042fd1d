"""Factorization: atoms and activations by alternating multiplicative updates until the cost converges."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import (
    check_array,
    check_choice,
    check_number,
    check_rng,
    check_whole,
    conflict,
    invalid,
)
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import Alternation
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Free, Problem, check_result, free_atoms, prepare
from nmf_audio.nmf.init import make_start
from nmf_audio.nmf.momentum import MAX_MOMENTUM, Momentum
from nmf_audio.nmf.nnls_solvers import SOLVERS
from nmf_audio.nmf.updates import NORMS, Norm, scale_to_unit, to_frame_major, to_public
from nmf_audio.nmf.workers import Workers

__all__ = ["Factorization", "factorize", "first_factors", "make_result"]

COARSEST = 32
"""Largest default stride of the frames from which atoms are learned first."""

COARSE_FRAMES, FRAMES_PER_ATOM = 1024, 16
"""The default stride leaves at least this many frames, in total and for each atom."""


class Factorization(NamedTuple):
    """Result of `factorize`: V ~= W @ H."""

    W: AnyArray
    """Atoms (n_features, n_components)."""
    H: AnyArray
    """Activations (n_components, n_frames)."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Final beta divergence plus penalties."""

    def normalized(self) -> "Factorization":
        """The same model with atoms that sum to 1, and activations in the unit of the data.

        An activation then is what its atom adds to the sum of the frame: counts, concentrations, amounts. Divided by
        their sums over the atoms, they are shares. Atoms that are all zero stay so, with activations of 0.

        Returns
        -------
        Factorization

        Examples
        --------
        >>> import numpy as np
        >>> V = np.outer([1.0, 3.0], [2.0, 4.0, 1.0])
        >>> factorize(V, 1, rng=0).normalized().H.round(2).tolist()
        [[8.0, 16.0, 4.0]]
        """
        sums = self.W.sum(axis=0)
        W = np.divide(self.W, sums, out=np.zeros_like(self.W), where=sums > 0)
        return self._replace(W=W, H=self.H * sums[:, None])


@single_blas
def factorize(
    V: ArrayLike,
    n_components: int | None = None,
    beta: float = 1.0,
    *,
    solver: str | None = None,
    init: str = "random",
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    free: Free = None,
    l1_H: ArrayLike = 0.0,
    l1_W: ArrayLike = 0.0,
    l2_H: ArrayLike = 0.0,
    l2_W: ArrayLike = 0.0,
    norm: Norm = None,
    weights: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    momentum: float = 0.9,
    coarse: int | None = None,
    n_jobs: int = 1,
    rng: RandomSource = None,
    callback: Callable[[int, float], None] | None = None,
) -> Factorization:
    """Factorize V ~= W @ H: each iteration updates H, then W.

    The objective is the beta divergence of V and W @ H plus ``sum_k l1_H[k] * sum_t H[k, t]``, ``sum_k l1_W[k] *
    sum_f W[f, k]``, and the same with ``l2_H / 2``, ``l2_W / 2`` and squares. Every tenth iteration it is computed;
    the loop ends when it fell by less than `tol` times its value at the start.

    Plain multiplicative updates never raise the objective (Fevotte & Idier 2011; with ``norm="l2"`` this is observed,
    not proven), but they are slow. Two methods save most of the iterations, and are on by default: momentum, and, for
    long data, a start from a part of the frames. Momentum can overshoot: where the objective rose over ten
    iterations, these are repeated without it, and momentum continues with half its weight.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data: one column is one frame (scikit-learn has the transpose). For beta <= 0 zeros are raised as in
        `update_H`.
    n_components : int, optional
        Number of atoms; may be left out when `W` or `H` is given.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito (on power spectra), or any other.
    solver : {"mu", "hals", "projected-gradient", "optimal-gradient", "active-set", "block-pivoting"}, optional
        "mu": multiplicative updates, for any beta. The others are for beta 2, where each side is a problem of
        non-negative least squares, see `nnls`. Default: "hals" for beta 2, unless `weights` or `norm` are
        given, else "mu".
    init : {"random", "frames", "nndsvda", "nndsvdar", "k-means", "anchors"}, optional
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
    l2_H, l2_W : float or array_like (n_components,), optional
        Penalties on half the squares, for the solvers of beta 2 other than "mu".
    norm : None or "l2", optional
        "l2" keeps the free atoms at unit L2 norm inside the objective, for sparse activations: with "mu" as in
        `update_W`, with "hals" by the exact minimum of one atom after the other, so that the objective never rises
        (non-negative sparse coding, Hoyer 2002, who takes gradient steps). "hals" takes no `weights` then.
    weights : array_like (n_features, n_frames), optional
        How much each entry counts; 0 for unknown ones, which may be NaN in `V`.
    max_iter : int, optional
        Largest number of iterations.
    tol : float, optional
        Relative fall of the objective over ten iterations below which it ends; 0 for always `max_iter`.
    momentum : float in [0, 1), optional
        Largest weight of the last step in each update of W and H: about 55 iterations with 0.9 come as far as 200
        without (Hien, Leplat & Gillis, "Block majorization minimization with extrapolation and application to
        beta-NMF", 2024). 0: plain updates.
    coarse : int, optional
        The atoms are first learned from one frame in `coarse`, with ``8 * coarse`` iterations, which take as long
        as eight over all frames; from these atoms learning continues with all frames (after Gillis & Glineur, "A
        multilevel approach for nonnegative matrix factorization", 2012). Of `H` only the columns of these frames
        count then. Default: 32, 16, 8, 4 or 2, as long as 1024 frames and 16 an atom are left; 1, that is all frames
        from the start, if they are not, or when `W` or `H` is given.
    n_jobs : int, optional
        Threads that share the frames; the result is the same to the last bit. BLAS is held at one thread meanwhile.
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
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 2.0, 3.0], [4.0, 0.5, 1.0, 2.0])
    >>> W, H, n_iter, cost = factorize(V, 1, rng=0)
    >>> bool(np.allclose(W @ H, V)), cost < 1e-6
    (True, True)
    """
    problem = prepare(V, beta, weights)
    check_choice("norm", norm, NORMS)
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    momentum = check_number("momentum", momentum, 0.0, MAX_MOMENTUM)
    method = _choose_solver(solver, problem, norm)
    atoms, h = first_factors(problem, n_components, W, H, init, check_rng(rng))
    n_components = len(atoms)
    chosen = free_atoms(free, n_components)
    given = {"l1_H": l1_H, "l1_W": l1_W, "l2_H": l2_H, "l2_W": l2_W}
    penalty_H, penalty_W, square_H, square_W = (
        problem.penalty(value, n_components, name) for name, value in given.items()
    )
    if method == "mu" and (square_H.any() or square_W.any()):
        advice = "for beta 2 give solver='hals', or leave the penalty out"
        raise conflict({"solver": method, "l2_H": l2_H, "l2_W": l2_W}, advice)
    stride = _stride(coarse, problem.n_frames, n_components, W is not None or H is not None)
    if norm == "l2":
        length = np.sqrt((atoms * atoms).sum(axis=1))
        atoms[chosen] = scale_to_unit(atoms[chosen])
        h[:, chosen] *= length[chosen]
    with Workers(check_whole("n_jobs", n_jobs, 1)) as workers:
        both = Alternation(
            problem, atoms, h, chosen, penalty_H, penalty_W, norm, Momentum(momentum if method == "mu" else 0.0),
            workers, None if method == "mu" else SOLVERS[method], square_H, square_W,
        )  # fmt: skip
        first = None
        if stride > 1 and len(chosen):
            first = both.cost() if tol > 0 else None
            both.start_coarsely(stride)
        n_iter, cost = both.run(max_iter, tol, problem.scale_callback(callback), first)
    return make_result(problem, atoms, h, n_iter, cost)


def make_result(problem: Problem, atoms: AnyArray, h: AnyArray, n_iter: int, cost: float) -> Factorization:
    """Return the factors in the scale of the data, if they are finite."""
    cost *= problem.unit_of_cost
    check_result("W", atoms)
    check_result("the cost", cost)
    return Factorization(atoms.T.copy(), to_public(problem, h), n_iter, cost)


def _choose_solver(solver: str | None, problem: Problem, norm: Norm) -> str:
    if solver is None:
        return "hals" if problem.beta == 2 and norm is None and not problem.M.size else "mu"
    check_choice("solver", solver, SOLVERS)
    if solver != "mu" and problem.beta != 2:
        raise conflict({"solver": solver, "beta": problem.beta}, "give solver='mu', or beta=2")
    if norm is not None and (solver not in ("mu", "hals") or (solver == "hals" and problem.M.size)):
        known = "solver='mu'" if problem.M.size else "solver='hals' or 'mu'"
        raise conflict({"solver": solver, "norm": norm}, f"give {known}, or l2_W in the place of norm")
    return solver


def _stride(coarse: int | None, n_frames: int, n_components: int, started: bool) -> int:
    if coarse is not None:
        return check_whole("coarse", coarse, 1, n_frames, advice="V has no more frames")
    enough = max(COARSE_FRAMES, FRAMES_PER_ATOM * n_components)
    stride = 1 if started else COARSEST
    while stride > 1 and n_frames // stride < enough:
        stride //= 2
    return stride


def first_factors(
    problem: Problem,
    n_components: int | None,
    W: ArrayLike | None,
    H: ArrayLike | None,
    init: str,
    rng: np.random.Generator,
) -> tuple[AnyArray, AnyArray]:
    """Return frame-major atoms and activations to start from: copies of the given ones, the others by `init`."""
    given = None
    if H is not None:
        given = len(check_array("H", H, ("n_components", problem.n_frames)))
    if W is not None:
        given = check_array("W", W, (problem.n_features, given or "n_components")).shape[1]
    if given is None and n_components is None:
        raise invalid("n_components", None, "the number of atoms", "give it, or W, or H")
    wanted = given if n_components is None else check_whole("n_components", n_components, 1)
    if given is not None and wanted != given:
        raise invalid("n_components", wanted, f"{given}, the atoms of the given W or H", "or leave it out")
    assert wanted is not None
    if W is not None:
        return to_frame_major(problem, W, H)
    atoms, h = make_start(problem, wanted, init, rng)
    return (atoms, h) if H is None else to_frame_major(problem, atoms.T, H)
