"""Recordings to learn from: files, folders and lists, of any readable format and rate, in groups.

A corpus is a list of what lies on the disk; samples are read clip by clip, so that memory holds what a
`max_seconds` budget allows and never a whole collection. The budget is shared evenly among the groups
(speakers, kinds of noise): a group with little gives all it has, and what it leaves goes to the others.
"""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_audio._checks import check_number, check_rng, check_whole, invalid, out_of_order
from nmf_audio._types import RandomSource
from nmf_audio.errors import AudioFileError, MissingExtraError
from nmf_audio.io.remote import Url, locate
from nmf_audio.training.draws import draw_spans
from nmf_audio.training.recordings import Recording, find_listed, open_recording, read_clips

__all__ = ["Clip", "Corpus", "CorpusWarning", "find_recordings", "warn_left_out"]

SHORTEST_END = 1.0
"""Seconds; less of a recording is not worth to be kept aside."""

_NAMED = 8
"""How many paths a message names before it says "and ... more"."""


class CorpusWarning(UserWarning):
    """Recordings were left out, or are truncated; the message names them and says why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a recording.

    Attributes
    ----------
    recording : Recording
        Where it is from.
    start : float
        Where it begins in that recording, seconds.
    y : ndarray, float32 (n_samples,)
        The mean of the channels at the corpus's rate, full scale 1.0.
    """

    recording: Recording
    start: float
    y: NDArray[np.float32]


@dataclass(frozen=True)
class Corpus:
    """Recordings in groups, read at one sample rate.

    Made by `find_recordings`.

    Attributes
    ----------
    recordings : tuple of Recording
        All that can be opened, in a fixed order (that of the given paths, names sorted within a folder).
    sr : int
        Rate of the clips in Hz; recordings of another rate are converted.
    left_out : tuple of pathlib.Path
        Those that can't be opened.
    """

    recordings: tuple[Recording, ...]
    sr: int
    left_out: tuple[Path, ...] = ()

    @property
    def groups(self) -> dict[str, tuple[Recording, ...]]:
        """Recordings of each group, by name, names sorted."""
        found: dict[str, list[Recording]] = {}
        for recording in self.recordings:
            found.setdefault(recording.group, []).append(recording)
        return {name: tuple(found[name]) for name in sorted(found)}

    @property
    def seconds(self) -> float:
        """Duration of all recordings together."""
        return sum(recording.seconds for recording in self.recordings)

    def clips(
        self,
        *,
        max_seconds: float | None = None,
        clip_seconds: float = 10.0,
        rng: RandomSource = None,
    ) -> Iterator[Clip]:
        """Draw clips, one after the other, evenly over groups.

        Parameters
        ----------
        max_seconds : float, optional
            Budget in seconds, together; all there is if None. Each group gets the same share of it and each
            recording the same share of its group's, as far as they are long enough.
        clip_seconds : float
            Longest clip. Longer recordings are cut; of those that the budget doesn't take whole, the pieces
            are spread over their length at random.
        rng : int, Generator, optional
            Randomness: the same seed draws the same clips.

        Yields
        ------
        Clip
            Group by group (names sorted). A corpus drawn whole comes as all its samples, in order.

        Raises
        ------
        ParameterError
            When a number isn't positive.
        AudioFileError
            When no clip could be read; if some could, a `CorpusWarning` names the others at the end.

        Examples
        --------
        >>> import tempfile, pathlib, numpy as np, soundfile as sf
        >>> from nmf_audio.training.corpus import find_recordings
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sf.write(pathlib.Path(folder) / "long.wav", np.zeros(80000), 8000)
        ...     corpus = find_recordings([folder], sr=16000)
        ...     [len(clip.y) / 16000 for clip in corpus.clips(max_seconds=6, clip_seconds=3, rng=0)]
        [3.0, 3.0]
        """
        if max_seconds is not None:
            check_number("max_seconds", max_seconds, 0, above=True, advice="leave it out to read everything")
        check_number("clip_seconds", clip_seconds, 0, above=True, advice="10 is the default")
        return self._read(draw_spans(self.groups.values(), max_seconds, clip_seconds, check_rng(rng)))

    def load(
        self,
        *,
        max_seconds: float | None = None,
        clip_seconds: float = 10.0,
        rng: RandomSource = None,
    ) -> dict[str, list[NDArray[np.float32]]]:
        """Draw clips as `clips` does and hold them in memory.

        Returns
        -------
        dict
            For each group, its clips, float32 (n_samples,). A minute takes 3.8 MB at 16 kHz.
        """
        loaded: dict[str, list[NDArray[np.float32]]] = {}
        for clip in self.clips(max_seconds=max_seconds, clip_seconds=clip_seconds, rng=rng):
            loaded.setdefault(clip.recording.group, []).append(clip.y)
        return loaded

    def split(
        self, fraction: float, *, by_group: bool = False, rng: RandomSource = None
    ) -> tuple["Corpus", "Corpus"]:
        """Keep some recordings aside, for scores on what was not learned from; of a single one, its end.

        Parameters
        ----------
        fraction : float
            Share to keep aside, of the recordings or of the groups, above 0 and below 1; at least one.
        by_group : bool
            Keep whole groups aside (other speakers) instead of recordings (of the same kinds).
        rng : int, Generator, optional
            Randomness.

        Returns
        -------
        learned, held_out : Corpus
            Both non-empty, order kept.

        Raises
        ------
        ParameterError
            When the fraction is out of range, or there is only one thing to divide.
        """
        if not 0 < check_number("fraction", fraction) < 1:
            raise invalid("fraction", fraction, "between 0 and 1", "0.1 keeps a tenth aside")
        keys = [r.group if by_group else str(i) for i, r in enumerate(self.recordings)]
        names = sorted(set(keys))
        if len(self.recordings) == 1 and not by_group:
            (whole,) = self.recordings
            n_held = max(1, round(fraction * whole.n_samples))
            if n_held < whole.n_samples:
                first, end = _cut_end(whole, n_held)
                return replace(self, recordings=(first,)), replace(self, recordings=(end,))
        if len(names) < 2:
            what = "group" if by_group else "recording"
            raise out_of_order(f"there is only one {what}, and nothing to divide", "add more")
        n_held = min(max(1, round(fraction * len(names))), len(names) - 1)
        held = set(check_rng(rng).choice(names, n_held, replace=False).tolist())
        pairs = list(zip(keys, self.recordings, strict=True))
        return (
            replace(self, recordings=tuple(r for key, r in pairs if key not in held)),
            replace(self, recordings=tuple(r for key, r in pairs if key in held)),
        )

    def split_seconds(self, fraction: float, *, rng: RandomSource = None) -> tuple["Corpus", "Corpus"]:
        """Keep a share of the seconds of each group aside: recordings as far as they fit, and the end of another.

        `split` counts recordings or groups, and takes at least one.

        Parameters
        ----------
        fraction : float
            Share of the seconds of each group, above 0 and below 1; no end of less than a second is cut off.
        rng : int, Generator, optional
            Randomness.

        Returns
        -------
        learned, held_out : Corpus
            Order kept; the second may be without recordings.

        Raises
        ------
        ParameterError
            When the fraction is out of range.
        """
        fraction = check_number("fraction", fraction, 0, 1, above=True, advice="0.1 keeps a tenth aside")
        generator = check_rng(rng)
        learned: list[Recording | None] = list(self.recordings)
        held: list[Recording | None] = [None] * len(learned)
        for name in self.groups:
            members = [i for i, recording in enumerate(self.recordings) if recording.group == name]
            left = fraction * sum(self.recordings[i].seconds for i in members)
            for i in generator.permutation(members).tolist():
                whole = self.recordings[i]
                if whole.seconds <= left:
                    learned[i], held[i] = None, whole
                    left -= whole.seconds
                elif left >= SHORTEST_END:
                    learned[i], held[i] = _cut_end(whole, round(left * whole.sr))
                    break
        first, second = (tuple(r for r in part if r is not None) for part in (learned, held))
        return replace(self, recordings=first), replace(self, recordings=second)

    def _read(self, plan: list[tuple[Recording, int, int]]) -> Iterator[Clip]:
        broken: dict[Path, str] = {}
        n_read = 0
        for recording, pieces in groupby(plan, key=lambda piece: piece[0]):
            spans = [(recording.first + start, recording.first + stop) for _, start, stop in pieces]
            try:
                for (start, _), y in zip(spans, read_clips(recording.path, spans, sr=self.sr), strict=True):
                    n_read += 1
                    yield Clip(recording, start / recording.sr, y)
            except AudioFileError as error:
                broken[recording.path] = _reason(error, recording.path)
        if not n_read:
            raise AudioFileError(f"no recording could be read: {_listed(broken)}; give other recordings")
        warn_left_out(broken)


def find_recordings(paths: Sequence[str | os.PathLike[str]], *, sr: int) -> Corpus:
    """Find the recordings in files, folders, lists and behind URLs.

    Folders are searched with all that lies below them (links are followed, hidden files are not taken). A list is a
    CSV, JSON lines or Parquet file, see `nmf_audio.io.listing.read_listing`. A recording's group is the one that the
    list states, or else the name of the folder that holds it; folders of the same name are one group.

    Parameters
    ----------
    paths : sequence of path-like
        Recordings, folders, lists, and URLs of recordings and folders, any mix. What a URL names is fetched whole
        each time that some of it is read.
    sr : int
        Rate in Hz at which clips will be read.

    Returns
    -------
    Corpus
        All recordings, or parts of them, that can be opened and hold at least one sample, each once.

    Raises
    ------
    ParameterError
        When no path is given, `sr` isn't positive, or a list has a value that is not allowed.
    AudioFileError
        When a path doesn't exist, or no recording is left. If some are, a `CorpusWarning` names the others, and
        those that are truncated.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, soundfile as sf
    >>> from nmf_audio.training.corpus import find_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rain = pathlib.Path(folder) / "rain"
    ...     rain.mkdir()
    ...     sf.write(rain / "roof.wav", np.zeros(44100), 44100)
    ...     corpus = find_recordings([folder], sr=16000)
    ...     clips = corpus.load()
    >>> list(corpus.groups), corpus.seconds, clips["rain"][0].shape
    (['rain'], 1.0, (16000,))
    """
    if isinstance(paths, str | os.PathLike) or not paths:
        raise invalid("paths", paths, "a list of files, folders and lists of files", "give at least one")
    sr = check_whole("sr", sr, 1, unit="Hz", advice="16000 is usual for speech")
    given = [locate(path) for path in paths]
    missing = [path for path in given if not isinstance(path, Url) and not path.exists()]
    if missing:
        raise AudioFileError(f"{_listed(dict.fromkeys(missing, 'does not exist'))}; check the spelling")
    recordings, broken, seen = [], {}, set()
    resolve = cache(Path.resolve)
    for listed in (found for path in given for found in find_listed(path)):
        path = locate(listed.path)
        if isinstance(path, Url):
            real: Path = path
        else:
            real = path.resolve() if path.is_symlink() else resolve(path.parent) / path.name
        part = (real, listed.start, listed.end)
        if part in seen:
            continue
        seen.add(part)
        try:
            recordings.append(open_recording(path, real.parent.name or "recordings", listed))
        except (AudioFileError, MissingExtraError) as error:
            broken[path] = _reason(error, path)
    if not recordings:
        what = (
            _listed(broken) if broken else ", ".join(str(path) for path in paths) + " (no audio file there)"
        )
        raise AudioFileError(
            f"no readable recording: {what}; WAV, FLAC, OGG, Opus, MP3, AIFF and more can be read"
        )
    damaged = {recording.path: recording.damage for recording in recordings if recording.damage}
    notes = [f"left out {_listed(broken)}"] if broken else []
    notes += [f"read as far as they go: {_listed(damaged)}"] if damaged else []
    if notes:
        warnings.warn("; ".join(notes), CorpusWarning, stacklevel=2)
    return Corpus(tuple(recordings), sr, tuple(broken))


def warn_left_out(broken: Mapping[Path, str]) -> None:
    """Warn of recordings that could not be read, if there are any, with the reasons."""
    if broken:
        warnings.warn(f"left out {_listed(broken)}", CorpusWarning, stacklevel=4)


def _cut_end(recording: Recording, n: int) -> tuple[Recording, Recording]:
    """Return a recording without its last n samples, and these."""
    kept = recording.n_samples - n
    return replace(recording, n_samples=kept), replace(recording, first=recording.first + kept, n_samples=n)


def _reason(error: Exception, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _listed(reasons: Mapping[Path, str]) -> str:
    named = [f"{path} ({reason})" for path, reason in list(reasons.items())[:_NAMED]]
    more = len(reasons) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
