"""Gated memory: small recurrent networks that set the priors of an unrolled decomposition, frame after frame.

Their input is each frame v and its tracked noise floor, in B bands, and nothing of the decomposition. A *local*
memory takes G = B / 4 groups of four bands, with weights that all groups share; a *global* one all bands and all
local states; a *second* local one, which not every dictionary has, the local states of a group and of its two
neighbours and the global state::

    a, c = (v + 1e-4) ** 0.3, (floor + 1e-4) ** 0.3              0 in bands that the signal does not have
    z_g <- GRU([a, c in the bands 4 g - 4 to 4 g + 7], z_g)          zeros beyond the ends, here and below
    y   <- GRU([a, c, [z_0 .. z_{G-1}] @ local_down], y)
    q_g <- GRU([z_{g-1}, z_g, z_{g+1}, y @ second_up], q_g)
    factor     = exp(clip(y @ head_prior, -6, 6))                    on the predicted activations
    inhibition = softplus(y @ head_inhibit + head_inhibit_bias)      added to that by the last activations
    logit      = y @ head_mask, and for the bands of group g         added to the mask's
                 + z_g @ head_mask_local[g] + q_g @ head_mask_second[g]

GRU(x, z) is the gated recurrent unit (Cho et al. 2014). With the thirds u, r, t of i = x @ in + bias and of
s = z @ back::

    u, r = 0.995 sigmoid(i_u + s_u), sigmoid(i_r + s_r);  t = tanh(i_t + r * s_t);  z <- u * z + (1 - u) * t

The 0.995, which is not in the original, makes the units forget: their past fades with a time constant of at most 200
frames (3.2 s).

All states start at 0, and the memory runs on every frame, silent ones, too.

K. Cho, B. van Merrienboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk, Y. Bengio, "Learning phrase
representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from nmf_audio._types import Array
from nmf_audio.nmf import unrolled_constants as constants
from nmf_audio.nmf.unrolled_constants import GROUP, LARGEST_LOG_FACTOR, MARGIN

__all__ = ["GatedMemory", "Priors", "allocate"]


# arrays without axes where one number would do, as in nmf_audio.nmf.unrolled
OFFSET, EXPONENT = (
    np.array(constants.COMPRESSION_OFFSET, np.float32),
    np.array(constants.COMPRESSION, np.float32),
)
HALF, ONE = np.array(0.5, np.float32), np.array(1, np.float32)
HALF_KEEP = np.array(constants.LARGEST_KEEP / 2, np.float32)
LOWEST, HIGHEST = np.array(-LARGEST_LOG_FACTOR, np.float32), np.array(LARGEST_LOG_FACTOR, np.float32)
# softplus(x) is x long before exp(x) leaves the range
HIGHEST_BEFORE_SOFTPLUS = np.array(80, np.float32)


class Priors(NamedTuple):
    """The priors of some frames.

    Attributes
    ----------
    factor : ndarray (n_frames, ..., n_components), float32
        On the activations that the updates start from.
    inhibition : ndarray (n_frames, ..., n_components), float32
        Added to the sparsity in every update.
    logit : ndarray (n_frames, ..., n_bands), float32
        Added to the logit of the speech mask.
    """

    factor: Array
    inhibition: Array
    logit: Array


def allocate(*shape: int) -> Array:
    """Return zeros, to be overwritten in each frame."""
    return np.zeros(shape, np.float32)


class GatedMemory:
    """Priors of the next frames' decompositions from the frames so far, with state.

    As in `nmf_audio.nmf.unrolled`, views, constants and room for results are made once, here. `at` (n_components,)
    is where each of the dictionary's activations stands among the `n_activations` of the decomposition; the others
    have a factor of 1. Of the bands the signal has the first `n_observed`.
    """

    def __init__(
        self, arrays: Mapping[str, Array], *, at: npt.NDArray[np.intp], n_activations: int, n_observed: int
    ) -> None:
        n_groups, n_local, _ = arrays["head_mask_local"].shape
        n_bands, n_global = n_groups * GROUP, len(arrays["global_back"])

        # a group of zeros on either side
        z = allocate(n_groups + 2, n_local)
        self._local = _GatedUnits(arrays["local_in"], arrays["local_back"], arrays["local_bias"], z[1:-1])
        self._local_down = np.array(arrays["local_down"])
        self._local_head = _transpose_head(arrays["head_mask_local"])
        self._z, self._all_z = z[1:-1, None], z[1:-1].reshape(-1)

        # a and c lie between zeros, for the windows; so the global memory sees them, too
        width = MARGIN + n_bands + MARGIN
        of_bands, of_local = np.split(arrays["global_in"], [2 * n_bands])
        of_bands = np.pad(of_bands.reshape(2, n_bands, -1), ((0, 0), (MARGIN, MARGIN), (0, 0)))
        global_in = np.concatenate([of_bands.reshape(2 * width, -1), of_local])
        # the 1 brings head_inhibit_bias with the product
        self._y_and_one = np.append(allocate(n_global), ONE)
        y = self._y_and_one[None, :-1]
        self._global = _GatedUnits(global_in, arrays["global_back"], arrays["global_bias"][None], y)
        bands = self._global.input[0, : 2 * width].reshape(2, width)
        self._from_local = self._global.input[0, 2 * width :]
        self._compressed = bands[:, MARGIN : MARGIN + n_observed]
        self._windows = sliding_window_view(bands, GROUP + 2 * MARGIN, axis=1)[:, ::GROUP].swapaxes(0, 1)
        self._local_input = self._local.input.reshape(self._windows.shape)

        self._second: _GatedUnits | None = None
        if "second_in" in arrays:
            q = allocate(n_groups, len(arrays["second_back"]))
            self._second = _GatedUnits(arrays["second_in"], arrays["second_back"], arrays["second_bias"], q)
            self._second_head, self._q = _transpose_head(arrays["head_mask_second"]), q[:, None]
            self._neighbours = sliding_window_view(z.reshape(-1), 3 * n_local)[::n_local]
            self._from_neighbours, self._from_global = np.split(self._second.input, [3 * n_local], axis=1)

        self._heads = _Heads(arrays, at, n_activations, n_observed)
        self._second_logit = allocate(n_groups, GROUP)

    def reset(self) -> None:
        """Forget all frames."""
        for units in (self._local, self._global, self._second):
            if units:
                units.states[:] = 0

    def process(self, V: Array, floors: Array) -> Priors:
        """Take the next frames, and the noise floor tracked up to each: (n_frames, n_observed), float32, both.

        Only what one frame leaves for the next, and products, whose rounding depends on their width, are computed
        frame by frame. Returns factors and inhibitions (n_frames, n_activations) and logits (n_frames, n_observed).
        """
        compressed = np.stack([V, floors], axis=1)
        compressed += OFFSET
        np.power(compressed, EXPONENT, compressed)
        products = np.empty((len(V), self._heads.width), np.float32)
        logits = np.empty((len(V), *self._second_logit.shape), np.float32)
        for seen, product, logit in zip(compressed, products, logits, strict=True):
            self._compressed[:] = seen
            self._local_input[:] = self._windows
            self._local.step()
            np.dot(self._all_z, self._local_down, self._from_local)
            self._global.step()
            np.dot(self._y_and_one, self._heads.weights, product)
            np.vecdot(self._local_head, self._z, logit)
            if self._second:
                self._from_neighbours[:] = self._neighbours
                self._from_global[:] = product[self._heads.to_second]
                self._second.step()
                np.vecdot(self._second_head, self._q, self._second_logit)
                np.add(logit, self._second_logit, logit)
        return self._heads.read(products, logits.reshape(len(V), self._second_logit.size))


class _GatedUnits:
    """Gated recurrent units, in rows that share all weights but the bias; their states lie in the caller's array."""

    def __init__(self, of_input: Array, of_state: Array, bias: Array, states: Array) -> None:
        n_rows, n = states.shape
        self.input, self.states = allocate(n_rows, len(of_input)), states
        # sigmoid(x) = (1 + tanh(x / 2)) / 2: the inner halves of u and r are in the weights, and so is r's outer one
        halves = np.array([0.5, 0.5, 1], np.float32)[:, None, None]
        self._of_input, self._bias = halves * _split_gates(of_input), halves * _split_gates(bias)
        self._of_state = HALF * _split_gates(of_state)
        x, s = allocate(2, 3, n_rows, n)
        self._x, self._s = x, s
        self._views = x[:2], *x, s[2]

    def step(self) -> None:
        """Take the next input."""
        z, x, s = self.states, self._x, self._s
        gates, u, r, t, s_t = self._views
        np.matmul(self.input, self._of_input, x)
        np.matmul(z, self._of_state, s)
        np.add(x, s, x)
        np.add(x, self._bias, x)
        np.tanh(gates, gates)
        np.multiply(r, s_t, s_t)
        np.add(t, s_t, t)
        np.tanh(t, t)
        np.multiply(u, HALF_KEEP, u)
        np.add(u, HALF_KEEP, u)
        np.subtract(z, t, z)
        np.multiply(z, u, z)
        np.add(z, t, z)


class _Heads:
    """Results from the global state, by one product: exponents of the priors, a logit, input of the second memory."""

    def __init__(
        self, arrays: Mapping[str, Array], at: npt.NDArray[np.intp], n: int, n_observed: int
    ) -> None:
        n_global, end = len(arrays["head_mask"]), 2 * n + n_observed
        up = arrays.get("second_up", allocate(n_global, 0))
        self.width = end + up.shape[1]
        self.weights = W = allocate(n_global + 1, self.width)
        W[:-1, at], W[:-1, n + at] = arrays["head_prior"], arrays["head_inhibit"]
        W[-1, n + at] = arrays["head_inhibit_bias"]
        W[:-1, 2 * n : end], W[:-1, end:] = arrays["head_mask"][:, :n_observed], up
        self._factor, self._inhibition, self._logit = slice(n), slice(n, 2 * n), slice(2 * n, end)
        self.to_second = slice(end, None)

    def read(self, products: Array, logits: Array) -> Priors:
        """Return the priors of frames from the products, and from the other memories' logits (n_frames, n_bands)."""
        factor = np.minimum(products[:, self._factor], HIGHEST)
        np.maximum(factor, LOWEST, out=factor)
        np.exp(factor, factor)
        before = products[:, self._inhibition]
        inhibition = np.minimum(before, HIGHEST_BEFORE_SOFTPLUS)
        np.exp(inhibition, inhibition)
        np.add(inhibition, ONE, inhibition)
        np.log(inhibition, inhibition)
        np.maximum(inhibition, before, out=inhibition)
        logit = products[:, self._logit]
        return Priors(factor, inhibition, logits[:, : logit.shape[1]] + logit)


def _split_gates(columns: Array) -> Array:
    """Turn (k, 3 n) into (3, k, n): products with it are contiguous by gate."""
    return np.ascontiguousarray(columns.reshape(len(columns), 3, -1).swapaxes(0, 1))


def _transpose_head(head: Array) -> Array:
    """Turn a head (n_groups, n, GROUP) into one vector for each band, (n_groups, GROUP, n)."""
    return np.ascontiguousarray(head.swapaxes(1, 2))
