"""Forward and backward pass of batches through the unrolled decomposition: masks, and gradients by all parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import out_of_order
from nmf_audio._types import Array
from nmf_audio.dsp.normaliser import FLOOR, SILENCE
from nmf_audio.nmf.gated_memory import Priors
from nmf_audio.nmf.kernels import unrolled_backward, unrolled_forward
from nmf_audio.training.gated_memory import TrainedMemory, has_memory
from nmf_audio.training.parameters import Arrays, sigmoid, to_arrays

__all__ = ["Network", "State"]


class _Parameters(NamedTuple):
    W: Array
    out_speech: Array
    out_noise: Array
    out_floor: Array
    den: Array
    g: Array
    AC: Array
    C_mid: Array
    mid: int
    b: Array
    slow_rate: Array
    rates: Array
    run_gain: Array
    residual: Array
    p: Array
    n_run_noise: int


class _Data(NamedTuple):
    V: Array
    floor: Array
    silent: npt.NDArray[np.bool_]
    start: npt.NDArray[np.int64]


class _Saved(NamedTuple):
    H: Array
    memory: Array
    d: Array
    d_mid: Array
    r: Array
    step: Array
    log_step: Array
    running: Array
    scale: Array
    speech: Array
    noise: Array
    mask: Array


class _Gradients(NamedTuple):
    q: Array
    model: Array
    prediction: Array
    d_mid: Array
    speech: Array
    noise: Array
    den: Array
    g: Array
    b: Array
    slow_rate: Array
    rates: Array
    run_gain: Array
    residual: Array
    p: Array
    log_prior: Array
    inhibition: Array
    logit: Array


class State(NamedTuple):
    """State of a batch of signals after its last frame, to continue from.

    Attributes
    ----------
    new : ndarray (batch,), bool
        Signals that begin anew: all else counts for nothing.
    begun : ndarray (batch,), bool
        Which signals have had a frame that was not silent.
    memory : ndarray (batch, K or 2 K), float32
        Last and slow activations.
    running : ndarray (batch, n_averages, n_bands), float32
        Running averages.
    floor, smooth : ndarray (batch, n_bands), float32
        Tracked noise floor, smoothed frame.
    units : tuple of ndarray (batch, ...), float32
        States of a gated memory.
    """

    new: npt.NDArray[np.bool_]
    begun: npt.NDArray[np.bool_]
    memory: Array
    running: Array
    floor: Array
    smooth: Array
    units: tuple[Array, ...]


class Network:
    """Forward and backward pass of a batch of signals through the unrolled decomposition.

    Free variables are read anew at each forward pass, so an optimiser may change them in place; the first
    `n_speech` of the fixed atoms are speech. The attribute `after` is the `State` that the last forward pass
    has left behind.

    Examples
    --------
    >>> import numpy as np
    >>> from nmf_audio.training.parameters import initial
    >>> rng = np.random.default_rng(0)
    >>> free = initial(rng.random((10, 4)), rng.random((10, 3)), rng=0)
    >>> network = Network(free, n_speech=4)
    >>> mask = network.forward(rng.random((2, 20, 10), np.float32))
    >>> gradients = network.backward(np.ones_like(mask))
    >>> mask.shape, gradients["W"].shape
    ((2, 20, 10), (4, 10, 7))
    """

    def __init__(self, free: Arrays, n_speech: int) -> None:
        self.free, self.n_speech = free, n_speech
        self._buffers: dict[tuple[int, int], tuple[_Saved, _Gradients]] = {}
        self._last: tuple[_Parameters, _Data, Priors, _Saved, _Gradients] | None = None
        self._memory: TrainedMemory | None = None

    def forward(
        self, V: Array, n_seen: npt.NDArray[np.intp] | None = None, before: State | None = None
    ) -> Array:
        """Return the masks (batch, n_frames, n_bands) of a batch of normalised frames of that shape.

        `n_seen` says how many bands of each signal a gated memory sees (all by default): to it the others are
        missing, as at low sample rates. The signals continue from the state `before`, or begin.
        """
        frames = np.ascontiguousarray(V.transpose(1, 0, 2), np.float32)
        n_frames, batch, n_bands = frames.shape
        silent = frames.mean(axis=2) <= np.float32(SILENCE + FLOOR)
        self._memory = TrainedMemory(self.free) if has_memory(self.free) else None
        p = self._parameters()
        saved, gradients = self._room(n_frames, batch)
        before = self._beginning(batch, n_bands) if before is None else before
        floor, smooth = before.floor.copy(), before.smooth.copy()
        data = _Data(frames, np.empty_like(frames), silent, np.where(before.begun & ~before.new, -1, 0))
        unrolled_forward.track_floor(data.V, data.silent, data.start, data.floor, floor, smooth)
        n_last = saved.memory.shape[2] // len(p.b)
        saved.memory[0] = np.where(before.new[:, None], np.tile(p.b, n_last), before.memory)
        saved.running[0] = before.running
        if self._memory is None:
            priors = Priors(*(np.zeros((0, batch, n), np.float32) for n in (len(p.b), len(p.b), n_bands)))
        else:
            seen = np.full(batch, n_bands) if n_seen is None else n_seen
            units = [x * ~before.new.reshape(-1, *(1,) * (x.ndim - 1)) for x in before.units]
            priors = self._memory.forward(data.V, data.floor, seen, units)
        unrolled_forward.forward(data, np.float32(FLOOR), priors, p, saved)
        self._last = p, data, priors, saved, gradients
        self.after = State(
            np.zeros(batch, np.bool_),
            data.start < n_frames,
            saved.memory[-1].copy(),
            saved.running[-1].copy(),
            floor,
            smooth,
            () if self._memory is None else self._memory.after,
        )
        return saved.mask.transpose(1, 0, 2)

    def _beginning(self, batch: int, n_bands: int) -> State:
        """The state of signals that have not begun."""
        shapes = () if self._memory is None else self._memory.shapes
        rows, averages = (batch, n_bands), (batch, len(self.free["run_gain"]) - 1, n_bands)
        memory, running, floor, smooth, *units = (
            np.zeros(shape, np.float32)
            for shape in (
                (batch, self.free["A"].shape[1]),
                averages,
                rows,
                rows,
                *((batch, *shape) for shape in shapes),
            )
        )
        return State(
            np.ones(batch, np.bool_), np.zeros(batch, np.bool_), memory, running, floor, smooth, tuple(units)
        )

    def backward(self, d_masks: Array) -> Arrays:
        """Return the gradient by each free variable, given that by the last forward pass's masks.

        `d_masks` is (batch, n_frames, n_bands). `ParameterError` if no forward pass went before; each serves once.
        """
        if self._last is None:
            raise out_of_order("backward() needs the masks of a forward pass", "call forward(V) first")
        p, data, priors, saved, g = self._last
        self._last = None
        for x in (g.den, g.g, g.b, g.slow_rate, g.rates, g.run_gain, g.residual, g.p):
            x[:] = 0
        by_time = np.ascontiguousarray(d_masks.transpose(1, 0, 2), np.float32)
        unrolled_backward.backward(data, np.float32(FLOOR), priors, p, saved, by_time, g)
        memory = {}
        if self._memory is not None:
            memory = self._memory.backward(Priors(g.log_prior, g.inhibition, g.logit))
        return self._by_free(p, saved, g, memory)

    def _parameters(self) -> _Parameters:
        arrays = to_arrays(self.free)
        n_layers, n_bands, n_fixed = arrays["W"].shape
        K = len(arrays["b"])
        W = np.zeros((n_layers, n_bands, K), np.float32)
        W[:, :, :n_fixed] = arrays["W"]
        return _Parameters(
            W=W,
            out_speech=np.ascontiguousarray(arrays["W_out"][:, : self.n_speech].T),
            out_noise=np.ascontiguousarray(arrays["W_out"][:, self.n_speech :].T),
            out_floor=arrays["out_floor"],
            den=1 + arrays["lam"],
            g=arrays["g"],
            AC=np.ascontiguousarray(np.concatenate([arrays["A"], arrays["C"]]).T),
            C_mid=np.ascontiguousarray(arrays["C_mid"].T),
            mid=n_layers // 2 if len(arrays["C_mid"]) else -1,
            b=arrays["b"],
            slow_rate=arrays["slow_rate"],
            rates=np.concatenate([arrays["rate_noise"], arrays["rate_speech"]]),
            run_gain=arrays["run_gain"],
            residual=arrays["residual"],
            p=arrays["p"].reshape(1),
            n_run_noise=len(arrays["rate_noise"]),
        )

    def _room(self, T: int, B: int) -> tuple[_Saved, _Gradients]:
        """Arrays for batches of this shape; the last few shapes are kept."""
        if (T, B) not in self._buffers:
            if len(self._buffers) >= 3:
                self._buffers.clear()
            L, F, _ = self.free["W"].shape
            K, M = self.free["A"].shape
            R = len(self.free["run_gain"])
            n_predicted = K + len(self.free["C"])
            T_mid = T if len(self.free["C_mid"]) else 0
            T_memory = T if has_memory(self.free) else 0

            def room(*shape: int) -> Array:
                return np.zeros(shape, np.float32)

            saved = _Saved(
                H=room(L + 1, T, B, K), memory=room(T + 1, B, M), d=room(T, B, K), d_mid=room(T_mid, B, K),
                r=room(L, T, B, F), step=room(L, T, B, K), log_step=room(L, T, B, K),
                running=room(T + 1, B, R - 1, F), scale=room(T, B, R),
                speech=room(T, B, F), noise=room(T, B, F), mask=room(T, B, F),
            )  # fmt: skip
            gradients = _Gradients(
                q=room(L, T, B, K), model=room(L, T, B, F), prediction=room(T, B, n_predicted),
                d_mid=room(T_mid, B, K), speech=room(T, B, F), noise=room(T, B, F), den=room(L, K), g=room(L, K),
                b=room(K), slow_rate=room(len(self.free["slow_rate"])), rates=room(R - 1), run_gain=room(R, F),
                residual=room(F), p=room(1), log_prior=room(T_memory, B, K), inhibition=room(T_memory, B, K),
                logit=room(T_memory, B, F),
            )  # fmt: skip
            self._buffers[T, B] = saved, gradients
        return self._buffers[T, B]

    def _by_free(self, p: _Parameters, s: _Saved, g: _Gradients, memory: Arrays) -> Arrays:
        """One product for each matrix, then the chain rule through exponentials and sigmoids."""
        L, _, n_fixed = self.free["W"].shape
        K = len(self.free["A"])
        T = len(s.mask)

        def flat(x: Array) -> Array:
            return x.reshape(-1, x.shape[-1])

        dW = np.empty_like(self.free["W"])
        for layer in range(L):
            dW[layer] = (flat(s.r[layer]).T @ flat(g.q[layer]) + flat(g.model[layer]).T @ flat(s.H[layer]))[
                :, :n_fixed
            ]
        W = p.W[:, :, :n_fixed]
        H = flat(s.H[L])
        d_out = [
            flat(g.speech).T @ H[:, : self.n_speech] * p.out_speech.T,
            flat(g.noise).T @ H[:, self.n_speech : n_fixed] * p.out_noise.T,
        ]
        dAC = (flat(s.memory[:T]).T @ flat(g.prediction) * p.AC).T
        n_noise = p.n_run_noise
        d_rates = g.rates * p.rates * (1 - p.rates)
        gradients = {
            "W": W * (dW - (W * dW).sum(axis=1, keepdims=True)),
            "W_out": np.concatenate(d_out, axis=1),
            "out_floor": np.stack([flat(g.speech).sum(axis=0), flat(g.noise).sum(axis=0)]) * p.out_floor,
            "lam": g.den * sigmoid(self.free["lam"]),
            "g": g.g * p.g * (1 - p.g / 2),
            "A": dAC[:K],
            "C": dAC[K:],
            "C_mid": (flat(s.H[p.mid]).T @ flat(g.d_mid) * p.C_mid).T if p.mid >= 0 else self.free["C_mid"],
            "b": g.b * p.b,
            "slow_rate": g.slow_rate * p.slow_rate * (1 - p.slow_rate),
            "rate_noise": d_rates[:n_noise],
            "rate_speech": d_rates[n_noise:],
            "run_gain": g.run_gain * p.run_gain,
            "residual": g.residual,
            "p": (g.p * p.p)[0],
            **memory,
        }
        return {
            name: np.ascontiguousarray(gradients[name], np.float32).reshape(x.shape)
            for name, x in self.free.items()
        }
