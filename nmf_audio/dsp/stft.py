"""Short-time Fourier transform: frames of 32 ms, half overlap, square-root Hann windows.

The front end works at the signal's own sample rate. Frames last 32 ms at any rate, bands are defined in Hz, and
magnitudes are scaled so that they do not depend on the rate, so one dictionary serves all rates.

The path of a frame::

    X (n_freq,)  complex STFT           analysis_window, transform
    x (n_bands,) = Bands @ |X| * 512 / n_fft / spectrum        bands.BandMap.pool
    v (n_bands,) = x / level / tilt**whitening + FLOOR         normaliser.Normaliser

and a gain per band is spread to the bins as ``Bands.T @ gain`` (`bands.BandMap.spread`).
"""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array, ComplexArray

__all__ = ["analysis_window", "istft", "stft", "transform"]


def analysis_window(n_fft: int) -> Array:
    """Return the periodic square-root Hann window (n_fft,), for analysis and synthesis alike.

    At a hop of ``n_fft // 2`` its squares add up to 1, so that synthesis needs no division.
    """
    n = np.arange(n_fft)
    return np.sin(np.pi * n / n_fft).astype(np.float32)


def transform(y: Array, window: Array) -> ComplexArray:
    """Return the spectra (..., n_frames, n_freq) of half-overlapping frames under a window (n_fft,).

    `y` (..., (n_frames + 1) * n_fft / 2) consists of whole hops. With a scale of 1 / n_fft, which the window undoes,
    numpy (2.4) transforms float32 as float32, in a fifth of the time.
    """
    first, second = (window * np.float32(len(window))).reshape(2, -1)
    hops = y.reshape(*y.shape[:-1], -1, len(first))
    frames = np.concatenate([hops[..., :-1, :] * first, hops[..., 1:, :] * second], axis=-1)
    return np.asarray(np.fft.rfft(frames, axis=-1, norm="forward"), np.complex64)


def stft(y: Array, n_fft: int) -> ComplexArray:
    """Return the STFT (..., n_freq, ceil(n_samples / hop) + 1) with hop ``n_fft // 2``, zeros before and after `y`.

    Frame t covers samples ``(t - 1) * hop .. (t + 1) * hop - 1``, so that it is complete one hop after its centre:
    no reflection, nothing from the future.

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
    """Return the waveform (..., length) of `stft`'s output by windowed overlap-add."""
    hop = n_fft // 2
    frames = np.fft.irfft(np.swapaxes(X, -1, -2), n_fft, axis=-1) * analysis_window(n_fft)
    n_frames = frames.shape[-2]
    padded = np.zeros((*frames.shape[:-2], n_frames + 1, hop), np.float32)
    padded[..., :-1, :] += frames[..., :hop]
    padded[..., 1:, :] += frames[..., hop:]
    return padded.reshape(*frames.shape[:-2], -1)[..., hop : hop + length]
