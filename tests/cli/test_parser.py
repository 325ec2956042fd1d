"""Errors in a command line: one sentence each, which asks what was meant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nmf_audio
from nmf_audio import __version__
from nmf_audio.cli.denoise import build_parser as build_denoise
from nmf_audio.cli.main import build_parser
from nmf_audio.cli.times import parse_section
from tests.cli.helpers import Run
from tests.tiny import write_noise


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["a.wav", "--redction", "9"], ["--redction: there is no such option; did you mean --reduction?"]),
        (["a.wav", "--mixx=1"], ["--mixx=1: there is no such option; did you mean --mix?"]),
        (["a.wav", "-z"], ["-z: there is no such option; denoise --help lists them"]),
        (
            ["a.wav", "--preset", "podcst"],
            ["--preset podcst: must be speech, podcast, call or field; did"],
        ),
        (["a.wav", "--preset", "x"], ["--preset x: must be speech, podcast, call or field"]),
        ([], ["FILE is missing; denoise --help shows what is needed"]),
        (["a.wav", "-o"], ["--output: needs a value"]),
        (["a.wav", "-q", "-v"], ["--verbose: not allowed with argument -q/--quiet"]),
        (["-x.wav"], ["-x.wav: begins like an option; give ./-x.wav for a file of that name"]),
        (["a.wav", "-n.flac"], ["-n.flac: begins like an option; give ./-n.flac for"]),
        (["a.wav", "--talk.m4a"], ["--talk.m4a: begins like an option; give ./--talk.m4a for"]),
        (["-v-take"], ["-v-take: begins like an option; give ./-v-take for"]),
        (["-oclean.wav"], ["FILE is missing"]),
        (["a.wav", "--ouput=b.wav"], ["--ouput=b.wav: there is no such option; did you mean --output?"]),
        (["a.wav", "-q", "b.wav"], ["b.wav: is apart from the other files; put it next to them"]),
        (["a\x1b[2J.wav", "--\x1b[2J"], [r"--\x1b[2J: there is no such option"]),
    ],
)
def test_denoise(
    words: list[str],
    sentences: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-v-take").touch()
    with pytest.raises(SystemExit, match="2"):
        build_denoise().parse_args(words)
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", len(sentences))
    for line, sentence in zip(err.splitlines(), sentences, strict=True):
        assert line.startswith(f"denoise: {sentence}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "nmf-audio: COMMAND is missing; nmf-audio --help shows what is needed"),
        (
            ["denois"],
            "nmf-audio: COMMAND denois: must be denoise, separate, restore, ",
        ),
        (
            ["separate", "a.wav", "--source", "b.npz", "--blnd"],
            "nmf-audio separate: --blnd: there is no such",
        ),
        (["train", "piano"], "nmf-audio train: SOURCE piano: must be speech, noise"),
        (
            ["train", "denoiser", "--speech", "a", "--noise", "b"],
            "nmf-audio train denoiser: -o/--output is missing",
        ),
        (["explain", "a.wav", "b.wav", "-o", "c.png"], "nmf-audio explain: b.wav: is one argument too many"),
    ],
)
def test_nmf_audio(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(words)
    err = capsys.readouterr().err
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1


def test_the_package_runs_as_the_command_and_takes_no_module_from_the_current_folder(tmp_path: Path) -> None:
    for name in ("argparse", "json", "av"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ran')")
    words = [sys.executable, "-m", "nmf_audio", "--version"]
    environment = {**os.environ, "PYTHONPATH": str(Path(nmf_audio.__path__[0]).parent)}
    said = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    ).stdout
    assert said == f"nmf-audio {__version__}\n"


def test_an_output_among_the_inputs(run: Run, run_separate: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.1)
    write_noise(tmp_path / "b.wav", 0.1)
    sources = ("--sources", "low.npz", "high.npz")
    for (code, out, err), name, sentence in [
        (run("a.wav", "out.wav"), "denoise", "out.wav: does not exist; did you mean -o out.wav?"),
        (run("a.wav", "b.wav", "out"), "denoise", "out: does not exist; did you mean --output-dir out?"),
        (run("a.wav", "b.wav", "c.wav"), "denoise", "c.wav: No such file or directory"),
        (run("a.wav", "c.wav", "-o", "d.wav"), "denoise", "c.wav: No such file or directory"),
        (
            run_separate("a.wav", "out", *sources),
            "nmf-audio separate",
            "out: does not exist; did you mean -o out?",
        ),
    ]:
        assert (code, out) == (2, [])
        assert f"{name}: {sentence}" in err


def test_unknown_extensions_are_refused(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.1)
    (tmp_path / "b.dat").write_bytes((tmp_path / "a.wav").read_bytes())
    advice = (
        "is the extension of no format that can be written; give --format FLAC, or name an output such as"
    )
    for words, target in (
        (["a.wav", "-o", "q.xyz"], "q.xyz: .xyz"),
        (["a.wav", "--keep-noise", "n.sph"], "n.sph: .sph"),
        (["a.wav", "b.dat", "--name", "{stem}.clean"], "a.clean: .clean"),
    ):
        code, _, err = run(*words)
        assert code == 2
        assert err[0].startswith(f"denoise: {target} {advice}")
    assert run("a.wav", "-o", "q.xyz", "--format", "wav")[0] == 0
    assert run("a.wav", "-o", "clean")[0] == 0
    assert run("b.dat")[0] == 0
    (tmp_path / "c").write_bytes((tmp_path / "a.wav").read_bytes())
    assert run("c")[0] == 0
    assert run("c", "-o", "c2.xyz")[0] == 2
    assert (tmp_path / "b.denoised.dat").read_bytes()[:4] == b"RIFF"


def test_a_link_that_leads_nowhere(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.1)
    (tmp_path / "b.wav").symlink_to("nowhere/x.wav")
    for output in ("b.wav", "./b.wav"):
        code, _, err = run("a.wav", "-o", output)
        assert code == 2
        assert err == ["denoise: b.wav: is a link to nowhere/x.wav, whose folder is missing; make it first"]


def test_times_of_more_than_an_hour() -> None:
    assert parse_section("0:59-1:02:03.5") == (59, 3723.5)
