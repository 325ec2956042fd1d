"""``nmf-audio dictionaries``: list, info, plot."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmf_audio.cli.main import main
from nmf_audio.dictionary import Dictionary, load_dictionary, shipped_dictionaries
from nmf_audio.training.card import card_text
from tests.tiny import tiny_dictionary

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder of its own that holds ``tiny.npz``."""
    monkeypatch.chdir(tmp_path)
    tiny_dictionary().save("tiny.npz")

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["dictionaries", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_list_names_what_is_shipped(run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert [line.split(":")[0].split()[0] for line in out.splitlines()] == list(shipped_dictionaries())
    assert [fact["name"] for fact in json.loads(run("list", "--json")[1])] == list(shipped_dictionaries())


def test_list_names_your_own_and_a_broken_one_costs_a_warning(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("NMF_AUDIO_HOME", str(home))
    assert run("list", "-v")[1].splitlines()[-1] == f"your own: {home}"
    home.mkdir()
    for name in ("mine", "plain"):
        tiny_dictionary().save(home / f"{name}.npz")
    (home / "broken.npz").write_bytes(b"PK\x03\x04 no more")
    (home / ".hidden.npz").write_bytes(b"")
    (home / "notes.txt").write_text("not a dictionary")
    code, out, err = run("list")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()[-2:]] == [
        f"mine ({home / 'mine.npz'})",
        f"plain ({home / 'plain.npz'})",
    ]
    broken, hidden = err.splitlines()
    assert broken.startswith(f"nmf-audio dictionaries list: warning: {home / 'broken.npz'}: ")
    assert hidden.endswith(
        "plain.npz: a shipped dictionary has this name, and priority; rename yours, or give its path"
    )
    code, out, err = run("list", "--json")
    facts = json.loads(out)
    assert [fact["name"] for fact in facts] == [*shipped_dictionaries(), "mine", "plain"]
    assert facts[-2]["path"] == str(home / "mine.npz")
    assert load_dictionary("mine").sha256 in run("info", "mine")[1]


def test_info_tells_the_card_of_a_name_or_a_file(run: Run) -> None:
    for named in ("plain", "tiny.npz"):
        code, out, _ = run("info", named)
        assert code == 0
        assert load_dictionary(named).sha256 in out


def test_info_as_json(run: Run) -> None:
    facts = json.loads(run("info", "tiny.npz", "--json")[1])
    tiny = Dictionary.load("tiny.npz")
    assert facts["sources"] == {"speech": 8, "noise": 2}
    assert facts["groups"] == [["speech", "speech", 0, 8], ["noise", "noise", 8, 10]]
    assert (facts["sha256"], facts["spec"]) == (tiny.sha256, tiny.spec.to_dict())


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plot_writes_a_picture(run: Run, suffix: str) -> None:
    code, out, err = run("plot", "tiny.npz", "-o", f"atoms.{suffix}")
    assert (code, err) == (0, "")
    assert f"atoms.{suffix}" in out
    start = Path(f"atoms.{suffix}").read_bytes()[:300]
    assert start.startswith(b"\x89PNG") if suffix == "png" else b"<svg" in start or b"<?xml" in start


def test_plot_faults_are_listed_and_nothing_is_written(run: Run) -> None:
    Path("there.png").write_bytes(b"keep")
    for words, faults in (
        (["no-such", "-o", "there.png"], ["no-such", "there.png: exists"]),
        (["tiny.npz", "-o", "atoms.wav"], ["must end in one of"]),
        (["tiny.npz", "-o", "atoms.png", "--source", "birds"], ["--source birds: must be speech"]),
    ):
        code, out, err = run("plot", *words)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == len(faults)
        assert all(fault in err for fault in faults)
    assert sorted(p.name for p in Path().iterdir()) == ["there.png", "tiny.npz"]
    assert Path("there.png").read_bytes() == b"keep"


def test_a_broken_dictionary_gets_one_sentence(run: Run) -> None:
    Path("broken.npz").write_bytes(b"PK\x03\x04 no more")
    code, out, err = run("info", "broken.npz")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_plot_without_matplotlib_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run("plot", "tiny.npz", "-o", "atoms.png")
    assert code == 1
    assert "pip install matplotlib" in err
    assert not Path("atoms.png").exists()


def test_the_real_command() -> None:
    command = [sys.executable, "-m", "nmf_audio.cli.main", "dictionaries", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "plain" in result.stdout


def test_verify_prints_hashes_origin_and_licence(run: Run, tmp_path: Path) -> None:
    shipped = shipped_dictionaries()["best"]
    code, out, err = run("verify", "best")
    assert (code, err) == (0, "")
    found = dict(line.split(": ", 1) for line in out.splitlines())
    assert found["sha256 of the file"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert found["sha256 of its arrays"] == load_dictionary("best").sha256
    assert found["shipped"] == "yes, its arrays are those of best"
    assert found["licence"] == "CC BY-SA 4.0"
    assert found["learned from"].startswith("librispeech (CC BY 4.0), ")
    of_tiny = json.loads(run("verify", "tiny.npz", "--json")[1])
    assert (of_tiny["shipped"], of_tiny["licence"], of_tiny["learned from"]) == ("no", *2 * ["not stated"])
    assert of_tiny["errors"] == []


def test_verify_compares_with_the_hash_that_is_given_and_with_the_card(run: Run, tmp_path: Path) -> None:
    for expected in (
        tiny_dictionary().sha256.upper(),
        hashlib.sha256(Path("tiny.npz").read_bytes()).hexdigest(),
    ):
        assert run("verify", "tiny.npz", "--sha256", expected)[::2] == (0, "")
    code, out, err = run("verify", "tiny.npz", "--sha256", "abc")
    assert code == 1
    assert "sha256 of the file: " in out
    assert err == (
        "nmf-audio dictionaries verify: tiny.npz: --sha256 abc is neither the hash of the file nor that of its "
        "arrays\n"
    )
    Path("tiny.md").write_text(card_text(tiny_dictionary()))
    assert run("verify", "tiny.npz")[0] == 0
    Path("tiny.md").write_text(card_text(load_dictionary("plain")))
    code, _, err = run("verify", "tiny.npz")
    assert (code, "tiny.npz: the card tiny.md states another hash" in err) == (1, True)
    Path("tiny.md").write_text("a note")
    assert run("verify", "tiny.npz")[0] == 0


def test_verify_refuses_what_is_damaged(run: Run) -> None:
    content = bytearray(Path("tiny.npz").read_bytes())
    content[-2000] ^= 1
    Path("tiny.npz").write_bytes(content)
    code, out, err = run("verify", "tiny.npz")
    assert (code, out) == (2, "")
    assert "this is no dictionary file, or it is damaged" in err
