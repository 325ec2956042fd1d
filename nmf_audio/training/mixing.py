"""Noisy speech made on the fly, with the speech that is wanted from it.

Speakers and kinds of noise are drawn evenly, whatever each has; two fifths of the noises are made by formula, from
random statistics, or of other speakers. Both are equalised at random (second-order filters, as RNNoise does, Valin
2018), played a little slower or faster, mixed at -10 to 20 dB (half of them up to 5 dB) and, more rarely, at up to
40 dB or without noise; a part is band-limited like a telephone or a compressed file, in a room, coded as an MP3 of
few bits, clipped, begins with silence, changes its level, or holds no speech. Numbers are probabilities unless said
otherwise.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import butter, lfilter, sosfilt

from nmf_audio._checks import invalid
from nmf_audio._types import Array
from nmf_audio.training.copies import MP3_RATES, clip_loudest, code_as_mp3
from nmf_audio.training.sounds import Sounds
from nmf_audio.training.synthetic import (
    chirps,
    clicks,
    coloured_noise,
    hum,
    modulated_noise,
    random_spectrum,
    reverberate,
    unit,
)
from nmf_audio.training.textures import gate, impacts, texture, tones

__all__ = ["NOISE_SPEEDS", "SPEECH_SPEEDS", "Batch", "Mixer", "Sounds", "at_speed"]


SPEECH_SPEEDS = tuple(map(Fraction, ("5/6", "8/9", "16/17", "1", "17/16", "9/8", "6/5")))
NOISE_SPEEDS = tuple(map(Fraction, ("5/7", "5/6", "1", "6/5", "7/5")))

TWO_NOISES, ADDED_HISS = 0.4, 0.1
SYNTHETIC = {
    "babble": 0.07,
    "chirps": 0.03,
    "clicks": 0.03,
    "coloured": 0.04,
    "hum": 0.03,
    "impacts": 0.05,
    "modulated": 0.03,
    "texture": 0.08,
    "tones": 0.05,
}
BY_KIND, BACKWARDS, JOINED, GATED, NOISE_ROOM, NOISE_SPECTRUM, SPEECH_SPECTRUM = (
    0.5,
    0.2,
    0.08,
    0.05,
    0.08,
    0.37,
    0.2,
)
NOISE_SPECTRUM_DB, SPEECH_SPECTRUM_DB = 5.0, 3.0
NEARLY_CLEAN, CLEAN, NO_SPEECH = 0.08, 0.04, 0.07
BABBLE_ROOM, ROOM, BAND_LIMIT, NOISE_LIMIT, SPEECH_LIMIT, NOISE_LEVEL = 0.4, 0.2, 0.14, 0.03, 0.03, 0.15
TELEPHONE = 0.5
"""Of those that are band-limited as a whole."""
CODED, CODED_LEVELS, CLIPPED, CLIPPED_SHARES = 0.05, (0.6, 0.92), 0.04, (0.003, 0.05)
SILENT_HEAD, LATE_SPEECH, LEVEL_CHANGE = 0.03, 0.04, 0.05
LOWEST_SNR, HIGHEST_SNR, NEARLY_CLEAN_SNR, CLEAN_SNR = -5.0, 20.0, 40.0, 70.0
LOW_SNR, LOW_SNR_RANGE = 0.5, (-10.0, 5.0)
CUTOFFS = (3000, 3400, 3700, 4000, 4500, 5000, 5500, 6000, 6500, 7000)
"""Hz."""


class Batch(NamedTuple):
    """Speech as it should come out and noisy speech (batch, n_samples), standard deviations about 1.

    `present` (batch,) says where there is any speech.
    """

    wanted: Array
    mixture: Array
    present: npt.NDArray[np.bool_]


def at_speed(x: Array, speed: Fraction) -> Array:
    """Play a sound faster or slower: above 1 it becomes shorter and higher.

    Examples
    --------
    >>> len(at_speed(np.ones(1200, np.float32), Fraction(6, 5)))
    1000
    """
    if speed == 1:
        return x
    # lower qualities are hardly faster, and "LQ" takes 13 dB off at 7 kHz
    y: Array = soxr.resample(x, speed.numerator, speed.denominator, quality="HQ")
    return y


class Mixer:
    """Draws mixtures of `n_samples` of speech and noise (see `nmf_audio.training.sounds.in_memory`).

    All randomness is that of `rng`, whose state is the mixer's. `plain` is for scores: one recorded noise at
    -5, 0, 5, 10 dB in turn and nothing else, all at its own speed. `ParameterError` if there is no speech or no
    noise.
    """

    def __init__(
        self,
        speech: Sounds,
        noise: Sounds,
        *,
        n_samples: int,
        sr: int,
        rng: np.random.Generator,
        plain: bool = False,
    ) -> None:
        for name, sounds in (("speech", speech), ("noise", noise)):
            if not sounds:
                raise invalid(name, {}, "at least one recording that is not silent")
        self._speech, self._noise = speech, noise
        self._speakers, self._kinds = sorted(speech), sorted(noise)
        self._all_noise = [sound for kind in self._kinds for sound in noise[kind]]
        self._n, self._sr, self._plain = n_samples, sr, plain
        self.rng = rng
        top = 0.45 * sr
        self._low_pass = [butter(8, c, fs=sr, output="sos") for c in CUTOFFS if c < top]
        self._telephone = butter(2, 300, "high", fs=sr, output="sos")

    def seeded(self, seed: int) -> Self:
        """Return a mixer of the same sounds whose randomness is its own."""
        other = copy.copy(self)
        other.rng = np.random.default_rng(seed)
        return other

    def batch(self, size: int) -> Batch:
        """Return `size` mixtures."""
        wanted, mixture = (np.empty((size, self._n), np.float32) for _ in range(2))
        present = np.empty(size, np.bool_)
        for i in range(size):
            item = self._plain_item(i) if self._plain else self._item()
            wanted[i], mixture[i], present[i] = item
        return Batch(wanted, mixture, present)

    def say(self) -> Array:
        """Return n_samples of one speaker: a piece of a clip, or clips joined with pauses when they are short."""
        rng = self.rng
        clips = self._speech[self._speakers[rng.integers(len(self._speakers))]]
        speed = self._speed(SPEECH_SPEEDS)
        n = math.ceil(self._n * speed)
        parts = [clips[rng.integers(len(clips))].piece()]
        total = len(parts[0])
        while total < n:
            pause = np.zeros(int(rng.uniform(0.05, 0.5) * self._sr * speed), np.float32)
            x = clips[rng.integers(len(clips))].piece()
            parts += [pause, x]
            total += len(pause) + len(x)
        joined = np.concatenate(parts)
        start = rng.integers(0, len(joined) - n + 1)
        return at_speed(joined[start : start + n], speed)[: self._n]

    def recorded_noise(self) -> Array:
        """Return n_samples of a recorded noise, repeated when it is short, sometimes backwards.

        Half of the draws are even over kinds, half over recordings: kinds with one recording would be learned by
        heart otherwise.
        """
        rng = self.rng
        clips = self._all_noise
        if rng.random() < BY_KIND:
            clips = self._noise[self._kinds[rng.integers(len(self._kinds))]]
        sound = clips[rng.integers(len(clips))]
        speed = self._speed(NOISE_SPEEDS)
        n = math.ceil(self._n * speed)
        if len(sound) < n:
            start = int(rng.integers(len(sound)))
            x = np.resize(np.roll(sound.piece(), -start), n)
        else:
            start = int(rng.integers(len(sound) - n + 1))
            x = sound.piece(start, start + n)
        x = at_speed(x, speed)[: self._n]
        return x[::-1] if rng.random() < BACKWARDS else x

    def equalised_speech(self) -> Array:
        """Return speech of unit deviation, equalised at random."""
        s = self._equalise(self.say())
        if self.rng.random() < SPEECH_SPECTRUM:
            s = random_spectrum(s, SPEECH_SPECTRUM_DB, self.rng)
        return unit(s)

    def equalised_noise(self) -> Array:
        """Return noise of unit deviation, recorded or synthetic, equalised at random."""
        rng, n = self.rng, self._n
        p, chosen = rng.random(), "recorded"
        for name, share in SYNTHETIC.items():
            if 0 <= p < share:
                chosen = name
            p -= share
        makers: dict[str, Callable[[], Array]] = {
            "recorded": self._varied_noise,
            "babble": self._babble,
            "chirps": lambda: chirps(n, self._sr, rng),
            "clicks": lambda: clicks(n, self._sr, rng),
            "hum": lambda: hum(n, self._sr, rng),
            "coloured": lambda: coloured_noise(n, rng),
            "impacts": lambda: impacts(n, self._sr, rng),
            "modulated": lambda: modulated_noise(n, self._sr, rng),
            "texture": lambda: texture(n, self._sr, rng),
            "tones": lambda: tones(n, self._sr, rng),
        }
        return unit(self._equalise(makers[chosen]()))

    def _speed(self, speeds: tuple[Fraction, ...]) -> Fraction:
        return Fraction(1) if self._plain else speeds[self.rng.integers(len(speeds))]

    def _varied_noise(self) -> Array:
        """A recorded noise, sometimes followed by another, in a room, or with a random spectrum."""
        rng = self.rng
        x = self.recorded_noise()
        if rng.random() < JOINED:
            cut = int(rng.uniform(0.2, 0.8) * self._n)
            x = np.concatenate([x[:cut], self.recorded_noise()[cut:]])
        if rng.random() < GATED:
            x = x * gate(self._n, self._sr, rng)
        p = rng.random()
        if p < NOISE_ROOM:
            return reverberate(x, self._sr, rng)[0]
        return random_spectrum(x, NOISE_SPECTRUM_DB, rng) if p < NOISE_ROOM + NOISE_SPECTRUM else x

    def _babble(self) -> Array:
        """2 to 20 speakers at once, some farther away, sometimes in a room."""
        x = np.zeros(self._n, np.float32)
        for _ in range(int(2 * 10 ** self.rng.random())):
            x += np.float32(self.rng.uniform(0.2, 1)) * unit(self.say())
        return reverberate(x, self._sr, self.rng)[0] if self.rng.random() < BABBLE_ROOM else x

    def _equalise(self, x: Array) -> Array:
        r = self.rng.uniform(-3 / 8, 3 / 8, 4).astype(np.float32)
        one = np.ones(1, np.float32)
        y: Array = lfilter(np.concatenate([one, r[:2]]), np.concatenate([one, r[2:]]), x)
        return y

    def _plain_item(self, i: int) -> tuple[Array, Array, bool]:
        s, z = unit(self.say()), unit(self.recorded_noise())
        return s, s + z * np.float32(10 ** (-5 * (i % 4 - 1) / 20)), True

    def _item(self) -> tuple[Array, Array, bool]:
        rng = self.rng
        s, z = self.equalised_speech(), self.equalised_noise()
        if rng.random() < TWO_NOISES:
            z = unit(z + np.float32(rng.uniform(0.2, 1)) * self.equalised_noise())
        if rng.random() < ADDED_HISS:
            hiss = rng.standard_normal(self._n, dtype=np.float32)
            z = unit(z + np.float32(rng.uniform(0.05, 1)) * hiss)
        p = rng.random()
        if p < CLEAN:
            snr = CLEAN_SNR
        elif p < CLEAN + NEARLY_CLEAN:
            snr = rng.uniform(HIGHEST_SNR, NEARLY_CLEAN_SNR)
        elif rng.random() < LOW_SNR:
            snr = rng.uniform(*LOW_SNR_RANGE)
        else:
            snr = rng.uniform(LOWEST_SNR, HIGHEST_SNR)
        z = z * np.float32(10 ** (-snr / 20))
        wet = s
        if rng.random() < ROOM:
            wet, s = reverberate(s, self._sr, rng)
        s, wet, z = self._limit_bands(s, wet, z)
        if rng.random() < NOISE_LEVEL:
            z = z * self._levels(4, 5.0)
        present = not (rng.random() < NO_SPEECH and snr < CLEAN_SNR)
        if not present:
            s = wet = np.zeros(self._n, np.float32)
        s, wet, z = self._shape_time(s, wet, z)
        level = np.float32(10 ** (rng.uniform(-8, 8) / 20))
        return s * level, self._copied(wet + z) * level, present

    def _copied(self, mixture: Array) -> Array:
        """The mixture, sometimes coded with few bits, or clipped."""
        rng = self.rng
        p = rng.random()
        if p < CODED:
            return (
                code_as_mp3(mixture, self._sr, rng.uniform(*CODED_LEVELS))
                if self._sr in MP3_RATES
                else mixture
            )
        return clip_loudest(mixture, rng.uniform(*CLIPPED_SHARES)) if p < CODED + CLIPPED else mixture

    def _limit_bands(self, s: Array, wet: Array, z: Array) -> tuple[Array, Array, Array]:
        rng = self.rng
        p = rng.random()
        low = self._low_pass[rng.integers(len(self._low_pass))] if self._low_pass else None
        if low is None or p >= BAND_LIMIT + NOISE_LIMIT + SPEECH_LIMIT:
            return s, wet, z

        def limit(x: Array, sos: npt.NDArray[np.float64]) -> Array:
            y: Array = sosfilt(sos, x).astype(np.float32)
            return y

        if p < BAND_LIMIT:
            sos = np.concatenate([low, self._telephone]) if rng.random() < TELEPHONE else low
            return limit(s, sos), limit(wet, sos), limit(z, sos)
        if p < BAND_LIMIT + NOISE_LIMIT:
            return s, wet, limit(z, low)
        return limit(s, low), limit(wet, low), z

    def _shape_time(self, s: Array, wet: Array, z: Array) -> tuple[Array, Array, Array]:
        """A silent or faint head, speech that begins late, or changes of level."""
        rng = self.rng
        p = rng.random()
        if p < SILENT_HEAD:
            faint = 0.0 if rng.random() < 0.6 else 10 ** (-rng.uniform(50, 80) / 20)
            gate = self._head(rng.uniform(0.02, 1.2), faint)
            return s * gate, wet * gate, z * gate
        if p < SILENT_HEAD + LATE_SPEECH:
            gate = self._head(rng.uniform(0.3, 1.5), 0.0)
            return s * gate, wet * gate, z
        if p < SILENT_HEAD + LATE_SPEECH + LEVEL_CHANGE:
            gate = self._levels(3, 8.0)
            return s * gate, wet * gate, z * gate
        return s, wet, z

    def _head(self, seconds: float, gain: float) -> Array:
        gate = np.ones(self._n, np.float32)
        gate[: int(seconds * self._sr)] = gain
        return gate

    def _levels(self, n_points: int, deviation: float) -> Array:
        """Gains that change between a few random points, `deviation` in dB."""
        at = np.sort(self.rng.uniform(0, self._n, n_points))
        gains = 10 ** (self.rng.normal(0, deviation, n_points) / 20)
        return np.interp(np.arange(self._n), at, gains).astype(np.float32)
