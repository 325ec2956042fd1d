"""Masking of segments, for methods that need more than one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import invalid
from nmf_audio._types import Array, ComplexArray
from nmf_audio.dsp.overlap_add import Resynthesis
from nmf_audio.dsp.samples import check_block, to_float
from nmf_audio.nmf.blas import single_blas

__all__ = ["Masker", "SegmentMasking", "analyse_blocks", "join_channels"]


Masker = Callable[[Array], Array]
"""From magnitudes (n_channels, n_freq, n_frames) to masks (n_sources, n_channels or 1, n_freq, n_frames)."""

SEGMENT = 256
"""Frames whose masks are computed together."""

CONTEXT = 32
"""Frames before and after them that the masker takes, too."""


def join_channels(S: Array) -> Array:
    """Return magnitudes (1, n_freq, n_frames) of all channels, joined by power: opposite phases do not cancel."""
    one: Array = S if len(S) == 1 else np.sqrt(np.square(S).mean(axis=0, keepdims=True))
    return one


class SegmentMasking:
    """Masks a signal segment after segment of `SEGMENT` frames, at absolute frame indices.

    `masker` gives the masks of a segment with `CONTEXT` more frames on either side, where there are such. At the end
    of a signal there is silence. The hop is half of `n_fft`.
    """

    def __init__(self, masker: Masker, n_sources: int, n_fft: int, n_channels: int) -> None:
        self._masker, self._n_sources = masker, n_sources
        self._hop, self._n_channels = n_fft // 2, n_channels
        self._analysis = Resynthesis(n_fft, n_channels, 0)
        self._synthesis = Resynthesis(n_fft, n_channels, n_sources)
        self.reset()

    @property
    def latency(self) -> int:
        """Delay of the output in samples."""
        return (SEGMENT + CONTEXT + 2) * self._hop

    def reset(self) -> None:
        """Return to the beginning of a signal."""
        self._analysis.reset()
        self._synthesis.reset()
        self._waiting = np.zeros((self._n_channels, 0), np.float32)
        self._analysed: list[Array] = []
        self._n_analysed = self._first = self._n_masked = 0
        self._masks: list[Array] = []

    def advance(self, y: Array) -> tuple[Array, Array]:
        """Take the next samples (n_channels, n); return those that are complete, and each source's share of them."""
        self._analysis.advance(y, self._analyse)
        self._waiting = np.concatenate([self._waiting, y], axis=1)
        dry = [np.zeros((self._n_channels, 0), np.float32)]
        wet = [np.zeros((self._n_sources, self._n_channels, 0), np.float32)]
        while self._n_analysed >= self._n_masked + SEGMENT + CONTEXT:
            self._mask_segment()
            n = SEGMENT * self._hop
            ready, self._waiting = self._waiting[:, :n], self._waiting[:, n:].copy()
            played, masked = self._synthesis.advance(ready, self._next_gains)
            dry.append(played)
            wet.append(masked)
        return np.concatenate(dry, axis=1), np.concatenate(wet, axis=2)

    def _analyse(self, X: ComplexArray) -> Array:
        self._analysed.append(np.abs(X).swapaxes(1, 2))
        self._n_analysed += X.shape[1]
        return np.zeros((0, *X.shape), np.float32)

    def _mask_segment(self) -> None:
        S = np.concatenate(self._analysed, axis=2)
        start = self._n_masked - self._first
        sounding = np.flatnonzero(S[:, :, : start + SEGMENT + CONTEXT].any(axis=(0, 1)))
        shape = (self._n_sources, 1, S.shape[1], SEGMENT)
        # digital silence at the ends needs no masks, and must not be learned from
        masks = np.full(shape, 1 / self._n_sources, np.float32)
        if len(sounding):
            first, last = int(sounding[0]), int(sounding[-1]) + 1
            with single_blas:
                found = self._masker(S[:, :, first:last])
            masks = np.full((*found.shape[:3], SEGMENT), 1 / self._n_sources, np.float32)
            begin, end = max(first, start), min(last, start + SEGMENT)
            if begin < end:
                masks[..., begin - start : end - start] = found[..., begin - first : end - first]
        self._masks.append(masks)
        self._n_masked += SEGMENT
        keep = max(self._n_masked - CONTEXT - self._first, 0)
        self._analysed = [S[:, :, keep:].copy()]
        self._first += keep

    def _next_gains(self, X: ComplexArray) -> Array:
        masks = self._masks[0]
        n = X.shape[1]
        self._masks = [masks[..., n:]] if masks.shape[3] > n else []
        return np.ascontiguousarray(masks[..., :n].swapaxes(2, 3))


def analyse_blocks(
    blocks: Iterable[npt.NDArray[Any]], n_fft: int, n_channels: int, receive: Callable[[Array], None]
) -> None:
    """Pass the magnitudes (n_channels, n_freq, n_frames) of a whole signal to a function, some frames at a time.

    Raises ParameterError if a block has a wrong type or shape, or holds NaN, Inf or a sample beyond 1e9.
    """

    def analyse(X: ComplexArray) -> Array:
        receive(np.abs(X).swapaxes(1, 2))
        return np.zeros((0, *X.shape), np.float32)

    analysis = Resynthesis(n_fft, n_channels, 0)
    n_in, dtype = 0, None
    for block in blocks:
        y = check_block(block, n_channels, n_in)
        if dtype not in (None, y.dtype):
            raise invalid("block", y.dtype, f"{dtype} as before", given=f"block is of type {y.dtype}")
        dtype, n_in = y.dtype, n_in + y.shape[1]
        analysis.advance(to_float(y), analyse)
    analysis.advance(np.zeros((n_channels, n_fft), np.float32), analyse)
