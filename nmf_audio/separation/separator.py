"""Separation: named sources out of one mixture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Checked, Constant
from nmf_audio._checks import check_number, check_whole, invalid, out_of_order
from nmf_audio._types import Array, ShareProgress
from nmf_audio.decompose import default_method, make_decomposition
from nmf_audio.decompose.base import Decomposition
from nmf_audio.decompose.fixed import SourcesDecomposition, normalise_atoms
from nmf_audio.decompose.trained import SeparatorDecomposition
from nmf_audio.defaults import RESIDUAL
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import BandMap, check_rate
from nmf_audio.dsp.samples import check_channels, check_samples, in_blocks
from nmf_audio.separation.free_atoms import MAX_FRAMES, FrameSampler, learn_free_atoms
from nmf_audio.separation.sources import (
    DictionaryLike,
    check_source_name,
    combine_plain_dictionaries,
    name_dictionaries,
)
from nmf_audio.separation.stream import (
    Parts,
    SeparationStream,
    check_mask_power,
    check_seed,
    divide_time,
    separate_blocks,
)

__all__ = ["Free", "Separator", "separate"]

Free = int | Mapping[str, int] | None

MAX_FREE = 1024


class Separator:
    """Separates mixtures into named sources and what remains.

    A separator holds no state of a signal: one may serve many signals and threads at the same time.

    Parameters
    ----------
    sources : mapping of str to dictionary, or iterable of dictionaries, or one
        The dictionaries of the sources: each a `Dictionary`, the name of a shipped one, or a file, of kind plain. The
        source of a dictionary of one source has the name of its file if none is given; a dictionary of several gives
        all of them. Or one dictionary that was trained to separate, alone.
    beta : float or None
        Divergence of the activations: 1 Kullback-Leibler, 0 Itakura-Saito, 2 Euclidean, or any from 0 to 3. None
        takes that of the dictionaries.
    mask_power : float or None
        Exponent p of the masks ``S_i**p / sum_j S_j**p`` on magnitudes, 0.1 to 20: 1 ratio mask, 2 Wiener filter
        (the default), larger ones approach a binary mask.
    free : int, mapping of one str to int, or None
        Number of atoms that are learned on the signal itself, for what no dictionary explains: that stays in the
        residual, or becomes the source of that name. This needs the whole signal, so there is no stream then.
    seed : int
        Of the randomness that free atoms start from.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    DictionaryError
        If a dictionary can't be used, or does not fit the others.

    Examples
    --------
    >>> import numpy as np
    >>> separator = Separator("plain", mask_power=1)
    >>> separator
    Separator(speech, noise; beta=1, mask_power=1)
    >>> y = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    >>> parts = separator.separate(y, 16000)
    >>> sorted(parts), bool(np.allclose(sum(parts.values()), y, atol=1e-6))
    (['noise', 'residual', 'speech'], True)
    """

    dictionaries = Constant[dict[str, Dictionary]]()
    sources = Constant[tuple[str, ...]]()
    free_source = Constant[str]()
    n_free = Constant[int]()
    beta = Constant[float | None]()
    seed = Checked(check_seed)

    def __init__(
        self,
        sources: Mapping[str, DictionaryLike] | Iterable[DictionaryLike] | DictionaryLike,
        *,
        beta: float | None = None,
        mask_power: float | None = None,
        free: Free = None,
        seed: int = 0,
    ) -> None:
        if beta is not None:
            beta = check_number("beta", beta, 0, 3)
        self.dictionaries = name_dictionaries(sources)
        if not self.dictionaries:
            raise invalid("sources", sources, "at least one dictionary")
        self.free_source, self.n_free = _read_free(free)
        self.seed = seed
        self._trained: Dictionary | None = None
        first = next(iter(self.dictionaries.values()))
        if first.kind != "plain" and len(self.dictionaries) == 1:
            self._trained = first
            self.sources = tuple(map(check_source_name, first.sources))
            self._spec, self._spectrum = first.spec, first.spectrum
            self._check_none("beta", beta)
            self._check_none("free", free)
            self.beta, self.mask_power = None, mask_power
            return
        plain = combine_plain_dictionaries(self.dictionaries, beta)
        if self.free_source in plain.atoms:
            raise invalid("free", self.free_source, "the name of a source without a dictionary")
        self._atoms, self._power = plain.atoms, plain.power
        self._spec, self._spectrum = plain.spec, plain.spectrum
        self.beta = plain.beta
        self.mask_power = mask_power
        named_free = (self.free_source,) if self.n_free and self.free_source != RESIDUAL else ()
        self.sources = (*self._atoms, *named_free)

    def __repr__(self) -> str:
        settings = [f"{name}={value:g}" for name, value in self.settings.items() if value is not None]
        if self.n_free:
            settings.append(f"free={self.n_free}")
        return f"Separator({', '.join(self.sources)}{'; ' if settings else ''}{', '.join(settings)})"

    @property
    def mask_power(self) -> float | None:
        """Exponent of the masks; None where a trained dictionary has its own."""
        return self._mask_power

    @mask_power.setter
    def mask_power(self, value: float | None) -> None:
        self._check_none("mask_power", value)
        self._mask_power = None if self._trained is not None else check_mask_power("mask_power", value)

    def _check_none(self, name: str, value: object) -> None:
        if value is not None and self._trained is not None:
            allowed = f"left out beside {self._trained.name!r}, a dictionary that was trained with its own"
            raise invalid(name, value, allowed)

    @property
    def settings(self) -> dict[str, float | None]:
        """Divergence and exponent of the masks; None where a trained dictionary has its own."""
        return {"beta": self.beta, "mask_power": self.mask_power}

    @property
    def n_passes(self) -> int:
        """Number of times that a file is read: 2 if atoms are learned on it."""
        return 2 if self.n_free else 1

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings, for reports."""
        free_source = self.free_source if self.n_free else None
        return {**self.settings, "free": self.n_free or None, "free_source": free_source, "seed": self.seed}

    def stream(self, sr: int, n_channels: int = 1) -> SeparationStream:
        """Return a new stream for one signal.

        Parameters
        ----------
        sr : int
            Sample rate in Hz, 4000 to 384000.
        n_channels : int
            Channels, 1 to 64. All get the same masks, so that every source keeps its stereo image.

        Returns
        -------
        SeparationStream

        Raises
        ------
        ParameterError
            If a value is not allowed, or atoms are to be learned on the signal itself.
        """
        if self.n_free:
            raise out_of_order(
                f"free={self.n_free} learns from the whole signal before its first sample can come out, so there is "
                "no stream",
                "use separate(), or leave free out",
            )
        return self._make_stream(sr, n_channels, {})

    def estimate_shares(self, seconds: float) -> tuple[float, float]:
        """Return about which share of the time for a signal goes into reading it first, and into learning from it."""
        n_learned = MAX_FRAMES * self._spec.frame_seconds / 2
        return divide_time(seconds, n_learned, reading=0.11, learning=0.8) if self.n_free else (0.0, 0.0)

    def learn(
        self,
        blocks: Iterable[npt.NDArray[Any]],
        sr: int,
        n_channels: int = 1,
        *,
        progress: ShareProgress | None = None,
    ) -> SeparationStream:
        """Learn the free atoms from a whole signal, and return the stream that separates it.

        Parameters
        ----------
        blocks : iterable of ndarray (n,) or (n_channels, n)
            The signal. Of long ones some frames are kept, evenly spread: memory does not grow with the length.
        sr : int
            Sample rate in Hz.
        n_channels : int
            Channels.
        progress : callable, optional
            Called with the share of the learning that is done, once all blocks were taken.

        Returns
        -------
        SeparationStream
            For the same signal from its beginning. Without free atoms no block is read.

        Raises
        ------
        ParameterError
            If a value is not allowed, or a block.
        """
        if not self.n_free:
            return self._make_stream(sr, n_channels, {})
        band_map = _make_band_map(self._spec, sr, n_channels)
        sampler = FrameSampler()
        stream = SeparationStream(sampler, self._spectrum, band_map, n_channels, sources=())
        for block in blocks:
            stream.process(block)
        W = np.concatenate(
            [normalise_atoms(atoms, band_map.n_observed) for atoms in self._atoms.values()], axis=1
        )
        assert self.beta is not None
        free = learn_free_atoms(
            sampler.frames(), W, self.n_free, beta=self.beta, power=self._power, rng=self.seed,
            progress=progress,
        )  # fmt: skip
        return self._make_stream(sr, n_channels, {self.free_source: free})

    def _make_stream(self, sr: int, n_channels: int, free: Mapping[str, Array]) -> SeparationStream:
        band_map = _make_band_map(self._spec, sr, n_channels)
        decomposition: Decomposition
        if self._trained is not None:
            decomposition = _make_trained(self._trained, band_map.n_observed)
        else:
            assert self.beta is not None
            assert self.mask_power is not None
            decomposition = SourcesDecomposition(
                {**self._atoms, **free},
                band_map.n_observed,
                beta=self.beta,
                power=self._power,
                mask_power=self.mask_power,
            )
        return SeparationStream(
            decomposition, self._spectrum, band_map, int(n_channels), sources=self.sources
        )

    def separate(self, y: npt.NDArray[Any], sr: int) -> Parts:
        """Separate a whole signal.

        Parameters
        ----------
        y : ndarray (n_samples,) or (n_channels, n_samples)
            Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31. It is computed in
            float32: 24 bits count.
        sr : int
            Sample rate in Hz.

        Returns
        -------
        dict of str to ndarray, shape and type of `y`
            Each source, and the rest as ``"residual"``; they add up to `y`, exactly in integers (unless one left
            their range: integers saturate), to one unit in the last place in floats.

        Raises
        ------
        ParameterError
            If `y` or `sr` is not allowed, or `y` holds NaN, Inf or a sample beyond 1e9.
        """
        y = check_samples(y)
        blocks = in_blocks(y)
        stream = self.learn(blocks, sr, 1 if y.ndim == 1 else y.shape[0])
        return separate_blocks(stream, blocks)


def separate(
    y: npt.NDArray[Any],
    sr: int,
    sources: Mapping[str, DictionaryLike] | Iterable[DictionaryLike] | DictionaryLike,
    *,
    beta: float | None = None,
    mask_power: float | None = None,
    free: Free = None,
    seed: int = 0,
) -> Parts:
    """Separate a mixture into named sources and what remains.

    Parameters
    ----------
    y, sr
        As in `Separator.separate`.
    sources, beta, mask_power, free, seed
        As in `Separator`.

    Returns
    -------
    dict of str to ndarray, shape and type of `y`
        Each source, and the rest as ``"residual"``; they add up to `y`.

    Raises
    ------
    ParameterError
        If an argument is not allowed.
    DictionaryError
        If a dictionary can't be used, or does not fit the others.

    Examples
    --------
    >>> import numpy as np
    >>> y = (1000 * np.random.default_rng(0).standard_normal(8000)).astype(np.int16)
    >>> parts = separate(y, 16000, "plain", free={"birds": 2})
    >>> sorted(parts), bool((sum(part.astype(int) for part in parts.values()) == y).all())
    (['birds', 'noise', 'residual', 'speech'], True)
    """
    return Separator(sources, beta=beta, mask_power=mask_power, free=free, seed=seed).separate(y, sr)


def _make_trained(dictionary: Dictionary, n_observed: int) -> Decomposition:
    if dictionary.kind == "separator":
        return SeparatorDecomposition(dictionary, n_observed)
    return make_decomposition(default_method(dictionary), dictionary, n_observed)


def _read_free(free: Free) -> tuple[str, int]:
    """Return the source and the number of free atoms."""
    if free is None:
        return RESIDUAL, 0
    name, n = RESIDUAL, free
    if isinstance(free, Mapping):
        if len(free) != 1:
            advice = "two sources without dictionaries can't be told apart"
            raise invalid("free", dict(free), "one name and its number of atoms", advice)
        name, n = next(iter(free.items()))
        check_source_name(name)
    return name, check_whole("free", n, 1, MAX_FREE)


def _make_band_map(spec: Any, sr: int, n_channels: int) -> BandMap:
    check_channels(n_channels)
    return BandMap(spec, check_rate(sr))
