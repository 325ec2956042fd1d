"""Recordings worked on by executors: the same reports and bits, workers that reach nothing, and all early ends."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmf_audio import AudioFileError, ParameterError, Report, Separator, denoise_files, separate_files
from nmf_audio.jobs import executors, tasks
from nmf_audio.jobs.executors import run_on
from nmf_audio.jobs.file_work import FileWork
from nmf_audio.jobs.processes import ProcessEndedError
from nmf_audio.jobs.task_progress import Route, receiving
from nmf_audio.jobs.tasks import do_task
from tests.tiny import tiny_dictionary, write_noise

OPTIONS: dict[str, Any] = {"reduction_db": 20}


def processes(n: int) -> ProcessPoolExecutor:
    """Return processes that have nothing of this one."""
    return ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn"))


class Elsewhere(ThreadPoolExecutor):
    """Workers that see none of the files; counts the bytes that are sent to them."""

    def __init__(self, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(n)
        self.sent: list[int] = []
        monkeypatch.setattr(tasks, "_can_reach", lambda task: False)

    def submit(self, function: Any, /, *args: Any, **_: Any) -> Future[Any]:
        """Send a task that is blind to the folder of the sender."""
        task = replace(args[0], token=None)
        self.sent.append(len(task.settings or b""))
        return super().submit(function, task)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    return [write_noise(tmp_path / f"{i}.wav", seconds) for i, seconds in enumerate([3, 0.2, 2, 0.1])]


@pytest.fixture(params=["threads", pytest.param("processes", marks=pytest.mark.slow), "elsewhere"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    makers: dict[str, Callable[[], Executor]] = {
        "threads": lambda: ThreadPoolExecutor(2),
        "processes": lambda: processes(2),
        "elsewhere": lambda: Elsewhere(2, monkeypatch),
    }
    with makers[request.param]() as made:
        yield made


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_time(report: Report) -> Report:
    """Return what two runs have in common."""
    return replace(report, elapsed_seconds=0, error=None)


def test_bits_and_reports_are_those_of_one_process(
    recordings: list[Path], tmp_path: Path, executor: Executor
) -> None:
    recordings[1].write_text("no recording")
    files = [*recordings, tmp_path / "none.wav"]
    noise = write_noise(tmp_path / "noise.wav", 1)
    options = {**OPTIONS, "noise": noise, "keep_noise": None}
    folders = [tmp_path / "here", tmp_path / "there"]
    found: list[list[Report]] = []
    seen: list[float] = []

    def note(done: float, total: int) -> None:
        seen.append(done)

    for folder, workers in zip(folders, (None, executor), strict=True):
        folder.mkdir()
        pairs = [(src, folder / src.name) for src in files]
        found.append(list(denoise_files(pairs, executor=workers, progress=note, **options)))
    here, there = found
    assert [report.status for report in there] == ["done", "failed", "done", "done", "failed"]
    assert seen[-1] == pytest.approx(5)
    for one, other in zip(here, there, strict=True):
        assert without_time(other) == replace(without_time(one), dst=folders[1] / one.dst.name)
        assert str(one.error) == str(other.error)
        assert type(one.error) is type(other.error)
    assert contents(folders[0]) == contents(folders[1])


def test_parts_are_those_of_one_process(recordings: list[Path], tmp_path: Path, executor: Executor) -> None:
    separator = Separator(tiny_dictionary())
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder, workers in zip(folders, (None, executor), strict=True):
        folder.mkdir()
        parts = [
            (src, {name: folder / f"{name}{src.name}" for name in (*separator.sources, "residual")})
            for src in recordings
        ]
        reports = list(separate_files(parts, separator=separator, executor=workers, residual=True))
        assert [report.status for report in reports] == 4 * ["done"]
        assert [report.parts for report in reports] == [given for _, given in parts]
    assert contents(folders[0]) == contents(folders[1])
    assert len(contents(folders[0])) == 12


def test_existing_outputs_stay_are_skipped_or_replaced(
    recordings: list[Path], tmp_path: Path, executor: Executor
) -> None:
    pair = (recordings[1], tmp_path / "clean.wav")
    Path(pair[1]).write_bytes(b"old")
    (refused,) = denoise_files([pair], executor=executor, **OPTIONS)
    assert isinstance(refused.error, AudioFileError)
    assert f"{pair[1]}: exists" in str(refused.error)
    assert [r.status for r in denoise_files([pair], executor=executor, skip_existing=True, **OPTIONS)] == [
        "skipped"
    ]
    assert pair[1].read_bytes() == b"old"
    assert [r.status for r in denoise_files([pair], executor=executor, force=True, **OPTIONS)] == ["done"]
    assert pair[1].read_bytes() != b"old"


def test_settings_go_to_a_worker_that_asks_and_no_more(
    recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_settings", type(tasks._settings)())
    with Elsewhere(1, monkeypatch) as elsewhere:
        assert {report.status for report in denoise_files(recordings, executor=elsewhere, **OPTIONS)} == {
            "done"
        }
        again = len(elsewhere.sent)
        list(denoise_files(recordings, executor=elsewhere, force=True, **OPTIONS))
    assert 1 <= sum(size > 0 for size in elsewhere.sent[:again]) <= len(recordings)
    assert not any(elsewhere.sent[again:])


def test_workers_with_other_versions_are_refused(
    recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "describe_versions", lambda: "nmf_audio 9, numpy 9")
    with ThreadPoolExecutor(1) as pool, pytest.raises(ParameterError) as caught:
        list(denoise_files(recordings, executor=pool, **OPTIONS))
    assert str(caught.value).startswith("a worker has nmf_audio ")
    assert "must be one whose workers have nmf_audio 9, numpy 9, as it is here" in str(caught.value)
    assert sorted(contents(tmp_path)) == [path.name for path in recordings]


def test_what_is_no_executor_or_stands_beside_jobs_is_refused(recordings: list[Path]) -> None:
    with pytest.raises(ParameterError, match=r"executor=4; must be a concurrent\.futures\.Executor"):
        denoise_files(recordings, executor=4)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool, pytest.raises(ParameterError, match="do not go together"):
        denoise_files(recordings, executor=pool, jobs=2)


@pytest.mark.slow
@pytest.mark.parametrize("close", [True, False])
def test_what_nobody_waits_for_ends_soon_and_leaves_no_halves(tmp_path: Path, close: bool) -> None:
    short, long = write_noise(tmp_path / "a.wav", 0.1), write_noise(tmp_path / "b.wav", 7200)

    class EnoughError(Exception):
        pass

    def stop(done: float, total: int) -> None:
        if not close:
            raise EnoughError

    with processes(2) as pool:
        reports = denoise_files([short, long], executor=pool, progress=stop, **OPTIONS)
        if close:
            assert next(iter(reports)).status == "done"
            reports.close()  # type: ignore[attr-defined]
        else:
            with pytest.raises(EnoughError):
                list(reports)
        assert sorted(contents(tmp_path)) == ["a.denoised.wav", "a.wav", "b.wav"]


class Hiding(ThreadPoolExecutor):
    """Workers whose futures can be cancelled at any moment, as those of dask can."""

    def submit(self, function: Any, /, *args: Any, **keywords: Any) -> Future[Any]:
        """Send a task; its future does not show that it runs."""
        hidden, shown = super().submit(function, *args, **keywords), Future[Any]()

        def answer(future: Future[Any]) -> None:
            if shown.set_running_or_notify_cancel():
                shown.set_result(future.result())

        hidden.add_done_callback(answer)
        return shown


def end_late(src: Path, dst: Path, *, progress: Callable[[float, float], None]) -> Report:
    """Write the output when nobody waits for it any more."""
    progress(1, 1)
    until = time.monotonic() + 60
    while list(dst.parent.glob(".nmf-audio-*.part")):
        assert time.monotonic() < until
        time.sleep(0.01)
    dst.touch()
    return Report(src, dst, "done", seconds=1)


def test_what_ends_in_spite_of_an_interrupt_is_reported(
    recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "find_dask_client", lambda executor: executor)
    works = [FileWork(end_late, Report, src, tmp_path / f"clean{src.name}", {}) for src in recordings]
    seen: set[int] = set()
    finished: list[Report] = []

    def interrupt(i: int, done: float, total: float) -> None:
        seen.add(i)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with Hiding(2) as pool, pytest.raises(KeyboardInterrupt):
        list(run_on(pool, works, progress=interrupt, finished=finished.append))
    assert sorted(report.dst for report in finished) == sorted(tmp_path.glob("clean*"))
    assert {report.status for report in finished} == {"done"}
    assert len(finished) == 2


def forked(n: int) -> ProcessPoolExecutor:
    """Return processes that are copies of this one."""
    return ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("fork"))


@pytest.mark.parametrize(
    "make",
    [
        ThreadPoolExecutor,
        pytest.param(processes, marks=pytest.mark.slow),
        # newer Pythons warn of threads
        pytest.param(
            forked, marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
        ),
    ],
)
def test_progress_moves_within_a_recording(tmp_path: Path, make: Callable[[int], Executor]) -> None:
    files = [write_noise(tmp_path / name, 20) for name in ("a.wav", "b.wav")]
    seen: list[float] = []
    calling: set[int] = set()

    def note(done: float, total: int) -> None:
        assert total == 2
        seen.append(done)
        calling.add(threading.get_ident())

    with make(1) as pool:
        assert [report.status for report in denoise_files(files, executor=pool, progress=note)] == 2 * [
            "done"
        ]
    assert seen == sorted(seen)
    assert seen[-1] == 2
    assert len([done for done in seen if 0 < done < 1]) > 3
    assert len([done for done in seen if 1 < done < 2]) > 3
    assert calling == {threading.get_ident()}


def test_progress_from_where_there_is_no_way_back_is_dropped(tmp_path: Path) -> None:
    """As from a process of another computer, or once nobody listens."""
    got: list[tuple[int, float, float]] = []
    with receiving(processes(1), lambda *event: got.append(event)) as route:
        assert route.address is not None
        with replace(route, process=0).open() as through_socket:
            through_socket(1, 4)
            with route.open() as direct:
                direct(2, 4)
        with replace(route, process=0, address=str(tmp_path / "none")).open() as nowhere:
            nowhere(3, 4)
    assert sorted(got) == [(0, 1, 4), (0, 2, 4)]
    assert not Path(route.address).parent.exists()
    with replace(route, process=0).open() as late:
        late(4, 4)
    assert len(got) == 2


def test_a_folder_in_which_there_can_be_no_socket_costs_the_progress_within_recordings_alone(
    recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with receiving(processes(1), lambda *_: None) as route:
        assert route.address is None
    assert contents(long) == {}


def die(src: Path, dst: Path, **_: Any) -> Report:
    """End the process that does it."""
    os._exit(7)


@pytest.mark.slow
def test_processes_that_end_cost_what_was_theirs(recordings: list[Path], tmp_path: Path) -> None:
    works = [FileWork(die, Report, src, tmp_path / f"clean{src.name}", {}) for src in recordings]
    with processes(1) as pool:
        reports = list(run_on(pool, works, progress=lambda *_: None))
    assert [report.status for report in reports] == 4 * ["failed"]
    for report in reports:
        assert isinstance(report.error, ProcessEndedError)
        assert "ended, or was taken away" in str(report.error)
    assert sorted(contents(tmp_path)) == [path.name for path in recordings]


def test_a_kept_setting_is_taken_for_no_other(tmp_path: Path, recordings: list[Path]) -> None:
    """What lies in the token is looked at only if it is what was meant."""
    token = tmp_path / "token"
    token.write_bytes(b"another")
    work = FileWork(die, Report, recordings[0], tmp_path / "x.wav", {})
    task = tasks.Task(work, "0" * 64, None, tasks.describe_versions(), token, Route(os.getpid(), "", None))
    assert do_task(task).outcome is tasks.Outcome.NO_SETTINGS
    token.unlink()
    assert do_task(task).outcome is tasks.Outcome.OUT_OF_REACH


@pytest.mark.slow
def test_loky_is_an_executor_too(recordings: list[Path]) -> None:
    loky = pytest.importorskip("loky")
    with loky.ProcessPoolExecutor(2) as pool:
        assert {report.status for report in denoise_files(recordings, executor=pool, **OPTIONS)} == {"done"}
