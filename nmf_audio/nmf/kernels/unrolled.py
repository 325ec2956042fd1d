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
def _spectra(h: Array, u: Array, p: Any, S: Array, N: Array, work: Any) -> None:
    """S, N <- spectrum estimates of speech and noise."""
    n_fixed = p.W.shape[2]
    n_noise = p.n_run_noise
    for k in range(p.n_speech):
        work.step[k] = h[k]
    np.dot(p.W_out_speech, work.step[: p.n_speech], S)
    for k in range(p.n_speech, n_fixed):
        work.step[k] = h[k]
    np.dot(p.W_out_noise, work.step[p.n_speech : n_fixed], N)
