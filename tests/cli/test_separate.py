"""The command ``nmf-audio separate``, end to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Separator, separate
from nmf_audio.cli.main import main
from nmf_audio.jobs.separate_file import separate_file
from tests.cli.helpers import Run, names, take_interrupts, without_compiling
from tests.separation.material import Mixture
from tests.tiny import truncate

PARTS = ("low", "high", "residual")


@pytest.fixture
def run(run_separate: Run) -> Run:
    """Run the command in a folder with mix.wav, low.npz and high.npz."""
    return run_separate


def _parts(stem: str, ext: str, dtype: str) -> dict[str, npt.NDArray[Any]]:
    return {name: soundfile.read(f"{stem}.{name}{ext}", dtype=dtype)[0] for name in PARTS}


def test_one_file_a_source_and_they_add_up(run: Run, mixture: Mixture) -> None:
    code, out, err = run("mix.wav", "--sources", "low.npz", "high.npz", "-o", "out")
    assert (code, err) == (0, [])
    assert names(Path("out")) == ["mix.high.wav", "mix.low.wav", "mix.residual.wav"]
    assert out[0].startswith("mix.wav: 2.0 s in")
    assert [line.split(" (")[0] for line in out[1:]] == [f"  -> out/mix.{name}.wav" for name in PARTS]
    y, _ = soundfile.read("mix.wav", dtype="int16")
    parts = _parts("out/mix", ".wav", "int16")
    np.testing.assert_array_equal(sum(part.astype(int) for part in parts.values()), y)
    whole = separate(y, mixture.sr, {"low": "low.npz", "high": "high.npz"})
    for name, part in parts.items():
        np.testing.assert_array_equal(part, whole[name])


@pytest.mark.parametrize(
    ("subtype", "ext"),
    [("PCM_U8", ".wav"), ("PCM_24", ".flac"), ("PCM_32", ".wav"), ("FLOAT", ".wav"), ("DOUBLE", ".wav")],
)
def test_parts_add_up_in_every_coding(run: Run, mixture: Mixture, subtype: str, ext: str) -> None:
    y = np.stack([mixture.y, -0.5 * mixture.y], axis=1).astype(np.float64) * 0.7
    soundfile.write(f"in{ext}", y, 44100, subtype=subtype)
    code, _, _ = run(f"in{ext}", "--sources", "low.npz", "high.npz", "--free", "2")
    assert code == 0
    assert soundfile.info(f"in.low{ext}").subtype == subtype
    is_float = subtype in ("FLOAT", "DOUBLE")
    dtype = {"FLOAT": "float32", "DOUBLE": "float64"}.get(subtype, "int32")
    mixed, _ = soundfile.read(f"in{ext}", dtype=dtype)
    parts = _parts("in", ext, dtype)
    total = sum(part.astype(np.float64 if is_float else np.int64) for part in parts.values())
    if is_float:
        largest = np.max([np.abs(part) for part in parts.values()], axis=0)
        assert (np.abs(total - mixed) <= np.spacing(largest)).all()
    else:
        np.testing.assert_array_equal(total, mixed)


def test_free_sources_names_and_formats(run: Run) -> None:
    code, out, err = run(
        *("mix.wav", "--sources", "bass=low.npz", "--free", "lead=3", "-o", "new/folder"),
        *("--name", "{source}.flac", "--json"),
    )
    assert (code, err[0][:8]) == (0, "mix.wav:")
    assert names(Path("new/folder")) == ["bass.flac", "lead.flac", "residual.flac"]
    document = json.loads("\n".join(out))
    assert document["sources"] == ["bass", "lead"]
    assert document["parameters"] == {
        "beta": 1.0,
        "mask_power": 2.0,
        "free": 3,
        "free_source": "lead",
        "seed": 0,
        **dict.fromkeys(("start", "end", "format", "subtype", "sr", "bitrate", "quality")),
    }
    (entry,) = document["files"]
    assert entry["parts"]["bass"]["dst"] == "new/folder/bass.flac"
    assert entry["parts"]["bass"]["level_db"] == pytest.approx(entry["level_before_db"] - 3, abs=2)
    assert (entry["status"], entry["format"], entry["subtype"]) == ("done", "FLAC", "PCM_16")


def test_all_that_names_and_options_show_is_listed_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    Path("mix.low.wav").write_text("mine")
    before = names(tmp_path)
    code, _, err = run(
        *("mix.wav", "no.wav", "--sources", "low.npz", "none.npz", "x=plain", "low.npz"),
        *(
            "--beta",
            "7",
            "--mask-power",
            "x",
            "--free",
            "0",
            "--seed",
            "-1",
            "--name",
            "{stem}",
            "--json",
            "mix.wav",
        ),
    )
    assert code == 2
    for part in (
        "--beta 7: must be a number from 0 to 3",
        "--mask-power x: must be a number from 0.1",
        "--free 0: must be a whole number from 1",
        "--seed -1: must be a whole number from 0",
        "none.npz' is neither a file nor",
        "--sources x=plain: plain has several sources",
        "two sources are named 'low'",
        "no.wav: No such file",
        "--name {stem}: must be a name with {source}",
        "--json mix.wav: must end in .json",
    ):
        assert any(part in line for line in err), (part, err)
    assert names(tmp_path) == before
    code, _, err = run("mix.wav", "--sources", "low.npz", "high.npz")
    assert (code, err) == (
        2,
        ["nmf-audio separate: mix.low.wav: exists; give --force to replace it"],
    )
    code, _, err = run("mix.wav", "--sources", "low.npz", "--name", "{source}.npz", "-f")
    assert code == 2
    assert "low.npz: is the input low.npz itself" in err[0]
    assert Path("mix.low.wav").read_text() == "mine"
    code, _, err = run("mix.wav", "--sources", "low.npz", "-o", "-")
    assert (code, len(err)) == (2, 1)
    assert "the parts are several files" in err[0]


def test_dry_run_force_and_skip(run: Run) -> None:
    options = ("mix.wav", "--sources", "low.npz", "high.npz", "-o", "out")
    code, out, _ = run(*options, "-n")
    assert (code, Path("out").exists()) == (0, False)
    assert out == [
        "mix.wav -> out/mix.low.wav and out/mix.high.wav and out/mix.residual.wav (2.0 s, 16000 Hz, 1 channel)"
    ]
    assert run(*options)[0] == 0
    assert run(*options)[0] == 2
    assert run(*options, "--skip-existing")[1] == ["mix.wav: skipped, its parts exist"]
    assert run(*options, "--force", "-q")[:2] == (0, [])


def test_a_broken_file_costs_that_file_only(run: Run, mixture: Mixture) -> None:
    Path("broken.wav").write_bytes(b"no audio")
    y = mixture.y.copy()
    y[20000] = np.nan
    soundfile.write("nan.wav", y, 16000, subtype="FLOAT")
    soundfile.write("cut.wav", mixture.y, 16000)
    truncate(Path("cut.wav"))
    code, out, err = run(
        *("broken.wav", "nan.wav", "cut.wav", "mix.wav", "--sources", "low.npz", "high.npz", "-o", "out")
    )
    assert code == 1
    assert len(err) == 3
    assert err[0].startswith("nmf-audio separate: broken.wav: holds no audio")
    assert "nan.wav: sample 20000 (1.250 s) of channel 1 is NaN" in err[1]
    assert "cut.wav: warning: is truncated: " in err[2]
    assert err[2].endswith("what could be read was separated")
    expected = [f"{stem}.{name}.wav" for stem in ("cut", "mix") for name in sorted(PARTS)]
    assert names(Path("out")) == expected
    assert [line.split(":")[0] for line in out[:-1] if not line.startswith(" ")] == ["cut.wav", "mix.wav"]
    assert out[-1].startswith("1 done, 1 partial, 2 failed; ")


def test_all_parts_of_a_file_or_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # the last part's place is taken while the file is worked on
    separator = Separator({"low": "low.npz", "high": "high.npz"})
    with pytest.raises(OSError, match=r"mix\.high\.wav"):
        separate_file(
            "mix.wav", separator=separator, progress=lambda *_: Path("mix.high.wav").mkdir(exist_ok=True)
        )
    assert names(Path()) == ["high.npz", "low.npz", "mix.high.wav", "mix.wav"]


def test_parts_that_leave_the_range_are_counted_and_said(run: Run) -> None:
    # what is in one channel's favour drives the sum of masked frames out of range
    rng = np.random.default_rng(0)
    y = np.sign(rng.standard_normal(32000)) * np.repeat(rng.uniform(0, 1, 250), 128)
    soundfile.write("loud.wav", y, 16000)
    report = separate_file("loud.wav", separator=Separator("plain"))
    n_clipped = sum(
        int(((part == 32767) | (part == -32768)).sum())
        for part in (soundfile.read(path, dtype="int16")[0] for path in report.parts.values())
    )
    assert 0 < report.n_clipped <= n_clipped


def test_memory_does_not_grow_with_the_length(run: Run, mixture: Mixture) -> None:
    separator = Separator({"low": "low.npz", "high": "high.npz"})
    peaks = []
    for n in (5, 5, 40):
        soundfile.write("long.wav", np.tile(mixture.y, n), 16000)
        tracemalloc.start()
        separate_file("long.wav", separator=separator, force=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the first one loads what is loaded once
    assert peaks[2] < 1.1 * peaks[1]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(run: Run, tmp_path: Path, mixture: Mixture) -> None:
    soundfile.write("long.wav", np.tile(mixture.y, 600), 16000)
    before = names(tmp_path)
    words = ["separate", "long.wav", "--sources", "low.npz", "high.npz", "-o", "out", "--free", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nmf_audio.cli.main", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
    )
    deadline = time.monotonic() + 60
    while not (Path("out").is_dir() and names(Path("out"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, without_compiling(err)) == (130, "nmf-audio separate: interrupted\n")
    assert names(tmp_path) == sorted([*before, "out"])
    assert names(Path("out")) == []


def test_train_source_learns_what_separate_takes(run: Run, tmp_path: Path, mixture: Mixture) -> None:
    for name, y in (("low", mixture.low), ("high", mixture.high)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "alone.wav", y, 16000)
        words = [
            "train",
            "source",
            name,
            name,
            "-o",
            f"my_{name}.npz",
            "--components",
            "6",
            "--iterations",
            "30",
        ]
        assert main(words) == 0
    code, _, err = run("mix.wav", "--sources", "low=my_low.npz", "high=my_high.npz", "-o", "out")
    assert (code, err) == (0, [])
    assert "nmf-audio train source low low -o my_low.npz" in Path("my_low.md").read_text()
    assert main(["train", "source", "residual", "low", "-o", "x.npz"]) == 2
