"""One long recording in pieces: what comes out is what one stream gives, whatever ends the work."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Denoiser, ParameterError, Separator, denoise_file, separate_file
from nmf_audio.jobs import cutting
from nmf_audio.jobs.cutting import Cutter, Shape, is_worth_cutting
from nmf_audio.jobs.metered_stream import StreamMaker
from nmf_audio.jobs.pieces import Pieces

Array = npt.NDArray[np.float32]
SR = 4000


def make_scene(seconds: float, seed: int = 0, n_channels: int = 1) -> Array:
    """Bursts of tones in noise, whose loudness changes now and then."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SR)
    t = np.arange(n) / SR
    tones = sum(np.sin(2 * np.pi * f * t) for f in (220, 440, 700)) * (np.sin(2 * np.pi * 1.3 * t) > 0.2)
    loudness = np.repeat(10 ** rng.uniform(-1.5, -0.7, n // (5 * SR) + 1), 5 * SR)[:n]
    y = 0.05 * tones + loudness * rng.standard_normal((n_channels, n))
    return np.clip(y, -1, 1).astype(np.float32)


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pieces of 25 s with the 10 s that they hear before, and a folder of their own for temporary files."""
    monkeypatch.setattr(cutting, "SHORTEST_SECONDS", 15)
    monkeypatch.setattr(cutting, "LONGEST_SECONDS", 25)
    monkeypatch.setattr(cutting, "SETTLING_SECONDS", 10)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write(path: Path, y: Array, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, y.T, SR, subtype)
    return path


def read(path: Path) -> Array:
    y: Array = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    return y


@pytest.mark.slow
def test_what_a_piece_hears_before_is_enough(
    short_pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(cutting, "LONGEST_SECONDS", 80)
    src = write(tmp_path / "long.wav", make_scene(310))
    one, two = (denoise_file(src, tmp_path / f"{jobs}.wav", jobs=jobs) for jobs in (1, 2))
    assert one.noise_before_db is not None
    assert one.noise_before_db == pytest.approx(two.noise_before_db, abs=0.6)  # counted in cells of 1 dB
    assert one.noise_after_db == pytest.approx(two.noise_after_db, abs=1)
    a, b = read(tmp_path / "1.wav"), read(tmp_path / "2.wav")
    assert 0 < np.abs(a - b).max() <= 1e-4 * np.abs(a).max()


@pytest.mark.parametrize("channels", ["linked", pytest.param("independent", marks=pytest.mark.slow)])
def test_denoising_in_pieces_is_denoising(short_pieces: Path, tmp_path: Path, channels: str) -> None:
    y = make_scene(35.5, n_channels=2)
    src = write(tmp_path / "long.wav", y)
    seen: list[tuple[float, float]] = []
    one = denoise_file(src, tmp_path / "one.wav", channels=channels, keep_noise=tmp_path / "rest1.wav")
    two = denoise_file(
        src, tmp_path / "two.wav", channels=channels, keep_noise=tmp_path / "rest2.wav", jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    a, b = read(tmp_path / "one.wav"), read(tmp_path / "two.wav")
    assert a.shape == b.shape == y.shape
    first = 22 * SR
    np.testing.assert_array_equal(a[:, :first], b[:, :first])
    assert 0 < np.abs(a - b).max() <= 0.1 * np.abs(a).max()
    np.testing.assert_allclose(b + read(tmp_path / "rest2.wav"), y, atol=1e-7)
    assert one.level_after_db == pytest.approx(two.level_after_db, abs=0.01)
    done = [x for x, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (35.5, 35.5)
    assert not list(short_pieces.iterdir())


@pytest.mark.slow
def test_separating_in_pieces_is_separating(short_pieces: Path, tmp_path: Path) -> None:
    src = write(tmp_path / "long.wav", make_scene(33), "PCM_16")
    separator = Separator("plain")
    one, two = (
        separate_file(
            src,
            {name: tmp_path / f"{jobs}{name}.wav" for name in (*separator.sources, "residual")},
            separator=separator,
            residual=True,
            jobs=jobs,
        )
        for jobs in (1, 2)
    )
    for name in one.parts:
        np.testing.assert_allclose(read(one.parts[name]), read(two.parts[name]), atol=2**-14)
    total = sum(soundfile.read(path, dtype="int16")[0].astype(int) for path in two.parts.values())
    np.testing.assert_array_equal(total, soundfile.read(src, dtype="int16")[0])
    assert not list(short_pieces.iterdir())


@pytest.mark.slow
def test_a_part_of_a_recording_in_pieces(short_pieces: Path, tmp_path: Path) -> None:
    src = write(tmp_path / "long.wav", make_scene(50))
    for jobs in (1, 3):
        denoise_file(src, tmp_path / f"{jobs}.wav", start=7.3, end=41.1, jobs=jobs)
    a, b = read(tmp_path / "1.wav"), read(tmp_path / "3.wav")
    assert a.shape == b.shape == (1, round(33.8 * SR))
    assert np.abs(a - b).max() <= 0.1 * np.abs(a).max()


def test_nothing_is_cut_where_too_little_was_heard(short_pieces: Path, tmp_path: Path) -> None:
    y = make_scene(60)
    y[:, 6 * SR : 54 * SR] = 0
    src = write(tmp_path / "pause.wav", y)
    for jobs in (1, 2):
        denoise_file(src, tmp_path / f"{jobs}.wav", jobs=jobs)
    np.testing.assert_array_equal(read(tmp_path / "1.wav"), read(tmp_path / "2.wav"))


@pytest.mark.usefixtures("short_pieces")
def test_a_long_silence_is_not_heard_again_by_every_piece(tmp_path: Path) -> None:
    second = np.full((1, 32 * 125), 0.1, np.float32)

    def blocks() -> Generator[Array]:
        for is_sound in [True] * 20 + [False] * 100 + [True] * 20:
            yield second * is_sound

    cut = list(Cutter(tmp_path, Shape(SR, 1, 140 * SR, 125), linked=True, jobs=1).cut(blocks()))
    assert sum(piece.n_samples for piece in cut) == 140 * SR
    assert len(cut) > 2
    assert max(piece.n_before for piece in cut) <= 20 * SR


class _FinishedError(Exception):
    pass


def test_what_progress_raises_ends_all_and_leaves_nothing(short_pieces: Path, tmp_path: Path) -> None:
    src = write(tmp_path / "long.wav", make_scene(50))

    def stop(done: float, total: float) -> None:
        if done > 20:
            raise _FinishedError

    with pytest.raises(_FinishedError):
        denoise_file(src, tmp_path / "clean.wav", jobs=2, progress=stop)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["long.wav"]
    assert not list(short_pieces.iterdir())


def test_an_error_while_reading_ahead_is_raised(short_pieces: Path) -> None:
    def blocks() -> Generator[Array]:
        yield make_scene(20)
        raise OSError("the disk is gone")

    maker = StreamMaker(Denoiser(), SR, 1, None, 0)
    shape = Shape(SR, 1, 60 * SR, 128)
    with (
        Pieces(blocks(), maker, ("speech",), shape, linked=True, jobs=1, progress=None) as stream,
        pytest.raises(OSError, match="the disk is gone"),
    ):
        stream.process(np.zeros((1, 60 * SR), np.float32))
    assert not list(short_pieces.iterdir())


def test_an_error_in_a_piece_is_raised(short_pieces: Path) -> None:
    def blocks() -> Iterator[Array]:
        y = make_scene(16)
        y[0, 1000] = np.nan
        yield y

    maker = StreamMaker(Denoiser(), SR, 1, None, 0)
    stream = Pieces(
        (block for block in blocks()), maker, ("speech",), Shape(SR, 1, 50 * SR, 128), linked=True, jobs=1,
        progress=None,
    )  # fmt: skip
    with stream, pytest.raises(ParameterError, match="sample 1000 of channel 1 is NaN"):
        stream.process(np.zeros((1, SR), np.float32))
    assert not list(short_pieces.iterdir())


@pytest.mark.parametrize(("minutes", "jobs"), [(6, 2), (10, 2), (60, 2), (60, 4), (600, 4)])
def test_all_processes_have_the_same_to_do(minutes: int, jobs: int) -> None:
    n_samples, settling = 60 * minutes * SR, 60 * SR
    first, length = cutting.choose_lengths(Shape(SR, 1, n_samples, 125), jobs, settling)
    works: list[int] = []
    done, n_before = 0, 0
    while done < n_samples:
        work = min(length if works else first, n_samples - done + n_before)
        works.append(work)
        done, n_before = done + work - n_before, settling
    busy = [0] * jobs
    for work in works:
        busy[busy.index(min(busy))] += work
    assert max(busy) - min(busy) <= SR
    assert sum(works) <= n_samples + len(works) * settling
    assert max(works) <= 2400 * SR


def test_what_is_ready_of_a_piece_is_returned_before_it_is_done(short_pieces: Path) -> None:
    y = make_scene(40)
    maker = StreamMaker(Denoiser(), SR, 1, None, 0)
    blocks = (block for block in [y])
    with Pieces(
        blocks, maker, ("speech",), Shape(SR, 1, 40 * SR, 128), linked=True, jobs=1, progress=None
    ) as stream:
        first = stream.process(y[:, : 2 * SR])["speech"]
        assert 0 not in stream._order.results
        rest = stream.process(y[:, 2 * SR :])["speech"]
        stream.flush()
    assert first.shape[1] + rest.shape[1] == y.shape[1]


def test_short_recordings_are_not_cut() -> None:
    assert not is_worth_cutting(300 * 16000, 16000)
    assert is_worth_cutting(301 * 16000, 16000)
    assert is_worth_cutting(None, 16000)


def test_the_number_of_jobs_is_checked(tmp_path: Path) -> None:
    src = write(tmp_path / "a.wav", make_scene(1))
    with pytest.raises(ParameterError, match="jobs=0; must be a whole number from 1 to 256"):
        denoise_file(src, jobs=0)
