"""Scores of denoisers on recordings whose clean versions are known."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nmf_audio import metrics
from nmf_audio._checks import invalid
from nmf_audio._types import Array, PathLike
from nmf_audio.denoiser import Denoiser
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.io.open import open_reader

__all__ = ["NOISY", "SCORES", "Scores", "evaluate", "mean_scores", "missing_packages", "score"]


Scores = dict[str, float | None]
"""By name; None where a score is not defined, or its package is not installed."""

NOISY = "noisy"
"""The recording as it is."""

SCORES = {"si_sdr": None, "segmental_snr": None, "pesq": "pesq", "stoi": "pystoi", "estoi": "pystoi"}
"""Scores, and the packages that they need."""


def missing_packages() -> list[str]:
    """Return the packages of scores that are not installed."""
    needed = dict.fromkeys(package for package in SCORES.values() if package is not None)
    return [package for package in needed if find_spec(package) is None]


def evaluate(clean: PathLike, noisy: PathLike, denoisers: Mapping[str, Denoiser]) -> dict[str, Scores]:
    """Denoise a recording with each denoiser, and score the results against its clean version.

    The recording itself is scored as `NOISY`. Scores are those of `nmf_audio.metrics`, of the mean of all channels;
    PESQ at 16 kHz, all others at the rate of the recordings. `ParameterError` if the two do not have the same rate,
    length and number of channels, or the clean one is silent.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> y = 0.1 * np.sin(np.arange(32000) * 0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/clean.wav", y, 16000)
    ...     soundfile.write(f"{folder}/noisy.wav", y + 0.01 * np.cos(np.arange(32000) * 0.7), 16000)
    ...     scores = evaluate(f"{folder}/clean.wav", f"{folder}/noisy.wav", {})
    >>> round(scores["noisy"]["si_sdr"], 1)
    20.0
    """
    (s, sr), (y, noisy_sr) = _read(clean), _read(noisy)
    if (s.shape, sr) != (y.shape, noisy_sr):
        given = f"{noisy} ({_describe(y, noisy_sr)}) and {clean} ({_describe(s, sr)}) are not a pair"
        raise invalid("noisy", os.fspath(noisy), "of the rate, length and channels of clean", given=given)
    outputs = {NOISY: y} | {name: denoiser.denoise(y, sr) for name, denoiser in denoisers.items()}
    reference = s.mean(axis=0)
    return {name: score(reference, out.mean(axis=0), sr) for name, out in outputs.items()}


def mean_scores(scores: Iterable[Scores], names: Iterable[str] = SCORES) -> Scores:
    """Return the mean of each score over recordings, as far as they have it; infinite ones do not count."""
    rows = list(scores)
    known = {name: [x for row in rows if (x := row[name]) is not None and math.isfinite(x)] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def score(reference: Array, estimate: Array, sr: int, names: Iterable[str] = SCORES) -> Scores:
    """Return scores of one channel; None for those that are not defined or whose package is not installed."""
    return {name: _score(name, reference, estimate, sr) for name in names}


def _read(path: PathLike) -> tuple[Array, int]:
    with open_reader(Path(path)) as reader:
        blocks = [np.zeros((reader.n_channels, 0), np.float32), *reader.blocks()]
        y = np.concatenate(blocks, axis=1).astype(np.float32, copy=False)
    if not y.shape[1]:
        raise AudioFileError(f"{path}: holds no samples")
    return y, reader.sr


def _describe(y: Array, sr: int) -> str:
    return f"{y.shape[1]} samples, {sr} Hz, channels: {y.shape[0]}"


def _score(name: str, reference: Array, estimate: Array, sr: int) -> float | None:
    if name == "si_sdr":
        return metrics.si_sdr(reference, estimate)
    package = SCORES[name]
    if package is not None and find_spec(package) is None:
        return None
    if name == "pesq" and sr != metrics.PESQ_SR:
        import soxr

        reference, estimate = (soxr.resample(y, sr, metrics.PESQ_SR) for y in (reference, estimate))
        sr = metrics.PESQ_SR
    try:
        return float(getattr(metrics, name)(reference, estimate, sr))
    except ParameterError:
        # too little speech: no score
        return None
