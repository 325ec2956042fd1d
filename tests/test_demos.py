"""The demos run as a person runs them, and show what they promise."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import load_dictionary

DEMOS = Path(__file__).parent.parent / "demos"


def _run(script: str, *arguments: str | Path) -> str:
    words = [sys.executable, "-W", "error", str(DEMOS / script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _run_here(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str | Path) -> None:
    """Run a script in this process, which has loaded the libraries."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    runpy.run_path(str(DEMOS / script), run_name="__main__")


def _numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, f"{pattern} not in:\n{text}"
    return [float(number) for number in found.groups()]


def test_stream_blocks_says_its_latency_and_gain() -> None:
    text = _run("stream_blocks.py")
    assert _numbers(r"latency: (\d+) samples, (\d+) ms", text) == [512, 32]
    before, after = _numbers(r"SI-SDR: ([\d.-]+) dB before, ([\d.-]+) dB after", text)
    assert after >= before + 3


@pytest.mark.parametrize("block_ms", ["3.7", "250"])
def test_stream_blocks_takes_any_file_and_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], block_ms: str
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((22050, 2))
    soundfile.write(tmp_path / "in.wav", noise, 44100)
    words = (tmp_path / "in.wav", "-o", tmp_path / "out.wav", "--block-ms", block_ms)
    _run_here(monkeypatch, "stream_blocks.py", *words)
    assert "SI-SDR" not in capsys.readouterr().out, "no clean recording is known"
    out, sr = soundfile.read(tmp_path / "out.wav")
    assert (out.shape, sr) == (noise.shape, 44100)
    assert np.std(out[11025:]) < 0.5 * np.std(noise)


@pytest.mark.slow
def test_train_dictionary_learns_a_noise_and_gains_by_it() -> None:
    text = _run("train_dictionary.py")
    assert "fountain (noise, 16 atoms)" in text
    (noisy,) = _numbers(r"noisy +([\d.-]+) dB", text)
    (shipped,) = _numbers(r"shipped dictionary +([\d.-]+) dB", text)
    (own,) = _numbers(r"own noise +([\d.-]+) dB", text)
    assert own > shipped
    assert own > noisy + 1


def test_train_dictionary_takes_folder_and_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "room").mkdir()
    soundfile.write(tmp_path / "room" / "hiss.wav", 0.1 * rng.standard_normal(24000), 8000)
    soundfile.write(tmp_path / "talk.wav", 0.1 * rng.standard_normal(16000), 16000)
    words = (tmp_path / "room", tmp_path / "talk.wav", "-o", tmp_path / "mine.npz")
    _run_here(monkeypatch, "train_dictionary.py", *words)
    assert {group.name for group in load_dictionary(tmp_path / "mine.npz").groups} == {"speech", "room"}
    assert soundfile.info(tmp_path / "talk.denoised.wav").frames == 16000


@pytest.mark.slow
def test_separate_sources_takes_voice_and_piano_apart(tmp_path: Path) -> None:
    text = _run("separate_sources.py", "-o", tmp_path, "--plot", tmp_path / "parts.png")
    mixed = _numbers(r"mixture +([\d.-]+) +([\d.-]+)", text)
    free = _numbers(r"8 atoms learned on the mixture +([\d.-]+) +([\d.-]+)", text)
    both = _numbers(r"dictionaries of both +([\d.-]+) +([\d.-]+)", text)
    for before, with_free, with_both in zip(mixed, free, both, strict=True):
        assert with_both > with_free > before + 4
    for name in ("mixture", "voice", "piano"):
        shipped, _ = soundfile.read(DEMOS / "separate" / f"{name}.flac")
        made, _ = soundfile.read(tmp_path / f"{name}.flac")
        np.testing.assert_allclose(made, shipped, atol=0.01)
    assert (tmp_path / "parts.png").stat().st_size > 10_000


def test_the_pair_is_what_its_readme_says() -> None:
    clean, sr = soundfile.read(DEMOS / "clean.flac")
    noisy, _ = soundfile.read(DEMOS / "noisy.flac")
    assert (sr, clean.shape, noisy.shape) == (16000, (129600,), (129600,))
    assert np.abs(noisy).max() < 0.99, "nothing is clipped"
    assert not clean[:8000].any(), "half a second without speech"


@pytest.mark.slow
def test_separate_blindly_shows_what_places_are_worth(tmp_path: Path) -> None:
    text = _run("separate_blindly.py", "-o", tmp_path / "parts", "--plot", tmp_path / "blind.png")
    (struck,) = _numbers(r"drums and piano, --percussive +([\d.-]+)", text)
    (alike,) = _numbers(r"drums and piano, --blind 2 +([\d.-]+)\n", text)
    (blind,) = _numbers(r"two pipes, --blind 2 +([\d.-]+)\n", text)
    (by_place,) = _numbers(r"--by-place +([\d.-]+)", text)
    assert struck > 7
    assert alike > 12
    assert by_place > blind + 4
    shipped = sorted((DEMOS / "blind").iterdir())
    assert [path.name for path in sorted((tmp_path / "parts").iterdir())] == [path.name for path in shipped]
    for path in shipped:
        expected, _ = soundfile.read(path)
        made, _ = soundfile.read(tmp_path / "parts" / path.name)
        # what Vorbis makes of the same sound may differ a little from version to version
        assert np.corrcoef(made.ravel(), expected.ravel())[0, 1] > 0.99, path.name
    assert (tmp_path / "blind.png").stat().st_size > 10000
