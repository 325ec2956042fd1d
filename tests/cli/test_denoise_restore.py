"""``denoise --restore``: the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import Denoiser, restore
from nmf_audio.cli.denoise import main
from tests.cli.helpers import Run, names, piping
from tests.restoration.material import LEVEL, SR, chord

Y = chord(4000)


def write_clipped(folder: Path) -> Path:
    path = folder / "loud.wav"
    soundfile.write(path, np.clip(Y, -LEVEL, LEVEL), SR)
    return path


def test_lines_and_the_report_say_what_was_restored_and_removed(run: Run, tmp_path: Path) -> None:
    write_clipped(tmp_path)
    soundfile.write(tmp_path / "whole.wav", 0.9 * Y, SR)
    code, out, err = run("loud.wav", "whole.wav", "--restore", "--json", "r.json")
    assert (code, err) == (0, [])
    n_clipped = int(np.sum(np.abs(Y) >= LEVEL))
    assert f", {n_clipped} samples clipped at -6.0 dB restored" in out[0]
    assert ", nothing restored" in out[1]
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["parameters"]["restore"] is True
    loud, whole = document["files"]
    assert (loud["n_restored"], loud["gaps"]) == (n_clipped, [])
    assert round(loud["clip_levels_db"][0], 1) == -6.0
    assert (whole["n_restored"], whole["clip_levels_db"]) == (0, [None])
    assert run("loud.wav", "-o", "plain.wav", "--json", "p.json")[0] == 0
    document = json.loads((tmp_path / "p.json").read_text())
    assert "restore" not in document["parameters"]
    assert (document["files"][0]["n_restored"], document["files"][0]["clip_levels_db"]) == (0, [])


def test_a_pipe_gives_what_the_functions_give(
    tmp_path: Path, dictionary_file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    words = ["-", "--restore", "--subtype", "FLOAT", "-o", "-", "--dictionary", str(dictionary_file)]
    with piping(write_clipped(tmp_path).read_bytes()):
        assert main(words) == 0
    said = capfdbinary.readouterr()
    assert b"samples clipped at -6.0 dB restored" in said.err
    (tmp_path / "out.wav").write_bytes(said.out)
    y = soundfile.read(tmp_path / "loud.wav", dtype="float32")[0]
    expected = Denoiser(dictionary_file).denoise(restore(y, SR), SR)
    np.testing.assert_allclose(soundfile.read(tmp_path / "out.wav")[0], expected, rtol=0, atol=1e-6)


def test_it_does_not_go_with_a_loudness(run: Run, tmp_path: Path) -> None:
    write_clipped(tmp_path)
    code, _, err = run("loud.wav", "--restore", "--loudness", "-16")
    advice = "restore the recording to floats first, then denoise that to a loudness"
    assert (code, err) == (2, [f"denoise: --loudness -16 and --restore do not go together; {advice}"])
    assert names(tmp_path) == ["loud.wav"]
