"""What is beside the sound: it stays in another file of its kind, goes over into others, or is named."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import Report, denoise_file
from nmf_audio.io.format_chunk import FormatChunk, put_format, read_format
from nmf_audio.io.open import open_reader, open_stream
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.io.speakers import DEFAULT_MASKS
from nmf_audio.io.tags import flac, id3
from nmf_audio.io.tags.chunks import append_chunks, read_chunks
from nmf_audio.io.tags.comments import build_comments, parse_comments, state_mask
from nmf_audio.io.tags.ogg import put_ogg_comments, read_ogg_comments
from nmf_audio.io.tags.picture import Picture, pack_picture
from tests.tiny import SR, tiny_dictionary, write_noise

TINY = tiny_dictionary()
COVER = Picture(b"\x89PNG" + bytes(range(256)) * 300, 3, "Ümschlag")
OPUS_SR = 16000


def run(src: Path, dst: Path | io.BytesIO, **options: object) -> Report:
    return denoise_file(src, dst, dictionary=TINY, method="classic", mix=0, **options)  # type: ignore[arg-type]


def tones(n_channels: int, sr: int = OPUS_SR) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return half a second of low tones (n, n_channels), each louder than the one before."""
    t = np.arange(sr // 2) / sr
    return np.stack([0.1 * (c + 1) * np.sin(2 * np.pi * 60 * t) for c in range(n_channels)], axis=1)


def write_wavex(path: Path, mask: int, n_channels: int, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, tones(n_channels), OPUS_SR, format="WAVEX", subtype=subtype)
    put_format(path, FormatChunk(mask))
    return path


def mask_of(path: Path) -> int | None:
    with open_reader(path) as reader:
        return reader.channel_mask


LAYOUTS = [
    (6, 0x60F),
    (6, 0x3F),
    (8, 0x63F),
    (8, 0xFF),
    (4, 0x33),
    (4, 0x107),
    (3, 0x103),
    (7, 0x70F),
    (5, 0x607),
]


@pytest.mark.parametrize(
    ("n_channels", "mask"),
    [(6, 0x60F), (6, 0x3F), (8, 0xFF), (4, 0x107), (2, 0x600), (1, 0x1), (6, 0), (2, 0x3F)],
)
def test_loudspeakers_stay(tmp_path: Path, n_channels: int, mask: int) -> None:
    src = write_wavex(tmp_path / "a.wav", mask, n_channels)
    for name in ("b.wav", "b.rf64", "b.flac", "b.aiff", "b.caf"):
        report = run(src, tmp_path / name)
        assert report.warnings == ()
        assert mask_of(tmp_path / name) == mask
        back = run(tmp_path / name, tmp_path / f"{name}.wav")
        assert (back.format, back.warnings) == ("RF64" if name == "b.rf64" else "WAVEX", ())
        assert read_format(back.dst).channel_mask == mask
        np.testing.assert_array_equal(soundfile.read(back.dst)[0], soundfile.read(src)[0])
    out = io.BytesIO()
    run(src, out)
    out.seek(0)
    with open_stream(out) as reader:
        assert reader.channel_mask == mask
    report = run(src, tmp_path / "b.w64")
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("left out, since W64 does not keep it here: loudspeakers ")


def test_mono_and_stereo_need_no_other_head(tmp_path: Path) -> None:
    for n_channels in (1, 2):
        src = write_noise(tmp_path / "a.flac", n_channels=n_channels)
        assert mask_of(src) == DEFAULT_MASKS[n_channels]
        report = run(src, tmp_path / f"{n_channels}.wav")
        assert (report.format, report.warnings) == ("WAV", ())
    # six channels of a plain WAV may be anything
    soundfile.write(tmp_path / "six.wav", tones(6), OPUS_SR)
    assert run(tmp_path / "six.wav", tmp_path / "seven.wav").format == "WAV"


@pytest.mark.parametrize("n_channels", [3, 5, 6, 7, 8])
@pytest.mark.parametrize("ext", ["ogg", "opus"])
def test_each_channel_is_where_ogg_has_its_loudspeaker(tmp_path: Path, n_channels: int, ext: str) -> None:
    src = write_wavex(tmp_path / "a.wav", DEFAULT_MASKS[n_channels], n_channels)
    there = run(src, tmp_path / f"a.{ext}")
    back = run(there.dst, tmp_path / "b.wav")
    assert there.warnings == back.warnings == ()
    assert read_format(back.dst).channel_mask == DEFAULT_MASKS[n_channels]
    levels = np.sqrt(2) * np.std(soundfile.read(back.dst)[0], axis=0)
    np.testing.assert_allclose(levels, 0.1 * np.arange(1, n_channels + 1), rtol=0.25)
    # in the file: left, centre, right, ... and the one for low frequencies, if there is one, at the end
    raw = np.sqrt(2) * np.std(soundfile.read(there.dst)[0], axis=0)
    np.testing.assert_allclose(raw[:3], [0.1, 0.3, 0.2], rtol=0.1)
    if n_channels > 5:
        assert raw[-1] == pytest.approx(0.4, rel=0.25)
    side = write_wavex(tmp_path / "side.wav", 0x60F, 6)
    assert run(side, tmp_path / f"side.{ext}").warnings == (
        "left out, since OGG does not keep it here: loudspeakers FL+FR+FC+LFE+SL+SR",
    )


@pytest.mark.parametrize(
    ("subtype", "format", "valid_bits"),
    [
        *[("PCM_24", "WAVEX", 20), ("PCM_32", "WAVEX", 24), ("PCM_32", "WAVEX", 12), ("PCM_16", "RF64", 12)],
        *[("PCM_24", "WAV", 20), ("PCM_16", "WAV", 14), ("PCM_24", "RIFX", 18)],
    ],
)
def test_valid_bits_stay(tmp_path: Path, subtype: str, format: str, valid_bits: int) -> None:
    src = tmp_path / "a.wav"
    y = np.random.default_rng(0).uniform(-0.5, 0.5, (SR, 2))
    rifx = format == "RIFX"
    soundfile.write(
        src, y, SR, format="WAV" if rifx else format, subtype=subtype, endian="BIG" if rifx else None
    )
    put_format(src, FormatChunk(None, valid_bits))
    assert read_format(src).valid_bits == valid_bits
    report = run(src, tmp_path / "b.wav", reduction_db=6)
    assert read_format(report.dst).valid_bits == valid_bits
    unused = int(subtype[4:]) - valid_bits
    stored = soundfile.read(report.dst, dtype="int32")[0] >> (32 - int(subtype[4:]))
    assert not np.any(stored & (2**unused - 1))
    assert np.any(stored & 2**unused)
    out = io.BytesIO()
    run(src, out)
    if format in ("WAVEX", "RF64"):
        (tmp_path / "c.wav").write_bytes(out.getvalue())
        assert read_format(tmp_path / "c.wav").valid_bits == valid_bits
    # of another coding the bits are others
    assert read_format(run(src, tmp_path / "d.wav", subtype="FLOAT").dst).valid_bits is None


INFO = b"INFO" + b"".join(
    struct.pack("<4sI", name, len(text)) + text + bytes(len(text) % 2)
    for name, text in [(b"INAM", b"M\xfcller\0"), (b"IENG", b"K\xf6nig\0"), (b"ISFT", b"Recorder 3\0")]
)


def test_texts_in_a_code_page_stay_as_they_are(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav")
    append_chunks(src, [(b"LIST", INFO)])
    for name, options in (("b.wav", {}), ("c.wav", {"end": 1.0}), ("d.rf64", {"sr": 8000})):
        report = run(src, tmp_path / name, **options)
        assert report.warnings == ()
        assert read_chunks(report.dst) == [(b"LIST", INFO)]
        with AudioReader(report.dst) as reader:
            assert reader.tags["title"] == "Müller"
    report = run(src, tmp_path / "e.flac")
    assert report.warnings == ("left out, since FLAC does not keep it here: IENG",)
    with AudioReader(report.dst) as reader:
        assert reader.tags["title"] == "Müller"
    # through pipes
    out = io.BytesIO()
    run(src, out)
    out.seek(0)
    report = denoise_file(out, tmp_path / "f.wav", dictionary=TINY, method="classic")
    assert read_chunks(report.dst) == [(b"LIST", INFO)]


def test_texts_of_an_aiff_stay_as_they_are(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.aiff")
    tag = id3.build_tag({"title": "Talk"}, [COVER])
    chunks = [(b"NAME", b"M\xfcller"), (b"ANNO", b"one"), (b"ANNO", b"two"), (b"ID3 ", tag)]
    append_chunks(src, chunks)
    report = run(src, tmp_path / "b.aiff")
    assert (report.warnings, read_chunks(report.dst)) == ((), chunks)
    report = run(src, tmp_path / "b.flac")
    with AudioReader(report.dst) as reader:
        assert (reader.tags["title"], reader.pictures) == ("Müller", [COVER])


@pytest.mark.parametrize(
    ("name", "fits"), [("a.wav", True), ("a.aiff", True), ("a.caf", True), ("a.w64", False)]
)
def test_chunks_that_nobody_knows_stay(tmp_path: Path, name: str, fits: bool) -> None:
    src = write_noise(tmp_path / name)
    if not fits:
        assert read_chunks(src) == []
        return
    append_chunks(src, [(b"odd ", b"odd")])
    report = run(src, tmp_path / f"b{src.suffix}")
    assert (report.warnings, read_chunks(report.dst)) == ((), [(b"odd ", b"odd")])
    assert soundfile.info(report.dst).frames == soundfile.info(src).frames
    report = run(src, tmp_path / "b.flac")
    assert report.warnings == (
        f"left out, since it is for a whole {report.src_format} of the same rate: odd",
    )


def write_with_cover(path: Path) -> Path:
    """Write a recording with a title, a cover, and a tag that libsndfile does not know."""
    subtype = {".mp3": "MPEG_LAYER_III", ".ogg": "VORBIS", ".opus": "OPUS"}.get(path.suffix, "PCM_16")
    soundfile.write(
        path, 0.1 * tones(1), OPUS_SR, subtype=subtype, format="OGG" if subtype == "OPUS" else None
    )
    comments = [b"TITLE=\xc3\x84pfel", b"ALBUMARTIST=Somebody", b"REPLAYGAIN_TRACK_GAIN=-3 dB"]
    if path.suffix == ".mp3":
        id3.put_tag(path, id3.build_tag({"title": "Äpfel", "albumartist": "Somebody"}, [COVER]))
    elif path.suffix == ".flac":
        blocks = [(flac.COMMENT, build_comments(comments)), (flac.PICTURE, pack_picture(COVER))]
        flac.put_metadata_blocks(path, blocks)
    else:
        from nmf_audio.io.tags.comments import state_picture

        put_ogg_comments(path, [*comments, state_picture(COVER)])
    return path


SUFFIXES = (".mp3", ".flac", ".ogg", ".opus")


@pytest.mark.parametrize(("source", "target"), [*itertools.product(SUFFIXES, SUFFIXES)])
def test_covers_and_tags_go_over(tmp_path: Path, source: str, target: str) -> None:
    src = write_with_cover(tmp_path / f"a{source}")
    report = run(src, tmp_path / f"b{target}")
    with AudioReader(report.dst) as reader:
        assert reader.pictures == [COVER]
        assert reader.tags["title"] == "Äpfel"
        assert reader.tags["albumartist"] == "Somebody"
        assert "replaygain_track_gain" not in reader.tags
        assert len(report.warnings) == ((source, target) == (".ogg", ".opus"))
    assert soundfile.info(report.dst).frames == OPUS_SR // 2


TAGS = {
    **{"title": "Lied", "albumartist": "Chor", "composer": "Bach", "discnumber": "1/2", "tracknumber": "3"},
    **{"comment": "am Abend", "lyrics": "la la"},
}


@pytest.mark.parametrize("way", [".flac", ".ogg", ".m4a", ".mkv"])
def test_tags_of_an_mp3_go_over_and_come_back(tmp_path: Path, way: str) -> None:
    src = tmp_path / "a.mp3"
    soundfile.write(src, 0.1 * tones(1), OPUS_SR, subtype="MPEG_LAYER_III")
    id3.put_tag(src, id3.build_tag(TAGS))
    there = run(src, tmp_path / f"b{way}")
    back = run(there.dst, tmp_path / "c.mp3")
    assert there.warnings == back.warnings == ()
    assert TAGS.items() <= id3.read_texts(id3.read_tag(tmp_path / "c.mp3")).items()
    with open_reader(there.dst) as reader:
        assert TAGS.items() <= reader.tags.items()
    named = run(there.dst, tmp_path / "d.aiff").warnings
    assert len(named) == 1
    assert all(
        name in named[0] for name in ("albumartist", "composer", "discnumber", "tracknumber", "lyrics")
    )


@pytest.mark.parametrize(
    ("version", "content", "texts", "others"),
    [
        (
            2,
            [(b"TP2", b"\0Chor"), (b"TPA", b"\x001"), (b"WAR", b"http")],
            {"albumartist": "Chor", "discnumber": "1"},
            ["links"],
        ),
        (
            3,
            [(b"TPE2", b"\x01" + "Chör".encode("utf-16")), (b"PRIV", b"x")],
            {"albumartist": "Chör"},
            ["data of a program"],
        ),
        (
            3,
            [(b"COMM", b"\0engiTunNORM\0 00"), (b"COMM", b"\0eng\0of it"), (b"RVAD", b"x")],
            {"comment": "of it"},
            [],
        ),
        (
            4,
            [(b"TCOM", b"\x03Bach\0Sohn"), (b"TXXX", b"\x03Mine\0too"), (b"XYZA", b"x")],
            {"composer": "Bach; Sohn", "mine": "too"},
            ["what ID3 calls XYZA"],
        ),
        (
            4,
            [(b"TCOM", b"\x07?"), (b"TXXX", b""), (b"USLT", b"\x03e"), (b"TIT2", b"\x01\xff")],
            {"title": "\ufffd"},
            [],
        ),
    ],
)
def test_texts_in_tags_of_all_versions(
    version: int, content: list[tuple[bytes, bytes]], texts: dict[str, str], others: list[str]
) -> None:
    body = b"".join(frame(name, text, version) for name, text in content)
    tag = b"ID3" + bytes([version, 0, 0, 0, 0, len(body) >> 7, len(body) & 0x7F]) + body
    assert (id3.read_texts(tag), id3.list_others(tag)) == (texts, others)


@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", [".wav", ".aiff", ".caf", ".au", ".w64"])
def test_covers_that_go_nowhere_are_named(tmp_path: Path, source: str, target: str) -> None:
    report = run(write_with_cover(tmp_path / f"a{source}"), tmp_path / f"b{target}")
    assert any("does not keep it here" in warning and "a picture" in warning for warning in report.warnings)
    assert any("albumartist" in warning.lower() for warning in report.warnings)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("n_bytes", [0, 200, 255 * 255 - 100, 255 * 255, 500_000])
def test_comments_of_any_length_fit_into_an_ogg(tmp_path: Path, subtype: str, n_bytes: int) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, tones(2), OPUS_SR, format="OGG", subtype=subtype)
    before = soundfile.read(path)[0]
    av = pytest.importorskip("av")
    with av.open(str(path)) as file:
        n_decoded = sum(frame.samples for frame in file.decode(audio=0))
    for times in (1, 2):
        comments = [b"TITLE=Talk", b"LONG=" + bytes([64 + times]) * n_bytes]
        put_ogg_comments(path, comments)
        assert read_ogg_comments(path) == comments
        np.testing.assert_array_equal(soundfile.read(path)[0], before)
    with av.open(str(path)) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) == n_decoded
        assert "Talk" in {**file.metadata, **file.streams[0].metadata}.values()
    put_ogg_comments(path, [b"TITLE=short"])
    np.testing.assert_array_equal(soundfile.read(path)[0], before)


@pytest.mark.parametrize("content", [b"", b"OggS", b"RIFF" + bytes(60), b"OggS" + bytes(200)])
def test_what_is_no_ogg_has_no_comments(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert read_ogg_comments(tmp_path / "a") == []
    with pytest.raises(ValueError, match="no Ogg"):
        put_ogg_comments(tmp_path / "a", [])


def frame(name: bytes, body: bytes, version: int) -> bytes:
    if version == 2:
        return name + len(body).to_bytes(3, "big") + body
    return name + len(body).to_bytes(4, "big") + bytes(2) + body


@pytest.mark.parametrize(
    ("version", "name", "head"),
    [
        (2, b"PIC", b"\0PNG\x03of it\0"),
        (3, b"APIC", b"\0image/png\0\x03of it\0"),
        (3, b"APIC", b"\x01image/png\0\x03" + "of it".encode("utf-16") + b"\0\0"),
        (4, b"APIC", b"\x02image/png\0\x03" + "of it".encode("utf-16-be") + b"\0\0"),
        (4, b"APIC", b"\x03image/png\0\x03of it\0"),
    ],
)
def test_pictures_in_tags_of_all_versions(version: int, name: bytes, head: bytes) -> None:
    data = b"\x89PNG" + bytes(50)
    lyrics = frame(b"ULT" if version == 2 else b"USLT", b"\0eng\0la la", version)
    body = frame(name, head + data, version) + lyrics + bytes(30)
    tag = b"ID3" + bytes([version, 0, 0, 0, 0, len(body) >> 7, len(body) & 0x7F]) + body
    assert id3.find_pictures(tag) == [Picture(data, 3, "of it")]
    assert id3.read_texts(tag) == {"lyrics": "la la"}
    assert id3.list_others(tag) == []


def test_loudspeakers_of_a_flac_are_those_of_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tones(6), OPUS_SR)
    # FLAC's own decoder has the surround at the side if nothing else is said
    assert mask_of(path) == 0x60F
    flac.put_comment(path, state_mask(0x3F))
    assert mask_of(path) == 0x3F
    report = run(path, tmp_path / "b.flac")
    bodies = [body for kind, body in flac.read_metadata_blocks(report.dst) if kind == flac.COMMENT]
    assert parse_comments(bodies[0]) == [state_mask(0x3F)]
