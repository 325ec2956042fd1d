"""The part of a recording that is wanted, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nmf_audio._types import Progress
from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples
from nmf_audio.io.open import Reader
from nmf_audio.io.section import check_section, cut

__all__ = ["SectionReader"]


class SectionReader:
    """The part of a recording that is wanted, and what is missing of it.

    `start` and `end` are seconds, or None; `n_samples` is the length of the part as far as it is known.
    """

    def __init__(self, reader: Reader, start: float | None, end: float | None) -> None:
        self._reader = reader
        self._start, self._end = check_section(start, end)
        self._first, self._last = round(self._start * reader.sr), self._end * reader.sr
        if math.isfinite(self._last):
            self._last = round(self._last)
        self.n_samples = None
        if reader.n_samples is not None:
            self.n_samples = int(max(min(self._last, reader.n_samples) - self._first, 0))

    def blocks(self, dtype: type[np.floating[Any]], progress: Progress | None) -> Iterator[Samples]:
        """Yield the part, and report after each block how many seconds are done, and of how many.

        `AudioFileError` if the recording ends before the part begins, or the part is shorter than a sample.
        """
        sr, n_done = self._reader.sr, 0
        for block in cut(self._reader.blocks(dtype), self._first, self._last):
            yield block
            n_done += block.shape[1]
            if progress is not None:
                progress(n_done / sr, max(self.n_samples or 0, n_done) / sr)
        if self._first >= self._last:
            raise AudioFileError(
                f"{self._reader.label}: from {self._start:g} s to {self._end:g} s there is no sample at {sr} Hz"
            )
        if n_done == 0 and (self._first or self._reader.damage):
            there = f"ends at {self._reader.n_read / sr:g} s, before the start at {self._first / sr:g} s"
            raise AudioFileError(f"{self._reader.label}: {self._reader.damage or there}")

    def describe_damage(self) -> str | None:
        """Return what is missing of the part, once its blocks were taken."""
        return None if self._reader.n_read >= self._last else self._reader.damage
