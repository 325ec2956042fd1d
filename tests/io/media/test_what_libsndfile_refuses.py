"""Recordings that libsndfile refuses go to PyAV; what names other files or addresses goes nowhere."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio.errors import AudioFileError, MissingExtraError
from nmf_audio.io.open import open_reader
from nmf_audio.io.tags.ogg import _Page
from tests.io.media.make import write_media

av: Any = pytest.importorskip("av")

SR = 48000

# name, muxer, codec, sample format, rate, how far the sound may be from what was written
REFUSED = [
    ("a.oga", "ogg", "flac", "s16", SR, 1e-3),
    ("a.caf", "caf", "alac", "s16p", SR, 1e-3),
    ("b.caf", "caf", "adpcm_ima_qt", "s16p", SR, 0.1),
    ("a.wav", "wav", "g726", "s16", 8000, None),
    ("b.wav", "wav", "mp2", "s16", SR, None),
    ("c.wav", "wav", "ac3", "fltp", SR, None),
    ("a.aac", "adts", "aac", "fltp", SR, None),
    ("a.tta", "tta", "tta", "s16", SR, 0.01),
    ("a.mka", "matroska", "tta", "s16", SR, 0.01),
]


def tone(sr: int) -> Any:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr)


def encode(path: Path, muxer: str, codec: str, sample_format: str, sr: int) -> None:
    with av.open(str(path), "w", format=muxer) as file:
        track = file.add_stream(codec, rate=sr, layout="mono")
        if codec == "g726":
            track.bit_rate = 32000
        frame = av.AudioFrame.from_ndarray(tone(sr)[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = sr
        resampler = av.AudioResampler(sample_format, "mono", sr)
        # codings with frames of a fixed size take them whole
        fifo = av.AudioFifo()
        for piece in resampler.resample(frame):
            fifo.write(piece)
        while (piece := fifo.read(track.codec_context.frame_size or 1024, partial=True)) is not None:
            file.mux(track.encode(piece))
        file.mux(track.encode(None))


@pytest.mark.parametrize(("name", "muxer", "codec", "sample_format", "sr", "tolerance"), REFUSED)
def test_what_libsndfile_refuses_pyav_reads(
    tmp_path: Path, name: str, muxer: str, codec: str, sample_format: str, sr: int, tolerance: float | None
) -> None:
    path = tmp_path / name
    encode(path, muxer, codec, sample_format, sr)
    if name.endswith(".aac"):
        path.write_bytes(b"ID3\x04\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0" + path.read_bytes())
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(path)
    with open_reader(path) as reader:
        y = np.concatenate(list(reader.blocks()), axis=1)[0]
    assert (reader.sr, reader.damage) == (sr, None)
    # some pad their last frame, or their first; this writer of CAF states less than it has
    assert (sr if codec != "alac" else sr - 4096) <= len(y) <= sr + 2 * 1536
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    if tolerance is not None:
        np.testing.assert_allclose(y[:sr], tone(sr)[: len(y)], atol=tolerance)


def test_joined_flac_in_ogg_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.oga"
    encode(path, "ogg", "flac", "s16", SR)
    content = path.read_bytes()
    at = content.index(b"OggS", 4)
    # with a table of places to seek, as FLAC's own program writes it
    table = b"\x03\0\0\x12" + bytes(18)
    page = _Page(0, 0, int.from_bytes(content[14:18], "little"), 1, bytes([len(table)]), table)
    path.write_bytes(2 * (content[:at] + page.pack() + content[at:]))
    with open_reader(path) as reader:
        n_samples = sum(block.shape[1] for block in reader.blocks())
        assert reader.damage is None
    assert n_samples == 2 * SR


def test_without_pyav_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.oga"
    encode(path, "ogg", "flac", "s16", SR)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="PyAV reads more: install it with: pip install av"):
        open_reader(path)
    path.write_text("Dear all, this is no recording.")
    with pytest.raises(AudioFileError, match="holds no audio that can be read"):
        open_reader(path)


def test_a_coding_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(SR), SR, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[20:22] = b"\x34\x12"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match="holds no audio that can be read"):
        open_reader(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_damaged_ogg_stays_in_step(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.ogg"
    sr = 48000
    y = np.random.default_rng(0).uniform(-0.3, 0.3, 3 * sr)
    soundfile.write(path, y, sr, format="OGG", subtype=subtype)
    whole, _ = soundfile.read(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with open_reader(path) as reader:
        z = np.concatenate(list(reader.blocks()), axis=1)[0]
        sentences: list[str] = getattr(reader, "describe_gaps", list)()
    assert reader.damage == "is damaged: its pages can't be read in 1 place"
    assert len(z) == len(whole)
    # behind the damage every sample is where it was
    assert np.corrcoef(z[-sr // 2 :], whole[-sr // 2 :])[0, 1] > 0.99
    assert np.corrcoef(z[: sr // 2], whole[: sr // 2])[0, 1] > 0.99
    assert "silence stands there" in sentences[0]


def test_a_damaged_flac_in_matroska_is_silent_there_and_stays_in_step(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    y = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 2 * SR)).astype(np.float32)
    write_media(path, codec="flac", sample_format="s16", video=None, y=y, sr=SR)
    with open_reader(path) as reader:
        whole = np.concatenate(list(reader.blocks()), axis=1)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with open_reader(path) as reader:
        z = np.concatenate(list(reader.blocks()), axis=1)[0]
    wrong = np.flatnonzero(z != whole)
    assert len(z) == len(whole)
    assert 0 < len(wrong) <= 4608
    assert not z[wrong].any()
    assert reader.damage is not None
    assert reader.damage.startswith("is damaged: 1 pieces of its sound can't be decoded")


M3U8 = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{url}'\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 15004 RTP/AVP 0\n"
MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1S" type="static">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)


@pytest.mark.parametrize("text", [M3U8, CONCAT, SDP, MPD, "MAC \n" + SDP, "ADIF\n" + SDP, "ID3\n" + M3U8])
@pytest.mark.parametrize("extension", [".m3u8", ".ffconcat", ".sdp", ".mpd", ".wav", ".aac"])
def test_nothing_that_is_named_inside_is_opened(tmp_path: Path, text: str, extension: str) -> None:
    other = tmp_path / "other.ts"
    encode(other, "mpegts", "mp2", "s16", SR)
    with open_reader(other) as reader:
        assert reader.sr == SR
    path = tmp_path / f"list{extension}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        for url in ("other.ts", str(other), f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"):
            path.write_text(text.format(url=url))
            with pytest.raises(AudioFileError, match=r"holds no (audio|sound)"):
                open_reader(path)
        with pytest.raises(BlockingIOError):
            server.accept()
