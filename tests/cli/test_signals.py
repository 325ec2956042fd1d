"""Commands that are ended from outside: what their exit code says, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nmf_audio.io.riff import WavHead, write_head
from tests.cli.helpers import COMMAND, Run, names
from tests.tiny import SR, write_noise

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")

HEAD = write_head(WavHead(SR, 1, "PCM_16"))


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_writing(folder: Path) -> bool:
    return any(path.suffix == ".part" and path.stat().st_size for path in folder.iterdir())


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command, let it come to where it writes, and wait there for more of standard input."""
    started = []

    def call(*words: str, before: Callable[[], object] | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*COMMAND, "-", *words],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(HEAD + bytes(4 * SR))
        process.stdin.flush()
        wait_until(lambda: process.poll() is not None or is_writing(tmp_path))
        assert process.poll() is None
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, b"denoise: ended by SIGTERM\n"),
        pytest.param(signal.SIGINT, b"denoise: interrupted\n", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, b"denoise: ended by SIGHUP\n", marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, b"denoise: ended by SIGUSR1\n", marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_nothing_behind(tmp_path: Path, start: Start, number: int, said: bytes) -> None:
    process = start("-o", "speech.wav", "--keep-noise", "noise.wav", before=default_signals)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert process.stderr is not None
    assert process.stderr.read() == said
    assert names(tmp_path) == []


@pytest.mark.slow
def test_what_nohup_ignores_is_ignored(tmp_path: Path, start: Start) -> None:
    process = start("-o", "out.wav", before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    assert process.communicate(bytes(2 * SR), timeout=60)[1] == b""
    assert (process.returncode, names(tmp_path)) == (0, ["out.wav"])


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(
    tmp_path: Path, start: Start, run: Run
) -> None:
    living = start("-o", "living.wav")
    (of_the_living,) = names(tmp_path)
    killed = start("-o", "killed.wav")
    wait_until(lambda: len(names(tmp_path)) == 2)
    killed.kill()
    killed.wait()
    of_others = [".0123456789abcdef.part", "talk.part", of_the_living[:-8] + "zz.part"]
    for name in of_others:
        (tmp_path / name).write_text("of others")
    write_noise(tmp_path / "a.wav", 0.1)
    assert run("a.wav", "--dry-run")[0] == 0
    assert len(names(tmp_path)) == 6
    assert run("a.wav")[0] == 0
    assert names(tmp_path) == sorted([of_the_living, *of_others, "a.wav", "a.denoised.wav"])
    assert living.communicate(timeout=60)[1] == b""
    assert living.returncode == 0
    assert "living.wav" in names(tmp_path)
    assert of_the_living not in names(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_leaves_nothing(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    # long enough to be met while it is worked on
    long = write_noise(tmp_path / "long.wav", 900)
    short = write_noise(tmp_path / "short.wav", 0.1)
    command = [*COMMAND, *map(str, (long, short, "--jobs", "2", "--output-dir", folder))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: "short.denoised.wav" in names(folder) and len(names(folder)) == 2)
        (worker,) = (pid for pid in children(process.pid) if is_holding_a_part(pid))
        os.kill(worker, number)
        err = process.communicate(timeout=60)[1]
    assert "the process that worked on it ended early" in err
    assert process.returncode == 1
    assert names(folder) == ["short.denoised.wav"]


def children(pid: int) -> list[int]:
    return [
        int(child)
        for one in Path(f"/proc/{pid}/task").glob("*/children")
        for child in one.read_text().split()
    ]


def is_holding_a_part(pid: int) -> bool:
    return any(os.readlink(link).endswith(".part") for link in Path(f"/proc/{pid}/fd").iterdir())  # noqa: PTH115


@pytest.mark.slow
def test_what_is_kept_of_a_pipe_does_not_outlive_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    recording = write_noise(tmp_path / "a.flac", 30).read_bytes()
    command = [*COMMAND, "-", "-o", "b.flac"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(recording[:-1])
        process.stdin.flush()
        wait_until(lambda: is_writing(folder))
        process.kill()
    assert len(names(folder)) == 1
    subprocess.run(command, cwd=tmp_path, input=recording, check=True)
    assert names(folder) == []
    assert names(tmp_path) == ["a.flac", "b.flac", "temporary"]


def test_of_what_is_done_nothing_is_interrupted(tmp_path: Path) -> None:
    code = """if True:
        import os, signal, sys, threading
        from nmf_audio.jobs.batch import run_in_order

        def is_waiting():
            return sys._current_frames()[threading.main_thread().ident].f_code.co_name == "run_in_order"

        def work(number):
            def do(advance):
                while not is_waiting():
                    pass
                if number == 1:
                    os.kill(os.getpid(), signal.SIGINT)
                while number == 2:
                    advance(0, 1)
                return number
            return do

        signal.signal(signal.SIGINT, signal.default_int_handler)
        seen = []
        try:
            for i in run_in_order(map(work, eval(sys.argv[1])), progress=lambda *_: None):
                seen.append(i)
        except KeyboardInterrupt:
            seen.append("interrupted")
        print(seen)
    """
    for numbers, expected in (("[0, 1]", "[0, 1]"), ("[0, 1, 2]", "[0, 1, 'interrupted']")):
        done = subprocess.run(
            [sys.executable, "-c", code, numbers], capture_output=True, text=True, check=True
        )
        assert done.stdout == expected + "\n"
