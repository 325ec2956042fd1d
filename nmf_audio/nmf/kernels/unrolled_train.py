"""Forward and backward pass through the unrolled recurrence of `nmf_audio.nmf.unrolled`, for a batch of signals.

The forward pass keeps what the backward pass needs. The backward pass runs through time only what is recurrent (the
activations, the slow memory, the running atoms); gradients to matrices are left as factors, of which one large
product each is formed afterwards (`nmf_audio.training.unrolled`). All arrays are float32 and *time-major*:
(n_frames, batch, ...). Names: T frames, B batch, F bands, K activations, M = K or 2 K memory, L layers, R running
atoms.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from nmf_audio.nmf.kernels._jit import jit

Array = NDArray[Any]

_intrinsic: Any = intrinsic
_uncompiled = bool(getattr(config, "DISABLE_JIT", False))

EPS = np.float32(1e-6)
STEP_FLOOR = np.float32(1e-5)
ATOM_FLOOR = np.float32(1e-3)
SMOOTHING = np.float32(0.8)
FLOOR_RISE = np.float32(1.006)
START_LEVEL = np.float32(0.1)
ONE = np.float32(1)


@_intrinsic
def _bits(_: Any, x: Any) -> Any:
    """Return the bits of a float32 as an int32."""
    return types.int32(types.float32), lambda _c, builder, _s, a: builder.bitcast(a[0], ir.IntType(32))


@_intrinsic
def _from_bits(_: Any, x: Any) -> Any:
    """Return the float32 with the bits of an int32."""
    return types.float32(types.int32), lambda _c, builder, _s, a: builder.bitcast(a[0], ir.FloatType())


def _cephes_log(x: Any) -> Any:
    """Return log(x) for positive normal x to 1.5e-7 (Cephes' logf): loops over it run eight at a time."""
    bits = _bits(x)
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
    z = _from_bits(np.int32(bits - np.int32(exponent << np.int32(23)))) - ONE
    y = np.float32(7.0376836292e-2)
    y = y * z + np.float32(-1.1514610310e-1)
    y = y * z + np.float32(1.1676998740e-1)
    y = y * z + np.float32(-1.2420140846e-1)
    y = y * z + np.float32(1.4249322787e-1)
    y = y * z + np.float32(-1.6668057665e-1)
    y = y * z + np.float32(2.0000714765e-1)
    y = y * z + np.float32(-2.4999993993e-1)
    y = y * z + np.float32(3.3333331174e-1)
    y = y * z * z * z - np.float32(0.5) * z * z + z
    return y + np.float32(exponent) * np.float32(0.6931471805599453)


def _cephes_exp(x: Any) -> Any:
    """Return exp(x), x clipped to [-87, 87], to 1.5e-7 (Cephes' expf)."""
    x = min(max(x, np.float32(-87)), np.float32(87))
    n = np.floor(x * np.float32(1.44269504088896341) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + ONE
    return y * _from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


# Without the compiler (a check of coverage) there are no bit casts, and speed does not matter.
_log: Any = np.log if _uncompiled else jit(_cephes_log)
_exp: Any = np.exp if _uncompiled else jit(_cephes_exp)


@jit
def track_floor(V: Array, silent: Array, start: Array, floor: Array) -> None:
    """Set floor (T, B, F) to the tracked noise floor of V, start (B,) to the first frame that is not silent, or T."""
    T, B, F = V.shape
    smooth = np.empty(F, np.float32)
    for i in range(B):
        start[i] = T
        for t in range(T):
            if not silent[t, i]:
                start[i] = t
                break
        for t in range(T):
            if t <= start[i]:
                for f in range(F):
                    smooth[f] = V[t, i, f]
                    floor[t, i, f] = V[t, i, f]
            elif silent[t, i]:
                for f in range(F):
                    floor[t, i, f] = floor[t - 1, i, f]
            else:
                for f in range(F):
                    smooth[f] = SMOOTHING * smooth[f] + (ONE - SMOOTHING) * V[t, i, f]
                    floor[t, i, f] = min(FLOOR_RISE * floor[t - 1, i, f], smooth[f])


@jit
def _columns(t: int, d: Any, p: Any, s: Any, U: Array) -> None:
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
def _layer(v: Array, U: Array, W: Array, den: Array, d: Array, g: Array, h: Array, out: Any) -> None:
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
            log_step[i, k] = _log(step[i, k] + STEP_FLOOR)
        for k in range(K):
            h_new[i, k] = h[i, k] * _exp(g[k] * log_step[i, k])


@jit
def _estimate(t: int, v_floor: Any, d: Any, p: Any, s: Any, U: Array, h_s: Array, h_n: Array) -> None:
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
            unexplained = _log((d.V[t, i, f] + v_floor) / (x + y))
            mask[i, f] = ONE / (ONE + _exp(-p.p[0] * (_log(x / y) + p.residual[f] * unexplained)))


@jit
def forward(d: Any, v_floor: Any, p: Any, s: Any) -> None:
    """Run the recurrence over data `d` with parameters `p`; `s` keeps all that happened (see training.unrolled)."""
    T, B, F = d.V.shape
    L, _, K = p.W.shape
    n_average = s.running.shape[2]
    slow = s.memory.shape[2] > K
    U = np.empty((B, n_average + 1, F), np.float32)
    prediction = np.empty((B, 2 * K), np.float32)
    model, q = np.empty((B, F), np.float32), np.empty((B, K), np.float32)
    h_s = np.empty((B, p.out_speech.shape[0]), np.float32)
    h_n = np.empty((B, p.out_noise.shape[0]), np.float32)
    for i in range(B):
        s.memory[0, i, :K] = p.b
        if slow:
            s.memory[0, i, K:] = p.b
    for t in range(T):
        for i in range(B):
            if t <= d.start[i]:
                level = np.float32(0)
                for f in range(F):
                    level += d.V[t, i, f]
                s.running[t, i] = level * START_LEVEL / np.float32(F)
        _columns(t, d, p, s, U)
        np.dot(s.memory[t], p.AC, prediction)
        for i in range(B):
            for k in range(K):
                s.H[0, t, i, k] = prediction[i, k] + p.b[k]
                s.d[t, i, k] = prediction[i, K + k]
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
        _estimate(t, v_floor, d, p, s, U, h_s, h_n)
        for i in range(B):
            for j in range(n_average):
                a = ONE if d.silent[t, i] else p.rates[j]
                for f in range(F):
                    share = ONE - s.mask[t, i, f] if j < p.n_run_noise else s.mask[t, i, f]
                    s.running[t + 1, i, j, f] = a * s.running[t, i, j, f] + (ONE - a) * share * d.V[t, i, f]


@jit
def _running_back(t: int, d: Any, p: Any, s: Any, g: Any, d_running: Array, d_mask: Array) -> None:
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
def _estimate_back(t: int, v_floor: Any, d: Any, p: Any, s: Any, g: Any, d_mask: Array) -> None:
    """Through the mask: g.speech, g.noise (T, B, F) of frame t."""
    B, F = d_mask.shape
    total = np.float32(0)
    for i in range(B):
        for f in range(F):
            m, x, y = s.mask[t, i, f], s.speech[t, i, f], s.noise[t, i, f]
            unexplained = _log((d.V[t, i, f] + v_floor) / (x + y))
            z = d_mask[i, f] * m * (ONE - m)
            total += z * (_log(x / y) + p.residual[f] * unexplained)
            z *= p.p[0]
            g.residual[f] += z * unexplained
            both = z * p.residual[f] / (x + y)
            g.speech[t, i, f] = z / x - both
            g.noise[t, i, f] = -z / y - both
    g.p[0] += total


@jit
def _layer_back(layer: int, t: int, d: Any, p: Any, s: Any, g: Any, U: Array, back: Any) -> None:
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
def _reconstruction_back(t: int, p: Any, s: Any, g: Any, U: Array, back: Any) -> None:
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
def _columns_back(t: int, d: Any, p: Any, s: Any, U: Array, dU: Array, d_running: Array) -> None:
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
def backward(d: Any, v_floor: Any, p: Any, s: Any, d_masks: Array, g: Any) -> None:
    """Gradients `g` of a loss whose gradient by s.mask is `d_masks` (T, B, F); vectors of g must come as zeros."""
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
        _columns(t, d, p, s, U)
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
            for k in range(K):
                g.prediction[t, i, k] = dh[i, k]
                g.prediction[t, i, K + k] = d_inh[i, k]
                g.b[k] += dh[i, k]
        np.dot(g.prediction[t], p.AC.T, d_before)
        for i in range(B):
            for k in range(K):
                d_memory[i, k] = d_before[i, k]
            for k in range(K, n_memory):
                d_memory[i, k] += d_before[i, k]
    for i in range(B):
        for k in range(n_memory):
            g.b[k % K] += d_memory[i, k]
