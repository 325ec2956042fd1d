"""``nmf-audio separate`` with many mixtures: side by side, in order, interrupted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.helpers import Run, ended_within, names, take_interrupts
from tests.separation.material import Mixture
from tests.tiny import truncate

PARTS = ("high", "low", "residual")
SOURCES = ("--sources", "low.npz", "high.npz")


def _write_several(mixture: Mixture) -> None:
    for i, start in enumerate((0, 4000, 8000, 12000)):
        soundfile.write(f"{i}.wav", mixture.y[start:], mixture.sr)
    truncate(Path("1.wav"))
    Path("2.wav").write_text("no recording")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param((*SOURCES, "--free", "lead=2", "--start", "0.1"), id="sources", marks=pytest.mark.slow),
        pytest.param(("--example", "0.1-0.6", "--joint", "--rate", "8000"), id="example"),
    ],
)
def test_processes_keep_the_order_and_the_samples(
    run_separate: Run, mixture: Mixture, way: tuple[str, ...]
) -> None:
    _write_several(mixture)
    one = run_separate("?.wav", *way, "-o", "one")
    two = run_separate("?.wav", *way, "-o", "two", "--jobs", "2")
    assert one[0] == two[0] == 1
    assert one[2] == two[2]
    assert [line.split(":")[1] for line in two[2]] == [" 1.wav", " 2.wav"]
    assert [line.split(":")[0] for line in two[1][:-1] if line[0] != " "] == ["0.wav", "1.wav", "3.wav"]
    assert two[1][-1].startswith("2 done, 1 partial, 1 failed; ")
    assert names(Path("one")) == names(Path("two"))
    for name in names(Path("one")):
        assert (Path("one") / name).read_bytes() == (Path("two") / name).read_bytes()


@pytest.mark.slow
def test_blas_has_one_thread(run_separate: Run) -> None:
    code = f"""
from nmf_audio.cli.main import main
from threadpoolctl import threadpool_info
assert main(["separate", "mix.wav", "-q", *{SOURCES!r}]) == 0
print({{pool["num_threads"] for pool in threadpool_info()}})
"""
    environment = {name: text for name, text in os.environ.items() if "NUM_THREADS" not in name}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == "{1}\n"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_at_any_moment_leaves_whole_sets_and_no_halves(
    run_separate: Run, mixture: Mixture, tmp_path: Path, jobs: str
) -> None:
    rng = random.Random(jobs)
    y = np.tile(mixture.y, 20)
    for i in range(6):
        soundfile.write(f"{i}.wav", y, mixture.sr)
    inputs = names(tmp_path)
    n_interrupted = 0
    for moment in range(2):
        out = tmp_path / "out" / str(moment)
        words = ["separate", "?.wav", *SOURCES, "--residual", "-o", str(out), "--jobs", jobs]
        process = subprocess.Popen(
            [sys.executable, "-m", "nmf_audio.cli.main", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=take_interrupts,
            start_new_session=True,
        )
        # before its own code runs there is nobody who could put an interrupt into words
        while not out.is_dir():
            assert not ended_within(process, 0.01)
        if not ended_within(process, rng.uniform(0, 1.5)):
            # as a terminal does: to the command and all that it started
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if process.returncode != 0:
            n_interrupted += 1
            assert (process.returncode, err) == (130, "nmf-audio separate: interrupted\n")
        stems = sorted({name.split(".")[0] for name in names(out)})
        assert names(out) == [f"{stem}.{part}.wav" for stem in stems for part in PARTS]
        assert all(soundfile.info(out / name).frames == len(y) for name in names(out))
    assert n_interrupted > 0
    assert names(tmp_path) == sorted([*inputs, "out"])


def test_a_folder_of_nothing_but_outputs_is_a_fault(run_separate: Run, run: Run, mixture: Mixture) -> None:
    Path("songs").mkdir()
    for name in PARTS:
        soundfile.write(f"songs/{name}.wav", mixture.y, mixture.sr)
    for code, _, err in (
        run_separate("-r", "songs", *SOURCES, "--name", "{source}.wav", "-f"),
        run("-r", "songs", "--name", "{stem}{ext}", "-f"),
    ):
        assert code == 2
        for name in PARTS:
            assert any(f"is the input songs/{name}.wav itself; name another output" in line for line in err)
    assert names(Path("songs")) == sorted(f"{name}.wav" for name in PARTS)
