"""The command ``denoise``: the options that say what is heard, how, and what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import AudioFileError, denoise_file
from nmf_audio.cli.denoise import main
from nmf_audio.defaults import PRESETS
from tests.cli.helpers import Run, names
from tests.tiny import SR, noise, write_noise


def test_noise_reaches_the_denoiser(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 2)
    write_noise(tmp_path / "room.flac", 1, sr=16000, n_channels=2)
    adaptive = ["a.wav", "--method", "adaptive", "-o"]
    assert run(*adaptive, "plain.wav")[0] == 0
    assert run(*adaptive, "room.wav", "--noise", "room.flac")[0] == 0
    assert run(*adaptive, "from.wav", "--noise-from", "0-1.5")[0] == 0
    assert run(*adaptive, "same.wav", "--noise-from", "0-0:01.5")[0] == 0
    outputs = [(tmp_path / f"{name}.wav").read_bytes() for name in ("plain", "room", "from", "same")]
    assert len(set(outputs)) == 3
    assert outputs[2] == outputs[3]


def test_faults_of_the_noise_come_with_the_others(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    write_noise(tmp_path / "room.wav")
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "silent.wav", np.zeros(SR), SR)
    soundfile.write(tmp_path / "dither.wav", np.tile([0, 1, 0, -1], SR).astype(np.int16), SR)
    for words, faults in [
        (["--noise", "none.wav"], ["--noise none.wav: can't be read: No such file or directory"]),
        (["--noise", "text.wav", "--mix", "2"], ["--mix 2: ", "--noise text.wav: holds no audio"]),
        (
            ["--noise", "room.wav", "--noise-from", "0-1"],
            ["--noise room.wav and --noise-from 0-1 do not go together"],
        ),
        (["--noise", "silent.wav"], ["--noise silent.wav: is silent; give a recording of the noise alone"]),
        (["--noise", "dither.wav"], ["--noise dither.wav: is silent; give a recording of the noise alone"]),
        (["--noise-from", "1:30"], ["--noise-from 1:30: must be START-END, each in seconds, m:s or h:m:s"]),
        (["--noise-from", "2-1"], ["--noise-from 2-1: must be a start and an end"]),
        (["--noise-from", "soon"], ["--noise-from soon: must be START-END"]),
        (["--noise-from", "1-x"], ["--noise-from x: must be a time in seconds"]),
        (["-o", "room.wav", "-f", "--noise", "room.wav"], ["room.wav: is the input room.wav itself"]),
    ]:
        code, out, err = run("a.wav", *words)
        assert (code, out) == (2, [])
        assert len(err) == len(faults), err
        for line, fault in zip(err, faults, strict=True):
            assert line.startswith(f"denoise: {fault}")
    assert names(tmp_path) == ["a.wav", "dither.wav", "room.wav", "silent.wav", "text.wav"]
    code, _, err = run("a.wav", "--noise-from", "3-4")
    assert (code, err) == (1, ["denoise: a.wav: has no noise from 3 s on; it ends at 1 s"])


def test_a_silence_teaches_nothing_and_is_reported(run: Run, tmp_path: Path) -> None:
    y = noise(2)
    y[:SR] = 0
    soundfile.write(tmp_path / "a.wav", y, SR)
    soundfile.write(tmp_path / "silent.wav", np.zeros(SR), SR)
    assert run("a.wav", "--noise-from", "0-1")[::2] == (
        0,
        ["denoise: a.wav: warning: from 0 s to 1 s there is silence, no noise to learn from"],
    )
    assert run("a.wav", "--noise-from", "0-1.5", "-f")[::2] == (0, [])
    with pytest.raises(AudioFileError, match=r"silent\.wav: is silent; give a recording of the noise alone"):
        denoise_file(tmp_path / "a.wav", tmp_path / "b.wav", noise=tmp_path / "silent.wav")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_input_is_output_plus_noise_in_integers(
    run: Run, tmp_path: Path, subtype: str, n_channels: int
) -> None:
    write_noise(tmp_path / "a.wav", 2.5, subtype=subtype, n_channels=n_channels)
    assert run("a.wav", "--keep-noise", "rest.wav")[0] == 0
    x, y, removed = (
        soundfile.read(tmp_path / name, dtype="int32")[0].astype(np.int64)
        for name in ("a.wav", "a.denoised.wav", "rest.wav")
    )
    np.testing.assert_array_equal(x, y + removed)
    assert np.std(removed) > np.std(y)


@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", "float32"), ("DOUBLE", "float64")])
def test_input_is_output_plus_noise_in_floats(run: Run, tmp_path: Path, subtype: str, dtype: str) -> None:
    write_noise(tmp_path / "a.wav", 2.5, subtype=subtype)
    assert run("a.wav", "--keep-noise", "rest.wav")[0] == 0
    x, y, removed = (
        soundfile.read(tmp_path / name, dtype=dtype)[0] for name in ("a.wav", "a.denoised.wav", "rest.wav")
    )
    largest = np.maximum(np.abs(x), np.maximum(np.abs(y), np.abs(removed)))
    assert (np.abs(y + removed - x) <= np.spacing(largest)).all()


def test_noise_that_is_clipped_is_said(run: Run, tmp_path: Path) -> None:
    y = 0.999 * np.sign(np.random.default_rng(0).standard_normal(SR))
    soundfile.write(tmp_path / "a.wav", y, SR)
    code, _, err = run("a.wav", "--keep-noise", "rest.wav")
    x, out, removed = (
        soundfile.read(tmp_path / name, dtype="int16")[0].astype(int)
        for name in ("a.wav", "a.denoised.wav", "rest.wav")
    )
    n_clipped = np.count_nonzero(x - out != removed)
    assert n_clipped > 0
    assert code == 0
    assert err == [
        f"denoise: a.wav: warning: rest.wav: {n_clipped} samples clipped; there the two do not add up"
    ]


def test_noise_of_many_goes_beside_the_outputs(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    write_noise(tmp_path / "b.flac")
    assert run("a.wav", "b.flac", "--output-dir", "out", "--keep-noise", "{stem}.noise{ext}")[0] == 0
    assert names(tmp_path / "out") == ["a.denoised.wav", "a.noise.wav", "b.denoised.flac", "b.noise.flac"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["a.wav", "b.wav", "--keep-noise", "n.wav"], "--keep-noise n.wav names one file for 2 inputs"),
        (["a.wav", "--keep-noise", "a.wav", "-f"], "a.wav: is the input a.wav itself"),
        (["a.wav", "--keep-noise", "b.wav"], "b.wav: exists; give --force"),
        (["a.wav", "-o", "c.wav", "--keep-noise", "c.wav"], "two parts of a.wav have the same output c.wav"),
        (["a.wav", "--keep-noise", "none/n.wav"], "none/n.wav: there is no folder none"),
        (["a.wav", "--channels", "both"], "--channels both: must be linked or independent"),
        (
            ["a.wav", "--start", "2", "--end", "0:01"],
            "--start 2 and --end 1 do not go together; the end must",
        ),
        (["a.wav", "--start", "-1"], "--start -1: must be a time in seconds, m:s or h:m:s"),
        (["a.wav", "--preset", "podcast", "--mix", "2"], "--mix 2: must be a number from 0 to 1"),
        (
            ["a.wav", "--preset", "podcast", "--strength", "light"],
            "--preset and --strength do not go together; give one of them",
        ),
    ],
)
def test_faults_of_options(run: Run, tmp_path: Path, words: list[str], fault: str) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name)
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert [line.startswith(f"denoise: {fault}") for line in err] == [True], err
    assert names(tmp_path) == ["a.wav", "b.wav"]


def test_independent_channels_are_mono_files_side_by_side(run: Run, tmp_path: Path) -> None:
    y = noise(2, 2)
    y[SR:, 1] *= 5
    for name, part in [("both", y), ("left", y[:, :1]), ("right", y[:, 1:])]:
        soundfile.write(tmp_path / f"{name}.wav", part, SR, subtype="FLOAT")
    assert run("left.wav", "right.wav", "both.wav", "--channels", "independent")[0] == 0
    left, right, both = (
        soundfile.read(tmp_path / f"{name}.denoised.wav")[0] for name in ("left", "right", "both")
    )
    np.testing.assert_allclose(both, np.stack([left, right], axis=1), atol=1e-7)
    assert run("both.wav", "-o", "linked.wav")[0] == 0
    assert not np.allclose(soundfile.read(tmp_path / "linked.wav")[0], both, atol=1e-3)


def test_a_part_comes_out_as_if_it_were_all(run: Run, tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 4)
    part = soundfile.read(src, dtype="int16")[0][SR + SR // 2 : 3 * SR]
    soundfile.write(tmp_path / "part.wav", part, SR)
    assert run("part.wav", "-o", "expected.wav")[0] == 0
    code, out, _ = run("a.wav", "--start", "1.5", "--end", "0:03")
    assert code == 0
    assert "1.5 s in" in out[0]
    assert (tmp_path / "a.denoised.wav").read_bytes() == (tmp_path / "expected.wav").read_bytes()
    assert run("a.wav", "-f", "--end", "99")[0] == 0
    assert soundfile.info(tmp_path / "a.denoised.wav").frames == 4 * SR
    code, _, err = run("a.wav", "-f", "--start", "5")
    assert (code, err) == (1, ["denoise: a.wav: ends at 4 s, before the start at 5 s"])


def test_a_part_before_the_damage_is_whole(run: Run, tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 4)
    src.write_bytes(src.read_bytes()[: 2 * 3 * SR])
    assert run("a.wav", "--end", "2")[::2] == (0, [])
    assert run("a.wav", "-f", "--end", "3.5")[0] == 1


def test_presets_are_those_of_the_functions(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--show-preset"])
    assert caught.value.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == set(PRESETS) == {"speech", "podcast", "call", "field"}
    write_noise(tmp_path / "a.wav")
    for name, words in lines.items():
        assert run("a.wav", "-o", f"{name}.wav", "--preset", name)[0] == 0
        assert run("a.wav", "-o", f"{name}-said.wav", *words)[0] == 0
        assert (tmp_path / f"{name}.wav").read_bytes() == (tmp_path / f"{name}-said.wav").read_bytes()
    assert run("a.wav", "-o", "default.wav")[0] == 0
    assert (tmp_path / "default.wav").read_bytes() == (tmp_path / "speech.wav").read_bytes()
    assert run("a.wav", "-o", "dry.wav", "--preset", "call", "--mix", "0")[0] == 0
    assert (tmp_path / "dry.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_strengths_are_reductions(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    for name, reduction in (("light", "12"), ("normal", "40"), ("strong", "60")):
        assert run("a.wav", "-o", f"{name}.wav", "--strength", name)[0] == 0
        assert run("a.wav", "-o", f"{name}-said.wav", "--reduction", reduction)[0] == 0
        assert (tmp_path / f"{name}.wav").read_bytes() == (tmp_path / f"{name}-said.wav").read_bytes()
    assert run("a.wav", "-o", "default.wav")[0] == 0
    assert (tmp_path / "default.wav").read_bytes() == (tmp_path / "normal.wav").read_bytes()
    assert run("a.wav", "-o", "both.wav", "--strength", "light", "--reduction", "60")[0] == 0
    assert (tmp_path / "both.wav").read_bytes() == (tmp_path / "strong.wav").read_bytes()
