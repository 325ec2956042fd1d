"""Systems to score: the recording as it is, the methods, parts of `adaptive`, stored results of others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmf_audio import Denoiser, Dictionary
from nmf_audio.decompose.adaptive import AdaptiveDecomposition, AdaptiveSettings
from nmf_audio.defaults import DEFAULT_REDUCTION_DB, DEFAULT_WARM_UP
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.gains import floor_from_db
from nmf_audio.stream import LinkedStream

__all__ = ["ABLATIONS", "NOISY", "System", "run"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class System:
    """One row of the table.

    Attributes
    ----------
    name : str
        Name of the row.
    method : str or None
        One of `nmf_audio.denoiser.METHODS`; None leaves the recording as it is.
    dictionary : str or None
        Name or path; None takes the shipped one that fits the method.
    settings : AdaptiveSettings or None
        Parts of the method ``adaptive`` that are used; None for the method as shipped.
    stored : Path or None
        Folder with finished results ``<pair>.npy`` at the pair's rate: a peer's.
    reduction_db : float
        The most that noise is pushed down.
    warm_up : float
        Seconds of the signal that are heard before it is denoised.
    """

    name: str
    method: str | None = None
    dictionary: str | None = None
    settings: AdaptiveSettings | None = None
    stored: Path | None = None
    reduction_db: float = DEFAULT_REDUCTION_DB
    warm_up: float = DEFAULT_WARM_UP


NOISY = System("noisy (nothing done)")

ABLATIONS = {
    "adaptive: tracker alone": AdaptiveSettings(speech_atoms=False, running_atoms=False),
    "adaptive: + speech atoms": AdaptiveSettings(speech_atoms=True, running_atoms=False),
    "adaptive: + running noise atoms": AdaptiveSettings(speech_atoms=True, running_atoms=True),
}
"""Each row adds a part to the one above."""


def run(system: System, y: Array, sr: int) -> tuple[Array, float | None]:
    """Return a system's output, and what it cost.

    Parameters
    ----------
    system : System
        Not one with stored results.
    y : ndarray (n_samples,) or (n_channels, n_samples), float32
        Noisy signal.
    sr : int
        Its rate in Hz.

    Returns
    -------
    y : ndarray, shape of `y`
        Denoised signal.
    cpu : float or None
        CPU seconds per second of audio, without loading; None if nothing was done.
    """
    if system.method is None:
        return y, None
    denoiser = _warm_denoiser(system.method, system.dictionary, system.reduction_db, sr)
    start = time.process_time()
    out = (
        denoiser.denoise(y, sr, warm_up=system.warm_up)
        if system.settings is None
        else _ablated(denoiser.dictionary, system.settings, system.warm_up, y, sr)
    )
    return out, (time.process_time() - start) * sr / y.shape[-1]


@lru_cache(maxsize=8)
def _warm_denoiser(method: str, dictionary: str | None, reduction_db: float, sr: int) -> Denoiser:
    denoiser = Denoiser(dictionary, method=method, reduction_db=reduction_db)
    denoiser.denoise(np.zeros(sr // 2, np.float32), sr)
    return denoiser


def _ablated(dictionary: Dictionary, settings: AdaptiveSettings, warm_up: float, y: Array, sr: int) -> Array:
    band_map = BandMap(dictionary.spec, sr)
    stream = LinkedStream(
        AdaptiveDecomposition(dictionary, band_map.n_observed, settings),
        dictionary.spectrum,
        band_map,
        1,
        source="speech",
        floor_gain=floor_from_db(DEFAULT_REDUCTION_DB),
        mix=1.0,
    )
    stream.prime(beginning=y[: round(warm_up * sr)])
    return np.concatenate([stream.process(y), stream.flush()])
