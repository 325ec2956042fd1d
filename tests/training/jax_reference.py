"""The trained decomposition with its gated memory in JAX: the equations, and gradients by automatic differentiation.

An oracle that shares no code with the program. Arrays are batch-major: B mixtures, T frames, F bands, K activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

EPS, STEP_FLOOR, ATOM_FLOOR, START, FLOOR = 1e-6, 1e-5, 1e-3, 0.1, 1e-4
SCALE, GROUP, MARGIN, LARGEST, KEEP = 0.3, 4, 4, 6.0, 0.995

Free = Mapping[str, Any]


def gru(x: Any, back: Any) -> Any:
    """States (B, T, ..., n) after inputs' share of the gates (B, T, ..., 3 n)."""
    n = len(back)

    def step(z: Any, x: Any) -> tuple[Any, Any]:
        s = z @ back
        u = KEEP * jax.nn.sigmoid(x[..., :n] + s[..., :n])
        r = jax.nn.sigmoid(x[..., n : 2 * n] + s[..., n : 2 * n])
        z = u * z + (1 - u) * jnp.tanh(x[..., 2 * n :] + r * s[..., 2 * n :])
        return z, z

    by_time = jnp.moveaxis(x, 1, 0)
    states = jax.lax.scan(step, jnp.zeros((*by_time.shape[1:-1], n)), by_time)[1]
    return jnp.moveaxis(states, 0, 1)


def memory(free: Free, V: Any, floor: Any, n_seen: Any) -> tuple[Any, Any, Any]:
    """Factor on the activations' start and inhibition (B, T, K), addition to the mask's logit (B, T, F)."""
    w = {name: SCALE * x for name, x in free.items()}
    B, T, F = V.shape
    G = F // GROUP
    seen = (jnp.arange(F) < n_seen[:, None])[:, None]
    a, c = ((x + FLOOR) ** 0.3 * seen for x in (V, floor))
    window = GROUP * np.arange(G)[:, None] + np.arange(GROUP + 2 * MARGIN)

    def around(x: Any) -> Any:
        return jnp.pad(x, ((0, 0), (0, 0), (MARGIN, MARGIN)))[:, :, window]

    Z = gru(jnp.concatenate([around(a), around(c)], -1) @ w["local_in"] + w["local_bias"], w["local_back"])
    X = jnp.concatenate([a, c, Z.reshape(B, T, -1) @ w["local_down"]], -1)
    Y = gru(X @ w["global_in"] + w["global_bias"], w["global_back"])
    logit = Y @ w["head_mask"] + jnp.einsum("btgn,gnf->btgf", Z, w["head_mask_local"]).reshape(B, T, F)
    if "second_in" in w:
        sides = jnp.pad(Z, ((0, 0), (0, 0), (1, 1), (0, 0)))
        up = jnp.broadcast_to((Y @ w["second_up"])[:, :, None], (B, T, G, w["second_up"].shape[1]))
        X = jnp.concatenate([sides[:, :, :-2], Z, sides[:, :, 2:], up], -1)
        Q = gru(X @ w["second_in"] + w["second_bias"], w["second_back"])
        logit += jnp.einsum("btgn,gnf->btgf", Q, w["head_mask_second"]).reshape(B, T, F)
    factor = jnp.exp(jnp.clip(Y @ w["head_prior"], -LARGEST, LARGEST))
    return factor, jax.nn.softplus(Y @ w["head_inhibit"] + w["head_inhibit_bias"]), logit


def masks(free: Free, V: Any, floor: Any, silent: Any, start: Any, n_seen: Any, n_speech: int) -> Any:
    """Masks (B, T, F), of dictionaries without C and C_mid.

    floor (B, T, F): the tracked noise floor; silent (B, T); start (B,): the first frame that is not silent.
    """
    W = jnp.exp(free["W"])
    W = W / W.sum(1, keepdims=True)
    n_fixed, n_noise = W.shape[2], len(free["rate_noise"])
    out, out_floor = jnp.exp(free["W_out"]), jnp.exp(free["out_floor"])
    A, b, gain, p = (jnp.exp(free[name]) for name in ("A", "b", "run_gain", "p"))
    den, g = 1 + jax.nn.softplus(free["lam"]), 2 * jax.nn.sigmoid(free["g"])
    slow_rate = jax.nn.sigmoid(free["slow_rate"])
    rates = jax.nn.sigmoid(jnp.concatenate([free["rate_noise"], free["rate_speech"]]))
    is_noise = (jnp.arange(len(rates)) < n_noise)[None, :, None]
    B, T, F = V.shape

    def step(carry: Any, frame: Any) -> tuple[Any, Any]:
        h, slow, run = carry
        v, low, quiet, begins, factor, inhibition, logit = frame
        run = jnp.where(begins[:, None, None], v.mean(1)[:, None, None] * START, run)
        U = jnp.concatenate([run[:, :n_noise], low[:, None], run[:, n_noise:]], 1) + ATOM_FLOOR
        U = U / U.sum(-1, keepdims=True)
        h = (jnp.concatenate([h, slow], 1) @ A.T + b) * factor
        for layer in range(len(W)):
            model = h[:, :n_fixed] @ W[layer].T + jnp.einsum("bk,bkf->bf", h[:, n_fixed:], U)
            r = v / (model + EPS)
            q = jnp.concatenate([r @ W[layer], jnp.einsum("bkf,bf->bk", U, r)], 1)
            h = h * (q / (den[layer] + inhibition) + STEP_FLOOR) ** g[layer]
        running = U * gain * h[:, n_fixed:, None]
        S = h[:, :n_speech] @ out[:, :n_speech].T + out_floor[0] + running[:, n_noise + 1 :].sum(1)
        N = h[:, n_speech:n_fixed] @ out[:, n_speech:].T + out_floor[1] + running[:, : n_noise + 1].sum(1)
        unexplained = jnp.log((v + FLOOR) / (S + N))
        mask = jax.nn.sigmoid(p * (jnp.log(S / N) + free["residual"] * unexplained) + logit)
        share = jnp.where(is_noise, 1 - mask[:, None], mask[:, None]) * v[:, None]
        keep = jnp.where(quiet[:, None], 1.0, rates)[:, :, None]
        return (h, slow_rate * slow + (1 - slow_rate) * h, keep * run + (1 - keep) * share), mask

    frames = V, floor, silent, jnp.arange(T) <= start[:, None], *memory(free, V, floor, n_seen)
    by_time = tuple(jnp.moveaxis(x, 1, 0) for x in frames)
    first = jnp.broadcast_to(b, (B, len(b)))
    carry = first, first, jnp.zeros((B, len(rates), F))
    return jnp.moveaxis(jax.lax.scan(step, carry, by_time)[1], 0, 1)
