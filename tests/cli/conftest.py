"""The command ``denoise`` with a small dictionary, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import Denoiser
from nmf_audio.cli.denoise import main
from nmf_audio.cli.main import main as nmf_audio_main
from tests.cli.helpers import Run
from tests.separation.material import Mixture, two_instruments
from tests.tiny import SR, tiny_dictionary


@pytest.fixture(scope="session", autouse=True)
def compiling_was_said() -> None:
    """Say that loops are compiled, which is said once a process: no test depends on what the disk has of them."""
    from nmf_audio.nmf.kernels._jit import _log_once

    _log_once()


@pytest.fixture(scope="session")
def dictionary_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionary") / "tiny.npz"
    tiny_dictionary().save(path)
    # what is compiled here, commands in processes of their own find on the disk
    Denoiser(path, method="classic").denoise(np.zeros(2000, np.float32), SR)
    return path


@pytest.fixture
def options(dictionary_file: Path) -> list[str]:
    """What makes the command quick."""
    return ["--dictionary", str(dictionary_file), "--method", "classic"]


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> Run:
    """Run the command in a folder of its own; returns the exit code and the lines of stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> tuple[int, list[str], list[str]]:
        code = main([*options, *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return call


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    return two_instruments(2.0)


@pytest.fixture
def run_separate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mixture: Mixture
) -> Run:
    """Run the command in a folder with mix.wav, low.npz and high.npz; it writes the residual whatever is in it."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("mix.wav", mixture.y, mixture.sr)
    for name, dictionary in mixture.dictionaries.items():
        dictionary.save(f"{name}.npz")

    def call(*words: str | Path) -> tuple[int, list[str], list[str]]:
        code = nmf_audio_main(["separate", *map(str, words), "--residual"])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return call
