"""Compiled inner loops: the only place that imports numba.

Kernels check nothing, take no strings, and write into the caller's arrays. They work frame by frame,
so all matrices lie *frame-major*, the transpose of the public functions: V (n_frames, n_features), H
(n_frames, n_components), W (n_components, n_features), each C-contiguous and of one dtype (float32 or
float64). One array per dictionary serves both products: BLAS reads it, or its transpose, at the same speed.

A kernel calls only kernels of its own file, since numba's cache on disk does not see changes elsewhere; the
exceptions, two files that training shares, have a comment.
"""

from nmf_audio.nmf.kernels._jit import jit
from nmf_audio.nmf.kernels.coordinate_descent import descend_each, descend_together
from nmf_audio.nmf.kernels.multiplicative import (
    atom_statistics,
    extrapolate,
    infer_frames,
    update_activations,
)

__all__ = [
    "atom_statistics",
    "descend_each",
    "descend_together",
    "extrapolate",
    "infer_frames",
    "jit",
    "update_activations",
]
