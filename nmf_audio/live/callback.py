"""The work of an audio callback on a block: denoise, bypass, count."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from nmf_audio._types import Array
from nmf_audio.live.recorder import RingBuffer
from nmf_audio.stream import Stream

__all__ = ["BlockCallback"]


FADE_MS = 10.0
LEVEL_SECONDS = 0.4


class BlockCallback:
    """Takes blocks from an input device and gives blocks to an output device.

    Calling it is what the callback does: it takes no lock, writes nothing anywhere, and allocates only what
    `Stream.process` does. Another thread may set `bypass` and read the counters at any time. If something
    fails, the exception `abort` is raised to end the sound, and `error` is the reason.

    Attributes
    ----------
    bypass : bool
        Play the input, delayed as the denoised sound is, so that nothing jumps in time.
    error : Exception or None
        What failed.
    buffered_seconds : float
        Sound that the devices' buffers hold: a block that comes later than that, and its own length, is a gap.
    """

    def __init__(self, stream: Stream, *, abort: type[Exception], tape: RingBuffer | None = None) -> None:
        self.bypass = False
        self.error: Exception | None = None
        self.n_samples = self.n_blocks = self.n_dropouts = self.n_late = 0
        self.n_input_overflow = self.n_input_underflow = 0
        self.n_output_overflow = self.n_output_underflow = self.n_gaps = 0
        self.buffered_seconds = math.inf
        self.work_seconds = self.worst_load = 0.0
        self.last_seconds = perf_counter()
        self.input_power = self.output_power = 0.0
        self._stream, self._abort, self._tape = stream, abort, tape
        shape = (stream.n_channels, stream.latency)
        self._delayed = np.zeros(shape, np.float32)
        self._oldest = 0
        self._dry, self._out, self._difference = (np.zeros(shape, np.float32) for _ in range(3))
        self._n_fade = max(round(FADE_MS / 1000 * stream.sr), 1)
        self._faded = 0
        self._counting = np.arange(1, stream.latency + 1, dtype=np.float32)

    def __call__(self, indata: Array, outdata: Array, frames: int, time: Any, status: Any) -> None:
        """Work on one block, as ``sounddevice.Stream`` calls it.

        `outdata` (n, n_outputs) is filled from `indata` (n, n_channels): as many channels, or any number of copies
        of one. `status` tells what went wrong with the blocks before.
        """
        started = perf_counter()
        allowed = frames / self._stream.sr + self.buffered_seconds
        is_gap = self.n_blocks > 0 and started - self.last_seconds > allowed
        try:
            self._note(status, is_gap)
            # pieces no longer than the delay: what is delayed by it is then always there already
            for start in range(0, frames, self._stream.latency):
                piece = slice(start, start + self._stream.latency)
                outdata[piece] = self._work(indata[piece].T).T
        except Exception as error:
            outdata.fill(0)
            self.error = error
            raise self._abort from error
        self.n_blocks += 1
        self.n_samples += frames
        self.last_seconds = perf_counter()
        taken = self.last_seconds - started
        load = taken * self._stream.sr / frames
        self.work_seconds += taken
        self.worst_load = max(self.worst_load, load)
        self.n_late += load > 1

    def _note(self, status: Any, is_gap: bool) -> None:
        """Count what the device reports, and what it does not; that it is being primed is no drop-out."""
        if not status and not is_gap:
            return
        flags = (
            bool(status.input_overflow),
            bool(status.input_underflow),
            bool(status.output_overflow),
            bool(status.output_underflow),
        )
        self.n_input_overflow += flags[0]
        self.n_input_underflow += flags[1]
        self.n_output_overflow += flags[2]
        self.n_output_underflow += flags[3]
        self.n_gaps += is_gap
        self.n_dropouts += is_gap or any(flags)

    def _work(self, x: Array) -> Array:
        """Take the next samples (n_channels, n), at most `latency`, and return as many."""
        n = x.shape[1]
        wet = self._stream.process(x, fixed=True)
        dry, out = self._delay(x), self._out[:, :n]
        bypass = self.bypass
        np.copyto(out, dry if bypass else wet)
        n_left = min(n, self._n_fade - self._faded if bypass else self._faded)
        if n_left:
            # the two are alike where there is speech, so their amplitudes are faded, not their powers
            sign = 1 if bypass else -1
            share = (self._faded + sign * self._counting[:n_left]) / np.float32(self._n_fade)
            difference = np.subtract(dry[:, :n_left], wet[:, :n_left], out=self._difference[:, :n_left])
            difference *= share
            np.add(wet[:, :n_left], difference, out=out[:, :n_left])
            self._faded += sign * n_left
        if self._tape is not None:
            self._tape.put(out)
        self._follow_levels(x, out)
        return out

    def _delay(self, x: Array) -> Array:
        """Return the n samples that came `latency` samples before x (n_channels, n)."""
        n, size = x.shape[1], self._delayed.shape[1]
        first = min(n, size - self._oldest)
        for start, stop, at in ((0, first, self._oldest), (first, n, 0)):
            stored = self._delayed[:, at : at + stop - start]
            self._dry[:, start:stop] = stored
            stored[:] = x[:, start:stop]
        self._oldest = (self._oldest + n) % size
        return self._dry[:, :n]

    def _follow_levels(self, x: Array, out: Array) -> None:
        share = 1 - math.exp(-x.shape[1] / (LEVEL_SECONDS * self._stream.sr))
        self.input_power += share * (_mean_square(x) - self.input_power)
        self.output_power += share * (_mean_square(out) - self.output_power)


def _mean_square(y: Array) -> float:
    return sum(float(np.dot(row, row)) for row in y) / y.size
