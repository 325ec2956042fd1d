"""The compiled frame loop of the unrolled decomposition; `nmf_audio.nmf.unrolled.unrolled_frames` is its twin.

The idea: matrix-vector products by BLAS, everything between them in one pass over the atoms or the bands.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmf_audio.nmf.kernels._jit import jit

Array = NDArray[Any]

EPS = np.float32(1e-6)
STEP_FLOOR = np.float32(1e-5)
ATOM_FLOOR = np.float32(1e-3)
SMOOTHING = np.float32(0.8)
FLOOR_RISE = np.float32(1.006)
START_LEVEL = np.float32(0.1)
ONE = np.float32(1)


@jit
def _running_atoms(v: Array, silent: bool, p: Any, state: Any, u: Array) -> None:
    """Advance the floor; u <- the running atoms, each divided by its sum."""
    n_bands = len(v)
    n_noise = p.n_run_noise
    if state.started[0] == 0:
        level = np.float32(0)
        for j in range(n_bands):
            level += v[j]
        level *= START_LEVEL / np.float32(n_bands)
        state.running[:] = level
        state.floor[:] = v
        state.smooth[:] = v
        if not silent:
            state.started[0] = 1
    elif not silent:
        for j in range(n_bands):
            state.smooth[j] = SMOOTHING * state.smooth[j] + (ONE - SMOOTHING) * v[j]
            state.floor[j] = min(FLOOR_RISE * state.floor[j], state.smooth[j])
    for k in range(len(u)):
        if k < n_noise:
            source = state.running[k]
        elif k == n_noise:
            source = state.floor
        else:
            source = state.running[k - 1]
        total = np.float32(0)
        for j in range(n_bands):
            u[k, j] = source[j] + ATOM_FLOOR
            total += u[k, j]
        scale = ONE / total
        for j in range(n_bands):
            u[k, j] *= scale


@jit
def _spectra(h: Array, u: Array, p: Any, S: Array, N: Array) -> None:
    """S, N <- spectrum estimates of speech and noise."""
    n_fixed = p.W.shape[2]
    np.dot(p.W_out_speech, h[: p.n_speech], S)
    np.dot(p.W_out_noise, h[p.n_speech : n_fixed], N)
    for j in range(len(S)):
        S[j] += p.out_floor[0, j]
        N[j] += p.out_floor[1, j]
    for k in range(len(u)):
        target = N if k <= p.n_run_noise else S
        for j in range(len(S)):
            target[j] += u[k, j] * p.run_gain[k, j] * h[n_fixed + k]


@jit
def _mask(v: Array, v_floor: Any, S: Array, N: Array, p: Any, m: Array) -> None:
    """M <- the speech mask."""
    for j in range(len(v)):
        unexplained = np.log((v[j] + v_floor) / (S[j] + N[j]))
        m[j] = ONE / (ONE + np.exp(-p.p * (np.log(S[j] / N[j]) + p.residual[j] * unexplained)))


@jit
def unrolled_frames(
    V: Array,
    silence: Any,
    v_floor: Any,
    p: Any,
    state: Any,
    work: Any,
    speech: Array,
    noise: Array,
    mask: Array,
    H: Array,
) -> None:
    """Run the frames of `V`, fill the outputs, advance `state`."""
    n_frames, n_bands = V.shape
    n_layers, _, n_fixed = p.W.shape
    K = len(p.b)
    u, h, model, step, prediction = work.u, work.h, work.model, work.step, work.prediction
    for t in range(n_frames):
        v = V[t]
        level = np.float32(0)
        for j in range(n_bands):
            level += v[j]
        silent = level <= silence * np.float32(n_bands)
        _running_atoms(v, silent, p, state, u)
        np.dot(p.AC, state.memory, prediction)
        for k in range(K):
            h[k] = prediction[k] + p.b[k]
        for layer in range(n_layers):
            if layer == n_layers // 2 and len(p.C_mid) > 0:
                np.dot(p.C_mid, h, step)
                for k in range(K):
                    prediction[K + k] += step[k]
            np.dot(p.W[layer], h[:n_fixed], model)
            for k in range(len(u)):
                for j in range(n_bands):
                    model[j] += h[n_fixed + k] * u[k, j]
            for j in range(n_bands):
                model[j] = v[j] / (model[j] + EPS)
            np.dot(model, p.W[layer], step[:n_fixed])
            np.dot(u, model, step[n_fixed:])
            for k in range(K):
                ratio = step[k] / (p.den[layer, k] + prediction[K + k]) + STEP_FLOOR
                h[k] *= np.exp(p.g[layer, k] * np.log(ratio))
        state.memory[:K] = h
        for k in range(len(p.slow_rate)):
            a = p.slow_rate[k]
            state.memory[K + k] = a * state.memory[K + k] + (ONE - a) * h[k]
        H[t] = h
        _spectra(h, u, p, speech[t], noise[t])
        m = mask[t]
        _mask(v, v_floor, speech[t], noise[t], p, m)
        if not silent:
            for k in range(len(p.rates)):
                a = p.rates[k]
                for j in range(n_bands):
                    share = ONE - m[j] if k < p.n_run_noise else m[j]
                    state.running[k, j] = a * state.running[k, j] + (ONE - a) * share * v[j]
