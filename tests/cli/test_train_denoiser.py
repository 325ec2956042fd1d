"""``nmf-audio train denoiser``: what it writes, what it says, how it goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmf_audio import Denoiser
from nmf_audio.cli.main import main
from nmf_audio.dictionary import Dictionary
from tests.training.sounds import small_collection

SMALL = ["--speech-atoms", "6", "--noise-atoms", "4", "--layers", "1"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return small_collection(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def trained(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "mine.npz"
    words = ["--speech", str(folders[0]), "--noise", str(folders[1]), "-o", str(output)]
    assert main(["train", "denoiser", *words, "--steps", "2", "--licence", "CC0", *SMALL, "-q"]) == 0
    return output


def test_it_writes_a_dictionary_that_denoises_and_its_card(trained: Path) -> None:
    dictionary = Dictionary.load(trained)
    assert dictionary.kind == "trained"
    assert (dictionary.n_components("speech"), dictionary.n_components("noise")) == (6, 4)
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert np.isfinite(Denoiser(dictionary).denoise(noise, 16000)).all()
    card = trained.with_suffix(".md").read_text(encoding="utf-8")
    assert "nmf-audio train denoiser --speech" in card
    assert "--steps 2" in card
    assert "CC0" in card
    assert trained.with_suffix(".checkpoint").exists()


def test_it_goes_on_from_a_dictionary(
    trained: Path, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "further.npz"
    words = ["--speech", str(folders[0]), "--noise", str(folders[1]), "-o", str(output)]
    assert main(["train", "denoiser", *words, "--steps", "1", "--from", str(trained)]) == 0
    captured = capsys.readouterr()
    assert "step 1 of 1: held out: loss" in captured.out
    further = Dictionary.load(output)
    assert further.n_components("speech") == 6
    assert further.sha256 != Dictionary.load(trained).sha256
    assert len(further.meta["commands"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "--steps 0: must be at least 1"),
        (["--steps", "many"], "--steps many: must be a whole number"),
        (["--jobs", "0"], "--jobs 0: must be at least 1"),
        (["--steps", "3", "--minutes", "1"], "give one of them"),
        (["--from", "nowhere"], "--from: dictionary='nowhere'"),
        (["--from", "plain"], "only a trained dictionary"),
        (["--from", "shipped", "--layers", "2"], "--layers: --from has its own sizes"),
        (["--manifest", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_names_and_options_show_to_be_wrong(
    words: list[str],
    message: str,
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "mine.npz"
    command = [
        "train",
        "denoiser",
        "--speech",
        str(folders[0]),
        "--noise",
        str(folders[1]),
        "-o",
        str(output),
    ]
    assert main([*command, *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_training_that_is_there_is_not_overwritten(
    trained: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = trained.read_bytes()
    command = [
        "train",
        "denoiser",
        "--speech",
        str(folders[0]),
        "--noise",
        str(folders[1]),
        "-o",
        str(trained),
    ]
    assert main([*command, "--steps", "1"]) == 2
    told = capsys.readouterr().err
    assert "--resume goes on from it" in told
    assert "mine.md" in told
    assert trained.read_bytes() == before
