"""Readers and writers of media files: what is all there, what is in step, what is left behind."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from nmf_audio.errors import AudioFileError
from nmf_audio.io.containers import Container
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.media.writer import MediaWriter
from nmf_audio.io.open import is_media, open_reader
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.io.speakers import get_mask, name_speakers
from nmf_audio.io.tags.flac import PICTURE, put_metadata_blocks
from nmf_audio.io.tags.picture import Picture, pack_picture
from nmf_audio.io.truncation import describe_truncation
from nmf_audio.jobs.denoise_file import denoise_file
from nmf_audio.jobs.separate_file import separate_file
from nmf_audio.separation.separator import Separator
from tests.io.media.make import CLICK, SR, click, click_of, jpeg, write_media, write_sound
from tests.tiny import room_for, tiny_dictionary, write_noise

TINY = tiny_dictionary()


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with MediaReader(path) as reader:
        return np.concatenate(list(reader.blocks(np.float64)), axis=1)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".m4a", ".avi", ".flv", ".ts", ".aac"])
def test_media_files_are_recognised_by_what_is_in_them(tmp_path: Path, suffix: str) -> None:
    codec = {".webm": "libopus", ".avi": "libmp3lame"}.get(suffix, "aac")
    sample_format = "flt" if codec == "libopus" else "fltp"
    muxer = {".ts": "mpegts", ".aac": "adts"}.get(suffix)
    src = tmp_path / f"a{suffix}"
    write_media(src, codec=codec, video=None, seconds=2, sample_format=sample_format, muxer=muxer)
    path = src.rename(tmp_path / "a.wav")
    assert is_media(path)
    y = read(path)[0]
    assert abs(int(np.argmax(np.abs(y) > 0.3)) / SR - CLICK) < 0.06


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.w64", "a.caf", "a.au"])
def test_sound_files_are_no_media_files(tmp_path: Path, name: str) -> None:
    subtype = {"a.ogg": "VORBIS", "a.mp3": "MPEG_LAYER_III"}.get(name, "PCM_16")
    assert not is_media(write_noise(tmp_path / name, subtype=subtype))
    assert not is_media(tmp_path)
    assert not is_media(tmp_path / "none")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_where_a_file_is_cut_off_is_seen(tmp_path: Path, suffix: str) -> None:
    path = write_media(tmp_path / f"a{suffix}", seconds=2)
    whole = path.read_bytes()
    assert describe_truncation(path) is None
    for n in (len(whole) - 1, len(whole) // 2, 60):
        path.write_bytes(whole[:n])
        assert describe_truncation(path) is not None
    # a box or an element that ends with the file is none that was cut
    path.write_bytes(whole[:3])
    assert describe_truncation(path) is None


def test_a_live_recording_of_unknown_length_is_whole(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", seconds=2)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x18\x53\x80\x67") + 4
    content[at : at + 8] = b"\x01" + b"\xff" * 7
    path.write_bytes(content)
    assert describe_truncation(path) is None
    with MediaReader(path) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) >= 2 * SR
        assert reader.damage is None


@pytest.mark.parametrize(
    ("codec", "layout", "suffix"), [("aac", "7.1", ".mkv"), ("pcm_s16le", "octagonal", ".mov")]
)
def test_eight_channels(tmp_path: Path, codec: str, layout: str, suffix: str) -> None:
    sample_format = "s16" if codec.startswith("pcm") else "fltp"
    src = write_media(
        tmp_path / f"a{suffix}",
        codec=codec,
        layout=layout,
        sample_format=sample_format,
        video=None,
        seconds=1.6,
    )
    report = denoise_file(src, dictionary=TINY, method="classic", mix=0)
    with MediaReader(report.dst) as reader:
        assert reader.channel_mask is not None
        assert (reader.n_channels, av.AudioLayout(name_speakers(reader.channel_mask)).name) == (8, layout)
    a, b = read(src), read(report.dst)
    assert a.shape == b.shape == (8, a.shape[1])
    np.testing.assert_allclose(a[0], b[0], atol=0.1 if codec == "aac" else 1e-9)


def test_loudspeakers_at_the_side_are_loudspeakers_behind(tmp_path: Path) -> None:
    src = write_media(tmp_path / "a.mkv", codec="ac3", layout="5.1(side)", seconds=2)
    report = denoise_file(src, dictionary=TINY, method="classic", mix=0)
    assert report.warnings == (
        "left out, since MKV does not keep it here: loudspeakers FL+FR+FC+LFE+SL+SR",
        "AC3 can't be written; it is now AAC",
    )
    assert click_of(report.dst) == pytest.approx(CLICK, abs=0.001)
    with MediaReader(src) as before, MediaReader(report.dst) as after:
        assert (before.channel_mask, after.channel_mask) == (0x60F, 0x3F)


def test_a_clock_that_starts_again_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.nut"
    y = click(2, SR)
    with av.open(str(path), "w", format="nut") as file:
        sound = file.add_stream("pcm_s16le", rate=SR)
        sound.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.rint(2**15 * y).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = SR, Fraction(1, SR), 0
        packets = sound.encode(frame)
        file.mux(packets)
    with MediaReader(path) as reader:
        frames = [reader._first, *reader._frames]
        for frame in frames[len(frames) // 2 :]:
            frame.pts -= 100 * SR
        reader._frames = (frame for frame in frames[1:])
        assert sum(block.shape[1] for block in reader.blocks()) == 2 * SR
        assert reader.damage is None


def test_a_sample_that_is_no_number_is_named(tmp_path: Path) -> None:
    y = click(2, SR)
    y[0, SR + 5] = np.nan
    path = write_media(tmp_path / "a.mov", codec="pcm_f32le", sample_format="flt", video=None, y=y)
    with pytest.raises(AudioFileError, match=r"a\.mov: sample 48005 \(1\.000 s\) of channel 1 is NaN"):
        read(path)


def test_what_a_writer_was_given_comes_back(tmp_path: Path) -> None:
    y = 0.5 * np.random.default_rng(0).uniform(-1, 1, (2, 3001))
    y[:, 5] = [2, -2]
    for subtype, bits in (("PCM_16", 16), ("PCM_24", 24), ("ALAC_16", 16), ("ALAC_24", 24)):
        path = tmp_path / f"{subtype}.mov"
        with MediaWriter(path, SR, 2, Container("MOV", subtype)) as writer:
            stored = np.concatenate([writer.write(y[:, :1500]), writer.write(y[:, 1500:])], axis=1)
        assert writer.n_clipped == 2
        np.testing.assert_array_equal(read(path), stored)
        np.testing.assert_allclose(stored[:, 6:], y[:, 6:], atol=2.0**-bits)


@pytest.mark.parametrize("name", ["a:b.mp4", "pipe:1.mp4", "%d ü 'x'.mp4", os.fsdecode(b"\xff.mp4")])
def test_strange_names(tmp_path: Path, name: str) -> None:
    src = write_media(tmp_path / "a.mp4", seconds=1).rename(tmp_path / name)
    report = denoise_file(src, dictionary=TINY, method="classic")
    assert report.dst.is_file()


def test_what_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    src = write_media(tmp_path / "a.mp4")

    def stop(done: float, total: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        denoise_file(src, dictionary=TINY, method="classic", keep_noise=tmp_path / "n.m4a", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("n_bytes", [0, 20_000])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, suffix: str, n_bytes: int) -> None:
    src = write_media(tmp_path / f"a{suffix}", seconds=6)
    with room_for(n_bytes), pytest.raises(AudioFileError, match=r"a\.denoised.* File too large"):
        denoise_file(src, dictionary=TINY, method="classic")
    assert [path.name for path in tmp_path.iterdir()] == [src.name]


def test_the_sound_of_a_video_is_taken_apart(tmp_path: Path) -> None:
    src = write_media(tmp_path / "a.mov", codec="pcm_s16le", sample_format="s16", seconds=2)
    report = separate_file(src, separator=Separator("plain"), residual=True)
    assert (report.format, report.subtype) == ("MOV", "PCM_16")
    np.testing.assert_allclose(sum(read(path) for path in report.parts.values()), read(src), atol=1e-9)


def test_channels_that_no_layout_has_a_name_for(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", n_channels=9, sr=SR)
    with pytest.raises(AudioFileError, match="MOV with AAC can't hold 9 channels at 48000 Hz"):
        denoise_file(src, tmp_path / "b.mov", dictionary=TINY, method="classic", subtype="AAC")
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_what_can_not_be_put_together_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        # a muxer that refuses it only when it writes the head
        with pytest.raises(AudioFileError, match="can't hold 1 channels"):
            MediaWriter(tmp_path / "a", 16000, 1, Container("WEBM", "AAC"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


LAYOUTS = [("7.1", 8), ("5.1", 6), ("quad", 4), ("4.0", 4), ("5.1(side)", 6), ("stereo", 2)]


@pytest.mark.parametrize(("layout", "n_channels"), LAYOUTS)
def test_loudspeakers_of_media_files_and_wav(tmp_path: Path, layout: str, n_channels: int) -> None:
    src = write_media(
        tmp_path / "a.mov", codec="pcm_s16le", layout=layout, sample_format="s16", video=None, seconds=0.5
    )
    mask = get_mask([channel.name for channel in av.AudioLayout(layout).channels])
    report = denoise_file(src, tmp_path / "b.wav", dictionary=TINY, method="classic", mix=0)
    assert report.warnings == ()
    assert (report.format, report.n_channels) == ("WAVEX" if n_channels > 2 else "WAV", n_channels)
    with open_reader(report.dst) as reader:
        assert reader.channel_mask == (mask if n_channels > 2 else None)
    report = denoise_file(report.dst, tmp_path / "c.mov", dictionary=TINY, method="classic", mix=0)
    with MediaReader(report.dst) as reader:
        assert (reader.channel_mask, report.warnings) == (mask, ())
    # AAC has no loudspeakers at the side, ALAC none in two pairs
    for subtype, odd in (("AAC", ["5.1(side)"]), ("ALAC_16", ["5.1(side)", "quad", "7.1"])):
        report = denoise_file(
            tmp_path / "b.wav",
            tmp_path / f"{subtype}.m4a",
            subtype=subtype,
            dictionary=TINY,
            method="classic",
        )
        lost = f"left out, since M4A does not keep it here: loudspeakers {name_speakers(mask)}"
        assert report.warnings == ((lost,) if layout in odd else ())


def test_what_is_beside_the_sound_is_named(tmp_path: Path) -> None:
    src = write_media(
        *(tmp_path / "a.mp4",),
        n_tracks=2,
        chapters=[(0.0, 1.0, "Begin"), (1.0, 3.0, "Rest")],
        subtitles="mov_text",
        cover=jpeg(),
    )
    beside = "moving pictures (mpeg4), another sound track (aac), subtitles (mov_text)"
    other_track = "sound track 1 of 2 was {}, and no other"
    report = denoise_file(src, tmp_path / "b.wav", dictionary=TINY, method="classic")
    assert report.warnings == (
        f"left out, since WAV does not keep it here: a picture, {beside}, chapters",
        other_track.format("denoised"),
    )
    report = denoise_file(src, tmp_path / "b.m4a", dictionary=TINY, method="classic")
    assert report.warnings == (
        f"left out, since M4A does not keep it here: {beside}",
        other_track.format("denoised"),
    )
    with MediaReader(report.dst) as reader:
        assert ([picture.data for picture in reader.pictures], reader.others) == ([jpeg()], ["chapters"])
    # one that is called so keeps what it has
    src = src.rename(tmp_path / "c.m4a")
    report = denoise_file(src, dictionary=TINY, method="classic")
    assert report.warnings == (other_track.format("denoised"),)
    with MediaReader(report.dst) as reader:
        assert sorted(reader.others) == sorted([*beside.split(", "), "chapters"])
    report = denoise_file(src, tmp_path / "part.m4a", end=1.0, dictionary=TINY, method="classic")
    assert f"left out, since M4A does not keep it here: {beside}, chapters" in report.warnings
    with MediaReader(report.dst) as reader:
        assert [picture.data for picture in reader.pictures] == [jpeg()]
    separated = separate_file(src, separator=Separator("plain"), format="FLAC")
    assert f"left out, since FLAC does not keep it here: {beside}, chapters" in separated.warnings


COVER = b"\x89PNG" + bytes(200)


@pytest.mark.parametrize("cover", [jpeg(), COVER], ids=["jpeg", "png"])
@pytest.mark.parametrize("name", ["a.m4a", "a.mkv", "a.mp4"])
def test_covers_go_over_to_media_files_and_back(tmp_path: Path, name: str, cover: bytes) -> None:
    src = write_noise(tmp_path / "a.flac")
    put_metadata_blocks(src, [(PICTURE, pack_picture(Picture(cover)))])
    there = denoise_file(src, tmp_path / name, dictionary=TINY, method="classic")
    assert there.warnings == ()
    for target in ("b.mp3", "b.opus", "b.flac"):
        back = denoise_file(there.dst, tmp_path / target, dictionary=TINY, method="classic")
        with AudioReader(back.dst) as reader:
            assert ([picture.data for picture in reader.pictures], back.warnings) == ([cover], ())
    report = denoise_file(src, tmp_path / "b.mov", dictionary=TINY, method="classic")
    assert report.warnings == ("left out, since MOV does not keep it here: a picture",)


@pytest.mark.parametrize(
    ("target", "kept"), [("b.mov", True), ("b.mp4", True), ("b.mkv", True), ("b.wav", False)]
)
def test_a_time_code_is_named_only_where_it_is_lost(tmp_path: Path, target: str, kept: bool) -> None:
    src = tmp_path / "a.mov"
    with av.open(str(src), "w") as file:
        picture = file.add_stream("mpeg4", rate=25, width=64, height=48)
        picture.metadata["timecode"] = "01:00:00:00"
        sound = file.add_stream("aac", rate=SR)
        sound.layout = "mono"
        for _ in range(25):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        file.mux(picture.encode(None))
        write_sound(file, sound, click(1.6, SR), SR, 0.0)
    with MediaReader(src) as reader:
        assert "a time code" in reader.others
    report = denoise_file(src, tmp_path / target, dictionary=TINY, method="classic")
    left_out = "left out, since WAV does not keep it here: moving pictures (mpeg4), a time code"
    assert report.warnings == (() if kept else (left_out,))
    if target == "b.mov":
        with MediaReader(report.dst) as reader:
            assert "a time code" in reader.others
