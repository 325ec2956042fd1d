"""denoise_file: what was kept, what was removed, what is said."""

from __future__ import annotations

import inspect
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from nmf_audio.denoiser import Denoiser, denoise
from nmf_audio.errors import AudioFileError, DictionaryError, ParameterError
from nmf_audio.io.noise_recording import read_noise
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.jobs.denoise_file import Report, default_output, denoise_file
from nmf_audio.jobs.separate_file import separate_file
from nmf_audio.separation.separator import Separator
from tests.tiny import SR, noise, tiny_dictionary, truncate, write_noise

TINY = tiny_dictionary()
CLOSED = io.BytesIO()
CLOSED.close()


def run(src: Path, dst: Path | None = None, **options: Any) -> Report:
    return denoise_file(src, dst, **{"dictionary": TINY, "method": "classic", **options})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("late", ["speech.wav", "noise.wav"])
def test_speech_and_noise_are_both_there_or_neither(tmp_path: Path, late: str) -> None:
    src = write_noise(tmp_path / "a.wav")

    def meanwhile(done: float, total: float) -> None:
        (tmp_path / late).write_text("another program's")

    with pytest.raises(AudioFileError, match=f"{late}: appeared while"):
        run(src, tmp_path / "speech.wav", keep_noise=tmp_path / "noise.wav", progress=meanwhile)
    assert names(tmp_path) == sorted(["a.wav", late])
    assert (tmp_path / late).read_text() == "another program's"


@pytest.mark.parametrize(
    ("ext", "name", "subtype", "sr", "n_channels"),
    [
        ("wav", "WAV", "PCM_U8", 8000, 1),
        ("wav", "WAV", "PCM_16", 44100, 2),
        ("wav", "WAVEX", "PCM_24", 16000, 6),
        ("wav", "WAV", "PCM_32", 16000, 1),
        ("wav", "WAV", "FLOAT", 48000, 2),
        ("wav", "WAV", "DOUBLE", 16000, 1),
        ("wav", "WAV", "ULAW", 8000, 1),
        ("wav", "RF64", "PCM_16", 16000, 1),
        ("w64", "W64", "PCM_16", 16000, 1),
        ("aiff", "AIFF", "PCM_24", 16000, 2),
        ("caf", "CAF", "ALAC_16", 16000, 1),
        ("au", "AU", "PCM_16", 16000, 1),
        ("flac", "FLAC", "PCM_24", 22050, 2),
        ("ogg", "OGG", "VORBIS", 32000, 2),
        ("opus", "OGG", "OPUS", 48000, 1),
        ("mp3", "MP3", "MPEG_LAYER_III", 44100, 2),
    ],
)
def test_everything_but_the_noise_is_kept(
    tmp_path: Path, ext: str, name: str, subtype: str, sr: int, n_channels: int
) -> None:
    src = write_noise(tmp_path / f"a.{ext}", 1.2345, sr=sr, n_channels=n_channels, subtype=subtype, name=name)
    report = run(src)
    assert report.dst == tmp_path / f"a.denoised.{ext}"
    before, after = soundfile.info(src), soundfile.info(report.dst)
    for what in ("format", "subtype", "samplerate", "channels", "frames", "endian"):
        assert getattr(before, what) == getattr(after, what), what
    assert (report.format, report.subtype, report.sr, report.n_channels) == (name, subtype, sr, n_channels)
    assert report.seconds == before.frames / sr
    assert report.status == "done"
    assert report.warnings == ()
    assert report.n_clipped == 0
    assert report.removed_db > 3


@pytest.mark.parametrize(
    ("ext", "subtype"), [("wav", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_24"), ("wav", "FLOAT")]
)
def test_mix_0_gives_the_recording_back_to_the_bit(tmp_path: Path, ext: str, subtype: str) -> None:
    y = noise(2.5, 2)
    y[:3, 0] = [-1.0, 1.0, 0.0]
    src = tmp_path / f"a.{ext}"
    soundfile.write(src, y, SR, subtype=subtype)
    report = run(src, mix=0)
    a, b = soundfile.read(src)[0], soundfile.read(report.dst)[0]
    np.testing.assert_array_equal(a, b)
    assert report.removed_db == 0
    assert report.n_clipped == 0


@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_file_is_an_array_that_was_read(tmp_path: Path, n_channels: int) -> None:
    src = write_noise(tmp_path / "a.wav", 3.3, n_channels=n_channels, subtype="FLOAT")
    report = run(src)
    y = soundfile.read(src, dtype="float32", always_2d=True)[0].T
    expected = Denoiser(TINY, method="classic").denoise(np.ascontiguousarray(y), SR)
    out = soundfile.read(report.dst, dtype="float32", always_2d=True)[0].T
    np.testing.assert_allclose(out, expected, atol=1e-6 * np.abs(expected).max())
    expected_db = 10 * math.log10(np.sum(y.astype(float) ** 2) / np.sum(expected.astype(float) ** 2))
    assert report.removed_db == pytest.approx(expected_db, abs=1e-3)


def test_the_defaults_are_those_of_the_array_function() -> None:
    """None, where a ready denoiser may have others: it stands for the default of `Denoiser` then."""
    file, array = (inspect.signature(function).parameters for function in (denoise_file, denoise))
    for name in array.keys() - {"y", "sr", "channels", "keep_noise", "warm_up"}:
        assert file[name].default is None, name
        assert array[name].default is None, name
    assert (file["channels"].default, array["channels"].default) == (None, "linked")
    assert (file["warm_up"].default, array["warm_up"].default) == (None, 2.0)
    # the numbers of the documentation, not the constants that they come from
    denoiser = Denoiser(TINY)
    assert (denoiser.reduction_db, denoiser.mix, denoiser.channels) == (40.0, 1.0, "linked")


@pytest.mark.parametrize("n", [0, 1, 2, 255])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_next_to_nothing_is_valid(tmp_path: Path, n: int, n_channels: int) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, noise(1, n_channels)[:n], SR)
    report = run(src)
    assert soundfile.info(report.dst).frames == n
    assert report.status == "done"
    assert math.isfinite(report.removed_db)


def test_silence_stays_silent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((SR, 2)), SR)
    report = run(tmp_path / "a.wav")
    assert not soundfile.read(report.dst)[0].any()
    assert report.removed_db == 0


def test_the_extension_of_the_target_is_obeyed(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", subtype="FLOAT")
    report = run(src, tmp_path / "b.flac")
    assert soundfile.info(tmp_path / "b.flac").format == "FLAC"
    assert (report.format, report.subtype) == ("FLAC", "PCM_24")


def test_tags_are_kept(tmp_path: Path) -> None:
    src = tmp_path / "a.flac"
    with soundfile.SoundFile(src, "w", SR, 1) as file:
        file.title, file.artist = "Ein Vortrag über Äpfel", "Somebody"
        file.write(noise(1))
    with AudioReader(run(src).dst) as reader:
        assert reader.tags["title"] == "Ein Vortrag über Äpfel"
        assert reader.tags["artist"] == "Somebody"


def test_integers_saturate_and_it_is_counted(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", subtype="FLOAT")
    loud = 40 * noise(1)
    soundfile.write(src, loud, SR, subtype="FLOAT")
    report = run(src, tmp_path / "b.flac", mix=0)
    out = soundfile.read(tmp_path / "b.flac")[0]
    assert report.n_clipped == np.count_nonzero(np.abs(loud) > 1)
    np.testing.assert_array_equal(np.sign(out), np.sign(loud[:, 0]))


@pytest.mark.parametrize(
    ("ext", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16"), ("aiff", "PCM_24"), ("ogg", "VORBIS")]
)
def test_what_can_be_read_of_a_truncated_file_is_denoised(tmp_path: Path, ext: str, subtype: str) -> None:
    src = truncate(write_noise(tmp_path / f"a.{ext}", 10, subtype=subtype))
    report = run(src)
    assert report.status == "partial"
    assert 4 < report.seconds < 8
    assert soundfile.info(report.dst).frames == report.seconds * SR
    assert report.warnings[0].startswith("is truncated")
    assert report.warnings[0].endswith("; what could be read was denoised")


def test_a_file_of_which_nothing_can_be_read_leaves_nothing(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    src.write_bytes(src.read_bytes()[:44])
    with pytest.raises(AudioFileError, match=r"a\.wav: is truncated: 0 of 16000 bytes"):
        run(src)
    assert names(tmp_path) == ["a.wav"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [(np.nan, "is NaN"), (np.inf, "is infinite"), (1e38, "is 1e.38; must be finite, and at most 1e.09")],
)
def test_samples_that_cannot_be_processed_leave_nothing(tmp_path: Path, bad: float, words: str) -> None:
    y = noise(3)
    y[2 * SR :] = bad
    soundfile.write(tmp_path / "a.wav", y, SR, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=words):
        run(tmp_path / "a.wav")
    assert names(tmp_path) == ["a.wav"]


def test_a_rate_that_is_out_of_range_is_said_with_the_file(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", sr=100)
    with pytest.raises(AudioFileError, match=r"a\.wav: sample rate 100; must be a whole number from 4000"):
        run(src)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    before = src.read_bytes()
    other = tmp_path / "b.wav"
    other.write_bytes(b"precious")
    with pytest.raises(AudioFileError, match="exists"):
        run(src, other)
    (tmp_path / "link.wav").hardlink_to(src)
    for dst in (src, tmp_path / "link.wav"):
        with pytest.raises(AudioFileError, match="is the input"):
            run(src, dst, force=True)
    assert src.read_bytes() == before
    assert other.read_bytes() == b"precious"
    assert run(src, other, force=True).status == "done"


def test_progress_counts_up_to_the_length_and_may_cancel(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 3.5)
    seen: list[tuple[float, float]] = []
    run(src, progress=lambda done, total: seen.append((done, total)))
    # the denoiser holds two seconds back at the beginning, and a frame until the end
    assert [total for _, total in seen] == 5 * [3.5]
    np.testing.assert_allclose([done for done, _ in seen], [0, 2, 3, 3.5, 3.5], atol=0.04)
    assert seen[-2][0] < seen[-1][0] == 3.5

    def cancel(done: float, total: float) -> None:
        assert any(path.suffix == ".part" for path in tmp_path.iterdir())
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run(src, tmp_path / "b.wav", progress=cancel)
    assert names(tmp_path) == ["a.denoised.wav", "a.wav"]


def test_options_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    bad: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"mix": 2}, ParameterError),
        ({"reduction_db": -1}, ParameterError),
        ({"method": "none"}, ParameterError),
        ({"dictionary": "no-such-dictionary"}, DictionaryError),
    ]
    for options, error in bad:
        with pytest.raises(error):
            run(src, **options)
    assert names(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("name", ["a\0.wav", 5, b"a.wav", None, "x" * 300 + ".wav", io.StringIO("a"), CLOSED])
def test_what_is_no_name_is_refused(tmp_path: Path, name: Any) -> None:
    parts = {source: tmp_path / f"{source}.wav" for source in ("speech", "noise", "residual")}
    with pytest.raises((ParameterError, AudioFileError)) as error:
        run(name, tmp_path / "b.wav")
    assert not str(error.value).startswith(str(tmp_path))
    with pytest.raises((ParameterError, AudioFileError)) as error:
        separate_file(name, parts, separator=Separator(TINY))
    assert not str(error.value).startswith(str(tmp_path))
    assert names(tmp_path) == []


def test_a_ready_denoiser_stands_for_its_options(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    denoiser = Denoiser(TINY, method="classic", reduction_db=20)
    report = denoise_file(src, tmp_path / "b.wav", denoiser=denoiser)
    assert (report.method, report.dictionary) == ("classic", "tiny")
    run(src, tmp_path / "c.wav", reduction_db=20)
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "c.wav").read_bytes()
    given: dict[str, Any]
    for given in ({"dictionary": TINY}, {"method": "classic"}, {"reduction_db": 40.0}, {"mix": 1.0}):
        with pytest.raises(
            ParameterError, match=f"denoiser=.* and {next(iter(given))}=.* do not go together"
        ):
            denoise_file(src, denoiser=denoiser, **given)
    with pytest.raises(ParameterError, match="denoiser is of type str; must be a Denoiser"):
        denoise_file(src, denoiser="tiny")  # type: ignore[arg-type]
    assert names(tmp_path) == ["a.wav", "b.wav", "c.wav"]


@pytest.mark.parametrize(
    ("src", "folder", "expected"),
    [
        ("a.wav", None, "a.denoised.wav"),
        ("x/a.b.flac", None, "x/a.b.denoised.flac"),
        ("x/a.wav", "y", "y/a.denoised.wav"),
        ("noext", None, "noext.denoised"),
    ],
)
def test_default_names(src: str, folder: str | None, expected: str) -> None:
    assert default_output(src, folder) == Path(expected)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("noise_channels", [1, 2, 3])
@pytest.mark.parametrize("noise_sr", [SR, 11025])
def test_noise_is_heard_first(tmp_path: Path, n_channels: int, noise_channels: int, noise_sr: int) -> None:
    src = write_noise(tmp_path / "a.wav", 1.5, n_channels=n_channels, subtype="FLOAT")
    room = write_noise(tmp_path / "room.wav", 1, sr=noise_sr, n_channels=noise_channels, subtype="FLOAT")
    report = run(src, method="adaptive", noise=room, warm_up=0)
    heard = soundfile.read(room, dtype="float32", always_2d=True)[0].T
    if noise_channels not in (1, n_channels):
        heard = heard.mean(axis=0, keepdims=True)
    if noise_sr != SR:
        heard = soxr.resample(heard.T, noise_sr, SR).T
    heard = heard[0] if len(heard) == 1 else heard
    y = np.ascontiguousarray(soundfile.read(src, dtype="float32", always_2d=True)[0].T)
    denoiser = Denoiser(TINY, method="adaptive")
    expected = denoiser.denoise(y, SR, noise=heard, warm_up=0)
    out = soundfile.read(report.dst, dtype="float32", always_2d=True)[0].T
    np.testing.assert_allclose(out, expected, atol=1e-6)
    assert not np.allclose(out, denoiser.denoise(y, SR, warm_up=0), atol=1e-3)


def test_noise_from_the_recording_itself(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 3, subtype="FLOAT")
    soundfile.write(tmp_path / "part.wav", soundfile.read(src)[0][SR : 2 * SR], SR, subtype="FLOAT")
    a = run(src, tmp_path / "b.wav", method="adaptive", noise=tmp_path / "part.wav")
    b = run(src, tmp_path / "c.wav", method="adaptive", noise_from=(1, 2))
    np.testing.assert_array_equal(soundfile.read(a.dst)[0], soundfile.read(b.dst)[0])


def test_of_long_noise_the_first_minute_is_read(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "room.wav", 70, n_channels=2)
    assert read_noise(src, SR, 2).shape == (2, 60 * SR)
    assert read_noise(src, SR, 1, start=65).shape == (5 * SR,)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"noise": "none.wav"}, AudioFileError, "none.wav"),
        ({"noise": "b.wav", "noise_from": (0, 1)}, ParameterError, "do not go together"),
        ({"noise_from": 3}, ParameterError, r"noise_from=3; must be \(start, end\)"),
        ({"noise_from": (1, 1)}, ParameterError, r"noise_from=\(1.0, 1.0\); must be a start and"),
        ({"noise_from": (-1, 1)}, ParameterError, "noise_from=-1; must be"),
        ({"noise_from": (0, np.nan)}, ParameterError, "noise_from=nan; must be"),
        ({"noise_from": ("0", 1)}, ParameterError, "noise_from='0'; must be a number"),
        (
            {"noise": np.zeros(SR, np.float32)},
            ParameterError,
            "noise is silent; must be a recording of the noise",
        ),
        ({"noise_from": (5, 6)}, AudioFileError, r"a\.wav: has no noise from 5 s on; it ends at 1 s"),
    ],
)
def test_noise_that_cannot_be_used(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    src = write_noise(tmp_path / "a.wav")
    with pytest.raises(error, match=words):
        run(src, **options)
    assert names(tmp_path) == ["a.wav"]
