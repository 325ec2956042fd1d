"""``nmf-audio separate`` with what people have on their disks: every way of it, every odd recording."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from tests.cli.helpers import Run, names

WAYS = {
    "sources": ("--sources", "low.npz", "high.npz"),
    "free": ("--sources", "low.npz", "--free", "2"),
    "percussive": ("--percussive",),
    "blind": ("--blind", "2"),
    "place": ("--blind", "2", "--by-place"),
    "example": ("--example", "0.1-0.5"),
}


def _tone(n: int, sr: int) -> npt.NDArray[Any]:
    rng = np.random.default_rng(0)
    return 0.2 * np.sin(2 * np.pi * 440 * np.arange(n) / sr) + 0.02 * rng.standard_normal(n)


@pytest.fixture
def odd(run_separate: Run) -> list[str]:
    """Recordings that must come apart, in the folder of the command."""
    recordings = {
        **{f"sr{sr}": (_tone(int(0.6 * sr), sr), sr) for sr in (8000, 192000)},
        "six": (np.stack([np.roll(_tone(9600, 16000), i) for i in range(6)], axis=1), 16000),
        "opposite": (np.outer(_tone(9600, 16000), [1, -1]), 16000),
        "late": (np.concatenate([_tone(9600, 16000), np.zeros(30000), _tone(9600, 16000)]), 16000),
        "huge": (1e6 * _tone(9600, 16000), 16000),
        "faint": (1e-12 * _tone(9600, 16000), 16000),
        "silent": (np.zeros(9600), 16000),
        "one": (np.array([0.5]), 16000),
        "empty": (np.zeros(0), 16000),
    }
    for name, (y, sr) in recordings.items():
        soundfile.write(f"{name}.wav", y, sr, subtype="FLOAT")
    return list(recordings)


SLOW_WAYS = "percussive", "blind", "place", "example"


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.slow] if way in SLOW_WAYS else []) for way in WAYS]
)
def test_all_that_can_come_apart_does_and_adds_up(run_separate: Run, odd: list[str], way: str) -> None:
    code, _, err = run_separate(*(f"{name}.wav" for name in odd), *WAYS[way], "-o", "out", "--json", "r.json")
    # an example needs sound where it is said to be
    failed = ["silent", "one", "empty"] if way == "example" else []
    assert code == (1 if failed else 0)
    assert len(err) == len(failed)
    document = json.loads(Path("r.json").read_text())
    assert [Path(file["src"]).stem for file in document["files"] if file["status"] == "failed"] == failed
    for file in document["files"]:
        if file["status"] == "failed":
            continue
        mixture, sr = soundfile.read(file["src"], always_2d=True, dtype="float32")
        parts = [
            soundfile.read(part["dst"], always_2d=True, dtype="float32") for part in file["parts"].values()
        ]
        assert all(part_sr == sr and np.isfinite(part).all() for part, part_sr in parts)
        total = np.sum([part.astype(np.float64) for part, _ in parts], axis=0)
        largest = np.max([np.abs(part) for part, _ in parts], axis=0)
        assert (np.abs(total - mixture) <= np.spacing(largest)).all()


@pytest.mark.parametrize("way", WAYS)
def test_what_can_not_costs_that_file_only_in_one_sentence(run_separate: Run, way: str) -> None:
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        y = _tone(32000, 16000)
        y[20000] = value
        soundfile.write(f"{name}.wav", y, 16000, subtype="FLOAT")
    soundfile.write("slow.wav", np.zeros(3000), 3000)
    soundfile.write("many.wav", np.zeros((1000, 65)), 16000)
    Path("zero.wav").touch()
    bad = ["nan.wav", "inf.wav", "slow.wav", "many.wav", "zero.wav"]
    code, _, err = run_separate(*bad, "mix.wav", *WAYS[way], "-o", "out")
    assert code == 1
    assert len(err) == len(bad)
    for line, name, said in zip(
        err,
        bad,
        [
            "sample 20000 (1.250 s) of channel 1 is NaN",
            "sample 20000 (1.250 s) of channel 1 is infinite",
            "sample rate 3000; must be a whole number from 4000",
            "number of channels 65; must be a whole number from 1 to 64",
            "is empty (0 bytes)",
        ],
        strict=True,
    ):
        assert line.startswith(f"nmf-audio separate: {name}: {said}")
    assert {name.split(".")[0] for name in names(Path("out"))} == {"mix"}


@pytest.mark.parametrize("words", [WAYS["sources"], (*WAYS["blind"], "--rate", "48000")])
def test_no_space_left_leaves_nothing(run_separate: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    before = names(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        code, _, err = run_separate("mix.wav", *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, len(err)) == (1, 1)
    assert "can't be written: " in err[0]
    assert names(tmp_path) == before


def test_a_folder_that_can_not_be_written_is_said_once(
    run_separate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("locked").mkdir()
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and writable(path, mode))
    code, _, err = run_separate("mix.wav", *WAYS["sources"], "-o", "locked")
    assert (code, len(err)) == (2, 1)
    assert "--output-dir locked: no permission to write to " in err[0]
