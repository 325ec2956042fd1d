"""``nmf-audio separate``: a part of each mixture, and outputs that are not what their mixtures are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from tests.cli.helpers import Run, names
from tests.separation.material import Mixture

PARTS = ("high", "low", "residual")
SOURCES = ("--sources", "low.npz", "high.npz")


def _read(stem: str, ext: str = ".wav", **options: Any) -> dict[str, npt.NDArray[Any]]:
    return {name: soundfile.read(f"{stem}.{name}{ext}", **options)[0] for name in PARTS}


def _sum(parts: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = np.sum([part.astype(np.float64) for part in parts.values()], axis=0)
    return total


@pytest.mark.parametrize("more", [(), ("--free", "2")])
def test_a_part_comes_out_as_if_it_were_all_there_is(
    run_separate: Run, mixture: Mixture, more: tuple[str, ...]
) -> None:
    y = mixture.y.copy()
    # a block that lies behind the part is not read
    y[30000] = np.nan
    soundfile.write("long.wav", y, mixture.sr, subtype="FLOAT")
    soundfile.write("part.wav", y[4000:12800], mixture.sr, subtype="FLOAT")
    assert run_separate("part.wav", *SOURCES, *more)[0] == 0
    code, out, err = run_separate(
        *("long.wav", *SOURCES, *more, "--start", "0.25", "--end", "0:00.8", "--json", "r.json")
    )
    assert (code, err) == (0, [])
    assert out[0].startswith("long.wav: 0.6 s in")
    for name, part in _read("part").items():
        np.testing.assert_array_equal(_read("long")[name], part)
    document = json.loads(Path("r.json").read_text())
    assert (document["parameters"]["start"], document["parameters"]["end"]) == (0.25, 0.8)
    assert document["files"][0]["seconds"] == pytest.approx(0.55)


def test_the_example_is_a_stretch_of_the_recording_of_which_a_part_is_heard(
    run_separate: Run, mixture: Mixture
) -> None:
    soundfile.write("part.wav", mixture.y[8000:24000], mixture.sr, subtype="FLOAT")
    soundfile.write("mix.wav", mixture.y, mixture.sr, subtype="FLOAT")
    assert run_separate("part.wav", "--example", "0.1-0.6", "--name", "{stem}.{source}.wav")[0] == 0
    words = ("mix.wav", "--start", "0.5", "--end", "1.5", "--example")
    assert run_separate(*words, "0.6-1.1")[0] == 0
    for name in ("example", "rest", "residual"):
        np.testing.assert_array_equal(
            soundfile.read(f"mix.{name}.wav")[0], soundfile.read(f"part.{name}.wav")[0]
        )
    for stretch, fault in (
        ("0.4-1", "--example 0.4-1: must be in the part that is taken apart, which begins at 0.5 s"),
        ("1-1.6", "--example 1-1.6: it ends after the part that --end gives, at 1.5 s"),
    ):
        assert run_separate(*words, stretch, "-f")[::2] == (2, [f"nmf-audio separate: {fault}"])
    code, _, err = run_separate("mix.wav", "--start", "1.5", "--example", "1.6-2.5", "-f")
    assert (code, err) == (
        1,
        [
            "nmf-audio separate: mix.wav: the example from 1.6 s to 2.5 s; must be in the recording, "
            "which ends at 2.0 s"
        ],
    )


def test_joint_hears_parts_and_the_first_must_be_there(run_separate: Run, mixture: Mixture) -> None:
    for name, part in (("a", mixture.y[:16000]), ("b", mixture.y[16000:])):
        soundfile.write(f"{name}.wav", part, mixture.sr)
        soundfile.write(f"{name}_part.wav", part[4000:12000], mixture.sr)
    way = ("--blind", "2", "--joint")
    assert run_separate("a.wav", "b.wav", *way, "--start", "0.25", "--end", "0.75")[0] == 0
    assert run_separate("a_part.wav", "b_part.wav", *way)[0] == 0
    for name in ("a.source1", "b.source2"):
        stem, source = name.split(".")
        np.testing.assert_array_equal(
            soundfile.read(f"{name}.wav")[0], soundfile.read(f"{stem}_part.{source}.wav")[0]
        )
    Path("broken.wav").write_bytes(b"no audio")
    # else its stretch would be looked for in another recording
    code, _, err = run_separate("broken.wav", "a.wav", "--example", "0-0.5", "--joint", "-o", "out")
    assert (code, len(err)) == (2, 1)
    assert "broken.wav: holds no audio" in err[0]
    y = mixture.y.copy()
    y[20000] = np.nan
    soundfile.write("nan.wav", y, mixture.sr, subtype="FLOAT")
    code, _, err = run_separate("nan.wav", "a.wav", "--example", "1-1.5", "--joint", "-o", "out")
    assert (code, len(err)) == (2, 1)
    assert "nan.wav: sample 20000 (1.250 s) of channel 1 is NaN" in err[0]
    # where the stretch itself is good, the others come apart
    code, _, err = run_separate("nan.wav", "a.wav", "--example", "0-0.5", "--joint", "-o", "out")
    assert (code, len(err)) == (1, 1)
    assert names(Path("out")) == ["a.example.wav", "a.residual.wav", "a.rest.wav"]


@pytest.mark.parametrize(
    ("format", "subtype", "ext"),
    [
        ("flac", "pcm_24", ".flac"),
        ("caf", "float", ".caf"),
        (None, "pcm_u8", ".wav"),
        ("opus", None, ".opus"),
    ],
)
def test_formats_that_are_asked_for(
    run_separate: Run, format: str | None, subtype: str | None, ext: str
) -> None:
    words = [] if format is None else ["--format", format]
    words += [] if subtype is None else ["--subtype", subtype]
    Path("mix.wav").chmod(0o640)
    code, _, err = run_separate("mix.wav", *SOURCES, *words, "-o", "out", "--json", "r.json")
    assert (code, err) == (0, [])
    assert names(Path("out")) == [f"mix.{name}{ext}" for name in PARTS]
    assert {path.stat().st_mode & 0o777 for path in Path("out").iterdir()} == {0o640}
    info = soundfile.info(f"out/mix.low{ext}")
    assert info.subtype == (subtype or "opus").upper()
    parameters = json.loads(Path("r.json").read_text())["parameters"]
    assert (parameters["format"], parameters["subtype"], parameters["sr"]) == (format, subtype, None)
    y, _ = soundfile.read("mix.wav")
    tolerance = {".opus": 0.1, ".wav": 2.0**-7}.get(ext, 2.0**-24)
    np.testing.assert_allclose(_sum(_read("out/mix", ext))[: len(y)], y, atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_parts_add_up_at_another_rate(run_separate: Run, mixture: Mixture, rate: int) -> None:
    words = ("mix.wav", *SOURCES, "--rate", str(rate), "--subtype", "pcm_24")
    code, out, err = run_separate(*words, "-v", "--json", "r.json")
    assert (code, err) == (0, [])
    assert any(line.startswith(f"  {rate} Hz, 1 channel") for line in out)
    y, _ = soundfile.read("mix.wav", dtype="float32")
    parts = _read("mix")
    assert {len(part) for part in parts.values()} == {round(len(y) * rate / mixture.sr)}
    expected = soxr.resample(y, mixture.sr, rate, quality="VHQ")
    np.testing.assert_allclose(_sum(parts), expected[: len(parts["low"])], atol=1e-6)
    assert out[0].endswith(f" real time, now PCM_24 {rate} Hz")
    file = json.loads(Path("r.json").read_text())["files"][0]
    assert (file["sr"], file["seconds"]) == (rate, pytest.approx(2, abs=1e-3))
    assert (file["src_sr"], file["src_format"], file["src_subtype"]) == (mixture.sr, "WAV", "PCM_16")


def test_faults_of_part_and_format_are_those_of_denoise(
    run_separate: Run, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    for words in (
        ("--format", "mp9"),
        ("--format", "flac", "--subtype", "float"),
        ("--subtype", "nonsense"),
        ("--rate", "12"),
        ("--rate", "fast"),
        ("--format", "opus", "--rate", "44100"),
        ("--start", "soon"),
        ("--start", "2", "--end", "1"),
        ("--format", "mp9", "--rate", "12", "--end", "x"),
    ):
        code, _, ours = run_separate("mix.wav", *SOURCES, *words)
        assert code == 2
        code, _, theirs = run("mix.wav", *words)
        assert code == 2
        said = [[line.split(": ", 1)[1] for line in lines] for lines in (ours, theirs)]
        assert sorted(said[0]) == sorted(said[1])
    assert names(tmp_path) == before


def test_formats_are_listed(run_separate: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_separate("--list-formats")
    assert ended.value.code == 0
    assert any(line.split()[:1] == ["FLAC"] for line in capsys.readouterr().out.splitlines())


def test_a_part_that_begins_behind_the_end_costs_that_file_only(run_separate: Run, mixture: Mixture) -> None:
    soundfile.write("short.wav", mixture.y[:8000], mixture.sr)
    code, _, err = run_separate("short.wav", "mix.wav", *SOURCES, "--start", "1", "-o", "out")
    assert (code, err) == (
        1,
        ["nmf-audio separate: short.wav: ends at 0.5 s, before the start at 1 s"],
    )
    assert names(Path("out")) == [f"mix.{name}.wav" for name in PARTS]


def test_a_part_without_a_sample_is_called_so(run_separate: Run, run: Run) -> None:
    part = ("--start", "0.5", "--end", "0.50001")
    for _, _, err in (run_separate("mix.wav", *SOURCES, *part), run("mix.wav", *part)):
        assert err[0].endswith("mix.wav: from 0.5 s to 0.50001 s there is no sample at 16000 Hz")
