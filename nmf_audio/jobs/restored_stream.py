"""Restoration within a job: before another stream, and what reports say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.jobs.pump import Processor
from nmf_audio.restoration.stream import RestorationStream

__all__ = ["READING_SHARE", "RestoredStream", "describe_restoration", "in_db", "warn_of_lost_samples"]

READING_SHARE = 0.1
"""Of the time: about that of the first pass."""


def in_db(x: float) -> float:
    """Return an amplitude in decibels above full scale."""
    return round(float(20 * np.log10(x)), 2) + 0.0 if x > 0 else -np.inf


def describe_restoration(restoration: RestorationStream) -> dict[str, Any]:
    """Return the fields of `RestoredReport`, when all is restored."""
    channels, sr = restoration.channels, restoration.sr
    levels = [min(channel.levels.high, -channel.levels.low) for channel in channels]
    gaps = sorted({span for channel in channels for span in channel.filled})
    return {
        "clip_levels_db": tuple(in_db(level) if np.isfinite(level) else None for level in levels),
        "n_restored": sum(channel.n_clipped for channel in channels),
        "gaps": tuple((span.start / sr, span.end / sr) for span in gaps),
    }


def warn_of_lost_samples(restoration: RestorationStream) -> list[str]:
    """Return a sentence on what is too damaged to be restored, if there is such."""
    n_left = sum(channel.n_left for channel in restoration.channels)
    if not n_left:
        return []
    return [f"{n_left} lost samples are left as they are: too much beside them is lost, too"]


class RestoredStream:
    """A stream whose input is restored first, and the peak of what comes out."""

    def __init__(self, restoration: RestorationStream, stream: Processor) -> None:
        self.restoration, self._stream = restoration, stream
        self.peak = 0.0

    def process(self, block: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        """Take the next block (n_channels, n) and return what is ready of each signal."""
        return self._measure(self._stream.process(self.restoration.process(block)))

    def flush(self) -> Mapping[str, npt.NDArray[Any]]:
        """End the signal and return the rest of each."""
        # of a signal without samples the restoration does not know how its blocks look
        rest = self.restoration.flush().reshape(self.restoration.n_channels, -1)
        first, last = self._stream.process(rest), self._stream.flush()
        return self._measure(
            {
                name: np.concatenate([np.atleast_2d(first[name]), np.atleast_2d(last[name])], 1)
                for name in last
            }
        )

    def _measure(self, outputs: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        self.peak = max(self.peak, *(float(np.max(np.abs(y), initial=0.0)) for y in outputs.values()))
        return outputs
