"""A dictionary and recordings that are small enough to make in every test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio.bands import FrontEndSpec
from nmf_audio.dictionary import Dictionary, Group

SR = 8000


def tiny_dictionary() -> Dictionary:
    """Return a plain dictionary of 8 peaked speech atoms and 2 flat noise atoms."""
    rng = np.random.default_rng(0)
    spec = FrontEndSpec()
    speech = rng.random((spec.n_bands, 8)) ** 8
    noise = 0.5 + rng.random((spec.n_bands, 2))
    groups = (Group("speech", "speech", 0, 8), Group("noise", "noise", 8, 10))
    W = np.concatenate([speech, noise], axis=1).astype(np.float32)
    return Dictionary("plain", spec, np.ones(spec.n_bands, np.float32), {"W": W}, groups, name="tiny")


def noise(seconds: float, n_channels: int = 1, sr: int = SR) -> npt.NDArray[np.float64]:
    """Return quiet noise (n_samples, n_channels)."""
    return 0.1 * np.random.default_rng(1).standard_normal((round(seconds * sr), n_channels))


def write_noise(
    path: Path,
    seconds: float = 1.0,
    *,
    n_channels: int = 1,
    sr: int = SR,
    subtype: str = "PCM_16",
    name: str | None = None,
) -> Path:
    """Write a recording of noise; the container by extension or by `name`."""
    soundfile.write(path, noise(seconds, n_channels, sr), sr, subtype=subtype, format=name)
    return path


def truncate(path: Path, share: float = 0.6) -> Path:
    """Cut the end of a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
