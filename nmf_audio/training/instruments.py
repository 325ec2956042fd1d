"""Instruments made by formula: music whose sources are known, for tests, demos and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array

__all__ = ["drums", "organ", "play", "pluck", "string"]

Instrument = Callable[[float, float, int, np.random.Generator], npt.NDArray[np.float64]]

N_PARTIALS = 20
INHARMONICITY = 4e-4
"""Of a stiff struck string: partial n lies at n * f * sqrt(1 + B * n**2)."""


def string(hz: float, seconds: float, sr: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a struck stiff string, as of a piano: partials that decay the faster the higher they are."""
    n = np.arange(1, N_PARTIALS + 1)
    f = n * hz * np.sqrt(1 + INHARMONICITY * n**2)
    return _partials(f, 1 / n**1.2, 1.5 + 0.9 * n * hz / 220, 0.003, seconds, sr, rng)


def organ(hz: float, seconds: float, sr: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a held pipe: partials of constant level, odd ones stronger; arguments as of `string`."""
    n = np.arange(1, N_PARTIALS + 1)
    return _partials(n * hz, np.where(n % 2, 1.0, 0.35) / n**0.9, 0.0 * n, 0.04, seconds, sr, rng)


def pluck(hz: float, seconds: float, sr: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a plucked string by Karplus & Strong (1983), noise in a filtered loop; arguments as of `string`."""
    period = max(2, round(sr / hz))
    loop = rng.uniform(-1, 1, period)
    rounds = []
    for _ in range(-(-int(seconds * sr) // period)):
        rounds.append(loop)
        loop = 0.996 * 0.5 * (loop + np.roll(loop, 1))
    return np.concatenate(rounds)[: int(seconds * sr)] * _ends(int(seconds * sr), 0.002, sr)


def play(
    instrument: Instrument,
    notes: Sequence[tuple[float, float, float]],
    seconds: float,
    sr: int,
    rng: np.random.Generator,
) -> Array:
    """Return a melody with a standard deviation of 0.1, if it holds a note.

    `instrument` is `string`, `organ` or `pluck`; `notes` are (start, length, pitch) in seconds, and as MIDI
    numbers (69 is 440 Hz).

    Examples
    --------
    >>> y = play(organ, [(0.0, 0.5, 60), (0.5, 0.5, 64)], 1.0, 8000, np.random.default_rng(0))
    >>> y.shape, round(float(y.std()), 3)
    ((8000,), 0.1)
    """
    return _placed(
        [(at, instrument(_hz(pitch), length, sr, rng)) for at, length, pitch in notes], seconds, sr
    )


def drums(seconds: float, sr: int, rng: np.random.Generator, *, beat: float = 0.5) -> Array:
    """Return a beat: a falling sine as kick, noise and a tone as snare, high noise as hi-hat.

    `beat` is the time in seconds from one to the next. The standard deviation is 0.1.
    """
    hits = []
    t = np.arange(int(0.4 * sr)) / sr
    for i in range(int(seconds / beat * 2)):
        noise = rng.standard_normal(len(t))
        at = i * beat / 2
        hits.append((at, 0.25 * np.diff(noise, n=2, append=[0.0, 0.0]) * np.exp(-t / 0.02)))
        if i % 4 == 0:
            hits.append((at, 1.6 * np.sin(2 * np.pi * (50 * t - 4 * np.exp(-t / 0.03))) * np.exp(-t / 0.09)))
        elif i % 4 == 2:
            hits.append((at, (0.5 * noise + 0.5 * np.sin(2 * np.pi * 185 * t)) * np.exp(-t / 0.06)))
    return _placed(hits, seconds, sr)


def _hz(pitch: float) -> float:
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def _partials(
    hz: npt.NDArray[Any],
    levels: npt.NDArray[Any],
    decays: npt.NDArray[Any],
    attack: float,
    seconds: float,
    sr: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    t = np.arange(int(seconds * sr)) / sr
    y = np.zeros(len(t))
    for f, level, decay, phase in zip(hz, levels, decays, rng.uniform(0, 2 * np.pi, len(hz)), strict=True):
        if f < 0.45 * sr:
            y += level * np.sin(2 * np.pi * f * t + phase) * np.exp(-decay * t)
    return y * _ends(len(t), attack, sr)


def _ends(n: int, attack: float, sr: int) -> npt.NDArray[np.float64]:
    t = np.arange(n) / sr
    return np.minimum(1, t / attack) * np.clip((t[-1] - t) / 0.03, 0, 1) if n else t


def _placed(sounds: Sequence[tuple[float, npt.NDArray[np.float64]]], seconds: float, sr: int) -> Array:
    y = np.zeros(int(seconds * sr))
    for at, sound in sounds:
        part = y[int(at * sr) :][: len(sound)]
        part += sound[: len(part)]
    size = float(y.std())
    return (0.1 * y / size if size > 0 else y).astype(np.float32)
