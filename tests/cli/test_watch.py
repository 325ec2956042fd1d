"""A watched folder: what is done, in what order, what waits, and that a stop at any moment costs nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nmf_audio import denoise_file
from tests.cli.helpers import COMMAND, Run, names, take_interrupts
from tests.tiny import write_noise

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command in the folder of the test."""
    (tmp_path / "inbox").mkdir()
    with ExitStack() as stack:

        def begin(*words: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, "--watch", "inbox", "--output-dir", "clean", "--name", "{stem}{ext}", *words],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=take_interrupts,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield begin


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
def test_recordings_are_done_as_they_come_and_only_when_they_are_complete(
    start: Start, tmp_path: Path
) -> None:
    inbox, clean = tmp_path / "inbox", tmp_path / "clean"
    write_noise(inbox / "b.wav", 1)
    time.sleep(0.01)
    write_noise(inbox / "a.wav", 1)
    (inbox / "c.wav").write_text("none")
    whole = write_noise(tmp_path / "d.wav", 2).read_bytes()
    process = start("--resume-from", "report.jsonl")
    with (inbox / "d.wav").open("wb") as file:
        file.write(whole[:10000])
        file.flush()
        wait_for(clean / "a.wav")
        write_noise(tmp_path / "e.wav", 1).rename(inbox / "e.wav")
        wait_for(clean / "e.wav")
        assert not (clean / "d.wav").exists()
        file.write(whole[10000:])
    wait_for(clean / "d.wav")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    done = [line.split(" -> ")[0] for line in out.splitlines()[1:]]
    assert done == [f"inbox/{name}.wav" for name in "baed"]
    assert err.splitlines()[0].startswith("denoise: inbox/c.wav: ")
    assert names(clean) == ["a.wav", "b.wav", "d.wav", "e.wav"]
    denoise_file(tmp_path / "d.wav", tmp_path / "x.wav")
    assert (clean / "d.wav").read_bytes() == (tmp_path / "x.wav").read_bytes()


@pytest.mark.slow
def test_stopped_at_any_moment_it_goes_on_and_does_nothing_twice(start: Start, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    for i in range(8):
        write_noise(tmp_path / "inbox" / f"{i}.wav", 60)
    rng = random.Random(0)
    made: dict[str, int] = {}

    def check() -> None:
        found = {path.name: path.stat().st_mtime_ns for path in clean.glob("*.wav")}
        assert made.items() <= found.items()
        made.update(found)

    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        process = start("--jobs", "2", "-q")
        n_before = len(made)
        until = time.monotonic() + 60
        while len(list(clean.glob("*.wav"))) <= n_before < 8:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(number)
        assert process.communicate(timeout=60)[0] == ""
        time.sleep(0.3)
        check()
    process = start("--jobs", "2", "-q")
    wait_for(clean / "7.wav")
    process.send_signal(signal.SIGTERM)
    process.wait()
    check()
    assert names(clean) == [f"{i}.wav" for i in range(8)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--watch", "none", "--output-dir", "clean"], "--watch none: must be a folder of this computer"),
        (["--watch", "inbox"], "--watch needs --output-dir"),
        (["--watch", "inbox", "--output-dir", "inbox"], "--output-dir inbox: is watched itself"),
        (["--watch", "inbox", "-r", "--output-dir", "inbox/clean"], "inbox/clean: is watched itself"),
        (
            ["--watch", "inbox", "--output-dir", "clean", "a.wav"],
            "--watch and other inputs do not go together",
        ),
        (["--watch", "inbox", "--output-dir", "clean", "-n"], "--watch and --dry-run do not go together"),
        (["--watch", "inbox", "--output-dir", "clean", "--json", "r.json"], "give a name in .jsonl"),
        (["--watch", "inbox", "--output-dir", "clean", "--format", "xyz"], "xyz"),
        (["--watch", "inbox", "--output-dir", "clean", "--mix", "7"], "--mix 7"),
    ],
)
def test_what_can_not_be_watched_is_refused(run: Run, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "inbox").mkdir()
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert message in " ".join(err)
    assert not (tmp_path / "clean").exists()
