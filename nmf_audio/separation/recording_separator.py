"""Base of the separators that learn from whole recordings before they separate them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Checked, Constant
from nmf_audio._checks import check_choice, check_kind, check_number, invalid
from nmf_audio._types import Array, ShareProgress
from nmf_audio.dsp.bands import check_rate, frame_size
from nmf_audio.dsp.samples import check_channels, check_samples, in_blocks
from nmf_audio.nmf.blas import single_blas
from nmf_audio.separation.frame_sampling import MAX_FRAMES, RunSampler, limit_spikes, thin
from nmf_audio.separation.segment_masking import Masker, SegmentMasking, analyse_blocks, join_channels
from nmf_audio.separation.stream import (
    Parts,
    PartsStream,
    check_mask_power,
    check_seed,
    divide_time,
    separate_blocks,
)

__all__ = [
    "FittedSeparator",
    "Recording",
    "RecordingSeparator",
    "SegmentStream",
    "check_weight",
    "separate_takes",
]


MAX_WEIGHT = 1e6
"""Of a penalty; far above it float32 overflows."""

READING_COST = 0.1
"""Time for a second of sound that is read, in that for one that is separated."""


class Recording:
    """One signal to learn from: blocks (n,) or (n_channels, n), and the number of channels."""

    def __init__(self, blocks: Iterable[npt.NDArray[Any]], n_channels: int) -> None:
        self.blocks, self.n_channels = blocks, n_channels


class RecordingSeparator(ABC):
    """A separator that learns from all of a signal, or of several that share sources, before it separates it.

    It holds no state of a signal: one may serve many signals and threads at the same time. Arguments are the names of
    the sources, the length of a frame, and those that the separators share: see `BlindSeparator`.

    Attributes
    ----------
    sources : tuple of str
        Names of the sources, without the residual.
    n_passes : int
        Number of times that a file is read.
    needs_first : bool
        Whether the first of several signals is indispensable.
    """

    n_passes = 2
    needs_first = False
    _learning_cost = 0.0
    sources = Constant[tuple[str, ...]]()
    beta = Constant[float]()
    mask_power = Checked(check_mask_power)
    seed = Checked(check_seed)

    def __init__(
        self,
        sources: Sequence[str],
        *,
        frame_seconds: float,
        beta: float,
        mask_power: float | None,
        seed: int,
    ) -> None:
        self.sources = tuple(sources)
        self.beta = float(check_choice("beta", beta, (0, 1, 2)))
        self.mask_power = mask_power
        self.seed = seed
        self._frame_seconds = frame_seconds
        self._power = 2.0 if self.beta == 0 else 1.0

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({settings})"

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings, for reports."""
        return {"beta": self.beta, "mask_power": self.mask_power, "seed": self.seed}

    @abstractmethod
    def _fit(
        self, recordings: Iterable[Recording], sr: int, n_fft: int, progress: ShareProgress | None = None
    ) -> Masker:
        """Learn from signals, and return their masker."""

    def estimate_shares(self, seconds: float) -> tuple[float, float]:
        """Return about which share of the time for a signal goes into reading it first, and into learning from it."""
        n_learned = MAX_FRAMES * self._frame_seconds / 2
        return divide_time(seconds, n_learned, reading=READING_COST, learning=self._learning_cost)

    def learn(
        self,
        blocks: Iterable[npt.NDArray[Any]],
        sr: int,
        n_channels: int = 1,
        *,
        progress: ShareProgress | None = None,
    ) -> PartsStream:
        """Learn from a whole signal, and return the stream that separates it from its beginning.

        Blocks are (n,) or (n_channels, n). `progress` is called with the share of the learning that is done, once all
        blocks were taken. Raises ParameterError if a value or a block is not allowed.
        """
        fitted = self.fit([Recording(blocks, n_channels)], sr, progress=progress)
        return fitted.learn((), sr, n_channels)

    def fit(
        self, recordings: Iterable[Recording], sr: int, *, progress: ShareProgress | None = None
    ) -> FittedSeparator:
        """Learn from several signals of one rate that share sources, and return a separator of any of them.

        All have the same weight, however loud. Raises ParameterError if a value or a block is not allowed.
        """
        n_fft = frame_size(check_rate(sr), self._frame_seconds)
        with single_blas:
            masker = self._fit(recordings, sr, n_fft, progress)
        return FittedSeparator(self, masker, sr, n_fft)

    def separate(self, y: npt.NDArray[Any], sr: int) -> Parts:
        """Separate a whole signal.

        Parameters
        ----------
        y : ndarray (n_samples,) or (n_channels, n_samples)
            Samples, float32 or float64 with full scale 1.0, int16 or int32.
        sr : int
            Sample rate in Hz.

        Returns
        -------
        dict of str to ndarray, shape and type of `y`
            Each source, and the rest as ``"residual"``; they add up to `y` as those of `Separator.separate` do.

        Raises
        ------
        ParameterError
            If `y` or `sr` is not allowed, or `y` holds NaN, Inf or a sample beyond 1e9.
        """
        return separate_takes([check_samples(y)], sr, self)[0]

    def _collect_frames(self, recordings: Iterable[Recording], n_fft: int) -> Array:
        """Return frames (n_channels, n_freq, n_frames) of all signals, each divided by its mean."""
        kept = []
        for recording in recordings:
            check_channels(recording.n_channels)
            sampler = RunSampler()
            analyse_blocks(recording.blocks, n_fft, recording.n_channels, partial(self._add_frames, sampler))
            S = limit_spikes(sampler.frames())
            if S.shape[2]:
                kept.append(S / S.mean(dtype=np.float64).astype(np.float32))
                thin(kept)
        if any(len(S) != len(kept[0]) for S in kept):
            given = "the recordings have different numbers of channels"
            raise invalid(
                "recordings", [len(S) for S in kept], "of one number to be told apart by place", given=given
            )
        return np.concatenate(kept, axis=2) if kept else np.zeros((1, n_fft // 2 + 1, 0), np.float32)

    def _add_frames(self, sampler: RunSampler, S: Array) -> None:
        sampler.add(self._view(S))

    def _view(self, S: Array) -> Array:
        """Return the magnitudes to learn from: by default those of all channels joined."""
        return join_channels(S)


class FittedSeparator:
    """A separator that has learned from signals, and separates them; `RecordingSeparator.fit` makes it."""

    n_passes = 1
    sources = Constant[tuple[str, ...]]()
    sr = Constant[int]()

    def __init__(self, separator: RecordingSeparator, masker: Masker, sr: int, n_fft: int) -> None:
        self.sources, self.parameters, self.sr = separator.sources, separator.parameters, sr
        self._masker, self._n_fft = masker, n_fft

    def learn(self, blocks: Iterable[npt.NDArray[Any]], sr: int, n_channels: int = 1) -> PartsStream:
        """Return the stream that separates one of the signals; arguments as of `RecordingSeparator.learn`."""
        if sr != self.sr:
            raise invalid("sr", sr, f"{self.sr} Hz, the rate of what was learned from")
        check_channels(n_channels)
        masking = SegmentMasking(self._masker, len(self.sources), self._n_fft, n_channels)
        return SegmentStream(masking, sr, n_channels, sources=self.sources)


class SegmentStream(PartsStream):
    """Several sources that are masked segment after segment."""

    def __init__(self, masking: SegmentMasking, sr: int, n_channels: int, *, sources: Sequence[str]) -> None:
        self._segments = masking
        super().__init__(masking, sr, n_channels, masking.latency, sources=sources)

    def _mask(self, y: Array) -> Array:
        return self._segments.advance(y)[1]


def separate_takes(ys: Sequence[npt.NDArray[Any]], sr: int, separator: RecordingSeparator) -> list[Parts]:
    """Separate several signals that share sources: one set of atoms, activations of their own for each.

    Parameters
    ----------
    ys : sequence of ndarray (n_samples,) or (n_channels, n_samples)
        Samples, float32 or float64 with full scale 1.0, int16 or int32.
    sr : int
        Sample rate of all, in Hz.
    separator : RecordingSeparator
        The separator.

    Returns
    -------
    list of dict
        One as of `RecordingSeparator.separate` for each signal; a source has the same name in all.

    Raises
    ------
    ParameterError
        If an argument is not allowed.
    """
    check_kind("ys", ys, Sequence, "even for one signal")
    check_kind("separator", separator, RecordingSeparator)
    checked = [check_samples(y, name=f"ys[{i}]") for i, y in enumerate(ys)]
    recordings = [Recording(in_blocks(y), 1 if y.ndim == 1 else len(y)) for y in checked]
    fitted = separator.fit(recordings, sr)
    return [
        separate_blocks(fitted.learn((), sr, recording.n_channels), recording.blocks)
        for recording in recordings
    ]


def check_weight(name: str, value: Any) -> float:
    """Return the weight of a penalty, if it is one."""
    return check_number(name, value, 0, MAX_WEIGHT)
