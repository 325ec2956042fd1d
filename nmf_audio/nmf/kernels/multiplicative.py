"""Multiplicative updates on frame-major arrays (see the package's docstring).

Common arguments: `M` weights of V's shape, or of shape (0, n_features) for none; `gamma` the exponent of the
update; `eps` is added to the model; no activation falls below `floor`, so that none decays into denormal numbers,
but one that starts lower is not raised: zeros stay zero, and the cost does not rise. `eps`, `floor` and `gamma` have
the arrays' dtype: a float64 scalar would turn the loops into float64 ones.
"""

from typing import Any

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf.kernels._jit import jit


@jit
def _ratios(V: AnyArray, M: AnyArray, L: AnyArray, beta: float, eps: Any, Q: AnyArray) -> None:
    """L <- M * V * (L + eps)**(beta-2), Q <- M * (L + eps)**(beta-1), except Q for beta 1 without weights."""
    n, n_features = V.shape
    if beta == 1:
        for i in range(n):
            for j in range(n_features):
                L[i, j] = V[i, j] / (L[i, j] + eps)
    elif beta == 0:
        one = eps / eps
        for i in range(n):
            for j in range(n_features):
                q = one / (L[i, j] + eps)
                Q[i, j] = q
                L[i, j] = V[i, j] * q * q
    elif beta == 2:
        for i in range(n):
            for j in range(n_features):
                Q[i, j] = L[i, j] + eps
                L[i, j] = V[i, j]
    else:
        exponent = V.dtype.type(beta - 2)
        for i in range(n):
            for j in range(n_features):
                model = L[i, j] + eps
                p = model**exponent
                Q[i, j] = p * model
                L[i, j] = V[i, j] * p
    if M.shape[0] > 0:
        for i in range(n):
            for j in range(n_features):
                L[i, j] *= M[i, j]
                Q[i, j] = M[i, j] if beta == 1 else Q[i, j] * M[i, j]


@jit
def _multiply(
    Y: AnyArray, num: AnyArray, den: AnyArray, l1: AnyArray, gamma: Any, floor: Any, H: AnyArray
) -> None:
    """H <- Y * (num / (den + l1))**gamma; zeros stay zero, and what is not known (0 / 0) stays as it is."""
    n, n_components = H.shape
    one = gamma / gamma
    for i in range(n):
        for k in range(n_components):
            d = den[i, k] + l1[k]
            q = num[i, k] / d if d > 0 else one
            if gamma == 0.5:
                q = np.sqrt(q)
            elif gamma != 1:
                q = q**gamma
            H[i, k] = max(Y[i, k] * q, min(Y[i, k], floor))


@jit
def extrapolate(H: AnyArray, previous: AnyArray, a: Any, floor: Any, Y: AnyArray) -> None:
    """Y <- about H * (H / previous)**a for a > 0, previous <- H; Y may be H.

    The power is replaced by its Pade approximant at 1, x**a ~ ((1+a)*x + 1-a) / ((1-a)*x + 1+a): no logarithm, and
    never a factor beyond (1+a) / (1-a) either way.
    """
    n, n_components = H.shape
    one = a / a
    for i in range(n):
        for k in range(n_components):
            h, p = H[i, k], previous[i, k]
            d = (one - a) * h + (one + a) * p
            y = h * ((one + a) * h + (one - a) * p) / d if d > 0 else h
            previous[i, k] = h
            Y[i, k] = max(y, min(h, floor))


@jit
def update_activations(
    V: AnyArray,
    M: AnyArray,
    W: AnyArray,
    H: AnyArray,
    previous: AnyArray,
    l1: AnyArray,
    beta: float,
    gamma: Any,
    eps: Any,
    floor: Any,
    steps: AnyArray,
    tile: int,
) -> None:
    """Update H in place with W fixed, once for each of `steps`: how far it starts along the last step, in log H.

    With W fixed every frame stands alone, so a tile of frames runs all its iterations while it lies in the cache.
    KL's denominators are constant; so are the Euclidean numerators, whose denominators need only W @ W.T. `previous`
    is where H was one update ago, and is kept so; of shape (0, n_components) when all steps are 0.
    """
    n_frames, n_features = V.shape
    n_components = W.shape[0]
    weighted = M.shape[0] > 0
    gram = beta == 2 and not weighted
    tile = min(tile, n_frames)
    L = np.empty((tile, n_features), V.dtype)
    Q = np.empty((tile, n_features), V.dtype)
    num = np.empty((tile, n_components), V.dtype)
    den = np.zeros((tile, n_components), V.dtype)
    WW = np.empty((n_components, n_components), V.dtype)
    Y = np.empty((tile, n_components), V.dtype)
    remember = previous.shape[0] > 0
    if gram:
        np.dot(W, W.T, WW)
    constant = l1.copy()  # what the denominators have in every frame
    if gram or (beta == 1 and not weighted):
        for k in range(n_components):
            total = eps * 0
            for j in range(n_features):
                total += W[k, j]
            constant[k] += total * eps if gram else total
    for start in range(0, n_frames, tile):
        stop = min(start + tile, n_frames)
        n = stop - start
        if gram:
            np.dot(V[start:stop], W.T, num[:n])
        elif beta == 1 and weighted:
            np.dot(M[start:stop], W.T, den[:n])
        for a in steps:
            if a > 0:
                extrapolate(H[start:stop], previous[start:stop], a, floor, Y[:n])
            else:
                Y[:n] = H[start:stop]
                if remember:
                    previous[start:stop] = H[start:stop]
            if gram:
                np.dot(Y[:n], WW, den[:n])
            else:
                np.dot(Y[:n], W, L[:n])
                _ratios(V[start:stop], M[start:stop], L[:n], beta, eps, Q[:n])
                np.dot(L[:n], W.T, num[:n])
                if beta != 1:
                    np.dot(Q[:n], W.T, den[:n])
            _multiply(Y[:n], num[:n], den[:n], constant, gamma, floor, H[start:stop])


@jit
def atom_statistics(
    V: AnyArray,
    M: AnyArray,
    W: AnyArray,
    H: AnyArray,
    H_free: AnyArray,
    beta: float,
    eps: Any,
    P: AnyArray,
    Q: AnyArray,
) -> None:
    """P <- H_free.T @ (M * V * L**(beta-2)) and Q <- H_free.T @ (M * L**(beta-1)), both (n_free, n_features).

    `H_free` holds the columns of H whose atoms are free; the model L is that of all atoms.
    """
    n_frames, n_features = V.shape
    n_free = H_free.shape[1]
    L, R = np.empty_like(V), np.empty_like(V)
    np.dot(H, W, L)
    _ratios(V, M, L, beta, eps, R)
    np.dot(H_free.T, L, P)
    if beta == 1 and M.shape[0] == 0:
        for k in range(n_free):
            total = eps * 0
            for i in range(n_frames):
                total += H_free[i, k]
            for j in range(n_features):
                Q[k, j] = total
    else:
        np.dot(H_free.T, R, Q)


@jit
def infer_frames(
    V: AnyArray,
    weights: AnyArray,
    W: AnyArray,
    H: AnyArray,
    base: AnyArray,
    beta: float,
    gamma: Any,
    eps: Any,
    floor: Any,
    n_iter: int,
    L: AnyArray,
    Q: AnyArray,
    num: AnyArray,
    den: AnyArray,
) -> None:
    """Update H in place `n_iter` times, frame after frame, by matrix-vector products, without allocation.

    A frame's result does not depend on its neighbours, to the last bit: what a stream needs that is cut
    anywhere. `weights` (n_features,) counts for every frame; `base` (n_components,) is l1, for beta 1 plus W
    @ weights; `L`, `Q` (1, n_features) and `num`, `den` (1, n_components) are work space, `den` zero for beta
    1.
    """
    for t in range(V.shape[0]):
        for _ in range(n_iter):
            np.dot(W.T, H[t], L[0])
            _ratios(V[t : t + 1], V[0:0], L, beta, eps, Q)
            for j in range(L.shape[1]):
                L[0, j] *= weights[j]
                if beta != 1:
                    Q[0, j] *= weights[j]
            np.dot(W, L[0], num[0])
            if beta != 1:
                np.dot(W, Q[0], den[0])
            _multiply(H[t : t + 1], num, den, base, gamma, floor, H[t : t + 1])
