"""Constants of the unrolled recurrences and of the gated memory; trained dictionaries depend on these values.

Kernels are compiled with them, and what numba keeps on disk does not see that this file changed.
"""

__all__ = [
    "ATOM_FLOOR",
    "COMPRESSION",
    "COMPRESSION_OFFSET",
    "EPS",
    "FLOOR_RISE",
    "GROUP",
    "LARGEST_KEEP",
    "LARGEST_LOG_FACTOR",
    "MARGIN",
    "SMOOTHING",
    "START_LEVEL",
    "STEP_FLOOR",
]

EPS = 1e-6
"""Added to the model in the ratio v / model."""

STEP_FLOOR = 1e-5
"""Added to each multiplicative step."""

ATOM_FLOOR = 1e-3
"""Added to the running atoms before they are divided by their sums."""

SMOOTHING, FLOOR_RISE = 0.8, 1.006
"""Noise floor: weight of the past in the smoothed frames, and growth of their minimum, per frame."""

START_LEVEL = 0.1
"""Running averages at the start of a signal, relative to the mean of its first frame."""

GROUP, MARGIN = 4, 4
"""Gated memory: bands of a group, and those on either side that its local memory sees, too."""

COMPRESSION, COMPRESSION_OFFSET = 0.3, 1e-4
"""It sees (band + COMPRESSION_OFFSET) ** COMPRESSION."""

LARGEST_KEEP = 0.995
"""Largest share of a state that its units keep in a frame: the past fades with a time constant of at most 200 frames
(3.2 s). Without this limit half of the units of a trained global memory never changed after the first seconds, and
all of a recording depended on how it had begun."""

LARGEST_LOG_FACTOR = 6
"""Limit of the logarithm of its factor, in either direction."""
