"""The command ``denoise``: what it writes, what it says, how it ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import __version__
from nmf_audio.cli import main as cli_main
from nmf_audio.cli.denoise import main
from nmf_audio.jobs.denoise_file import denoise_file
from tests.cli.helpers import COMMAND, Run, names, shown_on_terminal
from tests.tiny import SR, noise, room_for, truncate, write_noise


def test_one_line_a_file_says_what_became_of_it(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "noisy.wav", 2)
    code, out, err = run("noisy.wav")
    assert (code, err) == (0, [])
    assert len(out) == 1
    assert re.fullmatch(
        r"noisy\.wav -> noisy\.denoised\.wav: 2\.0 s in \d+\.\d\d s, "
        r"[\d.]+ times (faster|slower) than real time",
        out[0],
    )
    assert names(tmp_path) == ["noisy.denoised.wav", "noisy.wav"]


def test_the_line_says_how_far_the_noise_went_down(
    clean_speech: npt.NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    y = np.concatenate([clean_speech, np.zeros(32000, np.float32)])
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(y))
    soundfile.write(tmp_path / "noisy.wav", y + noise, 16000)
    assert main([str(tmp_path / "noisy.wav")]) == 0
    removed = re.search(r", (\d+\.\d) dB removed in pauses$", capsys.readouterr().out.rstrip())
    assert removed is not None
    before, after = (
        soundfile.read(tmp_path / name)[0][-16000:-2000] for name in ("noisy.wav", "noisy.denoised.wav")
    )
    assert float(removed[1]) == pytest.approx(20 * np.log10(before.std() / after.std()), abs=5)


def test_several_files_go_beside_their_inputs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write_noise(tmp_path / "a.wav")
    write_noise(tmp_path / "sub" / "b.flac")
    code, out, _ = run("a.wav", "sub/b.flac")
    assert code == 0
    assert [line.split(":")[0] for line in out[:-1]] == [
        "a.wav -> a.denoised.wav",
        "sub/b.flac -> sub/b.denoised.flac",
    ]
    assert soundfile.info(tmp_path / "sub" / "b.denoised.flac").format == "FLAC"


def test_output_and_output_folder(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    assert run("a.wav", "-o", "clean.flac")[0] == 0
    assert soundfile.info(tmp_path / "clean.flac").format == "FLAC"
    assert run("a.wav", "--output-dir", "new/deep")[0] == 0
    assert names(tmp_path / "new" / "deep") == ["a.denoised.wav"]


def test_quiet_and_verbose(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    assert run("a.wav", "-q") == (0, [], [])
    code, out, err = run("a.wav", "-v", "-f")
    assert (code, err) == (0, [])
    assert out[1] == f"  {SR} Hz, 1 channel, WAV PCM_16; method classic, dictionary tiny"


def test_mix_and_reduction_reach_the_denoiser(run: Run, tmp_path: Path) -> None:
    src = write_noise(tmp_path / "a.wav", 3)
    levels = []
    for reduction in ("0", "6", "60"):
        assert run("a.wav", "-o", f"{reduction}.wav", "--reduction", reduction)[0] == 0
        levels.append(np.std(soundfile.read(tmp_path / f"{reduction}.wav")[0]))
    assert levels[0] > 1.5 * levels[1] > 1.5 * levels[2]
    assert run("a.wav", "-o", "dry.wav", "--mix", "0")[0] == 0
    np.testing.assert_array_equal(
        soundfile.read(src, dtype="int16")[0], soundfile.read(tmp_path / "dry.wav", dtype="int16")[0]
    )


def test_all_faults_of_names_and_options_come_at_once(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(b"no audio, but that shows later")
    (tmp_path / "b.denoised.wav").write_bytes(b"precious")
    os.utime(tmp_path / "b.denoised.wav", (0, 0))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = names(tmp_path)
    code, out, err = run(
        *("a.wav", "none.wav", "b.wav", "folder", "pipe", "--mix", "2", "--reduction", "loud")
    )
    assert (code, out) == (2, [])
    assert err == [
        "denoise: none.wav: No such file or directory",
        "denoise: folder: is a folder; give -r for the recordings in it",
        "denoise: pipe: is not a regular file; copy its content to one first",
        "denoise: b.denoised.wav: is older than b.wav; give --force to replace it, or --skip-existing",
        "denoise: --reduction loud: must be a number from 0 to 100",
        "denoise: --mix 2: must be a number from 0 to 1",
    ]
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["a.wav", "b.wav", "-o", "c.wav"], "-o c.wav names one file for 2 inputs"),
        (["a.wav", "-o", "c.wav", "--output-dir", "d"], "-o and --output-dir do not go together"),
        (["a.wav", "-o", "none/c.wav"], "none/c.wav: there is no folder none"),
        (["a.wav", "-o", "sub"], "sub: is a folder"),
        (["a.wav", "-o", "a.wav", "-f"], "a.wav: is the input a.wav itself"),
        (["a.wav", "-o", "symbolic.wav", "-f"], "symbolic.wav: is the input a.wav itself"),
        (["a.wav", "-o", "hard.wav", "-f"], "hard.wav: is the input a.wav itself"),
        (["a.wav", "b.wav", "-f", "--name", "{stem}.wav"], "b.wav: is the input b.wav itself"),
        (["a.wav", "sub/a.wav", "--output-dir", "d"], "a.wav and sub/a.wav have the same output"),
        (["a.wav", "--output-dir", "b.wav"], "--output-dir b.wav: "),
        (["a.wav", "--output-dir", "b.wav/deep"], "--output-dir b.wav/deep: "),
        (["a.wav", "-o", "null", "-f"], "null: is not a regular file"),
        (["a.wav", "--method", "best"], "--method best: must be trained, "),
        (["a.wav", "--dictionary", "nonsense"], "dictionary 'nonsense' is neither a file nor one of"),
        (["a.wav", "--dictionary", "b.wav"], "b.wav"),
        (["a.wav", "--mix", "nan"], "--mix nan: must be a number from 0 to 1"),
    ],
)
def test_faults_of_names_and_options(run: Run, tmp_path: Path, words: list[str], fault: str) -> None:
    src = write_noise(tmp_path / "a.wav")
    (tmp_path / "sub").mkdir()
    for copy in ("b.wav", "sub/a.wav", "a.denoised.wav"):
        write_noise(tmp_path / copy)
    (tmp_path / "symbolic.wav").symlink_to("a.wav")
    (tmp_path / "hard.wav").hardlink_to(src)
    (tmp_path / "null").symlink_to("/dev/null")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert any(line.startswith(f"denoise: {fault}") for line in err), err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_folder_that_cannot_be_written_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_noise(tmp_path / "a.wav")
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, _, err = run("a.wav")
    assert code == 2
    assert err == ["denoise: a.denoised.wav: can't be written: no permission to write to the folder ."]
    code, _, err = run("a.wav", "--output-dir", "new")
    assert code == 2
    assert err == [f"denoise: --output-dir new: no permission to write to {tmp_path}"]


def test_faults_of_content_cost_their_file_only(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "1.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("this is no music\n" * 100)
    bad = noise(2)
    bad[SR] = np.nan
    soundfile.write(tmp_path / "nan.wav", bad, SR, subtype="FLOAT")
    truncate(write_noise(tmp_path / "cut.flac", 10))
    write_noise(tmp_path / "2.wav")
    code, out, err = run("1.wav", "empty.wav", "text.mp3", "nan.wav", "cut.flac", "2.wav")
    assert code == 1
    assert [line.split(" ")[0] for line in out] == ["1.wav", "cut.flac", "2.wav", "2"]
    assert out[-1].startswith("2 done, 1 partial, 3 failed; ")
    assert err[:3] == [
        "denoise: empty.wav: is empty (0 bytes)",
        "denoise: text.mp3: holds no audio that can be read; WAV, FLAC, OGG, MP3, AIFF and others can",
        "denoise: nan.wav: sample 8000 (1.000 s) of channel 1 is NaN; must be finite, and at most "
        "1e+09 in size",
    ]
    assert re.fullmatch(
        r"denoise: cut\.flac: warning: is truncated or damaged: \d\.\d\d s of 10\.00 s could be read "
        r"\(.*\); what could be read was denoised",
        err[3],
    )
    assert len(err) == 4
    outputs = [name for name in names(tmp_path) if "denoised" in name]
    assert outputs == ["1.denoised.wav", "2.denoised.wav", "cut.denoised.flac"]


def test_a_truncated_file_is_a_fault_even_if_quiet(run: Run, tmp_path: Path) -> None:
    truncate(write_noise(tmp_path / "a.wav", 10))
    code, out, err = run("a.wav", "-q")
    assert (code, out) == (1, [])
    assert err == [
        "denoise: a.wav: warning: is truncated: 95982 of 160000 bytes of its samples are there; "
        "what could be read was denoised"
    ]


def test_tags_that_are_lost_are_a_warning(run: Run, tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", SR, 1) as file:
        file.title = "Talk"
        file.write(noise(1))
    code, _, err = run("a.flac", "-o", "b.w64")
    assert code == 0
    assert err == ["denoise: a.flac: warning: left out, since W64 does not keep it here: title"]
    assert run("a.flac", "-o", "c.w64", "-q")[2] == []


def test_a_broken_dictionary_is_one_sentence(run: Run, tmp_path: Path, dictionary_file: Path) -> None:
    write_noise(tmp_path / "a.wav")
    content = dictionary_file.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "pickle.npz").write_bytes(b"\x80\x04\x95cposix\nsystem\n")
    for name in ("cut.npz", "pickle.npz"):
        code, _, err = run("a.wav", "--dictionary", name)
        assert code == 2
        assert len(err) == 1
        assert name in err[0]
    assert names(tmp_path) == ["a.wav", "cut.npz", "pickle.npz"]


def test_a_dictionary_of_your_own_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dictionary_file: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NMF_AUDIO_HOME", str(tmp_path / "home"))
    write_noise(tmp_path / "a.wav")
    assert main(["a.wav", "--dictionary", "mine", "-v"]) == 2
    assert "dictionary 'mine' is neither a file nor one of the shipped" in capsys.readouterr().err
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mine.npz").write_bytes(dictionary_file.read_bytes())
    assert main(["a.wav", "--dictionary", "mine", "-v"]) == 0
    assert "dictionary mine" in capsys.readouterr().out


@pytest.mark.parametrize("ext", ["wav", "flac", "ogg", "mp3"])
def test_no_space_left_leaves_nothing(run: Run, tmp_path: Path, ext: str) -> None:
    write_noise(tmp_path / "short.wav", 0.1)
    write_noise(tmp_path / "long.wav", 20, sr=44100)
    assert run("short.wav", "-q")[0] == 0
    with room_for(20_000):
        code, _, err = run("long.wav", "-o", f"out.{ext}")
    assert code == 1
    assert err == [f"denoise: long.wav: out.{ext}: can't be written: File too large"]
    assert names(tmp_path) == ["long.wav", "short.denoised.wav", "short.wav"]


def test_force_keeps_the_old_output_if_the_new_one_fails(run: Run, tmp_path: Path) -> None:
    truncated = write_noise(tmp_path / "a.wav")
    truncated.write_bytes(truncated.read_bytes()[:44])
    (tmp_path / "old.wav").write_bytes(b"the old one")
    assert run("a.wav", "-o", "old.wav", "-f")[0] == 1
    assert (tmp_path / "old.wav").read_bytes() == b"the old one"


def test_debug_shows_where(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert len(run("a.wav")[2]) == 1
    err = run("a.wav", "--debug")[2]
    assert err[0] == "Traceback (most recent call last):"
    assert err[-1] == "denoise: a.wav: is empty (0 bytes)"


def test_a_fault_of_the_program_does_not_end_the_batch(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nmf_audio.jobs.file_work

    genuine = denoise_file

    def fragile(src: Path, *args: object, **keywords: object) -> object:
        if src.name == "a.wav":
            raise ZeroDivisionError("oops")
        return genuine(src, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(nmf_audio.jobs.file_work, "denoise_file", fragile)
    write_noise(tmp_path / "a.wav")
    write_noise(tmp_path / "b.wav")
    code, out, err = run("a.wav", "b.wav")
    assert code == 1
    assert len(out) == 2
    assert err == ["denoise: a.wav: internal error (ZeroDivisionError: oops); --debug shows where"]


def test_nobody_hears_an_output_who_may_not_hear_its_input(
    run: Run, tmp_path: Path, dictionary_file: Path
) -> None:
    write_noise(tmp_path / "a.wav").chmod(0o600)
    words = ["--keep-noise", "n.wav", "--json", "r.json"]
    assert run("a.wav", *words)[0] == 0
    with (tmp_path / "a.wav").open("rb") as source:
        denoise_file(source, tmp_path / "b.flac", dictionary=dictionary_file, method="classic")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("a.wav", "a.denoised.wav", "n.wav", "r.json", "b.flac"), 0o600)


def test_names_that_the_terminal_cannot_show(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.wav")
    write_noise(tmp_path / "a.wav").rename(tmp_path / name)
    code, out, _ = run(name)
    assert code == 0
    assert len(out) == 1


def test_nmf_audio_denoise_is_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    src = write_noise(tmp_path / "a.wav")
    assert cli_main.main(["denoise", *options, str(src)]) == 0
    assert (tmp_path / "a.denoised.wav").exists()
    assert cli_main.main(["denoise", *options, str(src)]) == 2
    assert capsys.readouterr().err.startswith("nmf-audio denoise: ")


def test_nmf_audio_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli_main.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in cli_main.COMMANDS:
        assert re.search(rf"^ +{name}\b", text, re.MULTILINE)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"denoise {__version__}\n"


def test_a_reader_that_leaves_does_not_end_the_batch(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name)
    ours, its = os.pipe()
    os.close(ours)
    process = subprocess.run(
        [*COMMAND, "a.wav", "b.wav"], cwd=tmp_path, stdout=its, stderr=subprocess.PIPE, text=True
    )
    os.close(its)
    assert (process.returncode, process.stderr) == (0, "")
    assert "b.denoised.wav" in names(tmp_path)


def peak_memory(words: list[str]) -> int:
    """Run the command and return the most memory that it held, in bytes."""
    # asked for from inside, as the peak that a parent is told of includes the parent's own size before exec
    code = f"""
import pathlib, re, resource, sys
from nmf_audio.cli.denoise import main
assert main({words!r}) == 0
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text()).group(1)))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("ext", "subtype"), [("wav", "PCM_16"), ("mp3", "MPEG_LAYER_III")])
def test_memory_does_not_grow_with_the_length(
    tmp_path: Path, options: list[str], ext: str, subtype: str
) -> None:
    peaks = []
    for minutes in (1, 6):
        src = write_noise(tmp_path / f"{minutes}.{ext}", 60 * minutes, subtype=subtype)
        peaks.append(peak_memory([*options, "-q", str(src)]))
    # six minutes are 11.5 MB as float32
    assert peaks[1] - peaks[0] < 5e6


def test_the_bar_is_for_terminals_only(tmp_path: Path) -> None:
    src = write_noise(tmp_path / "talk.wav", 3)
    assert b"talk.wav: " in shown_on_terminal(["-f", str(src)])
    assert shown_on_terminal(["-f", "-q", str(src)]) == b""
    result = subprocess.run([*COMMAND, "-f", str(src)], capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")
