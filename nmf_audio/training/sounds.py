"""Recordings in memory, as a training of the denoiser needs them: some to learn from, some held out for scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio.training.card import Origin, trained_on
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.mixing import NOISE_SPEEDS, SPEECH_SPEEDS, Sounds, with_speeds

__all__ = ["Recordings", "read_recordings"]

Array = npt.NDArray[np.float32]


class Recordings(NamedTuple):
    """Sounds to learn from and sounds to score with, and where they are from."""

    speech: Sounds
    noise: Sounds
    held_out_speech: Sounds
    held_out_noise: Sounds
    trained_on: list[dict[str, Any]]

    def fingerprint(self) -> str:
        """Return a hash over groups and samples: a training goes on only with the same ones."""
        digest = hashlib.sha256()
        for sounds in (self.speech, self.noise, self.held_out_speech, self.held_out_noise):
            for group, clips in sorted(sounds.items()):
                digest.update(f"{group} {len(clips)};".encode())
                for variants in clips:
                    digest.update(
                        np.ascontiguousarray(variants[0][:: max(len(variants[0]) // 64, 1)]).tobytes()
                    )
        return digest.hexdigest()


def read_recordings(
    speech: Corpus,
    noise: Corpus,
    *,
    held_out: float = 0.07,
    max_seconds: float = 3600.0,
    origins: Mapping[Path, Origin] | None = None,
    rng: int | np.random.Generator | None = None,
) -> Recordings:
    """Read recordings into memory, some of them held out.

    Parameters
    ----------
    speech, noise : Corpus
        At the front end's sample rate, a folder for each speaker and kind of noise.
    held_out : float
        Share of the speakers (of the recordings, if there is one speaker) and of the noise recordings.
    max_seconds : float
        At most so much of each of the two is read. An hour of speech takes 1.7 GB (at seven speeds).
    origins : mapping of pathlib.Path to Origin, optional
        Where recordings are from, see `nmf_audio.training.card.read_manifest`.
    rng : int, Generator, optional
        Randomness.

    Returns
    -------
    Recordings

    Raises
    ------
    ParameterError
        When there are fewer than two recordings of a source.
    AudioFileError
        When no recording of a source could be read.
    """
    generator = np.random.default_rng(rng)
    rows: list[dict[str, Any]] = []

    def read(corpus: Corpus, source: str, speeds: tuple[float, ...]) -> tuple[Sounds, Sounds]:
        by_group = source == "speech" and len(corpus.groups) > 1
        learned, scored = corpus.split(held_out, by_group=by_group, rng=generator)
        heard: dict[Path, float] = {}
        clips: dict[str, list[Array]] = {}
        for clip in learned.clips(max_seconds=max_seconds, clip_seconds=30.0, rng=generator):
            clips.setdefault(clip.recording.group, []).append(clip.y)
            path = clip.recording.path
            heard[path] = heard.get(path, 0.0) + len(clip.y) / corpus.sr
        rows.extend(trained_on(source, heard, origins))
        scored_clips = scored.load(max_seconds=max_seconds * held_out, clip_seconds=30.0, rng=generator)
        return with_speeds(clips, speeds), with_speeds(scored_clips, (1.0,))

    speech_learned, speech_scored = read(speech, "speech", SPEECH_SPEEDS)
    noise_learned, noise_scored = read(noise, "noise", NOISE_SPEEDS)
    return Recordings(speech_learned, noise_learned, speech_scored, noise_scored, rows)
