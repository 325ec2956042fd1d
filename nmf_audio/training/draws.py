"""Random draws of what is read of recordings, evenly over their groups."""

import math
from collections.abc import Collection, Sequence

import numpy as np

from nmf_audio.training.recordings import Recording

__all__ = ["draw_spans", "fair_shares"]

SHORTEST_CLIP = 4.0
"""Seconds; below this, fewer recordings of a group are drawn rather than shorter pieces of all."""


def draw_spans(
    groups: Collection[Sequence[Recording]],
    max_seconds: float | None,
    clip_seconds: float,
    rng: np.random.Generator,
) -> list[tuple[Recording, int, int]]:
    """Return what to read: recordings, first samples, and those after the last, each at the recording's own rate."""
    budget = math.inf if max_seconds is None else max_seconds
    totals = [sum(r.seconds for r in members) for members in groups]
    spans = []
    for members, share in zip(groups, fair_shares(totals, budget), strict=True):
        for recording, seconds in _shares_of_recordings(members, share, rng):
            n_pieces = math.ceil(seconds / clip_seconds)
            length = min(round(seconds * recording.sr), recording.n_samples)
            if n_pieces == 1:
                start = int(max(recording.n_samples - length, 0) * rng.random())
                spans += [(recording, start, start + length)] if length else []
                continue
            # one piece in each of n_pieces equal stretches; no slack when the whole is taken
            edges = np.linspace(0, recording.n_samples, n_pieces + 1).astype(int)
            sizes = np.diff(np.linspace(0, length, n_pieces + 1).astype(int))
            slack = np.maximum(np.diff(edges) - sizes, 0)
            starts = edges[:-1] + (slack * rng.random(n_pieces)).astype(int)
            pairs = zip(starts.tolist(), sizes.tolist(), strict=True)
            spans += [(recording, start, start + size) for start, size in pairs if size]
    return spans


def fair_shares(available: Sequence[float], budget: float) -> list[float]:
    """Divide a budget evenly; those that have less than an even share give all, the others share what is left.

    Examples
    --------
    >>> fair_shares([10.0, 1.0, 10.0], 9.0)
    [4.0, 1.0, 4.0]
    """
    shares, left = [0.0] * len(available), budget
    order = sorted(range(len(available)), key=available.__getitem__)
    for n_done, index in enumerate(order):
        shares[index] = min(available[index], left / (len(order) - n_done))
        left -= shares[index]
    return shares


def _shares_of_recordings(
    members: Sequence[Recording], share: float, rng: np.random.Generator
) -> list[tuple[Recording, float]]:
    """Seconds to take from each recording of a group."""
    lengths = [recording.seconds for recording in members]
    shares = fair_shares(lengths, share)
    if max(shares) >= SHORTEST_CLIP or shares == lengths:
        return list(zip(members, shares, strict=True))
    taken: dict[int, float] = {}
    for index in rng.permutation(len(members)).tolist():
        taken[index] = min(lengths[index], SHORTEST_CLIP, share)
        share -= taken[index]
        if share <= 0:
            break
    return [(members[index], taken[index]) for index in sorted(taken)]
