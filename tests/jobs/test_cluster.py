"""Recordings denoised by a dask scheduler and its workers, which die, do not share files, or have other versions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nmf_audio import Report, denoise_files
from nmf_audio.jobs.cluster import connecting
from nmf_audio.jobs.executors import run_on
from nmf_audio.jobs.file_work import FileWork, work_on
from nmf_audio.jobs.processes import ProcessEndedError
from tests.cli.helpers import COMMAND, take_interrupts
from tests.tiny import write_noise

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    # of connections that a worker which is killed leaves open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(__file__).parents[2]
Start = Callable[..., tuple[str, list["subprocess.Popen[bytes]"]]]


def _address_in(file: Path) -> str | None:
    """What the scheduler wrote; None as long as it is not there, or not whole."""
    try:
        address: str = json.loads(file.read_text())["address"]
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return address


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a scheduler and workers; return its address and their processes."""
    folder = tmp_path_factory.mktemp("cluster")
    address_file = folder / "scheduler.json"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with ExitStack() as stack:

        def start_one(
            words: list[str], before: list[str], environment: dict[str, str]
        ) -> subprocess.Popen[bytes]:
            command = [*before, sys.executable, "-m", *words, "--scheduler-file", str(address_file)]
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": path} | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        def begin(
            n_workers: int = 3, *, before: list[str] | None = None, environment: dict[str, str] | None = None
        ) -> tuple[str, list[subprocess.Popen[bytes]]]:
            failures = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
            words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
            start_one(words, [], failures)
            until = time.monotonic() + 120
            while (address := _address_in(address_file)) is None:
                assert time.monotonic() < until
                time.sleep(0.05)
            words = ["distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            words += ["--local-directory", str(folder)]
            workers = [start_one(words, before or [], environment or {}) for _ in range(n_workers)]
            if n_workers:
                from distributed import Client

                with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                    client.wait_for_workers(n_workers, timeout=120)
            return address, workers

        yield begin


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    folder = tmp_path / "talks"
    folder.mkdir()
    for i in range(12):
        write_noise(folder / f"{i:02}.wav", 40)
    return folder


def denoise_here(talks: Path) -> dict[str, bytes]:
    """Return the outputs of one process."""
    folder = talks.parent / "here"
    folder.mkdir()
    list(denoise_files([(src, folder / src.name) for src in sorted(talks.iterdir())]))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_worker_that_is_killed_costs_a_retry(start: Start, talks: Path) -> None:
    address, workers = start()
    clean = talks.parent / "clean"
    words = ["talks", "-r", "--output-dir", "clean", "--name", "{stem}{ext}", "--json", "report.json"]
    command = [*COMMAND, *words, "--cluster", address]
    with subprocess.Popen(command, cwd=talks.parent, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(list(clean.glob("*.wav"))) < 2:
            time.sleep(0.01)
        assert process.poll() is None
        workers[0].send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    report = json.loads((talks.parent / "report.json").read_text())
    assert [Path(entry["src"]).name for entry in report["files"]] == [f"{i:02}.wav" for i in range(12)]
    assert {entry["status"] for entry in report["files"]} == {"done"}
    assert {path.name: path.read_bytes() for path in clean.iterdir()} == denoise_here(talks)


def test_after_ctrl_c_all_that_is_there_counts_and_is_passed_over(start: Start, talks: Path) -> None:
    address, _ = start()
    clean = talks.parent / "clean"
    words = ["talks", "-r", "--output-dir", "clean", "--name", "{stem}{ext}", "--resume-from", "report.jsonl"]
    command = [*COMMAND, *words, "--cluster", address]
    with subprocess.Popen(
        command,
        cwd=talks.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
    ) as process:
        while process.poll() is None and len(list(clean.glob("*.wav"))) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "denoise: interrupted\n")
    there = {path.name: path.stat().st_mtime_ns for path in clean.iterdir()}
    assert 2 <= len(there) < 12
    assert f"{len(there)} done, 0 partial, 0 failed, {12 - len(there)} not processed" in said
    lines = (talks.parent / "report.jsonl").read_text().splitlines()[1:]
    assert {Path(json.loads(line)["dst"]).name for line in lines} == set(there)
    again = subprocess.run(command, cwd=talks.parent, capture_output=True, text=True, check=True)
    assert again.stdout.startswith(f"{len(there)} done before, {12 - len(there)} to go (report.jsonl)\n")
    assert f"{12 - len(there)} done, 0 partial, 0 failed" in again.stdout
    assert {name: (clean / name).stat().st_mtime_ns for name in there} == there
    assert {path.name: path.read_bytes() for path in clean.iterdir()} == denoise_here(talks)


def hide(talks: Path) -> list[str]:
    """Return what a command begins with that sees nothing of the recordings and what lies beside them."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(talks.parent)]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], check=False).returncode:
        pytest.skip("no file systems of one's own")
    return hidden


def test_workers_that_share_no_files_are_sent_them(start: Start, talks: Path) -> None:
    address, _ = start(before=hide(talks))
    there = talks.parent / "there"
    there.mkdir()
    with connecting(address) as executor:
        pairs = [(src, there / src.name) for src in sorted(talks.iterdir())]
        reports = list(denoise_files([*pairs, (talks / "none.wav", there / "x.wav")], executor=executor))
    assert [report.status for report in reports] == [*12 * ["done"], "failed"]
    assert [report.dst for report in reports[:12]] == [dst for _, dst in pairs]
    assert {path.name: path.read_bytes() for path in there.iterdir()} == denoise_here(talks)


def go_on(src: Path, dst: Path, *, progress: Callable[[float, float], None], mark: Path, **_: Any) -> Report:
    """Work for two minutes, unless it is told to end: then leave a mark."""
    mark.with_suffix(".begun").touch()
    until = time.monotonic() + 120
    try:
        while time.monotonic() < until:
            progress(0, 1)
            time.sleep(0.01)
    except BaseException:
        mark.touch()
        raise
    return Report(src, dst, "done")


def wait_for(path: Path) -> None:
    until = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_workers_that_were_sent_recordings_end_when_nobody_waits_for_them(
    start: Start, talks: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address, _ = start(1, before=hide(talks))
    mark = tmp_path_factory.mktemp("marks") / "ended"
    work = FileWork(go_on, Report, talks / "00.wav", talks / "a.wav", {"mark": mark})

    def interrupt() -> None:
        wait_for(mark.with_suffix(".begun"))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with connecting(address) as executor:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            list(run_on(executor, [work], progress=lambda *_: None))
        wait_for(mark)
    thread.join()


def wait_until_seen(src: Path, dst: Path, *, progress: Callable[[float, float], None], mark: Path) -> Report:
    """Work, half done, until somebody has seen that."""
    until = time.monotonic() + 100
    while not mark.exists():
        assert time.monotonic() < until
        progress(1, 2)
        time.sleep(0.01)
    return Report(src, dst, "done")


def test_progress_moves_within_a_recording(start: Start, talks: Path) -> None:
    address, _ = start(1)
    marks = [talks / "first", talks / "second"]
    works = [
        FileWork(wait_until_seen, Report, talks / "00.wav", mark.with_suffix(".wav"), {"mark": mark})
        for mark in marks
    ]

    def note(i: int, done: float, total: float) -> None:
        if (done, total) == (1, 2):
            marks[i].touch()

    with connecting(address) as executor:
        for _ in range(2):
            reports = list(run_on(executor, works, progress=note))
            assert [report.status for report in reports] == ["done", "done"]
            for mark in marks:
                mark.unlink()


def die(src: Path, dst: Path, **_: Any) -> Report:
    """End the worker that does it."""
    os._exit(7)


def test_a_recording_that_kills_its_workers_costs_itself_alone(start: Start, talks: Path) -> None:
    address, _ = start()
    there = talks.parent / "there"
    there.mkdir()
    works = [work_on(src, there / src.name) for src in sorted(talks.iterdir())]
    works[1] = FileWork(die, Report, talks / "01.wav", there / "01.wav", {})
    with connecting(address) as executor:
        reports = list(run_on(executor, works, progress=lambda *_: None))
    assert [report.status for report in reports] == ["done", "failed", *10 * ["done"]]
    assert isinstance(reports[1].error, ProcessEndedError)
    assert "tried it alone" in str(reports[1].error)
    assert len(list(there.iterdir())) == 11


def test_a_cluster_that_can_not_be_used_is_refused_in_a_sentence(start: Start, talks: Path) -> None:
    def refusal(address: str) -> str:
        command = [*COMMAND, "talks", "-r", "--output-dir", "clean", "--cluster", address]
        done = subprocess.run(command, cwd=talks.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert not (talks.parent / "clean").exists()
        return done.stderr

    assert "must be the address of a dask scheduler" in refusal("nonsense://127.0.0.1:1")
    address, _ = start(0)
    advice = f"start some with: dask worker {address}"
    assert (
        refusal(address) == f"denoise: --cluster {address}: must be a scheduler that has workers; {advice}\n"
    )


def test_workers_with_other_versions_are_refused(start: Start, talks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "nmf_audio", other / "nmf_audio", ignore=shutil.ignore_patterns("__pycache__"))
    init = other / "nmf_audio" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    address, _ = start(1, environment={"PYTHONPATH": str(other)})
    command = [*COMMAND, "talks", "-r", "--output-dir", "clean", "--cluster", address]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has nmf_audio 9." in done.stderr
    assert done.stderr.rstrip().endswith("as it is here; install the same there")
    assert not (tmp_path / "clean").exists()
