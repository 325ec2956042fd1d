"""Real recordings of speakers and noises that were not trained on; skips without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Denoiser
from nmf_audio.metrics import estoi, pesq, si_sdr

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[tuple[Array, Array]]:
    """Every sixth pair: noisy, clean."""
    names = sorted(path.name for path in (data_folder / "dev" / "noisy").glob("*.flac"))[::6]
    assert len(names) == 10
    read = [
        [soundfile.read(data_folder / "dev" / k / n, dtype="float32")[0] for k in ("noisy", "clean")]
        for n in names
    ]
    return [(noisy, clean) for noisy, clean in read]


@pytest.mark.slow
def test_noisy_speech_comes_closer_to_clean(pairs: list[tuple[Array, Array]]) -> None:
    denoiser = Denoiser()
    gains = []
    for noisy, clean in pairs:
        out = denoiser.denoise(noisy, 16000)
        gains.append(
            [score(clean, out) - score(clean, noisy) for score in (si_sdr, lambda c, y: pesq(c, y, 16000))]
            + [estoi(clean, out, 16000) - estoi(clean, noisy, 16000)]
        )
    sdr, quality, intelligibility = np.mean(gains, axis=0)
    assert sdr > 6
    assert quality > 0.3
    assert intelligibility > 0.05


@pytest.mark.slow
def test_clean_speech_stays_clean(pairs: list[tuple[Array, Array]]) -> None:
    denoiser = Denoiser()
    outs = [(clean, denoiser.denoise(clean, 16000)) for _, clean in pairs]
    assert np.mean([pesq(clean, out, 16000) for clean, out in outs]) > 4.2
    assert np.mean([si_sdr(clean, out) for clean, out in outs]) > 22
