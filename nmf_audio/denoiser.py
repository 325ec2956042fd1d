"""Denoising of signals and streams."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Checked, Constant
from nmf_audio._checks import check_callable, check_choice, check_flag, check_kind, check_number, invalid
from nmf_audio.decompose import METHODS, default_method, make_decomposition
from nmf_audio.defaults import (
    CHANNEL_MODES,
    DEFAULT_CHANNELS,
    DEFAULT_MIX,
    DEFAULT_REDUCTION_DB,
    DEFAULT_WARM_UP,
    PRESETS,
    STRENGTHS,
)
from nmf_audio.dictionary import Dictionary, load_dictionary
from nmf_audio.dsp.bands import BandMap, check_rate
from nmf_audio.dsp.gains import floor_from_db
from nmf_audio.dsp.samples import check_channels, check_samples, in_blocks, remainder
from nmf_audio.errors import DictionaryError
from nmf_audio.stream import IndependentStream, LinkedStream, Observer, Stream

__all__ = ["Denoiser", "check_denoiser", "check_warm_up", "denoise"]

LONGEST_WARM_UP = 60.0
"""Seconds; nothing gets better after a few."""


def check_warm_up(warm_up: Any) -> float:
    """Return the seconds that are to be heard beforehand; `ParameterError` if they are not 0 to 60."""
    return check_number("warm_up", warm_up, 0, LONGEST_WARM_UP, unit="s")


class Denoiser:
    """Keeps the speech of a recording and removes the rest.

    A denoiser holds no state of a signal: one may serve many signals and threads at the same time.

    Parameters
    ----------
    dictionary : Dictionary, str, path or None
        A dictionary, the name of a shipped one, a file, or None for the shipped one that fits the method.
    method : {'trained', 'adaptive', 'classic'} or None
        Method of decomposition; None takes the best for the dictionary.
    preset : {'speech', 'podcast', 'call', 'field', 'light', 'normal', 'strong'} or None
        What `reduction_db` and `mix` are where they are not given; docs/quality.md says how they were chosen.
    reduction_db : float or None
        Largest reduction of the noise, in decibels, 0 to 100; None for that of the preset, else 40.
    mix : float or None
        Share of the denoised signal in the output, 0 to 1; the rest is the input. None for that of the preset, or 1.
    channels : {'linked', 'independent'}
        Linked channels get the same gains, so that the stereo image stays; independent ones each their own, as for
        speakers with a microphone and a channel of their own.

    Attributes
    ----------
    dictionary : Dictionary
        The dictionary; it can't be changed.
    method : str
        How to decompose. This and the others can be changed, and are checked then; streams that were made stay as
        they are.
    reduction_db, mix : float
        As above.
    channels : str
        As above.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    DictionaryError
        If the dictionary can't be used, or does not fit the method.

    Examples
    --------
    >>> import numpy as np
    >>> denoiser = Denoiser(reduction_db=20)
    >>> denoiser.denoise(np.zeros((2, 48000), np.float32), 48000).shape
    (2, 48000)
    """

    dictionary = Constant[Dictionary]()
    reduction_db = Checked(partial(check_number, low=0, high=100))
    mix = Checked(partial(check_number, low=0, high=1))
    channels = Checked(partial(check_choice, choices=CHANNEL_MODES))

    def __init__(
        self,
        dictionary: Dictionary | str | os.PathLike[str] | None = None,
        *,
        method: str | None = None,
        preset: str | None = None,
        reduction_db: float | None = None,
        mix: float | None = None,
        channels: str = DEFAULT_CHANNELS,
    ) -> None:
        chosen = {"reduction_db": DEFAULT_REDUCTION_DB, "mix": DEFAULT_MIX}
        if preset is not None:
            presets = PRESETS | STRENGTHS
            chosen |= presets[check_choice("preset", preset, presets)]
        self.reduction_db = chosen["reduction_db"] if reduction_db is None else reduction_db
        self.mix = chosen["mix"] if mix is None else mix
        self.channels = channels
        if dictionary is None and method is not None:
            dictionary = METHODS[check_choice("method", method, METHODS)].shipped
        self.dictionary = load_dictionary(dictionary)
        self.method = default_method(self.dictionary) if method is None else method
        missing = {"speech", "noise"} - set(self.dictionary.sources)
        if missing:
            raise DictionaryError(
                f"dictionary {self.dictionary.name!r} has no {' and no '.join(sorted(missing))} atoms; "
                "both are needed to denoise"
            )

    def __repr__(self) -> str:
        settings = f"method={self.method!r}, reduction_db={self.reduction_db:g}, mix={self.mix:g}"
        independent = "" if self.channels == DEFAULT_CHANNELS else f", channels={self.channels!r}"
        return f"Denoiser({self.dictionary.name!r}, {settings}{independent})"

    @property
    def method(self) -> str:
        """How to decompose."""
        return self._method

    @method.setter
    def method(self, method: str) -> None:
        kind = METHODS[check_choice("method", method, METHODS)].kind
        if kind != self.dictionary.kind:
            raise DictionaryError(
                f"method {method!r} needs a dictionary of kind {kind!r}; "
                f"{self.dictionary.name!r} is of kind {self.dictionary.kind!r}"
            )
        self._method = method

    def stream(
        self,
        sr: int,
        n_channels: int = 1,
        *,
        observer: Observer | Sequence[Observer] | None = None,
    ) -> Stream:
        """Return a new stream for one signal.

        Parameters
        ----------
        sr : int
            Sample rate in Hz, 4000 to 384000.
        n_channels : int
            Channels, 1 to 64.
        observer : callable, or None; with independent channels one for each
            Called with the results of every few frames, see `Stream`; `nmf_audio.explain` uses it.

        Returns
        -------
        Stream

        Raises
        ------
        ParameterError
            If a value is not allowed.
        """
        n_channels = check_channels(n_channels)
        band_map = BandMap(self.dictionary.spec, check_rate(sr))
        n_streams = n_channels if self.channels == "independent" else 1
        observers = observer if isinstance(observer, Sequence) else [observer] * n_streams
        if len(observers) != n_streams or (n_streams > 1 and callable(observer)):
            raise invalid("observer", observer, f"one for each of {n_streams} streams")
        for one in observers:
            check_callable("observer", one)
        streams = [
            LinkedStream(
                make_decomposition(
                    self.method, self.dictionary, band_map.n_observed, keep_priors=observer is not None
                ),
                self.dictionary.spectrum,
                band_map,
                n_channels // n_streams,
                source="speech",
                floor_gain=floor_from_db(self.reduction_db),
                mix=self.mix,
                observer=one,
            )
            for one in observers
        ]
        return streams[0] if n_streams == 1 else IndependentStream(streams)

    @overload
    def denoise(
        self,
        y: npt.NDArray[Any],
        sr: int,
        *,
        noise: npt.NDArray[Any] | None = None,
        warm_up: float = DEFAULT_WARM_UP,
        keep_noise: Literal[False] = False,
    ) -> npt.NDArray[Any]: ...

    @overload
    def denoise(
        self,
        y: npt.NDArray[Any],
        sr: int,
        *,
        noise: npt.NDArray[Any] | None = None,
        warm_up: float = DEFAULT_WARM_UP,
        keep_noise: Literal[True],
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]: ...

    def denoise(
        self,
        y: npt.NDArray[Any],
        sr: int,
        *,
        noise: npt.NDArray[Any] | None = None,
        warm_up: float = DEFAULT_WARM_UP,
        keep_noise: bool = False,
    ) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Denoise a whole signal.

        Parameters
        ----------
        y : ndarray (n_samples,) or (n_channels, n_samples)
            Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31. It is computed in
            float32: 24 bits count.
        sr : int
            Sample rate in Hz.
        noise : ndarray (n,) or (n_channels, n), or None
            The noise alone at the same rate, for `Stream.prime`.
        warm_up : float
            Seconds of the signal that are heard before it is denoised, 0 to 60, so that its beginning comes out as
            clean as the rest. With 0 the result is that of a stream that was not primed with its beginning.
        keep_noise : bool
            Return what was removed, too.

        Returns
        -------
        ndarray, shape and type of `y`, or two of them
            The speech, aligned with the input. Integers saturate. With `keep_noise` a tuple of it and of what was
            removed, the input less the speech: the two add up to `y`, exactly in integers (unless one saturates), to
            one unit in the last place in floats.

        Raises
        ------
        ParameterError
            If an argument is not allowed, or `y` or `noise` holds NaN, Inf or a sample beyond 1e9.
        """
        y, keep_noise = check_samples(y), check_flag("keep_noise", keep_noise)
        stream = self.stream(sr, 1 if y.ndim == 1 else y.shape[0])
        stream.prime(noise, beginning=y[..., : round(check_warm_up(warm_up) * sr)])
        out = np.empty_like(y)
        position = 0
        for block in in_blocks(y):
            ready = stream.process(block)
            out[..., position : position + ready.shape[-1]] = ready
            position += ready.shape[-1]
        out[..., position:] = stream.flush()
        return (out, remainder(y, [out])) if keep_noise else out


def check_denoiser(denoiser: Denoiser | None) -> Denoiser:
    """Return the denoiser that is given, or a new one; `ParameterError` if it is something else."""
    if denoiser is None:
        return Denoiser()
    return check_kind("denoiser", denoiser, Denoiser, "make one first, or leave it out")


@overload
def denoise(
    y: npt.NDArray[Any],
    sr: int,
    *,
    dictionary: Dictionary | str | os.PathLike[str] | None = None,
    method: str | None = None,
    preset: str | None = None,
    reduction_db: float | None = None,
    mix: float | None = None,
    channels: str = DEFAULT_CHANNELS,
    noise: npt.NDArray[Any] | None = None,
    warm_up: float = DEFAULT_WARM_UP,
    keep_noise: Literal[False] = False,
) -> npt.NDArray[Any]: ...


@overload
def denoise(
    y: npt.NDArray[Any],
    sr: int,
    *,
    dictionary: Dictionary | str | os.PathLike[str] | None = None,
    method: str | None = None,
    preset: str | None = None,
    reduction_db: float | None = None,
    mix: float | None = None,
    channels: str = DEFAULT_CHANNELS,
    noise: npt.NDArray[Any] | None = None,
    warm_up: float = DEFAULT_WARM_UP,
    keep_noise: Literal[True],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]: ...


def denoise(
    y: npt.NDArray[Any],
    sr: int,
    *,
    dictionary: Dictionary | str | os.PathLike[str] | None = None,
    method: str | None = None,
    preset: str | None = None,
    reduction_db: float | None = None,
    mix: float | None = None,
    channels: str = DEFAULT_CHANNELS,
    noise: npt.NDArray[Any] | None = None,
    warm_up: float = DEFAULT_WARM_UP,
    keep_noise: bool = False,
) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the speech of a noisy signal.

    Parameters
    ----------
    y, sr, noise, warm_up, keep_noise
        As in `Denoiser.denoise`.
    dictionary, method, preset, reduction_db, mix, channels
        As in `Denoiser`.

    Returns
    -------
    ndarray, shape and type of `y`, or two of them
        The speech; with `keep_noise` a tuple of it and of what was removed.

    Raises
    ------
    ParameterError
        If an argument is not allowed.
    DictionaryError
        If the dictionary can't be used.

    Examples
    --------
    >>> import numpy as np
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    >>> bool(np.std(denoise(noise, 16000)[16000:]) < 0.3 * np.std(noise))
    True
    """
    denoiser = Denoiser(
        dictionary, method=method, preset=preset, reduction_db=reduction_db, mix=mix, channels=channels
    )
    if check_flag("keep_noise", keep_noise):
        return denoiser.denoise(y, sr, noise=noise, warm_up=warm_up, keep_noise=True)
    return denoiser.denoise(y, sr, noise=noise, warm_up=warm_up)
