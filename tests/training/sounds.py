"""Recordings that are small enough to learn from in every test, and trainings that are quick."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

Array = npt.NDArray[np.float32]


def voice(seconds: float, sr: int = 16000, seed: int = 0) -> Array:
    """Harmonics of a gliding pitch, in bursts of 0.3 s with silence between them."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sr)) / sr
    pitch = rng.uniform(100, 220) * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / sr
    y = sum(np.sin(k * phase) / k for k in range(1, 20) if k * 270 < sr / 2)
    loud = (t % 0.5) < 0.3
    return np.asarray(0.1 * y * loud, np.float32)


def hiss(seconds: float, sr: int = 16000, seed: int = 0, slope: float = 0.0) -> Array:
    """Noise whose magnitude falls with frequency to the power of `slope`."""
    n = round(seconds * sr)
    X = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    X *= np.maximum(np.arange(len(X)) * sr / n, 50.0) ** -slope
    y = np.fft.irfft(X, n)
    return np.asarray(0.05 * y / y.std(), np.float32)


def write(path: Path, y: Array, sr: int = 16000) -> Path:
    """Write a recording, and the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr, subtype="PCM_16")
    return path


def small_collection(folder: Path) -> tuple[Path, Path]:
    """Write two speakers and three kinds of noise, 2 s each; returns the folders of speech and of noise."""
    for i in range(2):
        write(folder / "speech" / f"speaker{i}" / "a.wav", voice(2.0, seed=i))
    for i, kind in enumerate(("fan", "rain", "street")):
        write(folder / "noise" / kind / "a.wav", hiss(2.0, seed=i, slope=0.5 * i))
    return folder / "speech", folder / "noise"


@pytest.fixture(scope="module", autouse=True)
def quick_training() -> Iterator[None]:
    """Begin with few signals, and score held-out mixtures that are few and short, where this fixture is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmf_audio.training.first_atoms.FIRST_ITERATIONS", 10)
        for module, n_mixtures in (("denoiser", 16), ("separator", 4)):
            patch.setattr(f"nmf_audio.training.{module}.HELD_OUT_MIXTURES", n_mixtures)
            patch.setattr(f"nmf_audio.training.{module}.HELD_OUT_SECONDS", 1.0)
            patch.setattr(f"nmf_audio.training.{module}.FIRST_SIGNALS", 16)
        patch.setattr("nmf_audio.training.comparison.N_MIXTURES", 4)
        patch.setattr("nmf_audio.training.comparison.SECONDS", 1)
        yield
