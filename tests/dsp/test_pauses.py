"""The reported noise reduction: right where there are pauses, none where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Denoiser, Report, denoise_file
from nmf_audio.dsp.pauses import PauseMeter

SR = 16000
Array = npt.NDArray[np.float32]


def report_of(folder: Path, y: Array, sr: int = SR, **options: object) -> Report:
    src = folder / "a.wav"
    soundfile.write(src, y.T, sr, subtype="FLOAT")
    report = denoise_file(src, folder / "out.wav", force=True, **options)  # type: ignore[arg-type]
    assert isinstance(report, Report)
    return report


@pytest.fixture(scope="module")
def talk(clean_speech: Array) -> tuple[Array, slice]:
    """Speech in noise with a pause of 1.5 s in the middle, and where that is."""
    middle, n = len(clean_speech) // 2, 24000
    y = np.concatenate([clean_speech[:middle], np.zeros(n, np.float32), clean_speech[middle:]])
    noise = 0.02 * np.random.default_rng(1).standard_normal(len(y)).astype(np.float32)
    return y + noise, slice(middle + 2000, middle + n - 2000)


def level(y: Array) -> float:
    """Median level of frames of 32 ms."""
    frames = y[: len(y) // 512 * 512].reshape(-1, 512)
    return float(np.median(10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1))))


@pytest.mark.parametrize(("reduction_db", "mix"), [(40.0, 1.0), (12.0, 1.0), (40.0, 0.5)])
def test_the_level_of_the_noise_is_that_in_the_pause(
    talk: tuple[Array, slice], tmp_path: Path, reduction_db: float, mix: float
) -> None:
    y, pause = talk
    report = report_of(tmp_path, y, reduction_db=reduction_db, mix=mix)
    out = soundfile.read(report.dst, dtype="float32")[0]
    assert report.noise_before_db == pytest.approx(level(y[pause]), abs=2)
    assert report.noise_removed_db == pytest.approx(level(y[pause]) - level(out[pause]), abs=3)
    assert report.noise_removed_db is not None
    assert report.noise_removed_db > report.removed_db + 1


def test_a_quieter_recording_in_stereo_has_the_same_reduction(
    talk: tuple[Array, slice], tmp_path: Path
) -> None:
    y, _ = talk
    once = report_of(tmp_path, y).noise_removed_db
    stereo = np.stack([y, -y]) * np.float32(10 ** (-30 / 20))
    assert report_of(tmp_path, stereo).noise_removed_db == pytest.approx(once, abs=0.3)
    one_silent = np.stack([y, np.zeros_like(y)])
    report = report_of(tmp_path, one_silent, channels="independent")
    assert report.noise_removed_db == pytest.approx(once, abs=0.01)


def test_noise_that_is_heard_first_does_not_count(talk: tuple[Array, slice], tmp_path: Path) -> None:
    y, pause = talk
    soundfile.write(tmp_path / "noise.wav", np.tile(0.1 * y[pause], 8), SR, subtype="FLOAT")
    report = report_of(tmp_path, y, noise=tmp_path / "noise.wav")
    assert report.noise_before_db == pytest.approx(level(y[pause]), abs=2)


def test_nothing_is_said_where_it_is_not_known(clean_speech: Array, tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * SR).astype(np.float32)
    for y in (noise, np.zeros(SR, np.float32), noise[:0], noise[:100]):
        report = report_of(tmp_path, y)
        assert (report.noise_before_db, report.noise_after_db, report.noise_removed_db) == (None, None, None)
    loud = np.square(clean_speech, dtype=np.float64)
    loud = np.convolve(loud, np.ones(800) / 800, "same")
    assert report_of(tmp_path, clean_speech[loud > 0.2 * loud.mean()]).noise_removed_db is None


def test_the_sound_is_the_same_with_and_without_an_observer(noisy_speech: Array) -> None:
    seen: list[Array] = []
    denoiser = Denoiser(mix=0.7)
    observed = denoiser.stream(SR, observer=lambda found, mask, gains: seen.append(gains))
    plain = denoiser.stream(SR)
    y = noisy_speech[:SR]
    np.testing.assert_array_equal(observed.process(y), plain.process(y))
    assert min(gains.min() for gains in seen) == pytest.approx(0.3 + 0.7 * 0.01, abs=1e-6)


def test_levels_are_medians_of_the_frames_in_pauses() -> None:
    rng = np.random.default_rng(0)
    frames = np.abs(rng.standard_normal((400, 257))).astype(np.float32)
    talking = np.arange(400) % 4 > 0
    frames[talking] *= 10
    gains = np.where(talking[:, None], 0.9, 0.05).astype(np.float32) * np.ones((1, 257), np.float32)
    whole, parts = PauseMeter(512), PauseMeter(512)
    whole.add(frames, gains, 0.5 * gains)
    for start in range(0, 400, 7):
        part = slice(start, start + 7)
        parts.add(frames[part], gains[part], 0.5 * gains[part])
    found = whole.result()
    assert found is not None
    assert found == parts.result()
    energies = 10 * np.log10(4 / 512**2 * np.square(frames[~talking]).sum(axis=1))
    assert found.before_db == pytest.approx(np.median(energies), abs=0.1)
    assert found.after_db == pytest.approx(np.median(energies) + 20 * np.log10(0.025), abs=0.1)
    assert PauseMeter(512).result() is None
