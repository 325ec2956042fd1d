"""The adaptive method: fixed speech atoms, noise atoms learned during processing, a decision-directed log-MMSE gain.

For each frame v (n_bands,)::

    trk   = noise power tracker of v**2                                     decompose/noise_tracker.py
    u     = running atoms: sqrt(trk), and averages of (1 - G) * v at three rates, each of unit norm
    h     = activations of [W_s | u] for v, by multiplicative updates;  S = W_s @ h_s,  N = u @ h_u
    lam_n = sqrt(trk * N**2)                                                geometric mean of the two estimates
    lam_s = sqrt(S**2 * max(v**2 - lam_n, 0))                               likewise
    xi    = a * (G_before * v_before)**2 / lam_n + (1 - a) * lam_s / lam_n
    G     = log-MMSE gain of xi and v**2 / lam_n                            gains.log_mmse_gain

after Ephraim & Malah (1985) for the gain and Lefevre, Bach & Fevotte (2011) for the idea to learn on line. The
dictionary's own noise atoms are not used: on noise unlike their training data they remove speech (measured).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmf_audio._types import Array
from nmf_audio.decompose.base import Estimate
from nmf_audio.decompose.noise_tracker import NoiseTracker
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.gains import log_mmse_gain
from nmf_audio.dsp.normaliser import FLOOR
from nmf_audio.nmf import FrameSolver

__all__ = ["AdaptiveDecomposition", "AdaptiveSettings"]


@dataclass(frozen=True)
class AdaptiveSettings:
    """Settings of `AdaptiveDecomposition`; benchmarks/quality.py varies them to find the contribution of each part.

    Parameters
    ----------
    speech_atoms : bool
        Take speech and noise spectra from the decomposition; else from the tracker alone.
    running_atoms : bool
        Learn noise atoms during processing; else the tracked noise is the only noise atom.
    n_iter : int
        Multiplicative updates per frame.
    l1_speech : float
        Sparsity of the speech activations, relative to the level 1 of the normalised bands.
    smoothing : float
        Weight of the last frame's estimate in the a-priori SNR.
    min_xi : float
        Smallest a-priori SNR, a power ratio.
    """

    speech_atoms: bool = True
    running_atoms: bool = True
    n_iter: int = 4
    l1_speech: float = 0.0
    smoothing: float = 0.9
    min_xi: float = 10**-1.5


DEFAULT_SETTINGS = AdaptiveSettings()
RATES = np.array([[0.5], [0.8], [0.95]], np.float32)
SPEECH_START, NOISE_START = np.float32(0.1), np.float32(0.3)
"""Activations before the first update: lower for speech, so that tracked noise is not explained by speech atoms."""


class AdaptiveDecomposition:
    """Decomposition that learns noise during processing; the module's docstring has the equations.

    It takes a dictionary of kind ``plain`` with the sources ``speech`` and ``noise``, of any divergence, and the
    first `n_observed` bands; the others are missing, not zero.
    """

    sources = ("speech", "noise")

    def __init__(
        self, dictionary: Dictionary, n_observed: int, settings: AdaptiveSettings = DEFAULT_SETTINGS
    ) -> None:
        self._settings = settings
        self._power = np.float32(dictionary.power)
        self._n_bands = n_observed
        speech = dictionary.columns("speech")[:n_observed]
        self._n_speech, self._n_noise = speech.shape[1], dictionary.n_components("noise")
        n_running = 1 + (len(RATES) if settings.running_atoms else 0)
        W = np.concatenate([speech, np.ones((n_observed, n_running), np.float32)], axis=1)
        W = W / np.maximum(np.linalg.norm(W, axis=0), 1e-6)
        l1 = np.zeros(W.shape[1], np.float32)
        l1[: self._n_speech] = settings.l1_speech
        self._W = W
        self._solver = FrameSolver(W, beta=dictionary.beta, n_iter=settings.n_iter, l1_H=l1)
        self._tracker = NoiseTracker(n_observed)
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far."""
        self._tracker.reset()
        self._running: Array | None = None
        self._speech_before = np.zeros(self._n_bands, np.float32)

    def process(self, V: Array) -> Estimate:
        """Take the next frames V (n_bands, n_frames)."""
        spectra = np.empty((2, *V.shape), np.float32)
        gains = np.empty(V.shape, np.float32)
        H = np.zeros((V.shape[1], self._W.shape[1] + self._n_noise), np.float32)
        for t in range(V.shape[1]):
            h = np.zeros(self._W.shape[1], np.float32)
            spectra[0, :, t], spectra[1, :, t], gains[:, t] = self._step(np.ascontiguousarray(V[:, t]), h)
            H[t, : self._n_speech], H[t, self._n_speech + self._n_noise :] = np.split(h, [self._n_speech])
        return Estimate(spectra**self._power, np.stack([gains, 1 - gains]), H.T)

    def _step(self, v: Array, h: Array) -> tuple[Array, Array, Array]:
        """Return speech and noise magnitudes and the speech gain of one frame; fill its activations `h`."""
        power = np.square(v)
        tracked = np.maximum(self._tracker.step(power), np.float32(FLOOR**2))
        noise_power: Array = tracked
        speech_power: Array = np.maximum(power - tracked, 0)
        if self._settings.speech_atoms:
            speech, noise = self._decompose(v, np.sqrt(tracked), h)
            noise_power = np.maximum(np.sqrt(tracked) * noise, np.float32(FLOOR**2))
            speech_power = speech * np.sqrt(np.maximum(power - noise_power, 0))
        a = self._settings.smoothing
        gamma = np.asarray(power / noise_power, np.float32)
        xi = (a * np.square(self._speech_before) + (1 - a) * speech_power) / noise_power
        gain = log_mmse_gain(np.asarray(np.maximum(xi, self._settings.min_xi), np.float32), gamma)
        self._speech_before = gain * v
        if self._running is not None:
            self._running = RATES * self._running + (1 - RATES) * (1 - gain) * v
        return np.sqrt(speech_power), np.sqrt(noise_power), gain

    def _decompose(self, v: Array, tracked: Array, h: Array) -> tuple[Array, Array]:
        if self._running is None:
            self._running = np.repeat(tracked[None], len(RATES), axis=0)
        atoms = [tracked, *self._running] if self._settings.running_atoms else [tracked]
        n = self._n_speech
        running = np.maximum(np.stack(atoms, axis=1), np.float32(FLOOR)) ** self._power
        norms = np.linalg.norm(running, axis=0)
        running /= norms
        self._solver.set_atoms(n, running)
        self._W[:, n:] = running
        h[:n], h[n:], h[n] = SPEECH_START, NOISE_START, norms[0]
        self._solver(v**self._power, h)
        speech, noise = self._W[:, :n] @ h[:n], self._W[:, n:] @ h[n:]
        return speech ** (1 / self._power), noise ** (1 / self._power)
