"""The main job through the command that a person types."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio.cli.denoise import main
from nmf_audio.metrics import si_sdr

Array = npt.NDArray[np.float32]

DEMOS = Path(__file__).parent.parent / "demos"
NOISY = str(DEMOS / "noisy.flac")


def _denoise(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = shutil.which("denoise", path=str(Path(sys.executable).parent))
    assert command, "the package installs the command"
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def test_denoise_raises_the_si_sdr_of_the_demo_by_3_db(
    tmp_path: Path, clean_speech: Array, noisy_speech: Array
) -> None:
    result = _denoise(DEMOS / "noisy.flac", "-o", tmp_path / "clean.flac")
    assert result.returncode == 0, result.stderr
    out, sr = soundfile.read(tmp_path / "clean.flac", dtype="float32")
    given = soundfile.info(DEMOS / "noisy.flac")
    made = soundfile.info(tmp_path / "clean.flac")
    assert (sr, out.shape) == (16000, noisy_speech.shape)
    assert (made.format, made.subtype, made.channels) == (given.format, given.subtype, given.channels)
    assert si_sdr(clean_speech, out) >= si_sdr(clean_speech, noisy_speech) + 3


@pytest.mark.parametrize("method", ["trained", "adaptive", "classic"])
def test_every_method_is_better_than_nothing(
    tmp_path: Path, clean_speech: Array, noisy_speech: Array, method: str
) -> None:
    assert main([NOISY, "-o", str(tmp_path / "out.wav"), "--method", method, "-q"]) == 0
    out, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert si_sdr(clean_speech, out) > si_sdr(clean_speech, noisy_speech) + 0.5


def test_mix_and_reduction_limit_what_is_removed(tmp_path: Path, noisy_speech: Array) -> None:
    removed = []
    for name, options in {"all": [], "mix": ["--mix", "0.5"], "limit": ["--reduction", "6"]}.items():
        target = tmp_path / f"{name}.wav"
        assert main([NOISY, "-o", str(target), "-q", *options]) == 0
        out, _ = soundfile.read(target, dtype="float32")
        lead = slice(2000, 8000)
        removed.append(20 * np.log10(np.std(noisy_speech[lead]) / np.std(out[lead])))
    everything, mixed, limited = removed
    assert everything > 10
    assert mixed < 6.5
    assert limited == pytest.approx(6, abs=1.0)
