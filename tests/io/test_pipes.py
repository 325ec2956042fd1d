"""Recordings through pipes are what they are through files."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio import AudioFileError, ParameterError, denoise_file
from nmf_audio.io.containers import Container
from nmf_audio.io.open import open_stream
from nmf_audio.io.pcm import PCM_BYTES, RAW_CODINGS, RawFormat
from nmf_audio.io.pipe_writer import StreamWriter
from nmf_audio.io.riff import WavHead, read_head, write_head
from nmf_audio.io.tags.info import build_info, read_texts
from tests.pipe import Pipe
from tests.tiny import SR, noise, tiny_dictionary, write_noise

OPTIONS: dict[str, Any] = {"dictionary": tiny_dictionary(), "method": "classic", "warm_up": 0.2}


def samples_of(stream: bytes) -> tuple[WavHead, bytes]:
    file = io.BytesIO(stream)
    head = read_head(file.read)
    assert head is not None
    return head, file.read()


def through_files(src: Path, **options: Any) -> bytes:
    dst = src.with_name("through files.wav")
    denoise_file(src, dst, force=True, **OPTIONS, **options)
    return samples_of(dst.read_bytes())[1]


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize("n_most", [1001, 2**16])
def test_wav_through_pipes(tmp_path: Path, subtype: str, n_most: int) -> None:
    src = write_noise(tmp_path / "a.wav", 2, n_channels=3, subtype=subtype, name="WAVEX")
    out = Pipe()
    report = denoise_file(Pipe(src.read_bytes(), n_most), out, **OPTIONS)
    head, samples = samples_of(bytes(out.content))
    assert (head.sr, head.n_channels, head.subtype, head.extensible) == (SR, 3, subtype, True)
    assert head.n_bytes == len(samples) == 2 * SR * 3 * PCM_BYTES[subtype]
    assert samples == through_files(src)
    assert (report.src, report.dst, report.status) == (Path("-"), Path("-"), "done")
    assert (report.seconds, report.format, report.subtype) == (2, "WAVEX", subtype)


@pytest.mark.parametrize("coding", RAW_CODINGS)
def test_raw_through_pipes(tmp_path: Path, coding: str) -> None:
    raw = RawFormat(coding, SR, 2)
    src = write_noise(tmp_path / "a.wav", 2, n_channels=2, subtype=raw.subtype)
    out = Pipe()
    report = denoise_file(Pipe(samples_of(src.read_bytes())[1], 777), out, raw=raw, **OPTIONS)
    assert bytes(out.content) == through_files(src)
    assert (report.format, report.subtype) == ("RAW", raw.subtype)


def test_a_file_to_a_pipe_and_a_pipe_to_a_file(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.flac", 2, subtype="PCM_24")
    expected = through_files(src)
    out = Pipe()
    denoise_file(src, out, **OPTIONS)
    assert samples_of(bytes(out.content))[1] == expected
    out = Pipe()
    denoise_file(src, out, raw=RawFormat("s24le"), **OPTIONS)
    assert bytes(out.content) == expected
    dst = tmp_path / "b.flac"
    denoise_file(Pipe(src.read_bytes()), dst, **OPTIONS)
    np.testing.assert_array_equal(soundfile.read(dst)[0], soundfile.read(tmp_path / "through files.wav")[0])


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"), ("a.wav", "ULAW"), ("a.w64", "PCM_16")],
)
def test_other_formats_go_through_a_temporary_file(tmp_path: Path, name: str, subtype: str) -> None:
    src = write_noise(tmp_path / name, 1, subtype=subtype)
    out = Pipe()
    report = denoise_file(Pipe(src.read_bytes()), out, noise_from=(0, 0.5), **OPTIONS)
    head, samples = samples_of(bytes(out.content))
    assert head.subtype == "PCM_16"
    direct = Pipe()
    denoise_file(src, direct, noise_from=(0, 0.5), **OPTIONS)
    assert samples == samples_of(bytes(direct.content))[1]
    assert report.status == "done"


def test_videos_too(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.io.media.make import packets_of, write_media

    src = write_media(tmp_path / "a.mp4")
    out, direct = Pipe(), Pipe()
    report = denoise_file(Pipe(src.read_bytes()), out, **OPTIONS)
    denoise_file(src, direct, **OPTIONS)
    assert out.content == direct.content
    assert (report.src_format, report.format, report.subtype) == ("MP4", "WAV", "PCM_16")
    denoise_file(Pipe(src.read_bytes()), tmp_path / "b.mp4", **OPTIONS)
    assert packets_of(tmp_path / "b.mp4", "video") == packets_of(src, "video")
    with pytest.raises(AudioFileError, match="the stream: "):
        denoise_file(Pipe(src.read_bytes()[:1000]), Pipe(), **OPTIONS)


@pytest.mark.parametrize(
    "options",
    [
        {"start": 0.5},
        {"end": 1.25},
        {"start": 0.5, "end": 1.25},
        {"noise_from": (0.25, 1.0)},
        {"noise_from": (0.25, 60.0), "start": 1},
        {"channels": "independent"},
    ],
)
def test_parts_and_noise_are_the_same(tmp_path: Path, options: dict[str, Any]) -> None:
    src = write_noise(tmp_path / "a.wav", 3, n_channels=2)
    raw = RawFormat("s16le", SR, 2)
    out = Pipe()
    denoise_file(Pipe(samples_of(src.read_bytes())[1], 4000), out, raw=raw, **OPTIONS, **options)
    assert bytes(out.content) == through_files(src, **options)


@pytest.mark.parametrize("coding", ["s16le", "s32le"])
def test_the_input_is_the_output_and_what_was_removed(tmp_path: Path, coding: str) -> None:
    raw = RawFormat(coding, SR)
    # amplitudes that need all bits of the coding
    kind, full_scale = ("<i2", 2**15) if coding == "s16le" else ("<i4", 2**31)
    data = (noise(2)[:, 0] * full_scale).astype(kind).tobytes()
    out, removed = Pipe(), Pipe()
    denoise_file(Pipe(data), out, raw=raw, keep_noise=removed, **OPTIONS)
    parts = [np.frombuffer(bytes(pipe.content), kind).astype(np.int64) for pipe in (out, removed)]
    np.testing.assert_array_equal(parts[0] + parts[1], np.frombuffer(data, kind))
    assert np.any(parts[1])


def test_what_goes_out_may_be_something_else(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 2)
    denoise_file(src, tmp_path / "b.wav", subtype="FLOAT", sr=12000, **OPTIONS)
    out = Pipe()
    report = denoise_file(Pipe(src.read_bytes()), out, subtype="float", sr=12000, **OPTIONS)
    head, samples = samples_of(bytes(out.content))
    assert (head.sr, head.subtype, head.n_bytes) == (12000, "FLOAT", None)
    y, _ = soundfile.read(tmp_path / "b.wav", dtype="float32")
    np.testing.assert_array_equal(np.frombuffer(samples, "<f4"), y)
    assert (report.sr, report.src_sr, report.subtype, report.src_subtype) == (12000, SR, "FLOAT", "PCM_16")
    # raw samples in, and WAV out
    out = Pipe()
    report = denoise_file(Pipe(bytes(8000)), out, raw=RawFormat("s16le", SR), format="wav", **OPTIONS)
    assert samples_of(bytes(out.content))[0].subtype == "PCM_16"
    assert (report.src_format, report.format) == ("RAW", "WAV")


def test_tags_and_loudspeakers_stay() -> None:
    tags = {"title": "Talk", "artist": "Ä"}
    head = WavHead(SR, 4, "PCM_16", extensible=True, channel_mask=0x33, chunks=build_info(tags))
    out = Pipe()
    denoise_file(Pipe(write_head(head) + bytes(8000)), out, **OPTIONS)
    found, _ = samples_of(bytes(out.content))
    assert (read_texts(found.chunks), found.channel_mask) == (tags, 0x33)


def test_what_follows_the_samples_is_taken_from_the_pipe(tmp_path: Path) -> None:
    pipe = Pipe(write_head(WavHead(SR, 1, "PCM_16", 2000)) + bytes(2000) + b"LIST" + bytes(10**6))
    report = denoise_file(pipe, Pipe(), **OPTIONS)
    assert report.status == "done"
    assert report.seconds == 1000 / SR
    assert pipe.position == len(pipe.content)


@pytest.mark.parametrize(
    ("head", "n_bytes", "n_frames", "damage"),
    [
        (
            WavHead(SR, 1, "PCM_16", 4000),
            3000,
            1500,
            "is truncated: 3000 of 4000 bytes of its samples arrived",
        ),
        (
            WavHead(SR, 1, "PCM_16", 4000),
            3001,
            1500,
            "is truncated: 3001 of 4000 bytes of its samples arrived",
        ),
        (WavHead(SR, 2, "PCM_16"), 3002, 750, "is truncated: it ends within a sample"),
        (WavHead(SR, 1, "PCM_24"), 3 * 1001, 1001, None),
        # one more byte, that makes the number of bytes even
        (WavHead(SR, 1, "PCM_24"), 3 * 1001 + 1, 1001, None),
    ],
)
def test_streams_that_end_too_early(head: WavHead, n_bytes: int, n_frames: int, damage: str | None) -> None:
    out = Pipe()
    report = denoise_file(Pipe(write_head(head) + bytes(n_bytes), 100), out, **OPTIONS)
    assert report.status == ("partial" if damage else "done")
    assert [warning.split(";")[0] for warning in report.warnings] == ([damage] if damage else [])
    assert len(samples_of(bytes(out.content))[1]) == n_frames * head.frame_bytes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the stream: is empty"),
        (b"no recording", "the stream: holds no audio that can be read; WAV, .* can; give raw to read"),
        (b"fLaC and no more", "the stream: holds no audio that can be read"),
        (write_head(WavHead(SR, 1, "PCM_16"))[:30], "the stream: ended before the first sample"),
        (write_head(WavHead(SR, 65, "PCM_16")) + bytes(260), "the stream: number of channels 65; must be"),
        (write_head(WavHead(10, 1, "PCM_16")) + bytes(260), "the stream: sample rate 10; must be"),
        (
            write_head(WavHead(SR, 1, "FLOAT")) + np.array([0, 1, np.nan], "<f4").tobytes(),
            "the stream: sample 2 .* of channel 1 is NaN",
        ),
        (
            b"RIFF\xff\xff\xff\xffWAVE" + (b"JUNK\0\0\x10\0" + bytes(2**20)) * 5 + b"JUNK\0\0\0\x40",
            "its header does not end",
        ),
    ],
)
def test_faults_of_streams(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(AudioFileError, match=message):
        denoise_file(Pipe(content), tmp_path / "b.wav", **OPTIONS)
    assert not list(tmp_path.iterdir())


def test_faults_of_arguments(tmp_path: Path) -> None:
    pipe = Pipe()
    for options, message in [
        ({"src": pipe}, "dst=None; must be given beside an open file"),
        (
            {"src": pipe, "dst": pipe, "raw": RawFormat("s16le")},
            "; must be a format with the sample rate",
        ),
        ({"src": pipe, "dst": Pipe(), "noise_from": (50, 61)}, "must be within the first 60 s"),
        ({"src": pipe, "dst": Pipe(), "format": "FLAC"}, "must be 'WAV' or 'WAVEX'; a stream is"),
        ({"src": pipe, "dst": Pipe(), "sr": 44.1}, "sr=44.1; must be a whole number"),
        ({"src": None, "dst": pipe}, "file=None; must be a path or an open binary file"),
        ({"src": pipe, "dst": 3}, "file=3; must be a path"),
    ]:
        with pytest.raises(ParameterError, match=message):
            denoise_file(**options, **OPTIONS)  # type: ignore[arg-type]
    with pytest.raises(AudioFileError, match="is the output for both"):
        denoise_file(write_noise(tmp_path / "a.wav"), pipe, keep_noise=pipe, **OPTIONS)
    assert not pipe.content


def test_in_a_file_the_length_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for append in (False, True):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC))
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            with StreamWriter(file, SR, 1, Container("WAV", "PCM_U8")) as writer:
                writer.write(np.zeros((1, 101), np.float32))
            if not append:
                assert samples_of(path.read_bytes())[0].n_bytes == 101
                assert soundfile.info(path).frames == 101
                before = path.read_bytes()
    assert len(before) == 44 + 101 + 1
    # what is only added to is left alone
    appended = path.read_bytes()[len(before) :]
    assert path.read_bytes().startswith(before)
    assert samples_of(appended)[0].n_bytes is None
    assert len(appended) == 44 + 101


def test_a_pipe_that_does_not_wait() -> None:
    ours, its = os.pipe()
    os.set_blocking(ours, False)
    answered = threading.Event()

    def write() -> None:
        # comes late: only once the other end has been found empty
        with os.fdopen(its, "wb", buffering=0) as file:
            file.write(write_head(WavHead(SR, 1, "PCM_16")))
            for _ in range(20):
                answered.wait()
                answered.clear()
                file.write(bytes(1000))

    class Impatient(io.FileIO):
        def read(self, n: int | None = -1, /) -> bytes:
            data = super().read(n)
            if data is None:
                answered.set()
            return data

    thread = threading.Thread(target=write)
    thread.start()
    with Impatient(ours, "rb") as file, open_stream(file) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == 10_000
    thread.join()


def test_a_full_pipe_that_does_not_wait() -> None:
    ours, its = os.pipe()
    os.set_blocking(its, False)
    was_full = threading.Event()
    came = []

    def read() -> None:
        # begins only once there was no room
        was_full.wait()
        with os.fdopen(ours, "rb", buffering=0) as file:
            while data := file.read(1000):
                came.append(data)

    class Impatient(io.FileIO):
        def write(self, data: Any, /) -> int:
            n = super().write(data)
            if n is None:
                was_full.set()
            return n

    y = np.random.default_rng(0).uniform(-1, 1, (1, 100_000)).astype(np.float32)
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    with Impatient(its, "wb") as file, StreamWriter(file, SR, 1, Container("RAW", "FLOAT")) as writer:
        writer.write(y)
    thread.join()
    assert was_full.is_set()
    assert b"".join(came) == y.tobytes()


def test_the_first_write_is_enough_to_recognise_the_format() -> None:
    class Counted(io.RawIOBase):
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.sizes.append(len(data))
            return len(data)

    # SoX reads as much at once, and can't go back for more in a pipe
    file = Counted()
    with StreamWriter(file, SR, 1, Container("WAV", "PCM_16")) as writer:  # type: ignore[arg-type]
        for _ in range(20):
            writer.write(np.zeros((1, 50), np.float32))
    assert file.sizes[0] >= 256
    assert sum(file.sizes) == 44 + 2 * 20 * 50
    file = Counted()
    with StreamWriter(file, SR, 1, Container("WAV", "PCM_16")):  # type: ignore[arg-type]
        pass
    assert file.sizes == [44]


@pytest.mark.parametrize(
    "chunk",
    [
        b"\x0e\xcf\0\0\4\0\0\0abcd",
        # its size is that of a list which holds the samples, too
        b"LIST\x16\0\0\0INFOINAM\2\0\0\0a\0data\0\0\1\0",
        # a text whose size is wrong
        b"LIST\x22\0\0\0INFOINAM\x08\0\0\0a talk\0\0IART\3\0\0\0an \xc3\xa9\0",
    ],
)
def test_chunks_that_are_none_do_not_spoil_the_output(chunk: bytes) -> None:
    """libsndfile looks for no samples behind the one, and takes those in the other."""
    file = io.BytesIO()
    soundfile.write(file, noise(0.2), SR, format="WAV", subtype="PCM_16")
    content = file.getvalue()
    target = Pipe()
    odd = Pipe(content[:36] + chunk + content[36:])
    report = denoise_file(odd, target, dictionary=tiny_dictionary(), method="classic")
    assert report.status == "done"
    assert len(soundfile.read(io.BytesIO(bytes(target.content)))[0]) == round(0.2 * SR)
