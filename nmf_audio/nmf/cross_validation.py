"""Cross-validation: how well factorizations predict entries that they were not shown, to choose a number of atoms."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_real, check_rng, check_shape, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import EPS
from nmf_audio.nmf.divergences import beta_divergence
from nmf_audio.nmf.factorization import factorize
from nmf_audio.nmf.updates import Norm

__all__ = ["CrossValidation", "cross_validate", "standard_error"]


class CrossValidation(NamedTuple):
    """Result of `cross_validate`."""

    ranks: AnyArray
    """Numbers of atoms that were tried (n_ranks,)."""
    held_out: AnyArray
    """Mean divergence of an entry that was held out, (n_folds, n_ranks)."""
    best: int
    """The smallest of `ranks` that is worse than the best one by at most a standard error of the difference."""


@single_blas
def cross_validate(
    V: ArrayLike,
    ranks: Sequence[int],
    beta: float = 1.0,
    *,
    n_folds: int = 5,
    weights: ArrayLike | None = None,
    init: str = "random",
    l1_H: ArrayLike = 0.0,
    norm: Norm = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """Try numbers of atoms on entries that are held out.

    The entries are divided by chance into folds. Each fold in turn is unknown (weight 0) while atoms and activations
    are learned from the others, and then its divergence from the model counts. Too few atoms do not explain the data,
    and too many explain their noise, which does not come again. A. B. Owen, P. O. Perry, "Bi-cross-validation of the
    SVD and the nonnegative matrix factorization", Ann. Appl. Statist. 3, 2009, discuss this and the holding out of
    whole blocks; the rule of one standard error is that of L. Breiman, J. Friedman, R. Olshen, C. Stone,
    "Classification and regression trees", 1984. Where neighbours are alike, as those in spectrograms with overlapping
    frames, what is held out is half known, and more atoms seem to pay.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data.
    ranks : sequence of int
        Numbers of atoms, each once.
    beta : float, optional
        Divergence, see `factorize`.
    n_folds : int, optional
        Folds, at least 2.
    weights : array_like (n_features, n_frames), optional
        How much each entry counts, when learning and when held out.
    init, l1_H, norm, max_iter, tol
        As in `factorize`.
    rng : int, Generator or None, optional
        For folds and starts; the same int gives the same result.
    callback : callable, optional
        Called as ``callback(n_done, n_in_all)`` after each factorization.

    Returns
    -------
    CrossValidation
        Named tuple ``(ranks, held_out, best)``.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> V = rng.poisson(rng.gamma(0.5, 4, (30, 2)) @ rng.gamma(0.5, 4, (2, 40)))
    >>> cross_validate(V, [1, 2, 3, 4], rng=0).best
    2
    """
    v = check_real("V", V)
    check_shape("V", v, ("n_features", "n_frames"))
    m = np.ones(v.shape) if weights is None else check_array("weights", weights, v.shape).astype(np.float64)
    tried = [check_whole("ranks", n, 1) for n in ranks] if isinstance(ranks, Iterable) else []
    if not tried or len(set(tried)) < len(tried):
        raise invalid("ranks", ranks, "numbers of atoms, each once, at least one", "such as range(1, 9)")
    entries = np.flatnonzero(m)
    n_folds = check_whole("n_folds", n_folds, 2, max(2, len(entries)), advice="V has no more known entries")
    generator = check_rng(rng)
    fold = np.full(v.shape, -1)
    fold.flat[entries] = generator.permutation(len(entries)) % n_folds
    seed = int(generator.integers(2**31))
    held_out = np.empty((n_folds, len(tried)))
    for i in range(n_folds):
        shown, hidden = np.where(fold == i, 0, m), np.where(fold == i, m, 0)
        for j, n in enumerate(tried):
            W, H, _, _ = factorize(
                v, n, beta, init=init, weights=shown, l1_H=l1_H, norm=norm, max_iter=max_iter, tol=tol, rng=seed,
            )  # fmt: skip
            model = W @ H
            model = model + EPS * model.mean()
            held_out[i, j] = beta_divergence(v, model, beta, weights=hidden) / hidden.sum()
            if callback is not None:
                callback(i * len(tried) + j + 1, n_folds * len(tried))
    return CrossValidation(np.array(tried), held_out, _choose(np.array(tried), held_out))


def _choose(ranks: AnyArray, held_out: AnyArray) -> int:
    mean = held_out.mean(axis=0)
    best = int(mean.argmin())
    # of the differences, in which what is common to all ranks in a fold does not count
    excess = held_out - held_out[:, [best]]
    return int(ranks[excess.mean(axis=0) <= standard_error(excess)].min())


def standard_error(of_folds: AnyArray) -> AnyArray:
    """Return the standard error of the mean over folds (n_folds, n_ranks)."""
    error: AnyArray = of_folds.std(axis=0, ddof=1) / np.sqrt(len(of_folds))
    return error
