"""Overlap-add: blocks to spectra, and masked spectra to blocks, with a delay of one hop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nmf_audio._types import Array, ComplexArray
from nmf_audio.dsp.stft import analysis_window, transform

__all__ = ["ComplexArray", "Resynthesis"]

Gains = Callable[[ComplexArray], Array]

TILE_SAMPLES = 2**15
"""Samples in the frames that are transformed at once: few enough that arrays stay in the cache, and that their memory
is not returned to the system after each call. The result does not depend on it.
"""


class Resynthesis:
    """Masks a signal block by block, with a delay of one hop, ``n_fft // 2``; one or more outputs.

    It is given the function `gains` with each block, rather than once: that of its owner would tie both together in a
    cycle, which stays in memory until Python happens to look for such.
    """

    def __init__(self, n_fft: int, n_channels: int, n_outputs: int) -> None:
        self._hop = n_fft // 2
        self._tile = max(1, TILE_SAMPLES // n_fft)
        self._window = analysis_window(n_fft)
        self._n_channels, self._n_outputs = n_channels, n_outputs
        self.reset()

    def reset(self) -> None:
        """Return to the beginning of a signal."""
        shape = (self._n_channels, self._hop)
        self._previous = np.zeros(shape, np.float32)
        self._overlap = np.zeros((self._n_outputs, *shape), np.float32)
        self._pending = np.zeros((self._n_channels, 0), np.float32)
        self._n_lead = self._hop

    def advance(self, y: Array, gains: Gains) -> tuple[Array, Array]:
        """Process all frames that the next samples `y` (n_channels, n) complete.

        `gains` takes the next frames' spectra X (n_channels, n_frames, n_freq), and returns gains that all channels
        share, (n_outputs, n_frames, n_freq), or not, (n_outputs, n_channels, n_frames, n_freq).
        Returns the samples that are complete, as they came in (n_channels, m) and as they come out (n_outputs,
        n_channels, m).
        """
        hop = self._hop
        y = np.concatenate([self._pending, y], axis=1)
        n_frames = y.shape[1] // hop
        starts = range(0, n_frames, self._tile)
        tiles = [y[:, i * hop : min(i + self._tile, n_frames) * hop] for i in starts]
        # a copy: a view of a few samples would keep all of a long block in memory
        self._pending = y[:, n_frames * hop :].copy()
        parts = [self._run(tile, gains) for tile in tiles]
        if not parts:
            return y[:, :0], np.zeros((self._n_outputs, self._n_channels, 0), np.float32)
        dry = np.concatenate([part for part, _ in parts], axis=1)
        wet = np.concatenate([part for _, part in parts], axis=2)
        # what the first frame completes lies before the start
        lead = min(self._n_lead, dry.shape[1])
        self._n_lead -= lead
        return dry[:, lead:], wet[:, :, lead:]

    def _run(self, tile: Array, gains: Gains) -> tuple[Array, Array]:
        """Take whole hops (n_channels, n_frames * hop); return the hops before them, as they were and masked."""
        hop = self._hop
        y = np.concatenate([self._previous, tile], axis=1)
        self._previous = tile[:, -hop:].copy()
        X = transform(y, self._window)
        wet = np.empty((self._n_outputs, *tile.shape), np.float32)
        for i, gain in enumerate(gains(X)):
            masked = np.asarray(np.fft.irfft(X * gain, 2 * hop, axis=2), np.float32) * self._window
            out = masked[:, :, :hop].copy()
            out[:, 0] += self._overlap[i]
            out[:, 1:] += masked[:, :-1, hop:]
            self._overlap[i] = masked[:, -1, hop:]
            wet[i] = out.reshape(self._n_channels, -1)
        return y[:, :-hop], wet
