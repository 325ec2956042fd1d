"""Memory that trainings take, estimated from how much sound they hold: benchmarks/corpus_memory.py measures it."""

from __future__ import annotations

from nmf_audio.training import defaults
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.streaming import SAMPLE_SECONDS

__all__ = ["MOST_IN_MEMORY", "estimate_denoiser", "estimate_passes", "estimate_sample", "estimate_separator"]

PROGRAM = 0.17e9
"""Bytes of Python and its libraries."""

SAMPLED_SECOND = 90e3
"""Bytes of a second of sound whose frames are held: bands, normalised ones, those that are drawn."""

MOST_IN_MEMORY = defaults.STREAM_SECONDS
"""Seconds of sound that a denoiser's training holds in memory; more are kept in a file."""

DENOISER, DENOISER_SECOND = 1.4e9, 32e3
"""Bytes of a denoiser's training without sounds, and of a second of sound in memory."""

SEPARATOR, SEPARATOR_SECOND = 0.35e9, 64e3
"""The same of a separator's training."""

RECORDING = 600
"""Bytes of a recording's name and place."""


def estimate_sample(seconds: float) -> float:
    """Return about how many bytes it takes to learn atoms from a sample of so many seconds."""
    return PROGRAM + SAMPLED_SECOND * seconds


def estimate_passes(corpus: Corpus, jobs: int) -> float:
    """Return about how many bytes it takes to learn atoms in a stream, with all processes that share it."""
    sample = estimate_sample(min(corpus.seconds, SAMPLE_SECONDS))
    return sample + RECORDING * len(corpus.recordings) + (PROGRAM * jobs if jobs > 1 else 0)


def estimate_denoiser(seconds: float) -> float:
    """Return about how many bytes a denoiser's training takes with so many seconds of sound."""
    return DENOISER + DENOISER_SECOND * (seconds if seconds <= MOST_IN_MEMORY else 0)


def estimate_separator(seconds: float) -> float:
    """Return about how many bytes a separator's training takes with so many seconds of sound."""
    return SEPARATOR + SEPARATOR_SECOND * seconds
