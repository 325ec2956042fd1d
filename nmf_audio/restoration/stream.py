"""Restoration of a signal block by block, in sections that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Constant
from nmf_audio._checks import invalid, out_of_order
from nmf_audio._types import AnyArray
from nmf_audio.dsp.samples import FULL_SCALE, check_block, from_float
from nmf_audio.nmf.blas import single_blas
from nmf_audio.restoration.faults import ClipLevels, Span, find_dropouts
from nmf_audio.restoration.filling import fill
from nmf_audio.restoration.missing_samples import Unknown

__all__ = ["Channel", "RestorationStream"]

SECTION_SECONDS = 0.5
CLIPPED_CONTEXT_SECONDS, CONTEXT_SECONDS = 0.2, 0.4
"""Known sound on both sides from which clipped samples, and gaps, are estimated."""

MOST_LOST = 0.7
"""Share of a section that is clipped, beyond which too little of it is known and it is left as it is."""


@dataclass
class Channel:
    """What is known of a channel beforehand, and what was restored in it.

    Parameters
    ----------
    levels : ClipLevels
        Where it is clipped.
    rms : float
        Root mean square of all of it.
    step : float
        Size of its smallest sample that is not zero: its quantization.
    gaps : sequence of Span or None
        Its gaps, ascending; None to look for drop-outs.
    n_clipped : int
        Clipped samples that were restored.
    filled : list of Span
        Gaps that were filled.
    n_left : int
        Lost samples that were left as they are, since too much beside them is lost.
    """

    levels: ClipLevels
    rms: float
    step: float
    gaps: Sequence[Span] | None
    n_clipped: int = 0
    filled: list[Span] = field(default_factory=list)
    n_left: int = 0


class RestorationStream:
    """A signal that is restored block by block; `Restorer.learn` makes these.

    Blocks may have any length, and the output does not depend on how the signal is cut. Samples that are not lost
    come out as they came in.

    Attributes
    ----------
    sr, n_channels : int
        Sample rate in Hz, and channels.
    latency : int
        Output sample n is returned once input sample ``n + latency - 1`` is in.
    channels : tuple of Channel
        What was restored so far.
    """

    sr = Constant[int]()
    n_channels = Constant[int]()
    latency = Constant[int]()
    channels = Constant[tuple[Channel, ...]]()

    def __init__(self, sr: int, channels: Sequence[Channel]) -> None:
        self.sr, self.n_channels, self.channels = sr, len(channels), tuple(channels)
        self._section, self._context = round(SECTION_SECONDS * sr), round(CONTEXT_SECONDS * sr)
        self.latency = self._section + self._context
        self._waiting: AnyArray | None = None
        """From the context before the next section on; what is before the section is restored."""
        self._first = 0
        """Number of the first sample of these."""
        self._next = 0
        """Number of the first sample that did not come out."""
        self._done = [0] * self.n_channels
        """Of each channel: before which sample nothing is to be restored any more."""
        self._ndim = 1
        self._has_ended = False

    def __repr__(self) -> str:
        name = f"{type(self).__name__} of {self.n_channels} channels"
        return f"<{name} at {self.sr} Hz, latency {self.latency} samples>"

    @property
    def _n_in(self) -> int:
        return self._first + (0 if self._waiting is None else self._waiting.shape[1])

    def process(self, block: npt.NDArray[np.generic]) -> AnyArray:
        """Take the next block (n,) or (n_channels, n) and return what is ready, of its type.

        Raises
        ------
        ParameterError
            If the block has a wrong type or shape, or another type than those before, or holds NaN, Inf or a sample
            beyond 1e9, or if the signal has ended.
        """
        if self._has_ended:
            raise out_of_order("the signal was ended by flush()", "make another stream with Restorer.learn()")
        y = check_block(block, self.n_channels, self._n_in)
        if self._waiting is None:
            self._waiting = np.empty((self.n_channels, 0), y.dtype)
        if y.dtype != self._waiting.dtype:
            allowed = f"{self._waiting.dtype} as before"
            raise invalid("block", y.dtype, allowed, given=f"block is of type {y.dtype}")
        self._ndim = block.ndim
        self._waiting = np.concatenate([self._waiting, y], axis=1)
        ready = [self._waiting[:, :0]]
        while self._n_in >= self._next + self.latency:
            ready.append(self._restore_section(self._next + self._section))
        return self._shape(np.concatenate(ready, axis=1))

    def flush(self) -> AnyArray:
        """End the signal and return the rest."""
        self._has_ended = True
        if self._waiting is None:
            return self._shape(np.empty((self.n_channels, 0), np.float32))
        ready = [self._waiting[:, :0]]
        while self._next < self._n_in:
            ready.append(self._restore_section(min(self._next + self._section, self._n_in)))
        return self._shape(np.concatenate(ready, axis=1))

    def _shape(self, y: AnyArray) -> AnyArray:
        return y[0] if self._ndim == 1 else y

    @single_blas
    def _restore_section(self, end: int) -> AnyArray:
        """Restore the samples from the next one to `end`, and return them."""
        assert self._waiting is not None
        waiting = self._waiting[:, : end + self._context - self._first]
        for i, channel in enumerate(self.channels):
            self._restore_channel(waiting[i], channel, i, end)
        result = self._waiting[:, self._next - self._first : end - self._first].copy()
        self._next = end
        n_past = max(end - self._context - self._first, 0)
        self._waiting = self._waiting[:, n_past:].copy()
        self._first += n_past
        return result

    def _restore_channel(self, stored: AnyArray, channel: Channel, i: int, end: int) -> None:
        """Restore those samples in place that are lost before `end`, or in a gap that begins before it."""
        y = stored.astype(np.float64) / FULL_SCALE[stored.dtype.type]
        begin = self._next - self._first
        spans = self._find_gaps(y, channel, begin)
        in_gap = np.zeros(len(y), bool)
        for span in spans:
            in_gap[span.start : span.end] = True
        is_high, is_low = y >= channel.levels.high, y <= channel.levels.low
        lost = in_gap | is_high | is_low
        lost[: max(begin, self._done[i] - self._first)] = False
        owned = lost.copy()
        own_gaps = [span for span in spans if span.start < end - self._first]
        last_end = max([end - self._first, *(span.end for span in own_gaps)])
        owned[last_end:] = False
        owned[end - self._first : last_end] &= in_gap[end - self._first : last_end]
        self._done[i] = self._first + last_end
        positions = np.flatnonzero(owned)
        if not len(positions):
            return
        has_gaps = bool(in_gap[positions].any())
        context = round((CONTEXT_SECONDS if has_gaps else CLIPPED_CONTEXT_SECONDS) * self.sr)
        first, last = max(int(positions[0]) - context, 0), int(positions[-1]) + 1 + context
        around = slice(first, min(last, len(y)))
        if not has_gaps and len(positions) > MOST_LOST * (end - self._next):
            channel.n_left += len(positions)
            return
        missing = np.flatnonzero(lost[around])
        signs = np.where(is_low[around], -1.0, 1.0)[missing]
        levels = np.where(is_low[around], -channel.levels.low, channel.levels.high)[missing]
        # the bound is the sample itself: none comes out nearer to zero than it was
        bounds = np.where(in_gap[around][missing], -np.inf, np.maximum(levels, signs * y[around][missing]))
        x = fill(y[around], self.sr, Unknown(missing, signs, bounds))
        if x is None:
            channel.n_left += len(positions)
            return
        here = owned[around][missing]
        stored[first + missing[here]] = from_float(x[here], stored.dtype)
        channel.n_clipped += int(np.sum(~in_gap[positions]))
        channel.filled += [Span(*(self._first + n for n in span)) for span in own_gaps]

    def _find_gaps(self, y: AnyArray, channel: Channel, begin: int) -> list[Span]:
        """Return the gaps that begin in what is waiting, from `begin` on; one may end behind it."""
        if channel.gaps is None:
            found = find_dropouts(y, self.sr, channel.rms, channel.step)
        else:
            found = [Span(start - self._first, end - self._first) for start, end in channel.gaps]
        return [Span(start, min(end, len(y))) for start, end in found if begin <= start < len(y)]
