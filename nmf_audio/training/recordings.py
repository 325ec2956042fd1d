"""Recordings on the disk: found in folders, opened to learn their shape, read piece by piece as mono."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from nmf_audio.errors import AudioFileError

__all__ = ["Recording", "audio_files", "open_recording", "read_clip"]

AUDIO_SUFFIXES = (
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus"),
    *(".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave"),
)
"""What is looked for in folders; a file that is named is tried whatever its suffix."""

FOREIGN_SUFFIXES = (
    *(".3gp", ".aac", ".ac3", ".amr", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4", ".webm", ".wma"),
)
"""Audio that libsndfile can't read: found all the same, since its owner would miss it in silence."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of a corpus, opened once to learn its shape.

    Attributes
    ----------
    path : pathlib.Path
        Where it is, as found from the path that was given.
    group : str
        Name of the folder that holds it: a speaker, a kind of noise.
    sr : int
        Its own sample rate, Hz.
    n_samples : int
        Samples per channel.
    n_channels : int
        Channels.
    """

    path: Path
    group: str
    sr: int
    n_samples: int
    n_channels: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sr


def audio_files(path: Path) -> Iterator[Path]:
    """Find audio files.

    Parameters
    ----------
    path : pathlib.Path
        A file, or a folder, which is searched with all below it; links are followed, hidden names are not.

    Yields
    ------
    pathlib.Path
        The file itself, or the files whose suffix is one of audio, folder by folder, names sorted.
    """
    if not path.is_dir():
        yield path
        return
    entered = set()
    for folder, below, names in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:
            below.clear()  # a link back up
            continue
        entered.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if not name.startswith(".") and suffix in AUDIO_SUFFIXES + FOREIGN_SUFFIXES:
                yield Path(folder, name)


def open_recording(path: Path) -> Recording:
    """Open a file to learn its rate and length.

    Parameters
    ----------
    path : pathlib.Path
        Any file.

    Returns
    -------
    Recording

    Raises
    ------
    AudioFileError
        When libsndfile can't open it or it holds no samples.
    """
    try:
        with sf.SoundFile(os.fspath(path)) as file:
            sr, n_samples, n_channels = file.samplerate, len(file), file.channels
    except (sf.SoundFileError, TypeError, OSError) as error:
        raise AudioFileError(f"{path}: {_plain(error)}") from error
    if not n_samples:
        raise AudioFileError(f"{path}: is empty")
    return Recording(path, path.resolve().parent.name or "recordings", sr, n_samples, n_channels)


def read_clip(
    path: str | os.PathLike[str], *, sr: int, start: int = 0, stop: int | None = None
) -> NDArray[np.float32]:
    """Read a piece of a recording as the mean of its channels, at a given rate.

    Parameters
    ----------
    path : path-like
        A file that libsndfile reads.
    sr : int
        Rate of what comes back, Hz.
    start, stop : int
        First sample and the one after the last, counted at the file's own rate; to the end if `stop` is None.

    Returns
    -------
    ndarray, float32 (n_samples,)
        Full scale 1.0. Band-limited conversion by soxr where the file's rate differs.

    Raises
    ------
    AudioFileError
        When the file can't be read, ends early, or holds NaN or Inf.
    """
    try:
        with sf.SoundFile(os.fspath(path)) as file:
            rate, n_samples = file.samplerate, len(file)
            if start:
                file.seek(start)
            wanted = (n_samples if stop is None else stop) - start
            x = file.read(wanted, dtype="float32", always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise AudioFileError(f"{path}: can't be read ({_plain(error)}); convert it again") from error
    if len(x) < wanted:
        raise AudioFileError(f"{path}: ends after {(start + len(x)) / rate:.2f} s; copy or convert it again")
    if not np.isfinite(x).all():
        first = int(np.argmin(np.isfinite(x).all(axis=1)))
        raise AudioFileError(f"{path}: holds NaN or Inf at {(start + first) / rate:.3f} s; repair it")
    y = x.mean(axis=1, dtype=np.float32) if x.shape[1] > 1 else x[:, 0]
    if rate != sr:
        y = soxr.resample(y, rate, sr)
    return np.ascontiguousarray(y, dtype=np.float32)


def _plain(error: Exception) -> str:
    """Say what libsndfile said, without its repetition of the path."""
    return str(getattr(error, "error_string", error)).rstrip(".").strip()
