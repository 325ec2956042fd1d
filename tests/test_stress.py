"""The stress tests: a short part of each, and that they find what they look for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stress.frame import Trial
from tests.stress.fuzz_dictionaries import FuzzDictionaries
from tests.stress.fuzz_recordings import FuzzRecordings
from tests.stress.layouts import find_layout, repair_ogg
from tests.stress.recordings import make_recordings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ROOT = Path(__file__).parents[1]


def run(*words: str, program: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a stress test, or a program."""
    command = [sys.executable, "-c", program] if program else [sys.executable, "-m", *words]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def check_cases(trial: Trial[Any], n: int) -> None:
    """Check the first cases of a seed in this process."""
    for i in range(n):
        case = trial.make(np.random.default_rng([1, i]), i)
        assert (i, case, trial.check(case)) == (i, case, "")


def test_mutated_recordings_do_no_harm(tmp_path: Path) -> None:
    check_cases(FuzzRecordings(tmp_path, ["file", "pipe"]), 25)


@pytest.mark.slow
def test_mutated_recordings_do_no_harm_by_any_route(tmp_path: Path) -> None:
    check_cases(FuzzRecordings(tmp_path), 300)


def test_mutated_dictionaries_do_no_harm(tmp_path: Path) -> None:
    check_cases(FuzzDictionaries(tmp_path), 25)


PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from tests.stress import frame

frame.HANG_SECONDS, frame.MOST_MEMORY = 0.5, 30e6
class Numbers:
    name = "numbers"
    def whole(self):
        return [1]
    def make(self, rng, i):
        return 12 + i
    def check(self, case):
        if case % 4 == 1 and case > 1:
            {act}
        return ""
    def reduce(self, case):
        yield case - 4
    def save(self, case, folder):
        (folder / "case.txt").write_text(str(case))

sys.exit(frame.run_trial(Numbers(), frame.parse_options("", ["--cases", "8"])))
"""


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        ("return 'no good'", "no good"),
        ("raise ValueError(case)", r"ValueError: 5 in <string>:\d+ check"),
        ("os.abort()", r"the process dies by SIGABRT in <string>:\d+ check"),
        pytest.param("os._exit(3)", "the process dies with exit code 3", marks=pytest.mark.slow),
        pytest.param("while True: pass", "hangs for more than 0.5 s", marks=pytest.mark.slow),
        pytest.param("len(b'x' * 10**8)", r"takes \d+ MB more than what is whole", marks=pytest.mark.slow),
    ],
)
def test_what_fails_is_found_and_the_smallest_is_kept(tmp_path: Path, act: str, problem: str) -> None:
    done = run(program=textwrap.dedent(PROGRAM.format(act=act)), folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "numbers --seed 1: 8 cases, 2 FAILED in 1 way; " in done.stdout
    folder = tmp_path / "stress_failures" / "numbers-1-1"
    assert re.match(problem, (folder / "problem.txt").read_text())
    assert (folder / "case.txt").read_text() == "5"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n"), [("fuzz_recordings", 20), ("fuzz_dictionaries", 20), ("kill_points", 3)]
)
def test_the_verdict_is_one_line(tmp_path: Path, name: str, n: int) -> None:
    words = ("--seed", "3", "--cases", str(n), "--minutes", "9")
    done = run(f"tests.stress.{name}", *words, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{name} --seed 3: {n} cases, none failed; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_stream_that_ran_for_long_is_as_a_fresh_one(tmp_path: Path) -> None:
    done = run("tests.stress.soak", "--hours", "0.15", "--sr", "8000", "--method", "trained", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"soak --seed 1: \d+ cases, none failed; .*of the peak from a fresh stream\n", done.stdout
    )


@pytest.mark.slow
def test_bits_are_the_same_in_every_way(tmp_path: Path) -> None:
    done = run("tests.stress.determinism", "--seconds", "1", "--machines", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("determinism --seed 1: 14 cases, none failed; ")


def test_layouts_have_the_parts_of_files() -> None:
    recordings = {recording.name: recording.content for recording in make_recordings()}
    for name, content in recordings.items():
        layout = find_layout(content)
        assert layout.fields, name
        assert all(0 <= start <= stop <= len(content) for start, stop in layout.parts), name
    wav = recordings["pcm16.wav"]
    chunks = [wav[start : start + 4] for start, _ in find_layout(wav).parts]
    assert chunks[0] == b"fmt "
    assert b"data" in chunks
    # the checksums of what is whole are those that it has
    assert repair_ogg(recordings["a.ogg"]) == recordings["a.ogg"]
