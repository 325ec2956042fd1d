"""Recordings of the user's own noise, read at the rate and with the channels of the signal that it is in."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import AudioFileError
from nmf_audio.io.formats import pcm_bits
from nmf_audio.io.open import open_reader
from nmf_audio.io.section import cut

__all__ = ["check_noise_file", "is_silent", "read_noise"]

MAX_SECONDS = 60.0
"""More of the noise teaches a stream nothing new, and would have to be held in memory."""


def read_noise(
    path: str | os.PathLike[str],
    sr: int,
    n_channels: int,
    *,
    start: float = 0.0,
    end: float = math.inf,
    may_be_silent: bool = False,
) -> npt.NDArray[np.float32]:
    """Read a recording of noise for `Stream.prime`, from `start` to `end` seconds, at most its first minute.

    It comes at the signal's rate: (n,), for all channels, if the recording is mono or has another number of
    channels, which are averaged then, or else (n_channels, n). `AudioFileError` if it can't be read, or holds
    nothing in that part, or, unless it `may_be_silent`, silence.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     soundfile.write(file.name, np.zeros((44100, 2)), 44100)
    ...     read_noise(file.name, 16000, 1, end=0.5, may_be_silent=True).shape
    (8000,)
    """
    with open_reader(path) as reader:
        first, last = round(start * reader.sr), round(min(end, start + MAX_SECONDS) * reader.sr)
        blocks = list(cut(reader.blocks(), first, last))
        seconds = reader.n_read / reader.sr
    y = np.concatenate([*blocks, np.zeros((reader.n_channels, 0), np.float32)], axis=1)
    if y.shape[1] == 0:
        raise AudioFileError(f"{path}: has no noise from {start:g} s on; it ends at {seconds:g} s")
    if not may_be_silent and is_silent(y, reader.container.subtype):
        raise AudioFileError(_describe_silence(path))
    if reader.n_channels not in (1, n_channels):
        y = y.mean(axis=0, keepdims=True)
    if reader.sr != sr:
        import soxr

        y = np.ascontiguousarray(soxr.resample(y.T, reader.sr, sr).T, np.float32)
    return y[0] if len(y) == 1 else y


def is_silent(y: npt.NDArray[np.floating[Any]], subtype: str) -> bool:
    """Whether samples, as a file of this subtype has them, are digital silence, with dither or without.

    Examples
    --------
    >>> is_silent(np.array([0, 1 / 32768]), "PCM_16"), is_silent(np.array([0, 1 / 32768]), "PCM_24")
    (True, False)
    """
    step = 2.0 ** (1 - (pcm_bits(subtype) or 24))
    return bool(np.max(np.abs(y), initial=0.0) <= step)


def check_noise_file(path: str | os.PathLike[str]) -> None:
    """Check that a recording of noise holds a sound in its first minute; `AudioFileError` if not."""
    with open_reader(path) as reader:
        minute = cut(reader.blocks(), 0, round(MAX_SECONDS * reader.sr))
        if all(is_silent(block, reader.container.subtype) for block in minute):
            raise AudioFileError(_describe_silence(path))


def _describe_silence(path: str | os.PathLike[str]) -> str:
    return (
        f"{os.fspath(path)}: is silent; give a recording of the noise alone, as loud as it is in the speech"
    )
