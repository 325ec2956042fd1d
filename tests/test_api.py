"""One answer by every way that leads to it: functions, objects, files, pipes, threads and processes."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import subprocess
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import nmf_audio
from nmf_audio import Denoiser, denoise, denoise_file, denoise_files
from nmf_audio.cli.denoise import main
from nmf_audio.decompose import METHODS
from tests.cli.helpers import COMMAND
from tests.tiny import tiny_dictionary

SR = 16000


@pytest.fixture(scope="module")
def y(noisy_speech: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Three seconds of noisy speech in 16 bits."""
    return np.rint(noisy_speech[: 3 * SR] * 2**15).astype(np.int16)


@pytest.mark.parametrize("method", METHODS)
def test_all_ways_give_the_same_samples(tmp_path: Path, y: npt.NDArray[np.int16], method: str) -> None:
    expected = denoise(y, SR, method=method)
    src = tmp_path / "a.wav"
    soundfile.write(src, y, SR, subtype="PCM_16")
    denoise_file(src, tmp_path / "file.wav", method=method)
    assert [r.status for r in denoise_files([(src, tmp_path / "files.wav")], method=method)] == ["done"]
    target = io.BytesIO()
    with src.open("rb") as source:
        denoise_file(source, target, method=method, warm_up=2)
    (tmp_path / "pipe.wav").write_bytes(target.getvalue())
    words = ["--method", method, str(src), "-o", str(tmp_path / "command.wav"), "-q"]
    if method == "trained":
        subprocess.run([*COMMAND, *words], check=True)
    else:
        assert main(words) == 0
    stream = Denoiser(method=method).stream(SR)
    stream.prime(beginning=y[: 2 * SR])
    blocks = [stream.process(y[i : i + 777]) for i in range(0, len(y), 777)]
    np.testing.assert_array_equal(np.concatenate([*blocks, stream.flush()]), expected)
    for way in ("file", "files", "pipe", "command"):
        found, sr = soundfile.read(tmp_path / f"{way}.wav", dtype="int16")
        assert sr == SR
        np.testing.assert_array_equal(found, expected, err_msg=way)


@pytest.mark.parametrize(
    ("dtype", "full_scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.float32, 1), (np.float64, 1)]
)
def test_numbers_mean_what_is_said(y: npt.NDArray[np.int16], dtype: type[Any], full_scale: int) -> None:
    # the same waveform in every type: 16-bit samples are exact in all of them
    waveform = y.astype(np.float64) / 2**15
    given = (waveform * full_scale).astype(dtype)
    before = given.copy()
    out = denoise(given, SR)
    assert (out.dtype, out.shape) == (given.dtype, given.shape)
    np.testing.assert_array_equal(given, before)
    expected = denoise(waveform.astype(np.float32), SR).astype(np.float64) * full_scale
    np.testing.assert_array_equal(out, expected if full_scale == 1 else np.rint(expected))


@pytest.mark.parametrize("method", METHODS)
def test_one_denoiser_in_threads_and_processes(y: npt.NDArray[np.int16], method: str) -> None:
    denoiser = Denoiser(method=method, reduction_db=20)
    signals = [np.roll(y, 1000 * i) for i in range(4)]
    expected = [denoiser.denoise(signal, SR) for signal in signals]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda signal: denoiser.denoise(signal, SR), signals))
    np.testing.assert_array_equal(found, expected)
    copy = pickle.loads(pickle.dumps(denoiser))
    assert repr(copy) == repr(denoiser)
    np.testing.assert_array_equal(copy.denoise(signals[0], SR), expected[0])


def test_a_denoiser_goes_to_another_process(y: npt.NDArray[np.int16]) -> None:
    denoiser = Denoiser(reduction_db=20)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        found = processes.submit(denoiser.denoise, y, SR).result()
    np.testing.assert_array_equal(found, denoiser.denoise(y, SR))


def test_what_things_say_of_themselves() -> None:
    dictionary = tiny_dictionary()
    denoiser = Denoiser(dictionary, method="classic")
    assert repr(dictionary) == "<Dictionary 'tiny': plain, 8 speech, 2 noise atoms of 100 bands>"
    assert repr(denoiser) == "Denoiser('tiny', method='classic', reduction_db=40, mix=1)"
    assert repr(denoiser.stream(48000, 2)) == "<LinkedStream of 2 channels at 48000 Hz, latency 1536 samples>"
    # nothing public is left with the repr that says an address only
    for name in nmf_audio.__all__:
        thing = getattr(nmf_audio, name)
        if isinstance(thing, type) and not issubclass(thing, BaseException):
            assert thing.__repr__ is not object.__repr__, name
