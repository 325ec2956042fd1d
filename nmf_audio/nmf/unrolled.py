"""Unrolled recurrent KL-NMF with running atoms: a trained inference, frame after frame.

Deep NMF (Le Roux, Hershey & Weninger 2015) and deep recurrent NMF (Wisdom et al. 2017) unroll multiplicative
updates into layers and train the dictionaries through them. Here, moreover, some atoms *run*: they are averages of
what was taken for noise and for speech so far. For each frame v, all quantities non-negative::

    u    = running atoms and tracked floor, each divided by its sum
    h    = A @ [h, slow] + b;  d = C @ [h, slow]                     prediction and inhibition by the last frames
    for each layer l:
        d += C_mid @ h                                               once, before layer n_layers // 2
        r  = v / ([W_l | u] @ h + EPS)
        h *= ([W_l | u].T @ r / (colsum_l + lam_l + d) + STEP_FLOOR) ** g_l
    slow = slow_rate * slow + (1 - slow_rate) * h
    S    = W_out_s @ h_s + sum of the running speech atoms * their h * run_gain + out_floor_s;  N likewise
    mask = sigmoid(p * (log(S / N) + residual * log((v + FLOOR) / (S + N))))
    running noise averages  <- rate * old + (1 - rate) * (1 - mask) * v;  speech with mask * v
    smooth = .8 * smooth + .2 * v;  floor = min(1.006 * floor, smooth)

Each layer is one relaxed majorise-minimise step for ``KL(v | D h) + (lam + d)' h``. colsum is the sum of an atom over
the bands that exist at the signal's rate. Silent frames hold the running atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["UnrolledNMF", "unrolled_frames"]

Array = npt.NDArray[np.float32]

EPS = np.float32(1e-6)
STEP_FLOOR = np.float32(1e-5)
ATOM_FLOOR = np.float32(1e-3)
SMOOTHING = np.float32(0.8)
FLOOR_RISE = np.float32(1.006)
START_LEVEL = np.float32(0.1)


class Parameters(NamedTuple):
    """Arrays as the frame loop reads them, all float32 and C-contiguous; names as in `nmf_audio.schema`."""

    W: Array
    W_out_speech: Array
    W_out_noise: Array
    out_floor: Array
    den: Array
    g: Array
    AC: Array
    C_mid: Array
    b: Array
    slow_rate: Array
    rates: Array
    run_gain: Array
    residual: Array
    p: np.float32
    n_speech: int
    n_run_noise: int


class State(NamedTuple):
    """What one frame leaves for the next. ``started`` (1,) is 0 until a frame was not silent."""

    memory: Array
    running: Array
    floor: Array
    smooth: Array
    started: npt.NDArray[np.int64]


class Workspace(NamedTuple):
    """Room for intermediate results, so that a frame allocates nothing."""

    u: Array
    prediction: Array
    h: Array
    model: Array
    step: Array


class UnrolledNMF:
    """Trained decomposition of normalised frames into speech, noise and a mask, with state.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        A trained dictionary's arrays, checked by `nmf_audio.schema`.
    n_speech : int
        Number of speech atoms among the fixed ones; they come first.
    n_observed : int
        Number of bands that the signal has; the others are missing, not zero.
    compiled : bool
        Run the compiled loop; else the numpy twin, which starts faster and runs slower. They agree to 1e-5.
    """

    def __init__(
        self, arrays: Mapping[str, Array], *, n_speech: int, n_observed: int, compiled: bool
    ) -> None:
        def own(array: Array) -> Array:
            return np.array(array, np.float32, order="C")

        W = own(arrays["W"][:, :n_observed])
        W_out = arrays["W_out"][:n_observed]
        n_running = len(arrays["run_gain"])
        colsum = np.concatenate([W.sum(axis=1), np.ones((len(W), n_running), np.float32)], axis=1)
        self._parameters = Parameters(
            W=W,
            W_out_speech=own(W_out[:, :n_speech]),
            W_out_noise=own(W_out[:, n_speech:]),
            out_floor=own(arrays["out_floor"][:, :n_observed]),
            den=own(colsum + arrays["lam"]),
            g=own(arrays["g"]),
            AC=np.concatenate([arrays["A"], arrays["C"]]),
            C_mid=own(arrays["C_mid"]),
            b=own(arrays["b"]),
            slow_rate=own(arrays["slow_rate"]),
            rates=np.concatenate([arrays["rate_noise"], arrays["rate_speech"]]),
            run_gain=own(arrays["run_gain"][:, :n_observed]),
            residual=own(arrays["residual"][:n_observed]),
            p=np.float32(arrays["p"]),
            n_speech=n_speech,
            n_run_noise=len(arrays["rate_noise"]),
        )
        K = len(self._parameters.b)
        self._state = State(
            memory=np.empty(self._parameters.AC.shape[1], np.float32),
            running=np.empty((n_running - 1, n_observed), np.float32),
            floor=np.empty(n_observed, np.float32),
            smooth=np.empty(n_observed, np.float32),
            started=np.zeros(1, np.int64),
        )
        self._workspace = Workspace(
            u=np.empty((n_running, n_observed), np.float32),
            prediction=np.empty(2 * K, np.float32),
            h=np.empty(K, np.float32),
            model=np.empty(n_observed, np.float32),
            step=np.empty(K, np.float32),
        )
        self._run = unrolled_frames
        if compiled:
            from nmf_audio.nmf import kernels

            self._run = kernels.unrolled_frames
        self.reset()

    @property
    def n_components(self) -> int:
        """Number of activations: speech, noise and running atoms."""
        return len(self._parameters.b)

    def reset(self) -> None:
        """Forget all frames."""
        p, s = self._parameters, self._state
        s.memory[: len(p.b)] = p.b
        s.memory[len(p.b) :] = p.b[: len(p.slow_rate)]
        s.started[0] = 0

    def process(self, V: Array, silence: float, floor: float) -> tuple[Array, Array, Array, Array]:
        """Decompose the next frames.

        Parameters
        ----------
        V : ndarray (n_frames, n_observed), float32
            Frames, one a row (frame-major), of mean 1 in the long run.
        silence : float
            Frames with a mean up to this are silent.
        floor : float
            Added in the residual's logarithm: what `V` has where the signal has nothing.

        Returns
        -------
        speech, noise, mask : ndarray (n_frames, n_observed), float32
            Spectrum estimates and the speech mask.
        H : ndarray (n_frames, n_components), float32
            Activations.
        """
        speech, noise, mask = (np.empty(V.shape, np.float32) for _ in range(3))
        H = np.empty((len(V), self.n_components), np.float32)
        self._run(
            V, np.float32(silence), np.float32(floor), self._parameters, self._state, self._workspace,
            speech, noise, mask, H,
        )  # fmt: skip
        return speech, noise, mask, H


def unrolled_frames(
    V: Array, silence: np.float32, v_floor: np.float32, p: Parameters, state: State, work: Workspace,
    speech: Array, noise: Array, mask: Array, H: Array,
) -> None:  # fmt: skip
    """Run the frames of `V`, fill the outputs, advance `state`: the numpy twin of the compiled kernel."""
    n_fixed, K = p.W.shape[2], len(p.b)
    n_noise = p.n_run_noise
    n_averages = len(p.rates)
    for t, v in enumerate(V):
        level = v.mean()
        silent = level <= silence
        if not state.started[0]:
            state.running[:] = START_LEVEL * level
            state.floor[:] = state.smooth[:] = v
            state.started[0] = not silent
        elif not silent:
            state.smooth[:] = SMOOTHING * state.smooth + (1 - SMOOTHING) * v
            np.minimum(FLOOR_RISE * state.floor, state.smooth, out=state.floor)
        u = work.u
        u[:n_noise], u[n_noise], u[n_noise + 1 :] = (
            state.running[:n_noise],
            state.floor,
            state.running[n_noise:],
        )
        u += ATOM_FLOOR
        u /= u.sum(axis=1, keepdims=True)
        prediction = p.AC @ state.memory
        h, inhibition = prediction[:K] + p.b, prediction[K:]
        for layer, W in enumerate(p.W):
            if layer == len(p.W) // 2 and len(p.C_mid):
                inhibition = inhibition + p.C_mid @ h
            r = v / (W @ h[:n_fixed] + h[n_fixed:] @ u + EPS)
            step = np.concatenate([r @ W, u @ r]) / (p.den[layer] + inhibition) + STEP_FLOOR
            h = h * np.exp(p.g[layer] * np.log(step))
        state.memory[:K] = h
        if len(p.slow_rate):
            state.memory[K:] = p.slow_rate * state.memory[K:] + (1 - p.slow_rate) * h
        run = u * p.run_gain * h[n_fixed:, None]
        S = p.W_out_speech @ h[: p.n_speech] + run[n_noise + 1 :].sum(axis=0) + p.out_floor[0]
        N = p.W_out_noise @ h[p.n_speech : n_fixed] + run[: n_noise + 1].sum(axis=0) + p.out_floor[1]
        m = 1 / (1 + np.exp(-p.p * (np.log(S / N) + p.residual * np.log((v + v_floor) / (S + N)))))
        if not silent:
            for i in range(n_averages):
                new = (1 - m) * v if i < n_noise else m * v
                state.running[i] = p.rates[i] * state.running[i] + (1 - p.rates[i]) * new
        speech[t], noise[t], mask[t], H[t] = S, N, m, h
