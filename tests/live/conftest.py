"""Live sound on a virtual clock."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_audio import Denoiser
from tests.live.fake import Array, Start, follow_fakes
from tests.tiny import tiny_dictionary


@pytest.fixture(scope="session")
def denoiser() -> Denoiser:
    """One that is quick."""
    return Denoiser(tiny_dictionary(), method="classic")


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that makes devices, by whose clock the session goes."""
    return follow_fakes(monkeypatch)


@pytest.fixture(scope="session")
def speech(noisy_speech: Array) -> Array:
    """Three seconds of two different channels (n_samples, 2) at 16 kHz."""
    y = noisy_speech[:48000]
    return np.stack([y, np.float32(-0.7) * np.roll(y, 50)], axis=1)
