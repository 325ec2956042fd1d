"""The command ``denoise`` with many files: which are found, in what order, and what stops."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from nmf_audio.cli.inputs import find_inputs
from nmf_audio.defaults import DEFAULT_NAME
from nmf_audio.jobs.denoise_file import default_output
from tests.cli.helpers import COMMAND, Run, ended_within, names, shown_on_terminal, take_interrupts
from tests.tiny import SR, truncate, write_noise


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """A folder with recordings, a folder in it, and what is none."""
    folder = tmp_path / "talks"
    (folder / "day 2" / "[late]").mkdir(parents=True)
    (folder / ".trash").mkdir()
    for name in ("b.wav", "a.FLAC", "day 2/c.ogg", "day 2/[late]/d.wav", ".trash/x.wav", ".hidden.wav"):
        format_name = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}[name.rsplit(".")[-1].lower()]
        subtype = "VORBIS" if format_name == "OGG" else "PCM_16"
        write_noise(folder / name, 0.5, name=format_name, subtype=subtype)
    (folder / "notes.txt").write_text("no recording")
    return folder


def test_a_folder_is_walked_by_name(run: Run, talks: Path) -> None:
    code, out, err = run("-r", "talks")
    assert (code, err) == (0, [])
    assert [line.split(" -> ")[0] for line in out[:-1]] == [
        "talks/a.FLAC",
        "talks/b.wav",
        "talks/day 2/c.ogg",
        "talks/day 2/[late]/d.wav",
    ]
    assert out[-1].startswith("4 done, 0 partial, 0 failed; 0.000556 hours of sound in ")
    assert {"a.denoised.FLAC", "b.denoised.wav", "day 2/c.denoised.ogg", "day 2/[late]/d.denoised.wav"} < set(
        tree(talks)
    )


def test_the_next_day_outputs_are_no_inputs(run: Run, talks: Path) -> None:
    assert run("-r", "talks")[0] == 0
    before = tree(talks)
    code, out, err = run("-r", "talks", "--skip-existing")
    assert (code, err) == (0, [])
    assert out[0] == (
        "4 inputs left out, which are outputs of others, such as talks/a.denoised.FLAC; give it alone to process it"
    )
    assert out[-1].startswith(
        "0 done, 0 partial, 0 failed, 4 already there (--force makes them again); 0 hours of sound in "
    )
    assert [line.split(": ")[1] for line in out[1:-1]] == [
        f"skipped, talks/{name} exists"
        for name in (
            "a.denoised.FLAC",
            "b.denoised.wav",
            "day 2/c.denoised.ogg",
            "day 2/[late]/d.denoised.wav",
        )
    ]
    assert tree(talks) == before
    write_noise(talks / "day 2" / "new.wav", 0.1)
    code, out, _ = run("-r", "talks", "--skip-existing")
    assert code == 0
    assert [line for line in out[1:-1] if "skipped" not in line] == [
        line for line in out if line.startswith("talks/day 2/new.wav -> ")
    ]
    assert len(out) == 7


def test_folders_are_rebuilt_below_the_output_folder(run: Run, talks: Path, tmp_path: Path) -> None:
    expected = ["a.denoised.FLAC", "b.denoised.wav", "day 2/[late]/d.denoised.wav", "day 2/c.denoised.ogg"]
    assert run("-r", "talks", "--output-dir", "clean")[0] == 0
    assert tree(tmp_path / "clean") == expected
    assert run("-r", "talks", "--output-dir", "talks/clean")[0] == 0
    assert run("-r", "talks", "--output-dir", "talks/clean", "-f")[0] == 0
    assert tree(talks / "clean") == expected


def test_names_by_pattern(run: Run, talks: Path, tmp_path: Path) -> None:
    assert run("-r", "talks", "--output-dir", "clean", "--name", "{stem}{ext}")[0] == 0
    assert tree(tmp_path / "clean") == ["a.FLAC", "b.wav", "day 2/[late]/d.wav", "day 2/c.ogg"]
    assert run("talks/b.wav", "--name", "{stem} (clean).flac")[0] == 0
    assert soundfile.info(talks / "b (clean).flac").format == "FLAC"
    assert default_output("x/a{ext}.wav", name=DEFAULT_NAME) == Path("x/a{ext}.denoised.wav")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.wav", ["a.wav", "in/b.wav", "in/in/c.wav", "other/d.wav"]),
        ("in/in/**/b.wav", ["in/in/again/in/b.wav"]),
        ("**/in/**/c.wav", ["in/in/c.wav"]),
        ("**", ["a.wav", "in/b.wav", "in/in/c.wav", "in/in/notes.txt", "other/d.wav"]),
        ("*/*.wav", ["in/b.wav", "other/d.wav"]),
        ("**/.*/*.wav", [".hidden/e.wav"]),
    ],
)
def test_patterns_through_links_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, found: list[str]
) -> None:
    """Links that lead back up are passed once, those that lead elsewhere are followed."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for path in ("root/in/in", "root/.hidden", "elsewhere"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("a.wav", "in/b.wav", "in/in/c.wav", "in/in/notes.txt", ".hidden/e.wav"):
        (root / path).touch()
    (elsewhere / "d.wav").touch()
    for link in ("in/in/back", "in/in/again"):
        (root / link).symlink_to(root)
    (root / "other").symlink_to(elsewhere)
    monkeypatch.chdir(root)
    for prefix in ("", f"{root}/"):
        errors: list[str] = []
        inputs = find_inputs([prefix + pattern], recursive=False, errors=errors)
        assert [str(entry.path) for entry in inputs] == [prefix + name for name in found]
        assert errors == []


def test_patterns_are_expanded_here(run: Run, talks: Path) -> None:
    code, out, _ = run("talks/*.wav", "talks/**/[c-d].*", "--dry-run")
    assert code == 0
    assert [line.split(" -> ")[0] for line in out] == [
        "talks/b.wav",
        "talks/day 2/[late]/d.wav",
        "talks/day 2/c.ogg",
    ]
    # a name that looks like a pattern, but is there, is a name
    assert run("talks/day 2/[late]/d.wav")[0] == 0


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["talks"], "talks: is a folder; give -r"),
        (["*.mp3"], "*.mp3: no file matches this pattern"),
        (["-r", "empty"], "empty: holds no recordings"),
        (["talks/b.wav", "--name", "same.wav"], "--name same.wav: must be a name with {stem}"),
        (["talks/b.wav", "--name", "../{stem}.wav"], "--name ../{stem}.wav: must be a name with {stem}"),
        (["talks/b.wav", "--name", "{stem}{n}.wav"], "--name {stem}{n}.wav: must be a name with {stem}"),
        (["talks/b.wav", "--name", "{stem}{ext}", "-f"], "talks/b.wav: is the input talks/b.wav itself"),
        (["talks/b.wav", "--name", "{stem}.x.wav", "-o", "c.wav"], "-o and --name do not go together"),
        (["talks/b.wav", "--skip-existing", "-f"], "--skip-existing and --force do not go together"),
        (["talks/b.wav", "--jobs", "0"], "--jobs 0: must be a whole number from 1 to 256"),
        (["talks/b.wav", "--jobs", "two"], "--jobs two: must be a whole number from 1 to 256"),
        (["-r", "talks", "--keep-noise", "n.wav"], "--keep-noise n.wav names one file for 4 inputs"),
    ],
)
def test_faults(run: Run, talks: Path, tmp_path: Path, words: list[str], fault: str) -> None:
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith(f"denoise: {fault}"), err
    assert tree(tmp_path) == before


def test_a_dry_run_writes_nothing_and_says_all(run: Run, talks: Path, tmp_path: Path) -> None:
    write_noise(talks / "b.denoised.wav", 0.1)
    (talks / "z.wav").write_text("no recording")
    before = tree(tmp_path)
    code, out, err = run("-r", "talks", "--output-dir", "new/deep", "-n", "--keep-noise", "{stem}.n{ext}")
    assert code == 1
    assert out[1] == (
        "talks/a.FLAC -> new/deep/a.denoised.FLAC and new/deep/a.n.FLAC (0.5 s, 8000 Hz, 1 channel)"
    )
    assert len(out) == 5
    assert err == [
        "denoise: talks/z.wav: holds no audio that can be read; WAV, FLAC, OGG, MP3, AIFF and others can"
    ]
    code, out, err = run("-r", "talks", "-n", "--skip-existing")
    assert "talks/b.wav: would be skipped, talks/b.denoised.wav exists" in out
    code, out, err = run("talks/b.wav", "-n")
    assert (code, out, err) == (
        2,
        [],
        ["denoise: talks/b.denoised.wav: exists; give --force to replace it"],
    )
    assert tree(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_jobs_keep_the_order_and_the_samples(run: Run, tmp_path: Path) -> None:
    for i, seconds in enumerate([6, 0.1, 3, 0.2, 0.1, 2]):
        write_noise(tmp_path / f"{i}.wav", seconds)
    truncate(tmp_path / "2.wav")
    (tmp_path / "3.wav").write_text("no recording")
    # processes that need nothing compiled start sooner
    words = ("?.wav", "--dictionary", "trained", "--method", "trained", "--output-dir")
    one = run(*words, "one")
    three = run(*words, "three", "--jobs", "3")
    assert [line.split(" ")[0] for line in three[1]] == ["0.wav", "1.wav", "2.wav", "4.wav", "5.wav", "4"]
    assert one[0] == three[0] == 1
    assert one[2] == three[2]
    assert [line.split(":")[1] for line in three[2]] == [" 2.wav", " 3.wav"]
    assert names(tmp_path / "one") == names(tmp_path / "three")
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def after_returns(text: str) -> str:
    """Return what is seen of a line in the end: a notebook knows carriage returns, and nothing else of terminals."""
    seen: list[str] = []
    for part in text.split("\r"):
        seen[: len(part)] = part
    return "".join(seen)


def test_one_bar_for_all(tmp_path: Path) -> None:
    for i in range(4):
        write_noise(tmp_path / f"{i}.wav", 5)
    shown = shown_on_terminal([str(tmp_path / "?.wav"), "--jobs", "2"])
    assert b"4 recordings: " in shown
    assert b".wav: " not in shown
    assert shown.endswith(b"\r")
    assert re.search(rb"\| [\d.]+/20\.0 \[", shown)
    assert after_returns(shown.decode()).split() == []


def test_with_jobs_blas_has_one_thread(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 0.1)
    code = f"""
from nmf_audio.cli.denoise import main
from threadpoolctl import threadpool_info
assert main({["-q", "--jobs", "2", str(src)]!r}) == 0
print({{pool["num_threads"] for pool in threadpool_info()}})
"""
    environment = {name: text for name, text in os.environ.items() if "NUM_THREADS" not in name}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == "{1}\n"


@pytest.mark.parametrize(
    ("jobs", "n_moments"),
    [
        ("1", 3),
        pytest.param("1", 8, marks=pytest.mark.slow),
        pytest.param("2", 6, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_at_any_moment_leaves_the_finished_and_no_halves(
    tmp_path: Path, jobs: str, n_moments: int
) -> None:
    rng = random.Random(jobs)
    for i in range(12):
        write_noise(tmp_path / f"{i:02}.wav", 20)
    inputs = names(tmp_path)
    n_interrupted = 0
    # processes of their own take a second until they are at work
    latest = 0.3 if jobs == "1" else 1.6
    for moment in range(n_moments):
        out = tmp_path / "out" / str(moment)
        words = ["??.wav", "--output-dir", str(out), "--jobs", jobs]
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=take_interrupts,
            start_new_session=True,
        )
        # before its own code runs there is nobody who could put an interrupt into words
        while not out.is_dir():
            assert not ended_within(process, 0.01)
        if not ended_within(process, rng.uniform(0, latest)):
            # as a terminal does: to the command and all that it started
            os.killpg(process.pid, signal.SIGINT)
        said, err = process.communicate(timeout=60)
        if process.returncode != 0:
            n_interrupted += 1
            assert (process.returncode, err) == (130, "denoise: interrupted\n")
        for name in names(out):
            assert name.endswith(".denoised.wav")
            assert soundfile.info(out / name).frames == 20 * SR
        lines = said.splitlines()
        done = [line for line in lines if line.startswith(tuple(inputs))]
        assert len(done) <= len(names(out))
        assert lines[len(done) :] == lines[-1:]
        assert f"{len(done)} done, 0 partial, 0 failed" in "".join(lines[-1:]) or not lines
        assert ("not processed" in said) is (len(lines) > 0 and len(done) < len(inputs))
    assert n_interrupted > 0
    assert names(tmp_path) == [*inputs, "out"]


def test_ctrl_c_after_the_last_file_does_not_undo_what_the_exit_code_says(tmp_path: Path) -> None:
    write_noise(tmp_path / "talk.wav", 1)
    late = "import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.SIGINT); "
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            late + "from nmf_audio.cli.denoise import main; sys.exit(main())",
            "talk.wav",
            "-q",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=take_interrupts,
        timeout=60,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert soundfile.info(tmp_path / "talk.denoised.wav").frames == SR


def test_files_are_isolated_if_that_is_asked_for_or_several_at_a_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmf_audio.jobs import batch

    found: list[bool] = []
    monkeypatch.setattr(batch, "Processes", None)
    run_files = batch.run_files

    def note(*args: Any, isolate: bool, **kwargs: Any) -> Any:
        found.append(isolate)
        return run_files(*args, **kwargs | {"jobs": 1})

    monkeypatch.setattr(batch, "run_files", note)
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name, 0.1)
    for words in (["a.wav"], ["a.wav", "b.wav"], ["a.wav", "--isolate"], ["a.wav", "b.wav", "--jobs", "2"]):
        assert run(*words, "-f")[0] == 0
    assert found == [False, False, True, True]


@pytest.mark.slow
def test_an_isolated_file_is_the_same(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.5)
    assert run("a.wav", "-o", "here.wav")[0] == 0
    assert run("a.wav", "-o", "there.wav", "--isolate")[0] == 0
    assert (tmp_path / "here.wav").read_bytes() == (tmp_path / "there.wav").read_bytes()


def test_what_can_not_be_isolated_is_refused(run: Run, tmp_path: Path) -> None:
    code, _, err = run("-", "-o", "b.wav", "--isolate")
    assert (code, err) == (
        2,
        ["denoise: --isolate: standard input and output stay with the command itself; name files"],
    )
    write_noise(tmp_path / "a.wav", 0.1)
    code, _, err = run("a.wav", "--isolate", "--cluster", "tcp://none:1")
    assert (code, err) == (2, ["denoise: --isolate and --cluster do not go together; leave --isolate out"])
