"""Recordings are as long as what is in them, whatever a header states."""

from __future__ import annotations

import io
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from nmf_audio.io.extent import find_extent
from nmf_audio.io.open import open_reader, open_stream
from nmf_audio.io.pipe_reader import StreamReader
from nmf_audio.io.truncation import describe_truncation

SR = 16000
N = 2 * SR


def noise(n: int = N, n_channels: int = 1, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, n_channels)).astype(np.float32)


def read(path: Path) -> tuple[npt.NDArray[Any], str | None, int | None]:
    with open_reader(path) as reader:
        n_samples = reader.n_samples
        y = np.concatenate([np.zeros((reader.n_channels, 0)), *reader.blocks()], axis=1)
        return y.T, reader.damage, n_samples


def read_piped(content: bytes) -> tuple[npt.NDArray[Any], str | None, int | None]:
    with open_stream(io.BytesIO(content)) as reader:
        assert isinstance(reader, StreamReader)
        n_samples = reader.n_samples
        y = np.concatenate([np.zeros((reader.n_channels, 0)), *reader.blocks()], axis=1)
        return y.T, reader.damage, n_samples


def write(path: Path, y: npt.NDArray[Any], name: str, subtype: str) -> bytes:
    endian = "BIG" if name == "RIFX" else None
    soundfile.write(path, y, SR, format={"RIFX": "WAV"}.get(name, name), subtype=subtype, endian=endian)
    return path.read_bytes()


# where the bytes of the samples are stated: what stands before, how many bytes on, its layout, what else is counted
SIZES: dict[str, tuple[bytes, int, str, int]] = {
    "WAV": (b"data", 4, "<I", 0),
    "WAVEX": (b"data", 4, "<I", 0),
    "RIFX": (b"data", 4, ">I", 0),
    "RF64": (b"ds64", 16, "<Q", 0),
    "W64": (b"data\xf3\xac", 16, "<Q", 24),
    "AIFF": (b"SSND", 4, ">I", 8),
    "AU": (b".snd", 8, ">I", 0),
    "CAF": (b"data", 4, ">q", 4),
}


def state(content: bytes, name: str, n_bytes: int) -> bytes:
    """Return a file whose header states another number of bytes of samples."""
    before, further, layout, more = SIZES[name]
    at = content.index(before) + further
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, n_bytes + more)
    return bytes(changed)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("stated", [0, 4000])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_samples_behind_the_stated_end(tmp_path: Path, name: str, stated: int, subtype: str) -> None:
    path = tmp_path / "a"
    content = write(path, noise(), name, subtype)
    whole, _, _ = read(path)
    path.write_bytes(state(content, name, stated))
    y, damage, n_samples = read(path)
    np.testing.assert_array_equal(y, whole)
    assert n_samples == len(y) == N
    if name == "RF64" and stated == 0:
        # so write those who do not know the length yet
        assert damage is None
        return
    assert damage is not None
    assert ("never finished" if stated == 0 else f"states {stated} bytes") in damage


@pytest.mark.parametrize(
    "tail", [b"", b"\0", bytes(3000), b"TAG" + bytes(125), b"ID3\x04\0\0\0\0\0\x10" + bytes(16)]
)
@pytest.mark.parametrize("name", SIZES)
def test_what_is_no_sample_is_left_where_it_stands(tmp_path: Path, name: str, tail: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(write(path, noise(4000), name, "PCM_16") + tail)
    y, damage, n_samples = read(path)
    assert len(y) == n_samples == 4000
    assert damage is None


@pytest.mark.parametrize("chunks", [b"LIST\x0c\0\0\0INFOINAM\0\0\0\0", b"abcd\x02\0\0\0xyefgh\0\0\0\0"])
def test_chunks_behind_the_samples_are_chunks(tmp_path: Path, chunks: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(write(path, noise(4000), "WAV", "PCM_16") + chunks)
    y, damage, _ = read(path)
    assert (len(y), damage) == (4000, None)


def make_sparse(path: Path, head: bytes, first: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(head + first)
        file.truncate(size)


@pytest.mark.parametrize("stated", [2**32 + 64000 & 0xFFFFFFFF, 0xFFFFFFFF, 0x7FFFF000])
def test_more_than_a_wav_can_state(tmp_path: Path, stated: int) -> None:
    path = tmp_path / "a.wav"
    first = struct.pack("<4h", 3000, -3000, 5, 6)
    form = struct.pack("<HHIIHH", 1, 1, SR, 2 * SR, 2, 16)
    head = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", stated)
    n = 2**32 + 64000
    make_sparse(path, head, first, len(head) + n)
    with open_reader(path) as reader:
        assert (reader.n_samples, reader.damage) == (n // 2, None)
        np.testing.assert_array_equal(reader.read(0, 4) * 32768, [[3000, -3000, 5, 6]])
        assert reader.read(n // 2 - 10, n // 2 + 10).shape == (1, 10)


@pytest.mark.parametrize("name", ["WAV", "WAVEX"])
@pytest.mark.parametrize("stated", [0, 4000])
def test_samples_behind_the_stated_end_through_a_pipe(tmp_path: Path, name: str, stated: int) -> None:
    path = tmp_path / "a"
    content = state(write(path, noise(), name, "PCM_16"), name, stated)
    path.write_bytes(content)
    by_name, piped = read(path), read_piped(content)
    np.testing.assert_array_equal(by_name[0], piped[0])
    assert by_name[1] == piped[1] is not None
    assert piped[2] == (stated // 2 or None)


TAILS = [b"", b"TAG" + bytes(125), b"LIST\x0c\0\0\0INFOINAM\0\0\0\0", b"abcd\x02\0\0\0xy"]


# zeros behind nothing are silence
@pytest.mark.parametrize(
    ("stated", "tail"), [*((0, tail) for tail in TAILS), *((4000, tail) for tail in (*TAILS, bytes(3000)))]
)
def test_what_is_no_sample_is_none_through_a_pipe(tmp_path: Path, stated: int, tail: bytes) -> None:
    content = write(tmp_path / "a", noise(stated // 2), "WAV", "PCM_16")
    y, damage, n_samples = read_piped(content + tail)
    assert (len(y), n_samples, damage) == (stated // 2, stated // 2, None)


def test_recordings_joined_behind_chunks(tmp_path: Path) -> None:
    content = write(tmp_path / "a", noise(4000), "WAV", "PCM_16") + b"LIST\x0c\0\0\0INFOINAM\0\0\0\0"
    path = tmp_path / "b"
    path.write_bytes(3 * content)
    y, damage, n_samples = read(path)
    assert (len(y), damage, n_samples) == (12_000, None, 12_000)
    y, damage, _ = read_piped(3 * content)
    assert (len(y), damage) == (12_000, None)


@pytest.mark.parametrize(
    "between", [b"", b"LIST\x0c\0\0\0INFOINAM\0\0\0\0"], ids=["at once", "behind others"]
)
@pytest.mark.parametrize("name", ["WAV", "WAVEX", "RIFX", "W64", "AIFF", "CAF"])
def test_several_chunks_of_samples_are_all_read(tmp_path: Path, name: str, between: bytes) -> None:
    path = tmp_path / "a"
    content = write(path, noise(), name, "PCM_16")
    whole, _, _ = read(path)
    at = content.index(SIZES[name][0])
    chunk = content[at : at + (24 if name == "W64" else 12 if name == "CAF" else 8) + 2 * N + SIZES[name][3]]
    if name in ("RIFX", "W64", "AIFF", "CAF"):
        # its layout is another
        between = b""
    content = content[: at + len(chunk)] + 2 * (between + chunk)
    expected = np.concatenate(3 * [whole])
    for tail in (b"", b"TAG" + bytes(125)):
        path.write_bytes(content + tail)
        y, found, n_samples = read(path)
        np.testing.assert_array_equal(y, expected)
        assert n_samples == 3 * N
        assert (
            found == "is doubtful: its samples are in several chunks, of which other programs read the first"
        )
    path.write_bytes(content[:-1000])
    y, found, _ = read(path)
    assert len(y) == 3 * N - 500
    assert found is not None
    assert "is truncated" in found
    if name in ("WAV", "WAVEX"):
        y, found, _ = read_piped(content)
        np.testing.assert_array_equal(y, expected)
        assert found is not None
        assert "several chunks" in found
        y, found, _ = read_piped(content[:-1000])
        assert len(y) == 3 * N - 500
        assert found is not None
        assert "is truncated" in found


@pytest.mark.parametrize("sizes", [(0, N), (N, 0), (0, N, 0, 0)])
def test_empty_chunks_of_samples_are_nothing(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    content = write(tmp_path / "a", noise(), "WAV", "PCM_16")
    head, samples = content[: -2 * N - 8], content[-2 * N :]
    content = head + b"".join(b"data" + struct.pack("<I", 2 * n) + samples[: 2 * n] for n in sizes)
    (tmp_path / "b").write_bytes(content)
    for y, damage, _ in (read(tmp_path / "b"), read_piped(2 * content)):
        assert (len(y) % N, damage) == (0, None)
        assert len(y) > 0


def test_recordings_joined_in_a_pipe(tmp_path: Path) -> None:
    first = write(tmp_path / "a", noise(seed=1), "WAV", "PCM_24")
    second = write(tmp_path / "b", noise(4001, seed=2), "WAV", "PCM_24")
    y, damage, _ = read_piped(first + second + first)
    expected = np.concatenate([read(tmp_path / name)[0] for name in "aba"])
    np.testing.assert_array_equal(y, expected)
    assert damage is None
    other = write(tmp_path / "c", noise(n_channels=2), "WAV", "PCM_24")
    y, damage, _ = read_piped(first + other)
    assert len(y) == N
    assert damage == "is joined of several: what follows 2.00 s has 2 channels at 16000 Hz"


class Wrapped(io.RawIOBase):
    """A stream of more than 4 GB of zeros behind a head and some samples."""

    def __init__(self, head: bytes, n_zeros: int) -> None:
        self._head, self._left = head, n_zeros

    def read(self, n: int = -1) -> bytes:
        if self._head:
            data, self._head = self._head[:n], self._head[n:]
            return data
        data = bytes(min(n, self._left))
        self._left -= len(data)
        return data


@pytest.mark.slow
def test_a_size_that_wrapped_around_in_a_pipe() -> None:
    form = struct.pack("<HHIIHH", 1, 8, 192_000, 16 * 192_000, 16, 16)
    head = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", 64000)
    with open_stream(Wrapped(head, 2**32 + 64000)) as reader:  # type: ignore[arg-type]
        n = sum(block.shape[1] for block in reader.blocks())
    assert (n * 16, reader.damage) == (2**32 + 64000, None)


@given(
    st.sampled_from([b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b".snd", b"riff", b"caff"]),
    st.binary(max_size=80),
)
def test_any_bytes_have_an_extent_or_none(magic: bytes, content: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(magic + content)
        file.flush()
        try:
            found = find_extent(file)
        except EOFError:
            return
    assert found is None or (found.start >= 0 and (found.joined is None or found.joined > 0))


LOSSY = {"OGG": "VORBIS", "OPUS": "OPUS", "MP3": "MPEG_LAYER_III"}
LOSSLESS = {"WAV": "PCM_16", "RIFX": "PCM_24", "FLAC": "PCM_16", "AIFF": "PCM_16", "AU": "PCM_16"}


@pytest.mark.parametrize("name", [*LOSSY, *LOSSLESS])
def test_joined_recordings_are_read_one_behind_the_other(tmp_path: Path, name: str) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    parts = []
    for seed, path in enumerate(paths):
        subtype = (LOSSY | LOSSLESS)[name]
        write(path, noise(N - 700 * seed, seed=seed), "OGG" if name == "OPUS" else name, subtype)
        parts.append(read(path)[0])
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join(path.read_bytes() for path in (*paths, paths[0])))
    whole = np.concatenate([*parts, parts[0]])
    y, damage, n_samples = read(joined)
    np.testing.assert_array_equal(y, whole)
    assert damage is None
    # what was joined to a FLAC shows at its end only
    assert n_samples == (len(parts[0]) if name == "FLAC" else len(whole))
    with open_reader(joined) as reader:
        np.testing.assert_allclose(reader.read(N - 1000, N + 1000).T, whole[N - 1000 : N + 1000], atol=1e-4)
        if name != "FLAC":
            np.testing.assert_allclose(
                reader.read(2 * N + 5, 2 * N + 500).T, whole[2 * N + 5 : 2 * N + 500], atol=0.02
            )


@pytest.mark.parametrize("name", ["OGG", "MP3", "WAV", "FLAC"])
def test_what_does_not_fit_is_left_out_with_a_word(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    subtype = (LOSSY | LOSSLESS)[name]
    content = write(path, noise(), name, subtype) + write(path, noise(n_channels=2), name, subtype)
    path.write_bytes(content)
    y, damage, _ = read(path)
    assert len(y) == N
    assert damage == "is joined of several: what follows 2.00 s has 2 channels at 16000 Hz"


def write_mp3(path: Path, y: npt.NDArray[Any], **options: Any) -> bytes:
    with soundfile.SoundFile(path, "w", SR, 1, "MPEG_LAYER_III", format="MP3", **options) as file:
        file.write(y)
    return path.read_bytes()


def drop_first_frame(mp3: bytes) -> bytes:
    assert b"Xing" in mp3[:60] or b"Info" in mp3[:60]
    return mp3[mp3.index(mp3[:2], 4) :]


@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
@pytest.mark.parametrize("pause_first", [False, True])
def test_an_mp3_that_does_not_state_its_length(tmp_path: Path, mode: str, pause_first: bool) -> None:
    path = tmp_path / "a.mp3"
    y = noise()[:, 0]
    y[slice(0, SR) if pause_first else slice(SR, None)] = 0
    content = write_mp3(path, y, bitrate_mode=mode, compression_level=0.5)
    whole = read(path)[0][:, 0]
    path.write_bytes(drop_first_frame(content))
    z, damage, n_samples = read(path)
    assert damage is None
    assert n_samples == len(z)
    assert len(z) % 576 == 0
    # encoder and decoder put something before the first sample, and make the last frame full
    assert N < len(z) <= N + 5 * 576
    shift = int(np.argmax(np.correlate(z[:, 0], whole[SR - 4000 : SR + 4000])))
    np.testing.assert_allclose(z[shift : shift + 8000, 0], whole[SR - 4000 : SR + 4000], atol=1e-3)


def test_frames_behind_those_that_an_mp3_states(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    stated = write_mp3(path, noise()[:, 0])
    path.write_bytes(stated + b"TAG" + bytes(125) + drop_first_frame(stated))
    y, damage, _ = read(path)
    assert 2 * N < len(y) <= 2 * N + 5 * 576
    assert damage is None


def drop(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def cut_out(content: bytes, at: int) -> bytes:
    return content[:at] + content[at + 20_000 :]


@pytest.mark.parametrize("damage_it", [drop, cut_out])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_damaged_flac_stays_in_step(
    tmp_path: Path, damage_it: Callable[[bytes, int], bytes], n_channels: int
) -> None:
    path = tmp_path / "a.flac"
    y = noise(10 * SR, n_channels)
    content = write(path, y, "FLAC", "PCM_16")
    whole, _, _ = read(path)
    rng = np.random.default_rng(1)
    for at in rng.integers(20_000, len(content) - 60_000, 4):
        path.write_bytes(damage_it(content, int(at)))
        z, damage, _ = read(path)
        assert len(z) == len(whole)
        wrong = np.flatnonzero((z != whole).any(axis=1))
        assert not z[wrong].any()
        start, stop = wrong[0] / SR, (wrong[-1] + 1) / SR
        assert stop - start <= (0.26 if damage_it is drop else 0.26 + 20_000 / len(content) * 10 + 0.3)
        assert damage == f"is damaged: no sound from {start:.2f} s to {stop:.2f} s; silence stands there"


def test_an_mp3_is_read_on_behind_a_damaged_frame(tmp_path: Path) -> None:
    """Unless its decoder takes what follows for something else, which the warning says."""
    path = tmp_path / "a.mp3"
    content = write_mp3(path, noise(6 * SR)[:, 0])
    n = len(read(path)[0])
    heads = re.finditer(re.escape(content[:2]) + b"." + content[3:4], content, re.DOTALL)
    n_silent = 0
    for at in [found.start() for found in heads][20:-20:12]:
        path.write_bytes(content[: at + 1] + bytes([content[at + 1] ^ 0x40]) + content[at + 2 :])
        y, damage, _ = read(path)
        is_whole = n - 5 * 1152 <= len(y) <= n
        assert is_whole or (damage is not None and "could be read" in damage)
        n_silent += is_whole and damage is not None and "silence stands there" in damage
    assert n_silent


def test_several_gaps_of_a_flac_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    content = write(path, noise(10 * SR), "FLAC", "PCM_16")
    for at in range(20_000, len(content) - 20_000, len(content) // 7):
        content = drop(content, at)
    path.write_bytes(content)
    y, damage, _ = read(path)
    assert len(y) == 10 * SR
    assert damage is not None
    assert damage.count(" s to ") == 3
    assert "more; silence stands there" in damage


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_damaged_page_of_an_ogg_is_seen(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.ogg"
    content = write(path, noise(), "OGG", subtype)
    assert describe_truncation(path) is None
    path.write_bytes(drop(content, len(content) // 2))
    assert describe_truncation(path) == "is damaged: its pages can't be read in 1 place"
