"""A stream that hears the beginning of a recording before it denoises it, and measures the noise in pauses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.denoiser import Denoiser
from nmf_audio.dsp.bands import frame_size
from nmf_audio.dsp.pauses import NoiseLevels, PauseMeter
from nmf_audio.stream import Observer

__all__ = ["SPEECH", "MeteredStream", "StreamMaker", "measure_noise", "merge_meters"]

SPEECH = "speech"

Samples = npt.NDArray[Any]


@dataclass(frozen=True)
class StreamMaker:
    """Makes streams of a signal; each hears `noise` first, then the first `n_heard` samples of what it is given."""

    denoiser: Denoiser
    sr: int
    n_channels: int
    noise: Samples | None
    n_heard: int

    def make(self) -> MeteredStream:
        """Return a stream at its beginning."""
        return MeteredStream(self.denoiser, self.sr, self.n_channels, self.noise, self.n_heard)


class MeteredStream:
    """A stream, and the level of the noise in its channels, or in each if they are independent.

    Nothing comes out before the first `n_heard` samples are in.
    """

    def __init__(
        self, denoiser: Denoiser, sr: int, n_channels: int, noise: Samples | None, n_heard: int
    ) -> None:
        self._n_fft = frame_size(sr, denoiser.dictionary.spec.frame_seconds)
        self._n_meters = n_channels if denoiser.channels == "independent" else 1
        self._meters: list[PauseMeter] = []
        self.start_measuring()
        observers = [self._observer(i) for i in range(self._n_meters)]
        self._stream = denoiser.stream(sr, n_channels, observer=observers)
        self._noise, self._n_heard = noise, n_heard
        self._waiting: list[Samples] | None = [np.zeros((n_channels, 0), np.float32)]
        if not n_heard:
            self._begin()

    def _observer(self, i: int) -> Observer:
        # holding these streams would make a cycle of references
        meters = self._meters
        return lambda found, speech_gains, gains: meters[i].add(found.joint, speech_gains, gains)

    def start_measuring(self) -> None:
        """Forget what was measured up to here."""
        self._meters[:] = [PauseMeter(self._n_fft) for _ in range(self._n_meters)]

    @property
    def measured(self) -> list[PauseMeter]:
        """The meter of each stream."""
        return list(self._meters)

    def process(self, block: Samples) -> dict[str, Samples]:
        """Take the next block (n_channels, n) and return the speech that is ready."""
        if self._waiting is None:
            return {SPEECH: self._stream.process(block)}
        self._waiting.append(block)
        if sum(waiting.shape[1] for waiting in self._waiting) < self._n_heard:
            return {SPEECH: block[:, :0]}
        return {SPEECH: self._begin()}

    def flush(self) -> dict[str, Samples]:
        """End the signal and return the rest of the speech."""
        first = [] if self._waiting is None else [np.atleast_2d(self._begin())]
        return {SPEECH: np.concatenate([*first, np.atleast_2d(self._stream.flush())], axis=1)}

    def _begin(self) -> Samples:
        """Prime the stream, and return what is ready of all that is waiting."""
        assert self._waiting is not None
        y = np.concatenate(self._waiting, axis=1)
        self._waiting = None
        self._stream.prime(self._noise, beginning=y[:, : self._n_heard] if self._n_heard else None)
        return self._stream.process(y)


def merge_meters(of_pieces: Sequence[Sequence[PauseMeter]]) -> Sequence[PauseMeter]:
    """Return one meter for each stream, which has measured all pieces."""
    first, *others = of_pieces
    for meters in others:
        for meter, other in zip(first, meters, strict=True):
            meter.merge(other)
    return first


def measure_noise(meters: Iterable[PauseMeter]) -> NoiseLevels | None:
    """Return the mean power of the noise in the channels where pauses are found; None where there are none."""
    found = [levels for meter in meters if (levels := meter.result()) is not None]
    if not found:
        return None
    powers = np.mean(10 ** (np.array(found) / 10), axis=0)
    return NoiseLevels(*(round(float(x), 2) for x in 10 * np.log10(powers)))
