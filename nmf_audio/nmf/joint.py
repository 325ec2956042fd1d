"""Joint factorization of several matrices that share factors.

A matrix relates two kinds of things, its rows and its columns: frequencies and frames, texts and words, people and
films. Each kind has one factor, which all matrices share that have it on one of their sides (A. P. Singh, G. J.
Gordon, "Relational learning via collective matrix factorization", KDD 2008).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import check_beta, check_result, exponent, prepare
from nmf_audio.nmf.divergences import beta_divergence
from nmf_audio.nmf.updates import compute_ratios, multiply

__all__ = ["JointFactorization", "factorize_joint"]


class JointFactorization(NamedTuple):
    """Result of `factorize_joint`: each V ~= factors[rows] @ factors[columns].T."""

    factors: dict[str, AnyArray]
    """Factor (n, n_components) of each kind, >= 0."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Sum of the beta divergences."""


@dataclass(frozen=True)
class _Relation:
    """A matrix, in a scale that all share, and the kinds on its sides."""

    V: AnyArray
    M: AnyArray
    eps: float
    rows: str
    columns: str

    def model(self, factors: Mapping[str, AnyArray]) -> AnyArray:
        L: AnyArray = factors[self.rows].T @ factors[self.columns]
        return L + self.eps


@single_blas
def factorize_joint(
    matrices: Sequence[tuple[ArrayLike, str, str]],
    n_components: int,
    beta: float = 1.0,
    *,
    weights: Sequence[ArrayLike | None] | None = None,
    factors: Mapping[str, ArrayLike] | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[int, float], None] | None = None,
) -> JointFactorization:
    """Factorize several matrices at once, with one factor for each kind of rows or columns.

    An iteration updates one factor after the other by the ratio of the sums, over all matrices that share it, of the
    two parts of the gradient. The cost is the sum of the divergences, and rises at no update: each model is linear in
    each factor, and the sum of functions that lie above the divergences lies above their sum (Févotte & Idier 2011).

    Parameters
    ----------
    matrices : sequence of (V, rows, columns)
        Each an array (n_rows, n_columns), >= 0, and the names of the kinds on its sides, which differ. One kind has
        the same length everywhere.
    n_components : int
        Columns of each factor.
    beta : float, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, or any other. For beta above 0 matrices of larger numbers
        count more: scale them, or give weights.
    weights : sequence, optional
        For each matrix None, a number, or how much each entry counts: 0 for unknown ones, which may be NaN in `V`.
    factors : mapping of str to array_like (n, n_components), optional
        Factors to start from; random for kinds that are left out.
    max_iter, tol, rng, callback
        As in `factorize`.

    Returns
    -------
    JointFactorization
        Named tuple ``(factors, n_iter, cost)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    Sound and pictures of the same events, and the times at which these happen:

    >>> import numpy as np
    >>> times = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    >>> sound = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0]]) @ times.T
    >>> pictures = np.array([[0.0, 1.0], [4.0, 0.0]]) @ times.T
    >>> matrices = [(sound, "bands", "time"), (pictures, "pixels", "time")]
    >>> found = factorize_joint(matrices, 2, max_iter=2000, tol=0, rng=0)
    >>> {name: f.shape for name, f in found.factors.items()}, found.cost < 1e-3
    ({'bands': (3, 2), 'time': (4, 2), 'pixels': (2, 2)}, True)
    """
    beta = check_beta(beta)
    n = check_whole("n_components", n_components, 1)
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    relations, scale = _check_matrices(matrices, beta, weights)
    given = _start(relations, n, factors, scale, check_rng(rng))
    gamma, unit = exponent(beta), scale**beta

    def update() -> None:
        for name, factor in given.items():
            num, den = np.zeros_like(factor), np.zeros_like(factor)
            for one in relations:
                if name not in (one.rows, one.columns):
                    continue
                ratios = compute_ratios(one.V, one.model(given), beta, one.M)
                for total, part in zip((num, den), ratios, strict=True):
                    total += given[one.columns] @ part.T if name == one.rows else given[one.rows] @ part
            multiply(factor, num, den, gamma)

    def cost() -> float:
        return sum(
            beta_divergence(one.V, one.model(given), beta, weights=one.M if one.M.size else None)
            for one in relations
        )

    scaled = None if callback is None else lambda n_iter, now: callback(n_iter, now * unit)
    n_iter, end = descend(update, cost, max_iter=max_iter, tol=tol, callback=scaled)
    found = {name: factor.T * np.sqrt(scale) for name, factor in given.items()}
    for name, result in (*found.items(), ("the cost", end * unit)):
        check_result(name, result)
    return JointFactorization(found, n_iter, end * unit)


def _check_matrices(
    matrices: Sequence[tuple[ArrayLike, str, str]], beta: float, weights: Sequence[ArrayLike | None] | None
) -> tuple[list[_Relation], float]:
    """Return the matrices over a scale that is a power of two, and that scale."""
    if not len(matrices):
        raise invalid("matrices", list(matrices), "at least one (V, rows, columns)")
    if weights is not None and len(weights) != len(matrices):
        raise invalid("weights", len(weights), f"one for each of {len(matrices)} matrices, or None")
    problems, lengths = [], dict[str, int]()
    for i, (V, rows, columns) in enumerate(matrices):
        if rows == columns:
            raise invalid("columns", columns, "another kind than the rows", "see factorize_symmetric")
        weight = None if weights is None else weights[i]
        if weight is not None and np.ndim(weight) == 0:
            weight = np.full(np.shape(V), check_number("weights", weight, 0.0, above=True))
        problem = prepare(V, beta, weight)
        problems.append((problem, rows, columns))
        for name, length in ((rows, problem.n_features), (columns, problem.n_frames)):
            if lengths.setdefault(name, length) != length:
                given = f"{name!r} has {length} entries in matrix {i}, and {lengths[name]} before"
                raise invalid("matrices", length, "of one length for each kind", given=given)
    scale = max(problem.scale for problem, _, _ in problems)
    relations = [
        _Relation(
            problem.V.T.astype(np.float64) * (problem.scale / scale),
            problem.M.T.astype(np.float64),
            problem.eps * problem.scale / scale,
            rows,
            columns,
        )
        for problem, rows, columns in problems
    ]
    return relations, scale


def _start(
    relations: Sequence[_Relation],
    n: int,
    factors: Mapping[str, ArrayLike] | None,
    scale: float,
    rng: np.random.Generator,
) -> dict[str, AnyArray]:
    """Return factors (n_components, n): those given, others random, at the level of the matrices."""
    lengths = {
        name: length
        for one in relations
        for name, length in zip((one.rows, one.columns), one.V.shape, strict=True)
    }
    unknown = set(factors or {}) - set(lengths)
    if unknown:
        raise invalid("factors", sorted(unknown)[0], f"for a kind of {', '.join(map(repr, lengths))}")
    level = max(float(one.V.mean()) for one in relations)
    start = {}
    for name, length in lengths.items():
        if factors is not None and name in factors:
            given = check_array(name, factors[name], (length, n)).astype(np.float64)
            start[name] = np.array(given.T / np.sqrt(scale), order="C")
        else:
            start[name] = (np.abs(rng.standard_normal((n, length))) + 1e-3) * np.sqrt(max(level, 1e-10) / n)
    return start
