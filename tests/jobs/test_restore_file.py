"""`restore_file`: recordings into files, with a report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import AudioFileError, ParameterError, Restorer, restore, restore_file
from tests.restoration.material import LEVEL, SR, chord

Y = 0.9 * chord(3000)
CLIPPED = np.abs(Y) >= LEVEL


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_what_is_not_lost_stays_the_same_in_every_coding(tmp_path: Path, subtype: str) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, np.clip(Y, -LEVEL, LEVEL), SR, subtype)
    report = restore_file(src)
    assert (report.dst, report.status, report.subtype) == (tmp_path / "a.restored.wav", "done", subtype)
    before, after = (soundfile.read(path, dtype="float64")[0] for path in (src, report.dst))
    np.testing.assert_array_equal(after[~CLIPPED], before[~CLIPPED])
    assert np.all(np.abs(after[CLIPPED]) >= np.abs(before[CLIPPED]))
    assert report.n_restored == np.sum(CLIPPED)
    (level_db,) = report.clip_levels_db
    assert level_db == pytest.approx(20 * np.log10(LEVEL), abs=0.01)
    assert report.peak_after_db == pytest.approx(20 * np.log10(np.max(np.abs(after))), abs=0.01)
    assert report.warnings == ()


def test_a_file_becomes_what_the_array_becomes(tmp_path: Path) -> None:
    broken = np.stack([np.clip(Y, -LEVEL, LEVEL), Y], axis=1)
    soundfile.write(tmp_path / "a.wav", broken, SR, "DOUBLE")
    report = restore_file(tmp_path / "a.wav")
    np.testing.assert_array_equal(soundfile.read(report.dst)[0].T, restore(broken.T, SR))
    assert report.clip_levels_db[1] is None


def test_peaks_beyond_full_scale_are_reported_with_the_gain_that_they_need(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.clip(2 * Y, -1, 1), SR)
    report = restore_file(tmp_path / "a.wav")
    assert report.n_clipped
    (warning,) = report.warnings
    assert "above full scale and are cut off there again; store floats, or use a gain of -" in warning
    gain_db = float(warning.split()[-2])
    quieter = restore_file(tmp_path / "a.wav", tmp_path / "b.wav", gain_db=gain_db)
    assert (quieter.n_clipped, quieter.warnings) == (0, ())
    assert -0.1 <= quieter.peak_after_db <= 0
    floats = restore_file(tmp_path / "a.wav", tmp_path / "c.wav", subtype="FLOAT")
    assert floats.peak_after_db == pytest.approx(quieter.peak_after_db - gain_db, abs=0.02)


def test_gaps_count_from_the_beginning_of_the_recording(tmp_path: Path) -> None:
    broken = Y.copy()
    broken[1600:1680] = 0.9
    soundfile.write(tmp_path / "a.wav", broken, SR, "DOUBLE")
    restorer = Restorer(faults="gaps", gaps=[(0.2, 0.21)])
    report = restore_file(tmp_path / "a.wav", restorer=restorer, start=0.05, end=0.3)
    found = soundfile.read(report.dst)[0]
    (changed,) = np.nonzero(found != broken[400:2400])
    assert (changed[0], changed[-1] + 1) == (1200, 1280)
    assert report.gaps == ((0.15, 0.16),)


def test_too_much_clipping_is_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.clip(Y, -0.05, 0.05), SR)
    report = restore_file(tmp_path / "a.wav")
    assert report.n_restored == 0
    assert "lost samples are left as they are" in report.warnings[0]


def test_gaps_outside_of_what_is_read_are_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", Y, SR, "DOUBLE")
    restorer = Restorer(gaps=[(0.1, 0.11), (0.2, 0.21), (5, 5.05)])
    report = restore_file(tmp_path / "a.wav", restorer=restorer, start=0.15, end=0.3)
    assert len(report.gaps) == 1
    assert report.warnings == (
        "nothing is filled from 0.1 to 0.11 s, since only 0.15 to 0.3 s were read",
        "nothing is filled from 5 to 5.05 s, since only 0.15 to 0.3 s were read",
    )


def test_progress_ends_with_all_of_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", Y, SR)
    calls: list[tuple[float, float]] = []
    restore_file(tmp_path / "a.wav", progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (3000 / SR, 3000 / SR)


def test_what_is_not_allowed_is_refused(tmp_path: Path) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, Y, SR)
    with pytest.raises(ParameterError, match="gain_db=90; must be a number from -60 to 60 dB"):
        restore_file(src, gain_db=90)
    with pytest.raises(ParameterError, match="must be a Restorer"):
        restore_file(src, restorer="all")  # type: ignore[arg-type]
    with (
        pytest.raises(ParameterError, match="dst=None; must be given beside an open file"),
        src.open("rb") as file,
    ):
        restore_file(file)
    with pytest.raises(AudioFileError, match=r"is the input .* itself"):
        restore_file(src, src, force=True)
    assert list(tmp_path.iterdir()) == [src]
