"""Minimisers of majorised objectives, entry by entry.

For an entry x with the current value y, the two halves of the divergence's gradient there, num and den, and penalties
whose derivative is C * x + D with C >= 0, the majorised objective has the derivative ::

    beta 2   (den / y + C) * x - num + D
    beta 1   -y * num / x + den + C * x + D
    beta 0   -y**2 * num / x**2 + den + C * x + D

It rises with x, so there is one root, or none and the minimum is at 0. All computations are in float64.
"""

from typing import Any

import numpy as np

from nmf_audio._types import AnyArray

__all__ = ["derivative", "find_root", "minimum_of_sum_one"]

NEWTON_STEPS = 8
BISECTIONS = 48
TINY, HUGE = 1e-30, 1e12


def derivative(beta: float, x: Any, y: Any, num: Any, den: Any, C: Any, D: Any) -> Any:
    """Return the derivative of the majorised objective at x > 0."""
    if beta == 2:
        return (den / y + C) * x - num + D
    if beta == 1:
        return -y * num / x + den + C * x + D
    return -(y**2) * num / x**2 + den + C * x + D


def find_root(beta: float, y: AnyArray, num: AnyArray, den: AnyArray, C: AnyArray, D: AnyArray) -> AnyArray:
    """Return where the derivative vanishes, or 0 if it is positive everywhere, in float64.

    Takes arrays of one shape: current values > 0, halves of the gradient >= 0, curvature >= 0 and slope of the
    penalties.

    Examples
    --------
    >>> find_root(1.0, *(np.array([x]) for x in (2.0, 3.0, 1.0, 1.0, 0.0))).tolist()
    [2.0]
    """
    y, num, den, C, D = (np.asarray(a, np.float64) for a in (y, num, den, C, D))
    x: AnyArray
    if beta == 2:
        x = np.maximum(num - D, 0) / np.maximum(den / y + C, TINY)
    elif beta == 1:
        p, q = y * num, den + D
        s = np.sqrt(q * q + 4 * C * p)
        # of the two forms of the positive root the one without cancellation
        x = np.where(q >= 0, 2 * p / np.maximum(q + s, TINY), (s - q) / np.maximum(2 * C, TINY))
    else:
        x = _solve_cubic(y**2 * num, den + D, C)
    return x


def _solve_cubic(p: AnyArray, q: AnyArray, C: AnyArray) -> AnyArray:
    """Return the positive root of -p / x**2 + q + C * x, or `HUGE` where it lies beyond or there is none."""
    if not C.any():
        plain: AnyArray = np.sqrt(np.divide(p, q, out=np.full(p.shape, HUGE**2), where=q > 0))
        return plain
    c = np.maximum(C, TINY)
    rising = np.minimum(np.sqrt(p / np.maximum(2 * q, TINY)), np.cbrt(p / (2 * c)))
    falling = np.maximum(-q / c, np.cbrt(p / c))
    x = np.clip(np.where(q > 0, rising, falling), TINY, HUGE)
    # the function is concave and rises: Newton's steps come from the left without ever passing the root
    for _ in range(NEWTON_STEPS):
        value, slope = q + C * x - p / x**2, 2 * p / x**3 + C
        x = np.clip(x - value / np.maximum(slope, TINY), TINY, HUGE)
    return x


def minimum_of_sum_one(beta: float, y: AnyArray, num: AnyArray, den: AnyArray) -> AnyArray:
    """Return the minimiser (n_rows, n) without penalties under the constraint that each row sums to 1.

    The constraint adds its Lagrange multiplier in the place of D, one number a row. The sum falls with it; it is
    found by bisection between where all entries are at least, and at most, the mean. For beta 1, where den is the
    same in all entries of a row, the minimum has a closed form. Entries are at least 1e-10 of the mean.
    """
    y, num, den = (np.asarray(a, np.float64) for a in (y, num, den))
    n = y.shape[1]
    if beta == 1:
        x = y * num
        x = np.where(x.sum(axis=1, keepdims=True) > 0, x, y)
    else:
        nothing = np.zeros_like(y)
        at_mean = -derivative(beta, 1 / n, y, num, den, nothing, nothing)
        low, high = at_mean.min(axis=1, keepdims=True), at_mean.max(axis=1, keepdims=True)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = find_root(beta, y, num, den, nothing, nothing + middle).sum(axis=1, keepdims=True) > 1
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        x = find_root(beta, y, num, den, nothing, nothing + high)
    x = np.maximum(x, 1e-10 / n)
    out: AnyArray = x / x.sum(axis=1, keepdims=True)
    return out
