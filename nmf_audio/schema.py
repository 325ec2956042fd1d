"""Arrays of a trained dictionary: names, shapes and ranges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import DictionaryError

__all__ = ["check_trained_arrays"]


def check_trained_arrays(arrays: Mapping[str, npt.NDArray[np.float32]], n_bands: int) -> int:
    """Return the number of atoms with an output spectrum; raise DictionaryError if the arrays do not fit together."""
    raise DictionaryError("trained dictionaries are not supported by this version")
