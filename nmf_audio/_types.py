"""Types that many rooms name: arrays, paths, progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["AnyArray", "Array", "ComplexArray", "PathLike", "Progress", "RandomSource", "ShareProgress"]

Array = npt.NDArray[np.float32]
AnyArray = npt.NDArray[Any]
ComplexArray = npt.NDArray[np.complex64]
PathLike = str | os.PathLike[str]
RandomSource = int | np.random.Generator | None
"""A seed, a generator, or None for another one each time."""
Progress = Callable[[float, float], None]
"""Called with what is done and all that there is."""
ShareProgress = Callable[[float], None]
"""Called with the share that is done, from 0 to 1."""
