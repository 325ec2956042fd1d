"""``denoise --format --subtype --rate``: every container and coding, and what is refused."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio.cli.denoise import main
from nmf_audio.errors import AudioFileError
from nmf_audio.io import containers
from nmf_audio.io.containers import Container
from nmf_audio.io.formats import FORMATS
from nmf_audio.io.open import open_reader
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.io.sndfile_writer import AudioWriter
from nmf_audio.io.tags.flac import put_metadata_blocks, read_metadata_blocks
from nmf_audio.io.tags.id3 import build_tag, put_tag, read_tag
from nmf_audio.io.tags.picture import Picture
from tests.cli.helpers import Run, names
from tests.io.test_flac import CUESHEET, PICTURE
from tests.tiny import SR, noise, write_noise

SIZE_KNOWN = ("seconds", "sr", "n_channels", "format", "subtype", "src_sr", "src_format", "src_subtype")
ALL = [(entry.name, subtype) for entry in FORMATS.values() if not entry.muxer for subtype in entry.subtypes]
# what a coding in blocks adds to the length
BLOCKS = {"IMA_ADPCM": 1024, "MS_ADPCM": 1024, "GSM610": 320, "G721_32": 120, "G723_24": 120, "G723_40": 120}
BLOCKS |= {f"NMS_ADPCM_{bits}": 160 for bits in (16, 24, 32)}


@pytest.mark.parametrize(("name", "subtype"), ALL)
def test_every_format_is_written_and_kept(run: Run, tmp_path: Path, name: str, subtype: str) -> None:
    # codecs for speech keep a tone, and make another noise of noise
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(0.8 * SR) / SR)
    soundfile.write(tmp_path / "a.wav", tone + 0.1 * noise(0.8)[:, 0], SR)
    words = ["--format", name.lower(), "--subtype", subtype.lower(), "--keep-noise", "{stem}.rest{ext}"]
    code, _, err = run("a.wav", *words)
    assert (code, err) == (0, [])
    ext = FORMATS[name].extensions[0]
    assert names(tmp_path) == sorted(["a.wav", f"a.denoised{ext}", f"a.rest{ext}"])
    code, _, err = run(f"a.denoised{ext}", "--keep-noise", f"again.rest{ext}", "-o", f"again{ext}")
    assert (code, err) == (0, [])
    for file in (f"a.denoised{ext}", f"a.rest{ext}", f"again{ext}", f"again.rest{ext}"):
        info = soundfile.info(tmp_path / file)
        assert (info.format, info.subtype) == (FORMATS[name].container, subtype)
        assert (info.samplerate, info.channels) == (SR, 1)
        assert 0 <= info.frames - 0.8 * SR <= 2 * BLOCKS.get(subtype, 0)
    lossy = subtype in ("VORBIS", "OPUS", "MPEG_LAYER_III") or subtype in BLOCKS
    x, y, rest = (
        soundfile.read(tmp_path / f"a{end}")[0] for end in (".wav", f".denoised{ext}", f".rest{ext}")
    )
    error = x - (y + rest)[: len(x)]
    # two companded parts: each is off by up to a thirtieth
    tolerance = 0.1 if lossy else 0.02 if subtype.endswith("LAW") else 2 / 127 if "8" in subtype else 2**-15
    assert np.sqrt(np.mean(error**2)) < tolerance


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_rate_changes_the_output_alone(run: Run, tmp_path: Path, rate: int) -> None:
    sr = 16000
    t = np.arange(2 * sr) / sr
    y = 0.3 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "a.wav", y, sr, subtype="FLOAT")
    words = ["--mix", "0", "--rate", str(rate), "--keep-noise", "rest.wav"]
    code, out, err = run("a.wav", *words, "--json", "r.json")
    assert (code, err) == (0, [])
    assert out[0].endswith(f", now {rate} Hz") is (rate != sr)
    out_y, out_sr = soundfile.read(tmp_path / "a.denoised.wav")
    assert (out_sr, len(out_y)) == (rate, 2 * rate)
    inner = slice(rate // 20, -rate // 20)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    np.testing.assert_allclose(out_y[inner], expected[inner], atol=1e-5)
    rest, rest_sr = soundfile.read(tmp_path / "rest.wav")
    assert (rest_sr, len(rest)) == (rate, 2 * rate)
    np.testing.assert_allclose(rest, 0, atol=1e-5)
    document = json.loads((tmp_path / "r.json").read_text())
    file = document["files"][0]
    assert [file[name] for name in SIZE_KNOWN] == [2, rate, 1, "WAV", "FLOAT", sr, "WAV", "FLOAT"]
    assert document["parameters"]["sr"] == rate


def test_output_and_rest_add_up_at_the_new_rate(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 2, sr=16000, subtype="PCM_24", n_channels=2)
    assert run("a.wav", "--rate", "48000", "--keep-noise", "rest.wav")[0] == 0
    assert run("a.wav", "--rate", "48000", "--mix", "0", "-o", "same.wav")[0] == 0
    y, rest, x = (soundfile.read(tmp_path / name)[0] for name in ("a.denoised.wav", "rest.wav", "same.wav"))
    np.testing.assert_allclose(y + rest, x, atol=2**-22)


def test_the_extension_says_the_format_too(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", subtype="FLOAT")
    assert run("a.wav", "-o", "b.aiff", "--subtype", "PCM_16")[0] == 0
    assert run("a.wav", "-o", "noext", "--format", "caf")[0] == 0
    assert run("a.wav", "-o", "c.wav", "--format", "RF64")[0] == 0
    assert run("a.wav", "-o", "d.ogg", "--format", "OPUS")[0] == 0
    kinds = [soundfile.info(tmp_path / name) for name in ("b.aiff", "noext", "c.wav", "d.ogg")]
    assert [(kind.format, kind.subtype) for kind in kinds] == [
        ("AIFF", "PCM_16"),
        ("CAF", "FLOAT"),
        ("RF64", "FLOAT"),
        ("OGG", "OPUS"),
    ]


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        (["--format", "mp9"], ["--format mp9: must be WAV, WAVEX, RF64,"]),
        (
            ["--format", "flac", "--subtype", "float"],
            ["--subtype float: must be PCM_S8, PCM_16 or PCM_24; FLAC has no"],
        ),
        (
            ["--format", "flac", "-o", "b.wav"],
            ["--format flac: must be WAV, as b.wav is named; leave it out, or"],
        ),
        (["-o", "b.opus", "--subtype", "vorbis"], ["--subtype vorbis: must be OPUS; OPUS has no other"]),
        (
            ["-o", "b.opus", "--rate", "44100"],
            ["--rate 44100: must be 8000, 12000, 16000, 24000 or 48000; OPUS"],
        ),
        (["-o", "b.mp3", "--rate", "96000"], ["--rate 96000: must be 8000, 11025,"]),
        (["--rate", "0"], ["--rate 0: must be a whole number from 4000 to 384000 Hz"]),
        (["--rate", "fast"], ["--rate fast: must be a whole number from"]),
        (["-o", "b", "--subtype", "nonsense"], ["--subtype nonsense: must be PCM_16, PCM_24,"]),
        (
            ["--format", "mp3", "--subtype", "pcm_16", "--rate", "1", "--mix", "2"],
            [
                "--mix 2: ",
                "--subtype pcm_16: must be MPEG_LAYER_III; MP3",
                "--rate 1: must be a whole number",
            ],
        ),
        (
            ["--keep-noise", "n.flac", "--subtype", "float"],
            ["--subtype float: must be PCM_S8, PCM_16 or PCM_24; FLAC has no"],
        ),
    ],
)
def test_pairs_that_are_impossible_are_refused(
    run: Run, tmp_path: Path, words: list[str], faults: list[str]
) -> None:
    write_noise(tmp_path / "a.wav")
    code, out, err = run("a.wav", *words)
    assert (code, out) == (2, [])
    assert len(err) == len(faults), err
    for line, fault in zip(err, faults, strict=True):
        assert line.startswith(f"denoise: {fault}")
    assert names(tmp_path) == ["a.wav"]


def test_many_outputs_have_one_fault(run: Run, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        write_noise(tmp_path / name)
    code, _, err = run("*.wav", "--subtype", "opus")
    assert code == 2
    assert len(err) == 1


@pytest.mark.parametrize(
    ("sr", "output", "expected"),
    [
        (44100, "b.opus", 48000),
        (11025, "b.opus", 12000),
        (44100, "b.webm", 48000),
        (96000, "b.mp3", 48000),
        (192000, "b.m4a", 96000),
    ],
)
def test_a_rate_that_a_coding_does_not_take_becomes_the_next(
    run: Run, tmp_path: Path, sr: int, output: str, expected: int
) -> None:
    write_noise(tmp_path / "a.wav", sr=sr)
    code, out, err = run("a.wav", "-o", output)
    assert (code, err) == (0, [])
    assert out[0].endswith(f" {expected} Hz")
    with open_reader(tmp_path / output) as reader:
        n_samples = sum(block.shape[1] for block in reader.blocks())
    assert reader.sr == expected
    assert n_samples == pytest.approx(soundfile.info(tmp_path / "a.wav").frames * expected / sr, abs=1)


def test_what_only_the_file_shows_costs_that_file(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", sr=48000, n_channels=9)
    write_noise(tmp_path / "b.wav", sr=48000)
    code, out, err = run("a.wav", "b.wav", "--format", "mp3")
    assert code == 1
    assert [line.split(":")[0] for line in out[:-1]] == ["b.wav -> b.denoised.mp3"]
    assert len(err) == 1
    assert err[0].startswith(
        "denoise: a.wav: a.denoised.mp3: MP3 with MPEG_LAYER_III can't hold 9 channels at 48000 Hz"
    )
    assert "give --format as another" in err[0]
    assert names(tmp_path) == ["a.wav", "b.denoised.mp3", "b.wav"]
    # only the file says that its sound is Opus
    write_noise(tmp_path / "c.ogg", sr=48000, name="OGG", subtype="OPUS")
    code, _, err = run("c.ogg", "-o", "d.ogg", "--rate", "44100")
    assert code == 1
    assert "OGG with OPUS takes 8000, 12000, 16000, 24000, 48000 Hz, not 44100; give --rate as one" in err[0]


@pytest.mark.parametrize("rate", [None, "16000"])
def test_a_wav_that_would_be_too_large_becomes_rf64(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: str | None
) -> None:
    write_noise(tmp_path / "a.flac", 2)
    monkeypatch.setattr(containers, "SIZE_LIMIT", 2 * 2 * SR + (0 if rate else -1))
    words = [] if rate is None else ["--rate", rate]
    code, _, err = run("a.flac", "-o", "b.wav", *words)
    assert (code, err) == (0, ["denoise: a.flac: warning: this is more than a WAV can hold; it is now RF64"])
    assert (tmp_path / "b.wav").read_bytes()[:4] == b"RF64"
    info = soundfile.info(tmp_path / "b.wav")
    assert (info.format, info.duration) == ("RF64", 2)
    assert run("a.flac", "-o", "c.wav", "--end", "1.9")[::2] == (0, [])
    assert (tmp_path / "c.wav").read_bytes()[:4] == b"RIFF"


def test_other_containers_that_are_too_small_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_noise(tmp_path / "a.flac", 2)
    monkeypatch.setattr(containers, "SIZE_LIMIT", 2 * SR)
    for words in (["-o", "b.aiff"], ["-o", "b.au"], ["-o", "b.wav", "--subtype", "MS_ADPCM"]):
        code, _, err = run("a.flac", *words)
        assert code == 1
        assert "can't hold more than 4 GB; formats that can are RF64, W64, CAF and FLAC" in err[0]
    assert names(tmp_path) == ["a.flac"]


def test_a_length_that_nobody_knew_is_refused_when_it_is_too_much(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_noise(tmp_path / "a.flac", 3)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    monkeypatch.setattr(containers, "SIZE_LIMIT", 2 * 2 * SR)
    code, _, err = run("a.flac", "-o", "b.wav")
    assert code == 1
    assert "b.wav: WAV with PCM_16 can't hold more than 4 GB" in err[0]
    assert names(tmp_path) == ["a.flac"]
    assert run("a.flac", "-o", "b.wav", "--format", "rf64")[0] == 0


def test_an_rf64_of_more_than_4_gb_is_read(run: Run, tmp_path: Path) -> None:
    # 5 GB that the disk does not hold: what was never written reads as zeros
    n_bytes, n_start = 5 * 2**30, 80
    path = tmp_path / "a.wav"
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack(
        "<IQQQI", 28, n_bytes + n_start - 8, n_bytes, n_bytes // 2, 0
    )
    head += b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, SR, 2 * SR, 2, 16) + b"data\xff\xff\xff\xff"
    assert len(head) == n_start
    with path.open("wb") as file:
        file.write(head)
        file.truncate(n_start + n_bytes)
    with AudioReader(path) as reader:
        assert (reader.n_samples, reader.container, reader.damage) == (
            n_bytes // 2,
            Container("RF64", "PCM_16"),
            None,
        )
    code, _, err = run("a.wav", "--end", "2", "-o", "b.wav")
    assert (code, err) == (0, [])
    assert soundfile.info(tmp_path / "b.wav").frames == 2 * SR
    with path.open("r+b") as file:
        file.truncate(n_start + n_bytes - 10)
    with AudioReader(path) as reader:
        assert reader.damage == f"is truncated: {n_bytes - 10} of {n_bytes} bytes of its samples are there"


def test_a_rate_that_a_container_cannot_say_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(AudioFileError, match="HTK can't state 12000 Hz"),
        AudioWriter(tmp_path / "a.htk", 12000, 1, Container("HTK", "PCM_16")) as writer,
    ):
        writer.write(np.zeros((1, 100), np.float32))


def test_list_formats(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--list-formats"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for entry in FORMATS.values():
        row = re.search(rf"\n  {entry.name} .*(\n {{20,}}.*)*", text)
        assert row is not None
        assert row.group().split() == [entry.name, *entry.extensions, *entry.subtypes]
    rest = text.split("read, and written where the input is one of them")[1].split()
    assert set(rest) | {entry.container for entry in FORMATS.values()} >= set(
        soundfile.available_formats()
    ) - {"RAW"}


def test_an_mp3_keeps_its_tag_to_the_byte(run: Run, tmp_path: Path) -> None:
    cover = b"APIC" + bytes([0, 0, 3, 0, 0, 0]) + b"\0image/jpeg\0\3\0" + bytes(370)
    assert len(cover) == 10 + 384
    tag = build_tag({"title": "Äpfel"})
    tag = (
        tag[:6]
        + bytes([0, 0, (len(tag) - 10 + len(cover)) >> 7, (len(tag) - 10 + len(cover)) & 0x7F])
        + tag[10:]
    )
    write_noise(tmp_path / "a.mp3", 2, sr=16000, subtype="MPEG_LAYER_III")
    put_tag(tmp_path / "a.mp3", tag + cover)
    assert run("a.mp3", "--keep-noise", "rest.mp3")[::2] == (0, [])
    for name in ("a.denoised.mp3", "rest.mp3"):
        assert read_tag(tmp_path / name) == tag + cover
        assert soundfile.info(tmp_path / name).frames == 32000
    # a part has no chapters of the whole: tags and pictures are kept
    assert run("a.mp3", "--end", "1", "-o", "b.mp3")[::2] == (0, [])
    assert read_tag(tmp_path / "b.mp3") == build_tag({"title": "Äpfel"}, [Picture(bytes(370))])
    assert run("a.mp3", "-o", "c.flac")[::2] == (0, [])
    assert run("c.flac", "-o", "d.mp3")[::2] == (0, [])
    assert read_tag(tmp_path / "d.mp3") == build_tag({"title": "Äpfel"}, [Picture(bytes(370))])


def test_a_flac_keeps_pictures_and_all_tags(run: Run, tmp_path: Path) -> None:
    words = [b"TITLE=\xc3\x84pfel", b"MOOD=calm"]
    tags = (4, b"\0\0\0\0\x02\0\0\0" + b"".join(len(word).to_bytes(4, "little") + word for word in words))
    write_noise(tmp_path / "a.flac", 2)
    put_metadata_blocks(tmp_path / "a.flac", [tags, PICTURE, CUESHEET])
    assert run("a.flac", "--keep-noise", "rest.flac")[::2] == (0, [])
    for name in ("a.denoised.flac", "rest.flac"):
        assert read_metadata_blocks(tmp_path / name) == [tags, PICTURE, CUESHEET]
        assert soundfile.info(tmp_path / name).frames == 2 * SR
    code, _, err = run("a.flac", "--end", "1", "--subtype", "pcm_24", "-o", "b.flac")
    assert code == 0
    assert err == [
        "denoise: a.flac: warning: left out, since it is for a whole FLAC of the same rate: a cue sheet"
    ]
    assert read_metadata_blocks(tmp_path / "b.flac") == [tags, PICTURE]
