"""Forward and backward pass of batches through the separator: masks, and gradients by all parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import out_of_order
from nmf_audio._types import AnyArray
from nmf_audio.dsp.normaliser import FLOOR
from nmf_audio.nmf.unrolled_constants import STEP_FLOOR
from nmf_audio.nmf.unrolled_sources import SourceParameters, estimate_sources, infer_frame, make_blocks
from nmf_audio.training.separator_parameters import free_gradients, separator_arrays

__all__ = ["SeparatorNetwork"]

Arrays = dict[str, AnyArray]


class _Tape:
    """What the forward pass leaves for the backward pass; time is the first axis, or the second, after the layers."""

    def __init__(self, T: int, B: int, F: int, K: int, L: int, dtype: npt.DTypeLike) -> None:
        self.H = np.empty((L + 1, T, B, K), dtype)
        self.r = np.empty((L, T, B, F), dtype)
        self.step = np.empty((L, T, B, K), dtype)
        self.memory = np.empty((T + 1, B, 2 * K), dtype)
        self.d = np.empty((T, B, K), dtype)
        self.t = 0

    def keep_inhibition(self, d: AnyArray) -> None:
        self.d[self.t] = d

    def keep(self, layer: int, h: AnyArray, r: AnyArray, step: AnyArray) -> None:
        self.H[layer, self.t], self.r[layer, self.t], self.step[layer, self.t] = h, r, step


class SeparatorNetwork:
    """Forward and backward pass of a batch of signals through the separator.

    Free variables are read anew at each forward pass, so an optimiser may change them in place; `sizes` are the
    numbers of atoms of each source.

    Examples
    --------
    >>> from nmf_audio.training.separator_parameters import initial_separator
    >>> rng = np.random.default_rng(0)
    >>> free = initial_separator([rng.random((10, 4)), rng.random((10, 3))], rng=0)
    >>> network = SeparatorNetwork(free, [4, 3])
    >>> masks = network.forward(rng.random((2, 20, 10), np.float32) + 0.01)
    >>> gradients = network.backward(np.ones_like(masks))
    >>> masks.shape, gradients["W"].shape
    ((2, 2, 20, 10), (4, 10, 7))
    """

    def __init__(self, free: Arrays, sizes: Sequence[int]) -> None:
        self.free, self.sizes = free, tuple(sizes)
        self._tape: _Tape | None = None

    def forward(self, V: AnyArray) -> AnyArray:
        """Return masks (n_sources, batch, n_frames, n_bands) of normalised frames V (batch, n_frames, n_bands)."""
        self._arrays = separator_arrays(self.free)
        self._p = p = SourceParameters.from_arrays(self._arrays, self.sizes)
        self._V = V = np.ascontiguousarray(V.transpose(1, 0, 2))
        T, B, F = V.shape
        L, K = p.den.shape
        if self._tape is None or self._tape.r.shape != (L, T, B, F):
            self._tape = _Tape(T, B, F, K, L, V.dtype)
        tape = self._tape
        tape.memory[0] = np.concatenate([p.b, p.b])
        for t, v in enumerate(V):
            tape.t = t
            tape.H[L, t], tape.memory[t + 1] = infer_frame(v, tape.memory[t], p, tape)
        self._S, self._logits, self._masks = estimate_sources(V, tape.H[L], p, FLOOR)
        masks: AnyArray = self._masks.swapaxes(1, 2)
        return masks

    def backward(self, d_masks: AnyArray) -> Arrays:
        """Return the gradient by each free variable, given that by the last forward pass's masks.

        `d_masks` is (n_sources, batch, n_frames, n_bands). `ParameterError` if no forward pass went before.
        """
        if self._tape is None:
            raise out_of_order("backward() needs the masks of a forward pass", "call forward(V) first")
        gradients, dH = self._through_masks(d_masks.swapaxes(1, 2))
        gradients |= self._through_time(self._tape, dH)
        return free_gradients(self.free, self._arrays, gradients)

    def _through_masks(self, d_masks: AnyArray) -> tuple[Arrays, AnyArray]:
        """Gradients by what stands behind the activations, and by the activations."""
        assert self._tape is not None
        p, S, masks = self._p, self._S, self._masks
        H = self._tape.H[-1]
        d_logits = masks * (d_masks - (masks * d_masks).sum(axis=0))
        total = S.sum(axis=0)
        unexplained = np.log((self._V + FLOOR) / total)
        dS = p.p * d_logits / S
        dS -= p.p * np.einsum("itbf,if->tbf", d_logits, p.residual) / total
        dW_out = np.empty_like(p.W_out)
        dH = np.empty_like(H)
        for block, d in zip(make_blocks(self.sizes), dS, strict=True):
            dW_out[block] = _flat(H[..., block]).T @ _flat(d)
            dH[..., block] = d @ p.W_out[block].T
        gradients = {
            "W_out": dW_out.T,
            "out_floor": dS.sum(axis=(1, 2)),
            "residual": p.p * np.einsum("itbf,tbf->if", d_logits, unexplained),
            "p": np.asarray((d_logits * self._logits).sum() / p.p),
        }
        return gradients, dH

    def _through_time(self, tape: _Tape, dH: AnyArray) -> Arrays:
        """Gradients by what makes the activations, from the last frame to the first."""
        p = self._p
        L, K = p.den.shape
        d_num, d_model = np.empty_like(tape.step), np.empty_like(tape.r)
        d_prediction = np.empty((*tape.d.shape[:2], 2 * K), tape.d.dtype)
        d_den, d_g, d_rate = np.zeros_like(p.den), np.zeros_like(p.g), np.zeros_like(p.slow_rate)
        d_memory = np.zeros_like(tape.memory[0])
        for t in range(len(dH) - 1, -1, -1):
            d_slow = d_memory[:, K:]
            dh = dH[t] + d_memory[:, :K] + (1 - p.slow_rate) * d_slow
            d_rate += (d_slow * (tape.memory[t, :, K:] - tape.H[L, t])).sum(axis=0)
            d_inhibition = np.zeros_like(dh)
            for layer in range(L - 1, -1, -1):
                h, r, step = tape.H[layer, t], tape.r[layer, t], tape.step[layer, t]
                # h_out = h * step**g
                by_power = dh * tape.H[layer + 1, t]
                d_g[layer] += (by_power * np.log(step)).sum(axis=0)
                d_step = by_power * p.g[layer] / step
                # step = num / (den + d) + STEP_FLOOR,  num = r @ W.T
                denominator = p.den[layer] + tape.d[t]
                num = np.divide(d_step, denominator, out=d_num[layer, t])
                by_denominator = num * (step - STEP_FLOOR)
                d_den[layer] -= by_denominator.sum(axis=0)
                d_inhibition -= by_denominator
                # r = v / model,  model = h @ W + EPS
                model = np.multiply(num @ p.W[layer], r * r, out=d_model[layer, t])
                model /= -self._V[t]
                dh = dh * (tape.H[layer + 1, t] / h) + model @ p.W[layer].T
            d_prediction[t, :, :K], d_prediction[t, :, K:] = dh, d_inhibition
            d_memory = d_prediction[t] @ p.AC
            d_memory[:, K:] += p.slow_rate * d_slow
        # the memory before the first frame is b, twice
        d_b = d_prediction[:, :, :K].sum(axis=(0, 1)) + d_memory.reshape(-1, 2, K).sum(axis=(0, 1))
        dAC = _flat(d_prediction).T @ _flat(tape.memory[:-1])
        dW = np.stack(
            [
                _flat(tape.r[layer]).T @ _flat(d_num[layer]) + _flat(d_model[layer]).T @ _flat(tape.H[layer])
                for layer in range(L)
            ]
        )
        # the sums of the columns are 1 whatever W is: they have no gradient
        return {
            "W": dW, "lam": d_den, "g": d_g, "A": dAC[:K], "C": dAC[K:], "b": d_b, "slow_rate": d_rate,
        }  # fmt: skip


def _flat(x: AnyArray) -> AnyArray:
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])
