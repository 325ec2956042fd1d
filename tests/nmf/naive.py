"""Slow, obviously right versions of what nmf_audio.nmf computes: numpy in float64, as the equations stand."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def divergence(V: Any, L: Any, beta: float) -> float:
    """Entry by entry, with the limits at beta 0 and 1."""
    total = 0.0
    for v, m in zip(np.ravel(V).tolist(), np.ravel(L).tolist(), strict=True):
        if beta == 1:
            total += (v * math.log(v / m) if v > 0 else 0.0) - v + m
        elif beta == 0:
            total += v / m - math.log(v / m) - 1
        else:
            total += (v**beta + (beta - 1) * m**beta - beta * v * m ** (beta - 1)) / (beta * (beta - 1))
    return total


def gamma(beta: float) -> float:
    return 1 / (2 - beta) if beta < 1 else 1 / (beta - 1) if beta > 2 else 1


def update_H(
    V: Any, W: Any, H: Any, beta: float, l1: Any = 0.0, M: Any = 1.0, eps: float = 0.0, n_iter: int = 1
) -> Array:
    V, W, H = (np.asarray(a, dtype=np.float64) for a in (V, W, H))
    l1 = np.broadcast_to(np.asarray(l1, dtype=np.float64), (W.shape[1],))[:, None]
    M = np.broadcast_to(M, V.shape)
    for _ in range(n_iter):
        L = W @ H + eps
        num = W.T @ (M * V * L ** (beta - 2))
        den = W.T @ (M * L ** (beta - 1)) + l1
        H = H * (num / den) ** gamma(beta)
    out: Array = H
    return out


def with_momentum(V: Any, W: Any, H: Any, beta: float, l1: float, n_iter: int, momentum: float) -> Array:
    t, previous = 1.0, H
    for _ in range(n_iter):
        t_next = (1 + math.sqrt(1 + 4 * t * t)) / 2
        a = min((t - 1) / t_next, momentum)
        x = H / previous
        Y = H * ((1 + a) * x + 1 - a) / ((1 - a) * x + 1 + a)  # about H * x**a
        t, previous, H = t_next, H, update_H(V, W, Y, beta, l1)
    out: Array = H
    return out


def update_W(V: Any, W: Any, H: Any, beta: float, l1: Any = 0.0, M: Any = 1.0, free: Any = None) -> Array:
    V, W, H = (np.asarray(a, dtype=np.float64) for a in (V, W, H))
    free = np.ones(W.shape[1], bool) if free is None else free
    M = np.broadcast_to(M, V.shape)
    L = W @ H
    num = (M * V * L ** (beta - 2)) @ H.T
    den = (M * L ** (beta - 1)) @ H.T + l1
    out: Array = np.where(free, W * (num / den) ** gamma(beta), W)
    return out


def update_W_unit(V: Any, W: Any, H: Any, beta: float, l1: Any = 0.0) -> Array:
    """Sparse NMF: atoms of unit L2 norm inside the objective."""
    V, W, H = (np.asarray(a, dtype=np.float64) for a in (V, W, H))
    W = W / np.sqrt((W * W).sum(0))
    L = W @ H
    P = (V * L ** (beta - 2)) @ H.T
    Q = L ** (beta - 1) @ H.T + l1
    W = W * ((P + W * (W * Q).sum(0)) / (Q + W * (W * P).sum(0))) ** gamma(beta)
    unit: Array = W / np.sqrt((W * W).sum(0))
    return unit


def factorize(V: Any, W: Any, H: Any, beta: float, n_iter: int, momentum: float = 0.0) -> tuple[Array, Array]:
    def ahead(X: Array, before: Array, a: float) -> Array:
        x = X / before
        return X * ((1 + a) * x + 1 - a) / ((1 - a) * x + 1 + a)

    t, W_before, H_before = 1.0, W, H
    for _ in range(n_iter):
        t_next = (1 + math.sqrt(1 + 4 * t * t)) / 2
        a = min((t - 1) / t_next, momentum)
        W_start, H_start = ahead(W, W_before, a), ahead(H, H_before, a)
        t, W_before, H_before = t_next, W, H
        H = update_H(V, W_start, H_start, beta)
        W = update_W(V, W_start, H, beta)
    return W, H


class Online:
    """Running sums with forgetting; every atom keeps the sum of its start."""

    def __init__(self, W: Any, beta: float, rho: float) -> None:
        self.W = np.asarray(W, dtype=np.float64)
        self.beta, self.rho = beta, rho
        self.sums = self.W.sum(0)
        self.A, self.B = np.zeros_like(self.W), np.zeros_like(self.W)

    def update(self, V: Any, H: Any) -> None:
        W, b = self.W, self.beta
        L = W @ H
        num, den = (V * L ** (b - 2)) @ H.T, L ** (b - 1) @ H.T
        if b < 1:
            self.A = self.rho * self.A + W ** (2 - b) * num
            self.B = self.rho * self.B + den
            W = (self.A / self.B) ** (1 / (2 - b))
        elif b <= 2:
            self.A = self.rho * self.A + W ** (2 - b) * num
            self.B = self.rho * self.B + W ** (1 - b) * den
            W = self.A / self.B
        else:
            self.A = self.rho * self.A + num
            self.B = self.rho * self.B + W ** (1 - b) * den
            W = (self.A / self.B) ** (1 / (b - 1))
        s = W.sum(0) / self.sums
        self.W = W / s
        # what the sums would be, had all activations been s times as large and the atoms W / s
        if b < 1:
            self.A, self.B = self.A * s ** (b - 2) * s, self.B * s
        elif b <= 2:
            self.A, self.B = self.A * s ** (b - 2) * s, self.B * s ** (b - 1) * s
        else:
            self.A, self.B = self.A * s, self.B * s ** (b - 1) * s


class GatedMemory:
    """One group, one unit of the equations in nmf_audio.nmf.gated_memory after the other."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.p = {name: array.astype(np.float64) for name, array in arrays.items()}
        self.n_bands = self.p["head_mask"].shape[1]
        self.n_groups = self.n_bands // 4
        self.has_second = "second_in" in self.p
        self.z = [np.zeros(len(self.p["local_back"]))] * self.n_groups
        self.y = np.zeros(len(self.p["global_back"]))
        self.q = [np.zeros(len(self.p["second_back"]) if self.has_second else 0)] * self.n_groups

    def _gru(self, x: Array, z: Array, name: str, bias: Array) -> Array:
        i_u, i_r, i_t = np.split(x @ self.p[f"{name}_in"] + bias, 3)
        s_u, s_r, s_t = np.split(z @ self.p[f"{name}_back"], 3)
        u, r = 0.995 / (1 + np.exp(-(i_u + s_u))), 1 / (1 + np.exp(-(i_r + s_r)))
        new: Array = u * z + (1 - u) * np.tanh(i_t + r * s_t)
        return new

    def step(self, v: Array, floor: Array) -> tuple[Array, Array, Array]:
        """Return factor, inhibition, and logit of the bands that are there."""
        p, groups = self.p, range(self.n_groups)
        a, c = np.zeros(self.n_bands), np.zeros(self.n_bands)
        a[: len(v)] = (v.astype(np.float64) + 1e-4) ** 0.3
        c[: len(v)] = (floor.astype(np.float64) + 1e-4) ** 0.3

        def around(x: Array, g: int) -> list[float]:
            return [x[f] if 0 <= f < self.n_bands else 0.0 for f in range(4 * g - 4, 4 * g + 8)]

        def state(g: int) -> Array:
            return self.z[g] if 0 <= g < self.n_groups else np.zeros_like(self.z[0])

        seen = [np.array(around(a, g) + around(c, g)) for g in groups]
        self.z = [self._gru(seen[g], self.z[g], "local", p["local_bias"][g]) for g in groups]
        down = np.concatenate(self.z) @ p["local_down"]
        self.y = self._gru(np.concatenate([a, c, down]), self.y, "global", p["global_bias"])
        if self.has_second:
            up = self.y @ p["second_up"]
            seen = [np.concatenate([state(g - 1), state(g), state(g + 1), up]) for g in groups]
            self.q = [self._gru(seen[g], self.q[g], "second", p["second_bias"][g]) for g in groups]
        logit = self.y @ p["head_mask"]
        for g in groups:
            logit[4 * g : 4 * g + 4] += self.z[g] @ p["head_mask_local"][g]
            if self.has_second:
                logit[4 * g : 4 * g + 4] += self.q[g] @ p["head_mask_second"][g]
        factor = np.exp(np.clip(self.y @ p["head_prior"], -6, 6))
        inhibition = np.logaddexp(0, self.y @ p["head_inhibit"] + p["head_inhibit_bias"])
        return factor, inhibition, logit[: len(v)]


def tensor_step(V: Any, Q: Any, W: Any, H: Any, beta: float) -> tuple[Array, Array, Array]:
    """One iteration of NTF: H, then W, then Q."""

    def ratio(subscripts: str, a: Any, b: Any) -> Any:
        L = np.einsum("ck,fk,kt->cft", Q, W, H)
        num, den = (
            np.einsum(subscripts, a, b, x, optimize=True) for x in (V * L ** (beta - 2), L ** (beta - 1))
        )
        return (num / den) ** gamma(beta)

    H = H * ratio("ck,fk,cft->kt", Q, W)
    W = W * ratio("ck,kt,cft->fk", Q, H)
    Q = Q * ratio("fk,kt,cft->ck", W, H)
    return Q, W, H


def penalised_objective(
    V: Any,
    W: Any,
    H: Any,
    beta: float,
    l1: Any,
    continuity: Any,
    group: float,
    groups: Any,
) -> float:
    """Sum by sum, as the text of nmf_audio.nmf.penalised has it, for V with a mean of 1 and W with sums of 1."""
    F, T = V.shape
    K = len(H)
    total = divergence(V, W @ H, beta)
    for k in range(K):
        total += l1[k] * sum(H[k])
        for t in range(1, T):
            d = (H[k, t] - H[k, t - 1]) / F
            total += F * continuity[k] * d**2
    for g in set(groups):
        for t in range(T):
            a = sum(H[k, t] for k in range(K) if groups[k] == g) / F
            total += F * group * math.log(1 + a / 1e-2)
    return total


def descend_coordinates(
    G: Any, C: Any, X: Any, n_sweeps: int, enough: float = 0.0, width: int = 64
) -> tuple[Array, int]:
    """Frames in rows, of which `width` end together; with the number of sweeps of all of these."""
    G, C, X = (np.asarray(a, dtype=np.float64).copy() for a in (G, C, X))
    count = 0
    for start in range(0, len(X), width):
        t = slice(start, start + width)
        Gs = np.broadcast_to(G if G.ndim == 2 else G[t], (len(X[t]), *G.shape[-2:]))
        first = 0.0
        for sweep in range(n_sweeps):
            fall, count = 0.0, count + 1
            for k in range(X.shape[1]):
                d = Gs[:, k, k]
                if d.all():
                    new = np.maximum(X[t, k] + (C[t, k] - (Gs[:, k] * X[t]).sum(axis=1)) / d, 0)
                    fall += (d * (new - X[t, k]) ** 2).sum()
                    X[t, k] = new
            first = first if sweep else fall
            if fall <= enough * first:
                break
    return X, count
