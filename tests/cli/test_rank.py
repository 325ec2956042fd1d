"""``nmf-audio rank`` and ``train --rank auto``: the number of sounds that recordings were made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from nmf_audio import choose_n_components, find_rank, find_recordings, load_dictionary
from nmf_audio.cli.main import main
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.nmf import CrossValidation, cross_validate
from nmf_audio.training import defaults

SR = 16000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noises in three bands that come and go by themselves."""
    folder = tmp_path_factory.mktemp("three")
    rng = np.random.default_rng(0)
    n = 12 * SR
    f = np.fft.rfftfreq(n, 1 / SR)
    y = np.zeros(n)
    for low, high in ((200, 700), (1200, 2500), (3500, 7000)):
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * ((f > low) & (f < high)))
        level = np.repeat(rng.gamma(0.5, 1, n // 4000), 4000)
        y += noise / noise.std() * level
    sf.write(folder / "three.wav", 0.1 * y / np.abs(y).max(), SR)
    return folder


def test_it_finds_how_many_sounds_there_are(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", str(recordings), "--max", "8", "--frames", "400"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["atoms", "residual", "principal", "held", "out"]
    assert [int(line.split()[0]) for line in out[1:-1]] == [1, 2, 3, 4, 6, 8]
    residual, principal, held_out = np.array([line.split()[1:4] for line in out[1:-1]], float).T
    assert (np.diff(residual) < 0).all()
    assert (residual >= principal - 1e-4).all()
    assert held_out[2] < 0.6 * held_out[0]
    error = np.array([float(line.split()[-1]) for line in out[1:-1]])
    best = int(np.flatnonzero(held_out <= held_out.min() + error.max())[0])
    assert [1, 2, 3, 4, 6, 8][best] >= 3
    assert out[-1].removeprefix("at least ").split()[0] in ("3", "4", "6", "8")


def test_it_asks_for_more_where_the_error_still_falls(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "curves.png"
    assert main(["rank", str(recordings), "--max", "2", "--frames", "200", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "at least 2 atoms: the error of held-out entries still falls at --max 2; try a larger one" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max", "0"], "--max 0: must be a whole number from 1 to 512"),
        (["--frames", "many"], "--frames many: must be a whole number from 2"),
        (["--plot", "curves.xyz"], "--plot curves.xyz: the name must end in one of"),
        (["--max", "500"], "--max 500: must be at most 400, the frames with sound that the recordings hold"),
    ],
)
def test_one_sentence_says_what_is_wrong(
    words: list[str],
    message: str,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["rank", str(recordings), "--frames", "400", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", "nowhere"]) == 2
    assert "nowhere: does not exist" in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_is_named(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    words = ["rank", str(recordings), str(tmp_path), "--max", "1", "--frames", "50"]
    assert main(words) == 1
    assert "broken.wav" in capsys.readouterr().err
    assert main([*words, "--strict"]) == 1
    assert "with --strict the command stops there" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_a_training_chooses_its_number_of_atoms(
    kind: str,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("AUTO_HIGHEST", 4), ("AUTO_HIGHEST_OF_GROUP", 4), ("RANK_FRAMES", 200)):
        monkeypatch.setattr(f"nmf_audio.training.defaults.{name}", value)
    output = tmp_path / "auto.npz"
    words = ["train", kind, str(recordings), "-o", str(output), "--iterations", "5", "--sparsity", "0.1"]
    assert main([*words, "--rank", "auto"]) == 0
    dictionary = load_dictionary(output)
    assert "--rank auto" in dictionary.meta["commands"][0]
    n = dictionary.n_components(kind)
    assert 3 <= n <= 4
    assert f"--rank auto: {n} atoms, by entries that are held out" in capsys.readouterr().out
    assert main([*words, "--rank", "auto", "--components", "3", "--force"]) == 2
    assert "--rank and --components do not go together" in capsys.readouterr().err


def test_the_functions_are_those_of_the_command(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AUTO_HIGHEST", 2), ("RANK_FRAMES", 200)):
        monkeypatch.setattr(f"nmf_audio.training.defaults.{name}", value)
    corpus = find_recordings([recordings], sr=SR)
    found = find_rank(corpus, ranks=[2, 3], n_frames=200, rng=0)
    assert found.best == 3
    penalties: list[float] = []

    def validate(*arguments: Any, l1_H: float, **options: Any) -> CrossValidation:
        penalties.append(l1_H)
        return cross_validate(*arguments, l1_H=l1_H, **options)

    monkeypatch.setattr("nmf_audio.training.rank_search.cross_validate", validate)
    for penalty in (0.0, 1.0):
        assert choose_n_components(corpus, one_group=True, l1_H=penalty, rng=0) == 2
    assert penalties == [0.1, 1.0], "without one, atoms put anything where entries are hidden"
    with pytest.raises(ParameterError, match="ranks=900; must be at most"):
        find_rank(corpus, ranks=900)
    sf.write(tmp_path / "silence.wav", np.zeros(SR), SR)
    with pytest.raises(AudioFileError, match="silent"):
        find_rank(find_recordings([tmp_path], sr=SR), ranks=1)


@pytest.mark.parametrize("value", [0.0, np.nan], ids=["silent", "unreadable"])
def test_a_group_with_nothing_to_learn_from_gets_no_atoms(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(defaults, "RANK_FRAMES", 60)
    monkeypatch.setattr(defaults, "AUTO_HIGHEST_OF_GROUP", 2)
    (tmp_path / "zzz").mkdir()
    sf.write(tmp_path / "zzz" / "b.wav", np.full(SR, value), SR, "FLOAT")
    corpus = find_recordings([recordings, tmp_path / "zzz"], sr=SR)
    assert len(corpus.groups) == 2
    alone = find_recordings([recordings], sr=SR)
    expected = choose_n_components(alone, one_group=False, rng=0)
    assert choose_n_components(corpus, one_group=False, rng=0) == expected
    with pytest.raises(AudioFileError, match=r"silent|could be read"):
        choose_n_components(find_recordings([tmp_path / "zzz"], sr=SR), one_group=False, rng=0)


def test_urls_give_what_their_files_give(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fsspec")
    tables = []
    for name in (str(recordings), recordings.as_uri()):
        assert main(["rank", name, "--max", "2", "--frames", "60"]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
