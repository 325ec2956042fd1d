"""Recordings on the disk or behind URLs: search in folders and lists, shape, reading piece by piece as mono."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from nmf_audio.errors import AudioFileError, NmfAudioError
from nmf_audio.io.folder_walk import walk_folders
from nmf_audio.io.formats import list_readable_extensions
from nmf_audio.io.listing import LIST_EXTENSIONS, ListedRecording, read_listing
from nmf_audio.io.open import is_media, open_reader
from nmf_audio.io.remote import Url, fetch, find_below, is_on_web, is_pattern
from nmf_audio.jobs.staging import Stage

__all__ = ["Recording", "find_listed", "open_recording", "read_clips"]


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of a corpus, or a part of it, opened once to learn its shape.

    Attributes
    ----------
    path : pathlib.Path or Url
        Where it is, as found from the path or URL that was given.
    group : str
        A speaker, a kind of noise: the name of the folder that holds it, unless a list says otherwise.
    sr : int
        Its own sample rate, Hz.
    n_samples : int
        Samples per channel, of the part if it is one.
    n_channels : int
        Channels.
    damage : str or None
        What is missing of the file as far as its header tells, half a sentence.
    first : int
        Sample of the file that the part begins with.
    weight : float
        How much its frames count beside those of others.
    is_sequential : bool
        What lies before a piece has to be decoded, or fetched, to read it.
    """

    path: Path
    group: str
    sr: int
    n_samples: int
    n_channels: int
    damage: str | None = None
    first: int = 0
    weight: float = 1.0
    is_sequential: bool = False

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.n_samples / self.sr


def find_listed(path: Path) -> Iterator[ListedRecording]:
    """Yield what a path or a URL stands for: a recording, those of a list, or a folder's audio and video files.

    All below a folder is searched, folder by folder, names sorted; links are followed, hidden names are not. A URL
    that ends in no extension of a recording is a folder, unless it is on the web.
    """
    if isinstance(path, Url):
        extensions = list_readable_extensions()
        is_one = is_on_web(path) or path.suffix.lower() in extensions
        urls = [path] if is_one and not is_pattern(path) else find_below(path)
        yield from (ListedRecording(str(url)) for url in urls if is_one or url.suffix.lower() in extensions)
    elif path.is_dir():
        extensions = list_readable_extensions()
        for folder, names in walk_folders(path):
            found = (Path(folder, name) for name in names)
            yield from (ListedRecording(str(path)) for path in found if path.suffix.lower() in extensions)
    elif path.suffix.lower() in LIST_EXTENSIONS:
        yield from read_listing(path)
    else:
        yield ListedRecording(str(path))


def open_recording(path: Path, group: str, listed: ListedRecording | None = None) -> Recording:
    """Open a file to learn its rate and length, of the part that a list names.

    `AudioFileError` if it can't be read or holds no samples.
    """
    listed = listed or ListedRecording(str(path))
    with _fetched(path) as local:
        is_sequential = isinstance(path, Url) or is_media(local)
        with open_reader(local) as reader:
            n_samples = reader.n_samples
            if n_samples is None:
                n_samples = sum(block.shape[1] for block in reader.blocks())
    if not n_samples:
        raise AudioFileError(f"{path}: {reader.damage or 'is empty'}")
    first = round((listed.start or 0.0) * reader.sr)
    stop = n_samples if listed.end is None else min(round(listed.end * reader.sr), n_samples)
    if first >= stop:
        raise AudioFileError(
            f"{path}: ends at {n_samples / reader.sr:g} s, before the part from {listed.start:g} s"
        )
    return Recording(
        path,
        listed.group or group,
        reader.sr,
        stop - first,
        reader.n_channels,
        reader.damage,
        first,
        listed.weight,
        is_sequential,
    )


@contextmanager
def _fetched(path: Path) -> Iterator[Path]:
    """Give a file on this computer: of a URL a copy, which errors call by its URL."""
    if not isinstance(path, Url):
        yield path
        return
    with Stage() as stage:
        local = stage.add(path)
        fetch(path, local)
        try:
            yield local
        except NmfAudioError as error:
            raise stage.rename(error) from error.__cause__


def read_clips(path: Path, spans: Iterable[tuple[int, int]], *, sr: int) -> Iterator[NDArray[np.float32]]:
    """Read pieces of a recording as the mean of its channels, at the rate `sr`, full scale 1.0.

    `spans` are the first sample of each piece and the one after the last, counted at the file's own rate; in
    their order, without overlap. soxr converts where the file's rate differs. `AudioFileError` if the file
    can't be read, ends early, or holds samples that can't be processed, such as NaN.
    """
    with _fetched(path) as local, open_reader(local) as reader:
        for start, stop in spans:
            x = reader.read(start, stop)
            if x.shape[1] == 0 or (x.shape[1] < stop - start and reader.damage):
                raise AudioFileError(f"{path}: {reader.damage or f'ends at {reader.n_read / reader.sr:g} s'}")
            # the order of the sum over channels is that of samples with channels interleaved
            y = x[0] if len(x) == 1 else np.ascontiguousarray(x.T).mean(axis=1, dtype=np.float32)
            if reader.sr != sr:
                y = soxr.resample(y, reader.sr, sr)
            yield np.ascontiguousarray(y, dtype=np.float32)
