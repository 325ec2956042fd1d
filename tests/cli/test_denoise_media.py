"""``denoise`` of m4a files and videos: the sound is replaced, all else is copied, and the two stay together."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from nmf_audio.io.formats import FORMATS
from nmf_audio.io.open import open_reader
from tests.cli.helpers import Run, names
from tests.io.media.make import (
    CLICK,
    SR,
    click,
    click_of,
    jpeg,
    packets_of,
    white_of,
    write_media,
)
from tests.tiny import write_noise

MEDIA = [(name, subtype) for name, entry in FORMATS.items() if entry.muxer for subtype in entry.subtypes]
# Matroska tells time in milliseconds
RESOLUTION = 0.0006


def read_all(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with open_reader(path) as reader:
        blocks = list(reader.blocks())
        assert reader.damage is None
    return np.concatenate(blocks, axis=1).astype(np.float32)


@pytest.mark.parametrize(("name", "subtype"), MEDIA)
def test_every_media_format_is_written_and_kept(run: Run, tmp_path: Path, name: str, subtype: str) -> None:
    sound = click(1.6, SR, 2)
    n = sound.shape[1]
    soundfile.write(tmp_path / "a.wav", sound.T, SR, subtype="FLOAT")
    ext = FORMATS[name].extensions[0]
    words = ["--format", name, "--subtype", subtype, "--keep-noise", "{stem}.rest{ext}", "--mix", "0"]
    assert run("a.wav", *words)[::2] == (0, [])
    assert run(f"a.denoised{ext}", "-o", f"b{ext}", "--mix", "0", "--json", "r.json")[::2] == (0, [])
    file = json.loads((tmp_path / "r.json").read_text())["files"][0]
    assert (file["format"], file["subtype"]) == (file["src_format"], file["src_subtype"]) == (name, subtype)
    lossy = subtype in ("AAC", "OPUS")
    for path in (tmp_path / f"a.denoised{ext}", tmp_path / f"b{ext}"):
        exact = 0.0002 if lossy else 1e-9
        assert click_of(path) == pytest.approx(CLICK, abs=RESOLUTION if name in ("MKV", "WEBM") else exact)
        y = read_all(path)
        # the last packet of AAC in Matroska is whole
        assert 0 <= y.shape[1] - n <= (1024 if (name, subtype) == ("MKV", "AAC") else 0)
        tolerance = 0.02 if lossy else 2.0 ** -(15 if subtype.endswith("16") else 22)
        error = y[:, :n] - sound
        assert np.sqrt(np.mean(error**2)) < tolerance
    rest = read_all(tmp_path / f"a.rest{ext}")
    assert np.sqrt(np.mean(rest**2)) < 2**-15


@pytest.mark.parametrize(
    ("file", "codec", "video", "start"),
    [
        ("a.mp4", "aac", "libx264", 0.0),
        ("a.mp4", "aac", "libx264", 0.5),
        ("a.m4v", "alac", "mpeg4", 0.25),
        ("a.mov", "pcm_s16le", "mpeg4", 0.0),
        ("a.mov", "aac", "libx264", 0.3),
        ("a.mkv", "aac", "libx264", 0.5),
        ("a.mkv", "flac", "mpeg4", 0.0),
        ("a.webm", "libopus", "libvpx", 0.0),
    ],
)
def test_the_picture_is_copied_and_the_sound_stays_with_it(
    run: Run, tmp_path: Path, file: str, codec: str, video: str, start: float
) -> None:
    formats = {"alac": "s16p", "pcm_s16le": "s16", "flac": "s16", "libopus": "flt"}
    sample_format = formats.get(codec, "fltp")
    src = write_media(tmp_path / file, codec=codec, video=video, start=start, sample_format=sample_format)
    code, _, err = run(file, "--mix", "0.3")
    assert (code, err) == (0, [])
    dst = tmp_path / file.replace("a.", "a.denoised.")
    assert packets_of(dst, "video") == packets_of(src, "video")
    assert white_of(dst) == white_of(src)
    assert click_of(dst) == pytest.approx(click_of(src), abs=RESOLUTION)
    assert click_of(dst) == pytest.approx(CLICK + start, abs=0.002)
    # and once more, since an error in a step of this kind adds up
    assert run(dst.name, "--mix", "0.3", "-o", f"b{src.suffix}")[0] == 0
    assert click_of(tmp_path / f"b{src.suffix}") == pytest.approx(click_of(src), abs=2 * RESOLUTION)
    assert packets_of(tmp_path / f"b{src.suffix}", "video") == packets_of(src, "video")


def test_another_container_takes_the_same_picture(run: Run, tmp_path: Path) -> None:
    src = write_media(tmp_path / "a.ts", video="mpeg2video", muxer="mpegts")
    apart = click_of(src) - white_of(src)
    for dst in ("a.mp4", "a.mkv"):
        code, _, err = run("a.ts", "--mix", "0.3", "-o", dst)
        assert (code, err) == (0, [])
        assert click_of(tmp_path / dst) - white_of(tmp_path / dst) == pytest.approx(apart, abs=2 * RESOLUTION)
        assert [p for p, _ in packets_of(tmp_path / dst, "video")] == [p for p, _ in packets_of(src, "video")]


def test_tracks_tags_chapters_and_subtitles_are_copied(run: Run, tmp_path: Path) -> None:
    tags = {"title": "Vortrag über Äpfel", "artist": "Somebody", "genre": "Talk", "comment": "none"}
    chapters = [(0.0, 1.0, "Begin"), (1.0, 3.0, "Rest")]
    for file, kind in (("a.mp4", "mov_text"), ("a.mkv", "subrip")):
        src = write_media(tmp_path / file, n_tracks=2, tags=tags, chapters=chapters, subtitles=kind)
        code, _, err = run(file, "--mix", "0.3")
        assert code == 0
        assert err == [f"denoise: {file}: warning: sound track 1 of 2 was denoised, and no other"]
        dst = tmp_path / file.replace("a.", "a.denoised.")
        assert packets_of(dst, "subtitle") == packets_of(src, "subtitle")
        with av.open(str(src)) as before, av.open(str(dst)) as after:
            kept = {name.lower(): text for name, text in after.metadata.items()}
            assert kept.items() >= tags.items()
            found = [(c["start"] * (c["time_base"] or 0), c["metadata"]["title"]) for c in after.chapters()]
            assert found == [(0, "Begin"), (1, "Rest")]
            assert [t.type for t in before.streams] == [t.type for t in after.streams]
            for a, b in zip(before.streams, after.streams, strict=True):
                assert a.disposition == b.disposition
                assert a.metadata.get("language") == b.metadata.get("language")
                assert (a.metadata.get("title"), a.metadata.get("name")) == (
                    b.metadata.get("title"),
                    b.metadata.get("name"),
                )
            one = [[bytes(p) for p in f.demux(f.streams.audio[1]) if p.size] for f in (before, after)]
            assert one[0] == one[1]
        assert click_of(dst, 0) == pytest.approx(CLICK, abs=RESOLUTION)


def test_the_default_track_is_the_one(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "a.mkv", n_tracks=3, default=1)
    code, _, err = run("a.mkv", "-o", "b.wav", "--mix", "0")
    assert code == 0
    assert err == [
        "denoise: a.mkv: warning: left out, since WAV does not keep it here: moving pictures (mpeg4), another sound "
        "track (aac)",
        "denoise: a.mkv: warning: sound track 2 of 3 was denoised, and no other",
    ]
    # the second track is twice as loud as the first
    y = soundfile.read(tmp_path / "b.wav")[0]
    assert np.std(y[: SR // 2]) == pytest.approx(0.02, rel=0.3)


def test_cover_and_tags_of_an_m4a_are_kept(run: Run, tmp_path: Path) -> None:
    cover = jpeg()
    tags = {"title": "Talk", "album": "Talks", "track": "3"}
    src = write_media(tmp_path / "a.m4a", video=None, tags=tags, cover=cover, muxer="mp4")
    code, _, err = run("a.m4a")
    assert (code, err) == (0, [])
    dst = tmp_path / "a.denoised.m4a"
    assert [content for content, _ in packets_of(dst, "video")] == [cover]
    with av.open(str(dst)) as file:
        assert file.metadata.items() >= tags.items()
        assert file.metadata["major_brand"] == "M4A "
    assert [content for content, _ in packets_of(src, "video")] == [cover]
    # tags of a sound file become those of a media file, and back
    assert run("a.m4a", "-o", "b.flac")[0] == 0
    assert run("b.flac", "-o", "c.m4a")[0] == 0
    assert soundfile.SoundFile(tmp_path / "b.flac").copy_metadata()["tracknumber"] == "3"
    with av.open(str(tmp_path / "c.m4a")) as file:
        assert file.metadata.items() >= tags.items()


def test_a_turned_picture_stays_turned(run: Run, tmp_path: Path) -> None:
    src = write_media(tmp_path / "a.mp4")
    content = bytearray(src.read_bytes())
    # the first track's matrix: x' = -y, y' = x, as phones write it
    at = content.index(b"tkhd") + 4 + 4 + 32
    upright = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000]
    turned = [0, 0x10000, 0, 0xFFFF0000, 0, 0, 48 << 16, 0, 0x40000000]
    as_bytes = [b"".join(value.to_bytes(4, "big") for value in matrix) for matrix in (upright, turned)]
    assert content[at + 4 : at + 40] == as_bytes[0]
    content[at + 4 : at + 40] = as_bytes[1]
    src.write_bytes(content)
    assert run("a.mp4")[0] == 0
    after = (tmp_path / "a.denoised.mp4").read_bytes()
    with av.open(str(tmp_path / "a.denoised.mp4")) as file:
        frame = next(file.decode(video=0))
        assert abs(frame.rotation) == 90
    assert as_bytes[1][:24] in after


def test_sound_alone(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", layout="stereo", tags={"title": "Talk"})
    for dst in ("b.wav", "b.m4a", "b.flac"):
        code, _, err = run("a.mp4", "-o", dst)
        assert code == 0
        assert len(err) == 1
        assert err[0].endswith(" does not keep it here: moving pictures (mpeg4)")
        y = read_all(tmp_path / dst)
        assert y.shape == (2, 3 * SR)
        assert packets_of(tmp_path / dst, "video") == []
        with open_reader(tmp_path / dst) as reader:
            assert reader.tags["title"] == "Talk"


def test_part_of_a_video(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4")
    code, _, err = run("a.mp4", "--start", "1")
    assert code == 1
    assert len(err) == 1
    assert "only the whole of a video can be written; leave start and end out" in err[0]
    assert names(tmp_path) == ["a.mp4"]
    code, _, err = run("a.mp4", "--start", "1", "--end", "2", "--mix", "0.3", "-o", "b.m4a")
    assert code == 0
    assert err == [
        "denoise: a.mp4: warning: left out, since M4A does not keep it here: moving pictures (mpeg4)"
    ]
    assert click_of(tmp_path / "b.m4a") == pytest.approx(CLICK - 1, abs=0.0002)
    assert read_all(tmp_path / "b.m4a").shape == (1, SR)


def test_rate_and_subtype_of_a_video(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp4", start=0.5)
    words = ["--rate", "24000", "--subtype", "alac_16", "--keep-noise", "rest.m4a", "--mix", "0.3"]
    assert run("a.mp4", *words)[::2] == (0, [])
    dst = tmp_path / "a.denoised.mp4"
    assert click_of(dst) == pytest.approx(CLICK + 0.5, abs=0.002)
    assert white_of(dst) == CLICK
    with open_reader(dst) as reader:
        assert (reader.sr, reader.container.subtype) == (24000, "ALAC_16")
    assert read_all(tmp_path / "rest.m4a").shape[1] == read_all(tmp_path / "a.mp4").shape[1] // 2


@pytest.mark.parametrize(
    ("file", "share"),
    [
        # each file and each share; the other combinations are slow
        pytest.param(file, share, marks=() if i % 3 == j else pytest.mark.slow)
        for i, file in enumerate(["a.mp4", "a.mkv", "a.m4a", "a.mov"])
        for j, share in enumerate([0.3, 0.7, 0.99])
    ],
)
def test_a_truncated_file_costs_itself_alone(run: Run, tmp_path: Path, file: str, share: float) -> None:
    video = None if file.endswith("m4a") else "mpeg4"
    path = write_media(tmp_path / file, video=video, seconds=6)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    write_noise(tmp_path / "good.wav")
    code, _, err = run(file, "good.wav")
    assert code == 1
    assert (tmp_path / "good.denoised.wav").is_file()
    assert len(err) == 1
    assert err[0].startswith(f"denoise: {file}: ")
    assert "is truncated" in err[0] or "was never finished" in err[0]
    dst = tmp_path / file.replace("a.", "a.denoised.")
    if dst.exists():
        assert "what could be read was denoised" in err[0]
        read_all(dst)
    else:
        assert names(tmp_path) == sorted([file, "good.wav", "good.denoised.wav"])


@pytest.mark.parametrize("n_bad", [3, 20])
def test_a_damaged_sound_stays_in_time(run: Run, tmp_path: Path, n_bad: int) -> None:
    path = write_media(tmp_path / "a.mkv", seconds=3)
    content = bytearray(path.read_bytes())
    packets = [packet for packet, _ in packets_of(path, "audio")]
    # packets before the click; three are shorter than a gap in a whole file may be
    for packet in packets[20 : 20 + n_bad]:
        at = content.index(packet)
        content[at : at + len(packet)] = b"\xff" * len(packet)
    path.write_bytes(content)
    code, _, err = run("a.mkv", "--mix", "0")
    assert code == 1
    assert len(err) == 2
    assert "has no sound from 0.4" in err[1]
    assert "pieces of its sound can't be decoded" in err[0]
    assert click_of(tmp_path / "a.denoised.mkv") == pytest.approx(CLICK, abs=0.004)
    assert white_of(tmp_path / "a.denoised.mkv") == CLICK


def test_a_gap_becomes_silence(run: Run, tmp_path: Path) -> None:
    y = click(1, SR)
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        sound = file.add_stream("pcm_s16le", rate=SR)
        sound.layout = "mono"
        for start in (0, 4 * SR):
            for at in range(0, SR, 1000):
                data = np.rint(2**15 * y[:, at : at + 1000]).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(data, "s16", "mono")
                frame.sample_rate, frame.time_base, frame.pts = SR, Fraction(1, SR), start + at
                file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    code, _, err = run("a.mkv", "-o", "b.wav", "--mix", "0")
    assert (code, err) == (
        0,
        ["denoise: a.mkv: warning: has no sound from 1.00 s to 4.00 s; silence stands there"],
    )
    out = soundfile.read(tmp_path / "b.wav")[0]
    assert len(out) == 5 * SR
    assert not out[SR + 60 : 4 * SR - 60].any()
    np.testing.assert_allclose(out[4 * SR :], y[0], atol=2**-14)


def test_gaps_do_not_become_hours(run: Run, tmp_path: Path) -> None:
    y = click(2, 8000)
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as file:
        sound = file.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        for i in range(20):
            data = np.rint(2**15 * y[:, 800 * i : 800 * i + 800]).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data, "s16", "mono")
            # a minute without sound, an hour, and then many times what one gap may be
            pause = (0, 60, 3660)[i] if i < 3 else 3660 + 590 * (i - 2)
            frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
            frame.pts = 800 * i + 8000 * pause
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    code, _, err = run("a.mka", "-o", "b.wav", "--mix", "0")
    assert code == 0
    assert err == [
        "denoise: a.mka: warning: has no sound from 0.10 s to 60.10 s; silence stands there",
        "denoise: a.mka: warning: its clock jumps by 3600.00 s at 60.20 s, 590.00 s at 60.30 s, "
        "590.00 s at 60.40 s and 15 more; the gap is closed",
    ]
    out = soundfile.read(tmp_path / "b.wav")[0]
    assert len(out) == 62 * 8000
    np.testing.assert_allclose(out[60 * 8000 + 800 :], y[0, 800:], atol=2**-14)


@pytest.mark.parametrize("name", ["b.mkv", "b.webm", "b.flac", "b.mp3"])
def test_nothing_at_all_is_no_recording_in_some_formats(run: Run, tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), SR)
    code, _, err = run("a.wav", "-o", name)
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith(f"denoise: a.wav: {name}: ")
    assert err[0].endswith("can't hold a recording without samples; name an output of another format")
    assert names(tmp_path) == ["a.wav"]


def test_a_sound_that_overlaps_itself_is_cut(run: Run, tmp_path: Path) -> None:
    y = click(1, SR)
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        sound = file.add_stream("pcm_s16le", rate=SR)
        sound.layout = "mono"
        # the second half comes again from half a second before its end on
        for start, part in ((0, y), (SR // 2, y[:, SR // 2 :]), (SR, y)):
            frame = av.AudioFrame.from_ndarray(np.rint(2**15 * part).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = SR, Fraction(1, SR), start
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    assert run("a.mkv", "-o", "b.wav", "--mix", "0")[::2] == (0, [])
    out = soundfile.read(tmp_path / "b.wav")[0]
    np.testing.assert_allclose(out, np.concatenate([y[0], y[0]]), atol=2**-14)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0\0\0\x18ftypisom" + bytes(400), "can't be read"),
        (b"\x1aE\xdf\xa3" + bytes(400), "can't be read"),
        (b"#!AMR\n" + b"\xff" * 10, ""),
    ],
)
def test_what_is_no_media_file_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    code, _, err = run("a.mp4")
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith("denoise: a.mp4: ")
    assert "internal error" not in err[0]
    assert names(tmp_path) == ["a.mp4"]


def test_a_video_without_sound(run: Run, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        picture = file.add_stream("mpeg4", rate=25, width=64, height=48)
        file.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        file.mux(picture.encode(None))
    code, _, err = run("a.mp4")
    assert (code, err) == (1, ["denoise: a.mp4: has no sound"])


def test_files_that_are_read_only(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "a.avi", codec="libmp3lame")
    code, _, err = run("a.avi")
    assert code == 1
    assert err == [
        "denoise: a.avi: AVI can be read, not written; give --format FLAC, or name an output such as .m4a, .mkv or "
        ".wav"
    ]
    assert run("a.avi", "--format", "mkv")[::2] == (
        0,
        [],
    )
    assert packets_of(tmp_path / "a.denoised.mkv", "video") != []


def test_folders_and_dry_runs_know_media_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    write_media(tmp_path / "talks" / "a.mp4", seconds=1)
    write_noise(tmp_path / "talks" / "b.wav")
    code, out, err = run("-r", "talks", "-n")
    assert (code, err) == (0, [])
    assert out == [
        "talks/a.mp4 -> talks/a.denoised.mp4 (1.0 s, 48000 Hz, 1 channel)",
        "talks/b.wav -> talks/b.denoised.wav (1.0 s, 8000 Hz, 1 channel)",
    ]
    assert run("-r", "talks")[::2] == (0, [])
    write_media(tmp_path / "room.m4a", seconds=1, video=None)
    assert run("talks/b.wav", "-f", "--noise", "room.m4a")[::2] == (0, [])


def test_without_pyav_it_is_said_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_media(tmp_path / "a.mp4", seconds=1)
    write_noise(tmp_path / "b.wav")
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("nmf_audio.io.formats.find_spec", lambda name: None)
    install = "needs PyAV; install it with: pip install av"
    assert run("b.wav", "-o", "b.m4a")[::2] == (2, [f"denoise: M4A {install}"])
    assert run("a.mp4", "-o", "c.wav")[::2] == (1, [f"denoise: a.mp4: reading it {install}"])
    code, out, err = run("-r", ".")
    assert (code, err) == (1, [f"denoise: a.mp4: MP4 {install}"])
    assert out[-1].startswith("1 done, 0 partial, 1 failed; ")
    assert names(tmp_path) == ["a.mp4", "b.denoised.wav", "b.wav"]
