"""Faults of recordings that were made before the denoiser hears them: lossy coding, clipping."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from scipy.signal import correlate

from nmf_audio._types import Array

__all__ = ["MP3_RATES", "clip_loudest", "code_as_mp3"]

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates in Hz that MP3 knows."""

LONGEST_DELAY = 2400
"""Samples; encoder and decoder together have 1105 where the file has no room to state it."""

PEAK = 0.8
"""Of full scale, before coding."""


def code_as_mp3(x: Array, sr: int, level: float) -> Array:
    """Return sound as it comes back from an MP3, in step with it; a `level` of compression from 0 to 1, the smallest.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * 440 / 16000 * np.arange(16000)).astype(np.float32)
    >>> y = code_as_mp3(x, 16000, 0.84)
    >>> y.shape, bool(np.abs(y - x)[2000:-2000].max() < 0.1)
    ((16000,), True)
    """
    peak = np.abs(x).max()
    if peak == 0:
        return x
    scale = np.float32(PEAK / peak)
    file = io.BytesIO()
    soundfile.write(file, scale * x, sr, format="MP3", bitrate_mode="CONSTANT", compression_level=level)
    file.seek(0)
    y = soundfile.read(file, dtype="float32")[0] / scale
    padded = np.concatenate([y, np.zeros(max(len(x) + LONGEST_DELAY - len(y), 0), np.float32)])
    delay = int(np.argmax(correlate(padded[: len(x) + LONGEST_DELAY], x, "valid", method="fft")))
    return np.ascontiguousarray(padded[delay : delay + len(x)])


def clip_loudest(x: Array, share: float) -> Array:
    """Return sound whose loudest samples, a `share` of all, are cut off at one level.

    Examples
    --------
    >>> clip_loudest(np.array([1, -2, 3, -8, 5], np.float32), 0.25).tolist()
    [1.0, -2.0, 3.0, -5.0, 5.0]
    """
    limit = np.quantile(np.abs(x), 1 - share).astype(np.float32)
    return np.clip(x, -limit, limit)
