"""Arrays of samples: their types and full scales, conversion to float32 and back.

======== ==========================================
dtype    full scale
======== ==========================================
float32  1.0
float64  1.0 (computed in float32)
int16    32768
int32    2147483648 (computed in float32: 24 bits)
======== ==========================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_whole
from nmf_audio.errors import ParameterError

__all__ = [
    "MAX_CHANNELS",
    "check_block",
    "check_channels",
    "check_finite",
    "check_samples",
    "from_float",
    "in_blocks",
    "to_float",
]

MAX_CHANNELS = 64
BLOCK = 1 << 16
FULL_SCALE = {np.float32: 1.0, np.float64: 1.0, np.int16: 2.0**15, np.int32: 2.0**31}
"""By the type of a sample: the name of a type is put together anew, and takes memory, each time it is asked for."""


def check_channels(n_channels: Any) -> int:
    """Return a number of channels if it is one; raise ParameterError if not."""
    return check_whole("n_channels", n_channels, 1, MAX_CHANNELS)


def in_blocks(y: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Cut a signal (n_samples,) or (n_channels, n_samples) into views of bounded length; one if it is empty."""
    return [y[..., start : start + BLOCK] for start in range(0, max(y.shape[-1], 1), BLOCK)]


def check_samples(y: Any, n_channels: int | None = None) -> npt.NDArray[Any]:
    """Return `y` if it is an array of samples that can be processed, (n_samples,) or (n_channels, n_samples).

    Raises
    ------
    ParameterError
        If type, shape or number of channels are not allowed; if `n_channels` is given and differs.
    """
    if not isinstance(y, np.ndarray) or y.dtype.type not in FULL_SCALE:
        given = y.dtype.name if isinstance(y, np.ndarray) else type(y).__name__
        allowed = ", ".join(kind.__name__ for kind in FULL_SCALE)
        raise ParameterError(f"y is of type {given}; a numpy array of {allowed} is needed")
    if y.ndim not in (1, 2):
        raise ParameterError(f"y has shape {y.shape}; (n_samples,) or (n_channels, n_samples) is needed")
    channels = 1 if y.ndim == 1 else y.shape[0]
    if n_channels is not None and channels != n_channels:
        hint = "; pass y.T" if y.ndim == 2 and y.shape[1] == n_channels else ""
        raise ParameterError(
            f"y has shape {y.shape}; {n_channels} channels, so ({n_channels}, n) is needed{hint}"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        hint = "; the channels are the first axis: pass y.T" if channels > MAX_CHANNELS else ""
        raise ParameterError(f"y has shape {y.shape}; 1 to {MAX_CHANNELS} channels are allowed{hint}")
    return y


def check_finite(y: npt.NDArray[Any], first_sample: int = 0) -> None:
    """Raise ParameterError with the position of the first NaN or Inf in `y` (n_channels, n_samples)."""
    finite = np.isfinite(y)
    if not finite.all():
        bad = ~finite
        n = int(bad.any(axis=0).argmax())
        channel = int(bad[:, n].argmax())
        kind = "NaN" if np.isnan(y[channel, n]) else "infinite"
        raise ParameterError(
            f"y is {kind} at sample {first_sample + n} of channel {channel}; only finite samples can be processed"
        )


def check_block(block: Any, n_channels: int, first_sample: int) -> npt.NDArray[Any]:
    """Return the next block of a signal as (n_channels, n); raise ParameterError if it can't be processed."""
    y = np.atleast_2d(check_samples(block, n_channels))
    check_finite(y, first_sample)
    return y


def to_float(y: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return samples of any allowed type as float32 with full scale 1.0."""
    if y.dtype.kind == "f":
        return y.astype(np.float32, copy=False)
    return y.astype(np.float32) / np.float32(FULL_SCALE[y.dtype.type])


def from_float(y: npt.NDArray[np.float32], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return float32 samples as `dtype`; integers are rounded to the nearest and saturate."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return y.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    scaled = np.rint(y.astype(np.float64) * FULL_SCALE[dtype.type])
    return np.clip(scaled, info.min, info.max).astype(dtype)
