"""``nmf-audio separate`` without dictionaries, end to end."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio.cli.main import main
from nmf_audio.errors import AudioFileError
from nmf_audio.jobs.separate_file import separate_file
from nmf_audio.metrics import si_sdr
from nmf_audio.separation.blind import BlindSeparator
from nmf_audio.separation.percussive import PercussiveSeparator
from nmf_audio.separation.separator import Separator
from nmf_audio.training.instruments import drums, play, string
from tests.cli.helpers import Run, names

SR = 8000
NOTES = [(0.4 * i, 0.5, pitch) for i, pitch in enumerate((60, 64, 67, 72, 69, 60, 65))]


@pytest.fixture(scope="module")
def sources() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(0)
    return drums(3.0, SR, rng), play(string, NOTES, 3.0, SR, rng)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sources: Any
) -> Run:
    """Run the command in a folder with mix.wav; it writes the residual whatever is in it."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("mix.wav", sources[0] + sources[1], SR)

    def call(*words: str | Path) -> tuple[int, list[str], list[str]]:
        code = main(["separate", *map(str, words), "--residual"])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return call


def _parts(folder: str | Path, stem: str = "mix") -> dict[str, npt.NDArray[Any]]:
    return {
        path.name.split(".")[1]: soundfile.read(path, dtype="int16")[0]
        for path in sorted(Path(folder).glob(f"{stem}.*.wav"))
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--percussive",), {"harmonic", "percussive"}),
        (("--percussive", "--continuity", "10", "--mask-power", "1"), {"harmonic", "percussive"}),
        (("--blind", "3"), {"source1", "source2", "source3"}),
        (("--blind", "2", "--beta", "0", "--seed", "5", "--group-sparsity", "0.01"), {"source1", "source2"}),
        (("--example", "0:00-0:00.5"), {"example", "rest"}),
    ],
)
def test_each_way_writes_its_parts_and_they_add_up(
    run: Run, words: tuple[str, ...], expected: set[str]
) -> None:
    code, out, err = run("mix.wav", *words, "-o", "parts")
    assert (code, err) == (0, [])
    parts = _parts("parts")
    assert set(parts) == expected | {"residual"}
    y, _ = soundfile.read("mix.wav", dtype="int16")
    np.testing.assert_array_equal(np.sum([part.astype(int) for part in parts.values()], axis=0), y)
    assert len(out) == 1 + len(parts)


def test_drums_and_notes_are_told_apart(run: Run, sources: Any) -> None:
    assert run("mix.wav", "--percussive", "-o", "parts")[0] == 0
    parts = _parts("parts")
    assert min(si_sdr(sources[0], parts["percussive"]), si_sdr(sources[1], parts["harmonic"])) > 6


def test_files_and_function_give_the_same(run: Run) -> None:
    assert run("mix.wav", "--blind", "2", "-o", "parts")[0] == 0
    y, _ = soundfile.read("mix.wav", dtype="int16")
    whole = BlindSeparator(2).separate(y, SR)
    for name, part in _parts("parts").items():
        np.testing.assert_array_equal(part, whole[name])


def test_by_place_gives_channels_masks_of_their_own(run: Run, sources: Any) -> None:
    left, right = sources
    y = np.stack([0.9 * left + 0.2 * right, 0.2 * left + 0.9 * right], axis=1)
    soundfile.write("mix.wav", y, SR)
    assert run("mix.wav", "--blind", "2", "--by-place", "-o", "parts")[0] == 0
    parts = _parts("parts")
    ratios = sorted(np.std(parts[name][:, 0]) / np.std(parts[name][:, 1]) for name in ("source1", "source2"))
    assert ratios[0] < 0.5
    assert ratios[1] > 2


def test_joint_files_share_their_sources(run: Run, sources: Any) -> None:
    y, cut = sources[0] + sources[1], 2 * SR
    soundfile.write("one.wav", y[:cut], SR)
    soundfile.write("two.wav", y[cut:], SR)
    soundfile.write("other.wav", y, 2 * SR)
    Path("bad.wav").write_bytes(b"no audio")
    code, _, err = run("bad.wav", "one.wav", "two.wav", "other.wav", "--blind", "2", "--joint", "-o", "parts")
    assert code == 1
    assert len(err) == 2
    assert "bad.wav" in err[0]
    assert "other.wav: sample rate 16000; must be 8000 Hz" in err[1]
    assert {name.split(".")[0] for name in names(Path("parts"))} == {"one", "two"}
    # one of another rate is not learned from
    assert run("one.wav", "two.wav", "--blind", "2", "--joint", "-o", "both")[0] == 0
    for name in names(Path("both")):
        assert (Path("both") / name).read_bytes() == (Path("parts") / name).read_bytes()
    run("two.wav", "--blind", "2", "-o", "alone")
    assert any(np.any(part != _parts("alone", "two")[name]) for name, part in _parts("parts", "two").items())


def test_the_report_says_what_was_chosen(run: Run) -> None:
    code, out, _ = run("mix.wav", "--example", "0-0.5", "--json", "-o", "parts")
    assert code == 0
    document = json.loads("\n".join(out))
    assert document["sources"] == ["example", "rest"]
    assert document["dictionaries"] == []
    assert document["parameters"]["example"] == [0.0, 0.5]
    assert (document["parameters"]["start"], document["parameters"]["end"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ((), ["no sources are given; give one of --sources, --blind, --percussive and --example"]),
        (("--blind", "2", "--percussive"), ["--blind, --percussive are given; give one of"]),
        (("--blind", "1"), ["--blind 1: must be a whole number from 2 to 16"]),
        (("--blind", "two"), ["--blind two: must be a whole number from 2 to 16"]),
        (("--blind", "2", "--beta", "0.5"), ["--beta 0.5: must be 0, 1 or 2"]),
        (
            ("--blind", "2", "--by-place", "--group-sparsity", "1"),
            ["--by-place and --group-sparsity 1 do not go together"],
        ),
        (("--example", "0-x"), ["--example x: must be"]),
        (("--example", "3-1"), ["--example 3-1: must be a stretch whose end comes after its start"]),
        (("--percussive", "--continuity", "-1"), ["--continuity -1: must be a number from 0 to 1e+06"]),
        (
            ("--percussive", "--joint", "--by-place", "--free", "3", "--beta", "1", "--mask-power", "wide"),
            [
                *(
                    "--free: it goes with --sources",
                    "--by-place: it goes",
                    "--joint: it goes",
                    "--beta: it goes",
                ),
                "--mask-power wide: must be a number from 0.1 to 20",
            ],
        ),
        (
            (
                "--blind",
                "2",
                "--beta",
                "x",
                "--group-sparsity",
                "1e300",
                "--seed",
                "1.5",
                "--mask-power",
                "nan",
            ),
            [
                *("--beta x: must be 0, 1 or 2", "--group-sparsity 1e+300: must be a number from 0 to 1e+06"),
                *("--seed 1.5: must be a whole number from 0", "--mask-power nan: must be a number from 0.1"),
            ],
        ),
        (("--example", "0-1", "--seed", "-1"), ["--seed -1: must be a whole number from 0"]),
    ],
)
def test_faults_of_options_are_listed_and_nothing_is_written(
    run: Run, words: tuple[str, ...], faults: list[str]
) -> None:
    code, _, err = run("mix.wav", *words, "-o", "parts")
    assert code == 2
    text = "\n".join(err)
    for fault in faults:
        assert fault in text
    assert not Path("parts").exists()


def test_a_stretch_beyond_the_end_costs_that_file_only(run: Run, sources: Any) -> None:
    soundfile.write("short.wav", sources[0][:SR], SR)
    code, _, err = run("short.wav", "mix.wav", "--example", "1.5-2.5", "-o", "parts")
    assert code == 1
    assert len(err) == 1
    assert "must be in the recording, which ends at 1.0 s" in err[0]
    assert len(names(Path("parts"))) == 3


def test_the_commands_of_the_page_have_outputs_of_their_own(run: Run, sources: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "blind.md").read_text(encoding="utf-8")
    for name in ("song", "take1", "take2"):
        soundfile.write(f"{name}.wav", sources[0], SR)
    outputs: list[str] = []
    for line in re.findall(r"(?m)^    nmf-audio separate ([^#\n]+)", page):
        code, out, err = run(*line.split(), "--dry-run")
        assert (code, err) == (0, [])
        outputs += [
            name for printed in out for name in re.findall(r"[\w/]+\.\w+\.wav", printed.split(" -> ")[1])
        ]
    assert len(outputs) == len(set(outputs)) == 3 + 3 + 4 + 4 + 2 * 3


def test_progress_counts_what_is_written_not_what_is_held_back(tmp_path: Path) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, np.zeros(40 * SR), SR)
    seen: list[tuple[float, float]] = []
    separate_file(src, separator=PercussiveSeparator(), progress=lambda *now: seen.append(now))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0] == (0, 40)
    assert seen[-1] == (40, 40)
    # the last segment of 16 s comes with the end
    assert seen[-2][0] < 33


def _note(seen: list[float], done: float, total: float) -> None:
    seen.append(done)


def test_progress_counts_what_is_learned_first(tmp_path: Path) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, np.random.default_rng(0).uniform(-0.1, 0.1, 4 * SR), SR)
    for separator in (BlindSeparator(2), BlindSeparator(2, group_sparsity=0.03), Separator("plain", free=2)):
        seen: list[float] = []
        separate_file(src, separator=separator, force=True, progress=partial(_note, seen))
        assert seen == sorted(seen)
        assert seen[-1] == 4
        first, learning = separator.estimate_shares(4.0)
        assert sum(4 * first < done < 4 * (first + learning) for done in seen) >= 7


def test_an_output_that_can_not_be_is_refused_before_anything_is_learned(tmp_path: Path) -> None:
    src = tmp_path / "a.wav"
    soundfile.write(src, np.random.default_rng(0).uniform(-0.1, 0.1, (SR, 3)), SR)
    seen: list[float] = []
    with pytest.raises(AudioFileError, match="MP3"):
        separate_file(src, separator=BlindSeparator(2), format="MP3", progress=partial(_note, seen))
    assert seen == []
    assert names(tmp_path) == ["a.wav"]
