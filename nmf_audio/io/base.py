"""Samples, their checks, and the contexts of readers and writers, which all kinds of recordings share."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import AudioFileError

__all__ = ["ReaderContext", "Samples", "WriterContext", "check_values", "choose_block_length"]

Samples = npt.NDArray[np.floating[Any]]

_MAX_BLOCK_VALUES = 2**20
# full scale is 1.0; the square of this, summed over a frame, is far below the largest float32
_LARGEST = 1e9


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
    # NaN is neither
    if block.size == 0 or (block.max() <= _LARGEST and block.min() >= -_LARGEST):
        return
    good = np.abs(block) <= _LARGEST
    n, channel = (int(i) for i in np.argwhere(~good.T)[0])
    value = block[channel, n]
    kind = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:g}"
    raise AudioFileError(
        f"{label}: sample {first + n} ({(first + n) / sr:.3f} s) of channel {channel + 1} is {kind}; "
        f"only finite samples up to {_LARGEST:g} can be processed"
    )


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
