"""Restoration of recordings: `Restorer`, and `restore` for a whole signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Checked
from nmf_audio._checks import check_choice, check_number, conflict, invalid
from nmf_audio.dsp.bands import check_rate
from nmf_audio.dsp.samples import check_block, check_channels, check_samples, in_blocks, to_float
from nmf_audio.restoration.faults import MAX_GAP_SECONDS, ClipLevels, PeakCounter, Span
from nmf_audio.restoration.stream import Channel, RestorationStream

__all__ = ["FAULTS", "Gap", "Restorer", "check_gaps", "restore"]

FAULTS = ("clipping", "gaps")

Gap = tuple[float, float]
"""Start and end in seconds."""


def check_gaps(name: str, gaps: Any) -> tuple[Gap, ...] | None:
    """Return gaps in ascending order, or None; raise ParameterError if one is not allowed."""
    if gaps is None:
        return None
    allowed = f"pairs (start, end) of seconds, at most {MAX_GAP_SECONDS:g} s apart"
    advice = f"of longer gaps too little is known beside them to fill more than {MAX_GAP_SECONDS * 1000:g} ms"
    if isinstance(gaps, str) or not isinstance(gaps, Iterable):
        raise invalid(name, gaps, allowed)
    found = []
    for gap in gaps:
        if not isinstance(gap, Sequence) or isinstance(gap, str) or len(gap) != 2:
            raise invalid(name, gap, allowed)
        start, end = (check_number(name, second, 0) for second in gap)
        if not 0 < end - start <= MAX_GAP_SECONDS + 1e-9:
            raise invalid(name, (start, end), allowed, advice)
        found.append((start, end))
    found.sort()
    for before, after in pairwise(found):
        if after[0] < before[1]:
            raise invalid(name, after, f"behind the gap before it, which ends at {before[1]:g} s")
    return tuple(found)


def _check_faults(name: str, faults: Any) -> tuple[str, ...]:
    words = (faults,) if isinstance(faults, str) else faults
    if not isinstance(words, Iterable):
        raise invalid(name, faults, f"some of {', '.join(FAULTS)}")
    chosen = tuple(check_choice(name, word, FAULTS) for word in words)
    if not chosen:
        raise invalid(name, faults, f"some of {', '.join(FAULTS)}")
    return chosen


def _check_level(name: str, level: Any) -> float | None:
    return None if level is None else check_number(name, level, 0, 1e9, above=True)


class Restorer:
    """Fills in what a recording has lost: clipped samples, and gaps of up to 100 ms.

    Lost samples are estimated from those around them, by an Itakura-Saito factorization of the power spectrogram
    (Bilen, Ozerov & Perez 2015); `nmf_audio.restoration.missing_samples` has the equations. All others come back as
    they were, to the bit. No clipped sample comes back below the level at which it was clipped.

    Parameters
    ----------
    faults : sequence of {'clipping', 'gaps'}
        What is restored.
    clip_level : float or None
        Level, full scale being 1, from which samples up, and from its negative down, are clipped. None to find out: a
        channel is clipped where at least ten samples, and eight times as many as just below, are at its highest or
        lowest value. So clipping is not found if the level was changed unevenly after it, as by a lossy coding.
    gaps : sequence of (start, end) or None
        Gaps in seconds, each of up to 0.1 s, in all channels. None to find drop-outs: 1 to 100 ms of digital silence
        within sound.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 300 * np.arange(2000) / 8000)
    >>> found = Restorer().restore(np.clip(y, -0.9, 0.9), 8000)
    >>> bool(np.abs(found - y).max() < 0.05)
    True
    """

    faults = Checked(_check_faults)
    clip_level = Checked(_check_level)
    gaps = Checked(check_gaps)

    def __init__(
        self,
        *,
        faults: str | Sequence[str] = FAULTS,
        clip_level: float | None = None,
        gaps: Sequence[Gap] | None = None,
    ) -> None:
        self.faults, self.clip_level, self.gaps = faults, clip_level, gaps
        if "clipping" not in self.faults and self.clip_level is not None:
            raise conflict({"faults": self.faults, "clip_level": self.clip_level})
        if "gaps" not in self.faults and self.gaps:
            raise conflict({"faults": self.faults, "gaps": self.gaps[0]})

    def __repr__(self) -> str:
        return f"Restorer({', '.join(f'{name}={value}' for name, value in self.parameters.items())})"

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings, for reports."""
        return {"faults": self.faults, "clip_level": self.clip_level, "gaps": self.gaps}

    @property
    def n_passes(self) -> int:
        """Number of times that a file is read: 2 if faults are to be found."""
        finds_level = "clipping" in self.faults and self.clip_level is None
        finds_gaps = "gaps" in self.faults and self.gaps is None
        return 1 + (finds_level or finds_gaps)

    def learn(
        self, blocks: Iterable[npt.NDArray[Any]], sr: int, n_channels: int = 1, *, start: float = 0.0
    ) -> RestorationStream:
        """Find the faults in a signal, and return the stream that restores it from its beginning.

        Parameters
        ----------
        blocks : iterable of ndarray (n,) or (n_channels, n)
            All of the signal; not read if `n_passes` is 1.
        sr : int
            Sample rate in Hz.
        n_channels : int
            Channels.
        start : float
            Seconds at which the signal begins, where it is a part of what `gaps` counts from.

        Raises
        ------
        ParameterError
            If a value or a block is not allowed.
        """
        check_rate(sr)
        counters = [PeakCounter() for _ in range(check_channels(n_channels))]
        n_seen = 0
        for block in blocks if self.n_passes > 1 else ():
            y = check_block(block, n_channels, n_seen)
            n_seen += y.shape[1]
            for counter, samples in zip(counters, y, strict=True):
                counter.add(samples if samples.dtype.kind == "f" else to_float(samples))
        gaps: Sequence[Span] | None = [] if "gaps" not in self.faults else None
        if self.gaps is not None:
            in_samples = [
                Span(max(round((first - start) * sr), 0), round((last - start) * sr))
                for first, last in self.gaps
            ]
            gaps = [span for span in in_samples if span.start < span.end]
        return RestorationStream(
            sr, [Channel(self._find_levels(counter), counter.rms, counter.step, gaps) for counter in counters]
        )

    def _find_levels(self, counter: PeakCounter) -> ClipLevels:
        if "clipping" not in self.faults:
            return ClipLevels(np.inf, -np.inf)
        if self.clip_level is not None:
            return ClipLevels(self.clip_level, -self.clip_level)
        return counter.find_levels()

    def restore(self, y: npt.NDArray[Any], sr: int) -> npt.NDArray[Any]:
        """Restore a whole signal.

        Parameters
        ----------
        y : ndarray (n_samples,) or (n_channels, n_samples)
            Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31.
        sr : int
            Sample rate in Hz.

        Returns
        -------
        ndarray, shape and type of `y`
            The restored signal. Integers saturate: what was clipped at full scale needs floats to be restored.

        Raises
        ------
        ParameterError
            If `y` or `sr` is not allowed, or holds NaN, Inf or a sample beyond 1e9.
        """
        y = check_samples(y)
        blocks = in_blocks(y)
        stream = self.learn(blocks, sr, 1 if y.ndim == 1 else y.shape[0])
        return np.concatenate([*map(stream.process, blocks), stream.flush()], axis=-1)


def restore(
    y: npt.NDArray[Any],
    sr: int,
    *,
    faults: str | Sequence[str] = FAULTS,
    clip_level: float | None = None,
    gaps: Sequence[Gap] | None = None,
) -> npt.NDArray[Any]:
    """Fill in the clipped samples and the gaps of a signal; see `Restorer` for the parameters.

    Parameters
    ----------
    y : ndarray (n_samples,) or (n_channels, n_samples)
        Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31.
    sr : int
        Sample rate in Hz.
    faults : sequence of {'clipping', 'gaps'}
        What is restored.
    clip_level : float or None
        Level from which samples are clipped, or None to find it.
    gaps : sequence of (start, end) or None
        Gaps in seconds, or None to find them.

    Returns
    -------
    ndarray, shape and type of `y`
        The restored signal. Samples that were not lost are the same to the bit. Integers saturate.

    Raises
    ------
    ParameterError
        If an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    >>> broken = y.copy()
    >>> broken[2000:2160] = 0
    >>> bool(np.abs(restore(broken, 8000) - y).max() < 0.01)
    True
    """
    return Restorer(faults=faults, clip_level=clip_level, gaps=gaps).restore(y, sr)
