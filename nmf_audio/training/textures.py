"""Noises made from random statistics, so that hardly two mixtures share a kind of noise.

What the ear takes from a steady noise are statistics of its bands: levels, modulations, and which bands go together
(McDermott & Simoncelli, Neuron 71, 2011). Here these are drawn at random. Things that strike or turn are drawn as a
physical modeller would: resonances that decay, harmonics that glide.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

from nmf_audio._types import Array
from nmf_audio.training.synthetic import unit

__all__ = ["gate", "impacts", "texture", "tones"]


N_BANDS = 24
FRAME_SECONDS = 0.016
HIGHEST_TONE = 0.47
"""Of the sample rate."""


def texture(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of noise in bands whose levels and modulations are drawn at random, some bands together.

    Examples
    --------
    >>> import numpy as np
    >>> texture(16000, 16000, np.random.default_rng(0)).shape
    (16000,)
    """
    half = max(int(FRAME_SECONDS * sr), 8)
    n_frames, n_bins = n // half + 2, half + 1
    bands = np.arange(N_BANDS)
    decibels = np.cumsum(rng.normal(0, rng.uniform(0.5, 5), N_BANDS)) + rng.normal(-0.6, 0.6) * bands
    for _ in range(rng.integers(0, 4)):
        resonance = (bands - rng.uniform(0, N_BANDS)) / rng.uniform(0.7, 2)
        decibels += rng.uniform(5, 25) * np.exp(-(resonance**2))
    depth = rng.uniform(0, 6) if rng.random() < 0.7 else 0.0
    levels = np.tile(decibels, (n_frames, 1))
    for _ in range(rng.integers(1, 5)):
        where = np.exp(-(((bands - rng.uniform(0, N_BANDS)) / rng.uniform(2, N_BANDS)) ** 2))
        levels += np.outer(_modulation(n_frames, sr / half, rng), rng.normal(0, depth) * where)
    at = _band_of_bins(n_bins, sr)
    low = np.minimum(at.astype(np.int64), N_BANDS - 2)
    share = at - low
    gains = 10 ** ((levels[:, low] * (1 - share) + levels[:, low + 1] * share) / 20)
    noise = rng.standard_normal((n_frames, n_bins, 2), dtype=np.float32).view(np.complex64)[:, :, 0]
    window = np.sin(np.pi * (np.arange(2 * half, dtype=np.float32) + np.float32(0.5)) / np.float32(2 * half))
    frames = fft.irfft(noise * gains.astype(np.float32), 2 * half, axis=1) * window
    x = (frames[1:, :half] + frames[:-1, half:]).ravel()[:n]
    return unit(x)


def impacts(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of knocks, drips, keys, clatter: a few bodies, each struck at random, over a faint texture.

    A body is a sum of two to ten damped resonances and a burst of noise.
    """
    rate = math.exp(rng.uniform(math.log(0.7), math.log(30)))
    size = fft.next_fast_len(n + sr // 2, real=True)
    X = np.zeros(size // 2 + 1, np.complex64)
    for _ in range(rng.integers(1, 5)):
        count = max(int(rng.poisson(rate * n / sr / 2)), 1)
        struck = np.zeros(size, np.float32)
        struck[rng.integers(0, n, count)] = rng.lognormal(0, rng.uniform(0.2, 1), count) * rng.choice(
            [-1, 1], count
        )
        X += fft.rfft(struck) * fft.rfft(_body(sr // 2, sr, rng), size)
    x = unit(fft.irfft(X, size)[:n])
    return unit(x + np.float32(10 ** (-rng.uniform(5, 40) / 20)) * texture(n, sr, rng))


def tones(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n samples of engines, sirens, instruments: one to four harmonic sounds that hold, step or glide.

    Vibrato, beating and a random envelope over the harmonics; in a random amount of noise.
    """
    x = np.zeros(n, np.float32)
    for _ in range(rng.integers(1, 5)):
        phase = np.cumsum(_pitch(n, sr, rng)) / sr
        turn = np.exp(2j * np.pi * (phase % 1.0)).astype(np.complex64)
        partial = turn * np.complex64(np.exp(2j * np.pi * rng.random()))
        tilt, n_harmonics, odd = rng.uniform(0, 1.8), int(rng.integers(1, 30)), rng.random() < 0.15
        top = float(np.diff(phase, prepend=0).max())
        voice = np.zeros(n, np.float32)
        for k in range(1, n_harmonics + 1):
            if k * top > HIGHEST_TONE:
                break
            if not odd or k % 2:
                voice += np.float32(rng.lognormal(0, 0.7) / k**tilt) * partial.real
            partial = partial * turn
        if rng.random() < 0.5:
            beat = math.exp(rng.uniform(math.log(0.5), math.log(40)))
            at = np.arange(n, dtype=np.float32) * np.float32(2 * np.pi * beat / sr)
            voice *= 1 - np.float32(rng.uniform(0, 0.5)) * (1 + np.sin(at))
        if rng.random() < 0.4:
            voice *= gate(n, sr, rng)
        x += np.float32(rng.lognormal(0, 0.6)) * unit(voice)
    return unit(unit(x) + np.float32(10 ** (-rng.uniform(0, 40) / 20)) * texture(n, sr, rng))


def gate(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Return n gains of something that comes and goes: 1, a random floor, and short slopes between them."""
    typical = math.exp(rng.uniform(math.log(0.08), math.log(1.5)))
    lengths = rng.exponential(typical, int(4 * n / sr / typical) + 8) + 0.02
    ends = np.cumsum(lengths) * sr
    slope = rng.uniform(0.003, 0.08) * sr
    at = np.stack([ends, ends + np.minimum(slope, 0.5 * sr * lengths)], 1).ravel()
    floor = 10 ** (-rng.uniform(15, 60) / 20)
    highs = np.resize([1.0, floor] if rng.random() < 0.5 else [floor, 1.0], len(ends) + 1)
    ends_of_slopes = np.stack([highs[:-1], highs[1:]], 1).ravel()
    gains: Array = np.interp(np.arange(n), at, ends_of_slopes).astype(np.float32)
    return gains


def _modulation(n_frames: int, rate: float, rng: np.random.Generator) -> Array:
    """A curve of unit deviation whose fluctuations lie about a random rate, 0.3 to 25 Hz."""
    centre = math.exp(rng.uniform(math.log(0.3), math.log(25)))
    X = fft.rfft(rng.standard_normal(n_frames, dtype=np.float32))
    X[0] = 0
    f = np.arange(len(X)) * (rate / n_frames)
    sharpness = rng.uniform(0.5, 4)
    shape = (
        1 / (1 + (sharpness * (f - centre) / centre) ** 2)
        if rng.random() < 0.5
        else 1 / (1 + (f / centre) ** 2)
    )
    return unit(fft.irfft(X * shape.astype(np.float32), n_frames))


def _band_of_bins(n_bins: int, sr: int) -> Array:
    """The position of each bin among the bands, which lie as densely as the ear's."""
    f = np.linspace(0, sr / 2, n_bins)
    ear = np.log1p(f / 700)
    at: Array = (ear / math.log1p(sr / 1400) * (N_BANDS - 1)).astype(np.float32)
    return at


def _body(n: int, sr: int, rng: np.random.Generator) -> Array:
    t = np.arange(n, dtype=np.float32) / np.float32(sr)
    longest = math.exp(rng.uniform(math.log(0.004), math.log(0.25)))
    burst = rng.standard_normal(n, dtype=np.float32) * np.exp(
        -t / np.float32(longest * rng.uniform(0.05, 0.6))
    )
    x = np.float32(rng.uniform(0.02, 1)) * burst
    for _ in range(rng.integers(2, 11)):
        f = math.exp(rng.uniform(math.log(80), math.log(HIGHEST_TONE * sr)))
        ring = np.exp(-t / np.float32(longest * rng.uniform(0.1, 1)))
        x += np.float32(rng.exponential(1)) * np.sin(np.float32(2 * np.pi * f) * t) * ring
    return unit(x)


def _pitch(n: int, sr: int, rng: np.random.Generator) -> Array:
    """Hz in each sample: held, in steps, gliding to and fro as a siren does, or drifting; with vibrato."""
    f0 = math.exp(rng.uniform(math.log(30), math.log(1500)))
    t = np.arange(n) / sr
    way = rng.integers(4)
    if way == 0:
        octaves = np.zeros(n)
    elif way == 1:
        scale = np.array([-12, -7, -5, -3, 0, 2, 4, 7, 9, 12]) / 12
        length = max(int(math.exp(rng.uniform(math.log(0.08), math.log(1))) * sr), 1)
        octaves = np.repeat(rng.choice(scale, n // length + 1), length)[:n]
    elif way == 2:
        octaves = rng.uniform(0.1, 1) * np.sin(2 * np.pi * (rng.uniform(0.1, 4) * t + rng.random()))
    else:
        octaves = np.interp(t, np.linspace(0, t[-1], 9), np.cumsum(rng.normal(0, rng.uniform(0.01, 0.2), 9)))
    vibrato = rng.uniform(0, 0.03) * np.sin(2 * np.pi * rng.uniform(3, 9) * t) if rng.random() < 0.4 else 0.0
    return np.asarray(f0 * 2 ** (octaves + vibrato))
