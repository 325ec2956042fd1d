"""STFT of batches with frames as rows, its inverse, and the gradient through the inverse.

As `nmf_audio.dsp.stft.stft` (hop of half a frame, square-root Hann window, nothing from the future), for signals of a
whole number of hops, without the frame after the end.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from nmf_audio._types import Array, ComplexArray
from nmf_audio.dsp.stft import analysis_window

__all__ = ["inverse", "inverse_back", "spectra"]


def spectra(y: Array, n_fft: int) -> ComplexArray:
    """Return the STFT (..., n_frames, n_freq) of y (..., n_frames * n_fft / 2), float32."""
    X: ComplexArray = fft.rfft(_frames(y, n_fft))
    return X


def inverse(X: ComplexArray, n_fft: int) -> Array:
    """Return the waveform (..., (n_frames - 1) * n_fft / 2): what two frames of X (..., n_frames, n_freq) cover.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).standard_normal((2, 4 * 256), np.float32)
    >>> bool(np.allclose(inverse(spectra(y, 512), 512), y[:, : 3 * 256], atol=1e-5))
    True
    """
    hop = n_fft // 2
    frames = fft.irfft(X, n_fft)
    frames *= analysis_window(n_fft)
    y = frames[..., :-1, hop:] + frames[..., 1:, :hop]
    flat: Array = y.reshape(*y.shape[:-2], -1)
    return flat


def inverse_back(dy: Array, X: ComplexArray, n_fft: int) -> Array:
    """Return the gradient by the real mask M of a loss of ``inverse(M * X)``, given that by the waveform.

    `dy` is (..., (n_frames - 1) * n_fft / 2), `X` and the gradient (..., n_frames, n_freq).
    """
    hop = n_fft // 2
    padded = np.concatenate([dy, np.zeros((*dy.shape[:-1], hop), np.float32)], axis=-1)
    D = fft.rfft(_frames(padded, n_fft))
    d_mask: Array = D.real * X.real
    d_mask += D.imag * X.imag
    d_mask *= np.float32(2 / n_fft)
    # the first and the last bin stand once in the inverse transform, all others twice
    d_mask[..., 0] *= np.float32(0.5)
    d_mask[..., -1] *= np.float32(0.5)
    return d_mask


def _frames(y: Array, n_fft: int) -> Array:
    hop = n_fft // 2
    padded = np.concatenate([np.zeros((*y.shape[:-1], hop), np.float32), y], axis=-1)
    blocks = padded.reshape(*y.shape[:-1], -1, hop)
    frames: Array = np.concatenate([blocks[..., :-1, :], blocks[..., 1:, :]], axis=-1)
    frames *= analysis_window(n_fft)
    return frames
