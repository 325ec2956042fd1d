"""The training loss of the denoiser, with its gradient by the masks.

The loss of a batch, with est = mask * abs(X), ref = abs(S), c = 0.3::

    mean((est**c - ref**c)**2)                            compressed magnitudes
    + asym * mean(relu(ref**c - est**c)**2)               speech that is taken away costs more than noise that stays
    + env * (1 - mean correlation of envelopes)           one-third octaves over 24 frames, as ESTOI compares them
    - sdr * mean SI-SDR in dB                             of the waveforms, over items with speech
    + loud * mean disturbance of loudness                 as PESQ hears it, over items with speech

ESTOI: Jensen & Taal 2016; SI-SDR: Le Roux et al. 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array, ComplexArray
from nmf_audio.training.loudness import LoudnessDisturbance
from nmf_audio.training.spectra import inverse, inverse_back

__all__ = ["FINISHING", "Loss", "Weights"]


COMPRESSION = np.float32(0.3)
SMALL = np.float32(1e-5)
ENVELOPE_FRAMES, ENVELOPE_HOP = 24, 8
LOWEST_THIRD, N_THIRDS = 150.0, 15
QUIET = 1e-3
"""Stretches of less than this part of a signal's loudest one have no envelope to be kept."""


@dataclass(frozen=True)
class Weights:
    """Weights of the parts of the loss; that of the compressed magnitudes is 1."""

    asym: float = 1.0
    env: float = 2.5
    sdr: float = 0.004
    loud: float = 0.06


FINISHING = Weights(asym=1.0, env=5.0, sdr=0.008, loud=0.3)
"""Of the last part of a training: docs/experiments.md, G."""


class Loss:
    """The loss at one sample rate and frame length.

    Parameters
    ----------
    weights : Weights
        Weights of the parts.
    n_fft : int
        Frame length in samples; the hop is half of it.
    sr : int
        Sample rate in Hz.
    """

    def __init__(self, weights: Weights, n_fft: int, sr: int) -> None:
        self.weights, self.n_fft = weights, n_fft
        f = np.arange(n_fft // 2 + 1) * (sr / n_fft)
        centres = LOWEST_THIRD * 2.0 ** (np.arange(N_THIRDS) / 3)
        edge = 2 ** (1 / 6)
        thirds = [(f >= c / edge) & (f < c * edge) for c in centres if c * edge <= sr / 2]
        self._thirds = np.array(thirds, np.float32)
        self._loudness = LoudnessDisturbance(n_fft, sr)

    def __call__(
        self, X: ComplexArray, S: ComplexArray, s: Array, mask: Array, present: npt.NDArray[np.bool_]
    ) -> tuple[dict[str, float], Array]:
        """Compare masked mixtures with speech.

        Parameters
        ----------
        X, S : ndarray (batch, n_frames, n_freq), complex64
            STFT of the mixtures and of the wanted speech.
        s : ndarray (batch, n_frames * n_fft / 2), float32
            The wanted speech.
        mask : ndarray (batch, n_frames, n_freq), float32
            Gains.
        present : ndarray (batch,), bool
            Where there is any speech.

        Returns
        -------
        parts : dict of str to float
            'loss' and its parts 'comp', 'asym', 'env', 'sdr' (dB), 'loud', without their weights.
        d_mask : ndarray (batch, n_frames, n_freq), float32
            Gradient of the loss by `mask`.
        """
        w = self.weights
        n_present = max(int(present.sum()), 1)
        est, ref, d_mask = np.empty_like(mask), np.empty_like(mask), np.empty_like(mask)
        comp = asym = sdr = loud = 0.0
        # item by item: what one item takes stays in the processor's cache
        for i in range(len(mask)):
            np.multiply(mask[i], np.abs(X[i]), out=est[i])
            np.abs(S[i], out=ref[i])
            one_comp, one_asym, d_mask[i] = self._compressed(est[i], ref[i], mask.size)
            comp, asym = comp + one_comp, asym + one_asym
        env, d_env = self._envelopes(est, ref)
        d_mask += np.float32(w.env) * d_env
        for i in range(len(mask)):
            if present[i] and w.loud:
                value, d_est = self._loudness(est[i], ref[i])
                loud += value / n_present
                d_mask[i] += np.float32(w.loud / n_present) * d_est
            d_mask[i] *= np.abs(X[i])
            if present[i]:
                value, dy = _si_sdr(inverse(X[i] * mask[i], self.n_fft), s[i])
                sdr += value / n_present
                d_mask[i] += inverse_back(dy * np.float32(-w.sdr / n_present), X[i], self.n_fft)
        total = comp + w.asym * asym + w.env * env - w.sdr * sdr + w.loud * loud
        parts = {"loss": total, "comp": comp, "asym": asym, "env": env, "sdr": sdr, "loud": loud}
        return parts, d_mask

    def _compressed(self, est: Array, ref: Array, n: int) -> tuple[float, float, Array]:
        """Compressed magnitudes and asymmetry over n values, gradient by est."""
        powered = est + SMALL
        compressed = np.exp(COMPRESSION * np.log(powered))
        d = compressed - np.exp(COMPRESSION * np.log(ref + SMALL))
        lost = np.minimum(d, 0)
        comp, asym = float(np.vdot(d, d)) / n, float(np.vdot(lost, lost)) / n
        d += np.float32(self.weights.asym) * lost
        d *= compressed
        d /= powered
        d *= np.float32(2 * COMPRESSION / n)
        return comp, asym, d

    def _envelopes(self, est: Array, ref: Array) -> tuple[float, Array]:
        """1 - mean correlation of normalised envelope patterns, gradient by est."""
        n_frames = est.shape[1]
        x, y = (np.sqrt((q * q) @ self._thirds.T + np.float32(1e-8)) for q in (est, ref))
        starts = np.arange(0, max(n_frames - ENVELOPE_FRAMES, 0) + 1, ENVELOPE_HOP)
        windows = starts[:, None] + np.arange(min(ENVELOPE_FRAMES, n_frames))
        x_rows, y_rows = (q[:, windows].transpose(0, 1, 3, 2) for q in (x, y))
        x_normal, x_cache = _normalise(x_rows)
        y_normal, _ = _normalise(y_rows)
        power = (y_rows * y_rows).mean(axis=(-1, -2))
        active = (power > QUIET * power.max(axis=1, keepdims=True)).astype(np.float32)
        total = active.sum() + np.float32(1e-6)
        correlation = (x_normal * y_normal).sum(axis=-2).mean(axis=-1)
        d_rows = _normalise_back(-y_normal * (active / total / windows.shape[1])[..., None, None], x_cache)
        dx = np.zeros_like(x)
        for j, window in enumerate(windows):
            dx[:, window[0] : window[-1] + 1] += d_rows[:, j].transpose(0, 2, 1)
        d_est = (dx / x) @ self._thirds
        d_est *= est
        return 1 - float((correlation * active).sum() / total), np.asarray(d_est, np.float32)


def _normalise(q: Array) -> tuple[Array, tuple[Array, ...]]:
    """Zero mean and unit norm of each row, then of each column, and what the gradient needs."""
    rows = q - q.mean(axis=-1, keepdims=True)
    row_norm = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    unit = rows / (row_norm + SMALL)
    columns = unit - unit.mean(axis=-2, keepdims=True)
    column_norm = np.sqrt((columns * columns).sum(axis=-2, keepdims=True))
    return columns / (column_norm + SMALL), (rows, row_norm, columns, column_norm)


def _normalise_back(d: Array, cache: tuple[Array, ...]) -> Array:
    rows, row_norm, columns, column_norm = cache

    def unit_back(d: Array, q: Array, norm: Array, axis: int) -> Array:
        safe = norm + SMALL
        along = (d * q).sum(axis=axis, keepdims=True) / (safe * safe * np.maximum(norm, np.float32(1e-12)))
        dq: Array = d / safe - q * along
        dq -= dq.mean(axis=axis, keepdims=True)
        return dq

    return unit_back(unit_back(d, columns, column_norm, -2), rows, row_norm, -1)


def _si_sdr(y: Array, s: Array) -> tuple[float, Array]:
    """SI-SDR of y in dB, at most 30, and its gradient by y."""
    s = s[: len(y)]
    energy = max(float(s @ s), 1e-6)
    scale = float(y @ s) / energy
    error = np.float32(scale) * s - y
    num, den = float(error @ error), scale * scale * energy + 1e-8
    ratio = num / den + 1e-3
    k = -10 / math.log(10) / ratio
    # the error stands at right angles to s, so it changes with y alone
    dy = np.float32(-2 * k / den) * error - np.float32(2 * k * num * scale / den**2) * s
    return -10 * math.log10(ratio), dy.astype(np.float32, copy=False)
