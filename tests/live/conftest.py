"""Live sound on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nmf_audio import Denoiser
from tests.live.fake import Array, FakeSound
from tests.tiny import tiny_dictionary

Start = Callable[..., FakeSound]


@pytest.fixture(scope="session")
def denoiser() -> Denoiser:
    """One that is quick."""
    return Denoiser(tiny_dictionary(), method="classic")


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that makes devices, by whose clock the session goes."""

    def make(*args: Any, **options: Any) -> FakeSound:
        fake = FakeSound(*args, **options)
        monkeypatch.setattr("nmf_audio.live.callback.perf_counter", fake.perf_counter)
        monkeypatch.setattr("nmf_audio.live.session.perf_counter", fake.perf_counter)
        return fake

    return make


@pytest.fixture(scope="session")
def speech(noisy_speech: Array) -> Array:
    """Three seconds of two different channels (n_samples, 2) at 16 kHz."""
    y = noisy_speech[:48000]
    return np.stack([y, np.float32(-0.7) * np.roll(y, 50)], axis=1)
