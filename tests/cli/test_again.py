"""The same command again: outputs are no inputs, what is done stays, one file costs itself alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import soundfile

from nmf_audio import denoise_file
from nmf_audio.errors import AudioFileError
from tests.cli.helpers import Run, names
from tests.separation.material import Mixture
from tests.tiny import write_noise

ASF = b"0&\xb2u\x8ef\xcf\x11" + bytes(400)


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    write_noise(tmp_path / "a.wav", 0.2)
    write_noise(tmp_path / "b.flac", 0.2, name="FLAC")
    return tmp_path


@pytest.mark.parametrize("expanded", [False, True], ids=["pattern", "names"])
def test_outputs_are_no_inputs(run: Run, talks: Path, expanded: bool) -> None:
    def words() -> list[str]:
        return names(talks) if expanded else ["*"]

    assert run(*words(), "--keep-noise", "{stem}.noise{ext}")[0] == 0
    done = names(talks)
    assert done == ["a.denoised.wav", "a.noise.wav", "a.wav", "b.denoised.flac", "b.flac", "b.noise.flac"]
    code, out, err = run(*words(), "--skip-existing")
    assert (code, err) == (0, [])
    assert out[0] == (
        "4 inputs left out, which are outputs of others, such as a.denoised.wav; give it alone to process it"
    )
    assert run(*words(), "-f")[::2] == (0, [])
    code, out, err = run(*words())
    assert (code, err) == (0, [])
    assert out[-1].startswith("0 done, 0 partial, 0 failed, 2 already there (--force makes them again); ")
    assert names(talks) == done
    # other names than the day before
    assert run(*words(), "--name", "{stem}.clean.wav")[0] == 0
    assert names(talks) == sorted([*done, "a.clean.wav", "b.clean.wav"])


def test_the_same_command_goes_on(run: Run, talks: Path) -> None:
    words = ("-r", "in", "--output-dir", "out", "--name", "{stem}{ext}", "--json", "report.json")
    (talks / "in").mkdir()
    for name in ("a.wav", "b.flac"):
        (talks / name).rename(talks / "in" / name)
    assert run(*words)[0] == 0
    first = json.loads((talks / "report.json").read_text())["files"]
    write_noise(talks / "in" / "c.wav", 0.1)
    code, out, err = run(*words)
    assert (code, err) == (0, [])
    assert out[-1].startswith("1 done, 0 partial, 0 failed, 2 already there (--force makes them again); ")
    files = json.loads((talks / "report.json").read_text())["files"]
    assert [file["status"] for file in files] == ["done"] * 3
    assert files[:2] == first
    # a report of other recordings is not forgotten
    (talks / "in" / "c.wav").rename(talks / "c.wav")
    assert run(*words)[::2] == (2, ["denoise: report.json: exists; give --force to replace it"])
    # what is not made from this recording is not replaced, and not passed over
    output = talks / "out" / "b.flac"
    os.utime(output, (1, 1))
    code, _, err = run(*words[:-2])
    assert (code, err) == (
        2,
        ["denoise: out/b.flac: is older than in/b.flac; give --force to replace it, or --skip-existing"],
    )
    assert run(*words[:-2], "--skip-existing")[0] == 0
    assert output.stat().st_mtime == 1
    # one that is named is meant
    assert run("in/a.wav", *words[2:-2])[::2] == (
        2,
        ["denoise: out/a.wav: exists; give --force to replace it"],
    )
    # a part of what is wanted is there
    assert run(*words[:-2], "--keep-noise", "{stem}.noise{ext}")[0] == 2


def test_a_recording_that_is_named_twice_is_denoised_once(run: Run, talks: Path) -> None:
    (talks / "sub").symlink_to(talks, target_is_directory=True)
    (talks / "c.wav").symlink_to("a.wav")
    code, _, err = run("a.wav", "*.wav", "./a.wav", "sub/a.wav", "c.wav")
    assert (code, err) == (0, [])
    # another name is another output
    assert names(talks) == sorted(["a.wav", "a.denoised.wav", "b.flac", "c.wav", "c.denoised.wav", "sub"])


def test_one_that_is_named_alone_is_denoised(run: Run, talks: Path) -> None:
    assert run("a.wav")[0] == 0
    code, out, _ = run("a.wav", "a.denoised.wav", "-n", "-f")
    assert code == 0
    assert out[0] == "a.denoised.wav: left out, since it is an output of a.wav; give it alone to process it"
    assert run("a.denoised.wav")[0] == 0
    assert (talks / "a.denoised.denoised.wav").exists()


def test_an_original_that_would_be_written_over_is_an_error(run: Run, talks: Path) -> None:
    write_noise(talks / "a.flac", 0.1, name="FLAC")
    before = (talks / "a.wav").read_bytes()
    code, _, err = run("a.flac", "a.wav", "--name", "{stem}.wav", "-f")
    assert code == 2
    assert any("is the input a.wav itself" in line for line in err)
    assert (talks / "a.wav").read_bytes() == before


def test_parts_are_no_mixtures(run_separate: Run, mixture: Mixture) -> None:
    soundfile.write("b.wav", mixture.y, mixture.sr)
    words = ("*.wav", "--sources", "low.npz", "high.npz")
    assert run_separate(*words)[0] == 0
    done = names(Path())
    for more in ([], ["--skip-existing"], ["-f"], ["-o", "elsewhere"]):
        code, out, err = run_separate(*words, *more)
        assert (code, err) == (0, [])
        assert out[0].startswith("6 inputs left out")
    assert names(Path()) == sorted([*done, "elsewhere"])
    assert len(names(Path("elsewhere"))) == 6


@pytest.mark.parametrize("folder", [[], ["-o", "parts"]], ids=["beside", "elsewhere"])
def test_parts_of_one_separation_are_no_mixtures_of_another(
    run: Run, run_separate: Run, mixture: Mixture, monkeypatch: pytest.MonkeyPatch, folder: list[str]
) -> None:
    home = Path("home")
    home.mkdir()
    Path("low.npz").rename(home / "low.npz")
    monkeypatch.setenv("NMF_AUDIO_HOME", str(home.absolute()))
    assert run_separate("mix.wav", "--sources", "low", "high.npz", *folder)[0] == 0
    # found by the name of a dictionary, by that of a source that is known, and by the plan
    for method in (["--example", "0-0.5"], ["--percussive"], ["--sources", "low", "high.npz"]):
        code, out, err = run_separate("-r", ".", *method, *folder, "-f")
        assert (code, err) == (0, [])
        assert "left out" in out[0]
    code, out, _ = run("-r", ".", "-n")
    assert code == 0
    # a dictionary that was named by its path is not known
    others = [str(Path(*folder[1:], "mix.high.wav"))]
    assert sorted(line.split(" -> ")[0] for line in out[1:]) == sorted(["mix.wav", *others])


@pytest.mark.parametrize("command", ["denoise", "separate"])
def test_a_file_that_can_be_read_and_not_written_costs_itself(
    run: Run, run_separate: Run, tmp_path: Path, command: str
) -> None:
    Path("talks").mkdir()
    write_noise(Path("talks/a.wav"), 0.2)
    Path("talks/b.wma").write_bytes(ASF)
    Path("talks/program.ts").write_text("export const gain = 1;")
    call = run if command == "denoise" else run_separate
    sources = () if command == "denoise" else ("--sources", "low.npz", "high.npz")
    refusal = "talks/b.wma: WMA can be read, not written; give --format FLAC, or name an output such as"
    for words in (["-r", "talks"], ["talks/a.wav", "talks/b.wma"]):
        code, out, err = call(*words, *sources, "--json", "report.json", "-f")
        assert code == 1
        assert len(err) == 1
        assert refusal in err[0]
        assert out[-1].startswith("1 done, 0 partial, 1 failed; ")
        files = json.loads(Path("report.json").read_text())["files"]
        assert [(Path(file["src"]).name, file["status"]) for file in files] == [
            ("a.wav", "done"),
            ("b.wma", "failed"),
        ]
        code, _, err = call(*words, *sources, "-n", "-f")
        assert code == 1
        assert refusal in err[0]
    assert call("talks/b.wma", *sources)[0] == 1
    # what is named is at fault before anything is done
    name = "{stem}.wma" if command == "denoise" else "{stem}.{source}.wma"
    code, _, err = call("talks/a.wav", *sources, "--name", name)
    assert code == 2
    assert all("WMA can be read, not written; give --format FLAC" in line for line in err)


def test_mp2_is_read_not_written(run: Run, talks: Path) -> None:
    # a frame of MPEG audio, layer II, 48 kHz, mono
    (talks / "x.mp2").write_bytes((b"\xff\xfd\x14\xc4" + bytes(92)) * 50)
    code, _, err = run("x.mp2", "a.wav")
    assert code == 1
    assert err == [
        "denoise: x.mp2: MP2 can be read, not written; give --format FLAC, or name an output such as .m4a, .mkv or "
        ".wav"
    ]
    with pytest.raises(AudioFileError, match="MP2 can be read, not written; give format='FLAC'"):
        denoise_file(talks / "x.mp2")
    for output in ("x.mp3", "x.wav"):
        assert run("x.mp2", "-o", output)[0] in (0, 1)
        assert (talks / output).exists()
    assert soundfile.info(talks / "x.mp3").subtype == "MPEG_LAYER_III"


def test_the_next_morning_the_report_goes_on(run: Run, talks: Path) -> None:
    words = ("*", "--output-dir", "clean", "--skip-existing", "--json", "report.json")
    assert run("a.wav", *words[1:])[0] == 0
    first = json.loads((talks / "report.json").read_text())["files"]
    (talks / "report.json").rename(talks / "clean" / "report.json")
    words = ("*.*", *words[1:-1], "clean/report.json")
    code, out, err = run(*words)
    assert (code, err) == (0, [])
    assert out[-1].startswith("1 done, 0 partial, 0 failed, 1 already there (--force makes them again); ")
    document = json.loads((talks / "clean" / "report.json").read_text())
    assert [file["status"] for file in document["files"]] == ["done", "done"]
    assert document["files"][0] == first[0]
    (talks / "clean" / "report.json").write_text('{"schema": 1, "mine": []}')
    code, _, err = run(*words)
    assert (code, err) == (2, ["denoise: clean/report.json: exists; give --force to replace it"])
