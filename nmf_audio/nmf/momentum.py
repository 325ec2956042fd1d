"""Momentum: weights of the last step in the next update."""

import math
from typing import Any

import numpy as np

from nmf_audio._types import AnyArray

__all__ = ["MAX_MOMENTUM", "Momentum"]

MAX_MOMENTUM = 0.999
"""At 1 the factors of `kernels.extrapolate` have no bound."""


class Momentum:
    """Nesterov's weights of the last step, for one update after the other.

    ::

        a = min((t - 1) / t', largest),  t' = (1 + sqrt(1 + 4 * t**2)) / 2,  t = 1 at first and t' after that

    (Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", 1983.) A
    multiplicative update is a step of log H, so the weight goes there: an update starts from H * (H / H_before)**a.
    Extrapolation of alternating NMF: Ang & Gillis, "Accelerating nonnegative matrix factorization algorithms using
    extrapolation", 2019; of multiplicative updates: Hien, Leplat & Gillis, "Block majorization minimization with
    extrapolation and application to beta-NMF", 2024, who add to H and prove convergence under weights that die out.

    Parameters
    ----------
    largest : float in [0, MAX_MOMENTUM]
        No weight exceeds it; 0 for plain updates.
    """

    def __init__(self, largest: float) -> None:
        self.largest, self._t = largest, 1.0

    def __bool__(self) -> bool:
        return self.largest > 0

    def steps(self, n_iter: int, dtype: np.dtype[Any]) -> AnyArray:
        """Return the weights of the next `n_iter` updates."""
        weights = np.zeros(n_iter, dtype)
        for i in range(n_iter):
            t = (1.0 + math.sqrt(1.0 + 4.0 * self._t**2)) / 2.0
            weights[i] = min((self._t - 1.0) / t, self.largest)
            self._t = t
        return weights

    def weaken(self) -> None:
        """Start again with half the largest weight, since the last steps went too far."""
        self.largest, self._t = 0.5 * self.largest, 1.0
