"""The person's own noise: read from a recording, at the rate and with the channels of the signal it is in."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.audio_io import AudioReader
from nmf_audio.errors import AudioFileError, ParameterError

__all__ = ["check_section", "read_noise"]

MAX_SECONDS = 60.0
"""More of the noise teaches a stream nothing new, and would have to be held in memory."""


def check_section(name: str, start: Any, end: Any) -> tuple[float, float]:
    """Return start and end of a part of a recording in seconds, if they are such.

    Parameters
    ----------
    name : str
        What messages call the part.
    start : float or None
        Seconds; None is the beginning.
    end : float or None
        Seconds; None is the end of the recording.

    Returns
    -------
    tuple of float
        Start, and end or infinity.

    Raises
    ------
    ParameterError
        If they are no numbers, negative, or the part is empty.

    Examples
    --------
    >>> check_section("section", 0.5, None)
    (0.5, inf)
    """
    first, last = (0.0 if start is None else start), (math.inf if end is None else end)
    for value in (first, last):
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise ParameterError(f"{name}={value!r}; a number of seconds is needed")
    if not (0 <= first < last and first < math.inf):
        raise ParameterError(
            f"{name}: from {first:g} s to {last:g} s; the start must be 0 s or later, the end after the start"
        )
    return float(first), float(last)


def read_noise(
    path: str | os.PathLike[str], sr: int, n_channels: int, *, start: float = 0.0, end: float = math.inf
) -> npt.NDArray[np.float32]:
    """Read a recording of noise for `Stream.prime`; at most its first minute.

    Parameters
    ----------
    path : str or path
        The recording, at any rate.
    sr : int
        Sample rate of the signal in Hz.
    n_channels : int
        Channels of the signal.
    start, end : float
        The part to read, in seconds.

    Returns
    -------
    ndarray (n,) or (n_channels, n), float32
        The noise at the signal's rate. (n,), for all channels, if the recording is mono or has another number of
        channels, which are averaged then.

    Raises
    ------
    AudioFileError
        If the recording can't be read, or holds nothing in that part.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     soundfile.write(file.name, np.zeros((44100, 2)), 44100)
    ...     read_noise(file.name, 16000, 1, end=0.5).shape
    (8000,)
    """
    with AudioReader(path) as reader:
        first, last = round(start * reader.sr), round(min(end, start + MAX_SECONDS) * reader.sr)
        blocks = []
        for block in reader.blocks():
            position = reader.n_read - block.shape[1]
            blocks.append(block[:, max(first - position, 0) : max(last - position, 0)])
            if reader.n_read >= last:
                break
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
