"""Recordings on the disk: search in folders, shape, reading piece by piece as mono."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from nmf_audio.errors import AudioFileError
from nmf_audio.io.formats import list_readable_extensions
from nmf_audio.io.open import open_reader
from nmf_audio.io.walk import walk_folders

__all__ = ["Recording", "find_audio_files", "open_recording", "read_clips"]


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
    damage : str or None
        What is missing of the file as far as its header tells, half a sentence.
    """

    path: Path
    group: str
    sr: int
    n_samples: int
    n_channels: int
    damage: str | None = None

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sr


def find_audio_files(path: Path) -> Iterator[Path]:
    """Yield the file itself, or of a folder the files whose extension is one of audio or video.

    All below it is searched, folder by folder, names sorted; links are followed, hidden names are not.
    """
    if not path.is_dir():
        yield path
        return
    extensions = list_readable_extensions()
    for folder, names in walk_folders(path):
        found = (Path(folder, name) for name in names)
        yield from (path for path in found if path.suffix.lower() in extensions)


def open_recording(path: Path, group: str) -> Recording:
    """Open a file to learn its rate and length; `AudioFileError` if it can't be read or holds no samples."""
    with open_reader(path) as reader:
        n_samples = reader.n_samples
        if n_samples is None:
            n_samples = sum(block.shape[1] for block in reader.blocks())
    if not n_samples:
        raise AudioFileError(f"{path}: {reader.damage or 'is empty'}")
    return Recording(path, group, reader.sr, n_samples, reader.n_channels, reader.damage)


def read_clips(
    path: str | os.PathLike[str], spans: Iterable[tuple[int, int]], *, sr: int
) -> Iterator[NDArray[np.float32]]:
    """Read pieces of a recording as the mean of its channels, at the rate `sr`, full scale 1.0.

    `spans` are the first sample of each piece and the one after the last, counted at the file's own rate; in
    their order, without overlap. soxr converts where the file's rate differs. `AudioFileError` if the file
    can't be read, ends early, or holds samples that can't be processed, such as NaN.
    """
    with open_reader(path) as reader:
        for start, stop in spans:
            x = reader.read(start, stop)
            if x.shape[1] == 0 or (x.shape[1] < stop - start and reader.damage):
                raise AudioFileError(f"{path}: {reader.damage or f'ends at {reader.n_read / reader.sr:g} s'}")
            # the order of the sum over channels is that of samples with channels interleaved
            y = x[0] if len(x) == 1 else np.ascontiguousarray(x.T).mean(axis=1, dtype=np.float32)
            if reader.sr != sr:
                y = soxr.resample(y, reader.sr, sr)
            yield np.ascontiguousarray(y, dtype=np.float32)
