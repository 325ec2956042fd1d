"""``nmf-audio evaluate``: scores of pairs, as the metrics of the package have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nmf_audio import Denoiser
from nmf_audio.cli.main import main
from nmf_audio.jobs import evaluation
from nmf_audio.metrics import segmental_snr, si_sdr
from tests.tiny import tiny_dictionary

Array = npt.NDArray[np.float32]


@pytest.fixture
def pairs(clean_speech: Array, noisy_speech: Array, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds two pairs of 1.5 s, the second one in stereo at another rate."""
    monkeypatch.chdir(tmp_path)
    for name, y in (("clean", clean_speech), ("noisy", noisy_speech)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", y[:24000], 16000, subtype="FLOAT")
        both = np.stack([y[24000:48000], y[:24000]], axis=1)
        soundfile.write(tmp_path / name / "b.wav", both, 12000, subtype="FLOAT")
    tiny_dictionary().save("tiny.npz")
    return tmp_path


def test_the_scores_are_those_of_the_metrics(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["evaluate", "clean", "noisy", "--methods", "trained", "--dictionary", "tiny.npz", "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert list(found["pairs"]) == ["a.wav", "b.wav"]
    systems = {"trained": Denoiser(method="trained"), "tiny.npz": Denoiser("tiny.npz")}
    expected: dict[str, list[float]] = {name: [] for name in ("noisy", *systems)}
    for pair, scores in found["pairs"].items():
        clean, noisy = (
            soundfile.read(f"{folder}/{pair}", dtype="float32", always_2d=True)[0].T
            for folder in ("clean", "noisy")
        )
        sr = soundfile.info(f"clean/{pair}").samplerate
        outputs = {"noisy": noisy} | {name: one.denoise(noisy, sr) for name, one in systems.items()}
        assert list(scores) == list(outputs)
        for name, y in outputs.items():
            wanted = si_sdr(clean.mean(axis=0), y.mean(axis=0))
            assert scores[name]["si_sdr"] == pytest.approx(wanted, abs=1e-3)
            wanted_snr = segmental_snr(clean.mean(axis=0), y.mean(axis=0), sr)
            assert scores[name]["segmental_snr"] == pytest.approx(wanted_snr, abs=1e-3)
            expected[name].append(wanted)
    for name, values in expected.items():
        assert found["means"][name]["si_sdr"] == pytest.approx(np.mean(values), abs=1e-3)


def test_a_table_has_a_line_for_each_method(
    pairs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["evaluate", "clean/a.wav", "noisy/a.wav", "--methods", "trained"]) == 0
    captured = capsys.readouterr()
    heading, *lines = captured.out.splitlines()
    assert heading.startswith("1 pair")
    assert "SI-SDR dB" in heading
    assert [line.split()[0] for line in lines] == ["noisy", "trained"]
    clean, noisy = (soundfile.read(f"{folder}/a.wav")[0] for folder in ("clean", "noisy"))
    assert lines[0].split()[1] == f"{si_sdr(clean, noisy):.2f}"
    # packages that are missing cost their scores only
    monkeypatch.setattr(evaluation, "find_spec", lambda _: None)
    assert main(["evaluate", "clean/a.wav", "noisy/a.wav", "--methods", "trained"]) == 0
    captured = capsys.readouterr()
    assert "pip install pesq pystoi" in captured.err
    assert "PESQ" not in captured.out
    assert "SI-SDR" in captured.out


def test_a_pair_that_is_none_costs_itself_alone(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write("noisy/a.wav", np.zeros(100), 16000)
    assert main(["evaluate", "clean", "noisy", "--methods", "trained"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("1 pair")
    assert "100 samples, 16000 Hz" in captured.err
    (pairs / "clean" / "b.wav").unlink()
    for words, message in (
        (["clean", "noisy"], "noisy/b.wav: there is no clean/b.wav"),
        (["clean", "noisy/a.wav"], "give two recordings, or two folders"),
        (["none", "noisy"], "none: does not exist"),
        (
            ["clean/a.wav", "noisy/a.wav", "--dictionary", "nowhere"],
            "'nowhere' is neither a file nor one of the shipped",
        ),
    ):
        assert main(["evaluate", *words]) == 2
        assert message in capsys.readouterr().err
