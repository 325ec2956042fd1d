"""Comparison of numbers of atoms: what they leave unexplained, and how well they predict what is held out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_callable, check_whole
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.cross_validation import cross_validate
from nmf_audio.nmf.sequential import factorize_sequentially, principal_residuals

__all__ = ["RankComparison", "compare_ranks", "ranks_up_to"]

SEQUENTIAL_WORK = 0.5
"""Work for an atom of the sequence, in that of a factorization of cross-validation: for progress only."""


class RankComparison(NamedTuple):
    """Result of `compare_ranks`."""

    ranks: AnyArray
    """Numbers of atoms (n_ranks,)."""
    residuals: AnyArray
    """Fractional residual variance of as many atoms, learned one after the other (n_ranks,)."""
    principal: AnyArray
    """The same of as many principal components, the least that is possible (n_ranks,)."""
    held_out: AnyArray
    """Mean divergence of an entry that was held out (n_folds, n_ranks)."""
    best: int
    """The smallest of `ranks` that is worse than the best one by at most a standard error of the difference."""


def compare_ranks(
    V: ArrayLike,
    ranks: Sequence[int] | int,
    beta: float = 1.0,
    *,
    l1_H: float = 0.0,
    n_folds: int = 3,
    max_iter: int = 100,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[float], None] | None = None,
) -> RankComparison:
    """Compare numbers of atoms: what they leave unexplained, and how well they predict what is held out.

    The fractional residual variance of atoms that are learned one after the other (`factorize_sequentially`; G. Zhu,
    arXiv:1612.06037, 2016; B. Ren et al., Astrophysical Journal 852, 2018) falls with every atom, that of principal
    components is the least that is possible: these two show what an atom explains, not when there are enough. The
    divergence of entries that are held out (`cross_validate`) rises again where atoms learn noise; it sets `best`.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data: one column is one frame.
    ranks : sequence of int, or int
        Numbers of atoms, each once; one number stands for 1, 2, 3, 4, 6, 8, 12, 16 and so on up to it.
    beta : float, optional
        Divergence, see `factorize`.
    l1_H : float, optional
        Penalty on the activations in cross-validation, with atoms of unit L2 norm. Without one, many atoms may put
        anything where entries are hidden.
    n_folds, rng
        As in `cross_validate`.
    max_iter, tol
        As in `factorize`, for each factorization.
    callback : callable, optional
        Called as ``callback(share)`` with the share of the work that is done.

    Returns
    -------
    RankComparison
        Named tuple ``(ranks, residuals, principal, held_out, best)``.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> V = rng.poisson(rng.gamma(0.5, 4, (30, 2)) @ rng.gamma(0.5, 4, (2, 40)))
    >>> found = compare_ranks(V, 4, rng=0)
    >>> found.ranks.tolist(), found.best
    ([1, 2, 3, 4], 2)
    """
    v = check_array("V", V, ("n_features", "n_frames"))
    check_callable("callback", callback)
    tried = list(ranks) if isinstance(ranks, Sequence) else ranks_up_to(ranks)
    n_folds = check_whole("n_folds", n_folds, 2)
    most = max(tried, default=1)
    first, second = n_folds * len(tried), SEQUENTIAL_WORK * most

    def report(done: float) -> None:
        if callback is not None:
            callback(done / (first + second))

    validated = cross_validate(
        v, tried, beta, n_folds=n_folds, l1_H=l1_H, norm="l2" if l1_H > 0 else None, max_iter=max_iter, tol=tol,
        rng=rng, callback=lambda n_done, _: report(n_done),
    )  # fmt: skip
    sequence = factorize_sequentially(
        v, most, beta, max_iter=max_iter, tol=tol, callback=lambda k, _: report(first + SEQUENTIAL_WORK * k),
    )  # fmt: skip
    chosen = validated.ranks - 1
    # as many components as the smaller side has explain everything
    principal = np.zeros(most)
    possible = principal_residuals(v, min(most, *v.shape))
    principal[: len(possible)] = possible
    return RankComparison(
        validated.ranks, sequence.residuals[chosen], principal[chosen], validated.held_out, validated.best
    )


def ranks_up_to(highest: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, 16 and so on, and `highest` as the last.

    Examples
    --------
    >>> ranks_up_to(14)
    [1, 2, 3, 4, 6, 8, 12, 14]
    """
    ranks, power = [1], 2
    while power <= check_whole("ranks", highest, 1):
        ranks += [power, power + power // 2]
        power *= 2
    return [*(n for n in ranks if n < highest), highest]
