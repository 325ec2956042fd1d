"""Recordings for a training of the denoiser, in memory or in a file: some to learn from, some held out for scores."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_kind, check_rng
from nmf_audio._types import Array, RandomSource
from nmf_audio.training.card import NOT_STATED, Origin, origin_of, trained_on
from nmf_audio.training.corpus import Corpus

__all__ = ["Recordings", "Sound", "Sounds", "Spool", "in_memory", "read_recordings"]


HIGHEST = 32767

CLIP_SECONDS = 30.0
"""Levels change within long recordings: each clip has unit deviation by itself."""

ENOUGH = 10
"""Kinds of noise, or origins of it; with fewer, one is too much of all to be held out whole."""

HIGHEST_SHARE = 0.05
"""How much of the noise the origins that are held out may have together."""


class Spool:
    """A file that samples are kept in, where they are too many for the memory; it stays open while they are used."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lock = file, threading.Lock()

    def keep(self, samples: npt.NDArray[np.int16]) -> Spooled:
        """Write samples, and return where they are."""
        with self._lock:
            first = self._file.seek(0, os.SEEK_END)
            self._file.write(samples.tobytes())
        return Spooled(self, first, len(samples))

    def read(self, first: int, n_bytes: int) -> bytes:
        """Return bytes of the file."""
        with self._lock:
            self._file.seek(first)
            return self._file.read(n_bytes)


@dataclass(frozen=True, slots=True)
class Spooled:
    """Samples in a file; a slice reads them."""

    spool: Spool
    first: int
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, part: slice) -> npt.NDArray[np.int16]:
        start, stop, _ = part.indices(self.n)
        n_bytes = 2 * max(stop - start, 0)
        return np.frombuffer(self.spool.read(self.first + 2 * start, n_bytes), np.int16)


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip in two bytes a sample, so that hours of them fit into memory.

    Attributes
    ----------
    samples : ndarray (n_samples,) or Spooled, int16
        Its largest value is 32767 in magnitude.
    scale : float32
        What `samples` times this is has unit deviation, and zero mean.

    Examples
    --------
    >>> sound = Sound.of(np.array([3, 1, 3, 1], np.float32))
    >>> sound.piece(1, 3).tolist()
    [-1.0, 1.0]
    """

    samples: npt.NDArray[np.int16] | Spooled
    scale: np.float32

    @classmethod
    def of(cls, clip: Array) -> Sound | None:
        """Return the clip without its mean, at unit deviation; None when nothing is left of it."""
        x = clip - clip.mean(dtype=np.float64).astype(np.float32)
        peak = np.abs(x).max()
        if not peak > 0:
            return None
        samples = np.rint(x / peak * HIGHEST).astype(np.int16)
        return cls(samples, np.float32(1 / samples.std()))

    def __len__(self) -> int:
        return len(self.samples)

    def piece(self, start: int = 0, stop: int | None = None) -> Array:
        """Return some of the samples, or all, as float32."""
        return self.samples[start:stop] * self.scale


Sounds = dict[str, list[Sound]]
"""For each group (a speaker, a kind of noise) its clips."""


def in_memory(clips: Iterable[tuple[str, Array]]) -> Sounds:
    """Keep clips, given with their group, as sounds by group; silent ones are left out."""
    return _keep(((group, clip, 1) for group, clip in clips), None)


def _keep(clips: Iterable[tuple[str, Array, int]], spool: Spool | None) -> Sounds:
    """Keep clips, given with their group and how often they are there, as sounds by group, or in a file."""
    sounds: Sounds = {}
    for group, clip, times in clips:
        sound = Sound.of(clip)
        if sound is not None:
            if spool is not None:
                sound = replace(sound, samples=spool.keep(sound.samples[:]))
            sounds.setdefault(group, []).extend([sound] * times)
    return sounds


class Recordings(NamedTuple):
    """Sounds to learn from and sounds to score with, and where they are from.

    Attributes
    ----------
    speech, noise : dict
        What is learned from.
    held_out_speech, held_out_noise : dict
        Other speakers and noises, for scores.
    trained_on : list of dict
        See `nmf_audio.training.card.trained_on`.
    held_out : list of dict
        For speech and noise each, with the keys source, groups and origins (of which nothing was learned), recordings
        and seconds.
    """

    speech: Sounds
    noise: Sounds
    held_out_speech: Sounds
    held_out_noise: Sounds
    trained_on: list[dict[str, Any]]
    held_out: list[dict[str, Any]]

    def fingerprint(self) -> str:
        """Return a hash over groups and samples: a training goes on only with the same ones."""
        digest = hashlib.sha256()
        for sounds in (self.speech, self.noise, self.held_out_speech, self.held_out_noise):
            for group, clips in sorted(sounds.items()):
                digest.update(f"{group} {len(clips)};".encode())
                for sound in clips:
                    digest.update(sound.samples[:].tobytes())
        return digest.hexdigest()


def read_recordings(
    speech: Corpus,
    noise: Corpus,
    *,
    held_out: float = 0.07,
    max_seconds: float | None = None,
    origins: Mapping[Path, Origin] | None = None,
    spool: BinaryIO | None = None,
    rng: RandomSource = None,
) -> Recordings:
    """Read recordings into memory, or into a file, some of them held out.

    Where a list gives recordings of a group different weights, they are drawn more often or more rarely, to within
    whole multiples of the smallest.

    Parameters
    ----------
    speech, noise : Corpus
        At the front end's sample rate, a folder for each speaker and kind of noise.
    held_out : float
        Share of the speakers (of the recordings, if there is one speaker) and of the kinds of noise (of the
        recordings, if there are fewer than ten kinds). Of a single recording it is the end. Where `origins` names at
        least ten for noise, that share of them is held out too, as far as they make up at most 5 % of it.
    max_seconds : float, optional
        At most so much of each of the two is read; all by default. An hour takes 115 MB at 16 kHz.
    origins : mapping of pathlib.Path to Origin, optional
        Where recordings are from, see `nmf_audio.training.card.read_manifest`.
    spool : binary file, optional
        Where sounds are kept, rather than in memory; it must be open as long as they are used.
    rng : int, Generator, optional
        Randomness.

    Returns
    -------
    Recordings

    Raises
    ------
    ParameterError
        When there is nothing to hold out.
    AudioFileError
        When no recording of a source could be read.
    """
    for name, corpus in (("speech", speech), ("noise", noise)):
        check_kind(name, corpus, Corpus, "find_recordings makes one")
    generator = check_rng(rng)
    by_group = len(speech.groups) > 1
    speech_parts = speech.split(held_out, by_group=by_group, rng=generator)
    noise_parts = _split_noise(noise, held_out, origins, generator)
    kept = None if spool is None else Spool(spool)
    sounds: list[Sounds] = []
    learned_rows: list[dict[str, Any]] = []
    scored_rows: list[dict[str, Any]] = []
    for source, (learned, scored) in (("speech", speech_parts), ("noise", noise_parts)):
        scored_seconds = None if max_seconds is None else max_seconds * held_out
        first, heard = _read(learned, max_seconds, generator, kept)
        second, heard_for_scores = _read(scored, scored_seconds, generator, kept)
        sounds += [first, second]
        learned_rows += trained_on(source, heard, origins)
        unheard = {
            "source": source,
            "groups": sorted(scored.groups.keys() - learned.groups.keys()),
            "origins": sorted(_by_origin(scored, origins).keys() - _by_origin(learned, origins).keys()),
            "recordings": len(heard_for_scores),
            "seconds": round(sum(heard_for_scores.values()), 1),
        }
        scored_rows.append(unheard)
    speech_learned, speech_scored, noise_learned, noise_scored = sounds
    return Recordings(speech_learned, noise_learned, speech_scored, noise_scored, learned_rows, scored_rows)


def _split_noise(
    corpus: Corpus, fraction: float, origins: Mapping[Path, Origin] | None, rng: np.random.Generator
) -> tuple[Corpus, Corpus]:
    """Noise to learn from and to score with: of other kinds and origins where there are enough of them."""
    held = _drawn_origins(corpus, fraction, origins, rng)
    rest = [r for r in corpus.recordings if origin_of(r.path, origins).name not in held]
    left = replace(corpus, recordings=tuple(rest))
    learned, scored = left.split(fraction, by_group=len(left.groups) >= ENOUGH, rng=rng)
    if not held:
        return learned, scored
    kept = set(learned.recordings)
    return learned, replace(corpus, recordings=tuple(r for r in corpus.recordings if r not in kept))


def _drawn_origins(
    corpus: Corpus, fraction: float, origins: Mapping[Path, Origin] | None, rng: np.random.Generator
) -> set[str]:
    """Origins to hold out whole, at random; none when there are few."""
    seconds = _by_origin(corpus, origins)
    drawn: set[str] = set()
    if len(seconds) < ENOUGH:
        return drawn
    wanted, left = max(1, round(fraction * len(seconds))), HIGHEST_SHARE * corpus.seconds
    for name in rng.permutation(sorted(seconds)).tolist():
        if len(drawn) < wanted and seconds[name] <= left:
            drawn.add(name)
            left -= seconds[name]
    return drawn


def _by_origin(corpus: Corpus, origins: Mapping[Path, Origin] | None) -> dict[str, float]:
    """Seconds from each origin that is known."""
    seconds: dict[str, float] = {}
    for recording in corpus.recordings:
        name = origin_of(recording.path, origins).name
        if name != NOT_STATED:
            seconds[name] = seconds.get(name, 0.0) + recording.seconds
    return seconds


def _read(
    corpus: Corpus, max_seconds: float | None, rng: np.random.Generator, spool: Spool | None
) -> tuple[Sounds, dict[Path, float]]:
    """Sounds, and seconds taken from each recording."""
    heard: dict[Path, float] = {}
    lightest = {name: min(r.weight for r in members) for name, members in corpus.groups.items()}

    def clips() -> Iterator[tuple[str, Array, int]]:
        for clip in corpus.clips(max_seconds=max_seconds, clip_seconds=CLIP_SECONDS, rng=rng):
            path = clip.recording.path
            heard[path] = heard.get(path, 0.0) + len(clip.y) / corpus.sr
            yield clip.recording.group, clip.y, round(clip.recording.weight / lightest[clip.recording.group])

    return _keep(clips(), spool), heard
