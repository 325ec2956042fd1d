"""What separators without dictionaries have in common: they hear whole signals before they take them apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_number
from nmf_audio.defaults import DEFAULT_MASK_POWER
from nmf_audio.dsp.bands import check_rate, frame_size
from nmf_audio.dsp.samples import check_channels, check_samples, in_blocks
from nmf_audio.errors import ParameterError
from nmf_audio.nmf.blas import single_blas
from nmf_audio.separation.collector import Collector, thin
from nmf_audio.separation.segments import Masker, SegmentMasking, joined, listen
from nmf_audio.separation.stream import Parts, PartsStream, check_mask_power, check_seed, take_apart

__all__ = ["Heard", "Take", "WholeSeparator", "check_weight", "separate_takes"]

Array = npt.NDArray[np.float32]

MAX_WEIGHT = 1e6
"""Of a penalty: nobody needs more, and far above it float32 overflows."""


class Take:
    """One signal to hear: blocks (n,) or (n_channels, n), and the number of channels."""

    def __init__(self, blocks: Iterable[npt.NDArray[Any]], n_channels: int) -> None:
        self.blocks, self.n_channels = blocks, n_channels


class WholeSeparator(ABC):
    """A separator that hears all of a signal, or of several that share sources, before it takes it apart.

    It holds no state of a signal: one may serve many signals and threads at the same time.

    Parameters
    ----------
    sources : sequence of str
        Names of the sources.
    frame_seconds : float
        Length of a frame.
    beta : float
        Divergence.
    mask_power : float or None
        Exponent of the masks on magnitudes, 0.1 to 20; None for the default.
    seed : int
        Of the randomness that atoms start from.

    Attributes
    ----------
    sources : tuple of str
        Names of the sources, without the residual.
    n_passes : int
        How often a file is read.
    needs_first : bool
        Whether of several signals the first must be there.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    n_passes = 2
    needs_first = False

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
        if beta not in (0, 1, 2):
            raise ParameterError(
                f"beta={beta!r}; allowed: 0, 1, 2 (1 Kullback-Leibler, 0 Itakura-Saito, 2 Euclidean)"
            )
        self.beta = float(beta)
        self.mask_power = check_mask_power(DEFAULT_MASK_POWER if mask_power is None else mask_power)
        self.seed = check_seed(seed)
        self._frame_seconds = frame_seconds
        self._power = 2.0 if self.beta == 0 else 1.0

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({settings})"

    @property
    def parameters(self) -> dict[str, Any]:
        """What was chosen, for reports."""
        return {"beta": self.beta, "mask_power": self.mask_power, "seed": self.seed}

    @abstractmethod
    def _learn(self, takes: Iterable[Take], sr: int, n_fft: int) -> Masker:
        """Hear signals, and return what masks them."""

    def learn(self, blocks: Iterable[npt.NDArray[Any]], sr: int, n_channels: int = 1) -> PartsStream:
        """Hear a whole signal, and return the stream that takes it apart.

        Parameters
        ----------
        blocks : iterable of ndarray (n,) or (n_channels, n)
            The signal.
        sr : int
            Sample rate in Hz.
        n_channels : int
            Channels.

        Returns
        -------
        PartsStream
            For the same signal from its beginning.

        Raises
        ------
        ParameterError
            If a value is not allowed, or a block.
        """
        return self.hear([Take(blocks, n_channels)], sr).learn((), sr, n_channels)

    def hear(self, takes: Iterable[Take], sr: int) -> Heard:
        """Hear several signals that share sources, and return a separator that takes any of them apart.

        Parameters
        ----------
        takes : iterable of Take
            The signals. Each counts as if it were as loud as the others.
        sr : int
            Sample rate of all, in Hz.

        Returns
        -------
        Heard

        Raises
        ------
        ParameterError
            If a value is not allowed, or a block.
        """
        n_fft = frame_size(check_rate(sr), self._frame_seconds)
        with single_blas:
            masker = self._learn(takes, sr, n_fft)
        return Heard(self, masker, sr, n_fft)

    def separate(self, y: npt.NDArray[Any], sr: int) -> Parts:
        """Take a whole signal apart.

        Parameters
        ----------
        y : ndarray (n_samples,) or (n_channels, n_samples)
            Samples, float32 or float64 with full scale 1.0, int16 or int32.
        sr : int
            Sample rate in Hz.

        Returns
        -------
        dict of str to ndarray, shape and type of `y`
            Each source, and the rest as ``"residual"``; they add up to `y` as `Separator.separate` says.

        Raises
        ------
        ParameterError
            If `y` or `sr` is not allowed, or `y` holds NaN or Inf (the message says where).
        """
        return separate_takes([y], sr, self)[0]

    def _excerpts(self, takes: Iterable[Take], n_fft: int) -> Array:
        """Return frames (n_channels, n_freq, n_frames) of all signals, each divided by its mean."""
        kept = []
        for take in takes:
            check_channels(take.n_channels)
            collector = Collector()
            listen(take.blocks, n_fft, take.n_channels, lambda S, c=collector: c.take(self._view(S)))  # type: ignore[misc]
            S = collector.frames()
            if S.shape[2]:
                kept.append(S / S.mean(dtype=np.float64).astype(np.float32))
                thin(kept)
        if any(len(S) != len(kept[0]) for S in kept):
            raise ParameterError(
                "the recordings have different numbers of channels; by place they must be equal"
            )
        return np.concatenate(kept, axis=2) if kept else np.zeros((1, n_fft // 2 + 1, 0), np.float32)

    def _view(self, S: Array) -> Array:
        """Return what of the channels' magnitudes is looked at: all joined, by default."""
        return joined(S)


class Heard:
    """A separator that has heard all, and takes those signals apart; `WholeSeparator.hear` makes it.

    Attributes
    ----------
    sources : tuple of str
        Names of the sources.
    n_passes : int
        1: nothing has to be heard again.
    """

    n_passes = 1

    def __init__(self, separator: WholeSeparator, masker: Masker, sr: int, n_fft: int) -> None:
        self.sources, self.parameters, self.sr = separator.sources, separator.parameters, sr
        self._masker, self._n_fft = masker, n_fft

    def learn(self, blocks: Iterable[npt.NDArray[Any]], sr: int, n_channels: int = 1) -> PartsStream:
        """Return the stream that takes one of the signals apart; arguments as of `WholeSeparator.learn`."""
        if sr != self.sr:
            raise ParameterError(f"sr={sr}; what was heard has {self.sr} Hz: recordings must have one rate")
        check_channels(n_channels)
        masking = SegmentMasking(self._masker, len(self.sources), self._n_fft, n_channels)
        return PartsStream(masking, sr, n_channels, masking.latency, sources=self.sources)


def separate_takes(ys: Sequence[npt.NDArray[Any]], sr: int, separator: WholeSeparator) -> list[Parts]:
    """Take several signals apart that share sources: one set of atoms, activations of their own for each.

    Parameters
    ----------
    ys : sequence of ndarray (n_samples,) or (n_channels, n_samples)
        Samples, float32 or float64 with full scale 1.0, int16 or int32.
    sr : int
        Sample rate of all, in Hz.
    separator : WholeSeparator
        How.

    Returns
    -------
    list of dict
        As `WholeSeparator.separate` returns, for each; a source has one name in all.

    Raises
    ------
    ParameterError
        If an argument is not allowed.
    """
    checked = [check_samples(y) for y in ys]
    takes = [Take(in_blocks(y), 1 if y.ndim == 1 else len(y)) for y in checked]
    heard = separator.hear(takes, sr)
    return [take_apart(heard.learn((), sr, take.n_channels), take.blocks) for take in takes]


def check_weight(name: str, value: Any) -> float:
    """Return the weight of a penalty, if it is one."""
    return check_number(name, value, 0, MAX_WEIGHT)
