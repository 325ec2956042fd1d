"""Samples as bytes: the integers and floats of audio files and raw streams, little-endian, channels interleaved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_choice
from nmf_audio.dsp.bands import check_rate
from nmf_audio.dsp.samples import check_channels
from nmf_audio.io.base import Samples
from nmf_audio.io.formats import CODINGS, pcm_bits

__all__ = ["PCM_BYTES", "RAW_CODINGS", "RawFormat", "decode", "encode", "quantize"]

PCM_BYTES = {
    name: (coding.stored_bits or coding.bits or 0) // 8 for name, coding in CODINGS.items() if coding.raw
}
"""libsndfile's names of the codings that are plain numbers -> bytes of one."""

RAW_CODINGS = {coding.raw: name for name, coding in CODINGS.items() if coding.raw}
"""ffmpeg's names of the same -> libsndfile's."""


@dataclass(frozen=True)
class RawFormat:
    """What a stream of samples without a header is made of.

    Parameters
    ----------
    coding : {'u8', 's16le', 's24le', 's32le', 'f32le', 'f64le'}
        How a sample is stored: unsigned, signed or float, its bits, little-endian. Floats have full scale 1.0.
    sr : int or None
        Sample rate in Hz; None will do for an output, which has that of the input.
    n_channels : int
        Channels of an input, whose samples take turns.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> RawFormat("s16le", 48000, 2).subtype
    'PCM_16'
    """

    coding: str
    sr: int | None = None
    n_channels: int = 1

    def __post_init__(self) -> None:
        check_choice("coding", self.coding, RAW_CODINGS)
        if self.sr is not None:
            object.__setattr__(self, "sr", check_rate(self.sr))
        object.__setattr__(self, "n_channels", check_channels(self.n_channels))

    @property
    def subtype(self) -> str:
        """The coding in libsndfile's words."""
        return RAW_CODINGS[self.coding]


def quantize(y: Samples, bits: int) -> tuple[npt.NDArray[np.signedinteger[Any]], Samples, int]:
    """Return samples (n_channels, n) as integers that saturate, and what these stand for.

    The integers (n, n_channels) are in the high bits of int16 or int32. The samples that they stand for are
    float64 for more than 24 bits, else of the type of `y`. The number is that of samples out of range.

    Examples
    --------
    >>> integers, stored, n_clipped = quantize(np.array([[0.5, 2.0]], np.float32), 16)
    >>> integers.T.tolist(), stored.tolist(), n_clipped
    ([[16384, 32767]], [[0.5, 0.999969482421875]], 1)
    """
    full_scale = 2 ** (bits - 1)
    scaled = np.rint(y.T * (np.float32(full_scale) if bits <= 24 else np.float64(full_scale)))
    n_clipped = int(np.count_nonzero((scaled < -full_scale) | (scaled > full_scale - 1)))
    width = 16 if bits <= 16 else 32
    saturated = np.clip(scaled, -full_scale, full_scale - 1).astype(f"int{width}")
    integers = np.ascontiguousarray(saturated << (width - bits))
    return integers, _from_integers(integers, y.dtype if bits <= 24 else np.float64), n_clipped


def _from_integers(data: npt.NDArray[np.signedinteger[Any]], dtype: npt.DTypeLike) -> Samples:
    """Return the (n_channels, n) samples that (n, n_channels) integers stand for."""
    full_scale = 2.0 ** (8 * data.dtype.itemsize - 1)
    samples: Samples = np.divide(data.T, full_scale, dtype=np.dtype(dtype))
    return samples


def decode(data: bytes, subtype: str, n_channels: int, dtype: npt.DTypeLike = np.float32) -> Samples:
    """Return the samples (n_channels, n) that bytes stand for: whole frames, a sample of each channel.

    `subtype` is a key of `PCM_BYTES`; float64 takes all bits of 32-bit integers and of doubles.
    """
    if subtype in ("FLOAT", "DOUBLE"):
        floats = np.frombuffer(data, "<f4" if subtype == "FLOAT" else "<f8")
        return np.ascontiguousarray(floats.reshape(-1, n_channels).T, dtype)
    integers: npt.NDArray[Any]
    if subtype == "PCM_U8":
        integers = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8
    elif subtype == "PCM_24":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        integers = wide.view("<i4")
    else:
        integers = np.frombuffer(data, "<i2" if subtype == "PCM_16" else "<i4")
    return np.ascontiguousarray(_from_integers(integers.reshape(-1, n_channels), dtype))


def encode(y: Samples, subtype: str, valid_bits: int | None = None) -> tuple[bytes, Samples, int]:
    """Return samples (n_channels, n) as bytes, what these stand for, and how many saturated; see `quantize`.

    Integers are rounded to their highest `valid_bits`, if that is given.
    """
    bits = pcm_bits(subtype)
    if bits is None:
        floats = np.ascontiguousarray(y.T, "<f4" if subtype == "FLOAT" else "<f8")
        return floats.tobytes(), floats.T, 0
    integers, stored, n_clipped = quantize(y, valid_bits or bits)
    if bits > 16 and integers.dtype == np.int16:
        integers = integers.astype(np.int32) << 16
    if subtype == "PCM_U8":
        data = ((integers >> 8) + 128).astype(np.uint8).tobytes()
    elif subtype == "PCM_24":
        data = integers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    else:
        data = integers.astype(integers.dtype.newbyteorder("<"), copy=False).tobytes()
    return data, stored, n_clipped
