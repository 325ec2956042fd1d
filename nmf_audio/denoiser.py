"""Denoising of signals and streams."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_choice, check_number
from nmf_audio.decompose import METHODS, default_method, make_decomposition
from nmf_audio.defaults import DEFAULT_MIX, DEFAULT_REDUCTION_DB
from nmf_audio.dictionary import Dictionary, load_dictionary
from nmf_audio.dsp.bands import BandMap, check_rate
from nmf_audio.dsp.gains import floor_from_db
from nmf_audio.dsp.samples import check_channels, check_samples, in_blocks
from nmf_audio.errors import DictionaryError
from nmf_audio.stream import Observer, Stream

__all__ = ["Denoiser", "denoise"]


class Denoiser:
    """Keeps the speech of a recording and removes the rest.

    A denoiser holds no state of a signal: one may serve many signals and threads at the same time.

    Parameters
    ----------
    dictionary : Dictionary, str, path or None
        A dictionary, the name of a shipped one, a file, or None for the shipped one that fits the method.
    method : {'trained', 'adaptive', 'classic'} or None
        Method of decomposition; None takes the best for the dictionary.
    reduction_db : float
        Largest reduction of the noise, in decibels, 0 to 100.
    mix : float
        Share of the denoised signal in the output, 0 to 1; the rest is the input.

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

    def __init__(
        self,
        dictionary: Dictionary | str | os.PathLike[str] | None = None,
        *,
        method: str | None = None,
        reduction_db: float = DEFAULT_REDUCTION_DB,
        mix: float = DEFAULT_MIX,
    ) -> None:
        if method is not None:
            check_choice("method", method, METHODS)
        self.reduction_db = check_number("reduction_db", reduction_db, 0, 100)
        self.mix = check_number("mix", mix, 0, 1)
        if dictionary is None and method is not None:
            dictionary = METHODS[method].shipped
        self.dictionary = load_dictionary(dictionary)
        self.method = method or default_method(self.dictionary)
        if METHODS[self.method].kind != self.dictionary.kind:
            raise DictionaryError(
                f"method {self.method!r} needs a dictionary of kind {METHODS[self.method].kind!r}; "
                f"{self.dictionary.name!r} is of kind {self.dictionary.kind!r}"
            )
        missing = {"speech", "noise"} - set(self.dictionary.sources)
        if missing:
            raise DictionaryError(
                f"dictionary {self.dictionary.name!r} has no {' and no '.join(sorted(missing))} atoms; "
                "both are needed to denoise"
            )

    def __repr__(self) -> str:
        settings = f"method={self.method!r}, reduction_db={self.reduction_db:g}, mix={self.mix:g}"
        return f"Denoiser({self.dictionary.name!r}, {settings})"

    def stream(
        self,
        sr: int,
        n_channels: int = 1,
        *,
        observer: Observer | None = None,
    ) -> Stream:
        """Return a new stream for one signal.

        Parameters
        ----------
        sr : int
            Sample rate in Hz, 4000 to 384000.
        n_channels : int
            Channels, 1 to 64. All get the same gains, so that the stereo image stays.
        observer : callable or None
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
        return Stream(
            make_decomposition(
                self.method, self.dictionary, band_map.n_observed, keep_priors=observer is not None
            ),
            self.dictionary.spectrum,
            band_map,
            n_channels,
            source="speech",
            floor_gain=floor_from_db(self.reduction_db),
            mix=self.mix,
            observer=observer,
        )

    def denoise(
        self, y: npt.NDArray[Any], sr: int, *, noise: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
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

        Returns
        -------
        ndarray, shape and type of `y`
            The speech, aligned with the input. Integers saturate.

        Raises
        ------
        ParameterError
            If `y` or `sr` is not allowed, or `y` holds NaN, Inf or a sample beyond 1e9.
        """
        y = check_samples(y)
        stream = self.stream(sr, 1 if y.ndim == 1 else y.shape[0])
        if noise is not None:
            stream.prime(noise)
        out = np.empty_like(y)
        position = 0
        for block in in_blocks(y):
            ready = stream.process(block)
            out[..., position : position + ready.shape[-1]] = ready
            position += ready.shape[-1]
        out[..., position:] = stream.flush()
        return out


def denoise(
    y: npt.NDArray[Any],
    sr: int,
    *,
    dictionary: Dictionary | str | os.PathLike[str] | None = None,
    method: str | None = None,
    reduction_db: float = DEFAULT_REDUCTION_DB,
    mix: float = DEFAULT_MIX,
    noise: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Return the speech of a noisy signal; see `Denoiser` for the parameters.

    Parameters
    ----------
    y : ndarray (n_samples,) or (n_channels, n_samples)
        Samples: float32 or float64 with full scale 1.0, int16 with 2**15, int32 with 2**31. It is computed in
        float32: 24 bits count.
    sr : int
        Sample rate in Hz.
    dictionary : Dictionary, str, path or None
        A dictionary, the name of a shipped one, a file, or None.
    method : {'trained', 'adaptive', 'classic'} or None
        Method of decomposition.
    reduction_db : float
        Largest reduction of the noise, in decibels.
    mix : float
        Share of the denoised signal in the output.
    noise : ndarray (n,) or (n_channels, n), or None
        The noise alone at the same rate, for `Stream.prime`.

    Returns
    -------
    ndarray, shape and type of `y`

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
    denoiser = Denoiser(dictionary, method=method, reduction_db=reduction_db, mix=mix)
    return denoiser.denoise(y, sr, noise=noise)
