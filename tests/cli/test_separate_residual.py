"""``nmf-audio separate``: when the residual is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import ParameterError, PercussiveSeparator, Separator, separate_file
from nmf_audio.cli.main import main
from tests.cli.helpers import Run, names
from tests.separation.material import two_instruments

BOTH = ("mix.wav", "--sources", "low.npz", "high.npz", "-o", "parts")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    mixture = two_instruments(1.0)
    soundfile.write("mix.wav", mixture.y, mixture.sr)
    for name, dictionary in mixture.dictionaries.items():
        dictionary.save(f"{name}.npz")

    def call(*words: str | Path) -> tuple[int, list[str], list[str]]:
        code = main(["separate", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return call


def parts(folder: Path) -> list[str]:
    return [name.split(".")[1] for name in names(folder / "parts")]


def test_a_residual_of_next_to_nothing_is_written_only_if_asked_for(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(*BOTH)
    assert code == 0
    assert parts(tmp_path) == ["high", "low"]
    assert len(out) == 3
    # and it does not make the work undone
    code, out, _ = run(*BOTH, "--skip-existing")
    assert (code, len(out)) == (0, 1)
    assert "skipped" in out[0]
    assert run(*BOTH, "--residual", "-f")[0] == 0
    assert parts(tmp_path) == ["high", "low", "residual"]
    # one that is there belongs to these parts, too
    (tmp_path / "parts" / "mix.residual.wav").write_bytes(b"old")
    assert run(*BOTH, "-f")[0] == 0
    sounds = [soundfile.read(path)[0] for path in (tmp_path / "parts").iterdir()]
    np.testing.assert_array_equal(sum(sounds), soundfile.read(tmp_path / "mix.wav")[0])


def test_a_residual_that_holds_something_is_left_out_if_asked_for(run: Run, tmp_path: Path) -> None:
    words = ("mix.wav", "--sources", "low.npz", "--free", "4", "-o", "parts")
    assert run(*words)[0] == 0
    assert parts(tmp_path) == ["low", "residual"]
    source = (tmp_path / "parts" / "mix.low.wav").read_bytes()
    assert run(*words, "--no-residual")[0] == 2
    (tmp_path / "parts" / "mix.residual.wav").unlink()
    assert run(*words, "--no-residual", "-f")[0] == 0
    assert parts(tmp_path) == ["low"]
    assert (tmp_path / "parts" / "mix.low.wav").read_bytes() == source


@pytest.mark.parametrize(("gain", "is_written"), [(1.0, True), (1e-4, True), (0.0, False)])
def test_next_to_nothing_is_so_beside_its_mixture(tmp_path: Path, gain: float, is_written: bool) -> None:
    """What remains of a recording that is quiet as a whole is kept."""
    mixture = two_instruments(1.0)
    soundfile.write(tmp_path / "mix.wav", gain * mixture.y, mixture.sr, subtype="FLOAT")
    separator = Separator(mixture.dictionaries["low"], free=4)
    report = separate_file(tmp_path / "mix.wav", separator=separator)
    assert ("residual" in report.parts) == ("residual" in report.levels_db) == is_written
    assert sorted(path for path in report.parts.values()) == sorted(tmp_path.glob("mix.*.wav"))


def test_parts_name_no_residual_that_is_not_wanted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mix.wav", np.zeros(1000), 16000)
    separator = PercussiveSeparator()
    targets = {name: tmp_path / f"{name}.wav" for name in separator.sources}
    report = separate_file(tmp_path / "mix.wav", targets, separator=separator, residual=False)
    assert report.parts == targets
    with pytest.raises(ParameterError, match="residual"):
        separate_file(tmp_path / "mix.wav", targets, separator=separator, force=True)
