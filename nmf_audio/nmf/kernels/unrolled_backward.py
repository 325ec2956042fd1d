"""Backward pass through the unrolled recurrence: gradients of a loss by all parameters, for a batch of signals.

The idea: only what is recurrent (the activations, the slow memory, the running atoms) is run through time; gradients
to matrices are left as factors, of which one large product each is formed afterwards (`nmf_audio.training.unrolled`).
Names and layout as in `unrolled_forward`; numba's cache does not see that that file changed.
"""

from typing import Any

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf.kernels._jit import jit
from nmf_audio.nmf.kernels.log_exp import log
from nmf_audio.nmf.kernels.unrolled_forward import ONE, STEP_FLOOR, columns


@jit
def _running_back(t: int, d: Any, p: Any, s: Any, g: Any, d_running: AnyArray, d_mask: AnyArray) -> None:
    """Through the running averages: d_running (B, R - 1, F) from frame t + 1 to frame t, adds to d_mask (B, F)."""
    B, n_average, F = d_running.shape
    for i in range(B):
        if d.silent[t, i]:
            continue
        for j in range(n_average):
            a = p.rates[j]
            sign = -ONE if j < p.n_run_noise else ONE
            total = np.float32(0)
            for f in range(F):
                x, v = d_running[i, j, f], d.V[t, i, f]
                share = ONE - s.mask[t, i, f] if j < p.n_run_noise else s.mask[t, i, f]
                total += x * (s.running[t, i, j, f] - share * v)
                d_mask[i, f] += sign * (ONE - a) * x * v
                d_running[i, j, f] = a * x
            g.rates[j] += total


@jit
def _estimate_back(t: int, v_floor: Any, d: Any, p: Any, s: Any, g: Any, d_mask: AnyArray) -> None:
    """Through the mask: g.speech, g.noise (T, B, F) of frame t."""
    B, F = d_mask.shape
    total = np.float32(0)
    for i in range(B):
        for f in range(F):
            m, x, y = s.mask[t, i, f], s.speech[t, i, f], s.noise[t, i, f]
            unexplained = log((d.V[t, i, f] + v_floor) / (x + y))
            z = d_mask[i, f] * m * (ONE - m)
            if len(g.logit):
                g.logit[t, i, f] = z
            total += z * (log(x / y) + p.residual[f] * unexplained)
            z *= p.p[0]
            g.residual[f] += z * unexplained
            both = z * p.residual[f] / (x + y)
            g.speech[t, i, f] = z / x - both
            g.noise[t, i, f] = -z / y - both
    g.p[0] += total


@jit
def _layer_back(layer: int, t: int, d: Any, p: Any, s: Any, g: Any, U: AnyArray, back: Any) -> None:
    """Through one layer: dh (B, K) from after to before it; adds to dU (B, R, F) and to the inhibition's d_inh."""
    dh, dU, d_inh, inhibition, d_r, d_h = back
    B, R, F = U.shape
    K = dh.shape[1]
    first = K - R
    h, h_new, r = s.H[layer, t], s.H[layer + 1, t], s.r[layer, t]
    step, log_step = s.step[layer, t], s.log_step[layer, t]
    d_q, d_model = g.q[layer, t], g.model[layer, t]
    for i in range(B):
        for k in range(K):
            x = dh[i, k] * h_new[i, k]
            g.g[layer, k] += x * log_step[i, k]
            x *= p.g[layer, k] / ((step[i, k] + STEP_FLOOR) * (p.den[layer, k] + inhibition[i, k]))
            d_q[i, k] = x
            x *= -step[i, k]
            g.den[layer, k] += x
            d_inh[i, k] += x
            dh[i, k] *= h_new[i, k] / h[i, k]
    np.dot(d_q, p.W[layer].T, d_r)
    for i in range(B):
        for j in range(R):
            x = d_q[i, first + j]
            for f in range(F):
                d_r[i, f] += x * U[i, j, f]
                dU[i, j, f] += x * r[i, f]
        for f in range(F):
            d_model[i, f] = -d_r[i, f] * r[i, f] * r[i, f] / d.V[t, i, f]
    np.dot(d_model, p.W[layer], d_h)
    for i in range(B):
        for j in range(R):
            x = h[i, first + j]
            total = np.float32(0)
            for f in range(F):
                total += d_model[i, f] * U[i, j, f]
                dU[i, j, f] += d_model[i, f] * x
            d_h[i, first + j] = total
        for k in range(K):
            dh[i, k] += d_h[i, k]


@jit
def _reconstruction_back(t: int, p: Any, s: Any, g: Any, U: AnyArray, back: Any) -> None:
    """Through the spectrum estimates: adds to dh (B, K), sets dU (B, R, F)."""
    dh, dU, dh_s, dh_n = back
    B, R, F = U.shape
    Ks, Kn = p.out_speech.shape[0], p.out_noise.shape[0]
    h = s.H[len(p.W), t]
    np.dot(g.speech[t], p.out_speech.T, dh_s)
    np.dot(g.noise[t], p.out_noise.T, dh_n)
    for i in range(B):
        for k in range(Ks):
            dh[i, k] += dh_s[i, k]
        for k in range(Kn):
            dh[i, Ks + k] += dh_n[i, k]
        for j in range(R):
            source = g.noise[t, i] if j <= p.n_run_noise else g.speech[t, i]
            a = h[i, Ks + Kn + j]
            total = np.float32(0)
            for f in range(F):
                x = source[f] * p.run_gain[j, f]
                total += x * U[i, j, f]
                dU[i, j, f] = x * a
                g.run_gain[j, f] += source[f] * U[i, j, f] * a
            dh[i, Ks + Kn + j] += total


@jit
def _columns_back(t: int, d: Any, p: Any, s: Any, U: AnyArray, dU: AnyArray, d_running: AnyArray) -> None:
    """Through the division by the sum: adds dU to d_running; what was set at the start has no past."""
    B, R, F = U.shape
    for i in range(B):
        if t <= d.start[i]:
            d_running[i] = 0
            continue
        for j in range(R):
            if j == p.n_run_noise:
                continue
            k = j if j < p.n_run_noise else j - 1
            total = np.float32(0)
            for f in range(F):
                total += dU[i, j, f] * U[i, j, f]
            for f in range(F):
                d_running[i, k, f] += (dU[i, j, f] - total) * s.scale[t, i, j]


@jit
def backward(d: Any, v_floor: Any, m: Any, p: Any, s: Any, d_masks: AnyArray, g: Any) -> None:
    """Gradients `g` of a loss whose gradient by s.mask is `d_masks` (T, B, F); vectors of g must come as zeros.

    With a gated memory `m`, they are also those by what it says: g.log_prior, g.inhibition, g.logit.
    """
    T, B, F = d.V.shape
    L, _, K = p.W.shape
    n_average = s.running.shape[2]
    n_memory = s.memory.shape[2]
    U = np.empty((B, n_average + 1, F), np.float32)
    dU = np.empty((B, n_average + 1, F), np.float32)
    d_running = np.zeros((B, n_average, F), np.float32)
    d_memory, d_before = np.zeros((B, n_memory), np.float32), np.empty((B, n_memory), np.float32)
    dh, d_h, d_inh = np.empty((B, K), np.float32), np.empty((B, K), np.float32), np.empty((B, K), np.float32)
    d_r, d_mask = np.empty((B, F), np.float32), np.empty((B, F), np.float32)
    dh_s = np.empty((B, p.out_speech.shape[0]), np.float32)
    dh_n = np.empty((B, p.out_noise.shape[0]), np.float32)
    for t in range(T - 1, -1, -1):
        columns(t, d, p, s, U)
        d_mask[:] = d_masks[t]
        _running_back(t, d, p, s, g, d_running, d_mask)
        _estimate_back(t, v_floor, d, p, s, g, d_mask)
        for i in range(B):
            for k in range(K):
                dh[i, k] = d_memory[i, k]
                d_inh[i, k] = 0
            for k in range(n_memory - K):
                x, a = d_memory[i, K + k], p.slow_rate[k]
                g.slow_rate[k] += x * (s.memory[t, i, K + k] - s.H[L, t, i, k])
                dh[i, k] += (ONE - a) * x
                d_memory[i, K + k] = a * x
        _reconstruction_back(t, p, s, g, U, (dh, dU, dh_s, dh_n))
        for layer in range(L - 1, -1, -1):
            inhibition = s.d_mid[t] if 0 <= p.mid <= layer else s.d[t]
            _layer_back(layer, t, d, p, s, g, U, (dh, dU, d_inh, inhibition, d_r, d_h))
            if layer == p.mid:
                g.d_mid[t] = d_inh
                np.dot(d_inh, p.C_mid.T, d_h)
                for i in range(B):
                    for k in range(K):
                        dh[i, k] += d_h[i, k]
        _columns_back(t, d, p, s, U, dU, d_running)
        for i in range(B):
            if len(m.factor):
                for k in range(K):
                    g.log_prior[t, i, k] = dh[i, k] * s.H[0, t, i, k]
                    g.inhibition[t, i, k] = d_inh[i, k]
                    dh[i, k] *= m.factor[t, i, k]
            for k in range(K):
                g.prediction[t, i, k] = dh[i, k]
                g.b[k] += dh[i, k]
            for k in range(g.prediction.shape[2] - K):
                g.prediction[t, i, K + k] = d_inh[i, k]
        np.dot(g.prediction[t], p.AC.T, d_before)
        for i in range(B):
            for k in range(K):
                d_memory[i, k] = d_before[i, k]
            for k in range(K, n_memory):
                d_memory[i, k] += d_before[i, k]
    for i in range(B):
        # what a signal that has begun before starts from is given
        if d.start[i] >= 0:
            for k in range(n_memory):
                g.b[k % K] += d_memory[i, k]
