"""Bands: the front end's spec, frame sizes, and the map between STFT bins and bands at any sample rate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_number, check_whole, invalid
from nmf_audio._types import Array

__all__ = ["BandMap", "FrontEndSpec", "band_edges", "band_matrix", "check_rate", "frame_size"]


MIN_SR, MAX_SR = 4000, 384000
REFERENCE_N_FFT = 512


@dataclass(frozen=True)
class FrontEndSpec:
    """The parameters of a front end; a dictionary has those that it was trained with.

    Parameters
    ----------
    sr : int
        Sample rate of the training recordings in Hz. Half of it is the top of the highest band.
    frame_seconds : float
        Length of a frame in seconds; the hop is half of it.
    linear_to_hz : float
        Below this frequency each STFT bin (at `sr`) is a band of its own.
    n_high : int
        Number of bands above, evenly spaced on the ERB-rate scale (Glasberg & Moore 1990).
    whitening : float
        How far the signal's own long-term spectrum is flattened, 0 (not at all) to 1.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> FrontEndSpec().n_bands
    100
    """

    sr: int = 16000
    frame_seconds: float = 0.032
    linear_to_hz: float = 2000.0
    n_high: int = 36
    whitening: float = 0.0

    def __post_init__(self) -> None:
        checked = {
            "sr": check_rate(self.sr),
            "frame_seconds": check_number("frame_seconds", self.frame_seconds, 0.004, 0.25, unit="s"),
            "linear_to_hz": check_number("linear_to_hz", self.linear_to_hz, 0, self.sr / 2, unit="Hz"),
            "n_high": check_whole("n_high", self.n_high, 1, 512),
            "whitening": check_number("whitening", self.whitening, 0, 1),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.n_linear < 2 or self.linear_to_hz == self.top_hz:
            allowed = f"below {self.top_hz:g} Hz, and room for two bins of {1 / self.frame_seconds:g} Hz"
            raise invalid("linear_to_hz", self.linear_to_hz, allowed)

    @property
    def top_hz(self) -> float:
        """Frequency of the highest band's centre, in Hz."""
        return self.sr / 2

    @property
    def n_linear(self) -> int:
        """Number of bands that are one bin wide."""
        return round(self.linear_to_hz * self.frame_seconds)

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return self.n_linear + self.n_high

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FrontEndSpec:
        """Build a spec from the result of `to_dict`; raises ParameterError for anything else."""
        names = {f.name for f in fields(cls)}
        if isinstance(values, dict):
            # older dictionaries have none
            values = {"whitening": 0.0} | values
        if not isinstance(values, dict) or set(values) != names:
            raise invalid("spec", values, f"a dict of exactly {', '.join(sorted(names))}")
        return cls(**values)


def check_rate(sr: Any) -> int:
    """Return `sr` as an int, or raise ParameterError if the front end does not support it."""
    return check_whole("sr", sr, MIN_SR, MAX_SR, unit="Hz", advice="convert the recording first")


def frame_size(sr: int, frame_seconds: float = 0.032) -> int:
    """Return n_fft: the even size without prime factors above 11 that is nearest to ``frame_seconds * sr``.

    The hop length is half of it. Raises ParameterError if `sr` is out of range.

    Examples
    --------
    >>> [frame_size(sr) for sr in (8000, 16000, 44100, 48000)]
    [256, 512, 1408, 1536]
    """
    wanted = frame_seconds * check_rate(sr)

    def is_friendly(n: int) -> bool:
        for p in (2, 3, 5, 7, 11):
            while n % p == 0:
                n //= p
        return n == 1

    nearest = 2 * round(wanted / 2)
    for distance in range(0, nearest, 2):
        for n in (nearest - distance, nearest + distance):
            if is_friendly(n):
                return n
    raise AssertionError("powers of two are friendly")  # pragma: no cover


def band_edges(spec: FrontEndSpec) -> npt.NDArray[np.float64]:
    """Return the centres of all bands in Hz, (n_bands,); each triangle reaches to its neighbours' centres."""
    step = 1 / spec.frame_seconds
    k = spec.n_linear
    linear = np.arange(k) * step

    def erb_rate(f: float) -> float:
        return 21.4 * math.log10(1 + 0.00437 * f)

    rates = np.linspace(erb_rate(linear[-1]), erb_rate(spec.top_hz), spec.n_high + 1)[1:]
    high = (10 ** (rates / 21.4) - 1) / 0.00437
    high[-1] = spec.top_hz
    return np.concatenate([linear, high])


class BandMap:
    """Bands of one spec at one sample rate: pools bins into bands, spreads band gains over bins.

    Every bin lies between two neighbouring band centres and is shared between the two in proportion (triangles in
    Hz), so spreading is linear interpolation and pooling its transpose. Bands whose centre lies above half the
    sample rate are *missing*: they are not among `observed`, rather than being zero. At rates above the spec's own
    the highest band is missing too: its recordings had nothing there but the slope of an anti-aliasing filter.

    Attributes
    ----------
    n_fft, hop_length : int
        STFT sizes in samples.
    n_observed : int
        Bands that exist at this rate: the first `n_observed` of the spec's.
    n_covered : int
        Bins up to the highest observed band: the first `n_covered` of ``n_freq = n_fft // 2 + 1``.
    centres : ndarray (n_observed,), float64
        Centres of the observed bands in Hz.
    """

    def __init__(self, spec: FrontEndSpec, sr: int) -> None:
        self.spec, self.sr = spec, check_rate(sr)
        self.n_fft = frame_size(sr, spec.frame_seconds)
        self.hop_length = self.n_fft // 2
        self.n_freq = self.n_fft // 2 + 1
        centres = band_edges(spec)
        f = np.arange(self.n_freq) * (sr / self.n_fft)
        self.n_observed = int(np.searchsorted(centres, sr / 2 + 1e-6, side="right"))
        if sr > spec.sr:
            # the highest band lies where the training recordings' anti-aliasing filters left nothing
            self.n_observed = spec.n_bands - 1
        self.centres = centres = centres[: self.n_observed]
        top = centres[-1] if sr > spec.sr else sr / 2
        self.n_covered = int(np.searchsorted(f, top + 1e-6, side="right"))
        f = f[: self.n_covered]
        lower = np.clip(np.searchsorted(centres, f, side="right") - 1, 0, self.n_observed - 2)
        upper_part = np.clip((f - centres[lower]) / (centres[lower + 1] - centres[lower]), 0, 1)
        upper_part[upper_part < 1e-6] = 0
        self._lower = lower
        self._upper_part = upper_part.astype(np.float32)
        self._lower_part = (1 - upper_part).astype(np.float32)
        self._scale = np.float32(REFERENCE_N_FFT / self.n_fft)
        self._starts = np.minimum(np.searchsorted(lower, np.arange(self.n_observed - 1)), self.n_covered - 1)
        self._filled = np.bincount(lower, minlength=self.n_observed - 1)[: self.n_observed - 1] > 0

    def pool(self, magnitudes: Array) -> Array:
        """Return ``Bands @ magnitudes * 512 / n_fft`` (n_frames, n_observed) of magnitudes (n_frames, n_freq).

        A row does not depend on which other rows are passed along with it.
        """
        covered = magnitudes[:, : self.n_covered] * self._scale
        bands = np.zeros((len(magnitudes), self.n_observed), np.float32)
        bands[:, :-1] = np.add.reduceat(covered * self._lower_part, self._starts, axis=1) * self._filled
        bands[:, 1:] += np.add.reduceat(covered * self._upper_part, self._starts, axis=1) * self._filled
        return bands

    def spread(self, gains: Array) -> Array:
        """Return ``Bands.T @ gains``: of gains (n_frames, n_observed) those of the bins (n_frames, n_covered)."""
        lower = gains[:, self._lower]
        return lower * self._lower_part + gains[:, self._lower + 1] * self._upper_part

    def matrix(self) -> Array:
        """Return the map as a dense (n_observed, n_freq) float32 matrix."""
        bands = np.zeros((self.n_observed, self.n_freq), np.float32)
        bins = np.arange(self.n_covered)
        bands[self._lower, bins] = self._lower_part
        bands[self._lower + 1, bins] += self._upper_part
        return bands


def band_matrix(spec: FrontEndSpec, sr: int) -> Array:
    """Return Bands (n_bands, n_freq), float32: the share of every STFT bin in every band.

    Columns up to the highest observed band sum to 1, columns above are 0; rows of missing bands are 0.

    Examples
    --------
    >>> band_matrix(FrontEndSpec(), 16000).shape
    (100, 257)
    """
    dense = BandMap(spec, sr).matrix()
    return np.concatenate([dense, np.zeros((spec.n_bands - len(dense), dense.shape[1]), np.float32)])
