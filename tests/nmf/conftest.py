from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Example = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@pytest.fixture
def example() -> Callable[..., Example]:
    """V (n_features, n_frames) that no W and H fit exactly, and a start."""

    def make(
        n_features: int = 12,
        n_frames: int = 17,
        n_components: int = 4,
        dtype: Any = np.float64,
        seed: int = 0,
    ) -> Example:
        rng = np.random.default_rng(seed)
        V = rng.gamma(1.0, 1.0, (n_features, n_frames)) + 0.01
        W = rng.uniform(0.1, 1.0, (n_features, n_components))
        H = rng.uniform(0.1, 1.0, (n_components, n_frames))
        return V.astype(dtype), W.astype(dtype), H.astype(dtype)

    return make
