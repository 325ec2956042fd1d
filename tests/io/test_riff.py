"""The head of a WAV stream: as ffmpeg, SoX and libsndfile write and read it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from nmf_audio.io.open import open_reader, open_stream
from nmf_audio.io.pcm import PCM_BYTES
from nmf_audio.io.riff import WavHead, read_head, write_head
from nmf_audio.io.tags.chunks import append_chunks, read_chunks
from nmf_audio.io.tags.info import build_info, read_texts
from nmf_audio.io.truncation import describe_truncation
from tests.pipe import Pipe

FMT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 48000, 192000, 4, 16)
EXPECTED = (48000, 2, "PCM_16")


def facts(head: WavHead | None) -> tuple[int, int, str]:
    assert head is not None
    return head.sr, head.n_channels, head.subtype


def riff(*chunks: bytes, size: int = 0xFFFFFFFF, magic: bytes = b"RIFF") -> bytes:
    return magic + struct.pack("<I", size) + b"WAVE" + b"".join(chunks)


def data(size: int) -> bytes:
    return b"data" + struct.pack("<I", size)


def listing() -> bytes:
    """As ffmpeg writes it: an odd text, made even; software."""
    body = b"INFO" + b"INAM\x05\0\0\0Talk\0\0" + b"ISFT\x0e\0\0\0Lavf60.16.100\0"
    return b"LIST" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize("format_name", ["WAV", "WAVEX", "RF64"])
def test_heads_of_libsndfile(subtype: str, format_name: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((100, 3)), 44100, subtype=subtype, format=format_name)
    file.seek(0)
    head = read_head(file.read)
    assert facts(head) == (44100, 3, subtype)
    assert head is not None
    assert head.extensible == (format_name != "WAV")
    assert head.n_bytes == 300 * PCM_BYTES[subtype]
    # libsndfile adds a PEAK chunk to floats: none of it is left of the samples
    assert not any(file.read(head.n_bytes)[1:]) or subtype == "PCM_U8"


@pytest.mark.parametrize(
    ("stream", "n_bytes"),
    [
        (riff(FMT, data(0xFFFFFFFF)), None),
        (riff(FMT, listing(), data(0xFFFFFFFF)), None),
        (riff(FMT, data(0), size=0), 0),
        (riff(FMT, data(0), size=36), 0),
        (riff(FMT, data(0)), 0),
        (riff(FMT, data(0x7FFFF000), size=0x7FFFF024), None),
        (riff(FMT, data(0x7FFFEFFC)), None),
        (riff(FMT, data(0x7FFFFFFF)), None),
        (riff(FMT, data(0x80000000)), None),
        (riff(FMT, data(0), size=36 + 60), 0),
        (riff(b"JUNK\x03\0\0\0abc\0", FMT, data(4000), size=4048), 4000),
        (riff(FMT, b"big " + struct.pack("<I", 2**21) + bytes(2**21), data(8)), 8),
        (
            riff(
                struct.pack("<4sIQQQI", b"ds64", 28, 0, 5 * 2**32, 0, 0), FMT, data(0xFFFFFFFF), magic=b"RF64"
            ),
            5 * 2**32,
        ),
        (riff(struct.pack("<4sIQQQI", b"ds64", 28, 0, 0, 0, 0), FMT, data(0xFFFFFFFF), magic=b"RF64"), None),
    ],
)
def test_known_and_unknown_lengths(stream: bytes, n_bytes: int | None) -> None:
    file = io.BytesIO(stream + b"\x01\x02\x03\x04")
    head = read_head(file.read)
    assert facts(head) == EXPECTED
    assert head is not None
    assert head.n_bytes == n_bytes
    assert file.read() == b"\x01\x02\x03\x04"


def test_tags_before_the_samples() -> None:
    head = read_head(io.BytesIO(riff(FMT, listing(), data(4))).read)
    assert head is not None
    assert read_texts(head.chunks) == {"title": "Talk"}


def ulaw() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(10), 8000, subtype="ULAW", format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"RIFF",
        b"fLaC" + bytes(100),
        riff(data(4)),
        riff(b"fmt \x04\0\0\0abcd", data(4)),
        riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 0, 48000, 0, 0, 16), data(4)),
        riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 48000, 0, 4, 24), data(4)),
        riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 0, 0, 2, 16), data(4)),
        riff(struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 2**31, 0, 2, 16), data(4)),
        riff(b"big " + struct.pack("<I", 2**30)),
        ulaw(),
    ],
)
def test_what_is_none_of_ours(stream: bytes) -> None:
    assert read_head(io.BytesIO(stream).read) is None


@pytest.mark.parametrize("n", [12, 19, 30, 36, 43])
def test_a_head_that_ends_too_early(n: int) -> None:
    with pytest.raises(EOFError):
        read_head(io.BytesIO(riff(FMT, data(4))[:n]).read)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    for stream in (noise, riff(noise), riff(FMT, noise)):
        try:
            head = read_head(io.BytesIO(stream).read)
        except EOFError:
            continue
        assert head is None or head.frame_bytes > 0


HEADS = st.builds(
    WavHead,
    sr=st.sampled_from([8000, 48000, 384000]),
    n_channels=st.integers(1, 8),
    subtype=st.sampled_from(sorted(PCM_BYTES)),
    n_bytes=st.none() | st.integers(1, 10**6),
    extensible=st.booleans(),
    chunks=st.dictionaries(st.sampled_from(["title", "artist"]), st.sampled_from(["a", "bc", "Ä…"])).map(
        lambda tags: tuple(build_info(tags))
    ),
)


@given(HEADS)
def test_what_is_written_is_read(head: WavHead) -> None:
    assert read_head(io.BytesIO(write_head(head)).read) == head


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize("n_channels", [1, 6])
@pytest.mark.parametrize("known", [True, False])
def test_libsndfile_reads_what_we_write(subtype: str, n_channels: int, known: bool) -> None:
    n_bytes = 50 * n_channels * PCM_BYTES[subtype]
    head = WavHead(48000, n_channels, subtype, n_bytes if known else None, extensible=n_channels > 2)
    file = io.BytesIO(write_head(head) + bytes(n_bytes))
    info = soundfile.info(file)
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (48000, n_channels, subtype, 50)


CODECS: dict[str, tuple[str, str]] = {
    "PCM_U8": ("pcm_u8", "u8"),
    "PCM_16": ("pcm_s16le", "s16"),
    "PCM_24": ("pcm_s24le", "s32"),
    "PCM_32": ("pcm_s32le", "s32"),
    "FLOAT": ("pcm_f32le", "flt"),
    "DOUBLE": ("pcm_f64le", "dbl"),
}


def written_by_ffmpeg(subtype: str, layout: str, sr: int, n: int, *, title: str = "") -> bytes:
    """Return what ``ffmpeg -f wav -`` writes: its own library writes it, into what can't go back."""
    av = pytest.importorskip("av")
    codec, sample_format = CODECS[subtype]
    pipe = Pipe()
    with av.open(pipe, "w", format="wav") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=sr, layout=layout)
        frame = av.AudioFrame(format=sample_format, layout=layout, samples=n)
        frame.sample_rate = sr
        rng = np.random.default_rng(0)
        for plane in frame.planes:
            kind = {"flt": np.float32, "dbl": np.float64}.get(sample_format)
            size = plane.buffer_size
            values = (
                rng.integers(0, 256, size, np.uint8)
                if kind is None
                else rng.uniform(-1, 1, size // np.dtype(kind).itemsize).astype(kind)
            )
            plane.update(values.tobytes())
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return bytes(pipe.content)


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize(("layout", "n_channels"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
def test_what_ffmpeg_writes_to_a_pipe(subtype: str, layout: str, n_channels: int) -> None:
    stream = written_by_ffmpeg(subtype, layout, 96000, 100, title="Talk")
    file = io.BytesIO(stream)
    head = read_head(file.read)
    assert facts(head) == (96000, n_channels, subtype)
    assert head is not None
    assert head.n_bytes is None
    assert head.channel_mask == {1: 4, 2: 3, 6: 0x3F}[n_channels]
    assert read_texts(head.chunks) == {"title": "Talk"}
    assert len(file.read()) == 100 * head.frame_bytes


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize("n_channels", [1, 2, 6])
@pytest.mark.parametrize("known", [True, False])
def test_ffmpeg_reads_what_we_write_to_a_pipe(subtype: str, n_channels: int, known: bool) -> None:
    av = pytest.importorskip("av")
    n_bytes = 5000 * n_channels * PCM_BYTES[subtype]
    head = WavHead(
        *(48000, n_channels, subtype, n_bytes if known else None),
        extensible=n_channels > 2,
        chunks=build_info({"title": "Talk"}),
    )
    with av.open(Pipe(write_head(head) + bytes(n_bytes)), format="wav") as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels, stream.codec_context.name) == (
            48000,
            n_channels,
            CODECS[subtype][0],
        )
        assert container.metadata["title"] == "Talk"
        assert sum(frame.samples for frame in container.decode(stream)) == 5000


@pytest.mark.parametrize("kind", ["WAV", "RIFX", "WAVEX", "RF64", "BW64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_by_name_and_through_a_pipe_alike(tmp_path: Path, kind: str, subtype: str) -> None:
    path = tmp_path / "a.wav"
    y = np.random.default_rng(0).uniform(-0.5, 0.5, (20_000, 3))
    endian = "BIG" if kind == "RIFX" else None
    format_name = {"RIFX": "WAV", "BW64": "RF64"}.get(kind, kind)
    soundfile.write(path, y, 16000, format=format_name, subtype=subtype, endian=endian)
    if kind == "BW64":
        path.write_bytes(b"BW64" + path.read_bytes()[4:])
    assert path.read_bytes()[:4] == {"WAVEX": b"RIFF", "WAV": b"RIFF"}.get(kind, kind.encode())
    with open_reader(path) as reader:
        by_name = np.concatenate(list(reader.blocks()), axis=1)
    with open_stream(io.BytesIO(path.read_bytes())) as stream:
        piped = np.concatenate(list(stream.blocks()), axis=1)
    np.testing.assert_array_equal(by_name, piped)
    np.testing.assert_allclose(by_name.T, y, atol=1e-4)
    assert (reader.sr, reader.n_samples, reader.damage) == (stream.sr, stream.n_samples, stream.damage)
    assert (reader.container.format, reader.container.subtype) == (
        stream.container.format,
        stream.container.subtype,
    )
    path.write_bytes(path.read_bytes()[:-9000])
    assert describe_truncation(path) is not None


def test_chunks_of_a_bw64_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(100), 16000, format="RF64")
    append_chunks(path, [(b"iXML", b"<BWFXML/>")])
    path.write_bytes(b"BW64" + path.read_bytes()[4:])
    assert read_chunks(path) == [(b"iXML", b"<BWFXML/>")]


@pytest.mark.parametrize("magic", [b"RIFF", b"RIFX", b"RF64", b"BW64"])
def test_millions_of_chunks_are_not_walked_through(tmp_path: Path, magic: bytes) -> None:
    stream = riff(*[b"junk\0\0\0\0"] * 20_000, FMT, data(4), magic=magic)
    file = io.BytesIO(stream)
    assert read_head(file.read) is None
    assert file.tell() <= 12 + 8 * 10_000
    path = tmp_path / "a.wav"
    path.write_bytes(stream)
    assert describe_truncation(path) is None
    assert read_chunks(path) == []
