"""The one path that every signal takes, as an object: a file is a stream that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.decompose.analysis import Analysis
from nmf_audio.decompose.base import Decomposition, Estimate
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.highband import HighBandGain
from nmf_audio.dsp.overlap_add import ComplexArray, Resynthesis
from nmf_audio.dsp.samples import check_finite, check_samples, from_float, to_float
from nmf_audio.errors import ParameterError

__all__ = ["Observer", "Stream"]

Array = npt.NDArray[np.float32]

Observer = Callable[[Array, Array, Estimate, Array], None]


class Stream:
    """Keeps one source of an endless signal, block by block.

    `Denoiser.stream` makes these. Blocks may have any length, 0 and 1 included; the output does not depend on how
    the signal is cut. A stream belongs to one signal and one thread.

    Parameters
    ----------
    decomposition : Decomposition
        Takes the first ``band_map.n_observed`` bands.
    spectrum : ndarray (n_bands,), float32
        Long-term speech spectrum of the dictionary.
    band_map : BandMap
        Front end at the signal's rate.
    n_channels : int
        Channels of the signal.
    source : str
        Which of the decomposition's sources to keep.
    floor_gain : float
        Smallest gain that is applied, in [0, 1].
    mix : float
        1 gives the kept source alone, 0 the signal as it came in.
    observer : callable or None
        Is given what was found in every few frames: band magnitudes and normalised bands (n_frames, n_observed),
        the estimate, and the gains (n_frames, n_freq) that are applied.

    Attributes
    ----------
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    latency : int
        Samples of one frame: output sample n is returned once input sample ``n + latency - 1`` is in.

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
        self.sr, self.n_channels, self.latency = band_map.sr, n_channels, band_map.n_fft
        self._source = decomposition.sources.index(source)
        self._bands = band_map
        self._high = HighBandGain(band_map) if band_map.n_covered < band_map.n_freq else None
        self._observer = observer
        self._floor, self._mix = np.float32(floor_gain), np.float32(mix)
        self._noise: Array | None = None
        self._analysis = Analysis(decomposition, spectrum, band_map)
        self._resynthesis = Resynthesis(band_map.n_fft, n_channels, 1, self._gains)
        self.reset()

    def __repr__(self) -> str:
        return f"<Stream of {self.n_channels} channels at {self.sr} Hz, latency {self.latency} samples>"

    def reset(self) -> None:
        """Forget everything that came in; the same input then gives the same output to the bit.

        What `prime` was given is not forgotten.
        """
        self._analysis.reset()
        if self._high is not None:
            self._high.reset()
        self._start()
        if self._noise is not None:
            self._advance(self._noise)
            # the noise is known now, the signal's level is not: it may be far above the noise's
            self._analysis.reset_normaliser()
            self._start()

    def _start(self) -> None:
        """Put the signal's clock and buffers to its beginning."""
        self._resynthesis.reset()
        self._queue = np.zeros((self.n_channels, 0), np.float32)
        self._n_in = self._n_out = 0
        self._fixed: bool | None = None
        self._dtype: npt.DTypeLike = np.float32
        self._ndim = 1 if self.n_channels == 1 else 2

    def prime(self, noise: npt.NDArray[Any]) -> None:
        """Let the stream hear the noise alone before the signal begins, so that it knows it from the first word on.

        Call it before the first block, or after `reset`; it holds until it is called again.

        Parameters
        ----------
        noise : ndarray (n,) or (n_channels, n)
            A second or more of the noise at the signal's rate, as loud as in the signal; (n,) stands for all
            channels.

        Raises
        ------
        ParameterError
            If the noise has a wrong type or shape or holds NaN or Inf, or if the signal has begun.

        Examples
        --------
        >>> import numpy as np
        >>> from nmf_audio import Denoiser
        >>> stream = Denoiser().stream(16000)
        >>> stream.prime(0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32))
        """
        if self._n_in:
            raise ParameterError(
                f"the signal has begun ({self._n_in} samples are in); call reset() before prime()"
            )
        y = np.atleast_2d(check_samples(noise, 1 if np.ndim(noise) == 1 else self.n_channels))
        check_finite(y)
        self._noise = np.repeat(to_float(y), self.n_channels // len(y), axis=0)
        self.reset()

    def process(self, block: npt.NDArray[Any], *, fixed: bool = False) -> npt.NDArray[Any]:
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
        ndarray (m,) or (n_channels, m), of the block's type
            The next output samples. Without `fixed` they start where the input starts, and all but the last
            `latency` of the samples that came in have come out.

        Raises
        ------
        ParameterError
            If the block has a wrong type or shape or holds NaN or Inf (nothing of it is then taken), or if `fixed`
            changed.
        """
        y = np.atleast_2d(check_samples(block, self.n_channels))
        if self._fixed is not None and fixed != self._fixed:
            raise ParameterError(f"fixed={fixed}; it was {self._fixed} before; call reset() to change it")
        check_finite(y, self._n_in)
        if self._fixed is None and fixed:
            self._queue = np.zeros((self.n_channels, self.latency), np.float32)
        self._fixed, self._dtype, self._ndim = fixed, block.dtype, block.ndim
        self._n_in += y.shape[1]
        ready = self._advance(to_float(y))
        if fixed:
            self._queue = np.concatenate([self._queue, ready], axis=1)
            ready, self._queue = np.split(self._queue, [y.shape[1]], axis=1)
        return self._shaped(ready)

    def flush(self) -> npt.NDArray[Any]:
        """End the signal and return the rest of it, so that all that came in has come out; then reset.

        Returns
        -------
        ndarray (m,) or (n_channels, m)
            The rest, at most `latency` samples, of the last block's type.
        """
        missing = self._n_in - self._n_out
        tail = self._advance(np.zeros((self.n_channels, self.latency), np.float32))[:, :missing]
        result = self._shaped(np.concatenate([self._queue, tail], axis=1))
        self.reset()
        return result

    def _shaped(self, y: Array) -> npt.NDArray[Any]:
        return from_float(y[0] if self._ndim == 1 else y, self._dtype)

    def _advance(self, y: Array) -> Array:
        """Run all frames that `y` completes; return the samples that they complete."""
        dry, (wet,) = self._resynthesis.advance(y)
        self._n_out += wet.shape[1]
        if self._mix == 1:
            kept: Array = wet
            return kept
        mixed: Array = dry + self._mix * (wet - dry)
        return mixed

    def _gains(self, X: ComplexArray) -> Array:
        """Return the gains (1, n_frames, n_freq) that all channels X (n_channels, n_frames, n_freq) share."""
        joint, bands, normalised, estimate = self._analysis.process(X)
        mask = estimate.masks[self._source].T
        gains = np.empty_like(joint)
        n = self._bands.n_covered
        gains[:, :n] = self._bands.spread(mask)
        if self._high is not None:
            gains[:, n:] = self._high.process(joint[:, n:], bands, mask)
        floored: Array = np.maximum(gains, self._floor)
        if self._observer is not None:
            self._observer(bands, normalised, estimate, floored)
        return floored[None]
