"""Forward pass through the unrolled recurrence of `nmf_audio.nmf.unrolled`, for a batch of signals.

It keeps what the backward pass (`unrolled_backward`) needs. All arrays are float32 and *time-major*: (n_frames,
batch, ...). Names: T frames, B batch, F bands, K activations, M = K or 2 K memory, L layers, R running atoms.
"""

from typing import Any

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf import unrolled_constants as constants
from nmf_audio.nmf.kernels._jit import jit
from nmf_audio.nmf.kernels.log_exp import exp, log

EPS = np.float32(constants.EPS)
STEP_FLOOR = np.float32(constants.STEP_FLOOR)
ATOM_FLOOR = np.float32(constants.ATOM_FLOOR)
SMOOTHING = np.float32(constants.SMOOTHING)
FLOOR_RISE = np.float32(constants.FLOOR_RISE)
START_LEVEL = np.float32(constants.START_LEVEL)
ONE = np.float32(1)


@jit
def track_floor(
    V: AnyArray, silent: AnyArray, start: AnyArray, floor: AnyArray, last: AnyArray, smooth: AnyArray
) -> None:
    """Set floor (T, B, F) to the tracked noise floor of V, start (B,) to the first frame that is not silent, or T.

    A signal whose start comes as -1 has begun before: last and smooth (B, F) are its floor and smoothed frame then.
    Those of all signals are set to what they are after the last frame.
    """
    T, B, F = V.shape
    for i in range(B):
        if start[i] >= 0:
            start[i] = T
            for t in range(T):
                if not silent[t, i]:
                    start[i] = t
                    break
        for t in range(T):
            if t <= start[i]:
                for f in range(F):
                    smooth[i, f] = V[t, i, f]
                    last[i, f] = V[t, i, f]
            elif not silent[t, i]:
                for f in range(F):
                    smooth[i, f] = SMOOTHING * smooth[i, f] + (ONE - SMOOTHING) * V[t, i, f]
                    last[i, f] = min(FLOOR_RISE * last[i, f], smooth[i, f])
            for f in range(F):
                floor[t, i, f] = last[i, f]


@jit
def columns(t: int, d: Any, p: Any, s: Any, U: AnyArray) -> None:
    """U (B, R, F) <- running atoms of frame t, each divided by its sum; s.scale (T, B, R) <- one over these sums."""
    B, R, F = U.shape
    for i in range(B):
        for j in range(R):
            if j < p.n_run_noise:
                source = s.running[t, i, j]
            elif j == p.n_run_noise:
                source = d.floor[t, i]
            else:
                source = s.running[t, i, j - 1]
            total = np.float32(0)
            for f in range(F):
                x = source[f] + ATOM_FLOOR
                U[i, j, f] = x
                total += x
            scale = ONE / total
            s.scale[t, i, j] = scale
            for f in range(F):
                U[i, j, f] *= scale


@jit
def _layer(
    v: AnyArray, U: AnyArray, W: AnyArray, den: AnyArray, d: AnyArray, g: AnyArray, h: AnyArray, out: Any
) -> None:
    """One multiplicative update; out: ratios r, q / den, its logarithm, the new activations, two workspaces."""
    r, step, log_step, h_new, model, q = out
    B, R, F = U.shape
    K = h.shape[1]
    first = K - R
    np.dot(h, W.T, model)
    for i in range(B):
        for j in range(R):
            a = h[i, first + j]
            for f in range(F):
                model[i, f] += a * U[i, j, f]
        for f in range(F):
            r[i, f] = v[i, f] / (model[i, f] + EPS)
    np.dot(r, W, q)
    for i in range(B):
        for j in range(R):
            total = np.float32(0)
            for f in range(F):
                total += U[i, j, f] * r[i, f]
            q[i, first + j] = total
        for k in range(K):
            step[i, k] = q[i, k] / (den[k] + d[i, k])
        for k in range(K):
            log_step[i, k] = log(step[i, k] + STEP_FLOOR)
        for k in range(K):
            h_new[i, k] = h[i, k] * exp(g[k] * log_step[i, k])


@jit
def _estimate(
    t: int, v_floor: Any, d: Any, m: Any, p: Any, s: Any, U: AnyArray, h_s: AnyArray, h_n: AnyArray
) -> None:
    """s.speech, s.noise, s.mask (T, B, F) <- spectrum estimates and mask of frame t."""
    B, R, F = U.shape
    Ks, Kn = p.out_speech.shape[0], p.out_noise.shape[0]
    h = s.H[len(p.W), t]
    S, N, mask = s.speech[t], s.noise[t], s.mask[t]
    h_s[:] = h[:, :Ks]
    h_n[:] = h[:, Ks : Ks + Kn]
    np.dot(h_s, p.out_speech, S)
    np.dot(h_n, p.out_noise, N)
    for i in range(B):
        for f in range(F):
            S[i, f] += p.out_floor[0, f]
            N[i, f] += p.out_floor[1, f]
        for j in range(R):
            target = N[i] if j <= p.n_run_noise else S[i]
            a = h[i, Ks + Kn + j]
            for f in range(F):
                target[f] += a * p.run_gain[j, f] * U[i, j, f]
        for f in range(F):
            x, y = S[i, f], N[i, f]
            unexplained = log((d.V[t, i, f] + v_floor) / (x + y))
            logit = p.p[0] * (log(x / y) + p.residual[f] * unexplained)
            if len(m.logit):
                logit += m.logit[t, i, f]
            mask[i, f] = ONE / (ONE + exp(-logit))


@jit
def forward(d: Any, v_floor: Any, m: Any, p: Any, s: Any) -> None:
    """Run the recurrence over data `d` with parameters `p`; `s` keeps all that happened (see training.unrolled).

    `m` has what a gated memory says of each frame, arrays of no frames without one. s.memory[0] and s.running[0] come
    as they are before the first frame.
    """
    T, B, F = d.V.shape
    L, _, K = p.W.shape
    n_average = s.running.shape[2]
    slow = s.memory.shape[2] > K
    U = np.empty((B, n_average + 1, F), np.float32)
    prediction = np.empty((B, p.AC.shape[1]), np.float32)
    inhibits, remembers = p.AC.shape[1] > K, len(m.factor) > 0
    model, q = np.empty((B, F), np.float32), np.empty((B, K), np.float32)
    h_s = np.empty((B, p.out_speech.shape[0]), np.float32)
    h_n = np.empty((B, p.out_noise.shape[0]), np.float32)
    for t in range(T):
        for i in range(B):
            if t <= d.start[i]:
                level = np.float32(0)
                for f in range(F):
                    level += d.V[t, i, f]
                s.running[t, i] = level * START_LEVEL / np.float32(F)
        columns(t, d, p, s, U)
        np.dot(s.memory[t], p.AC, prediction)
        for i in range(B):
            for k in range(K):
                s.H[0, t, i, k] = prediction[i, k] + p.b[k]
                s.d[t, i, k] = prediction[i, K + k] if inhibits else np.float32(0)
            if remembers:
                for k in range(K):
                    s.H[0, t, i, k] *= m.factor[t, i, k]
                    s.d[t, i, k] += m.inhibition[t, i, k]
        inhibition = s.d[t]
        for layer in range(L):
            if layer == p.mid:
                np.dot(s.H[layer, t], p.C_mid, q)
                for i in range(B):
                    for k in range(K):
                        s.d_mid[t, i, k] = inhibition[i, k] + q[i, k]
                inhibition = s.d_mid[t]
            out = (s.r[layer, t], s.step[layer, t], s.log_step[layer, t], s.H[layer + 1, t], model, q)
            _layer(d.V[t], U, p.W[layer], p.den[layer], inhibition, p.g[layer], s.H[layer, t], out)
        h = s.H[L, t]
        for i in range(B):
            for k in range(K):
                s.memory[t + 1, i, k] = h[i, k]
            if slow:
                for k in range(K):
                    a = p.slow_rate[k]
                    s.memory[t + 1, i, K + k] = a * s.memory[t, i, K + k] + (ONE - a) * h[i, k]
        _estimate(t, v_floor, d, m, p, s, U, h_s, h_n)
        for i in range(B):
            for j in range(n_average):
                a = ONE if d.silent[t, i] else p.rates[j]
                for f in range(F):
                    share = ONE - s.mask[t, i, f] if j < p.n_run_noise else s.mask[t, i, f]
                    s.running[t + 1, i, j, f] = a * s.running[t, i, j, f] + (ONE - a) * share * d.V[t, i, f]
