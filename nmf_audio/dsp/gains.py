"""Gains from spectrum estimates: ratio masks, decision-directed log-MMSE, floors."""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array

__all__ = ["exponential_integral", "floor_from_db", "log_mmse_gain", "ratio_mask"]


def ratio_mask(spectra: Array, exponent: float) -> Array:
    """Return each source's share ``S_i**p / sum_j S_j**p``, which sum to 1 over the first axis of `spectra`.

    Exponent p = 2 on magnitudes is the Wiener filter. Where all estimates are zero, shares are equal.

    Examples
    --------
    >>> ratio_mask(np.array([[3.0], [1.0]], np.float32), 2).ravel().tolist()
    [0.8999999761581421, 0.10000000149011612]
    """
    # scaled before the power, so that neither tiny nor huge spectra leave the range of float32
    top = spectra.max(axis=0, keepdims=True)
    scaled = np.divide(spectra, top, out=np.ones_like(spectra), where=top > 0) ** np.float32(exponent)
    masks: Array = scaled / scaled.sum(axis=0, keepdims=True)
    return masks


def exponential_integral(x: Array) -> Array:
    """Return E1(x) for x > 0 with a relative error below 2e-6 up to x = 1 and 1e-4 beyond.

    Abramowitz & Stegun, Handbook of Mathematical Functions, 5.1.53 and 5.1.56. This accuracy is enough, and importing
    scipy.special would take longer than denoising ten seconds of speech.

    Examples
    --------
    >>> round(float(exponential_integral(np.array([1.0]))[0]), 4)
    0.2194
    """
    x = np.maximum(x, np.float32(1e-30))
    low = np.minimum(x, np.float32(1))
    series = np.polynomial.polynomial.polyval(
        low, (-0.57721566, 0.99999193, -0.24991055, 0.05519968, -0.00976004, 0.00107857)
    ) - np.log(low)
    high = np.maximum(x, np.float32(1))
    ratio = np.polynomial.polynomial.polyval(
        high, (0.2677737343, 8.6347608925, 18.0590169730, 8.5733287401, 1.0)
    )
    ratio /= np.polynomial.polynomial.polyval(
        high, (3.9584969228, 21.0996530827, 25.6329561486, 9.5733223454, 1.0)
    )
    with np.errstate(under="ignore"):
        tail = ratio * np.exp(-high) / high
    return np.where(x <= 1, series, tail).astype(np.float32)


def log_mmse_gain(xi: Array, gamma: Array) -> Array:
    """Return the log-spectral amplitude gain of Ephraim & Malah (1985), limited to 1.

    ``xi / (1 + xi) * exp(E1(v) / 2)`` with ``v = gamma * xi / (1 + xi)``, of the a-priori SNR xi > 0 and the
    a-posteriori SNR gamma >= 0, power ratios both.

    Examples
    --------
    >>> round(float(log_mmse_gain(np.array([100.0]), np.array([100.0]))[0]), 2)
    0.99
    """
    wiener = xi / (1 + xi)
    # E1 goes to infinity as v goes to 0; the gain is limited to 1 long before
    half = np.minimum(0.5 * exponential_integral(np.maximum(gamma * wiener, 1e-10)), 20)
    gain: Array = np.minimum(wiener * np.exp(half), 1).astype(np.float32)
    return gain


def floor_from_db(reduction_db: float) -> float:
    """Return the smallest gain of a reduction by at most `reduction_db`."""
    return float(10 ** (-reduction_db / 20))
