"""Adam with warm-up, cool-down, a bound on the gradient, and an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nmf_audio._types import Array

__all__ = ["Adam", "learning_rate"]

Arrays = dict[str, Array]

BETA_1, BETA_2 = 0.9, 0.98
LARGEST_GRADIENT = 0.5
AVERAGE = 0.998
WARM_UP_STEPS = 30
LAST_RATE = 0.02
"""Learning rate at the end, relative to the highest."""


def learning_rate(step: int, n_steps: int, highest: float, cool_down: int | None = None) -> float:
    """Return the learning rate of a step (counted from 0).

    Linear warm-up; then constant until the last `cool_down` steps (all, if None), over which it falls along half a
    cosine to 2 %.

    Examples
    --------
    >>> [round(learning_rate(step, 1000, 0.01, cool_down=400), 6) for step in (500, 600, 800, 1000)]
    [0.01, 0.01, 0.0051, 0.0002]
    """
    if cool_down is None:
        cool_down = n_steps
    warm = min(1.0, step / WARM_UP_STEPS + 0.05)
    share = max(step - (n_steps - cool_down), 0) / cool_down if cool_down else 0.0
    cosine = 0.5 * (1 - LAST_RATE) * (1 + math.cos(math.pi * share)) + LAST_RATE
    return highest * warm * cosine


class Adam:
    """Adam (Kingma & Ba 2015) on named arrays, changed in place.

    Beside the `free` variables it keeps their `average`, exponential over steps, by `decay`: better than the last
    ones, for nothing; and averages `first` and `second` of gradients and of their squares.
    """

    def __init__(self, free: Arrays, decay: float = AVERAGE) -> None:
        self.free, self.decay, self.n_steps = free, decay, 0
        self.average = {name: x.copy() for name, x in free.items()}
        self.first = {name: np.zeros_like(x) for name, x in free.items()}
        self.second = {name: np.zeros_like(x) for name, x in free.items()}

    def step(self, gradients: Mapping[str, Array], rate: float) -> float:
        """Take one step, unless a gradient is not finite, and return the norm of all gradients together."""
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
        self.n_steps += 1
        if not math.isfinite(norm):
            return norm
        scale = np.float32(min(1.0, LARGEST_GRADIENT / (norm + 1e-12)))
        rate_1 = np.float32(rate / (1 - BETA_1**self.n_steps))
        correction_2 = np.float32(1 - BETA_2**self.n_steps)
        # the average's memory grows with what there is to average
        decay = np.float32(min(self.decay, self.n_steps / (9 + self.n_steps)))
        for name, gradient in gradients.items():
            g = gradient * scale
            m, v, x, mean = self.first[name], self.second[name], self.free[name], self.average[name]
            m += np.float32(1 - BETA_1) * (g - m)
            v += np.float32(1 - BETA_2) * (g * g - v)
            x -= rate_1 * m / (np.sqrt(v / correction_2) + np.float32(1e-8))
            mean += (1 - decay) * (x - mean)
        return norm

    def state(self) -> dict[str, Array]:
        """Return all arrays by name, for a checkpoint."""
        parts = {"free": self.free, "average": self.average, "first": self.first, "second": self.second}
        return {f"{part}/{name}": x for part, arrays in parts.items() for name, x in arrays.items()}

    def restore(self, state: Mapping[str, Array], n_steps: int) -> None:
        """Take over the arrays that `state` returned, in place."""
        self.n_steps = n_steps
        for name, x in self.state().items():
            x[...] = state[name]
