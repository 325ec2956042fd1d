"""Origin, time code and markers of a WAV: found and written, to the byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio.io.tags.chunks import append_chunks, read_chunks
from nmf_audio.io.truncation import describe_truncation
from tests.tiny import SR, noise

BEXT = b"A description".ljust(256, b"\0") + b"Recorder".ljust(346, b"\0")
CUE = struct.pack("<I", 1) + struct.pack("<II4sIII", 1, 4000, b"data", 0, 0, 4000)
LABEL = b"adtl" + struct.pack("<4sII", b"labl", 9, 1) + b"here\0\0"
# an odd length, which is padded
CHUNKS = [(b"bext", BEXT), (b"iXML", b"<BWFXML><SCENE>1</SCENE></BWFXML>"), (b"cue ", CUE), (b"LIST", LABEL)]


def chunks_of(path: Path) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a file but for its title, which is one as well."""
    return [(name, body) for name, body in read_chunks(path) if not body.startswith(b"INFO")]


def write_wav(path: Path, format: str = "WAV", n: int = SR + 1, subtype: str = "PCM_16") -> Path:
    with soundfile.SoundFile(path, "w", SR, 1, subtype, format=format) as file:
        file.title = "Talk"
        file.write(noise(n / SR))
    return path


@pytest.mark.parametrize("format", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "FLOAT"])
def test_chunks_come_back_and_the_sound_stays(tmp_path: Path, format: str, subtype: str) -> None:
    path = write_wav(tmp_path / "a.wav", format, subtype=subtype)
    before = soundfile.read(path)[0]
    assert chunks_of(path) == []
    append_chunks(path, CHUNKS[:2])
    append_chunks(path, CHUNKS[2:])
    assert chunks_of(path) == CHUNKS
    np.testing.assert_array_equal(soundfile.read(path)[0], before)
    assert soundfile.SoundFile(path).copy_metadata()["title"] == "Talk"
    assert describe_truncation(path) is None
    content = path.read_bytes()
    at = 20 if format == "RF64" else 4
    assert int.from_bytes(content[at : at + (8 if format == "RF64" else 4)], "little") == len(content) - 8


def test_behind_an_odd_number_of_bytes_chunks_begin_at_an_even_place(tmp_path: Path) -> None:
    form = struct.pack("<IHHIIHH", 16, 1, 1, SR, SR, 1, 8)
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 39) + b"WAVEfmt " + form + b"data\x03\0\0\0abc")
    append_chunks(path, CHUNKS)
    assert chunks_of(path) == CHUNKS
    assert soundfile.info(path).frames == 3


def test_what_is_before_the_samples_is_found(tmp_path: Path) -> None:
    content = write_wav(tmp_path / "a.wav").read_bytes()
    extra = b"".join(
        struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2) for name, body in CHUNKS
    )
    (tmp_path / "b.wav").write_bytes(content[:12] + extra + content[12:])
    assert chunks_of(tmp_path / "b.wav") == CHUNKS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"RIFF\xff\xff\xff\xffWAVEbext\xff\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 20_000,
        b"RF64\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff",
        b"fLaC" + bytes(100),
    ],
)
def test_other_files_have_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert chunks_of(tmp_path / "a") == []


def test_more_than_a_recorder_writes_is_not_read(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    append_chunks(path, [(b"axml", bytes(2**24 + 2)), (b"bext", BEXT)])
    assert chunks_of(path) == [(b"bext", BEXT)]


def test_what_was_joined_or_is_more_of_the_samples_is_no_chunk(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    append_chunks(path, CHUNKS)
    content = path.read_bytes()
    path.write_bytes(2 * content)
    assert chunks_of(path) == CHUNKS
    # a size that is too small, and samples that read as the head of a chunk
    content = write_wav(path).read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(
        content[:at]
        + struct.pack("<I", 8)
        + content[at + 4 : at + 12]
        + b"abcd\x04\0\0\0wxyz"
        + content[at + 24 :]
    )
    assert chunks_of(path) == []
