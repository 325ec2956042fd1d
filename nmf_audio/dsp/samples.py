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

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_whole, invalid

__all__ = [
    "MAX_CHANNELS",
    "USABLE",
    "check_block",
    "check_channels",
    "check_samples",
    "describe_unusable",
    "from_float",
    "in_blocks",
    "remainder",
    "to_float",
]

MAX_CHANNELS = 64
LARGEST = 1e9
"""Full scale is 1; the square of this, summed over a frame, is far below the largest float32."""
USABLE = f"finite, and at most {LARGEST:g} in size"
BLOCK = 1 << 16
FULL_SCALE = {np.float32: 1.0, np.float64: 1.0, np.int16: 2.0**15, np.int32: 2.0**31}
"""By the type of a sample: the name of a type is put together anew, and takes memory, each time it is asked for."""


def check_channels(n_channels: Any) -> int:
    """Return a number of channels if it is one; raise ParameterError if not."""
    return check_whole("n_channels", n_channels, 1, MAX_CHANNELS)


def in_blocks(y: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Cut a signal (n_samples,) or (n_channels, n_samples) into views of bounded length; one if it is empty."""
    return [y[..., start : start + BLOCK] for start in range(0, max(y.shape[-1], 1), BLOCK)]


def check_samples(
    y: Any, n_channels: int | None = None, *, name: str = "y", first_sample: int = 0
) -> npt.NDArray[Any]:
    """Return `y` if it is an array of samples that can be processed, (n_samples,) or (n_channels, n_samples).

    `ParameterError` if type, shape or number of channels are not allowed; if `n_channels` is given and differs; at
    the first sample that is NaN, infinite or too large. Samples are counted from `first_sample`, channels from 1.
    """
    if not isinstance(y, np.ndarray) or y.dtype.type not in FULL_SCALE:
        given = y.dtype.name if isinstance(y, np.ndarray) else type(y).__name__
        allowed = ", ".join(kind.__name__ for kind in FULL_SCALE)
        raise invalid(name, given, f"a numpy array of {allowed}", given=f"{name} is of type {given}")
    # a matrix multiplies in another way, and a masked array hides what is not finite
    samples: npt.NDArray[Any] = np.asarray(y)
    shape = "of shape (n_samples,) or (n_channels, n_samples)"
    channels = 1 if samples.ndim == 1 else samples.shape[0] if samples.ndim == 2 else 0
    advice = (
        f"pass {name}.T" if samples.ndim == 2 and 1 <= samples.shape[1] <= MAX_CHANNELS < channels else ""
    )
    if n_channels is not None and channels != n_channels:
        shape = "of shape (n_samples,)" if n_channels == 1 else f"of shape ({n_channels}, n_samples)"
        advice = f"pass {name}.T" if samples.ndim == 2 and samples.shape[1] == n_channels else ""
    elif 1 <= channels <= MAX_CHANNELS:
        problem = describe_unusable(np.atleast_2d(samples), first_sample)
        if problem is not None:
            raise invalid(name, problem, USABLE, given=f"{name}: {problem}")
        return samples
    elif samples.ndim == 2:
        shape += f" with 1 to {MAX_CHANNELS} channels"
    raise invalid(name, samples.shape, shape, advice, given=f"{name} has shape {samples.shape}")


def describe_unusable(y: npt.NDArray[Any], first_sample: int = 0, sr: int | None = None) -> str | None:
    """Describe the first sample in `y` (n_channels, n_samples) with which float32 can't do arithmetic.

    That is, what is not `USABLE`; None if there is none. Samples are counted from `first_sample`, channels from 1.
    """
    # integers are always in range; NaN is neither below nor above
    if y.dtype.kind != "f" or y.size == 0 or (y.max() <= LARGEST and y.min() >= -LARGEST):
        return None
    n, channel = (int(i) for i in np.argwhere(~(np.abs(y) <= LARGEST).T)[0])
    value = y[channel, n]
    kind = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:g}"
    when = "" if sr is None else f" ({(first_sample + n) / sr:.3f} s)"
    return f"sample {first_sample + n}{when} of channel {channel + 1} is {kind}"


def check_block(block: Any, n_channels: int, first_sample: int) -> npt.NDArray[Any]:
    """Return the next block of a signal as (n_channels, n); raise ParameterError if it can't be processed."""
    return np.atleast_2d(check_samples(block, n_channels, name="block", first_sample=first_sample))


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


def remainder(y: npt.NDArray[Any], parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return what some parts of a signal leave of it, so that all add up to it.

    Exact in integers, as long as the remainder is in their range (it saturates), else to one unit in the last place.

    Examples
    --------
    >>> remainder(np.array([5, 32767], np.int16), [np.array([2, -9], np.int16)]).tolist()
    [3, 32767]
    """
    # the parts' own sum first: sources hold no more digits than float32, so that only the difference is rounded
    total = np.zeros(y.shape, np.float64 if y.dtype.kind == "f" else np.int64)
    for part in parts:
        total += part
    rest: npt.NDArray[Any] = y - total
    if y.dtype.kind != "f":
        info = np.iinfo(y.dtype)
        rest = np.clip(rest, info.min, info.max)
    return np.asarray(rest, y.dtype)
