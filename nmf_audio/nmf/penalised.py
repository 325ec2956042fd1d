"""NMF with penalties: activations that are continuous over time or space, or in few groups at once.

The objective, with V scaled to a mean of 1, atoms that sum to 1, F features, and the activations a = H / F (about
the share of the mean level that an atom has in a frame)::

    D_beta(V | W @ H) + F * sum_kt l1[k] * a[k, t]
                      + F * sum_kt continuity[k] * (a[k, t] - a[k, t-1])**2
                      + F * sum_kt variation[k] * r(a[k, t] - a[k, t-1])
                      + F * sum_gt group * log(1 + a_g[t] / EPSILON),   a_g the sum of a over the group

with r(d) = sqrt(d**2 + ROUNDED**2) - ROUNDED, nearly |d|: the total variation, which lets few and large steps be
where squares make many small ones. Where frames are the pixels of an image, the differences are those to the pixels
above and to the left. For atoms that are images take V.T, so that they are the activations.

Every weight is dimensionless, so that neither level nor size of the data matter. Each update minimises a function
that lies above the objective and touches it at the current point (majorisation-minimisation), so the objective
never rises:

- the divergence by the separable bound of Févotte & Idier (2011);
- a squared difference of neighbours, (x - y)**2 <= 2 * (x - m)**2 + 2 * (y - m)**2 with m the mean of their current
  values (De Pierro 1995): neighbours can be updated at the same time;
- the root by its tangent in d**2: a weight of its own for each difference (Seichepine et al. 2014);
- the logarithm by its tangent: an L1 penalty of its own for each group and frame.

The result is one equation for each entry: linear (beta 2), quadratic (1) or cubic (0). A Lagrange multiplier keeps
the sum of each atom at 1, so that penalties can't be evaded by larger atoms and smaller activations.

T. Virtanen, "Monaural sound source separation by nonnegative matrix factorization with temporal continuity and
sparseness criteria", IEEE Trans. ASLP 15(3), 2007 (who weighs each atom by its own mean square and takes steps
without a guarantee); S. Essid, C. Févotte, "Smooth nonnegative matrix factorization for unsupervised audiovisual
document structuring", IEEE Trans. Multimedia 15(2), 2013 (the majorised form); A. Lefèvre, F. Bach, C. Févotte,
"Itakura-Saito nonnegative matrix factorization with group sparsity", ICASSP 2011; N. Seichepine, S. Essid, C.
Févotte, O. Cappé, "Piecewise constant nonnegative matrix factorization", ICASSP 2014 (variation over time); M.-D.
Iordache, J. M. Bioucas-Dias, A. Plaza, "Total variation spatial regularization for sparse hyperspectral unmixing",
IEEE Trans. Geoscience and Remote Sensing 50(11), 2012 (variation over images, with known atoms).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_choice, check_number, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend, total_divergence
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Free, Problem, free_atoms, per_atom, prepare
from nmf_audio.nmf.factorization import Factorization, first_factors, make_result
from nmf_audio.nmf.minimisers import find_root, minimum_of_sum_one
from nmf_audio.nmf.updates import compute_ratios

__all__ = ["Penalty", "factorize_penalised"]

EPSILON = 1e-2
"""A group below this share of the mean level is off."""

ROUNDED = 1e-2
"""Smaller differences, in shares of the mean level, count for the total variation by their squares."""

BETAS = (0, 1, 2)


@dataclass(frozen=True)
class Penalty:
    """Weights of the penalties, dimensionless and >= 0; the module's docstring has the terms that they multiply.

    Parameters
    ----------
    l1 : float or sequence (n_components,), optional
        On activations, so that few are large.
    continuity : float or sequence (n_components,), optional
        On squared differences of activations from frame to frame.
    variation : float or sequence (n_components,), optional
        On differences of activations from frame to frame: the total variation.
    group : float, optional
        On how many groups are active in a frame.
    groups : sequence of int (n_components,), optional
        Group of each atom, counted from 0. By default each atom is a group of its own.
    shape : tuple of int, optional
        ``(n_rows, n_columns)`` where frames are the pixels of an image, row by row; it may have any number of axes,
        and differences are taken along each. By default frames are one after the other.

    Examples
    --------
    >>> Penalty(continuity=1.0, group=0.1, groups=(0, 0, 1)).groups
    (0, 0, 1)
    """

    l1: float | Sequence[float] = 0.0
    continuity: float | Sequence[float] = 0.0
    group: float = 0.0
    groups: Sequence[int] | None = None
    variation: float | Sequence[float] = 0.0
    shape: Sequence[int] | None = None


@single_blas
def factorize_penalised(
    V: ArrayLike,
    n_components: int | None = None,
    beta: float = 1.0,
    *,
    penalty: Penalty,
    init: str = "random",
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    free: Free = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[int, float], None] | None = None,
) -> Factorization:
    """Factorize V ~= W @ H with penalties on the activations.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data; frames are one after the other.
    n_components : int, optional
        Number of atoms; may be left out when `W` or `H` is given.
    beta : {0, 1, 2}, optional
        2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito (on power spectra).
    penalty : Penalty
        Weights.
    init : str, optional
        Start of what is not given, see `initialize`.
    W : array_like (n_features, n_components), optional
        Atoms to start from, none of them all zero; they are scaled to a sum of 1.
    H : array_like (n_components, n_frames), optional
        Activations to start from.
    free : slice, indices or boolean mask, optional
        The atoms that are learned (default: all); ``()`` learns activations only.
    max_iter, tol, callback
        As in `factorize`.
    rng : int, Generator or None, optional
        For `init`.

    Returns
    -------
    Factorization
        Named tuple ``(W, H, n_iter, cost)``: atoms that sum to 1, and the objective, in the unit of the
        divergence of `V`.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 3.0], [1.0, 9.0, 1.0, 9.0])
    >>> H = factorize_penalised(V, W=[[1.0], [3.0]], free=(), penalty=Penalty(continuity=100.0)).H
    >>> bool(np.ptp(H) < 0.1 * H.mean())
    True
    """
    beta = float(check_choice("beta", beta, BETAS))
    problem = prepare(V, beta, None)
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    atoms, h = _scale_to_sum_one(problem, *first_factors(problem, n_components, W, H, init, check_rng(rng)))
    weights = _Weights(penalty, len(atoms), problem)
    chosen = free_atoms(free, len(atoms))

    def objective() -> float:
        return total_divergence(problem, atoms, h) + weights.value(h)

    def update() -> None:
        _update_activations(problem, atoms, h, weights)
        if len(chosen):
            _update_atoms(problem, atoms, h, chosen)

    n_iter, cost = descend(
        update, objective, max_iter=max_iter, tol=tol, callback=problem.scale_callback(callback)
    )
    return make_result(problem, atoms, h, n_iter, cost)


class _Weights:
    """The penalties of one problem: their values, and the majorising terms at a point."""

    def __init__(self, penalty: Penalty, n_components: int, problem: Problem) -> None:
        def each(name: str) -> AnyArray:
            return per_atom(getattr(penalty, name), n_components, name)

        self._F = problem.n_features
        self._l1, self._continuity, self._variation = each("l1"), each("continuity"), each("variation")
        self._shape = _check_grid(penalty.shape, problem.n_frames)
        self._group = check_number("group", penalty.group, 0.0)
        labels = np.arange(n_components) if penalty.groups is None else np.asarray(penalty.groups)
        if labels.shape != (n_components,) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
            raise invalid("groups", penalty.groups, "one whole number >= 0 for each atom")
        self._member = np.equal.outer(labels, np.unique(labels)).astype(problem.dtype)

    def value(self, h: AnyArray) -> float:
        a = h.astype(np.float64) / self._F
        total = (self._l1 * a).sum()
        for axis in range(len(self._shape)):
            d = np.diff(a.reshape(*self._shape, -1), axis=axis)
            total += (self._continuity * d**2).sum()
            if self._variation.any():
                total += (self._variation * (np.sqrt(d**2 + ROUNDED**2) - ROUNDED)).sum()
        if self._group > 0:
            total += self._group * np.log1p((a @ self._member) / EPSILON).sum()
        return float(self._F * total)

    def around(self, h: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Curvature C and linear term D of the majorised penalties, whose derivative is C * h + D."""
        a = h / h.dtype.type(self._F)
        C, D = np.zeros(h.shape), np.zeros(h.shape)
        for axis in range(len(self._shape)):
            weight = self._continuity / self._F
            grid = h.reshape(*self._shape, -1)
            if self._variation.any():
                d = np.diff(a.reshape(grid.shape), axis=axis)
                weight = weight + self._variation / (2 * self._F * np.sqrt(d**2 + ROUNDED**2))
            for total, part in zip((C, D), _majorise_neighbours(weight, grid, axis), strict=True):
                total += part.reshape(h.shape)
        D += self._l1
        if self._group > 0:
            D += (self._group / (EPSILON + a @ self._member)) @ self._member.T
        return C, D


def _majorise_neighbours(weight: AnyArray, x: AnyArray, axis: int) -> tuple[AnyArray, AnyArray]:
    """Majorise sum weight * (x[i+1] - x[i])**2 along an axis, by De Pierro's bound, at x (..., n_components)."""
    C, D = np.zeros(x.shape), np.zeros(x.shape)
    # views: what is added to them is added to C and D
    c, d, x = (np.moveaxis(array, axis, 0) for array in (C, D, x))
    weight = weight if weight.ndim == 1 else np.moveaxis(weight, axis, 0)
    pull = 2 * weight * (x[1:] + x[:-1])
    for side in (slice(1, None), slice(None, -1)):
        c[side] += 4 * weight
        d[side] -= pull
    return C, D


def _check_grid(shape: Sequence[int] | None, n_frames: int) -> tuple[int, ...]:
    if shape is None:
        return (n_frames,)
    grid = tuple(check_whole("shape", n, 1) for n in shape)
    if math.prod(grid) != n_frames:
        raise invalid("shape", grid, f"that of {n_frames} pixels, the frames of V")
    return grid


def _update_activations(problem: Problem, atoms: AnyArray, h: AnyArray, weights: _Weights) -> None:
    P, Q = _ratios_of(problem, atoms, h)
    C, D = weights.around(h)
    new = find_root(problem.beta, h, P @ atoms.T, Q @ atoms.T, C, D)
    h[:] = np.maximum(new, problem.floor(atoms))


def _update_atoms(problem: Problem, atoms: AnyArray, h: AnyArray, free: AnyArray) -> None:
    P, Q = _ratios_of(problem, atoms, h)
    active = h[:, free].T
    atoms[free] = minimum_of_sum_one(problem.beta, atoms[free], active @ P, active @ Q)


def _ratios_of(problem: Problem, atoms: AnyArray, h: AnyArray) -> tuple[AnyArray, AnyArray]:
    L = h @ atoms
    L += problem.dtype.type(problem.eps)
    return compute_ratios(problem.V, L, problem.beta)


def _scale_to_sum_one(problem: Problem, atoms: AnyArray, h: AnyArray) -> tuple[AnyArray, AnyArray]:
    sums = atoms.sum(axis=1, dtype=np.float64).astype(problem.dtype)
    if not (sums > 0).all():
        k = int(np.argmin(sums))
        raise invalid("W", 0, "above 0 in at least one entry of each atom", given=f"W[:, {k}] is all 0")
    return atoms / sums[:, None], np.maximum(h * sums, problem.eps)
