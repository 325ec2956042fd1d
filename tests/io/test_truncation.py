"""Files that were cut off are recognised, as far as anything in them tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio.io.open import open_reader
from nmf_audio.io.truncation import describe_truncation
from tests.tiny import write_noise

SR = 16000
N = 20_000
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (N, 1))

RARE = [
    ("NIST", "PCM_16"),
    ("NIST", "ULAW"),
    ("VOC", "PCM_16"),
    ("VOC", "PCM_U8"),
    ("VOC", "ULAW"),
    ("IRCAM", "PCM_16"),
    ("SVX", "PCM_16"),
    ("SVX", "PCM_S8"),
    ("MAT4", "PCM_16"),
    ("MAT5", "DOUBLE"),
    ("PVF", "PCM_32"),
    ("WVE", "ALAW"),
    ("SDS", "PCM_16"),
    ("PAF", "PCM_16"),
    ("PAF", "PCM_24"),
    ("AVR", "PCM_16"),
    ("MPC2K", "PCM_16"),
]


def read(path: Path) -> tuple[int, str | None]:
    with open_reader(path) as reader:
        return sum(block.shape[1] for block in reader.blocks()), reader.damage


@pytest.mark.parametrize(("name", "subtype"), RARE)
def test_rare_formats(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / "a"
    soundfile.write(path, NOISE, 8000 if name == "WVE" else SR, format=name, subtype=subtype)
    n, damage = read(path)
    assert abs(n - N) <= 1
    assert damage is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10 | 1])
    if (name, subtype) == ("VOC", "PCM_U8"):
        pytest.importorskip("av")
    _, damage = read(path)
    assert damage is not None
    assert damage.startswith("is truncated")


def test_an_xi_that_states_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.xi"
    soundfile.write(path, NOISE, 44100, format="XI", subtype="DPCM_16")
    content = bytearray(path.read_bytes())
    # the size of the first sample, which libsndfile leaves 0
    content[298:302] = (2 * N).to_bytes(4, "little")
    path.write_bytes(content)
    assert read(path) == (N, None)
    path.write_bytes(content[:-1000])
    assert read(path) == (N - 500, f"is truncated: {2 * N - 1000} of {2 * N} bytes of its samples are there")


def test_an_mp3_that_ends_within_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, NOISE, SR, format="MP3", subtype="MPEG_LAYER_III")
    content = path.read_bytes()
    content = content[content.index(content[:2], 4) :]
    path.write_bytes(content)
    assert read(path)[1] is None
    path.write_bytes(content[: len(content) // 2 - 7])
    assert read(path)[1] == "is truncated: its last frame is not whole"


MEDIA = [
    ("a.ac3", "ac3", "ac3", "fltp", None),
    ("a.eac3", "eac3", "eac3", "fltp", None),
    ("a.aac", "adts", "aac", "fltp", None),
    ("a.tta", "tta", "tta", "s16", None),
    ("a.mpg", "mpeg", "mp2", "s16", "mpeg2video"),
    ("a.ts", "mpegts", "mp2", "s16", "mpeg2video"),
    ("a.avi", "avi", "mp2", "s16", "mpeg4"),
    ("a.flv", "flv", "aac", "fltp", "flv1"),
    ("a.wmv", "asf", "mp2", "s16", "mpeg4"),
]


@pytest.mark.parametrize(("name", "muxer", "codec", "sample_format", "video"), MEDIA)
def test_media_files(
    tmp_path: Path, name: str, muxer: str, codec: str, sample_format: str, video: str | None
) -> None:
    pytest.importorskip("av")
    from tests.io.media.make import write_media

    path = tmp_path / name
    options: dict[str, Any] = {"codec": codec, "sample_format": sample_format, "muxer": muxer, "video": video}
    write_media(path, seconds=2, sr=44100, **options)
    assert read(path)[1] is None
    content = path.read_bytes()
    for share in (0.6, 0.8):
        n = int(len(content) * share)
        path.write_bytes(content[: n + (n % 4 == 0)])
        assert read(path)[1] is not None, share


@pytest.mark.parametrize("n_tag", [0, 1000])
def test_an_mp3_that_states_its_bytes_and_lacks_the_last_one(tmp_path: Path, n_tag: int) -> None:
    write_noise(tmp_path / "a.mp3", 2, sr=16000, subtype="MPEG_LAYER_III")
    content = (tmp_path / "a.mp3").read_bytes()
    tag = b"ID3\x03\0\0" + bytes([0, 0, n_tag >> 7, n_tag & 0x7F]) + bytes(n_tag) if n_tag else b""
    whole, cut, short = tmp_path / "b.mp3", tmp_path / "c.mp3", tmp_path / "d.mp3"
    whole.write_bytes(tag + content)
    assert describe_truncation(whole) is None
    cut.write_bytes(tag + content[: -1 - len(tag)])
    n = len(content)
    assert describe_truncation(cut) == f"is truncated: {n - 1} of {n} bytes are there"
    # not even a frame of sound is there
    short.write_bytes(tag + content[:700])
    with open_reader(short) as reader:
        list(reader.blocks())
        assert reader.damage == f"is truncated: {len(tag) + 700} of {n} bytes are there"
