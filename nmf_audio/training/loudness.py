"""The disturbance of PESQ (ITU-T P.862) between two magnitude spectrograms, with its gradient.

PESQ compares loudness over Bark bands rather than magnitudes over bins: what lies below the threshold of hearing does
not count, nor what is nearly the same, and what was added counts more than what was taken away. With B the power in a
band and P0 its threshold, both in units in which 1 is 0 dB SPL::

    L = max(0, .187 * (P0 / .5) ** .23 * ((.5 + .5 * B / P0) ** .23 - 1))     loudness (Zwicker & Feldtkeller 1967)
    D = max(0, abs(L_est - L_ref) - .25 * min(L_est, L_ref))                  masking
    h = ((B_est + 50) / (B_ref + 50)) ** 1.2, 2 and less -> 0, at most 12     asymmetry
    frame: symmetric = quadratic mean of D over Bark, asymmetric = mean of h * D over Bark, both times the Bark range,
           divided by ((sum of B_ref + 1e5) / 1e7) ** .04, at most 45
    value  = .1 * quadratic mean of symmetric over frames + .0309 * that of asymmetric

as Martin-Donas et al. 2018 (PMSQE) do for networks. Bands and thresholds are by formula (Schroeder 1979, Terhardt
1979), not the standard's tables; h rises from 0 at 2 to 3 at 3, where the standard jumps; its filters, time
alignment and sixth powers over stretches are left out. Est is brought to ref's level, and frame by frame to its
audible power as far as PESQ does; these gains count as constants.
"""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array

__all__ = ["LoudnessDisturbance"]


BARK_STEP = 0.5
SPEECH_POWER = 3e6
"""Mean power of active speech frames, in units of 0 dB SPL: 65 dB."""
ACTIVE = 1e-3
"""Frames above this part of the loudest one are active."""
TELEPHONE_HZ = (350.0, 3250.0)
LARGEST_LEVEL_GAIN = 10.0
SMALLEST_GAIN, LARGEST_GAIN, GAIN_MEMORY, GAIN_FLOOR = 3e-4, 5.0, 0.2, 5e3
POWER = np.float32(0.23)
HALF = np.float32(0.5)
MASKING = np.float32(0.25)
ASYMMETRY, LEAST, MOST, ADDED = np.float32(1.2), np.float32(3), np.float32(12), np.float32(50)
LARGEST_DISTURBANCE = 45.0
SYMMETRIC, ASYMMETRIC = 0.1, 0.0309
TINY = 1e-12


class LoudnessDisturbance:
    """The disturbance at one sample rate and frame length.

    Examples
    --------
    >>> import numpy as np
    >>> ref = np.random.default_rng(0).random((20, 257), np.float32)
    >>> disturbance = LoudnessDisturbance(512, 16000)
    >>> disturbance(ref, ref)[0] < 1e-6 < disturbance(np.sqrt(ref), ref)[0]
    True
    """

    def __init__(self, n_fft: int, sr: int) -> None:
        f = np.arange(n_fft // 2 + 1) * (sr / n_fft)
        bark = 7 * np.arcsinh(f / 650)
        # the bin at 0 Hz is not heard
        bands, band_of = np.unique((bark[1:] / BARK_STEP).astype(np.intp), return_inverse=True)
        pooling = np.zeros((len(f), len(bands)), np.float32)
        pooling[np.arange(1, len(f)), band_of] = 1
        centres = bark @ pooling / pooling.sum(axis=0)
        edges = np.concatenate([[0], (centres[1:] + centres[:-1]) / 2, bark[-1:]])
        self._pooling, self._widths = pooling, np.diff(edges).astype(np.float32)
        self._range = float(self._widths.sum())
        khz = 0.65 * np.sinh(centres / 7)
        decibels = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
        self._threshold = (10 ** (np.minimum(decibels, 60) / 10)).astype(np.float32)
        self._unit = np.float32(0.187) * (self._threshold / HALF) ** POWER
        self._telephone = (f > TELEPHONE_HZ[0]) & (f < TELEPHONE_HZ[1])

    def __call__(self, est: Array, ref: Array, gains: Array | None = None) -> tuple[float, Array]:
        """Return the disturbance of magnitudes `est` beside `ref` (n_frames, n_freq), and its gradient by `est`.

        It is 0 where they sound alike; each 1 costs about 1 in PESQ. If `ref` is silent, there is nothing to
        compare with. `gains` (n_frames,) of the estimate's power are those of the method `gains` by default.
        """
        if not ref.any():
            return 0.0, np.zeros_like(est)
        if gains is None:
            gains = self.gains(est, ref)
        est_power, ref_power = est * est, ref * ref
        B_est, B_ref = self._bark(est_power, gains[:, None]), self._bark(ref_power, _calibration(ref_power))
        L_est, L_ref = self._loudness(B_est), self._loudness(B_ref)
        distance = L_est - L_ref
        D = np.maximum(np.abs(distance) - MASKING * np.minimum(L_est, L_ref), 0)
        ratio = (B_est + ADDED) / (B_ref + ADDED)
        h = ratio**ASYMMETRY
        d_h = np.where(h < LEAST, LEAST, 1) * ((h > LEAST - 1) & (h < MOST)) * ASYMMETRY * h / (B_est + ADDED)
        h = np.where(h < LEAST, np.maximum(LEAST * (h - LEAST + 1), 0), np.minimum(h, MOST))

        weight = ((B_ref.sum(axis=1) + 1e5) / 1e7) ** -0.04
        wide = D * self._widths
        norms = np.sqrt(np.square(wide).sum(axis=1) * self._range + TINY)
        symmetric, d_symmetric = _over_frames(norms * weight, SYMMETRIC)
        asymmetric, d_asymmetric = _over_frames((h * wide).sum(axis=1) * weight, ASYMMETRIC)

        d_wide = (d_symmetric * weight * self._range / norms)[:, None] * wide
        d_added = (d_asymmetric * weight)[:, None]
        d_D = (d_wide + d_added * h) * self._widths
        d_L = d_D * (np.sign(distance) - MASKING * (distance < 0)) * (D > 0)
        slope = self._unit * POWER * HALF / self._threshold
        d_B = d_L * slope * (HALF + HALF * B_est / self._threshold) ** (POWER - 1) * (L_est > 0)
        d_B += d_added * wide * d_h
        d_est = 2 * est * ((d_B * gains[:, None]) @ self._pooling.T)
        return symmetric + asymmetric, d_est.astype(np.float32, copy=False)

    def gains(self, est: Array, ref: Array) -> Array:
        """Return gains of the estimate's power: to SPL and ref's level, then to ref's audible power, smoothed."""
        est_power, ref_power = est * est, ref * ref
        unit = _calibration(ref_power)
        level = ref_power[:, self._telephone].mean() / max(float(est_power[:, self._telephone].mean()), TINY)
        gain = unit * np.float32(min(float(level), LARGEST_LEVEL_GAIN))

        def audible(power: Array, gain: np.float32) -> Array:
            B = self._bark(power, gain)
            return np.asarray(np.where(self._threshold < B, B, 0).sum(axis=1) + GAIN_FLOOR)

        ratios = audible(ref_power, unit) / audible(est_power, gain)
        gains, smooth = np.empty(len(ratios), np.float32), 1.0
        for t, ratio in enumerate(ratios.tolist()):
            smooth = GAIN_MEMORY * smooth + (1 - GAIN_MEMORY) * ratio
            gains[t] = gain * min(max(smooth, SMALLEST_GAIN), LARGEST_GAIN)
        return gains

    def _bark(self, power: Array, gains: Array | np.float32) -> Array:
        return np.asarray(power @ self._pooling * gains, np.float32)

    def _loudness(self, B: Array) -> Array:
        loudness = self._unit * ((HALF + HALF * B / self._threshold) ** POWER - 1)
        return np.asarray(np.maximum(loudness, 0), np.float32)


def _calibration(ref_power: Array) -> np.float32:
    """What brings the reference's active frames to the power of speech."""
    levels = ref_power.sum(axis=1)
    return np.float32(SPEECH_POWER / max(float(levels[levels > ACTIVE * levels.max()].mean()), TINY))


def _over_frames(disturbances: Array, weight: float) -> tuple[float, Array]:
    """Quadratic mean over frames, each limited, times a weight; and its gradient by the disturbances."""
    limited = np.minimum(disturbances, LARGEST_DISTURBANCE)
    mean = float(np.sqrt(np.square(limited).mean() + TINY))
    slope = np.float32(weight / mean / len(limited)) * limited
    return weight * mean, np.asarray(slope * (disturbances < LARGEST_DISTURBANCE), np.float32)
