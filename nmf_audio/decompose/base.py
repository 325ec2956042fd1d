"""Interface of the decompositions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nmf_audio._types import Array
from nmf_audio.nmf.gated_memory import Priors

__all__ = ["Decomposition", "Estimate"]


@dataclass(frozen=True)
class Estimate:
    """Estimates of some frames.

    Attributes
    ----------
    spectra : ndarray (n_sources, n_bands, n_frames), float32
        Spectrum estimate of each source, in the units of the normalised bands to the dictionary's power.
    masks : ndarray (n_sources, n_bands, n_frames), float32
        Share of each source in each cell, in [0, 1]; shares of one cell sum to 1.
    H : ndarray (n_components, n_frames), float32
        Activations: first those of the dictionary's atoms, in its order, then those of the running atoms.
    priors : Priors, optional
        The priors by a gated memory, with frames as the last axis, if they were to be kept and there is one.
    """

    spectra: Array
    masks: Array
    H: Array
    priors: Priors | None = None


class Decomposition(Protocol):
    """Turns normalised bands into one spectrum estimate and one mask per source, with state.

    However a recording is cut into calls of `process`, the estimates are the same to the bit.
    """

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources: the first axis of all estimates."""

    def process(self, V: Array) -> Estimate:
        """Take the next frames V (n_bands, n_frames), float32, non-negative."""

    def reset(self) -> None:
        """Forget all frames so far."""
