"""The output at another rate: block by block, in step with the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from nmf_audio.io.base import Samples

__all__ = ["Resampler"]


class Resampler:
    """Converts a signal's rate on its way to a writer; a context manager.

    The filter's delay is taken off: output sample n stands for the time n / `sr_out`, from 0 on, and n input
    samples become n * `sr_out` / `sr_in`, rounded. `write` takes blocks (n_channels, m), float32, at the new
    rate.

    Examples
    --------
    >>> blocks = []
    >>> with Resampler(blocks.append, 16000, 48000, 1) as resampler:
    ...     _ = resampler.write(np.ones((1, 1000), np.float32))
    >>> sum(block.shape[1] for block in blocks)
    3000
    """

    def __init__(self, write: Callable[[Samples], object], sr_in: int, sr_out: int, n_channels: int) -> None:
        import soxr

        self._write = write
        self._n_channels = n_channels
        self._stream = soxr.ResampleStream(sr_in, sr_out, n_channels, dtype="float32", quality="VHQ")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._pass_on(np.zeros((self._n_channels, 0), np.float32), last=True)

    def write(self, y: Samples) -> Samples:
        """Append a block (n_channels, n), and return it: at the signal's own rate nothing is stored, nor rounded."""
        self._pass_on(y, last=False)
        return y

    def _pass_on(self, y: Samples, *, last: bool) -> None:
        data = np.ascontiguousarray(y.T, np.float32)
        self._write(np.ascontiguousarray(self._stream.resample_chunk(data, last=last).T))
