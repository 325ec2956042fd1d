"""Lists of files in, reports of lines out, and runs that go on where one that was killed ended."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.cli.helpers import COMMAND, Run, names
from tests.tiny import SR, write_noise


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a report, the head first."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def talks(tmp_path: Path) -> list[Path]:
    (tmp_path / "talks" / "late").mkdir(parents=True)
    return [write_noise(tmp_path / "talks" / name, 1) for name in ("a.wav", "b.wav", "late/c.wav")]


def test_a_list_names_files_and_parts_of_them(run: Run, talks: list[Path], tmp_path: Path) -> None:
    rows = ["path,start,end,group", "talks/a.wav,,,x", "talks/a.wav,0.25,0.75,", f"{talks[2]},,0.5,"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    code, _, err = run(
        "--files-from", "list.csv", "talks/b.wav", "--output-dir", "clean", "--json", "r.jsonl"
    )
    assert (code, err) == (0, [])
    assert sorted(path.relative_to("clean").as_posix() for path in Path("clean").rglob("*.wav")) == [
        "b.denoised.wav",
        "talks/a.0.25-0.75.denoised.wav",
        "talks/a.denoised.wav",
        "talks/late/c.-0.5.denoised.wav",
    ]
    assert soundfile.info("clean/talks/a.0.25-0.75.denoised.wav").frames == SR // 2
    head, *entries = read_lines(tmp_path / "r.jsonl")
    assert head["schema"] == 1
    assert [entry["status"] for entry in entries] == 4 * ["done"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--files-from", "none.csv"], "--files-from none.csv: can't be read: No such file"),
        (["--files-from", "list.txt"], "list.txt; must be a list that ends in .csv, .jsonl"),
        (["--files-from", "empty.csv"], "--files-from empty.csv: lists no recordings"),
        (["--files-from", "missing.csv"], "x.wav: No such file or directory"),
        (["--files-from", "parts.csv", "--start", "1"], "has parts of its own; leave --start and --end out"),
        (["talks/a.wav", "--resume-from", "r.json"], "r.json: must end in .jsonl"),
        (["talks/a.wav", "--resume-from", "r.jsonl", "--json", "x.json"], "name different reports"),
        (["talks/a.wav", "--resume-from", "other.jsonl"], "other.jsonl: is not a report of lines"),
    ],
)
def test_what_is_wrong_with_lists_and_reports(
    run: Run, talks: list[Path], tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "empty.csv").write_text("path\n")
    (tmp_path / "missing.csv").write_text("path\nx.wav\n")
    (tmp_path / "parts.csv").write_text("path,end\ntalks/a.wav,0.5\n")
    (tmp_path / "other.jsonl").write_text('{"src": "a", "status": "done"}\n')
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert message in err[0]
    assert names(tmp_path / "talks") == ["a.wav", "b.wav", "late"]


def test_a_run_goes_on_where_its_report_ends(run: Run, talks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "talks" / "d.wav").write_text("none")
    words = ["-r", "talks", "--output-dir", "clean", "--resume-from", "r.jsonl"]
    assert run(*words)[0] == 1
    report = tmp_path / "r.jsonl"
    assert {entry["status"] for entry in read_lines(report)[1:]} == {"done", "failed"}
    # killed while it wrote the last lines, one of which is lost
    lines = report.read_bytes().splitlines(keepends=True)
    report.write_bytes(b"".join(lines[:2]) + lines[3][:20])
    made = {path: path.stat() for path in Path("clean").rglob("*.wav")}
    write_noise(tmp_path / "talks" / "d.wav", 1)
    code, out, err = run(*words)
    assert (code, err) == (0, [])
    assert out[0] == "1 done before, 3 to go (r.jsonl)"
    _, *entries = read_lines(report)
    assert sorted(Path(entry["src"]).name for entry in entries) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert {path: path.stat().st_mtime_ns for path in made} == {p: s.st_mtime_ns for p, s in made.items()}
    assert run(*words) == (0, ["4 done before, 0 to go (r.jsonl)"], [])


def test_with_force_what_was_there_before_is_replaced_once(
    run: Run, talks: list[Path], tmp_path: Path
) -> None:
    words = ["-r", "talks", "--output-dir", "clean", "--force"]
    assert run(*words)[0] == 0
    old = Path("clean/a.denoised.wav")
    old.write_bytes(b"old")
    os.utime(old, (time.time() - 60, time.time() - 60))
    report = tmp_path / "r.jsonl"
    assert run(*words, "--resume-from", "r.jsonl")[0] == 0
    assert old.read_bytes() != b"old"
    lines = report.read_bytes().splitlines(keepends=True)
    report.write_bytes(b"".join(lines[:-1]))
    made = Path("clean/late/c.denoised.wav").stat().st_mtime_ns
    assert run(*words, "--resume-from", "r.jsonl")[0] == 0
    assert read_lines(report)[-1]["status"] == "skipped"
    assert Path("clean/late/c.denoised.wav").stat().st_mtime_ns == made


def test_a_report_of_other_settings_is_not_gone_on_with(run: Run, talks: list[Path], tmp_path: Path) -> None:
    words = ["talks/a.wav", "talks/b.wav", "--output-dir", "clean", "--resume-from", "r.jsonl"]
    assert run(*words)[0] == 0
    before = (tmp_path / "r.jsonl").read_bytes()
    code, _, err = run("talks/late/c.wav", *words, "--mix", "0.5")
    assert code == 2
    assert "was made with other settings (parameters " in err[0]
    assert (tmp_path / "r.jsonl").read_bytes() == before


def test_a_report_as_a_table(run: Run, talks: list[Path], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("talks/a.wav", "talks/b.wav", "--json", "report.parquet")[0] == 0
    rows = parquet.read_table(tmp_path / "report.parquet").to_pylist()
    assert [(row["src"], row["status"]) for row in rows] == [("talks/a.wav", "done"), ("talks/b.wav", "done")]


@pytest.mark.slow
def test_killed_at_20_moments_no_file_is_done_twice_and_none_is_missed(tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    for i in range(40):
        write_noise(tmp_path / "talks" / f"{i:02}.wav", 20)
    words = ["talks", "-r", "--output-dir", "clean", "--name", "{stem}{ext}", "--resume-from", "r.jsonl"]
    command = [*COMMAND, *words, "--jobs", "2", "-q"]
    rng = random.Random(0)
    begun = time.monotonic()
    assert (
        subprocess.run([*COMMAND, "talks/00.wav", "-o", "x.wav", "-q"], cwd=tmp_path, check=False).returncode
        == 0
    )
    start = time.monotonic() - begun
    made: dict[str, tuple[int, int]] = {}

    def check() -> None:
        """Whatever was there is still the same file."""
        found = {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (tmp_path / "clean").glob("*.wav")}
        assert made.items() <= found.items()
        made.update(found)

    for _ in range(20):
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(rng.uniform(0.3, 1.5) * start)
            process.send_signal(signal.SIGKILL)
            assert process.stderr is not None
            assert process.stderr.read() == ""
        before = len(made)
        check()
        if len(made) == before:
            # the machine is slower than it was: let the next run come further
            start *= 1.3
    n_killed = len(made)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    check()
    assert sorted(made) == [f"{i:02}.wav" for i in range(40)]
    assert n_killed > 0
    assert {name for name in names(tmp_path / "clean") if name.startswith(".")} == set()
    _, *entries = read_lines(tmp_path / "r.jsonl")
    assert sorted(Path(entry["src"]).name for entry in entries) == sorted(made)
    assert {entry["status"] for entry in entries} <= {"done", "skipped"}
    for name in made:
        one, other = soundfile.info(tmp_path / "clean" / name), soundfile.info(tmp_path / "talks" / name)
        assert (one.frames, one.samplerate) == (other.frames, other.samplerate)
