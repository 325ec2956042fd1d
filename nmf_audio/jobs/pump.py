"""All of a signal, block by block, through a stream: what comes out, what was removed, and the levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nmf_audio.stream import Stream

__all__ = ["Levels", "Processor", "SeparateChannels", "pump"]

Samples = npt.NDArray[np.floating[Any]]
Array = npt.NDArray[np.float32]


class Processor(Protocol):
    """What `pump` needs of a stream."""

    def prime(self, noise: npt.NDArray[Any]) -> None:
        """See `Stream.prime`."""

    def process(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """See `Stream.process`."""

    def flush(self) -> npt.NDArray[Any]:
        """See `Stream.flush`."""


class SeparateChannels:
    """Streams of one channel each, side by side: every channel gets gains of its own.

    Parameters
    ----------
    streams : sequence of Stream
        One for each channel.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = tuple(streams)

    def prime(self, noise: npt.NDArray[Any]) -> None:
        """Let each stream hear its channel of the noise, or all the same (n,); see `Stream.prime`."""
        for i, stream in enumerate(self._streams):
            stream.prime(noise if noise.ndim == 1 else noise[i])

    def process(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Take the next block (n_channels, n) and return what is ready, (n_channels, m)."""
        return np.stack([stream.process(y) for stream, y in zip(self._streams, block, strict=True)])

    def flush(self) -> npt.NDArray[Any]:
        """End the signal and return the rest of it, (n_channels, m)."""
        return np.stack([stream.flush() for stream in self._streams])


@dataclass(frozen=True)
class Levels:
    """Sums over a signal, and what follows from them.

    Parameters
    ----------
    n_values : int
        Samples times channels.
    energy_in, energy_out : float
        Sums of squares before and after.
    """

    n_values: int
    energy_in: float
    energy_out: float

    @property
    def before_db(self) -> float:
        """Mean square before, in decibels below full scale."""
        return _ratio_db(self.energy_in, self.n_values)

    @property
    def after_db(self) -> float:
        """Mean square after, in decibels below full scale."""
        return _ratio_db(self.energy_out, self.n_values)

    @property
    def removed_db(self) -> float:
        """By how many decibels the level fell; 0 for silence."""
        if self.energy_in == 0:
            return 0.0
        return _ratio_db(self.energy_in, self.energy_out) if self.energy_out > 0 else math.inf


def _ratio_db(a: float, b: float) -> float:
    # sums of the same samples over other blocks may differ in their last digits
    return round(10 * math.log10(a / b), 6) + 0.0 if a > 0 else -math.inf


def pump(
    blocks: Iterable[Samples],
    stream: Processor,
    write: Callable[[Samples], Samples],
    keep: Callable[[Samples], object] | None = None,
) -> Levels:
    """Send all of a signal through a stream.

    Parameters
    ----------
    blocks : iterable of ndarray (n_channels, n)
        The signal.
    stream : Processor
        Takes its blocks as float32.
    write : callable
        Takes what comes out (n_channels, m), float32, and returns it as it was stored.
    keep : callable or None
        Takes what was removed, (n_channels, m): input minus output as it was stored, in the type of the signal.

    Returns
    -------
    Levels
        Of the signal, and of what came out.
    """
    waiting: list[Samples] = []
    n_values, energy_in, energy_out = 0, 0.0, 0.0

    def emit(y: Array) -> float:
        y = np.atleast_2d(y)
        stored = write(y)
        if keep is not None and y.shape[1]:
            inputs = np.concatenate(waiting, axis=1)
            keep(inputs[:, : y.shape[1]] - stored)
            waiting[:] = [inputs[:, y.shape[1] :]]
        return _energy(y)

    for block in blocks:
        n_values += block.size
        energy_in += _energy(block)
        if keep is not None:
            waiting.append(block)
        energy_out += emit(stream.process(block.astype(np.float32, copy=False)))
    energy_out += emit(stream.flush())
    return Levels(n_values, energy_in, energy_out)


def _energy(y: Samples) -> float:
    return float(np.sum(np.square(y, dtype=np.float64)))
