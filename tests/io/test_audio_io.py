"""Audio files: exact, bounded, and honest about what is wrong with them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio.errors import AudioFileError
from nmf_audio.io.containers import Container, choose_container
from nmf_audio.io.extras import make_extras
from nmf_audio.io.section import cut
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.io.sndfile_writer import AudioWriter
from nmf_audio.io.truncation import describe_truncation

SR = 16000
INTEGERS = [
    ("WAV", "PCM_U8", 8),
    ("WAV", "PCM_16", 16),
    ("WAV", "PCM_24", 24),
    ("WAVEX", "PCM_24", 24),
    ("RF64", "PCM_16", 16),
    ("W64", "PCM_24", 24),
    ("AIFF", "PCM_S8", 8),
    ("AIFF", "PCM_16", 16),
    ("CAF", "PCM_24", 24),
    ("CAF", "ALAC_16", 16),
    ("FLAC", "PCM_S8", 8),
    ("FLAC", "PCM_16", 16),
    ("FLAC", "PCM_24", 24),
]
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]


def tone(n: int, n_channels: int = 1, sr: int = SR) -> npt.NDArray[np.float64]:
    """Return (n, n_channels): a tone under a little noise, other in each channel."""
    t = np.arange(n) / sr
    noise = 0.02 * np.random.default_rng(7).standard_normal((n, n_channels))
    return 0.3 * np.sin(2 * np.pi * 440 * np.outer(t, np.arange(1, n_channels + 1))) + noise


def read_all(path: Path) -> npt.NDArray[np.float32]:
    with AudioReader(path) as reader:
        blocks = list(reader.blocks())
    return np.concatenate(blocks, axis=1)


def test_of_a_part_no_block_behind_it_is_read() -> None:
    def blocks() -> Iterator[Any]:
        yield from np.arange(6).reshape(3, 1, 2)
        raise AssertionError("read too far")

    assert [block.tolist() for block in cut(blocks(), 1, 6)] == [[[1]], [[2, 3]], [[4, 5]]]


def shorten(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize(("name", "subtype", "bits"), INTEGERS)
def test_integers_come_back_to_the_bit(tmp_path: Path, name: str, subtype: str, bits: int) -> None:
    y = tone(SR + 77, 2)
    y[:4, 0] = [1.0, -1.0, 1 - 2.0 ** (1 - bits), 0.0]
    src, dst = tmp_path / "a", tmp_path / "b"
    soundfile.write(src, y, SR, format=name, subtype=subtype)
    with AudioReader(src) as reader, AudioWriter(dst, SR, 2, reader.container) as writer:
        for block in reader.blocks():
            writer.write(block)
    a, _ = soundfile.read(src, dtype="int32")
    b, _ = soundfile.read(dst, dtype="int32")
    assert writer.n_clipped == 0
    assert reader.container == Container(name, subtype)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_byte_order_is_kept(tmp_path: Path, endian: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(100), SR, subtype="PCM_16", endian=endian)
    with AudioReader(tmp_path / "a.wav") as reader:
        container = choose_container(Path("b.wav"), reader.container)
    with AudioWriter(tmp_path / "b.wav", SR, 1, container) as writer:
        writer.write(np.zeros((1, 5), np.float32))
    magic = (tmp_path / "b.wav").read_bytes()[:4]
    assert magic == (b"RIFX" if endian == "BIG" else b"RIFF")


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_U8", 8), ("PCM_16", 16), ("PCM_24", 24), ("PCM_32", 32)])
def test_integers_saturate_and_are_counted(tmp_path: Path, subtype: str, bits: int) -> None:
    path = tmp_path / "a.wav"
    with AudioWriter(path, SR, 1, Container("WAV", subtype)) as writer:
        writer.write(np.array([[2.0, -2.0, 1e9, -1.0, 0.5]], np.float32))
    y, _ = soundfile.read(path, dtype="int32")
    top = (2 ** (bits - 1) - 1) << (32 - bits)
    np.testing.assert_array_equal(y, [top, -(2**31), top, -(2**31), 2**30])
    assert writer.n_clipped == 3


def test_integers_are_rounded_to_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with AudioWriter(path, SR, 1, Container("WAV", "PCM_16")) as writer:
        writer.write((np.array([[10.4, 10.6, -10.4, -10.6]]) / 2**15).astype(np.float32))
    assert soundfile.read(path, dtype="int16")[0].tolist() == [10, 11, -10, -11]


def test_companded_codings_saturate_too(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with AudioWriter(path, 8000, 1, Container("WAV", "ULAW")) as writer:
        writer.write(np.array([[3.0, -3.0]], np.float32))
    y, _ = soundfile.read(path)
    assert y[0] > 0.9
    assert y[1] < -0.9
    assert writer.n_clipped == 2


def test_floats_may_exceed_full_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    y = np.array([[2.5, -1e-30, 0.1]], np.float32)
    with AudioWriter(path, SR, 1, Container("WAV", "FLOAT")) as writer:
        writer.write(y)
    assert writer.n_clipped == 0
    np.testing.assert_array_equal(read_all(path), y)


@pytest.mark.parametrize(("name", "subtype"), [*LOSSY, ("FLAC", "PCM_16")])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_blocks_are_the_whole_file_in_pieces(
    tmp_path: Path, name: str, subtype: str, n_channels: int
) -> None:
    # soundfile's own block reading seeks after each block, which garbles MP3
    path = tmp_path / "a"
    soundfile.write(path, tone(5 * SR + 1234, n_channels), SR, format=name, subtype=subtype)
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    y = read_all(path)
    assert y.shape == (n_channels, 5 * SR + 1234)
    np.testing.assert_allclose(y, whole.T, atol=1e-6)


def test_blocks_stay_small_whatever_the_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((3000, 1000), np.float32), 2_000_000, subtype="FLOAT")
    with AudioReader(path) as reader:
        sizes = [block.size for block in reader.blocks()]
    assert sum(sizes) == 3_000_000
    assert max(sizes) <= 2**20


@pytest.mark.parametrize(
    ("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (-2e9, "-2e.09")]
)
def test_the_position_of_a_bad_sample_is_said(tmp_path: Path, bad: float, word: str) -> None:
    y = tone(3 * SR, 2)
    y[2 * SR + 8, 1] = bad
    soundfile.write(tmp_path / "a.wav", y, SR, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=rf"sample 32008 \(2\.001 s\) of channel 2 is {word}"):
        read_all(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("FLAC", "PCM_16"),
        *LOSSY,
    ],
)
def test_truncation_is_seen_and_the_rest_is_read(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / "a"
    soundfile.write(path, tone(10 * SR), SR, format=name, subtype=subtype)
    whole, _ = soundfile.read(path, dtype="float32")
    with AudioReader(path) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == 10 * SR
    assert reader.damage is None
    shorten(path)
    with AudioReader(path) as reader:
        y = np.concatenate(list(reader.blocks()), axis=1)[0]
    assert reader.damage is not None
    assert reader.damage.startswith("is truncated")
    assert reader.n_read == len(y)
    assert 4.5 * SR < len(y) < 7.5 * SR
    good = len(y) - 4096
    np.testing.assert_allclose(y[:good], whole[:good], atol=1e-6)


def test_a_flac_is_read_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(10 * SR), SR, subtype="PCM_16")
    whole, _ = soundfile.read(path, dtype="float32")
    y = read_all(shorten(path))[0]
    assert len(y) % 4096 == 0
    np.testing.assert_array_equal(y, whole[: len(y)])


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x7FFFEFFF, 0x80000000])
def test_a_wav_of_unknown_length_is_whole(tmp_path: Path, length: int) -> None:
    # what ffmpeg and sox write into a pipe
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(SR), SR)
    content = bytearray(path.read_bytes())
    content[40:44] = length.to_bytes(4, "little")
    path.write_bytes(content)
    with AudioReader(path) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == SR
    assert reader.damage is None


def test_a_flac_of_unknown_length_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(3 * SR), SR)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with AudioReader(path) as reader:
        assert reader.n_samples is None
        assert sum(block.shape[1] for block in reader.blocks()) == 3 * SR
    assert reader.damage is None


def test_a_recorder_that_died_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(SR), SR)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    path.write_bytes(content)
    assert describe_truncation(path) == "was never finished: its header says no samples, 32000 bytes follow"


def test_no_samples_and_tags_after_them_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), SR)
    path.write_bytes(path.read_bytes() + b"LIST" + (4).to_bytes(4, "little") + b"INFO")
    assert describe_truncation(path) is None


def test_a_header_of_endless_chunks_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 20_000)
    assert describe_truncation(path) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"hello, this is no audio\n" * 200, "holds no audio"),
        (b"RIFF\x10\0\0\0WAVE", "holds no audio"),
        (b"fLaC" + bytes(100), "holds no audio"),
    ],
)
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_what_is_no_audio_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=words) as caught:
        AudioReader(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_folders_and_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "a.raw").write_bytes(bytes(100))
    for name, words in [
        ("none.wav", "No such file"),
        (".", "is a folder"),
        ("pipe.wav", "no regular file"),
        ("a.raw", "no header"),
    ]:
        with pytest.raises(AudioFileError, match=words):
            AudioReader(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "subtype", "lost"),
    [
        ("WAV", "PCM_16", False),
        ("FLAC", "PCM_16", False),
        ("OGG", "VORBIS", False),
        ("MP3", "MPEG_LAYER_III", False),
        ("W64", "PCM_16", True),
    ],
)
def test_tags_are_kept_or_missed(tmp_path: Path, name: str, subtype: str, lost: bool) -> None:
    path = tmp_path / "a"
    tags = {"title": "Talk", "artist": "Somebody"}
    with AudioWriter(
        path, SR, 1, Container(name, subtype), extras=make_extras(Container(name, subtype), tags=tags)
    ) as writer:
        writer.write(np.zeros((1, SR), np.float32))
    with AudioReader(path) as reader:
        assert (reader.tags.items() >= tags.items()) is not lost
    expected = [f"left out, since {name} does not keep it here: title, artist"] if lost else []
    assert writer.warnings == expected


@pytest.mark.parametrize(("name", "lost"), [("WAV", ["license"]), ("AIFF", ["album", "genre", "license"])])
def test_tags_that_are_accepted_and_not_written_are_missed(
    tmp_path: Path, name: str, lost: list[str]
) -> None:
    """libsndfile takes them without an error; only reading the closed file again shows it."""
    tags = dict.fromkeys(("title", "album", "genre", "license"), "x")
    with AudioWriter(
        tmp_path / "a",
        SR,
        1,
        Container(name, "PCM_16"),
        extras=make_extras(Container(name, "PCM_16"), tags=tags),
    ) as writer:
        writer.write(np.zeros((1, SR), np.float32))
        assert writer.warnings == []
    assert writer.warnings == [f"left out, since {name} does not keep it here: {', '.join(lost)}"]


def test_mp3_tags_are_not_garbled(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    names = ("title", "artist", "album", "comment", "date", "genre")
    tags = dict.fromkeys(names, "Vortrag über Äpfel 林檎") | {"tracknumber": "3"}
    with AudioWriter(
        path,
        SR,
        1,
        Container("MP3", "MPEG_LAYER_III"),
        extras=make_extras(Container("MP3", "MPEG_LAYER_III"), tags=tags),
    ) as writer:
        writer.write(np.zeros((1, SR), np.float32))
    with AudioReader(path) as reader:
        assert reader.tags.items() >= tags.items()
        assert sum(block.shape[1] for block in reader.blocks()) == SR
        assert reader.damage is None
    assert writer.warnings == []


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize(("name", "subtype"), [("WAV", "PCM_16"), ("AIFF", "PCM_24"), ("OGG", "VORBIS")])
def test_next_to_nothing_is_valid(tmp_path: Path, name: str, subtype: str, n: int) -> None:
    path = tmp_path / "a"
    with AudioWriter(path, SR, 1, Container(name, subtype)) as writer:
        writer.write(np.zeros((1, n), np.float32))
    with AudioReader(path) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == n
    assert reader.damage is None


@pytest.mark.parametrize(
    ("name", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")]
)
def test_containers_that_cannot_be_empty_say_so(tmp_path: Path, name: str, subtype: str) -> None:
    with (
        pytest.raises(AudioFileError, match="can't hold a recording without samples"),
        AudioWriter(tmp_path / "a", SR, 1, Container(name, subtype)),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "subtype", "sr", "n_channels"),
    [("OGG", "OPUS", 44100, 2), ("MP3", "MPEG_LAYER_III", 44100, 6), ("FLAC", "PCM_16", 16000, 12)],
)
def test_impossible_pairs_are_refused(
    tmp_path: Path, name: str, subtype: str, sr: int, n_channels: int
) -> None:
    words = rf"^x: {name} with {subtype} can't hold {n_channels} channels at {sr} Hz"
    with pytest.raises(AudioFileError, match=words):
        AudioWriter(tmp_path / "a", sr, n_channels, Container(name, subtype), label="x")


def test_an_exception_inside_closes_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        AudioWriter(tmp_path / "a", SR, 1, Container("FLAC", "PCM_16")) as writer,
    ):
        raise KeyboardInterrupt
    with pytest.raises(soundfile.SoundFileRuntimeError, match="closed"):
        writer.write(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        ("a.wav", ("WAV", "PCM_24"), ("WAV", "PCM_24")),
        ("a.wav", ("RF64", "PCM_24"), ("RF64", "PCM_24")),
        ("a.WAV", ("FLAC", "PCM_S8"), ("WAV", "PCM_U8")),
        ("a.flac", ("WAV", "PCM_16"), ("FLAC", "PCM_16")),
        ("a.flac", ("WAV", "FLOAT"), ("FLAC", "PCM_24")),
        ("a.flac", ("WAV", "PCM_32"), ("FLAC", "PCM_24")),
        ("a.flac", ("WAV", "PCM_U8"), ("FLAC", "PCM_S8")),
        ("a.wav", ("OGG", "VORBIS"), ("WAV", "PCM_16")),
        ("a.ogg", ("OGG", "OPUS"), ("OGG", "OPUS")),
        ("a.opus", ("OGG", "VORBIS"), ("OGG", "OPUS")),
        ("a.ogg", ("WAV", "PCM_16"), ("OGG", "VORBIS")),
        ("a.mp3", ("MP3", "MPEG_LAYER_III"), ("MP3", "MPEG_LAYER_III")),
        ("a.mp3", ("FLAC", "PCM_24"), ("MP3", "MPEG_LAYER_III")),
        ("a.wav", ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16")),
        ("a.flac", ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16")),
        ("a.unknown", ("CAF", "ALAC_24"), ("CAF", "ALAC_24")),
        ("clean", ("AIFF", "PCM_16"), ("AIFF", "PCM_16")),
    ],
)
def test_the_extension_decides_the_container(
    target: str, source: tuple[str, str], expected: tuple[str, str]
) -> None:
    chosen = choose_container(Path(target), Container(*source))
    assert (chosen.format, chosen.subtype) == expected


def test_every_readable_format_has_an_output_everywhere() -> None:
    for name in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(name):
            for target in ("a.wav", "a.flac", "a.ogg", "a.mp3", "a.caf", "a.same"):
                chosen = choose_container(Path(target), Container(name, subtype))
                assert soundfile.check_format(chosen.format, chosen.subtype), (name, subtype, target)


def test_more_than_a_wav_can_hold_becomes_rf64() -> None:
    assert choose_container(Path("a.wav"), Container("FLAC", "PCM_24"), 2**31).format == "RF64"
    assert choose_container(Path("a.wav"), Container("FLAC", "PCM_24"), 2**30).format == "WAV"
