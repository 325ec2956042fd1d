"""Loudness that is asked for: reached, or held back by the true peak, or refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import AudioFileError, ParameterError, Report, denoise_file
from tests.tiny import SR, tiny_dictionary, write_noise

pytest.importorskip("av")

from nmf_audio.io.loudness_meter import LoudnessMeter

TINY = tiny_dictionary()


def run(src: Path, dst: Path, **options: object) -> Report:
    return denoise_file(src, dst, dictionary=TINY, method="classic", **options)  # type: ignore[arg-type]


def measure(path: Path) -> tuple[float | None, float]:
    y, sr = soundfile.read(path, dtype="float32", always_2d=True)
    meter = LoudnessMeter(sr, y.shape[1])
    for start in range(0, len(y), 1234):
        meter.write(y[start : start + 1234].T)
    return meter.finish()


def tone(
    seconds: float, level_db: float, sr: int = 48000, n_channels: int = 1
) -> np.ndarray[tuple[int, ...]]:
    t = np.arange(round(seconds * sr)) / sr
    return np.repeat(10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * t)[:, None], n_channels, axis=1)


@pytest.mark.parametrize(("n_channels", "expected"), [(1, -26.0), (2, -23.0)])
@pytest.mark.parametrize("sr", [8000, 44100, 48000])
def test_the_meter_is_that_of_the_standard(tmp_path: Path, sr: int, n_channels: int, expected: float) -> None:
    # EBU Tech 3341, case 1: a stereo tone of -23 dBFS, 1 kHz, is -23 LUFS
    soundfile.write(tmp_path / "a.wav", tone(5, -23, sr, n_channels), sr, subtype="FLOAT")
    loudness, peak = measure(tmp_path / "a.wav")
    assert loudness == pytest.approx(expected, abs=0.1)
    assert peak == pytest.approx(-23, abs=0.3)


@pytest.mark.parametrize("target", [-30, -23, -16])
@pytest.mark.parametrize("name", ["b.wav", "b.flac"])
def test_the_loudness_is_what_was_asked_for(tmp_path: Path, target: float, name: str) -> None:
    src = write_noise(tmp_path / "a.wav", 3, n_channels=2)
    plain = run(src, tmp_path / f"plain{name}")
    report = run(src, tmp_path / name, loudness=target)
    loudness, peak = measure(report.dst)
    assert loudness == pytest.approx(target, abs=0.1)
    assert peak < -1
    assert report.warnings == ()
    assert report.gain_db is not None
    assert report.gain_db == pytest.approx(target - (measure(plain.dst)[0] or 0), abs=0.1)
    # what was removed is what was removed without it
    assert report.removed_db == pytest.approx(plain.removed_db, abs=0.01)
    assert report.noise_removed_db == plain.noise_removed_db
    assert plain.gain_db is None
    # one gain for all
    a, b = soundfile.read(plain.dst)[0], soundfile.read(report.dst)[0]
    np.testing.assert_allclose(b, 10 ** (report.gain_db / 20) * a, atol=20 * 2**-15)


def test_the_true_peak_limits_it(tmp_path: Path) -> None:
    y = tone(3, -40)
    # between the samples it is 3 dB higher than in them
    y[48000:48480, 0] = 0.2 * np.sin(np.pi / 2 * np.arange(480) + np.pi / 4)
    soundfile.write(tmp_path / "a.wav", y, 48000, subtype="PCM_24")
    report = run(tmp_path / "a.wav", tmp_path / "b.wav", loudness=-10, mix=0)
    loudness, peak = measure(report.dst)
    assert loudness is not None
    assert peak == pytest.approx(-1, abs=0.1)
    assert loudness < -20
    assert report.warnings == (
        f"its loudness is {loudness:.1f} LUFS, not -10: more would bring its true peak above -1 dB",
    )
    assert report.n_clipped == 0


@pytest.mark.parametrize(
    "y", [np.zeros(SR), 0.1 * np.ones(SR // 5), np.zeros(0)], ids=["silent", "short", "none"]
)
def test_what_has_no_loudness_stays(tmp_path: Path, y: np.ndarray[tuple[int, ...]]) -> None:
    soundfile.write(tmp_path / "a.wav", y, SR)
    report = run(tmp_path / "a.wav", tmp_path / "b.wav", loudness=-16, mix=0)
    assert report.warnings == (
        "is too short or too quiet for its loudness to be measured; it is left as it is",
    )
    np.testing.assert_array_equal(soundfile.read(report.dst)[0], soundfile.read(tmp_path / "a.wav")[0])


def test_what_does_not_go_with_it_is_refused(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    dst = tmp_path / "b.wav"
    with pytest.raises(ParameterError, match="loudness=-4; must be a number from -50 to -5 LUFS"):
        run(src, dst, loudness=-4)
    with pytest.raises(ParameterError, match=r"loudness=-16 and keep_noise='.*' do not go together"):
        run(src, dst, loudness=-16, keep_noise=tmp_path / "n.wav")
    with pytest.raises(ParameterError, match="loudness=-16; must be left out for a stream"):
        denoise_file(io.BytesIO(src.read_bytes()), dst, dictionary=TINY, method="classic", loudness=-16)
    soundfile.write(tmp_path / "many.wav", np.zeros((SR, 12)), SR)
    with pytest.raises(
        AudioFileError, match="the loudness of 12 channels without loudspeakers is not defined"
    ):
        run(tmp_path / "many.wav", dst, loudness=-16)
    assert not dst.exists()


def test_the_command_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nmf_audio.cli.denoise import main

    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path / "a.wav", 2)
    TINY.save(tmp_path / "tiny.npz")
    words = ["--dictionary", "tiny.npz", "--method", "classic"]
    assert main(["a.wav", "-o", "b.wav", "--loudness", "-20", *words]) == 0
    assert measure(tmp_path / "b.wav")[0] == pytest.approx(-20, abs=0.1)
    assert main(["a.wav", "-o", "c.wav", "--loudness", "loud", *words]) == 2
    assert main(["-", "-o", "c.wav", "--loudness", "-20", *words]) == 2
