"""The quality benchmark, on pairs made from the demo."""

from __future__ import annotations

import csv
import importlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

Array = npt.NDArray[np.float32]
Load = Callable[[str], Any]

SR = 16000
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that imports one of the benchmark's modules."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, clean_speech: Array, noisy_speech: Array) -> Path:
    """Two pairs of 3 s, the second with less noise."""
    folder = tmp_path_factory.mktemp("pairs")
    part = slice(SR // 2, 7 * SR // 2)
    noise = (noisy_speech - clean_speech)[part]
    for kind in ("clean", "noisy"):
        (folder / kind).mkdir()
    for name, gain in {"000_fountain_3dB": 1.0, "001_fountain_far_13dB": 0.3}.items():
        soundfile.write(folder / "clean" / f"{name}.wav", clean_speech[part], SR, subtype="FLOAT")
        soundfile.write(
            folder / "noisy" / f"{name}.wav", clean_speech[part] + gain * noise, SR, subtype="FLOAT"
        )
    return folder


def _quality(*arguments: str | Path) -> str:
    words = [sys.executable, str(BENCHMARKS / "quality.py"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _line(text: str, start: str) -> list[float]:
    found = re.search(rf"^\| {re.escape(start)} \|(.*)\|$", text, re.M)
    assert found, f"no line {start!r} in:\n{text}"
    return [float(number) for number in re.findall(r"-?\d[\d.]*(?:e[-+]\d+)?", found[1])]


def test_names_tell_kind_and_snr(load: Load, folder: Path) -> None:
    pairs = load("pairs").find_pairs(folder)
    assert [(p.kind, p.snr_db) for p in pairs] == [("fountain", 3), ("fountain_far", 13)]
    assert [p.name for p in load("pairs").find_pairs(folder, 1)] == ["000_fountain_3dB"]


def test_pairs_must_be_pairs(load: Load, tmp_path: Path) -> None:
    pairs = load("pairs")
    with pytest.raises(FileNotFoundError, match="no pairs"):
        pairs.find_pairs(tmp_path)
    (tmp_path / "noisy").mkdir()
    (tmp_path / "noisy" / "alone.wav").touch()
    with pytest.raises(FileNotFoundError, match="no clean recording"):
        pairs.find_pairs(tmp_path)


@pytest.mark.slow
def test_table_csv_and_page(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    page.write_text(
        "before\n<!-- quality:scores -->\nold\n<!-- end -->\nafter <!-- end -->\n", encoding="utf-8"
    )
    text = _quality(folder, "--methods", "trained", "--csv", tmp_path / "all.csv", "--update", page)
    noisy, trained = (_line(text, name) for name in ("noisy (nothing done)", "trained"))
    assert trained[0] > noisy[0], "PESQ"
    assert trained[3] > noisy[3] + 2, "SI-SDR"
    assert len(_line(text, "3 dB")) == 2
    with (tmp_path / "all.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["system"], row["kind"]) for row in rows] == [
        ("noisy (nothing done)", "fountain"),
        ("noisy (nothing done)", "fountain_far"),
        ("trained", "fountain"),
        ("trained", "fountain_far"),
    ]
    assert np.mean([float(row["pesq"]) for row in rows[2:]]) == pytest.approx(trained[0], abs=1e-3)
    updated = page.read_text(encoding="utf-8")
    assert updated.startswith("before\n<!-- quality:scores -->\n|")
    assert updated.endswith("|\n<!-- end -->\nafter <!-- end -->\n")
    assert "old" not in updated


def test_parts_of_adaptive_differ(load: Load, folder: Path) -> None:
    systems = load("systems")
    _, noisy = load("pairs").read_pair(load("pairs").find_pairs(folder)[0])
    outputs = [
        systems.run(systems.System(name, "adaptive", None, s), noisy, SR)[0]
        for name, s in systems.ABLATIONS.items()
    ]
    assert {y.shape for y in outputs} == {noisy.shape}
    for before, after in itertools.pairwise(outputs):
        assert np.abs(before - after).max() > 1e-3


def test_checks_of_the_classic_method(load: Load, folder: Path) -> None:
    checks, pairs = load("checks"), load("pairs").find_pairs(folder)
    classic = [load("systems").System("classic", "classic")]
    assert _line(checks.clean(map, pairs, classic), "classic")[0] > 3.5
    assert 1 < _line(checks.noise_alone(map, pairs, classic), "classic")[0] < 30
    assert max(_line(checks.level(map, pairs, classic), "classic")) < 1e-4
    assert max(_line(checks.stereo(map, pairs, classic), "classic")) < 1e-6
    onset, *_ = _line(checks.onsets(map, pairs, classic), "classic")
    assert -0.1 < onset < 40


def test_onsets_are_measured_on_the_speech_alone(
    load: Load, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that halves everything loses 6 dB at every edge, however much noise there is."""
    checks = load("checks")
    monkeypatch.setattr(checks, "run", lambda system, y, sr: (0.5 * y, None))
    text = checks.onsets(map, load("pairs").find_pairs(folder), [load("systems").System("half")])
    assert _line(text, "half")[:2] == pytest.approx([6.02, 6.02])


def test_a_peer_is_aligned_and_measured(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is only late stands in for a denoiser; no network is needed."""
    (tmp_path / "logmmse.py").write_text(
        "import numpy as np\ndef logmmse(y, sr):\n    return np.concatenate([np.zeros(960, np.float32), y])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peers = load("peers")
    late = peers.Peer("logmmse", "late", (), 48000, 960)
    y = (0.3 * np.sin(2 * np.pi * 440 * np.arange(SR + 123) / SR) * np.hanning(SR + 123)).astype(np.float32)
    cost = peers.denoise_all(late, Path(sys.executable), {"tone": y}, SR, tmp_path / "out")
    assert cost["tone"] >= 0
    np.testing.assert_allclose(np.load(tmp_path / "out" / "tone.npy"), y, atol=1e-4)
