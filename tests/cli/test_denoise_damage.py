"""Recordings that are joined, damaged, or have a wrong header: what the command makes of them, and its exit code."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.helpers import Run
from tests.tiny import SR, noise, write_noise


def test_a_recorder_that_died(run: Run, tmp_path: Path) -> None:
    content = bytearray(write_noise(tmp_path / "a.wav", 0.5).read_bytes())
    struct.pack_into("<I", content, content.index(b"data") + 4, 0)
    (tmp_path / "a.wav").write_bytes(content)
    problem = f"was never finished: its header says no samples, {SR} bytes follow"
    expected = [f"denoise: a.wav: warning: {problem}; what could be read was denoised"]
    assert run("a.wav", "-o", "b.wav")[::2] == (1, expected)
    assert soundfile.info(tmp_path / "b.wav").frames == SR // 2


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_joined_recordings(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(0.5), SR)
    path.write_bytes(2 * path.read_bytes())
    assert run(name, "-o", "b.wav")[::2] == (0, [])
    assert soundfile.info(tmp_path / "b.wav").frames == SR


def test_a_damaged_flac(run: Run, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.flac", 2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, _, (warning,) = run("a.flac", "-o", "b.wav")
    assert code == 1
    assert warning.startswith("denoise: a.flac: warning: is damaged: no sound from ")
    assert soundfile.info(tmp_path / "b.wav").frames == 2 * SR
    y, _ = soundfile.read(tmp_path / "b.wav")
    assert np.abs(y[-SR // 2 :]).max() > 0
