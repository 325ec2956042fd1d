"""Noises, rooms and speech-like sounds made by formula, for what recordings lack."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.signal import lfilter

from nmf_audio._types import Array

__all__ = [
    "chirps",
    "clicks",
    "coloured_noise",
    "hum",
    "modulated_noise",
    "random_spectrum",
    "reverberate",
    "unit",
    "utterance",
]


EARLY_SECONDS = 0.05
"""Reflections up to here are kept in the wanted signal: they help understanding."""

VOWELS = np.array(
    [
        *[(270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440)],
        *[(570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690)],
    ]
)
"""Formants in Hz, of men (Peterson & Barney 1952)."""


def unit(x: Array) -> Array:
    """Return x divided by its standard deviation; silence stays silence."""
    y: Array = x / (x.std() + np.float32(1e-5))
    return y


def coloured_noise(n: int, rng: np.random.Generator) -> Array:
    """Return n samples of Gaussian noise with a random tilt, often a random spectrum and a wandering level.

    Examples
    --------
    >>> import numpy as np
    >>> coloured_noise(1000, np.random.default_rng(0)).shape
    (1000,)
    """
    X = fft.rfft(rng.standard_normal(n, dtype=np.float32))
    at = np.arange(len(X)) / len(X)
    shape = (at + 1e-3) ** rng.uniform(-1.2, 0.5)
    if rng.random() < 0.5:
        shape *= 10 ** (np.interp(at, np.linspace(0, 1, 8), rng.normal(0, 6, 8)) / 20)
    x: Array = fft.irfft(X * shape.astype(np.float32), n)
    if rng.random() < 0.4:
        x *= _curve(n, np.linspace(0, n, 9), rng.normal(0, 6, 9))
    return unit(x)


def modulated_noise(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of coloured noise whose level changes 2 to 30 times a second, or drifts."""
    n_points = int(n / sr * rng.uniform(2, 30)) + 2
    drifts = rng.random() < 0.3
    decibels = np.cumsum(rng.normal(0, 3, n_points)) if drifts else rng.normal(0, 8, n_points)
    return unit(coloured_noise(n, rng) * _curve(n, np.linspace(0, n, n_points), decibels))


def hum(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of mains hum or a motor: harmonics of one low tone, sometimes wavering, with some hiss."""
    f0 = float(rng.choice([50.0, 60.0, rng.uniform(30, 400)]))
    harmonics = np.arange(1, rng.integers(3, 25))
    amplitudes = rng.exponential(1, len(harmonics)) / harmonics ** rng.uniform(0.2, 1.5)
    t = np.arange(n) / sr
    wander = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(0.2, 3) * t) if rng.random() < 0.4 else 0.0
    turns = f0 * t + f0 * wander / (2 * np.pi)
    x = np.zeros(n, np.float32)
    for k, a in zip(harmonics.tolist(), amplitudes.tolist(), strict=True):
        if k * f0 < 0.47 * sr:
            phase = (k * turns + rng.random()) % 1.0
            x += np.float32(a) * np.sin(np.float32(2 * np.pi) * phase.astype(np.float32))
    return unit(unit(x) + np.float32(rng.uniform(0, 0.3)) * rng.standard_normal(n, dtype=np.float32))


def clicks(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of knocks or clicks, at random or in a rhythm, each a short decaying body."""
    count = int(rng.integers(3, 40))
    rhythm = (np.arange(count) + rng.random()) * (n / count)
    at = rhythm if rng.random() < 0.5 else rng.uniform(0, n, count)
    x = np.zeros(n, np.float32)
    x[np.clip(at.astype(np.int64), 0, n - 1)] = rng.exponential(1, count)
    length = max(int(rng.uniform(0.002, 0.06) * sr), 8)
    decay = np.exp(-np.arange(length, dtype=np.float32) * np.float32(5 / length))
    body = rng.standard_normal(length, dtype=np.float32) * decay
    if rng.random() < 0.5:
        pole = 0.97 * np.exp(1j * rng.uniform(0.05, 2))
        body = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], body).astype(np.float32)
    hiss = np.float32(0.01) * rng.standard_normal(n, dtype=np.float32)
    return unit(unit(_convolve(x, body)) + hiss)


def chirps(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of whistles, beeps or calls as of birds: swept tones with few harmonics, some alike."""
    x = np.zeros(n, np.float32)
    base, top = math.exp(rng.uniform(math.log(400), math.log(6000))), 0.47 * sr
    alike = rng.random() < 0.5
    seconds, sweep, n_harmonics = rng.uniform(0.03, 0.5), rng.normal(0, 0.4), int(rng.integers(1, 4))
    for _ in range(rng.integers(2, 25)):
        if not alike:
            seconds, sweep = rng.uniform(0.03, 0.5), rng.normal(0, 0.4)
        start = int(rng.integers(0, max(n - int(seconds * sr), 1)))
        length = min(max(int(seconds * sr), 64), n - start)
        at = np.linspace(0, 1, length, endpoint=False)
        f0 = base * (1.0 if alike else math.exp(rng.normal(0, 0.3)))
        f = np.minimum(f0 * np.exp(sweep * at), top)
        if rng.random() < 0.4:
            trill = rng.uniform(4, 40) * length / sr
            f *= 1 + rng.uniform(0, 0.1) * np.sin(2 * np.pi * trill * at)
        turns = np.cumsum(f) / sr
        envelope = rng.exponential(1) * np.sin(np.pi * at) ** rng.uniform(0.2, 2)
        for k in range(1, n_harmonics + 1):
            if k * f0 < top:
                tone = np.sin(2 * np.pi * ((k * turns) % 1.0))
                x[start : start + length] += (envelope / k**1.5 * tone).astype(np.float32)
    hiss = np.float32(rng.uniform(0.002, 0.05)) * rng.standard_normal(n, dtype=np.float32)
    return unit(unit(x) + hiss)


def utterance(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples that sound somewhat like speech: syllables of a vowel, often after a hiss, with pauses.

    A voice has its own pitch, which falls over a phrase, and formants; harmonics fall by 12 dB an octave.

    Examples
    --------
    >>> import numpy as np
    >>> utterance(16000, 16000, np.random.default_rng(0)).shape
    (16000,)
    """
    x = np.zeros(n, np.float32)
    pitch, size = rng.uniform(90, 230), rng.uniform(0.95, 1.2)
    at = int(rng.uniform(0, 0.2) * sr)
    while at < n:
        n_syllables = int(rng.integers(3, 9))
        for i in range(n_syllables):
            if rng.random() < 0.6:
                hiss = _hiss(int(rng.uniform(0.04, 0.12) * sr), sr, rng)
                at = _put(x, at, hiss)
            f0 = pitch * (1.15 - 0.3 * i / n_syllables)
            formants = size * VOWELS[rng.integers(len(VOWELS))]
            vowel = _vowel(int(rng.uniform(0.08, 0.22) * sr), sr, f0, formants.tolist(), rng)
            at = _put(x, at, np.float32(10 ** (rng.normal(0, 3) / 20)) * vowel)
        at += int(rng.uniform(0.15, 0.5) * sr)
    return unit(x)


def _put(x: Array, at: int, y: Array) -> int:
    """Add a sound at a place, and return where the next one begins, which overlaps it by a tenth."""
    end = min(at + len(y), len(x))
    x[at:end] += y[: max(end - at, 0)]
    return at + round(0.9 * len(y))


def _vowel(n: int, sr: int, f0: float, formants: Sequence[float], rng: np.random.Generator) -> Array:
    glide = np.exp(rng.normal(0, 0.06, 2))
    f = f0 * np.linspace(float(glide[0]), float(glide[1]), n)
    turns = np.cumsum(f) / sr
    harmonics = np.arange(1, int(0.45 * sr / f.max()) + 1)
    source = np.zeros(n, np.float32)
    for k, phase in zip(harmonics.tolist(), rng.uniform(0, 0.1, len(harmonics)).tolist(), strict=True):
        source += (np.sin(2 * np.pi * ((k * turns + phase) % 1.0)) / k**2).astype(np.float32)
    source += np.float32(0.003) * rng.standard_normal(n, dtype=np.float32)
    for centre, width in zip(formants, (70, 100, 150), strict=True):
        pole = math.exp(-math.pi * width / sr)
        # a resonance that lets low frequencies pass as they are, as the throat does
        a = [1.0, -2 * pole * math.cos(2 * math.pi * centre / sr), pole * pole]
        source = lfilter([sum(a)], a, source).astype(np.float32)
    # radiated by the mouth
    return unit(np.diff(source, prepend=np.float32(0))) * np.hanning(n).astype(np.float32) ** np.float32(0.5)


def _hiss(n: int, sr: int, rng: np.random.Generator) -> Array:
    """A fricative: noise about one frequency."""
    centre, width = rng.uniform(2500, min(6500, 0.4 * sr)), rng.uniform(800, 2500)
    pole = math.exp(-math.pi * width / sr)
    a = [1.0, -2 * pole * math.cos(2 * math.pi * centre / sr), pole * pole]
    y = lfilter([1.0, -1.0], a, rng.standard_normal(n, dtype=np.float32)).astype(np.float32)
    return np.float32(0.2) * unit(y) * np.hanning(n).astype(np.float32)


def random_spectrum(x: Array, deviation: float, rng: np.random.Generator) -> Array:
    """Return x filtered with a smooth random response (no delay), `deviation` in dB."""
    X = fft.rfft(x)
    n_points = int(rng.integers(6, 20))
    at = np.sqrt(np.linspace(0, 1, len(X)))
    gains = 10 ** (np.interp(at, np.linspace(0, 1, n_points), rng.normal(0, deviation, n_points)) / 20)
    y: Array = fft.irfft(X * gains.astype(np.float32), len(x))
    return y


def reverberate(s: Array, sr: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Put speech into a random room: exponentially decaying noise after the direct sound.

    `rng` draws the reverberation time (0.12 to 0.8 s), delay and level of the reflections. Returned are the
    speech with all reflections, and with those of the first 50 ms only.
    """
    t60 = rng.uniform(0.12, 0.8)
    n = int(min(t60, 0.5) * sr)
    t = np.arange(n, dtype=np.float32) / np.float32(sr)
    room = rng.standard_normal(n, dtype=np.float32) * np.exp(np.float32(-6.9 / t60) * t)
    room[: int(rng.uniform(0.001, 0.02) * sr)] = 0
    room *= np.float32(10 ** (-rng.uniform(0, 12) / 20)) / np.sqrt((room * room).sum())
    room[0] = 1
    late = t > EARLY_SECONDS
    early = np.where(late, room * np.exp((np.float32(EARLY_SECONDS) - t) / np.float32(0.01)), room)
    return _convolve(s, room), _convolve(s, early)


def _convolve(x: Array, kernel: Array) -> Array:
    size = fft.next_fast_len(len(x) + len(kernel), real=True)
    y: Array = fft.irfft(fft.rfft(x, size) * fft.rfft(kernel, size), size)[: len(x)]
    return y


def _curve(n: int, at: npt.NDArray[np.float64], decibels: npt.NDArray[np.float64]) -> Array:
    """Gains of n samples, linear between points."""
    return np.interp(np.arange(n), at, 10 ** (decibels / 20)).astype(np.float32)
