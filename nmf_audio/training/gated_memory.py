"""The gated memory of the denoiser while it is trained: first weights, forward and backward pass of batches.

The memory (`nmf_audio.nmf.gated_memory` has its equations) sees only the frames and the tracked noise floor, which
are known before the decomposition. So it is run over a whole batch at once: its recurrences as loops over time, all
else as products of matrices over mixtures, frames and groups of bands.

Its free variables are the weights divided by `SCALE`: with the one learning rate that all variables share, Adam moves
them by that much less. With the full rate .03 of the held-out loss is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_whole, invalid
from nmf_audio._types import Array
from nmf_audio.nmf.gated_memory import Priors
from nmf_audio.nmf.kernels import gated_recurrent
from nmf_audio.nmf.unrolled_constants import (
    COMPRESSION,
    COMPRESSION_OFFSET,
    GROUP,
    LARGEST_LOG_FACTOR,
    MARGIN,
)
from nmf_audio.training.defaults import N_GLOBAL, N_LOCAL, N_SECOND

__all__ = ["MEMORY_PREFIXES", "SCALE", "MemorySizes", "TrainedMemory", "first_memory", "has_memory"]

Arrays = dict[str, Array]

SCALE = np.float32(0.3)
MEMORY_PREFIXES = ("local_", "global_", "second_", "head_")
"""What the names of its arrays begin with."""

FIRST_KEEP, FIRST_INHIBITION, FIRST_HEAD = 1.0, -3.0, 0.01


@dataclass(frozen=True)
class MemorySizes:
    """Sizes of a gated memory.

    Attributes
    ----------
    n_local, n_global : int
        Units of the local memory, in each group of bands, and of the global one.
    n_down : int
        Numbers that the global memory sees of all local ones together.
    n_second : int
        Units of the second local memory in each group; 0 leaves it out.
    n_up : int
        Numbers that the second local memory sees of the global one.
    without : tuple of str
        Arrays that stay at zero, which leaves a part out: what that part is worth.

    Raises
    ------
    ParameterError
        When a size is out of its range.
    """

    n_local: int = N_LOCAL
    n_global: int = N_GLOBAL
    n_down: int = 48
    n_second: int = N_SECOND
    n_up: int = 32
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("n_local", "n_global", "n_down", "n_second", "n_up"):
            check_whole(name, getattr(self, name), 0 if name in ("n_second", "n_global") else 1)


def has_memory(free: Mapping[str, Array]) -> bool:
    """Return whether these arrays include those of a memory."""
    return "local_in" in free


def first_memory(n_bands: int, n_activations: int, sizes: MemorySizes, rng: np.random.Generator) -> Arrays:
    """Return the free variables of a memory to start from.

    Gates are random and open to the past, heads next to nothing. `ParameterError` if the bands can't be divided
    into groups.
    """
    if n_bands % GROUP:
        raise invalid("n_bands", n_bands, f"a multiple of {GROUP} with a memory", "100 is the default")
    n_groups = n_bands // GROUP

    def normal(deviation: float, *shape: int) -> Array:
        return np.asarray(rng.standard_normal(shape) * deviation, np.float32) / SCALE

    def gates(name: str, n_units: int, n_inputs: int, *groups: int) -> Arrays:
        bias = np.zeros((*groups, 3 * n_units), np.float32)
        bias[..., :n_units] = np.float32(FIRST_KEEP) / SCALE
        return {
            f"{name}_in": normal(n_inputs**-0.5, n_inputs, 3 * n_units),
            f"{name}_back": normal(n_units**-0.5, n_units, 3 * n_units),
            f"{name}_bias": bias,
        }

    n_local, n_global, n_second = sizes.n_local, sizes.n_global, sizes.n_second
    free = gates("local", n_local, 2 * (GROUP + 2 * MARGIN), n_groups)
    free["local_down"] = normal((n_groups * n_local) ** -0.5, n_groups * n_local, sizes.n_down)
    free |= gates("global", n_global, 2 * n_bands + sizes.n_down)
    free["head_prior"] = normal(FIRST_HEAD, n_global, n_activations)
    free["head_inhibit"] = normal(FIRST_HEAD, n_global, n_activations)
    free["head_inhibit_bias"] = np.full(n_activations, np.float32(FIRST_INHIBITION) / SCALE, np.float32)
    free["head_mask"] = normal(FIRST_HEAD, n_global, n_bands)
    free["head_mask_local"] = normal(FIRST_HEAD, n_groups, n_local, GROUP)
    if n_second:
        free["second_up"] = normal(n_global**-0.5, n_global, sizes.n_up)
        free |= gates("second", n_second, 3 * n_local + sizes.n_up, n_groups)
        free["head_mask_second"] = normal(FIRST_HEAD, n_groups, n_second, GROUP)
    return free | {name: np.zeros_like(free[name]) for name in sizes.without}


class _Unit:
    """A gated recurrent unit over (n_frames, rows): what it saw, what came of it, and its gradients."""

    def __init__(self, name: str, weights: Arrays) -> None:
        self._names = f"{name}_in", f"{name}_back", f"{name}_bias"
        self._w_in, self._back, self._bias = (weights[x] for x in self._names)
        self.n_units = len(self._back)

    def forward(self, inputs: Array, before: Array) -> Array:
        """Return the states (n_frames, batch, *groups, n_units) after inputs (n_frames, batch, *groups, n_inputs)."""
        self._inputs = inputs
        T, shape = len(inputs), inputs.shape[:-1]
        gates = inputs.reshape(-1, inputs.shape[-1]) @ self._w_in
        gates = gates.reshape(*shape, -1)
        gates += self._bias
        self._gates = gates.reshape(T, -1, 3 * self.n_units)
        n_rows = self._gates.shape[1]
        self._candidate = np.empty((T, n_rows, self.n_units), np.float32)
        self._states = np.empty((T + 1, n_rows, self.n_units), np.float32)
        self._states[0] = before.reshape(n_rows, self.n_units)
        gated_recurrent.forward(self._gates, self._candidate, self._back, self._states)
        return self._states[1:].reshape(*shape, self.n_units)

    def backward(self, d_states: Array) -> tuple[Arrays, Array]:
        """Return the gradients by the weights, and by what the inputs bring to the gates (rows, 3 n_units)."""
        n = self.n_units
        d_states = np.ascontiguousarray(d_states).reshape(self._candidate.shape)
        gated_recurrent.backward(self._gates, self._candidate, self._back, self._states, d_states)
        d = self._gates.reshape(-1, 3 * n)
        before = self._states[:-1].reshape(-1, n)
        d_back = np.concatenate([before.T @ d[:, : 2 * n], before.T @ self._candidate.reshape(-1, n)], axis=1)
        inputs = self._inputs.reshape(len(d), -1)
        d_bias = d.reshape(-1, *self._bias.shape).sum(axis=0)
        return dict(zip(self._names, (inputs.T @ d, d_back, d_bias), strict=True)), d

    def to_inputs(self, d: Array, columns: slice) -> Array:
        """Return the gradient by some of the inputs, given that by what they bring to the gates."""
        return d @ self._w_in[columns].T


class TrainedMemory:
    """Forward and backward pass of a batch through a memory, whose free variables are taken as they are now."""

    def __init__(self, free: Arrays) -> None:
        self._w = w = {name: x * SCALE for name, x in free.items() if name.startswith(MEMORY_PREFIXES)}
        self._n_groups = len(w["local_bias"])
        self._local, self._global = _Unit("local", w), _Unit("global", w)
        self._second = _Unit("second", w) if "second_in" in w else None
        # what all states of the local memories bring to the global one and to the mask, as one product
        self._from_local = np.concatenate([w["local_down"], _blocks(w["head_mask_local"])], axis=1)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the states of one signal: local, global and, if there is one, second local."""
        units = (self._local, self._global, self._second)
        groups = ((self._n_groups,), (), (self._n_groups,))
        return tuple((*g, u.n_units) for g, u in zip(groups, units, strict=True) if u is not None)

    def forward(
        self, V: Array, floor: Array, n_seen: npt.NDArray[np.intp], before: Sequence[Array]
    ) -> Priors:
        """Run over normalised frames and their tracked floor (n_frames, batch, n_bands); return priors of that order.

        Of each signal the memory sees `n_seen` (batch,) bands. States `before` the first frame are of `shapes`.
        """
        w, (T, B, F) = self._w, V.shape
        seen = np.arange(F) < n_seen[:, None]
        compressed = [
            np.exp(np.float32(COMPRESSION) * np.log(x + np.float32(COMPRESSION_OFFSET))) * seen
            for x in (V, floor)
        ]
        Z = self._local.forward(np.concatenate([self._windows(x) for x in compressed], axis=-1), before[0])
        self._Z = Z.reshape(T, B, -1)
        down = self._Z @ self._from_local
        n_down = w["local_down"].shape[1]
        self._Y = Y = self._global.forward(
            np.concatenate([*compressed, down[..., :n_down]], axis=-1), before[1]
        )
        logit = Y @ w["head_mask"] + down[..., n_down:]
        if self._second is not None:
            n = self._local.n_units
            seen_by_second = np.zeros((T, B, self._n_groups, 3 * n + w["second_up"].shape[1]), np.float32)
            seen_by_second[:, :, 1:, :n] = Z[:, :, :-1]
            seen_by_second[..., n : 2 * n] = Z
            seen_by_second[:, :, :-1, 2 * n : 3 * n] = Z[:, :, 1:]
            seen_by_second[..., 3 * n :] = (Y @ w["second_up"])[:, :, None]
            Q = self._second.forward(seen_by_second, before[2])
            self._Q = Q.reshape(T, B, -1)
            logit += self._Q @ _blocks(w["head_mask_second"])
        self._log_prior = Y @ w["head_prior"]
        self._before = Y @ w["head_inhibit"] + w["head_inhibit_bias"]
        factor = np.exp(np.clip(self._log_prior, -LARGEST_LOG_FACTOR, LARGEST_LOG_FACTOR))
        # softplus, which numpy's logaddexp takes four times as long for
        inhibition = np.maximum(self._before, 0) + np.log1p(np.exp(-np.abs(self._before)))
        return Priors(factor, inhibition, logit)

    @property
    def after(self) -> tuple[Array, ...]:
        """States (batch, ...) after the last frame, of `shapes`."""
        last = [self._Z[-1], self._Y[-1], *([self._Q[-1]] if self._second is not None else [])]
        return tuple(x.reshape(len(x), *shape).copy() for x, shape in zip(last, self.shapes, strict=True))

    def backward(self, d: Priors) -> Arrays:
        """Return the gradients by the free variables.

        Given are those by the *logarithm* of the factor, by the inhibition and by the logit of the last forward pass,
        which this takes apart: it can be done once.
        """
        w, Y, Z = self._w, self._Y, self._Z
        T, B, _ = Y.shape
        d_prior = d.factor * (np.abs(self._log_prior) < LARGEST_LOG_FACTOR)
        d_before = d.inhibition / (1 + np.exp(-self._before))
        heads = {"head_prior": d_prior, "head_inhibit": d_before, "head_mask": d.logit}
        g = {name: _flat(Y).T @ _flat(x) for name, x in heads.items()}
        g["head_inhibit_bias"] = _flat(d_before).sum(axis=0)
        dY = sum(x @ w[name].T for name, x in heads.items())
        dZ = np.zeros((T, B, self._n_groups, self._local.n_units), np.float32)
        if self._second is not None:
            d_up = self._second_back(d.logit, dZ, g)
            g["second_up"] = _flat(Y).T @ _flat(d_up)
            dY += d_up @ w["second_up"].T
        d_global, d_gates = self._global.backward(dY)
        n_down = w["local_down"].shape[1]
        d_down = self._global.to_inputs(d_gates, slice(-n_down, None)).reshape(T, B, n_down)
        both = np.concatenate([d_down, d.logit], axis=-1)
        dZ += (both @ self._from_local.T).reshape(dZ.shape)
        d_from_local = _flat(Z).T @ _flat(both)
        g["local_down"] = d_from_local[:, :n_down]
        g["head_mask_local"] = _of_blocks(d_from_local[:, n_down:], self._n_groups)
        g |= d_global | self._local.backward(dZ)[0]
        return {name: x * SCALE for name, x in g.items()}

    def _second_back(self, d_logit: Array, dZ: Array, g: Arrays) -> Array:
        """Through the second local memory: adds to dZ and to `g`; returns the gradient by what it sees of Y."""
        assert self._second is not None
        T, B, G, n = dZ.shape
        g["head_mask_second"] = _of_blocks(_flat(self._Q).T @ _flat(d_logit), G)
        d_second, d_gates = self._second.backward(d_logit @ _blocks(self._w["head_mask_second"]).T)
        g |= d_second
        left, middle, right = (
            self._second.to_inputs(d_gates, slice(i * n, (i + 1) * n)).reshape(dZ.shape) for i in range(3)
        )
        dZ += middle
        dZ[:, :, :-1] += left[:, :, 1:]
        dZ[:, :, 1:] += right[:, :, :-1]
        by_frame = d_gates.reshape(T * B, G, -1).sum(axis=1)
        return self._second.to_inputs(by_frame, slice(3 * n, None)).reshape(T, B, -1)

    def _windows(self, x: Array) -> Array:
        """The bands that each group sees (n_frames, batch, n_groups, 12); zeros beyond the ends."""
        padded = np.pad(x, ((0, 0), (0, 0), (MARGIN, MARGIN)))
        return np.lib.stride_tricks.sliding_window_view(padded, GROUP + 2 * MARGIN, axis=-1)[:, :, ::GROUP]


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def _blocks(heads: Array) -> Array:
    """One matrix (n_groups * n_units, n_bands) with the groups' own (n_units, GROUP) along its diagonal."""
    G, n, width = heads.shape
    wide = np.zeros((G, n, G, width), np.float32)
    wide[np.arange(G), :, np.arange(G)] = heads
    return wide.reshape(G * n, G * width)


def _of_blocks(wide: Array, n_groups: int) -> Array:
    """The inverse of `_blocks`."""
    blocks = wide.reshape(n_groups, len(wide) // n_groups, n_groups, -1)
    return blocks[np.arange(n_groups), :, np.arange(n_groups)]
