"""From waveform to normalised bands, and back: STFT, band map, level.

The front end works at the signal's own sample rate. Frames last 32 ms at any rate, bands are defined in Hz, and
magnitudes are scaled so that they do not depend on the rate, so one dictionary serves all rates.

One frame takes this way::

    X (n_freq,)  complex STFT           frame_size, analysis_window
    x (n_bands,) = Bands @ |X| * 512 / n_fft / spectrum        bands.BandMap.pool
    v (n_bands,) = x / level / tilt**whitening + FLOOR         Normaliser

and a gain per band comes back to the bins as ``Bands.T @ gain`` (`bands.BandMap.spread`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["FLOOR", "SILENCE", "Normaliser", "analysis_window", "istft", "stft", "transform"]

Array = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]

FLOOR = 1e-4
"""Added to every normalised band; relative to the level, so that it means -80 dB at any loudness."""

LEVEL_RATE = 0.01
"""Slowest rate of the level tracker, per frame: a time constant of 1.6 s."""

TILT_START = 10
"""How many frames the flat tilt counts for that a signal begins with."""

LEAST_TILT = 1e-3
"""Bands further below the mean of all are not raised any more."""

SILENCE = 1e-6
"""A frame whose mean is below this part of the level is silence: it does not move the level."""


def analysis_window(n_fft: int) -> Array:
    """Return the periodic square-root Hann window (n_fft,), for analysis and synthesis alike.

    At a hop of ``n_fft // 2`` its squares add up to 1, so that synthesis needs no division.
    """
    n = np.arange(n_fft)
    return np.sin(np.pi * n / n_fft).astype(np.float32)


def transform(y: Array, window: Array) -> ComplexArray:
    """Return the spectra (..., n_frames, n_freq) of half-overlapping frames under a window (n_fft,).

    `y` (..., (n_frames + 1) * n_fft / 2) is whole hops. The scale of 1 / n_fft that is asked for, and undone in the
    window, is what makes numpy (2.4) transform float32 as float32: without it the same takes five times as long.
    """
    first, second = (window * np.float32(len(window))).reshape(2, -1)
    hops = y.reshape(*y.shape[:-1], -1, len(first))
    frames = np.concatenate([hops[..., :-1, :] * first, hops[..., 1:, :] * second], axis=-1)
    return np.asarray(np.fft.rfft(frames, axis=-1, norm="forward"), np.complex64)


class Normaliser:
    """Divides each frame by the long-term speech spectrum, by a running level and, in part, by a running tilt.

    With e_t the mean over bands of x_t / spectrum, the level follows ``m += max(1 / count, 0.01) * (e_t - m)`` from
    the first frame on; frames of (relative) silence are not counted. The result does not depend on the signal's
    level: a recording 30 dB quieter gives the same v.

    Noise that is far louder in some bands, as in a car, would leave what lies in the others without weight. The tilt
    follows each band's own mean in the same way, ``c += max(1 / (count + 10), 0.01) * (x_t / spectrum / m - c)``
    from c = 1 on, and is divided out to the power of `whitening`.

    Parameters
    ----------
    spectrum : ndarray (n_bands,), float32
        Long-term magnitude spectrum of speech in the bands, positive.
    whitening : float
        0: the tilt is left as it is; 1: in the long run all bands have the same mean.
    """

    def __init__(self, spectrum: Array, whitening: float = 0.0) -> None:
        self._weight = (1 / spectrum).astype(np.float32)
        self._whitening = np.float32(whitening)
        self.reset()

    def reset(self) -> None:
        """Forget level and tilt."""
        self._level, self._count = 0.0, 0
        self._tilt, self._tilt_count = np.ones_like(self._weight), TILT_START

    def process(self, bands: Array) -> Array:
        """Return v (n_frames, n_bands), float32, for the next frames x (n_frames, n_bands)."""
        v = bands * self._weight
        levels, counted = [], []
        # float64 keeps the mean of a frame of any finite float32 input finite
        for e in v.mean(axis=1, dtype=np.float64).tolist():
            counted.append(e > SILENCE * self._level)
            if counted[-1]:
                self._count += 1
                self._level += max(1 / self._count, LEVEL_RATE) * (e - self._level)
            levels.append(self._level or 1.0)
        v /= np.array(levels, np.float32)[:, None]
        if self._whitening:
            v /= self._tilts(v, counted) ** self._whitening
        v += np.float32(FLOOR)
        return v

    def _tilts(self, v: Array, counted: Sequence[bool]) -> Array:
        """Return the tilt at each of the next frames, with that frame in it if it is counted."""
        tilts = np.empty_like(v)
        for row, tilt, counts in zip(v, tilts, counted, strict=True):
            if counts:
                self._tilt_count += 1
                self._tilt += np.float32(max(1 / self._tilt_count, LEVEL_RATE)) * (row - self._tilt)
            tilt[:] = self._tilt
        return np.maximum(tilts, np.float32(LEAST_TILT))


def stft(y: Array, n_fft: int) -> ComplexArray:
    """Return the STFT with hop ``n_fft // 2``, zeros before the start and after the end.

    Frame t covers samples ``(t - 1) * hop .. (t + 1) * hop - 1``, so that it is complete one hop after its centre:
    no reflection, nothing from the future.

    Parameters
    ----------
    y : ndarray (..., n_samples), float32
        Waveform.
    n_fft : int
        Even frame length in samples.

    Returns
    -------
    ndarray (..., n_freq, n_frames), complex64
        With ``n_frames = ceil(n_samples / hop) + 1``.

    Examples
    --------
    >>> y = np.ones(1000, np.float32)
    >>> bool(np.allclose(istft(stft(y, 512), 512, 1000), y, atol=1e-6))
    True
    """
    hop = n_fft // 2
    n_frames = -(-y.shape[-1] // hop) + 1
    padded = np.zeros((*y.shape[:-1], (n_frames + 1) * hop), np.float32)
    padded[..., hop : hop + y.shape[-1]] = y
    return np.swapaxes(transform(padded, analysis_window(n_fft)), -1, -2)


def istft(X: ComplexArray, n_fft: int, length: int) -> Array:
    """Return the waveform of `stft`'s output by windowed overlap-add.

    Parameters
    ----------
    X : ndarray (..., n_freq, n_frames), complex64
        STFT.
    n_fft : int
        Frame length in samples.
    length : int
        Samples to return.

    Returns
    -------
    ndarray (..., length), float32
    """
    hop = n_fft // 2
    frames = np.fft.irfft(np.swapaxes(X, -1, -2), n_fft, axis=-1) * analysis_window(n_fft)
    n_frames = frames.shape[-2]
    padded = np.zeros((*frames.shape[:-2], n_frames + 1, hop), np.float32)
    padded[..., :-1, :] += frames[..., :hop]
    padded[..., 1:, :] += frames[..., hop:]
    return padded.reshape(*frames.shape[:-2], -1)[..., hop : hop + length]
