"""Sums over the frames of recordings that atoms learn from, piece by piece: the work of one worker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from nmf_audio._types import AnyArray, Array
from nmf_audio.errors import AudioFileError
from nmf_audio.nmf import activations, beta_divergence, sum_for_atoms
from nmf_audio.nmf.blas import single_blas
from nmf_audio.training.corpus import Clip
from nmf_audio.training.frames import QUIET, Frames, analyse, normalised_frames
from nmf_audio.training.passes import Piece
from nmf_audio.training.plain import PlainSettings, power_of
from nmf_audio.training.recordings import Recording, read_clips

__all__ = ["Model", "Sums", "sum_frames", "sum_up"]

CLIP_SECONDS, CLIPS_AT_ONCE = 10.0, 6

N_UPDATES = 10
"""Updates of the activations of a piece, which start equal."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a worker has to know: what frames are divided by, and the current atoms of each group."""

    settings: PlainSettings
    spectrum: Array
    atoms: Mapping[str, Array]


@dataclass(slots=True)
class Sums:
    """What is learned from frames, summed up; recordings that could not be read, and why.

    `for_atoms` holds for each group what `sum_for_atoms` gives, and `n_frames` those that were no silence.
    """

    for_atoms: dict[str, AnyArray] = field(default_factory=dict)
    cost: float = 0.0
    weight: float = 0.0
    n_frames: int = 0
    broken: dict[Path, str] = field(default_factory=dict)

    def add(self, other: Sums) -> None:
        """Add those of other frames."""
        for group, sums in other.for_atoms.items():
            self.for_atoms[group] = self.for_atoms[group] + sums if group in self.for_atoms else sums
        self.cost += other.cost
        self.weight += other.weight
        self.n_frames += other.n_frames
        self.broken |= other.broken


@single_blas
def sum_up(piece: Piece, model: Model) -> Sums:
    """Return the sums of what can be read of a piece: the work of a worker, maybe of another process or machine."""
    sums = Sums()
    for recording, first, stop, weight in piece.stretches:
        group = model.settings.one_group or recording.group
        W = model.atoms.get(group)
        if W is None:
            # the sample that atoms started from had no sound of this group
            continue
        try:
            for clips in _read_minutes(recording, first, stop, model.settings.spec.sr):
                _add_frames(sums, clips, group, W, weight, model)
        except AudioFileError as error:
            sums.broken[recording.path] = str(error).removeprefix(f"{recording.path}: ")
    return sums


def _read_minutes(recording: Recording, first: int, stop: int, sr: int) -> Iterator[list[Clip]]:
    """Yield the clips of a stretch, a minute of them at a time."""
    n = math.ceil(CLIP_SECONDS * recording.sr)
    starts = range(recording.first + first, recording.first + stop, n)
    spans = [(start, min(start + n, recording.first + stop)) for start in starts]
    read = read_clips(recording.path, spans, sr=sr)
    clips = (Clip(recording, start / recording.sr, y) for (start, _), y in zip(spans, read, strict=True))
    while minute := list(islice(clips, CLIPS_AT_ONCE)):
        yield minute


def _add_frames(sums: Sums, clips: list[Clip], group: str, W: Array, weight: float, model: Model) -> None:
    # levels are evened clip by clip: a clip of a pause would be raised to that of the sound around it
    levels = np.array([math.sqrt(float(np.mean(clip.y**2))) for clip in clips])
    loud = [
        clip
        for clip, level in zip(clips, levels, strict=True)
        if level > 0 and level >= QUIET * levels.mean()
    ]
    if not loud:
        return
    (frames,) = normalised_frames(
        analyse(loud, model.settings.spec),
        spectrum=model.spectrum,
        n_frames=None,
        one_group=group,
        rng=np.random.default_rng(0),
    ).values()
    sums.add(sum_frames(frames, group, W, weight, model.settings))


def sum_frames(frames: Frames, group: str, W: Array, weight: float, settings: PlainSettings) -> Sums:
    """Return what is learned from frames of one group, each of which counts `weight` times."""
    beta, l1_H = settings.beta, settings.l1_H
    V = frames.V ** np.float32(power_of(beta))
    H = activations(V, W, beta=beta, l1_H=l1_H, n_iter=N_UPDATES, weights=frames.M)
    for_atoms = weight * np.stack(sum_for_atoms(V, W, H, beta=beta, weights=frames.M))
    cost = beta_divergence(V, W @ H, beta, weights=frames.M) + l1_H * float(H.sum(dtype=np.float64))
    return Sums({group: for_atoms}, weight * cost, weight * V.shape[1], V.shape[1])
