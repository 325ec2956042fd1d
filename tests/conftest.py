"""Signals that several tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from nmf_audio import Dictionary, shipped_dictionaries

DEMOS = Path(__file__).parent.parent / "demos"

Array = npt.NDArray[np.float32]


def pytest_collection_finish() -> None:
    """Keep what all tests hold out of every search for what nothing holds."""
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """Take Ctrl-C, which a shell lets programs in its background ignore, and those that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder for a person's own dictionaries: what whoever runs the tests has must not matter."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NMF_AUDIO_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def shipped_dictionaries_read_once() -> Iterator[None]:
    """Read each shipped dictionary once: it can't be changed, and takes longer than many a test."""
    load = vars(Dictionary)["load"].__func__

    @cache
    def read(path: Path) -> Any:
        return load(Dictionary, path)

    def load_once(cls: type[Dictionary], path: Any) -> Any:
        return read(path) if path in shipped_dictionaries().values() else load(cls, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dictionary, "load", classmethod(load_once))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with recordings that are not part of the project; tests that need it skip without it."""
    folder = os.environ.get("NMF_AUDIO_DATA")
    if not folder:
        pytest.skip("needs recordings: set NMF_AUDIO_DATA to their folder")
    return Path(folder)


def _read(name: str) -> Array:
    y, sr = soundfile.read(DEMOS / name, dtype="float32")
    assert sr == 16000
    return np.asarray(y, np.float32)


@pytest.fixture(scope="session")
def clean_speech() -> Array:
    """The demo's clean recording, 16 kHz."""
    return _read("clean.flac")


@pytest.fixture(scope="session")
def noisy_speech() -> Array:
    """The demo's noisy recording, 16 kHz."""
    return _read("noisy.flac")


@pytest.fixture(scope="session")
def noisy_at(noisy_speech: Array) -> Callable[[int, int, float], Array]:
    """Return a function that gives noisy speech (n_channels, n_samples) at any rate, for some seconds."""

    def make(sr: int, n_channels: int, seconds: float) -> Array:
        y = noisy_speech if sr == 16000 else soxr.resample(noisy_speech, 16000, sr)
        y = y[: int(seconds * sr)]
        rows = [np.roll(y, 7 * c) * np.float32((-0.8) ** c) for c in range(n_channels)]
        return np.stack(rows).astype(np.float32)

    return make
