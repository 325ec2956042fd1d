"""Unrolled recurrent KL-NMF with running atoms: a trained inference, frame after frame.

Deep NMF (Le Roux, Hershey & Weninger 2015) and deep recurrent NMF (Wisdom et al. 2017) unroll multiplicative
updates into layers and train the dictionaries through them. Here, moreover, some atoms *run*: they are averages of
the estimated noise and speech so far. For each frame v, all quantities non-negative::

    u    = running atoms and tracked floor, each divided by its sum
    h    = A @ [h, slow] + b;  d = C @ [h, slow], or 0 without C     prediction and inhibition by the last frames
    h   *= factor;  d += inhibition                                  with a gated memory
    for each layer l:
        d += C_mid @ h                                               once, before layer n_layers // 2
        r  = v / ([W_l | u] @ h + EPS)
        h *= ([W_l | u].T @ r / (colsum_l + lam_l + d) + STEP_FLOOR) ** g_l
    slow = slow_rate * slow + (1 - slow_rate) * h
    S    = W_out_s @ h_s + sum of the running speech atoms * their h * run_gain + out_floor_s;  N likewise
    mask = sigmoid(p * (log(S / N) + residual * log((v + FLOOR) / (S + N))) + logit)    logit: with a gated memory
    running noise averages  <- rate * old + (1 - rate) * (1 - mask) * v;  speech with mask * v
    smooth = .8 * smooth + .2 * v;  floor = min(1.006 * floor, smooth)

Each layer is one relaxed majorise-minimise step for ``KL(v | D h) + (lam + d)' h``. colsum is the sum of an atom over
the bands that exist at the signal's rate. Silent frames hold the running atoms. A gated memory
(`nmf_audio.nmf.gated_memory`), which not every dictionary has, sees each v with its floor before it is decomposed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Never

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array
from nmf_audio.nmf import unrolled_constants as constants
from nmf_audio.nmf.gated_memory import GatedMemory, Priors, allocate

__all__ = ["UnrolledNMF"]


def _make_constant(value: float) -> Array:
    # arrays without axes: with scalars, which numpy converts to arrays first, a call takes twice as long
    return np.array(value, np.float32)


STEP_FLOOR, ATOM_FLOOR = _make_constant(constants.STEP_FLOOR), _make_constant(constants.ATOM_FLOOR)
SMOOTHING, NEWNESS = _make_constant(constants.SMOOTHING), _make_constant(1 - constants.SMOOTHING)
FLOOR_RISE, START_LEVEL = _make_constant(constants.FLOOR_RISE), _make_constant(constants.START_LEVEL)
ONE = _make_constant(1)


class UnrolledNMF:
    """Trained decomposition of normalised frames into speech, noise and a mask, with state.

    A frame costs about sixty calls of numpy on small arrays: views, constants and room for all results are made
    once, here, so that a call is little more than its arithmetic. Atoms lie as rows, in an order of their own::

        a constant | fixed speech, running speech | running noise, tracked floor, fixed noise | a constant

    so that the running ones stand together, and so do those of a source. The constants' activations are always 1:
    what is added to a product (EPS, b, out_floor) comes with it. In the dictionary's order the `n_speech` fixed
    speech atoms come first. Of the bands the signal has the first `n_observed`.
    """

    def __init__(self, arrays: Mapping[str, Array], *, n_speech: int, n_observed: int) -> None:
        W = arrays["W"][:, :n_observed]
        n_layers, _, n_fixed = W.shape
        n_run_noise, n_run_speech = len(arrays["rate_noise"]), len(arrays["rate_speech"])
        K, n_running = len(arrays["b"]), n_run_noise + 1 + n_run_speech
        running_order = np.roll(np.arange(n_running), n_run_speech)
        order = np.concatenate([np.arange(n_speech), n_fixed + running_order, np.arange(n_speech, n_fixed)])
        # at[k] is where atom k of the dictionary stands here
        at, n = np.argsort(order) + 1, K + 2
        fixed, running = at[:n_fixed], slice(n_speech + 1, n_speech + 1 + n_running)
        noise_from = n_speech + 1 + n_run_speech
        self._at = at

        D = allocate(n_layers, n, n_observed)
        D[:, 0], D[:, fixed] = constants.EPS, W.transpose(0, 2, 1)
        plain, g = np.ones((n_layers, n), np.float32), allocate(n_layers, n)
        plain[:, fixed] = W.sum(axis=1)
        plain[:, at] += arrays["lam"]
        g[:, at] = arrays["g"]
        denominators = plain.copy()
        layers = list(zip(D, denominators, g, strict=True))
        halves = slice(n_layers // 2), slice(n_layers // 2, None)
        self._halves = [(layers[half], plain[half], denominators[half]) for half in halves]
        self._running_of_layers = D[:, running]

        A, C, C_mid = (_place_among_constants(arrays[name], at) for name in ("A", "C", "C_mid"))
        A[at, 0] = self._b = np.array(arrays["b"])
        A[[0, -1], 0] = 1
        self._AC, self._C_mid = np.concatenate([A, C]), C_mid
        self._gated: GatedMemory | None = None
        if "local_in" in arrays:
            self._gated = GatedMemory(arrays, at=at, n_activations=n, n_observed=n_observed)
        self._slow_rate = allocate(A.shape[1] - n)
        self._slow_rate[at[: len(arrays["slow_rate"])]] = arrays["slow_rate"]
        self._fast_rate = ONE - self._slow_rate

        # atoms as they sound; the running ones are set in each frame
        out = allocate(n, n_observed)
        out[fixed] = arrays["W_out"][:n_observed].T
        out[[0, -1]] = arrays["out_floor"][:, :n_observed]
        self._out = out[:noise_from], out[noise_from:]
        self._run_gain, self._running_out = (
            np.array(arrays["run_gain"][running_order, :n_observed]),
            out[running],
        )
        self._exponents = np.stack([np.ones(n_observed, np.float32), -arrays["residual"][:n_observed]])
        self._exponents *= arrays["p"]

        # the running averages, and the tracked floor last, which is none: it is set in each frame
        rates = np.concatenate([arrays["rate_speech"], arrays["rate_noise"], [1]]).astype(np.float32)
        self._rates = np.repeat(rates[:, None], n_observed, axis=1)
        self._newness = allocate(n_running, 2)
        self._newness[:n_run_speech, 0] = 1 - arrays["rate_speech"]
        self._newness[n_run_speech:-1, 1] = 1 - arrays["rate_noise"]
        self._averages, self._u, self._new = (allocate(n_running, n_observed) for _ in range(3))
        self._floor, self._smooth = allocate(2, n_observed)

        # the activations h and the inhibition d share one array: both are predicted by one product
        self._prediction = allocate(len(self._AC))
        self._h, self._d = self._prediction[:n], self._prediction[n:]
        self._h_out = self._h[:noise_from], self._h[noise_from:]
        self._memory = allocate(A.shape[1])
        self._last, self._slow = self._memory[:n], self._memory[n:]
        self._ones, self._sums = np.ones(n_observed, np.float32), allocate(n_running, 1)
        self._model, self._bands, self._step, self._atoms = (
            allocate(m) for m in (n_observed, n_observed, n, n)
        )
        self._shares, self._ratios = allocate(2, n_observed), allocate(2, n_observed)
        self.reset()

    @property
    def n_components(self) -> int:
        """Number of activations: speech, noise and running atoms."""
        return len(self._at)

    def __getstate__(self) -> Never:
        # a copy's arrays would be views of each other no more, and its results wrong
        raise TypeError("an UnrolledNMF can't be copied or pickled; make another")

    def reset(self) -> None:
        """Forget all frames."""
        self._last[:] = 1
        self._last[self._at] = self._b
        self._slow[:] = self._last[: len(self._slow)]
        self._has_begun = False
        if self._gated:
            self._gated.reset()

    @property
    def has_memory(self) -> bool:
        """Whether a gated memory sets priors."""
        return self._gated is not None

    def process(
        self, V: Array, silence: float, floor: float, priors: Priors | None = None
    ) -> tuple[Array, Array, Array]:
        """Decompose the next frames V (n_frames, n_observed), of mean 1 in the long run.

        Frames with a mean up to `silence` are silent; `floor`, the value of `V` in silence, is added in the
        residual's logarithm; `priors` receives the priors of each frame. Returns spectrum estimates and masks of
        speech and noise (2, n_frames, n_observed), and activations (n_frames, n_components).
        """
        spectra, masks = (np.empty((2, *V.shape), np.float32) for _ in range(2))
        H = np.empty((len(V), len(self._h)), np.float32)
        levels = V.mean(axis=1).tolist()
        silent = [level <= silence for level in levels]
        n_before, floors = self._track_floor(V, silent)
        memory: Iterable[tuple[Array | None, ...]] = itertools.repeat((None, None, None), len(V))
        if self._gated:
            # it sees nothing of the decomposition: run by itself, its weights stay in the cache
            found = self._gated.process(V, floors)
            memory = zip(*found, strict=True)
            if priors is not None:
                np.take(found.factor, self._at, axis=1, out=priors.factor)
                np.take(found.inhibition, self._at, axis=1, out=priors.inhibition)
                priors.logit[:] = found.logit
        frames = zip(V, floors, V + np.float32(floor), *spectra, masks[0], H, strict=True)
        for t, ((v, tracked, above, S, N, m, h), (factor, inhibition, logit)) in enumerate(
            zip(frames, memory, strict=True)
        ):
            if t < n_before:
                self._averages[:] = START_LEVEL * levels[t]
            self._set_running_atoms(tracked)
            self._infer(v, factor, inhibition)
            h[:] = self._h
            self._estimate(above, S, N, m, logit)
            if not silent[t]:
                self._learn(v, m)
        np.subtract(1, masks[0], out=masks[1])
        return spectra, masks, H[:, self._at]

    def _track_floor(self, V: Array, silent: Sequence[bool]) -> tuple[int, Array]:
        """Return how many of the next frames the signal begins with, and the noise floor (n_frames, n_observed)."""
        floor, smooth = self._floor, self._smooth
        floors, fresh = np.empty_like(V), V * NEWNESS
        n_before = 0
        for v, new, row, is_silent in zip(V, fresh, floors, silent, strict=True):
            if not self._has_begun:
                n_before += 1
                floor[:] = smooth[:] = v
                self._has_begun = not is_silent
            elif not is_silent:
                np.multiply(smooth, SMOOTHING, smooth)
                np.add(smooth, new, smooth)
                np.multiply(floor, FLOOR_RISE, floor)
                np.minimum(floor, smooth, out=floor)
            row[:] = floor
        return n_before, floors

    def _set_running_atoms(self, floor: Array) -> None:
        u = self._u
        self._averages[-1] = floor
        np.add(self._averages, ATOM_FLOOR, u)
        np.dot(u, self._ones, self._sums[:, 0])
        np.divide(u, self._sums, u)
        self._running_of_layers[:] = u

    def _infer(self, v: Array, factor: Array | None, inhibition: Array | None) -> None:
        """Predict the activations, update them layer by layer, and store them."""
        h, d, step, model = self._h, self._d, self._step, self._model
        np.dot(self._AC, self._memory, self._prediction)
        if factor is not None and inhibition is not None:
            np.multiply(h, factor, h)
            # without C there is no other inhibition
            d = np.add(d, inhibition, d) if len(d) else inhibition
        for half, (layers, plain, denominators) in enumerate(self._halves):
            if half and len(self._C_mid):
                np.dot(self._C_mid, h, step)
                np.add(d, step, d)
            if len(d):
                np.add(plain, d, denominators)
            for D, denominator, g in layers:
                np.dot(h, D, model)
                np.divide(v, model, model)
                np.dot(D, model, step)
                np.divide(step, denominator, step)
                np.add(step, STEP_FLOOR, step)
                np.power(step, g, step)
                np.multiply(h, step, h)
        self._last[:] = h
        if len(self._slow):
            np.multiply(self._slow, self._slow_rate, self._slow)
            np.multiply(h, self._fast_rate, self._atoms)
            np.add(self._slow, self._atoms, self._slow)

    def _estimate(self, above: Array, S: Array, N: Array, m: Array, logit: Array | None) -> None:
        """S, N, m <- the spectrum estimates of speech and noise, and the speech mask."""
        np.multiply(self._u, self._run_gain, self._running_out)
        (h_speech, h_noise), (speech, noise) = self._h_out, self._out
        bands, ratios = self._bands, self._ratios
        np.dot(h_speech, speech, S)
        np.dot(h_noise, noise, N)
        np.add(S, N, bands)
        np.divide(N, S, ratios[0])
        np.divide(above, bands, ratios[1])
        np.log(ratios, ratios)
        np.multiply(ratios, self._exponents, ratios)
        np.add(ratios[0], ratios[1], m)
        if logit is not None:
            np.subtract(m, logit, m)
        np.exp(m, m)
        np.add(m, ONE, m)
        np.divide(ONE, m, m)

    def _learn(self, v: Array, m: Array) -> None:
        """Update the running averages with each source's share of the frame."""
        averages, shares = self._averages, self._shares
        np.multiply(averages, self._rates, averages)
        np.multiply(m, v, shares[0])
        np.subtract(v, shares[0], shares[1])
        np.dot(self._newness, shares, self._new)
        np.add(averages, self._new, averages)


def _place_among_constants(matrix: Array, at: npt.NDArray[np.intp]) -> Array:
    """Reorder a matrix (K, m K) from atoms to atoms, with a constant before and after each K."""
    K, n = len(at), len(at) + 2
    n_blocks = matrix.shape[1] // K
    wide = allocate(n if len(matrix) else 0, n_blocks, n)
    if len(matrix):
        wide[at[:, None], :, at] = matrix.reshape(K, n_blocks, K).transpose(0, 2, 1)
    return wide.reshape(len(wide), n_blocks * n)
