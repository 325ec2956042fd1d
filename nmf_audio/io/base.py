"""Samples, their checks, and the contexts of readers and writers, which all kinds of recordings share."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nmf_audio.dsp.samples import USABLE, describe_unusable
from nmf_audio.errors import AudioFileError

__all__ = ["ReaderContext", "Samples", "WriterContext", "check_values", "choose_block_length", "name_first"]

Samples = npt.NDArray[np.floating[Any]]

_MAX_BLOCK_VALUES = 2**20
_MOST_NAMED = 3


def choose_block_length(sr: int, n_channels: int) -> int:
    """Return how many samples a block has: a second of them, fewer if there are very many channels.

    Examples
    --------
    >>> choose_block_length(48000, 2), choose_block_length(48000, 64)
    (48000, 16384)
    """
    return max(1, min(sr, _MAX_BLOCK_VALUES // n_channels))


def check_values(block: Samples, first: int, sr: int, label: str) -> None:
    """Check that arithmetic in float32 can take the samples (n_channels, n) of a recording from `first` on.

    `AudioFileError`, which says which, if a sample is NaN, infinite, or too large.
    """
    problem = describe_unusable(block, first, sr)
    if problem is not None:
        raise AudioFileError(f"{label}: {problem}; must be {USABLE}")


def name_first(things: list[str]) -> str:
    """Return the first of some things in words, and how many more there are.

    Examples
    --------
    >>> name_first(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    named = ", ".join(things[:_MOST_NAMED])
    return named if len(things) <= _MOST_NAMED else f"{named} and {len(things) - _MOST_NAMED} more"


class ReaderContext:
    """A reader that closes its file behind a with statement."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError


class WriterContext:
    """A writer that ends its file behind a with statement, or abandons it after an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def close(self) -> None:
        """End the file."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Close a file that will be thrown away."""
