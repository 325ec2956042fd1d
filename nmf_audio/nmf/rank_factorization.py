"""Non-negative rank factorization: exact, with as many atoms as the rank.

Whether there is one is hard to tell in general. There is one, and it is found directly, where V holds a monomial
submatrix of its rank r: rows I and columns J that meet in a diagonal matrix of r entries above 0, in some order. Then

    V = V[:, J] @ inv(V[I, J]) @ V[I, :]

(S. L. Campbell, G. D. Poole, "Computing nonnegative rank factorizations", Linear Algebra Appl. 35, 1981). In a
symmetric matrix with a diagonal principal submatrix of its rank I are J, and half of the inverse goes to either side
(V. Kalofolias, E. Gallopoulos, "Computing symmetric nonnegative rank factorizations", Linear Algebra Appl. 436,
2012). The columns J are those that all others are mixtures of, so they are found as anchors are: O(r m n) in all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, invalid
from nmf_audio._types import AnyArray
from nmf_audio.errors import ParameterError
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import power_of_two
from nmf_audio.nmf.separable import NOTHING_LEFT, project_successively
from nmf_audio.nmf.symmetric import check_similarities

__all__ = ["RankFactorization", "factorize_rank", "factorize_rank_symmetric"]


class RankFactorization(NamedTuple):
    """Result of `factorize_rank`: V = W @ H."""

    W: AnyArray
    """Atoms (n_features, rank): the columns `frames` of V."""
    H: AnyArray
    """Activations (rank, n_frames)."""
    features: AnyArray
    """Rows of V (rank,) in which only one atom each is above 0, in the order of the atoms."""
    frames: AnyArray
    """Columns of V (rank,) that are the atoms."""


@single_blas
def factorize_rank(V: ArrayLike, *, tol: float = 1e-8) -> RankFactorization:
    """Factorize V = W @ H exactly, with as many atoms as the rank of V.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data with a monomial submatrix of their rank: for each atom there is a frame in which it is alone, and a
        feature which it alone has.
    tol : float, optional
        Numbers below this share of the largest in their row count as 0, and no entry of W @ H may be off by more than
        this share of the largest in `V`.

    Returns
    -------
    RankFactorization
        Named tuple ``(W, H, features, frames)``, float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed, or `V` has no such submatrix; the message says which part is missing.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 3.0], [2.0, 1.0, 2.0]])
    >>> W, H, features, frames = factorize_rank(V)
    >>> bool(np.allclose(W @ H, V)), features.tolist(), frames.tolist()
    (True, [1, 0], [1, 0])
    """
    v = check_array("V", V, ("n_features", "n_frames")).astype(np.float64)
    tol = check_number("tol", tol, 0.0, 1.0)
    scale = power_of_two(v)
    v = v / scale
    frames = _find_frames("V", v, min(v.shape), tol)
    atoms = v[:, frames]
    alone = atoms > tol * atoms.max(axis=1, keepdims=True)
    features = np.empty(len(frames), np.intp)
    for k in range(len(frames)):
        own = np.where(alone.sum(axis=1) == 1, np.where(alone[:, k], atoms[:, k], 0), 0)
        features[k] = own.argmax()
        if own[features[k]] == 0:
            raise _no_factorization(
                "V", f"no feature is above 0 in frame {frames[k]} and in no other of these", frames
            )
    H = v[features] / atoms[features, np.arange(len(frames))][:, None]
    _check_exact("V", v, atoms @ H, tol, frames)
    return RankFactorization(atoms * scale, H, features, frames)


@single_blas
def factorize_rank_symmetric(A: ArrayLike, *, tol: float = 1e-8) -> tuple[AnyArray, AnyArray]:
    """Factorize a symmetric matrix A = G @ G.T exactly, with as many columns as its rank, in O(rank * n**2).

    Parameters
    ----------
    A : array_like (n, n), >= 0
        Symmetric, with a diagonal principal submatrix of its rank: as many items as that, none of which has anything
        in common with another.
    tol : float, optional
        As in `factorize_rank`.

    Returns
    -------
    G : ndarray (n, rank), float64
        The factor, >= 0.
    items : ndarray (rank,) of int
        Rows of the diagonal submatrix: ``G[items]`` is diagonal.

    Raises
    ------
    ParameterError
        When an argument is not allowed, or `A` has no such submatrix; the message says which part is missing.

    Examples
    --------
    >>> import numpy as np
    >>> G, items = factorize_rank_symmetric([[4.0, 0.0, 2.0], [0.0, 1.0, 1.0], [2.0, 1.0, 2.0]])
    >>> G.tolist(), items.tolist()
    ([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1])
    """
    a, scale = check_similarities(A)
    tol = check_number("tol", tol, 0.0, 1.0)
    items = _find_frames("A", a, len(a), tol)
    corner = a[np.ix_(items, items)]
    sizes = np.diagonal(corner)
    off = corner - np.diag(sizes)
    if not (sizes > 0).all() or (off > tol * sizes.max()).any():
        i, j = np.unravel_index(off.argmax(), off.shape)
        raise _no_factorization("A", f"A[{items[i]}, {items[j]}] is not 0", items)
    G = a[:, items] / np.sqrt(sizes)
    _check_exact("A", a, G @ G.T, tol, items)
    return G * np.sqrt(scale), items


def _find_frames(name: str, v: AnyArray, most: int, tol: float) -> AnyArray:
    frames = project_successively(np.ascontiguousarray(v.T), most, max(tol, NOTHING_LEFT))
    if not len(frames):
        raise invalid(name, 0, "above 0 for at least one entry", given=f"{name} is all 0")
    return frames


def _check_exact(name: str, v: AnyArray, model: AnyArray, tol: float, chosen: AnyArray) -> None:
    error = np.abs(v - model)
    if (error > tol * v.max()).any():
        where = ", ".join(str(i) for i in np.unravel_index(error.argmax(), error.shape))
        raise _no_factorization(name, f"these do not give {name}[{where}]", chosen)


def _no_factorization(name: str, reason: str, chosen: AnyArray) -> ParameterError:
    kind = "monomial" if name == "V" else "diagonal principal"
    columns = ", ".join(map(str, chosen[:10])) + (", ..." if len(chosen) > 10 else "")
    return invalid(
        name,
        len(chosen),
        f"with a {kind} submatrix of its rank",
        "factorize finds an approximation of any data",
        given=f"of {name} all columns are combinations of {len(chosen)} ({columns}), but {reason}",
    )
