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
from typing import Never

import numpy as np
import numpy.typing as npt

__all__ = ["UnrolledNMF"]

Array = npt.NDArray[np.float32]


def _constant(value: float) -> Array:
    # arrays without axes: numpy takes twice as long over a scalar, which it must first turn into one
    return np.array(value, np.float32)


EPS = _constant(1e-6)
STEP_FLOOR = _constant(1e-5)
ATOM_FLOOR = _constant(1e-3)
SMOOTHING, NEWNESS = _constant(0.8), _constant(0.2)
FLOOR_RISE = _constant(1.006)
START_LEVEL = _constant(0.1)
ONE = _constant(1)


class UnrolledNMF:
    """Trained decomposition of normalised frames into speech, noise and a mask, with state.

    A frame costs about a hundred calls of numpy on small arrays: views, scalars and room for all results are
    made once, here, so that a call is little more than its arithmetic. Matrices lie atom-major, (n_components,
    n_bands), so that running atoms are written beside the fixed ones and a layer is two products.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        A trained dictionary's arrays, checked by `nmf_audio.schema`.
    n_speech : int
        Number of speech atoms among the fixed ones; they come first.
    n_observed : int
        Number of bands that the signal has; the others are missing, not zero.
    """

    def __init__(self, arrays: Mapping[str, Array], *, n_speech: int, n_observed: int) -> None:
        def own(array: Array) -> Array:
            return np.array(array, np.float32, order="C")

        def room(*shape: int) -> Array:
            return np.zeros(shape, np.float32)

        W = arrays["W"][:, :n_observed]
        n_layers, _, n_fixed = W.shape
        n_running, n_noise = len(arrays["run_gain"]), len(arrays["rate_noise"])
        self._K = K = len(arrays["b"])
        self._b, self._AC = own(arrays["b"]), np.concatenate([arrays["A"], arrays["C"]])
        self._C_mid = own(arrays["C_mid"])
        self._slow_rate = own(arrays["slow_rate"])
        self._fast_rate = ONE - self._slow_rate

        # atoms of each layer, the running ones last; what each update divides by, without and with inhibition
        D = room(n_layers, K, n_observed)
        D[:, :n_fixed] = W.transpose(0, 2, 1)
        colsum = np.concatenate([W.sum(axis=1), np.ones((n_layers, n_running), np.float32)], axis=1)
        plain = own(colsum + arrays["lam"])
        inhibited = np.empty_like(plain)
        layers = list(zip(D, inhibited, own(arrays["g"]), strict=True))
        halves = slice(n_layers // 2), slice(n_layers // 2, None)
        self._halves = [(layers[half], plain[half], inhibited[half]) for half in halves]
        self._running_of_layers = D[:, n_fixed:]

        # atoms as they sound: fixed speech | fixed noise, running noise, tracked floor | running speech
        out = room(K, n_observed)
        out[:n_fixed] = arrays["W_out"][:n_observed].T
        self._run_gain, self._running_out = own(arrays["run_gain"][:, :n_observed]), out[n_fixed:]
        first, last = n_speech, n_fixed + n_noise + 1
        self._atoms_out = (out[:first], out[last:], out[first:last])
        self._out_floor = tuple(own(arrays["out_floor"][:, :n_observed]))
        self._residual = own(arrays["residual"][:n_observed])
        self._minus_p = np.full(n_observed, -arrays["p"], np.float32)

        # the running averages with the tracked floor, which is none, among them
        rates = np.concatenate([arrays["rate_noise"], [1], arrays["rate_speech"]])
        self._rates = np.repeat(rates.astype(np.float32)[:, None], n_observed, axis=1)
        self._newness = ONE - self._rates
        self._averages, self._u = room(n_running, n_observed), room(n_running, n_observed)
        self._floor, self._smooth = self._averages[n_noise], room(n_observed)
        self._new = room(n_running, n_observed)
        self._shares = [(self._newness[i], self._new[i]) for i in (slice(n_noise), slice(n_noise + 1, None))]

        # the activations h and the inhibition d share one array: both are predicted by one product
        self._prediction = room(2 * K)
        self._h, self._d = self._prediction[:K], self._prediction[K:]
        self._h_out = (self._h[:first], self._h[last:], self._h[first:last])
        self._memory = room(self._AC.shape[1])
        self._last, self._slow = self._memory[:K], self._memory[K:]
        self._ones, self._sums = np.ones(n_observed, np.float32), room(n_running, 1)
        self._model, self._bands, self._step, self._atoms = (room(n) for n in (n_observed, n_observed, K, K))
        self.reset()

    @property
    def n_components(self) -> int:
        """Number of activations: speech, noise and running atoms."""
        return self._K

    def __getstate__(self) -> Never:
        # a copy's arrays would be views of each other no more, and its results wrong
        raise TypeError("an UnrolledNMF can't be copied or pickled; make another")

    def reset(self) -> None:
        """Forget all frames."""
        self._last[:] = self._b
        self._slow[:] = self._b[: len(self._slow)]
        self._has_begun = False

    def process(self, V: Array, silence: float, floor: float) -> tuple[Array, Array, Array]:
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
        spectra, masks : ndarray (2, n_frames, n_observed), float32
            Spectrum estimates of speech and of noise, and their masks.
        H : ndarray (n_frames, n_components), float32
            Activations.
        """
        spectra, masks = (np.empty((2, *V.shape), np.float32) for _ in range(2))
        H = np.empty((len(V), self._K), np.float32)
        added = _constant(floor)
        levels = V.mean(axis=1).tolist()
        for v, level, S, N, m, h in zip(V, levels, *spectra, masks[0], H, strict=True):
            silent = level <= silence
            self._follow(v, level, silent)
            self._infer(v)
            h[:] = self._h
            self._estimate(v, added, S, N, m)
            if not silent:
                self._learn(v, m)
        np.subtract(1, masks[0], out=masks[1])
        return spectra, masks, H

    def _follow(self, v: Array, level: float, silent: bool) -> None:
        """Track the floor, or begin; set the running atoms."""
        floor, smooth, u = self._floor, self._smooth, self._u
        if not self._has_begun:
            self._averages[:] = START_LEVEL * level
            floor[:] = smooth[:] = v
            self._has_begun = not silent
        elif not silent:
            np.multiply(smooth, SMOOTHING, smooth)
            np.multiply(v, NEWNESS, self._bands)
            np.add(smooth, self._bands, smooth)
            np.multiply(floor, FLOOR_RISE, floor)
            np.minimum(floor, smooth, out=floor)
        np.add(self._averages, ATOM_FLOOR, u)
        np.dot(u, self._ones, self._sums[:, 0])
        np.divide(u, self._sums, u)
        self._running_of_layers[:] = u

    def _infer(self, v: Array) -> None:
        """Predict the activations, update them layer by layer, remember them."""
        h, d, step, model = self._h, self._d, self._step, self._model
        np.dot(self._AC, self._memory, self._prediction)
        np.add(h, self._b, h)
        for half, (layers, plain, inhibited) in enumerate(self._halves):
            if half and len(self._C_mid):
                np.dot(self._C_mid, h, step)
                np.add(d, step, d)
            np.add(plain, d, inhibited)
            for D, denominator, g in layers:
                np.dot(h, D, model)
                np.add(model, EPS, model)
                np.divide(v, model, model)
                np.dot(D, model, step)
                np.divide(step, denominator, step)
                np.add(step, STEP_FLOOR, step)
                np.log(step, step)
                np.multiply(step, g, step)
                np.exp(step, step)
                np.multiply(h, step, h)
        self._last[:] = h
        if len(self._slow):
            np.multiply(self._slow, self._slow_rate, self._slow)
            np.multiply(h, self._fast_rate, self._atoms)
            np.add(self._slow, self._atoms, self._slow)

    def _estimate(self, v: Array, added: Array, S: Array, N: Array, m: Array) -> None:
        """S, N, m <- the spectrum estimates of speech and noise, and the speech mask."""
        np.multiply(self._u, self._run_gain, self._running_out)
        (speech, run_speech, noise), (h_speech, h_run_speech, h_noise) = self._atoms_out, self._h_out
        bands = self._bands
        np.dot(h_speech, speech, S)
        np.dot(h_run_speech, run_speech, bands)
        np.add(S, bands, S)
        np.add(S, self._out_floor[0], S)
        np.dot(h_noise, noise, N)
        np.add(N, self._out_floor[1], N)
        np.add(S, N, bands)
        np.add(v, added, m)
        np.divide(m, bands, m)
        np.log(m, m)
        np.multiply(m, self._residual, m)
        np.divide(S, N, bands)
        np.log(bands, bands)
        np.add(m, bands, m)
        np.multiply(m, self._minus_p, m)
        np.exp(m, m)
        np.add(m, ONE, m)
        np.divide(ONE, m, m)

    def _learn(self, v: Array, m: Array) -> None:
        """Let the running averages take in this frame's share of each source; the tracked floor's rate is 1."""
        averages, bands = self._averages, self._bands
        (noise_rate, noise), (speech_rate, speech) = self._shares
        np.multiply(averages, self._rates, averages)
        np.multiply(m, v, bands)
        np.multiply(speech_rate, bands, speech)
        np.subtract(v, bands, bands)
        np.multiply(noise_rate, bands, noise)
        np.add(averages, self._new, averages)
