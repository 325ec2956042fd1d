"""Convolutive NMF: atoms of several frames, V[:, t] ~= sum_lag W[:, :, lag] @ H[:, t - lag].

Stacked with its delayed copies, H makes it NMF with n_components * n_lags atoms whose activations are tied, so that
it runs on the updates of NMF.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmf_audio._checks import check_array, check_number, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource
from nmf_audio.nmf.alternation import descend, total_divergence
from nmf_audio.nmf.blas import single_blas
from nmf_audio.nmf.checks import Problem, check_result, convert, prepare
from nmf_audio.nmf.init import make_start
from nmf_audio.nmf.updates import compute_ratios, to_public, update_atoms

__all__ = ["ConvolutiveFactorization", "factorize_convolutive"]


class ConvolutiveFactorization(NamedTuple):
    """Result of `factorize_convolutive`: V[:, t] ~= sum_lag W[:, :, lag] @ H[:, t - lag]."""

    W: AnyArray
    """Atoms (n_features, n_components, n_lags): W[:, k] is the pattern of one, of unit L2 norm."""
    H: AnyArray
    """Activations (n_components, n_frames): where patterns begin, and how loud."""
    n_iter: int
    """Number of iterations."""
    cost: float
    """Final beta divergence."""


@single_blas
def factorize_convolutive(
    V: ArrayLike,
    n_components: int | None = None,
    n_lags: int | None = None,
    beta: float = 1.0,
    *,
    W: ArrayLike | None = None,
    H: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    rng: RandomSource = None,
    callback: Callable[[int, float], None] | None = None,
) -> ConvolutiveFactorization:
    """Factorize into patterns that are several frames long: each iteration updates H, then W.

    With L the model, R = V * L**(beta-2), Q = L**(beta-1), computed anew before each update, and gamma as in
    `update_H`::

        H[:, t]      *= (sum_lag W[:, :, lag].T @ R[:, t + lag] / sum_lag W[:, :, lag].T @ Q[:, t + lag]) ** gamma
        W[:, :, lag] *= (sum_t R[:, t + lag] @ H[:, t].T / sum_t Q[:, t + lag] @ H[:, t].T) ** gamma

    P. Smaragdis, "Non-negative matrix factor deconvolution; extraction of multiple sound sources from monophonic
    inputs", ICA 2004, for Kullback-Leibler. There H is the mean of one update for each lag; here all lags count in
    one update, and since the model is linear in each factor, the cost rises at no update (M. N. Schmidt, M. Mørup,
    "Nonnegative matrix factor 2-D deconvolution for blind single channel source separation", ICA 2006). A pattern
    that is shorter than `n_lags` may lie anywhere within it: W and H are known up to such a shift. An iteration takes
    `n_lags` times as long as one of NMF.

    Parameters
    ----------
    V : array_like (n_features, n_frames), >= 0
        Data; frames are one after the other.
    n_components, n_lags : int, optional
        Number of atoms, and of frames of each, at most n_frames; may be left out when `W` is given.
    W : array_like (n_features, n_components, n_lags), optional
        Atoms to start from; random if left out.
    H : array_like (n_components, n_frames), optional
        Activations to start from; random if left out.
    beta, weights, max_iter, tol, rng, callback
        As in `factorize`.

    Returns
    -------
    ConvolutiveFactorization
        Named tuple ``(W, H, n_iter, cost)``, float32 when `V` is, else float64.

    Raises
    ------
    ParameterError
        When an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.zeros((3, 12))
    >>> V[:, 2:5] = V[:, 7:10] = np.eye(3)
    >>> found = factorize_convolutive(V, 1, 3, max_iter=500, tol=0, rng=0)
    >>> found.W.shape, found.cost < 1e-3
    ((3, 1, 3), True)
    """
    problem = prepare(V, beta, weights)
    max_iter, tol = check_whole("max_iter", max_iter, 1), check_number("tol", tol, 0.0)
    atoms, h = _make_start(problem, n_components, n_lags, W, H, check_rng(rng))
    everything, no_penalty = np.arange(len(atoms)), np.zeros(len(atoms), problem.dtype)

    def update() -> None:
        _update_activations(problem, atoms, h)
        update_atoms(problem, atoms, _stack(h, len(atoms)), everything, no_penalty, None)

    n_iter, cost = descend(
        update,
        lambda: total_divergence(problem, atoms, _stack(h, len(atoms))),
        max_iter=max_iter,
        tol=tol,
        callback=problem.scale_callback(callback),
    )
    patterns = atoms.reshape(-1, h.shape[1], problem.n_features)
    size = np.sqrt((patterns * patterns).sum(axis=(0, 2)))
    patterns = patterns / np.where(size > 0, size, 1)[:, None]
    cost *= problem.unit_of_cost
    for name, result in (("W", patterns), ("the cost", cost)):
        check_result(name, result)
    return ConvolutiveFactorization(
        np.ascontiguousarray(patterns.T), to_public(problem, h * size), n_iter, cost
    )


def _stack(h: AnyArray, n_atoms: int) -> AnyArray:
    """Return activations (n_frames, n_atoms) of the lags one after the other, each delayed by its own."""
    n = h.shape[1]
    stacked = np.zeros((len(h), n_atoms), h.dtype)
    for lag in range(n_atoms // n):
        stacked[lag:, lag * n : (lag + 1) * n] = h[: len(h) - lag]
    return stacked


def _unstack(stacked: AnyArray, n: int) -> AnyArray:
    """Return the sum over the lags (n_frames, n), each brought forward by its own: the transpose of `_stack`."""
    total = np.zeros((len(stacked), n), stacked.dtype)
    for lag in range(stacked.shape[1] // n):
        total[: len(total) - lag] += stacked[lag:, lag * n : (lag + 1) * n]
    return total


def _update_activations(problem: Problem, atoms: AnyArray, h: AnyArray) -> None:
    L = _stack(h, len(atoms)) @ atoms
    L += problem.dtype.type(problem.eps)
    num, den = (
        _unstack(part @ atoms.T, h.shape[1]) for part in compute_ratios(problem.V, L, problem.beta, problem.M)
    )
    ratio = np.divide(num, den, out=np.ones_like(num), where=den > 0)
    floor = problem.dtype.type(problem.floor(atoms))
    h[:] = np.maximum(h * (ratio if problem.gamma == 1 else ratio**problem.gamma), np.minimum(h, floor))


def _make_start(
    problem: Problem,
    n_components: int | None,
    n_lags: int | None,
    W: ArrayLike | None,
    H: ArrayLike | None,
    rng: np.random.Generator,
) -> tuple[AnyArray, AnyArray]:
    """Return frame-major atoms, those of one lag after those of another, and activations."""
    if W is not None:
        shape = (problem.n_features, n_components or "n_components", n_lags or "n_lags")
        w = convert("W", check_array("W", W, shape), problem.dtype)
        if not w.any():
            raise invalid("W", 0, "above 0 for at least one entry", given="W is all 0")
        n_components, n_lags = w.shape[1:]
    for name, value in (("n_components", n_components), ("n_lags", n_lags)):
        if value is None:
            raise invalid(name, None, "a whole number of at least 1", "give it, or W")
    n = check_whole("n_components", n_components, 1)
    lags = check_whole("n_lags", n_lags, 1, problem.n_frames, advice="V has no more frames")
    atoms, h = make_start(problem, n * lags, "random", rng)
    if W is not None:
        atoms = np.ascontiguousarray(w.T).reshape(n * lags, -1).copy()
    if H is not None:
        given = convert("H", check_array("H", H, (n, problem.n_frames)), problem.dtype)
        return atoms, np.array(given.T * problem.dtype.type(1.0 / problem.scale), order="C")
    h = np.ascontiguousarray(h[:, :n])
    level = float((_stack(h, len(atoms)) @ atoms).mean(dtype=np.float64))
    h *= problem.dtype.type(max(float(problem.V.mean(dtype=np.float64)), problem.eps) / level)
    return atoms, h
