"""Integrated loudness and true peak of a signal by EBU R 128 (ITU-R BS.1770), measured block by block.

FFmpeg's filter is reached through PyAV. The signal is not held in memory.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples
from nmf_audio.io.media.pyav import load_pyav
from nmf_audio.io.speakers import DEFAULT_MASKS, name_speakers

__all__ = ["Loudness", "LoudnessMeter"]

# what the filter says where nothing is above its gate
_SILENCE_LUFS = -70.0
# the peak comes with three digits behind the point
_HALF_DIGIT = 0.0005


class Loudness(NamedTuple):
    """Integrated loudness in LUFS and true peak in decibels relative to full scale.

    The loudness is None of what is shorter than 0.4 s, or silent.
    """

    integrated_lufs: float | None
    true_peak_db: float


class LoudnessMeter:
    """Measures a signal that comes in blocks.

    `channel_mask` says which loudspeakers the channels are for, see `nmf_audio.io.speakers`; the usual ones by
    default. `AudioFileError` if nothing says which loudspeakers so many channels are for.
    """

    def __init__(self, sr: int, n_channels: int, channel_mask: int | None = None) -> None:
        self._av = load_pyav("measuring loudness")
        masks = (channel_mask or 0, DEFAULT_MASKS.get(n_channels, 0))
        mask = next((mask for mask in masks if mask.bit_count() == n_channels and name_speakers(mask)), None)
        if mask is None:
            raise AudioFileError(f"the loudness of {n_channels} channels without loudspeakers is not defined")
        self._sr, self._layout = sr, self._av.AudioLayout(name_speakers(mask)).name
        self._n_samples = 0
        self._found: dict[str, str] = {}
        graph = self._graph = self._av.filter.Graph()
        self._source = graph.add(
            "abuffer",
            sample_rate=str(sr),
            sample_fmt="flt",
            channel_layout=self._layout,
            time_base=f"1/{sr}",
        )
        meter = graph.add("ebur128", "metadata=1:peak=true")
        self._sink = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()

    def write(self, y: Samples) -> None:
        """Take the next block (n_channels, n)."""
        if not y.shape[1]:
            return
        data = np.ascontiguousarray(y.T, np.float32).reshape(1, -1)
        frame = self._av.AudioFrame.from_ndarray(data, "flt", self._layout)
        frame.sample_rate, frame.time_base, frame.pts = self._sr, Fraction(1, self._sr), self._n_samples
        self._n_samples += y.shape[1]
        self._push(frame)

    def finish(self) -> Loudness:
        """End the signal and return what was found."""
        self._push(None)
        loudness = float(self._found.get("lavfi.r128.I", _SILENCE_LUFS))
        peak = float(self._found.get("lavfi.r128.true_peak", 0)) + _HALF_DIGIT
        return Loudness(loudness if loudness > _SILENCE_LUFS else None, 20 * math.log10(peak))

    def _push(self, frame: Any) -> None:
        self._source.push(frame)
        try:
            while True:
                self._found = self._sink.pull().metadata or self._found
        except (self._av.error.BlockingIOError, self._av.error.EOFError):
            return
