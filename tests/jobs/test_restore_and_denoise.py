"""`denoise_file` with `restore`: what is lost is restored first, in the same pass."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio import ParameterError, RawFormat, denoise_file, denoise_files, restore_file
from tests.restoration.material import SR, chord
from tests.tiny import tiny_dictionary

TINY = tiny_dictionary()
# so long that samples come out before all are in
Y = chord(10000)
LEVEL = 0.7
CLIPPED = np.abs(Y) >= LEVEL
GAP = slice(8000, 8040)


def broken(scale: float = 1.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a chord that is clipped, and has a gap of digital silence."""
    y = scale * np.clip(Y, -LEVEL, LEVEL)
    y[GAP] = 0
    return y


def run(src: Any, dst: Any = None, **options: Any) -> Any:
    return denoise_file(src, dst, restore=True, dictionary=TINY, method="classic", **options)


def read(path: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(soundfile.read(path, always_2d=True)[0])


@pytest.mark.parametrize(
    ("subtype", "options"),
    [
        ("PCM_16", {}),
        ("PCM_32", {"warm_up": 0}),
        ("FLOAT", {"start": 0.05, "end": 1.1, "channels": "independent"}),
        ("DOUBLE", {"warm_up": 0.1}),
    ],
)
def test_one_pass_gives_what_two_give(tmp_path: Path, subtype: str, options: dict[str, Any]) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([broken(2), 0.3 * Y], axis=1), SR, subtype)
    section = {name: options[name] for name in ("start", "end") if name in options}
    first = restore_file(tmp_path / "a.wav", tmp_path / "r.wav", subtype="FLOAT", **section)
    assert first.peak_after_db > 0
    others = {name: value for name, value in options.items() if name not in section}
    denoise_file(
        *(tmp_path / "r.wav", tmp_path / "two.wav"), dictionary=TINY, method="classic", mix=0.5, **others
    )
    report = run(tmp_path / "a.wav", tmp_path / "one.wav", subtype="FLOAT", mix=0.5, **options)
    one, two = read(tmp_path / "one.wav"), read(tmp_path / "two.wav")
    assert np.max(np.abs(two)) > 1
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)
    for name in ("clip_levels_db", "n_restored", "gaps"):
        assert getattr(report, name) == getattr(first, name)
    assert report.n_restored > 50
    assert len(report.gaps) == 1
    assert (report.clip_levels_db[1], report.method, report.warnings) == (None, "classic", ())


def test_without_it_nothing_is_restored(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", broken(), SR)
    report = denoise_file(tmp_path / "a.wav", dictionary=TINY, method="classic")
    assert (report.clip_levels_db, report.n_restored, report.gaps) == ((), 0, ())
    again = run(tmp_path / "a.wav", tmp_path / "b.wav")
    assert np.max(np.abs(read(report.dst) - read(again.dst))) > 0.1


def test_where_nothing_is_lost_the_output_is_the_same(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.9 * Y, SR, "FLOAT")
    plain = denoise_file(tmp_path / "a.wav", dictionary=TINY, method="classic")
    report = run(tmp_path / "a.wav", tmp_path / "b.wav")
    assert (report.clip_levels_db, report.n_restored, report.gaps) == ((None,), 0, ())
    np.testing.assert_allclose(read(report.dst), read(plain.dst), rtol=0, atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT"])
def test_what_is_kept_of_the_noise_adds_up_to_the_recording_as_it_was(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", broken(1.2), SR, subtype)
    report = run(tmp_path / "a.wav", keep_noise=tmp_path / "n.wav")
    assert report.n_restored == np.sum(np.delete(CLIPPED, GAP))
    y, out, noise = (read(path) for path in (tmp_path / "a.wav", report.dst, tmp_path / "n.wav"))
    np.testing.assert_allclose(out + noise, y, rtol=0, atol=3e-7 if subtype == "FLOAT" else 0)


def test_peaks_that_are_cut_off_again_are_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", broken(2), SR)
    report = run(tmp_path / "a.wav", mix=0)
    assert report.n_clipped
    (warning,) = report.warnings
    assert "above full scale and are cut off there again; store floats" in warning


def test_too_much_clipping_is_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.clip(Y[:3000], -0.05, 0.05), SR)
    report = run(tmp_path / "a.wav")
    assert report.n_restored == 0
    assert "lost samples are left as they are" in report.warnings[0]


@pytest.mark.parametrize("raw", [None, RawFormat("s16le", SR)])
def test_an_open_file_gives_what_a_path_gives(tmp_path: Path, raw: RawFormat | None) -> None:
    stored = tmp_path / "a.wav"
    soundfile.write(stored, broken(), SR)
    content = stored.read_bytes() if raw is None else soundfile.read(stored, dtype="int16")[0].tobytes()
    outlet = io.BytesIO()
    report = run(io.BytesIO(content), outlet, raw=raw)
    expected = run(stored)
    assert (report.n_restored, report.gaps) == (expected.n_restored, expected.gaps)
    assert report.src_format == ("WAV" if raw is None else "RAW")
    samples = outlet.getvalue()
    found = soundfile.read(io.BytesIO(samples))[0] if raw is None else np.frombuffer(samples, "<i2") / 2**15
    np.testing.assert_array_equal(found, read(expected.dst)[:, 0])
    restored = io.BytesIO()
    assert restore_file(io.BytesIO(content), restored, raw=raw).n_restored == report.n_restored


def test_samples_without_a_header_may_end_within_one() -> None:
    for content, warnings in (
        (b"", ()),
        (bytes(2), ()),
        (bytes(3), ("is truncated: it ends within a sample",)),
    ):
        outlet = io.BytesIO()
        report = restore_file(io.BytesIO(content), outlet, raw=RawFormat("s16le", SR))
        assert [warning.split(";")[0] for warning in report.warnings] == list(warnings)
        assert report.status == ("partial" if warnings else "done")
        assert outlet.getvalue() == content[:2]


@pytest.mark.parametrize("n", [0, 1, 100])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_shortest_recordings_keep_their_length(tmp_path: Path, n: int, n_channels: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((n, n_channels)), SR)
    report = run(tmp_path / "a.wav", keep_noise=tmp_path / "n.wav")
    assert read(report.dst).shape == read(tmp_path / "n.wav").shape == (n, n_channels)


def test_many_are_restored_and_denoised(tmp_path: Path) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", broken(), SR)
    options: dict[str, Any] = {"dictionary": TINY, "method": "classic", "restore": True}
    reports = list(denoise_files(sorted(tmp_path.iterdir()), **options))
    assert all(report.n_restored > 50 and report.status == "done" for report in reports)


def test_progress_ends_with_all_of_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", broken(), SR)
    calls: list[tuple[float, float]] = []
    run(tmp_path / "a.wav", progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (10000 / SR, 10000 / SR)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", broken(), SR)
    with pytest.raises(
        ParameterError, match=r"^loudness=-16 and restore=True do not go together; restore the"
    ):
        run(tmp_path / "a.wav", loudness=-16)
    with pytest.raises(ParameterError, match="restore='yes'; must be True or False"):
        denoise_file(tmp_path / "a.wav", restore="yes")  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 1
