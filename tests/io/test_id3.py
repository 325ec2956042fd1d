"""The tag of an MP3: another takes its place, and not a byte of the sound changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from nmf_audio.io import atomic
from nmf_audio.io.tags.id3 import build_tag, put_tag, read_tag

TAG = build_tag({"title": "Äpfel", "comment": "none", "license": "free"})
LONG = build_tag({"title": "x" * 5000})


@pytest.mark.parametrize("old", [b"", TAG, LONG], ids=["none", "short", "long"])
@pytest.mark.parametrize("new", [b"", TAG, LONG], ids=["none", "short", "long"])
@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 12_345])
def test_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes, n: int
) -> None:
    monkeypatch.setattr(atomic, "_BLOCK", 1000)
    sound = bytes(i * i % 251 for i in range(n))
    path = tmp_path / "a.mp3"
    path.write_bytes(old + sound)
    assert read_tag(path) == old
    put_tag(path, new)
    assert path.read_bytes() == new + sound


@pytest.mark.parametrize(
    "content", [b"", b"ID3", b"\xff\xfb" + bytes(50), TAG[:-1], b"ID3\x04\0\0\xff\xff\xff\xff" + bytes(99)]
)
def test_what_is_no_whole_tag_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_tag(tmp_path / "a") == b""


def test_a_footer_belongs_to_the_tag(tmp_path: Path) -> None:
    tag = TAG[:5] + b"\x10" + TAG[6:] + b"3DI" + TAG[3:10]
    (tmp_path / "a").write_bytes(tag + b"sound")
    assert read_tag(tmp_path / "a") == tag


def test_a_player_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, [0.0] * 16000, 16000)
    put_tag(path, TAG)
    with soundfile.SoundFile(path) as file:
        assert (file.title, file.comment, file.frames) == ("Äpfel", "none", 16000)
