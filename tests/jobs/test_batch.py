"""denoise_files: order, faults, progress, and all ways to end it early; one Denoiser for many."""

from __future__ import annotations

import io
import os
import pickle
import queue
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio import BlindSeparator, Denoiser, ParameterError, denoise_file, denoise_files
from nmf_audio.jobs.batch import run_in_order, separate_files
from nmf_audio.jobs.separate_file import separate_file
from nmf_audio.nmf import factorize
from tests.tiny import SR, dictionary_with_memory, noise, tiny_dictionary, write_noise

# processes that need nothing compiled start sooner
OPTIONS: dict[str, Any] = {"method": "trained"}


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    return [write_noise(tmp_path / f"{i}.wav", seconds) for i, seconds in enumerate([2, 0.2, 1, 0.1])]


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if len(path.stem) > 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_reports_come_in_order_and_a_fault_costs_its_file_only(recordings: list[Path], jobs: int) -> None:
    recordings[1].write_text("no recording")
    reports = list(denoise_files(recordings, jobs=jobs, **OPTIONS))
    assert [report.src for report in reports] == recordings
    assert [report.status for report in reports] == ["done", "failed", "done", "done"]
    assert "holds no audio" in str(reports[1].error)
    assert outputs(recordings[0].parent) == ["0.denoised.wav", "2.denoised.wav", "3.denoised.wav"]


def test_pairs_name_outputs_and_existing_ones_may_be_skipped(recordings: list[Path], tmp_path: Path) -> None:
    pair = (recordings[0], tmp_path / "clean.flac")
    assert [report.status for report in denoise_files([pair], **OPTIONS)] == ["done"]
    assert soundfile.info(tmp_path / "clean.flac").frames == 2 * SR
    assert [report.status for report in denoise_files([pair], **OPTIONS)] == ["failed"]
    assert [report.status for report in denoise_files([pair], skip_existing=True, **OPTIONS)] == ["skipped"]


class Crashing(Denoiser):
    """Does with recordings at 11025 Hz what a decoder may do with one from a stranger."""

    def stream(self, sr: int, *args: Any, **kwargs: Any) -> Any:
        if sr == 11025:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().stream(sr, *args, **kwargs)


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_recording_that_crashes_what_reads_it_costs_itself_only(tmp_path: Path) -> None:
    files = [write_noise(tmp_path / f"{i}.wav", 0.1, sr=sr) for i, sr in enumerate([8000, 11025, 16000])]
    reports = list(denoise_files(files, isolate=True, denoiser=Crashing(dictionary_with_memory())))
    assert [report.status for report in reports] == ["done", "failed", "done"]
    assert str(reports[1].error) == "the process that worked on it ended early (ended by SIGSEGV)"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("0.denoised.wav", "0.wav", "1.wav", "2.denoised.wav", "2.wav")
    ]


def test_isolation_needs_a_python_to_start(recordings: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="isolate=1; must be True or False"):
        denoise_files(recordings, isolate=1)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool, pytest.raises(ParameterError, match="isolate=True and executor="):
        denoise_files(recordings, isolate=True, executor=pool)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(ParameterError, match="isolate=True; must be False in a program that has no Python"):
        denoise_files(recordings, isolate=True)


@pytest.mark.parametrize("jobs", [0, 257, 1.5, "2", True])
def test_jobs_are_checked_at_the_call(recordings: list[Path], jobs: Any) -> None:
    with pytest.raises(ParameterError, match="jobs="):
        denoise_files(recordings, jobs=jobs)


@pytest.mark.parametrize("files", [5, None, [5], [("a.wav",)], [io.StringIO("a")], b"a.wav"])
def test_files_are_checked_at_the_call(files: Any) -> None:
    with pytest.raises(ParameterError, match=r"files=.*; must be a path, or .*\(src, dst\)$"):
        denoise_files(files)


@pytest.mark.parametrize("separator", [5, None, "plain", BlindSeparator])
def test_a_separator_is_one(recordings: list[Path], separator: Any) -> None:
    with pytest.raises(ParameterError, match=r"separator=.*; must be a Separator"):
        separate_files(recordings, separator=separator)
    with pytest.raises(ParameterError, match=r"separator=.*; must be a Separator"):
        separate_file(recordings[0], separator=separator)
    wrong: Any = {"source1": 5, "source2": "b.wav", "residual": "c.wav"}
    with pytest.raises(ParameterError, match=r"files=.*; must be a path, or"):
        separate_files([(recordings[0], wrong)], separator=BlindSeparator(2))
    with pytest.raises(
        ParameterError, match=r"parts=.*; must be a file for each of source1, source2, residual"
    ):
        separate_file(recordings[0], wrong, separator=BlindSeparator(2))


def test_open_files_are_open_for_what_is_done(recordings: list[Path], tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as written, recordings[0].open("rb") as read:
        with pytest.raises(ParameterError, match="is not readable; must be a path or an open binary file"):
            denoise_file(written, tmp_path / "y.wav")
        with pytest.raises(ParameterError, match="is not writable; must be a path or an open binary file"):
            denoise_file(recordings[0], read)


def test_progress_is_a_function(recordings: list[Path]) -> None:
    wrong: Any = 5
    with pytest.raises(ParameterError, match="progress=5; must be a function"):
        denoise_files(recordings, progress=wrong)
    with pytest.raises(ParameterError, match="progress=5; must be a function"):
        denoise_file(recordings[0], progress=wrong)
    with pytest.raises(ParameterError, match="observer=5; must be a function"):
        Denoiser().stream(SR, observer=wrong)
    with pytest.raises(ParameterError, match="callback=5; must be a function"):
        factorize(np.ones((3, 4)), 1, callback=wrong)


def test_a_keyword_that_there_is_not_is_the_callers_fault(recordings: list[Path]) -> None:
    with pytest.raises(TypeError, match="output_dir"):
        denoise_files(recordings, output_dir="clean")


def test_a_ready_denoiser_stands_beside_no_options(recordings: list[Path]) -> None:
    denoiser = Denoiser(dictionary_with_memory())
    with pytest.raises(ParameterError, match=r"denoiser=.* and mix=0\.5 do not go together"):
        denoise_files(recordings, denoiser=denoiser, mix=0.5)


def test_two_recordings_with_one_output_are_refused_at_the_call(recordings: list[Path]) -> None:
    with pytest.raises(ParameterError, match="have the same output"):
        denoise_files([(recordings[0], "x.wav"), (recordings[1], "x.wav")])
    with pytest.raises(ParameterError, match="have the same output"):
        denoise_files([recordings[0], recordings[0]])


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_rises_in_the_thread_of_the_caller_and_a_ready_denoiser_serves_all(
    recordings: list[Path], jobs: int
) -> None:
    seen: list[float] = []

    def progress(done: float, total: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert total == len(recordings)
        seen.append(done)

    denoiser = Denoiser(dictionary_with_memory())
    reports = list(denoise_files(recordings, jobs=jobs, progress=progress, denoiser=denoiser))
    assert [(report.method, report.dictionary) for report in reports] == 4 * [("trained", "remembers")]
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(len(recordings))
    assert len(seen) > len(recordings)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_progress_raises_ends_the_work(tmp_path: Path, jobs: int) -> None:
    src = write_noise(tmp_path / "a.wav", 600)

    def cancel(done: float, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(denoise_files([src, tmp_path / "none.wav"], jobs=jobs, progress=cancel, **OPTIONS))
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_closing_the_iterator_keeps_the_finished_and_no_halves(tmp_path: Path) -> None:
    short, long = write_noise(tmp_path / "a.wav", 0.1), write_noise(tmp_path / "b.wav", 1200)
    reports = denoise_files([short, long], **OPTIONS)
    assert next(iter(reports)).status == "done"
    reports.close()  # type: ignore[attr-defined]
    assert outputs(tmp_path) == ["a.denoised.wav"]
    assert not list(tmp_path.glob("*.part"))


def test_one_denoiser_serves_many_threads_and_can_be_pickled() -> None:
    denoiser = Denoiser(tiny_dictionary(), method="adaptive", reduction_db=20, mix=0.5)
    signals = [(noise(2)[:, 0] * (1 + i)).astype(np.float32) for i in range(6)]
    expected = [denoiser.denoise(y, SR) for y in signals]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda y: denoiser.denoise(y, SR), signals))
    copy = pickle.loads(pickle.dumps(denoiser))
    assert repr(copy) == repr(denoiser) == "Denoiser('tiny', method='adaptive', reduction_db=20, mix=0.5)"
    found.append(copy.denoise(signals[0], SR))
    for a, b in zip([*expected, expected[0]], found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_comes_to_its_end_though_a_result_overtakes_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(queue.SimpleQueue[Any]):
        def put(self, item: Any, *_: Any) -> None:
            # both works have their results when the first says so
            time.sleep({(0, 0, 0): 0.1, (1, 0, 0): 0.3}.get(item, 0) if isinstance(item, tuple) else 0)
            super().put(item)

    monkeypatch.setattr("nmf_audio.jobs.batch.queue.SimpleQueue", Late)
    ended: list[int] = []
    works = [lambda _: "first", lambda _: "second"]
    results = list(run_in_order(works, jobs=2, progress=lambda i, *_: ended.append(i)))
    assert results == ["first", "second"]
    assert sorted(ended) == [0, 1]
