"""``nmf-audio restore``: the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import restore
from nmf_audio.cli.main import main
from tests.cli.helpers import piping
from tests.restoration.material import LEVEL, SR, chord

Y = chord(3000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder with a clipped recording, one with a gap, and one that lacks nothing."""
    monkeypatch.chdir(tmp_path)
    gap = np.where(np.arange(len(Y)) // 100 == 14, 0.0, Y)
    for name, y in (("loud", np.clip(Y, -LEVEL, LEVEL)), ("gap", gap), ("whole", 0.9 * Y)):
        soundfile.write(f"{name}.wav", y, SR)


def run(*words: str) -> int:
    return main(["restore", *words])


def test_recordings_are_restored_beside_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("loud.wav", "gap.wav", "whole.wav", "--json", "r.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("loud.wav -> loud.restored.wav: 0.4 s in")
    assert f"{np.sum(np.abs(Y) >= LEVEL)} samples clipped at -6.0 dB restored" in lines[0]
    assert "1 gap restored" in lines[1]
    assert "nothing restored" in lines[2]
    for name in ("loud", "gap", "whole"):
        y, found = (soundfile.read(f"{name}{ext}.wav", dtype="int16")[0] for ext in ("", ".restored"))
        np.testing.assert_allclose(found, restore(y, SR), atol=1)
    files = json.loads(Path("r.json").read_text())["files"]
    assert [entry["dst"] for entry in files] == [f"{name}.restored.wav" for name in ("loud", "gap", "whole")]
    assert files[1]["gaps"] == [[1400 / SR, 1500 / SR]]
    assert files[0]["n_restored"] == np.sum(np.abs(Y) >= LEVEL)
    assert files[2]["clip_levels_db"] == [None]
    # what was made is no recording of its own
    assert run("loud.wav", "loud.restored.wav", "gap.wav", "gap.restored.wav") == 0
    assert "2 already there" in capsys.readouterr().out


def test_a_pipe_is_restored(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with piping(Path("loud.wav").read_bytes()):
        assert run("-", "-o", "-", "-q") == 0
    Path("piped.wav").write_bytes(capfdbinary.readouterr().out)
    assert run("loud.wav") == 0
    piped, filed = (soundfile.read(name)[0] for name in ("piped.wav", "loud.restored.wav"))
    np.testing.assert_array_equal(piped, filed)


def test_gaps_are_given_as_times() -> None:
    assert run("whole.wav", "--gaps", "0:00.1-0:00.11", "0.2-0.21", "-o", "b.wav") == 0
    found, y = (soundfile.read(name, dtype="int16")[0] for name in ("b.wav", "whole.wav"))
    changed = np.flatnonzero(found != y)
    assert {800, 1600} <= {n - n % 100 for n in changed.tolist()}
    assert np.all(((changed >= 800) & (changed < 880)) | ((changed >= 1600) & (changed < 1680)))


def test_a_gain_makes_room() -> None:
    assert run("loud.wav", "--gain", "-6", "--only", "clipping", "-o", "b.wav") == 0
    found, y = (soundfile.read(name)[0] for name in ("b.wav", "loud.wav"))
    known = np.abs(Y) < LEVEL
    np.testing.assert_allclose(found[known], 10**-0.3 * y[known], atol=2**-15)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--gaps", "1-1.2"), "--gaps 1-1.2: must be pairs (start, end) of seconds, at most 0.1 s apart"),
        (("--gaps", "x"), "--gaps x: must be START-END"),
        (("--clip-level", "0"), "--clip-level 0: must be a number above 0"),
        (("--gain", "loud"), "--gain loud: must be a number from -60 to 60 dB"),
        (("--only", "gaps", "--clip-level", "1"), "--only gaps and --clip-level 1 do not go together"),
        (("-o", "loud.wav"), "loud.wav: is the input loud.wav itself"),
        (("--start", "3", "--end", "2"), "--start 3"),
    ],
)
def test_wrong_options_are_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run("loud.wav", *words) == 2
    assert message in capsys.readouterr().err
    assert len(list(Path().iterdir())) == 3


def test_a_broken_file_costs_that_file_only(capsys: pytest.CaptureFixture[str]) -> None:
    Path("none.wav").write_bytes(b"no sound")
    assert run("none.wav", "gap.wav", "--output-dir", "out") == 1
    assert "none.wav" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["gap.restored.wav"]


def test_what_was_clipped_and_what_is_cut_off_again_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    soundfile.write("full.wav", np.clip(Y / LEVEL, -1, 1), SR)
    assert run("full.wav") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "samples clipped at 0.0 dB restored, " in line
    assert line.endswith(" samples of the output clipped")
