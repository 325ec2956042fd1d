"""Sounds that are broken in known ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SR = 8000
LEVEL = 0.5


def chord(n: int = 6000, sr: int = SR) -> npt.NDArray[np.float64]:
    """Return a sum of five decaying tones, with a peak near 1."""
    t = np.arange(n) / sr
    tones = [
        np.exp(-t * k / 4) * np.sin(2 * np.pi * f * t + k)
        for k, f in enumerate((210, 340, 555, 900, 1430), 1)
    ]
    y = np.sum(tones, axis=0)
    return np.asarray(y / np.max(np.abs(y)))


def sdr(y: npt.NDArray[Any], found: npt.NDArray[Any], lost: npt.NDArray[np.bool_]) -> float:
    """Return the SDR in dB over the lost samples."""
    return float(10 * np.log10(np.sum(y[lost] ** 2) / np.sum((y[lost] - found[lost]) ** 2)))
