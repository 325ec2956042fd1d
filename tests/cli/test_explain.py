"""``nmf-audio explain``: a picture, or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmf_audio.cli.main import main

DEMO = Path(__file__).parent.parent.parent / "demos" / "noisy.flac"


def test_it_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "why.png"
    assert main(["explain", str(DEMO), "-o", str(output), "--start", "1", "--seconds", "1.5"]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")
    assert "1.5 s of noisy.flac" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--start", "100"], "has only 8.1 s"),
        (["--start", "-1"], "--start -1: must be a time in seconds, m:s or h:m:s"),
        (["--start", "1:00"], "has only 8.1 s"),
        (["--seconds", "0:0"], "--seconds 0: must be a number above 0 and at most 60"),
        (["--seconds", "1000"], "--seconds 1000: must be a number above 0 and at most 60"),
        (["--method", "magic"], "--method magic: must be trained"),
        (["-o", "why.xyz"], "the name must end in one of"),
    ],
)
def test_one_sentence_says_what_is_wrong(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", str(DEMO), "-o", "why.png", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_picture_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "why.png"
    output.write_text("mine")
    assert main(["explain", str(DEMO), "-o", str(output)]) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_text() == "mine"
