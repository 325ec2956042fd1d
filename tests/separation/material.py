"""Two instruments that share no tone, their dictionaries, and a mixture of known sources."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import BandMap, FrontEndSpec
from nmf_audio.dsp.stft import stft
from nmf_audio.nmf import factorize

Array = npt.NDArray[np.float32]

LOW = (220.0, 277.0, 330.0)
HIGH = (523.0, 659.0, 784.0)


def melody(pitches: tuple[float, ...], seconds: float, *, sr: int = 16000, seed: int = 0) -> Array:
    """Notes of a quarter second in random order, decaying, with three partials."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(0.25 * sr)) / sr
    notes = []
    for _ in range(round(seconds / 0.25)):
        phase = 2 * np.pi * rng.choice(pitches) * t
        partials = [np.sin(k * phase + rng.uniform(0, 6)) / k**2 for k in (1, 2, 3)]
        notes.append(np.sum(partials, axis=0) * np.exp(-6 * t))
    y: Array = (0.2 * np.concatenate(notes)).astype(np.float32)
    return y


def instrument(
    name: str, y: Array, *, sr: int = 16000, n_components: int = 8, beta: float = 1.0, power: float = 1.0
) -> Dictionary:
    """Return a plain dictionary of one source, learned from a recording of it alone."""
    spec = FrontEndSpec()
    band_map = BandMap(spec, sr)
    bands = band_map.pool(np.ascontiguousarray(np.abs(stft(y, band_map.n_fft)).T))
    V = (bands[bands.mean(axis=1) > 1e-3].T + 1e-4) ** np.float32(power)
    fitted = factorize(V, n_components, beta=beta, init="frames", max_iter=80, rng=0)
    W = np.ones((spec.n_bands, n_components), np.float32)
    W[: len(fitted.W)] = fitted.W / np.linalg.norm(fitted.W, axis=0)
    return Dictionary(
        "plain",
        spec,
        np.ones(spec.n_bands, np.float32),
        {"W": W},
        (Group(name, name, 0, n_components),),
        beta=beta,
        power=power,
    )


class Mixture(NamedTuple):
    """A mixture, its sources, and what is known of them."""

    y: Array
    low: Array
    high: Array
    dictionaries: dict[str, Dictionary]
    sr: int


def two_instruments(seconds: float = 3.0, *, beta: float = 1.0, power: float = 1.0) -> Mixture:
    """Return a mixture of two instruments, whose dictionaries come from other melodies of theirs."""
    low, high = melody(LOW, seconds, seed=1), melody(HIGH, seconds, seed=2)
    dictionaries = {
        "low": instrument("low", melody(LOW, 5.0, seed=3), beta=beta, power=power),
        "high": instrument("high", melody(HIGH, 5.0, seed=4), beta=beta, power=power),
    }
    return Mixture(low + high, low, high, dictionaries, 16000)
