"""Spectrum and atoms that a training starts from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import invalid
from nmf_audio._types import Array
from nmf_audio.nmf import factorize
from nmf_audio.training.frames import QUIET, SPECTRUM_RANGE

__all__ = ["first_atoms", "unit_spectrum"]

FIRST_ITERATIONS = 60


def unit_spectrum(mean: npt.NDArray[np.float64]) -> Array:
    """Return a mean of magnitudes (n_bands,) scaled to a mean of 1, nowhere far below its largest value."""
    spectrum = np.maximum(mean, SPECTRUM_RANGE * mean.max())
    unit: Array = (spectrum / spectrum.mean()).astype(np.float32)
    return unit


def first_atoms(
    magnitudes: Array,
    spectrum: Array,
    n_components: int,
    *,
    name: str = "n_components",
    floor: float = 0.0,
    rng: np.random.Generator,
    **options: Any,
) -> Array:
    """Learn atoms (n_bands, n_components) of one source by KL-NMF.

    `magnitudes` are (n_signals, n_frames, n_bands); each signal is brought to the same level, and frames are
    divided by `spectrum`. `name` is the caller's name of `n_components`, for the error when there are fewer
    frames with sound than atoms; `floor` is added to all frames, whose mean is about 1; `options` go to
    `factorize`.
    """
    v = magnitudes / spectrum
    v /= v.mean(axis=(1, 2), keepdims=True)
    rows = v.reshape(-1, v.shape[-1])
    level = rows.mean(axis=1)
    loud = rows[level > QUIET * level.mean()]
    if len(loud) < n_components:
        raise invalid(
            name,
            n_components,
            f"at most {len(loud)}, the frames with sound that the recordings hold",
            "give more recordings",
        )
    fitted = factorize(
        loud.T + np.float32(floor),
        n_components,
        beta=1.0,
        init="frames",
        max_iter=FIRST_ITERATIONS,
        tol=0.0,
        rng=rng,
        **options,
    )
    return np.asarray(fitted.W, np.float32)
