"""Normalisation of frames: division by a running level and by a running tilt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array

__all__ = ["FLOOR", "SILENCE", "Normaliser"]


FLOOR = 1e-4
"""Added to every normalised band; relative to the level, so that it means -80 dB at any loudness."""

LEVEL_RATE = 0.01
"""Slowest rate of the level tracker, per frame: a time constant of 1.6 s."""

TILT_START = 10
"""Weight, in frames, of the flat tilt that a signal begins with."""

LEAST_TILT = 1e-3
"""Lower limit of the tilt: bands further below the mean of all are raised no further."""

SILENCE = 1e-6
"""A frame whose mean is below this part of the level is silence: it does not move the level."""

SPIKE = 300.0
"""A frame so many times above the level begins a spike: an onset after a pause, or a sample out of place."""

SPIKE_FRAMES = 6
"""A spike that has fallen by `SPIKE` after so many frames at most was no onset, and level and tilt forget it."""

LOUDEST = 1e6
"""At levels above this, far beyond full scale in whatever unit, spikes may be of any length."""


class Normaliser:
    """Divides each frame by the long-term speech spectrum, by a running level and, in part, by a running tilt.

    With e_t the mean over bands of x_t / spectrum, the level follows ``m += max(1 / count, 0.01) * (e_t - m)``
    from the first frame on; frames of (relative) silence are not counted. The result does not depend on the
    signal's level: a recording 30 dB quieter gives the same v.

    Noise that is far louder in some bands, as in a car, would leave speech in the others without weight. The
    tilt follows each band's own mean likewise, ``c += max(1 / (count + 10), 0.01) * (x_t / spectrum / m - c)``
    from c = 1 on, and is divided out to the power of `whitening`: at 0 it is kept, at 1 all bands have the same
    mean in the long run.

    A single sample of 1e6 among others of 0.1 would hold the level up for a quarter of a minute. So where a
    frame far above the level is followed at once by one as far below it, level and tilt go back to what they
    were before; until then they follow the frame, which might be an onset, as any other.
    """

    def __init__(self, spectrum: Array, whitening: float = 0.0) -> None:
        self._weight = (1 / spectrum).astype(np.float32)
        self._whitening = np.float32(whitening)
        self.reset()

    def reset(self) -> None:
        """Forget level and tilt."""
        self._level, self._count = 0.0, 0
        self._tilt, self._tilt_count = np.ones_like(self._weight), TILT_START
        self._before_spike: tuple[float, int, Array, int] | None = None
        self._peak, self._spike_frames = 0.0, 0

    @property
    def state(self) -> npt.NDArray[np.float64]:
        """Level, counts and tilt as one array; set it to continue from there."""
        return np.array([self._level, self._count, self._tilt_count, *self._tilt], np.float64)

    @state.setter
    def state(self, state: npt.NDArray[np.float64]) -> None:
        self._level, self._count, self._tilt_count = float(state[0]), int(state[1]), int(state[2])
        self._tilt, self._before_spike = state[3:].astype(np.float32), None

    def process(self, bands: Array) -> Array:
        """Return v (n_frames, n_bands), float32, for the next frames x (n_frames, n_bands)."""
        v = bands * self._weight
        tilts = np.ones_like(v)
        # float64 keeps the mean of a frame of any finite float32 input finite
        for row, tilt, e in zip(v, tilts, v.mean(axis=1, dtype=np.float64).tolist(), strict=True):
            self._watch_spikes(e)
            counts = e > SILENCE * self._level
            if counts:
                self._count += 1
                self._level += max(1 / self._count, LEVEL_RATE) * (e - self._level)
            row /= np.float32(self._level or 1.0)
            if self._whitening:
                if counts:
                    self._tilt_count += 1
                    self._tilt += np.float32(max(1 / self._tilt_count, LEVEL_RATE)) * (row - self._tilt)
                tilt[:] = self._tilt
        if self._whitening:
            v /= np.maximum(tilts, np.float32(LEAST_TILT)) ** self._whitening
        v += np.float32(FLOOR)
        return v

    def _watch_spikes(self, e: float) -> None:
        """Remember level and tilt before a spike, and go back to them after it."""
        if e == 0:
            return
        if self._before_spike is not None:
            self._peak = max(self._peak, e)
            if SPIKE * e < self._peak:
                self._level, self._count, self._tilt, self._tilt_count = self._before_spike
                self._before_spike = None
            elif self._spike_frames == SPIKE_FRAMES and self._level < LOUDEST:
                self._before_spike = None
            self._spike_frames = min(self._spike_frames + 1, SPIKE_FRAMES)
        # the first frame of all stands out from nothing: what comes soon after it may be a spike of its own
        is_free = self._before_spike is None or (self._before_spike[0] == 0 < self._level)
        if is_free and e > SPIKE * self._level:
            self._before_spike = (self._level, self._count, self._tilt.copy(), self._tilt_count)
            self._peak, self._spike_frames = e, 1
