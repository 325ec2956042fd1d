"""Streams: signals processed block by block, with state."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Constant
from nmf_audio._checks import invalid, out_of_order
from nmf_audio._types import Array, ComplexArray
from nmf_audio.decompose.analysis import AnalysedFrames, Analysis
from nmf_audio.decompose.base import Decomposition
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.highband import HighBandGain
from nmf_audio.dsp.overlap_add import Resynthesis
from nmf_audio.dsp.samples import check_block, check_samples, from_float, to_float

__all__ = ["BlockStream", "IndependentStream", "LinkedStream", "Masking", "Observer", "Stream"]

Samples = npt.NDArray[Any]
Output = TypeVar("Output")

Observer = Callable[[AnalysedFrames, Array, Array], None]
"""Takes what was found in the next frames, the gains of the kept source, and those that are applied."""


class Masking(Protocol):
    """Masks a signal, with state: `Resynthesis`, or a class that works on longer segments."""

    def reset(self) -> None:
        """Return to the beginning of a signal."""


class _Entrance:
    """A context that one thread at a time may be in; others don't wait, but are refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            busy = "a call of this stream has not returned yet: one stream, one thread at a time"
            raise out_of_order(busy, "make a stream for each thread")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class BlockStream(ABC, Generic[Output]):
    """A signal of any length, block by block: the clock, types, channels and delays of all streams.

    Blocks may have any length, 0 and 1 included; the output does not depend on how the signal is cut. A stream
    processes one signal, and one thread at a time may call it: a call while another is running raises ParameterError.

    Parameters
    ----------
    masking : Masking
        Separates the sources.
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels of the signal.
    latency : int
        The delay of the masking in samples.

    Attributes
    ----------
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    latency : int
        Output sample n is returned once input sample ``n + latency - 1`` is in.
    """

    sr = Constant[int]()
    n_channels = Constant[int]()
    latency = Constant[int]()

    def __init__(self, masking: Masking, sr: int, n_channels: int, latency: int) -> None:
        self.sr, self.n_channels, self.latency = sr, n_channels, latency
        self._masking, self._entrance = masking, _Entrance()
        self._reset()

    def __repr__(self) -> str:
        name = f"{type(self).__name__} of {self.n_channels} channels"
        return f"<{name} at {self.sr} Hz, latency {self.latency} samples>"

    def reset(self) -> None:
        """Forget all input, but not what was given to `Stream.prime`; the same input gives the same output again."""
        with self._entrance:
            self._reset()
            self._prepare()

    def _prepare(self) -> None:
        """Do now what the first block would have to wait for."""

    def _reset(self) -> None:
        self._masking.reset()
        self._n_in = self._n_out = 0
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        self._ndim = 1 if self.n_channels == 1 else 2
        self._fixed: bool | None = None
        self._delayed: Samples | None = None

    def process(self, block: Samples, *, fixed: bool = False) -> Output:
        """Take the next block and return what is ready.

        Parameters
        ----------
        block : ndarray (n,) or (n_channels, n)
            Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31.
        fixed : bool
            Return exactly as many samples as came in, delayed by `latency` (the first are zeros): what an audio
            callback needs. A stream is either fixed or not, until it is reset.

        Returns
        -------
        ndarray (m,) or (n_channels, m), of the block's type, or a dict of such
            The next output samples; of several sources a dict with all of them and, as ``"residual"``, the signal
            less all of them. Without `fixed` they start where the input starts, and all but the last `latency` of
            the samples that came in have come out.

        Raises
        ------
        ParameterError
            If the block has a wrong type or shape, or holds NaN, Inf or a sample beyond 1e9 (no sample of it is then
            taken), or if `fixed` or, with several sources, the type changed.
        """
        with self._entrance:
            return self._process(block, fixed)

    def flush(self) -> Output:
        """End the signal, return the rest of the output, and reset.

        Returns
        -------
        ndarray (m,) or (n_channels, m), or a dict of such
            The rest, at most `latency` samples, of the last block's type.
        """
        with self._entrance:
            missing = self._n_in - self._n_out
            silence = np.zeros((self.n_channels, self.latency), self._dtype)
            rest = self._advance(silence)[:, :, :missing]
            if self._delayed is not None:
                rest = np.concatenate([self._delayed, rest], axis=2)
            result = self._shape(rest)
            self._reset()
            return result

    def _process(self, block: Samples, fixed: bool) -> Output:
        y = check_block(block, self.n_channels, self._n_in)
        if self._fixed not in (None, fixed):
            raise invalid("fixed", fixed, f"{self._fixed}, as it was before", "call reset() to change it")
        self._check_type(y.dtype)
        self._fixed, self._dtype, self._ndim = fixed, y.dtype, block.ndim
        self._n_in += y.shape[1]
        ready = self._advance(y)
        self._n_out += ready.shape[2]
        if fixed:
            if self._delayed is None:
                self._delayed = np.zeros((*ready.shape[:2], self.latency), ready.dtype)
            self._delayed = np.concatenate([self._delayed, ready], axis=2)
            ready, self._delayed = np.split(self._delayed, [y.shape[1]], axis=2)
        return self._shape(ready)

    def _check_type(self, dtype: np.dtype[Any]) -> None:
        """Raise ParameterError if blocks of this type can't follow those before."""

    @abstractmethod
    def _advance(self, y: Samples) -> Samples:
        """Run all frames that `y` (n_channels, n) completes; return what they complete (n_outputs, n_channels, m)."""

    @abstractmethod
    def _shape(self, ready: Samples) -> Output:
        """Return samples (n_outputs, n_channels, m) in the form in which the caller gave them."""


class Stream(BlockStream[Samples]):
    """A `BlockStream` that keeps one source; `Denoiser.stream` makes these.

    Examples
    --------
    >>> import numpy as np
    >>> from nmf_audio import Denoiser
    >>> stream = Denoiser().stream(16000)
    >>> noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    >>> parts = [stream.process(noise[i : i + 160]) for i in range(0, 4000, 160)]
    >>> np.concatenate([*parts, stream.flush()]).shape
    (4000,)
    """

    _noise: Array | None = None
    _beginning: Array | None = None

    def prime(self, noise: Samples | None = None, *, beginning: Samples | None = None) -> None:
        """Learn the noise before the signal begins, so that it is removed from the first word on.

        Call it before the first block, or after `reset`; what is given is kept until the next call. Primed with the
        first two seconds of a signal as its `beginning`, a stream returns what `Denoiser.denoise` does.

        Parameters
        ----------
        noise : ndarray (n,) or (n_channels, n), or None
            A second or more of the noise alone at the signal's rate, as loud as in the signal; (n,) stands for all
            channels.
        beginning : ndarray (n,) or (n_channels, n), or None
            The first seconds of the signal itself, or of one like it: speech, noise and level are learned from it.
            It is heard after the noise.

        Raises
        ------
        ParameterError
            If one of them has a wrong type or shape, or holds NaN, Inf or a sample beyond 1e9, or if the signal has
            begun.

        Examples
        --------
        >>> import numpy as np
        >>> from nmf_audio import Denoiser
        >>> stream = Denoiser().stream(16000)
        >>> stream.prime(0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32))
        """
        with self._entrance:
            if self._n_in:
                begun = f"the signal has begun ({self._n_in} samples are in)"
                raise out_of_order(begun, "call reset() before prime()")
            given = self._check_heard(noise, "noise"), self._check_heard(beginning, "beginning")
            self._noise, self._beginning = given
            self._reset()
            self._prepare()

    def _check_heard(self, y: Samples | None, name: str) -> Array | None:
        """Return samples (n_channels, n) that are heard before the signal."""
        if y is None:
            return None
        n_channels = None if getattr(y, "ndim", 1) == 1 else self.n_channels
        checked = np.atleast_2d(check_samples(y, n_channels, name=name))
        return np.repeat(to_float(checked), self.n_channels // len(checked), axis=0)

    def _shape(self, ready: Samples) -> Samples:
        return from_float(ready[0, 0] if self._ndim == 1 else ready[0], self._dtype)


class LinkedStream(Stream):
    """A `Stream` whose channels get the same gains, and which keeps one `source` of the decomposition.

    `floor_gain` is the smallest gain, `mix` the share of the result. The `observer` is called with the results
    of every few frames (`AnalysedFrames`: magnitudes, bands, estimate), the gains (n_frames, n_freq) of the
    kept source, and those that are applied: with the floor and the mix.
    """

    def __init__(
        self,
        decomposition: Decomposition,
        spectrum: Array,
        band_map: BandMap,
        n_channels: int,
        *,
        source: str,
        floor_gain: float,
        mix: float,
        observer: Observer | None = None,
    ) -> None:
        self._source = decomposition.sources.index(source)
        self._bands = band_map
        self._high = HighBandGain(band_map) if band_map.n_covered < band_map.n_freq else None
        self._observer = observer
        self._floor, self._mix = np.float32(floor_gain), np.float32(mix)
        self._analysis = Analysis(decomposition, spectrum, band_map)
        self._resynthesis = Resynthesis(band_map.n_fft, n_channels, 1)
        super().__init__(self._resynthesis, band_map.sr, n_channels, band_map.n_fft)

    def _reset(self) -> None:
        self._analysis.reset()
        if self._high is not None:
            self._high.reset()
        super()._reset()
        # not yet: after a flush there is seldom another signal
        self._is_prepared = False

    def _prepare(self) -> None:
        if self._is_prepared:
            return
        self._is_prepared = True
        if self._noise is not None:
            self._hear(self._noise)
            # the noise is known now, the signal's level is not: it may be far above the noise's
            self._analysis.reset_normaliser()
        if self._beginning is not None:
            self._hear(self._beginning)

    def _hear(self, y: Array) -> None:
        """Learn from what is no part of the signal."""
        observer, self._observer = self._observer, None
        self._resynthesis.advance(y, self._compute_gains)
        self._observer = observer
        self._resynthesis.reset()

    def _advance(self, y: Samples) -> Samples:
        self._prepare()
        dry, wet = self._resynthesis.advance(to_float(y), self._compute_gains)
        return wet if self._mix == 1 else dry + self._mix * (wet - dry)

    def _compute_gains(self, X: ComplexArray) -> Array:
        """Return the gains (1, n_frames, n_freq) that all channels X (n_channels, n_frames, n_freq) share."""
        found = self._analysis.process(X)
        joint = found.joint
        mask = found.estimate.masks[self._source].T
        gains = np.empty_like(joint)
        n = self._bands.n_covered
        gains[:, :n] = self._bands.spread(mask)
        if self._high is not None:
            gains[:, n:] = self._high.process(joint[:, n:], found.bands, mask)
        floored: Array = np.maximum(gains, self._floor)
        if self._observer is not None:
            applied = floored if self._mix == 1 else 1 + self._mix * (floored - 1)
            self._observer(found, gains, applied)
        return floored[None]


class IndependentStream(Stream):
    """A `Stream` of which each channel has one of its own: speakers with a microphone each."""

    def __init__(self, streams: Sequence[LinkedStream]) -> None:
        self._streams = streams
        first = streams[0]
        super().__init__(first._masking, first.sr, len(streams), first.latency)

    def _reset(self) -> None:
        for i, stream in enumerate(self._streams):
            stream._noise = None if self._noise is None else self._noise[i : i + 1]
            stream._beginning = None if self._beginning is None else self._beginning[i : i + 1]
            stream._reset()
        super()._reset()

    def _prepare(self) -> None:
        for stream in self._streams:
            stream._prepare()

    def _advance(self, y: Samples) -> Samples:
        channels = [stream._advance(y[i : i + 1]) for i, stream in enumerate(self._streams)]
        return np.concatenate(channels, axis=1)
