"""Recordings of the person's own noise, read at the rate and with the channels of the signal that it is in."""

from __future__ import annotations

import math
import os

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import AudioFileError
from nmf_audio.io.open import open_reader
from nmf_audio.io.section import cut

__all__ = ["read_noise"]

MAX_SECONDS = 60.0
"""More of the noise teaches a stream nothing new, and would have to be held in memory."""


def read_noise(
    path: str | os.PathLike[str], sr: int, n_channels: int, *, start: float = 0.0, end: float = math.inf
) -> npt.NDArray[np.float32]:
    """Read a recording of noise for `Stream.prime`, from `start` to `end` seconds, at most its first minute.

    It comes at the signal's rate: (n,), for all channels, if the recording is mono or has another number of
    channels, which are averaged then, or else (n_channels, n). `AudioFileError` if it can't be read, or holds
    nothing in that part.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     soundfile.write(file.name, np.zeros((44100, 2)), 44100)
    ...     read_noise(file.name, 16000, 1, end=0.5).shape
    (8000,)
    """
    with open_reader(path) as reader:
        first, last = round(start * reader.sr), round(min(end, start + MAX_SECONDS) * reader.sr)
        blocks = list(cut(reader.blocks(), first, last))
        seconds = reader.n_read / reader.sr
    y = np.concatenate([*blocks, np.zeros((reader.n_channels, 0), np.float32)], axis=1)
    if y.shape[1] == 0:
        raise AudioFileError(f"{path}: has no noise from {start:g} s on; it ends at {seconds:g} s")
    if reader.n_channels not in (1, n_channels):
        y = y.mean(axis=0, keepdims=True)
    if reader.sr != sr:
        import soxr

        y = np.ascontiguousarray(soxr.resample(y.T, reader.sr, sr).T, np.float32)
    return y[0] if len(y) == 1 else y
