"""Passes over a corpus: stretches of its recordings, in another order each time, cut into pieces and rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmf_audio.training.corpus import Corpus
from nmf_audio.training.recordings import Recording

__all__ = ["Passes", "Piece"]

PIECE_SECONDS = 60.0

LEAST_ROUNDS = 64
"""Updates of the atoms in a pass, where there are so many pieces: with fewer it takes more passes."""

MOST_PIECES = 64
"""Pieces of a round at most: so many workers find something to do."""

HIGHEST_WEIGHT = 10.0
"""A frame of a small group counts so many times as one of a group of mean size at most: a second of sound would be
learned by heart otherwise."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a pass that one worker takes at a time.

    `stretches` are recordings, first samples and those after the last, in the part that the recording is of its file,
    and how much each frame counts besides the weight of the recording.
    """

    stretches: tuple[tuple[Recording, int, int, float], ...]


class Passes:
    """What is read in which round; with `balanced`, every group of recordings counts the same."""

    def __init__(self, corpus: Corpus, *, balanced: bool, seed: int) -> None:
        self._recordings, self._seed = corpus.recordings, seed
        self._stretches = _cut(corpus.recordings)
        n_samples = self._stretches[:, 2] - self._stretches[:, 1]
        rates = np.array([recording.sr for recording in corpus.recordings])
        self._seconds = n_samples / rates[self._stretches[:, 0]]
        self._weights = _weigh(corpus, balanced=balanced)
        self._n_pieces = max(1, round(float(self._seconds.sum()) / PIECE_SECONDS))
        self.n_rounds = min(self._n_pieces, max(LEAST_ROUNDS, -(-self._n_pieces // MOST_PIECES)))
        self._order: tuple[int, list[npt.NDArray[np.intp]]] | None = None

    def pieces(self, number: int, n: int) -> list[Piece]:
        """Return the pieces of round `n` of pass `number`."""
        if self._order is None or self._order[0] != number:
            self._order = number, self._shuffle(number)
        pieces = self._order[1]
        first, stop = (self._n_pieces * i // self.n_rounds for i in (n, n + 1))
        return [
            Piece(
                tuple(
                    (self._recordings[i], a, b, float(self._weights[i]))
                    for i, a, b in self._stretches[piece].tolist()
                )
            )
            for piece in pieces[first:stop]
        ]

    def rounds_with(self, seconds: float) -> float:
        """Return about how many rounds of a pass have something of a group that lasts so long."""
        return max(1.0, min(self.n_rounds, seconds / PIECE_SECONDS))

    def _shuffle(self, number: int) -> list[npt.NDArray[np.intp]]:
        order = np.random.default_rng([self._seed, number]).permutation(len(self._stretches))
        before = np.cumsum(self._seconds[order]) - self._seconds[order]
        piece_of = np.minimum((before / self._seconds.sum() * self._n_pieces).astype(int), self._n_pieces - 1)
        return np.split(order, np.searchsorted(piece_of, np.arange(1, self._n_pieces)))


def _cut(recordings: Sequence[Recording]) -> npt.NDArray[np.int64]:
    """Return (recording, first sample, last + 1) of stretches of at most a minute; what can't seek stays whole."""
    rows = []
    for i, recording in enumerate(recordings):
        n = recording.n_samples
        n_parts = 1 if recording.is_sequential else max(1, round(recording.seconds / PIECE_SECONDS))
        edges = np.linspace(0, n, n_parts + 1).astype(np.int64)
        rows.append(np.stack([np.full(n_parts, i), edges[:-1], edges[1:]], axis=1))
    return np.concatenate(rows)


def _weigh(corpus: Corpus, *, balanced: bool) -> npt.NDArray[np.float64]:
    """Return how much a frame of each recording counts: groups the same, if they are `balanced`."""
    if not balanced:
        return np.ones(len(corpus.recordings))
    seconds = {name: sum(r.seconds for r in members) for name, members in corpus.groups.items()}
    mean = corpus.seconds / len(seconds)
    share = {name: min(mean / max(s, 1e-9), HIGHEST_WEIGHT) for name, s in seconds.items()}
    return np.array([share[recording.group] for recording in corpus.recordings])
