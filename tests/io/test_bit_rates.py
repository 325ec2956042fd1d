"""Bit rates of lossy outputs: kept, asked for, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import AudioFileError, ParameterError, Report, denoise_file, separate_file
from nmf_audio.io.open import open_reader
from nmf_audio.separation.separator import Separator
from tests.tiny import tiny_dictionary

SECONDS = 2
TINY = tiny_dictionary()


def run(src: Path, dst: Path, **options: object) -> Report:
    return denoise_file(src, dst, dictionary=TINY, method="classic", mix=0, **options)  # type: ignore[arg-type]


def write(path: Path, sr: int, n_channels: int, subtype: str, format: str, **encoding: object) -> Path:
    """Write noise and a tone: what needs all the bits that it may have."""
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * sr) / sr
    y = 0.1 * rng.standard_normal((len(t), n_channels)) + 0.2 * np.sin(2 * np.pi * 300 * t)[:, None]
    with soundfile.SoundFile(path, "w", sr, n_channels, subtype, None, format, **encoding) as file:
        file.write(y)
    return path


def rate_of(path: Path) -> float:
    """Return the kbit/s that such a file takes."""
    return 8 * path.stat().st_size / SECONDS / 1000


@pytest.mark.parametrize(
    ("sr", "n_channels", "rate", "mode"),
    [
        (44100, 2, 192, "CONSTANT"),
        (48000, 2, 320, "CONSTANT"),
        (44100, 1, 64, "CONSTANT"),
        (22050, 1, 80, "CONSTANT"),
        (8000, 1, 24, "CONSTANT"),
        (16000, 1, 24, "CONSTANT"),
        (44100, 1, 40, "CONSTANT"),
        (44100, 2, 150, "AVERAGE"),
    ],
)
def test_an_mp3_keeps_its_bit_rate(tmp_path: Path, sr: int, n_channels: int, rate: int, mode: str) -> None:
    lowest, highest = (32, 320) if sr >= 32000 else (8, 160) if sr >= 16000 else (8, 64)
    level = (highest - rate) / (highest - lowest)
    src = write(
        *(tmp_path / "a.mp3", sr, n_channels, "MPEG_LAYER_III", "MP3"),
        compression_level=level,
        bitrate_mode=mode,
    )
    report = run(src, tmp_path / "b.mp3")
    # a frame that is too small for the length of the recording makes the rate a mean
    fits = mode == "CONSTANT" and (144 if sr >= 32000 else 72) * 1000 * rate / sr >= 192
    assert rate_of(report.dst) == pytest.approx(rate_of(src), rel=0.06 if fits else 0.15)
    with open_reader(src) as before, open_reader(report.dst) as after:
        assert before.bit_rate == pytest.approx(1000 * rate, rel=0.001 if mode == "CONSTANT" else 0.1)
        assert after.bit_rate == pytest.approx(before.bit_rate, rel=0.001 if fits else 0.15)
        # what is read without a stated length is longer by the encoder's padding, and stays so
        assert after.n_samples == sum(block.shape[1] for block in before.blocks())


@pytest.mark.parametrize(("name", "subtype"), [("a.ogg", "VORBIS"), ("a.opus", "OPUS")])
@pytest.mark.parametrize("level", [0.1, 0.4])
def test_vorbis_and_opus_keep_their_bit_rate(tmp_path: Path, name: str, subtype: str, level: float) -> None:
    src = write(tmp_path / name, 48000, 2, subtype, "OGG", compression_level=level)
    report = run(src, tmp_path / f"b{src.suffix}")
    assert rate_of(report.dst) == pytest.approx(rate_of(src), rel=0.2)
    with open_reader(src) as before, open_reader(report.dst) as after:
        assert after.bit_rate == pytest.approx(before.bit_rate, rel=0.05)


FORMATS = [
    ("b.mp3", 96),
    ("b.mp3", 256),
    ("b.mp3", 140),
    ("b.ogg", 96),
    ("b.ogg", 200),
    ("b.opus", 48),
    ("b.opus", 160),
    ("b.m4a", 96),
    ("b.webm", 96),
]


@pytest.mark.parametrize(("name", "rate"), FORMATS)
def test_a_bit_rate_is_what_was_asked_for(tmp_path: Path, name: str, rate: int) -> None:
    if name.endswith(("m4a", "webm")):
        pytest.importorskip("av")
    src = write(tmp_path / "a.wav", 48000, 2, "PCM_16", "WAV")
    report = run(src, tmp_path / name, bitrate=rate)
    assert rate_of(report.dst) == pytest.approx(rate, rel=0.25 if name == "b.ogg" else 0.15)
    assert report.warnings == ()


@pytest.mark.parametrize("name", ["b.mp3", "b.ogg"])
def test_a_higher_quality_takes_more(tmp_path: Path, name: str) -> None:
    src = write(tmp_path / "a.wav", 44100, 2, "PCM_16", "WAV")
    rates = []
    for quality in (0, 4, 10):
        rates.append(rate_of(run(src, tmp_path / f"{quality}{name}", quality=quality).dst))
    assert 1.2 * rates[0] < rates[1] < rates[2] / 1.2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "b.wav",
            {"bitrate": 128},
            r"bitrate=128; must be left out; WAV has none; of the formats OGG, .* have",
        ),
        (
            "b.flac",
            {"quality": 5},
            r"quality=5; must be left out; FLAC has none; of the formats OGG, MP3 have",
        ),
        ("b.opus", {"quality": 5}, r"quality=5; must be left out; OPUS has none"),
        ("b.mp3", {"quality": 5, "bitrate": 128}, "bitrate=128 and quality=5 do not go together"),
        ("b.mp3", {"quality": 11}, "quality=11; must be a number from 0 to 10"),
        ("b.mp3", {"bitrate": "high"}, "bitrate='high'; must be a number from 8 to 320 kbit/s"),
        ("b.mp3", {"bitrate": 321}, "bitrate=321; must be a number from 8 to 320 kbit/s"),
        ("b.m4a", {"bitrate": 5000}, "bitrate=5000; must be a number from 8 to 4608 kbit/s"),
        ("b.webm", {"bitrate": 5}, "bitrate=5; must be a number from 6 to 2048 kbit/s"),
        ("b.mp3", {"bitrate": True}, "bitrate=True; must be a number"),
    ],
)
def test_what_a_format_does_not_have_is_refused(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    src = write(tmp_path / "a.wav", 16000, 1, "PCM_16", "WAV")
    with pytest.raises(ParameterError, match=message):
        run(src, tmp_path / name, **options)
    assert not (tmp_path / name).exists()


def test_what_only_the_recording_shows_is_refused(tmp_path: Path) -> None:
    src = write(tmp_path / "a.wav", 16000, 1, "PCM_16", "WAV")
    message = "b.mp3: 320 kbit/s; MPEG_LAYER_III at 16000 Hz with 1 channel allows 8 to 160 kbit/s"
    with pytest.raises(AudioFileError, match=message):
        run(src, tmp_path / "b.mp3", bitrate=320)
    separated = separate_file(src, separator=Separator("plain"), format="MP3", bitrate=48)
    for part in separated.parts.values():
        assert rate_of(part) == pytest.approx(48, rel=0.1)
