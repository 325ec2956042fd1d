"""Coordinate descent on quadratic programs with X >= 0, one for each frame (row of X); see the package's docstring.

Both kernels change X (n_frames, n_components) in place; C has its shape. What a component adds to the cost of a frame
is x @ G @ x / 2 - c @ x; one that costs nothing, G[k, k] = 0, stays as it is.
"""

from typing import Any

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf.kernels._jit import jit

__all__ = ["descend_each", "descend_together"]

WIDTH = 64
"""Frames whose sweeps run together, in the cache, as vectors."""


@jit
def descend_together(G: AnyArray, C: AnyArray, X: AnyArray, n_sweeps: int, enough: Any) -> None:
    """Sweep over the components with one G (n_components, n_components), at most `n_sweeps` times.

    `WIDTH` frames end earlier where a sweep lowers their cost by less than about `enough` times what the first did.
    """
    n_frames, n_components = X.shape
    width = min(WIDTH, n_frames)
    c = np.empty((n_components, width), X.dtype)
    x = np.empty((n_components, width), X.dtype)
    rest = np.empty(width, X.dtype)
    nothing = enough * 0
    for start in range(0, n_frames, width):
        n = min(width, n_frames - start)
        if n < width:
            # all loops have one length
            c[:] = nothing
            x[:] = nothing
        for t in range(n):
            for k in range(n_components):
                c[k, t] = C[start + t, k]
                x[k, t] = X[start + t, k]
        first = nothing
        for sweep in range(n_sweeps):
            fall = nothing
            for k in range(n_components):
                d = G[k, k]
                if d > 0:
                    for t in range(width):
                        rest[t] = c[k, t]
                    j = 0
                    while j + 3 < n_components:
                        # four at once: less is read and written
                        a, b, e, f = G[k, j], G[k, j + 1], G[k, j + 2], G[k, j + 3]
                        for t in range(width):
                            rest[t] -= a * x[j, t] + b * x[j + 1, t] + e * x[j + 2, t] + f * x[j + 3, t]
                        j += 4
                    while j < n_components:
                        a = G[k, j]
                        for t in range(width):
                            rest[t] -= a * x[j, t]
                        j += 1
                    for t in range(width):
                        new = max(x[k, t] + rest[t] / d, nothing)
                        step = new - x[k, t]
                        fall += d * step * step
                        x[k, t] = new
            if sweep == 0:
                first = fall
            if fall <= enough * first:
                break
        for t in range(n):
            for k in range(n_components):
                X[start + t, k] = x[k, t]


@jit
def descend_each(G: AnyArray, C: AnyArray, X: AnyArray, n_sweeps: int, enough: Any) -> None:
    """Do the same with a G for each frame, (n_frames, n_components, n_components); each frame ends by itself."""
    n_frames, n_components = X.shape
    nothing = enough * 0
    for t in range(n_frames):
        first = nothing
        for sweep in range(n_sweeps):
            fall = nothing
            for k in range(n_components):
                d = G[t, k, k]
                if d > 0:
                    rest = C[t, k]
                    for j in range(n_components):
                        rest -= G[t, k, j] * X[t, j]
                    new = max(X[t, k] + rest / d, nothing)
                    step = new - X[t, k]
                    fall += d * step * step
                    X[t, k] = new
            if sweep == 0:
                first = fall
            if fall <= enough * first:
                break
