"""Works in other processes: what comes back, and all ways in which they can end."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

import nmf_audio
from nmf_audio import Report, denoise_files
from nmf_audio._types import Progress
from nmf_audio.jobs.processes import ProcessEndedError, Processes
from tests.tiny import write_noise


class OddError(Exception):
    """Can be pickled, but not put together again."""

    def __init__(self, a: str, b: str) -> None:
        super().__init__(a + b)


@dataclass(frozen=True)
class Act:
    """A work that does one thing."""

    what: str
    path: Path = Path("a")

    def __call__(self, progress: Progress) -> Report:
        if self.what == "die":
            os._exit(7)
        if self.what == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.what == "die in a message":
            # what is not a standard stream is the pipe to the other process
            (pipe,) = (n for n in range(3, 20) if is_pipe(n))
            os.write(pipe, pickle.dumps("a" * 99)[:50])
            os._exit(7)
        if self.what == "raise":
            raise ValueError("no good")
        if self.what == "odd":
            raise OddError("o", "dd")
        if self.what == "say":
            sys.stdout.write("to whom?")
            logging.getLogger("nmf_audio").info("compiling")
            warnings.warn("a warning", RuntimeWarning, stacklevel=1)
        if self.what == "go on":
            try:
                while True:
                    progress(1, 2)
                    time.sleep(0.01)
            finally:
                self.path.touch()
        if self.what == "where":
            return Report(Path(nmf_audio.__file__), self.path, "done")
        for i in range(3):
            progress(i, 3)
        return Report(Path(str(os.getpid())), self.path, "done")

    def failed(self, error: Exception) -> Report:
        return Report(self.path, self.path, "failed", error=error)


def is_pipe(number: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(number).st_mode)
    except OSError:
        return False


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Some that tests share which leave them as they are."""
    with Processes() as shared:
        yield shared


def ignore(done: float, total: float) -> None:
    """What progress may be."""


def test_results_and_progress_come_back_and_processes_are_used_again(processes: Processes) -> None:
    seen = []
    reports = [processes.remote(Act(""))(lambda *x: seen.append(x)) for _ in range(2)]
    assert seen == 2 * [(0, 3), (1, 3), (2, 3)]
    assert reports[0] == reports[1]
    assert str(reports[0].src) != str(os.getpid())


@pytest.mark.skipif(os.name != "posix", reason="looks at sessions")
def test_ctrl_c_of_a_terminal_does_not_reach_them(processes: Processes) -> None:
    pid = int(str(processes.remote(Act(""))(ignore).src))
    assert os.getsid(pid) != os.getsid(0)


def test_what_is_said_there_is_said_here(processes: Processes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.warns(RuntimeWarning, match="a warning"):
        assert processes.remote(Act("say"))(ignore).status == "done"
    assert caplog.messages == ["compiling"]


def test_faults_come_back_with_their_traceback(processes: Processes) -> None:
    plain, odd = (processes.remote(Act(what))(ignore).error for what in ("raise", "odd"))
    assert isinstance(plain, ValueError)
    assert "raise ValueError" in "".join(traceback.format_exception(plain))
    assert str(odd) == "OddError: odd"


@pytest.mark.parametrize(
    ("what", "how"),
    [("die", "exit code 7"), ("crash", "ended by SIGSEGV"), ("die in a message", "exit code 7")],
)
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_process_that_dies_costs_its_work_only(what: str, how: str) -> None:
    with Processes() as processes:
        error = processes.remote(Act(what))(ignore).error
        assert processes.remote(Act(""))(ignore).status == "done"
    assert isinstance(error, ProcessEndedError)
    assert str(error) == f"the process that worked on it ended early ({how})"


def test_what_progress_raises_ends_the_work_there_too(tmp_path: Path) -> None:
    def stop(done: float, total: float) -> None:
        raise KeyboardInterrupt

    with Processes() as processes, pytest.raises(KeyboardInterrupt):
        processes.remote(Act("go on", tmp_path / "ended"))(stop)
    assert (tmp_path / "ended").exists()


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    ended, begun = tmp_path / "ended", tmp_path / "begun"
    code = f"""if True:
        from pathlib import Path
        from nmf_audio.jobs.processes import Processes
        from tests.jobs.test_processes import Act
        Processes().remote(Act("go on", Path({str(ended)!r})))(lambda *_: Path({str(begun)!r}).touch())
    """
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}) as process:
        wait_for(begun)
        process.send_signal(signal.SIGKILL)
    wait_for(ended)


@pytest.mark.parametrize("n_lost", [1, 50])
def test_a_work_that_was_cut_off_while_it_was_sent_is_passed_over(n_lost: int) -> None:
    sent = pickle.dumps(Act("say", Path("a" * 99)))[:-n_lost]
    start = [sys.executable, "-c", "from nmf_audio.jobs.processes import serve; serve()"]
    done = subprocess.run(start, input=sent, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_no_module_of_the_current_folder_is_run(tmp_path: Path) -> None:
    """Not even one that is named like a module of Python's own, in the folder or where the environment says."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("json", "re", "enum", "pickle", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close(); raise SystemExit(3)")
    (elsewhere / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name, 0.1)
    # what starts the workers is started safely itself: as the installed command is
    start = f"import sys; sys.path[:0] = {[str(Path(nmf_audio.__file__).parents[1])]!r}; "
    start += "from nmf_audio.cli.denoise import main; "
    start += f"import os; os.environ['PYTHONPATH'] = {str(elsewhere)!r}; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start, "a.wav", "b.wav", "--jobs", "2", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "b.denoised.wav").exists()
    assert not (tmp_path / "ran").exists()


def test_modules_are_those_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the program from where they are here, Python's own from where Python is."""
    (tmp_path / "queue.py").write_text("raise SystemExit('not that of Python')")
    monkeypatch.syspath_prepend(tmp_path)
    with Processes() as processes:
        report = processes.remote(Act("where"))(ignore)
    assert report.src == Path(nmf_audio.__file__)


@pytest.mark.slow
def test_recordings_are_the_same_however_many_jobs(tmp_path: Path) -> None:
    sources = [write_noise(tmp_path / f"{i}.wav", 1 + i) for i in range(3)]
    outputs = []
    for jobs in (1, 2):
        pairs = [(src, tmp_path / f"{jobs}-{src.name}") for src in sources]
        reports = list(denoise_files(pairs, jobs=jobs))
        assert [report.dst for report in reports] == [dst for _, dst in pairs]
        outputs.append([soundfile.read(dst)[0] for _, dst in pairs])
    for one, two in zip(*outputs, strict=True):
        np.testing.assert_array_equal(one, two)
