"""Compiled inner loops: the only place that imports numba.

Kernels check nothing, know no strings, and write into arrays that they are given. They work frame by frame,
so all matrices lie *frame-major*, the transpose of the public functions: V (n_frames, n_features), H
(n_frames, n_components), W (n_components, n_features), each C-contiguous and of one dtype (float32 or
float64). One array per dictionary serves both products: BLAS reads it either way round at the same speed.

A kernel calls only kernels of its own file, since numba's cache on disk does not see changes elsewhere; the
exceptions, two files that training shares, say so.
"""

from nmf_audio.nmf.kernels._jit import jit
from nmf_audio.nmf.kernels.multiplicative import (
    atom_statistics,
    extrapolate,
    infer_frames,
    update_activations,
)

__all__ = ["atom_statistics", "extrapolate", "infer_frames", "jit", "update_activations"]
