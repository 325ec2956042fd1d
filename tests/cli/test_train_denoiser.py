"""``nmf-audio train denoiser``: what it writes, what it says, how it goes on."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest

from nmf_audio import Denoiser
from nmf_audio.cli.main import main
from nmf_audio.cli.train_common import showing_progress
from nmf_audio.dictionary import Dictionary
from nmf_audio.training.loop import Progress
from tests.training.sounds import quick_training as quick_training
from tests.training.sounds import small_collection

SMALL = [
    *("--speech-atoms", "6", "--noise-atoms", "4", "--layers", "1"),
    *("--local-units", "3", "--global-units", "4", "--second-units", "0"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return small_collection(tmp_path_factory.mktemp("recordings"))


def command_on(folders: tuple[Path, Path]) -> list[str]:
    """Return the words that train on recordings of speech and of noise."""
    return ["train", "denoiser", "--speech", str(folders[0]), "--noise", str(folders[1])]


@pytest.fixture(scope="module")
def first_run(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A dictionary after two steps, and what was said of them."""
    output = tmp_path_factory.mktemp("trained") / "mine.npz"
    words = [*command_on(folders), "-o", str(output), "--resume"]
    words += ["--steps", "2", "--cool-down", "0", "--licence", "CC0", *SMALL]
    with redirect_stderr(io.StringIO()) as said:
        assert main(words) == 0
    return output, said.getvalue()


@pytest.fixture(scope="module")
def trained(first_run: tuple[Path, str]) -> Path:
    return first_run[0]


def test_it_writes_a_dictionary_that_denoises_and_its_card(trained: Path) -> None:
    dictionary = Dictionary.load(trained)
    assert dictionary.kind == "trained"
    assert (dictionary.n_components("speech"), dictionary.n_components("noise")) == (6, 4)
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert np.isfinite(Denoiser(dictionary).denoise(noise, 16000)).all()
    card = trained.with_suffix(".md").read_text(encoding="utf-8")
    assert "nmf-audio train denoiser --speech" in card
    assert "--steps 2" in card
    assert "CC0" in card
    assert trained.with_suffix(".checkpoint").exists()


def test_it_goes_on_from_a_dictionary(
    trained: Path, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "further.npz"
    command = [*command_on(folders), "-o", str(output)]
    assert main([*command, "--steps", "1", "--from", str(trained)]) == 0
    captured = capsys.readouterr()
    assert "step 1 of 1: held out: loss" in captured.out
    # the new one beside the mixture, the shipped one and the one that it went on from
    *_, heading, mixture, shipped, before, new, verdict = captured.out.splitlines()
    lost = float(shipped.split()[1]) - float(new.split()[1])
    told = re.fullmatch(
        r".*further.npz (?:is worse than|and) the shipped dictionary (?:hardly differ )?on these mixtures "
        r"\(SI-SDR (-\d+\.\d\d) dB, seg\. SNR .\d+\.\d\d dB.*\): .*train denoiser --from shipped.*",
        verdict,
    )
    assert told is not None
    assert -float(told[1]) == pytest.approx(lost, abs=0.011)
    assert heading.split()[:3] == ["held-out", "mixtures", "SI-SDR"]
    assert [line.split()[0] for line in (mixture, shipped, before, new)] == [
        "mixture",
        "shipped",
        str(trained),
        "further",
    ]
    assert float(shipped.split()[1]) > float(mixture.split()[1]) + 3
    card = output.with_suffix(".md").read_text(encoding="utf-8")
    assert f"| further | {new.split()[1]} |" in card
    further = Dictionary.load(output)
    assert further.n_components("speech") == 6
    assert further.sha256 != Dictionary.load(trained).sha256
    assert len(further.meta["commands"]) == 2


@pytest.mark.slow
def test_it_takes_a_dictionary_from_a_training_that_stays_as_it_is(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*command_on(folders), *SMALL]
    long, now = tmp_path / "long.npz", tmp_path / "now.npz"
    assert main([*command, "-o", str(long), "--steps", "5", "--cool-down", "2"]) == 0
    state = long.with_suffix(".checkpoint")
    before = state.read_bytes()
    capsys.readouterr()
    assert main([*command, "-o", str(now), "--resume", str(state), "--cool-down", "1"]) == 0
    assert "step 4 of 4: held out" in capsys.readouterr().out
    assert state.read_bytes() == before
    card = now.with_suffix(".md").read_text(encoding="utf-8")
    assert "--steps 4" in card
    assert "--cool-down 1" in card
    assert "--local-units 3" in card


@pytest.mark.slow
def test_a_memory_can_be_left_out_and_added(folders: tuple[Path, Path], tmp_path: Path) -> None:
    command = [*command_on(folders), "--steps", "1"]
    without, added = tmp_path / "without.npz", tmp_path / "added.npz"
    assert main([*command, "-o", str(without), *SMALL[:6], "--local-units", "0"]) == 0
    assert "local_in" not in Dictionary.load(without).arrays
    assert main([*command, "-o", str(added), "--from", str(without), "--global-units", "5"]) == 0
    assert Dictionary.load(added).arrays["global_back"].shape == (5, 15)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "--steps 0: must be a whole number from 1"),
        (["--steps", "many"], "--steps many: must be a whole number"),
        (["--jobs", "0"], "--jobs 0: must be a whole number from 1"),
        (["--steps", "3", "--minutes", "1"], "--minutes and --steps do not go together"),
        (["--from", "nowhere"], "--from: dictionary 'nowhere'"),
        (["--from", "plain"], "only a trained dictionary"),
        (["--from", "shipped", "--layers", "2"], "--layers: --from has its own sizes"),
        (["--manifest", "nowhere.csv"], "nowhere.csv"),
        (["--steps", "3", "--cool-down", "4"], "--cool-down 4: must be at most --steps 3"),
        (["--local-units", "-1"], "--local-units -1: must be a whole number from 0"),
        (["--resume", "nowhere.checkpoint"], "--resume nowhere.checkpoint: does not exist"),
    ],
)
def test_what_names_and_options_show_to_be_wrong(
    words: list[str],
    message: str,
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "mine.npz"
    command = [*command_on(folders), "-o", str(output)]
    assert main([*command, *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_training_that_is_there_is_not_overwritten(
    trained: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = trained.read_bytes()
    command = [*command_on(folders), "-o", str(trained)]
    assert main([*command, "--steps", "1"]) == 2
    told = capsys.readouterr().err
    assert told.count("exists") == 1
    assert f"--resume continues from it and replaces {trained} and its card, --force starts anew" in told
    assert trained.read_bytes() == before


def test_a_finished_training_is_made_longer_and_says_what_it_goes_on_from(
    first_run: tuple[Path, str],
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, text = first_run
    assert "mine.checkpoint is not there: the training starts anew" in text
    for suffix in (".npz", ".md", ".checkpoint"):
        shutil.copy(path.with_suffix(suffix), tmp_path)
    output = tmp_path / "mine.npz"
    command = [*command_on(folders), "-o", str(output), *SMALL, "--cool-down", "0", "--resume"]

    def train(*words: str) -> tuple[int, str]:
        code = main([*command, *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    code, text = train("--steps", "2")
    assert code == 0
    assert "mine.checkpoint: 2 of 2 steps are done; held out after step 2: loss" in text
    assert "not trained further" in text
    code, text = train("--steps", "3")
    assert code == 0
    assert "mine.npz: trained in" in text
    assert Dictionary.load(output).meta["denoiser"]["steps_done"] == 3
    code, text = train("--steps", "1")
    assert code == 2
    assert "--steps 1: must be more, for checkpoint" in text


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_counts_after_a_whole_step_and_twice_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = argparse.Namespace(verbosity=0, prog="train", debug=False, output=tmp_path / "mine.npz")
    (tmp_path / "mine.checkpoint").touch()

    def interrupt(times: int) -> None:
        with showing_progress(args) as step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            after.append(times)
            step(Progress(1, 2, 0.0, None))

    after: list[int] = []
    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            interrupt(times)
    assert after == [1]
    assert capsys.readouterr().err.count("mine.checkpoint keeps the training") == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_keeps_what_was_learned(folders: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nmf_audio.cli.main", "train", "denoiser"]
    command += [
        "--speech",
        str(folders[0]),
        "--noise",
        str(folders[1]),
        *SMALL,
        "-o",
        str(tmp_path / "mine.npz"),
    ]
    training = subprocess.Popen(
        [*command, "--steps", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert training.stdout is not None
    for line in training.stdout:
        if b"held out" in line:
            break
    training.send_signal(signal.SIGINT)
    _, err = training.communicate(timeout=60)
    assert training.returncode == 130, err
    state = tmp_path / "mine.checkpoint"
    with zipfile.ZipFile(state) as archive:
        step = json.loads(archive.read("facts.json"))["step"]
    # more than the last score, which was at a round number
    assert step >= 400
    assert main([*command[3:], "--resume", "--cool-down", "1", "--force", "-q"]) == 0
    assert Dictionary.load(tmp_path / "mine.npz").meta["denoiser"]["steps_done"] == step + 1


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["--speech", str(folders[0]), "--noise", str(folders[1]), "-o", str(tmp_path / "mine.npz")]
    assert main(["train", "denoiser", *words, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "speech: 2 recordings, 0.00 h, 2 groups",
        "noise: 3 recordings, 0.00 h, 3 groups",
        "all would be kept in memory; it takes about 1.4 GB of memory",
    ]
    monkeypatch.setattr("nmf_audio.training.memory_use.MOST_IN_MEMORY", 1.0)
    assert main(["train", "denoiser", *words, "-n"]) == 0
    assert f"all would be kept in a temporary file in {tmp_path}" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_sounds_may_be_kept_in_a_file_that_goes_at_the_end(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmf_audio.training.memory_use.MOST_IN_MEMORY", 1.0)
    words = ["--speech", str(folders[0]), "--noise", str(folders[1]), "-o", str(tmp_path / "mine.npz")]
    assert main(["train", "denoiser", *words, "--steps", "1", *SMALL, "-q"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.checkpoint", "mine.md", "mine.npz"]


KILLED = """
import os, signal, sys
from nmf_audio.cli import train_common
from nmf_audio.cli.main import main
from nmf_audio.training import defaults, loop, passes

step, *words = sys.argv[1:]
# of seconds of sound, as of hours
passes.PIECE_SECONDS, loop.SAVED_SECONDS = 0.5, 0.1
plain = train_common.TrainingMessages.__call__

def killing(self, now):
    if now.step == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, now)

train_common.TrainingMessages.__call__ = killing
sys.exit(main(words))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("source", ["denoiser", "speech"])
def test_killed_at_twenty_steps_and_resumed_it_gives_the_same_bits(
    source: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    speech, noise = map(str, folders)
    words = {
        "denoiser": ["--speech", speech, "--noise", noise, *SMALL, "--steps", "60", "--cool-down", "20"],
        "speech": [speech, "--components", "6", "--passes", "8"],
    }[source]

    def train(name: str, step: int) -> int:
        command = [sys.executable, "-c", KILLED, str(step), "train", source, *words, "-q", "--resume"]
        return subprocess.run([*command, "-o", str(tmp_path / name)], check=False).returncode

    assert train("whole.npz", 0) == 0
    steps = np.sort(np.random.default_rng(0).choice(np.arange(1, 61), 20, replace=False)).tolist()
    for step in steps:
        assert train("killed.npz", step) == -signal.SIGKILL
    assert train("killed.npz", 0) == 0
    assert Dictionary.load(tmp_path / "killed.npz").sha256 == Dictionary.load(tmp_path / "whole.npz").sha256


def test_a_dry_run_of_a_separator_does_so_too(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [f"voice={folders[0]}", f"street={folders[1]}"]
    assert main(["train", "separator", *sources, "-o", str(tmp_path / "mine.npz"), "-n"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["voice: 2 recordings, 0.00 h, 2 groups", "street: 3 recordings, 0.00 h, 3 groups"]
    assert "at most 30 min of a source" in out[2]
    assert not list(tmp_path.iterdir())
