"""Mixtures of named sources, made on the fly, to train a separator on.

Every source is a run of its clips, with pauses between them, equalised a little at random, at a random level; now and
then one is silent. Numbers are probabilities unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from nmf_audio._checks import invalid
from nmf_audio._types import Array
from nmf_audio.training.synthetic import unit

__all__ = ["Clips", "SourceBatch", "SourceMixer", "halve"]

Clips = dict[str, list[Array]]
"""For each source its clips, mono."""

LEVEL_DB = 5.0
"""Sources are up to so much louder or quieter than the mean."""

SILENT = 0.1
EQUALISED, EQUALISER = 0.5, 0.2
BACKWARDS = 0.1
LONGEST_PAUSE = 0.4
"""Seconds."""


class SourceBatch(NamedTuple):
    """Sources (n_sources, batch, n_samples), which add up to the mixtures, and where one is not silent, `present`."""

    sources: Array
    mixture: Array
    present: npt.NDArray[np.bool_]


class SourceMixer:
    """Draws mixtures of `n_samples` of clips of at least two sources.

    All randomness is that of `rng`, whose state is the mixer's. `plain` is for scores: all sources at the same
    level and nothing else. `ParameterError` if there are fewer than two sources, or one has no sound.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clips = {name: [rng.standard_normal(4000, np.float32)] for name in ("a", "b")}
    >>> batch = SourceMixer(clips, n_samples=8000, sr=8000, rng=rng).batch(3)
    >>> batch.sources.shape, bool(np.allclose(batch.sources.sum(axis=0), batch.mixture, atol=1e-5))
    ((2, 3, 8000), True)
    """

    def __init__(
        self,
        clips: Mapping[str, Sequence[Array]],
        *,
        n_samples: int,
        sr: int,
        rng: np.random.Generator,
        plain: bool = False,
    ) -> None:
        if len(clips) < 2:
            given = f"clips of {', '.join(clips) or 'nothing'}"
            raise invalid("clips", list(clips), "of two sources or more", given=given)
        self._clips = {name: [clip for clip in members if clip.any()] for name, members in clips.items()}
        for name, members in self._clips.items():
            if not members:
                given = f"the recordings of source {name!r} are silent"
                raise invalid("clips", name, "at least one with sound", given=given)
        self._n, self._sr, self._plain, self.rng = n_samples, sr, plain, rng

    def batch(self, size: int) -> SourceBatch:
        """Return `size` mixtures."""
        sources = np.zeros((len(self._clips), size, self._n), np.float32)
        present = np.ones(sources.shape[:2], np.bool_)
        for i in range(size):
            if not self._plain:
                present[:, i] = self.rng.random(len(sources)) >= SILENT
                # a mixture of nothing teaches nothing
                present[self.rng.integers(len(sources)), i] = True
            for row, name, heard in zip(sources, self._clips, present[:, i], strict=True):
                if heard:
                    row[i] = self._source(name)
        return SourceBatch(sources, sources.sum(axis=0), present)

    def source(self, name: str) -> Array:
        """Return n_samples of one source, of unit deviation, as it is in mixtures."""
        return unit(self._equalise(self._run(name)))

    def _source(self, name: str) -> Array:
        if self._plain:
            return unit(self._run(name))
        level = np.float32(10 ** (self.rng.uniform(-LEVEL_DB, LEVEL_DB) / 20))
        return level * self.source(name)

    def _run(self, name: str) -> Array:
        """Join clips in random order until there are enough samples, and begin somewhere in the first."""
        rng, clips = self.rng, self._clips[name]
        first = clips[rng.integers(len(clips))]
        parts = [first[rng.integers(len(first)) :]]
        total = len(parts[0])
        while total < self._n:
            pause = np.zeros(int(rng.uniform(0, LONGEST_PAUSE) * self._sr), np.float32)
            clip = clips[rng.integers(len(clips))]
            parts += [pause, clip]
            total += len(pause) + len(clip)
        y = np.concatenate(parts)[: self._n]
        # an end of a clip may be silent
        return y if y.any() else self._run(name)

    def _equalise(self, y: Array) -> Array:
        if self._plain:
            return y
        rng = self.rng
        if rng.random() < BACKWARDS:
            y = y[::-1]
        if rng.random() >= EQUALISED:
            return y
        r = rng.uniform(-EQUALISER, EQUALISER, 4).astype(np.float32)
        one = np.ones(1, np.float32)
        filtered: Array = lfilter(np.concatenate([one, r[:2]]), np.concatenate([one, r[2:]]), y)
        return filtered


def halve(clips: Mapping[str, Sequence[Array]], fraction: float) -> tuple[Clips, Clips]:
    """Keep the last part of every clip, this fraction of it, for scores on what was not learned from.

    Examples
    --------
    >>> learned, held_out = halve({"a": [np.arange(10)]}, 0.2)
    >>> held_out["a"][0].tolist()
    [8, 9]
    """
    learned: Clips = {}
    held_out: Clips = {}
    for name, members in clips.items():
        cuts = [len(clip) - round(fraction * len(clip)) for clip in members]
        learned[name] = [clip[:cut] for clip, cut in zip(members, cuts, strict=True)]
        held_out[name] = [clip[cut:] for clip, cut in zip(members, cuts, strict=True)]
    return learned, held_out
