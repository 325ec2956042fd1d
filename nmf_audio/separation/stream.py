"""Streams of several sources of one signal."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Constant
from nmf_audio._checks import check_number, check_whole, invalid
from nmf_audio._types import Array, ComplexArray, ShareProgress
from nmf_audio.decompose.analysis import Analysis
from nmf_audio.decompose.base import Decomposition
from nmf_audio.defaults import DEFAULT_MASK_POWER, RESIDUAL
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.highband import HighBandShares
from nmf_audio.dsp.overlap_add import Resynthesis
from nmf_audio.dsp.samples import from_float, remainder, to_float
from nmf_audio.stream import BlockStream, Masking

__all__ = [
    "Parts",
    "PartsStream",
    "SeparationStream",
    "SourceSeparator",
    "check_mask_power",
    "check_seed",
    "check_separator",
    "divide_time",
    "in_steps",
    "separate_blocks",
]

Parts = dict[str, npt.NDArray[Any]]


class PartsStream(BlockStream[Parts]):
    """A `BlockStream` of several sources, named in the masking's order, and of the residual."""

    sources = Constant[tuple[str, ...]]()

    def __init__(
        self, masking: Masking, sr: int, n_channels: int, latency: int, *, sources: Sequence[str]
    ) -> None:
        self.sources = tuple(sources)
        super().__init__(masking, sr, n_channels, latency)

    def _reset(self) -> None:
        super()._reset()
        self._waiting: npt.NDArray[Any] | None = None

    def __repr__(self) -> str:
        return super().__repr__().replace(" of ", f" of {', '.join(self.sources)}: ", 1)

    def _check_type(self, dtype: np.dtype[Any]) -> None:
        if self._waiting is not None and dtype != self._dtype:
            allowed = f"{self._dtype} as before"
            raise invalid("block", dtype, allowed, "or call reset()", given=f"block is of type {dtype}")

    def _advance(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        wet = self._mask(to_float(y))
        waiting = y if self._waiting is None else np.concatenate([self._waiting, y], axis=1)
        ready, self._waiting = waiting[:, : wet.shape[2]], waiting[:, wet.shape[2] :].copy()
        parts = [from_float(share, y.dtype) for share in wet]
        return np.stack([*parts, remainder(ready, parts)])

    @abstractmethod
    def _mask(self, y: Array) -> Array:
        """Take the next samples (n_channels, n); return what is complete, (n_sources, n_channels, m)."""

    def _shape(self, ready: npt.NDArray[Any]) -> Parts:
        parts = ready[:, 0] if self._ndim == 1 else ready
        return dict(zip((*self.sources, RESIDUAL), parts, strict=True))


class SourceSeparator(Protocol):
    """A separator of signals, of whatever method."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, without the residual."""

    @property
    def n_passes(self) -> int:
        """Number of times that a file is read: 2 if it is learned from before it is separated."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings, for reports."""

    def learn(self, blocks: Iterable[npt.NDArray[Any]], sr: int, n_channels: int = 1) -> PartsStream:
        """Learn from a whole signal, if that is needed, and return the stream that separates it."""


def divide_time(seconds: float, n_learned: float, *, reading: float, learning: float) -> tuple[float, float]:
    """Return about which share of the time for a signal goes into reading it first, and into learning from it.

    `reading` and `learning` are the times for a second of it, in that to separate one; `n_learned` is the
    most seconds that are learned from.
    """
    parts = (reading * seconds, learning * min(seconds, n_learned), seconds)
    return (parts[0] / sum(parts), parts[1] / sum(parts)) if seconds else (0.0, 0.0)


def in_steps(
    progress: ShareProgress | None, n_all: int, first: int = 0
) -> Callable[[int, float], None] | None:
    """Return the callback of a factorization that reports the share of all iterations, with those before."""
    return None if progress is None else lambda n_iter, cost: progress((first + n_iter) / n_all)


def check_separator(separator: Any) -> SourceSeparator:
    """Return a separator if it is one; raise ParameterError if not."""
    if isinstance(separator, type) or not hasattr(separator, "learn"):
        raise invalid("separator", separator, "a Separator, or another that has learn()", "make one first")
    found: SourceSeparator = separator
    return found


def check_mask_power(name: str, mask_power: Any) -> float:
    """Return an exponent of masks if it is one, the default one for None; raise ParameterError if not."""
    return check_number(name, DEFAULT_MASK_POWER if mask_power is None else mask_power, 0.1, 20)


def check_seed(name: str, seed: Any) -> int:
    """Return a seed if it is one; raise ParameterError if not."""
    return check_whole(name, seed, 0, 2**32 - 1)


def separate_blocks(stream: PartsStream, blocks: Iterable[npt.NDArray[Any]]) -> Parts:
    """Return all parts of a signal, given in blocks, at least one: an empty one gives the type."""
    pieces = [*map(stream.process, blocks), stream.flush()]
    return {name: np.concatenate([piece[name] for piece in pieces], axis=-1) for name in pieces[0]}


class SeparationStream(PartsStream):
    """A `PartsStream` through the bands of dictionaries; `Separator.stream` makes these.

    Parameters
    ----------
    decomposition : Decomposition
        Takes the first ``band_map.n_observed`` bands.
    spectrum : ndarray (n_bands,), float32
        Long-term spectrum by which bands are divided.
    band_map : BandMap
        Front end at the signal's rate. The latency is one frame of it.
    n_channels : int
        Channels of the signal; all get the same masks, so that every source keeps its stereo image.
    sources : sequence of str
        Sources of the decomposition to return. The others are left in the residual.

    Examples
    --------
    >>> import numpy as np
    >>> from nmf_audio import Separator
    >>> stream = Separator("plain").stream(16000)
    >>> block = np.random.default_rng(0).standard_normal(1600).astype(np.float32)
    >>> sorted(stream.process(block)), stream.flush()["speech"].shape
    (['noise', 'residual', 'speech'], (320,))
    """

    def __init__(
        self,
        decomposition: Decomposition,
        spectrum: Array,
        band_map: BandMap,
        n_channels: int,
        *,
        sources: Sequence[str],
    ) -> None:
        self._rows = [decomposition.sources.index(source) for source in sources]
        self._bands = band_map
        self._high = HighBandShares(band_map) if band_map.n_covered < band_map.n_freq else None
        self._analysis = Analysis(decomposition, spectrum, band_map)
        self._resynthesis = Resynthesis(band_map.n_fft, n_channels, len(self._rows))
        super().__init__(self._resynthesis, band_map.sr, n_channels, band_map.n_fft, sources=sources)

    def _reset(self) -> None:
        self._analysis.reset()
        super()._reset()

    def _mask(self, y: Array) -> Array:
        return self._resynthesis.advance(y, self._compute_gains)[1]

    def _compute_gains(self, X: ComplexArray) -> Array:
        """Return the gains (n_sources, n_frames, n_freq) of the next frames X (n_channels, n_frames, n_freq)."""
        joint, bands, _, estimate = self._analysis.process(X)
        masks = estimate.masks.swapaxes(1, 2)
        gains = np.empty((len(self._rows), *joint.shape), np.float32)
        n = self._bands.n_covered
        for i, row in enumerate(self._rows):
            gains[i, :, :n] = self._bands.spread(masks[row])
        if self._high is not None:
            gains[:, :, n:] = self._high.process(bands, masks)[self._rows, :, None]
        return gains
