"""Noise power tracker: MMSE with speech presence probability (Gerkmann & Hendriks 2012).

Per band, with the a-priori SNR xi = 15 dB that speech has where it is present::

    P     = 1 / (1 + (1 + xi) * exp(-|x|**2 / noise * xi / (1 + xi)))      probability of speech
    P_bar = 0.9 * P_bar + 0.1 * P;  where P_bar > 0.99: P = min(P, 0.99)   so that it never locks
    noise = 0.8 * noise + 0.2 * (P * noise + (1 - P) * |x|**2)

T. Gerkmann, R. C. Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low tracking delay",
IEEE Trans. Audio, Speech, Language Process. 20(4), 2012.
"""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array

__all__ = ["NoiseTracker"]


SMOOTHING = np.float32(0.8)
PRIOR_SNR = np.float32(10**1.5)
CAP = np.float32(0.99)
START_FRAMES = 5


class NoiseTracker:
    """Follows the noise power of each band, frame after frame."""

    def __init__(self, n_bands: int) -> None:
        self._n_bands = n_bands
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._noise = np.zeros(self._n_bands, np.float32)
        self._presence = np.full(self._n_bands, 0.5, np.float32)
        self._count = 0

    def step(self, power: Array) -> Array:
        """Return the noise power (n_bands,), float32, after a frame of |x|**2; the first frames count as noise."""
        self._count += 1
        if self._count <= START_FRAMES:
            self._noise = self._noise + (power - self._noise) / np.float32(self._count)
            return self._noise
        ratio = np.minimum(power / self._noise, np.float32(200))
        presence = 1 / (1 + (1 + PRIOR_SNR) * np.exp(-ratio * (PRIOR_SNR / (1 + PRIOR_SNR))))
        self._presence = np.float32(0.9) * self._presence + np.float32(0.1) * presence
        presence = np.where(self._presence > CAP, np.minimum(presence, CAP), presence)
        expected = presence * self._noise + (1 - presence) * power
        self._noise = SMOOTHING * self._noise + (1 - SMOOTHING) * expected
        return self._noise
