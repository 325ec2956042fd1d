"""Atoms of one factorization beside those of another: factorizations have no order of their own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, invalid
from nmf_audio._types import AnyArray
from nmf_audio.nmf.checks import power_of_two

__all__ = ["Matching", "match_atoms"]


class Matching(NamedTuple):
    """Result of `match_atoms`."""

    order: AnyArray
    """Column of W that belongs to each reference atom (n_references,), of int: ``W[:, order]`` are in their order."""
    cosines: AnyArray
    """Cosine of the angle between the two (n_references,): 1 where they differ by a factor only."""


def match_atoms(W: ArrayLike, reference: ArrayLike) -> Matching:
    """Find the atom that belongs to each reference atom: pairs whose cosines have the largest sum.

    A factorization determines neither the order of its atoms nor their scale. To compare atoms with those of another
    factorization, or with known ones, put them in order first; cosines do not depend on the scale. To compare
    activations, give ``H.T``.

    Parameters
    ----------
    W : array_like (n_features, n_components)
        Atoms, of any sign.
    reference : array_like (n_features, n_references)
        Atoms to compare with, at most n_components.

    Returns
    -------
    Matching
        Named tuple ``(order, cosines)``. Atoms that are all zero have cosines of 0.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> order, cosines = match_atoms([[0.0, 2.0], [3.0, 2.0]], [[1.0, 0.0], [1.0, 1.0]])
    >>> order.tolist(), cosines.round(3).tolist()
    ([1, 0], [1.0, 1.0])
    """
    from scipy.optimize import linear_sum_assignment

    w = check_array("W", W, ("n_features", "n_components"), low=-np.inf)
    r = check_array("reference", reference, (len(w), "n_references"), low=-np.inf)
    if r.shape[1] > w.shape[1]:
        allowed = f"of at most {w.shape[1]} atoms, as many as W has"
        raise invalid("reference", r.shape, allowed, given=f"reference has {r.shape[1]} atoms")
    cosines = _unit(r).T @ _unit(w)
    rows, order = linear_sum_assignment(cosines, maximize=True)
    return Matching(order, cosines[rows, order])


def _unit(atoms: AnyArray) -> AnyArray:
    unit = atoms.astype(np.float64) / power_of_two(atoms)
    length = np.linalg.norm(unit, axis=0)
    scaled: AnyArray = unit / np.where(length > 0, length, 1)
    return scaled
