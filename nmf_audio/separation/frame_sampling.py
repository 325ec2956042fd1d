"""Sampling of frames of long signals, for learning in bounded memory."""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array

__all__ = ["MAX_FRAMES", "MAX_JOINT_FRAMES", "RunSampler", "limit_spikes", "thin"]


MAX_FRAMES = 8192
"""Number of frames for learning. Of longer signals every 2nd, 4th, 8th ... run of frames is kept."""

MAX_JOINT_FRAMES = 4 * MAX_FRAMES
"""The same for several signals together."""

SPIKE = 1e3
"""Frames so many times louder than those on both sides hold a sample out of place."""

RUN = 64
"""Frames of a run, which stay neighbours: methods use how activations change from frame to frame."""


class RunSampler:
    """Keeps runs of frames of a signal, evenly spread: beyond `max_frames` every other run is dropped."""

    def __init__(self, max_frames: int = MAX_FRAMES) -> None:
        self._max_runs = max(1, max_frames // RUN)
        self._runs: list[Array] = []
        self._step, self._n_seen = 1, 0
        self._pending: list[Array] = []

    def add(self, S: Array) -> None:
        """Take the next frames (n_channels, n_freq, n_frames)."""
        for start in range(0, S.shape[2], RUN):
            self._pending.append(S[:, :, start : start + RUN])
            self._store(RUN)

    def frames(self) -> Array:
        """Return the kept frames (n_channels, n_freq, n_frames), without those of digital silence."""
        self._store(1)
        kept = np.concatenate(self._runs, axis=2) if self._runs else np.zeros((1, 1, 0), np.float32)
        sounding: Array = kept[:, :, kept.any(axis=(0, 1))]
        return sounding

    def _store(self, at_least: int) -> None:
        n = sum(part.shape[2] for part in self._pending)
        if n < at_least:
            return
        S = np.concatenate(self._pending, axis=2)
        run, rest = S[:, :, :RUN], S[:, :, RUN:]
        self._pending = [rest] if rest.shape[2] else []
        if self._n_seen % self._step == 0:
            self._runs.append(run.copy())
            if len(self._runs) > self._max_runs:
                del self._runs[1::2]
                self._step *= 2
        self._n_seen += 1


def thin(kept: list[Array], max_frames: int = MAX_JOINT_FRAMES) -> None:
    """Remove runs of frames (..., n_frames) of several signals, every other of the longest, down to `max_frames`.

    Examples
    --------
    >>> kept = [np.arange(256), np.arange(100)]
    >>> thin(kept, 300)
    >>> [len(some) for some in kept], kept[0][[63, 64]].tolist()
    ([128, 100], [63, 128])
    """
    while sum(S.shape[-1] for S in kept) > max_frames:
        longest = max(range(len(kept)), key=lambda i: kept[i].shape[-1])
        S = kept[longest]
        if S.shape[-1] <= RUN:
            # very many short signals: a run of each
            return
        kept[longest] = S[..., np.arange(S.shape[-1]) // RUN % 2 == 0]


def limit_spikes(S: Array) -> Array:
    """Scale frames (..., n_frames) that hold a sample far out of range down to the level of their neighbours.

    Such a sample lies in two frames; most of what is learned would be learned from these.

    Examples
    --------
    >>> limit_spikes(np.array([[2, 2, 1e9, 1e8, 2, 3]], np.float32)).tolist()
    [[2.0, 2.0, 2.0, 2.0, 2.0, 3.0]]
    """
    level = S.mean(axis=tuple(range(S.ndim - 1)), dtype=np.float64)
    padded = np.pad(level, 2, constant_values=np.inf)
    sides = np.stack([np.minimum(padded[:-4], padded[1:-3]), np.minimum(padded[3:-1], padded[4:])])
    beside = np.where(np.isfinite(sides), sides, 0).max(axis=0)
    spike = (beside > 0) & (level > SPIKE * beside)
    if not spike.any():
        return S
    factor: Array = np.divide(beside, level, out=np.ones_like(level), where=spike).astype(S.dtype)
    return S * factor
