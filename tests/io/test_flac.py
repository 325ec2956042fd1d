"""Tags and pictures of a FLAC: they come along, and the sound stays as it is."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio.io.tags.flac import put_metadata_blocks, read_metadata_blocks
from tests.tiny import SR, noise

PICTURE = (6, struct.pack(">II10sIIIIII", 3, 10, b"image/jpeg", 0, 16, 16, 24, 0, 5000) + bytes(5000))
# of one track, the end
CUESHEET = (5, bytes(395) + b"\x01" + bytes(8) + b"\xff" + bytes(27))


def comments(*words: str) -> tuple[int, bytes]:
    encoded = [word.encode() for word in words]
    listed = b"".join(struct.pack("<I", len(word)) + word for word in encoded)
    return 4, struct.pack("<I", 4) + b"test" + struct.pack("<I", len(words)) + listed


def write_flac(path: Path) -> Path:
    with soundfile.SoundFile(path, "w", SR, 1, "PCM_16") as file:
        file.title = "Talk"
        file.write(noise(2)[:, 0])
    return path


@pytest.mark.parametrize("times", [1, 2])
def test_blocks_take_the_place_of_their_kind(tmp_path: Path, times: int) -> None:
    path = write_flac(tmp_path / "a.flac")
    before = soundfile.read(path)[0]
    blocks = [comments("TITLE=Äpfel", "MOOD=calm"), PICTURE, PICTURE, CUESHEET]
    for _ in range(times):
        put_metadata_blocks(path, blocks)
    assert read_metadata_blocks(path) == blocks
    assert read_metadata_blocks(path, is_whole=False) == blocks[:3]
    np.testing.assert_array_equal(soundfile.read(path)[0], before)
    assert soundfile.SoundFile(path).copy_metadata()["title"] == "Äpfel"
    put_metadata_blocks(path, [comments("TITLE=short")])
    np.testing.assert_array_equal(soundfile.read(path)[0], before)


def test_loudness_no_longer_holds(tmp_path: Path) -> None:
    path = write_flac(tmp_path / "a.flac")
    put_metadata_blocks(
        path, [comments("ReplayGain_track_gain=-3 dB", "TITLE=Talk", "REPLAYGAIN_TRACK_PEAK=1")]
    )
    assert read_metadata_blocks(path) == [comments("TITLE=Talk")]


@pytest.mark.parametrize(
    "content",
    [b"", b"fLaC", b"RIFF" + bytes(60), b"fLaC\x04\xff\xff\xff", b"fLaC" + b"\x01\0\0\0" * 5000],
)
def test_what_is_no_flac_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_metadata_blocks(tmp_path / "a") == []
    with pytest.raises(ValueError, match="no FLAC"):
        put_metadata_blocks(tmp_path / "a", [PICTURE])


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff", b"\0\0\0\0\x02\0\0\0\xff\0\0\0"])
def test_tags_that_are_broken_stay_as_they_are(tmp_path: Path, body: bytes) -> None:
    path = write_flac(tmp_path / "a.flac")
    put_metadata_blocks(path, [(4, body)])
    assert read_metadata_blocks(path) == [(4, body)]
