"""What comes from others, names and words in files, reaches the terminal as text and nothing else."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nmf_audio.cli import denoise
from nmf_audio.cli.main import main
from tests.tiny import tiny_dictionary, write_noise

HOSTILE = "\x1b[2J\x07\x9b31m\u202e\nb"
"""Clears the screen, rings, turns red (in one character), turns the writing round, looks like a second line."""


def is_plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.skipif(os.name != "posix", reason="names that other systems do not allow")
def test_names_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = f"a{HOSTILE}.wav", f"c{HOSTILE}.wav"
    write_noise(Path(good), 0.1)
    Path(bad).write_bytes(b"RIFF no more")
    assert denoise.main([good, bad, "-v"]) == 1
    assert Path(f"a{HOSTILE}.denoised.wav").exists()
    out, err = capsys.readouterr()
    assert is_plain(out)
    assert is_plain(err)
    shown = r"\x1b[2J\x07\x9b31m\u202e\nb.wav"
    assert f"a{shown}" in out
    assert f"c{shown}" in err
    assert len(err.splitlines()) == 1


def test_words_of_dictionaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    replace(tiny_dictionary(), meta={"licence": HOSTILE, "commands": [HOSTILE]}).save("tiny.npz")
    assert main(["dictionaries", "info", "tiny.npz"]) == 0
    assert is_plain(capsys.readouterr().out)
    assert main(["dictionaries", "info", "tiny.npz", "--json"]) == 0
    text = capsys.readouterr().out
    assert is_plain(text)
    assert json.loads(text)["meta"]["licence"] == HOSTILE
