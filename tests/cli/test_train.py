"""``nmf-audio train``: what it writes, what it says, how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmf_audio.cli import train_scores
from nmf_audio.cli.main import main
from nmf_audio.dictionary import Dictionary
from nmf_audio.training import comparison, defaults, passes
from nmf_audio.training.comparison import Gain
from tests.tiny import tiny_dictionary
from tests.training.sounds import hiss, small_collection, voice, write

QUICK = ["--components", "6", "--iterations", "10"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return small_collection(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folders: tuple[Path, Path],
) -> Run:
    """Run the command in a folder of its own that holds links ``speech`` and ``noise`` to recordings."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for folder in folders:
        Path(folder.name).symlink_to(folder, target_is_directory=True)

    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main(["train", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_real_command_learns_speech_then_noise_with_it(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    assert main(["train", "speech", str(folders[0]), "-o", str(tmp_path / "voices.npz"), *QUICK]) == 0
    words = ["noise", str(folders[1]), "-o", "both.npz", "--with", "voices.npz", "--licence", "CC0", *QUICK]
    command = [sys.executable, "-m", "nmf_audio.cli.main", "train", *words]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    # the first run of a version compiles its loops, and says so
    assert {line.partition(": ")[2] for line in result.stderr.splitlines()} <= {
        "compiling loops, which takes some seconds"
    }
    assert "both.npz: 6 speech + 6 noise atoms" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both.md", "both.npz", "voices.md", "voices.npz"]
    both = Dictionary.load(tmp_path / "both.npz")
    assert both.sources == ("speech", "noise")
    assert [g.name for g in both.groups] == ["speech", "fan", "rain", "street"]
    assert both.meta["licence"] == "CC0"
    card = (tmp_path / "both.md").read_text(encoding="utf-8")
    assert both.sha256 in card
    for command_line in both.meta["commands"]:
        assert f"    {command_line}\n" in card


def test_the_command_on_the_card_gives_the_same_bits(run: Run) -> None:
    code, _, _ = run("noise", "noise", "-o", "a.npz", "--seed", "5", "--beta", "0", *QUICK)
    assert code == 0
    first = Path("a.npz").read_bytes()
    (command,) = Dictionary.load("a.npz").meta["commands"]
    assert command == "nmf-audio train noise noise -o a.npz --components 6 --beta 0 --iterations 10 --seed 5"
    assert run(*command.split()[2:], "--force")[0] == 0
    assert Path("a.npz").read_bytes() == first


def test_what_remains_to_be_done_is_said(run: Run) -> None:
    _, out, _ = run("speech", "speech", "-o", "a.npz", *QUICK)
    assert "nmf-audio train noise ... --with a.npz" in out
    assert run("speech", "speech", "-o", "b.npz", "-q", *QUICK) == (0, "", "")


def test_replace_leaves_the_other_noise_out(run: Run) -> None:
    tiny_dictionary().save("tiny.npz")
    run("noise", "noise/fan", "-o", "more.npz", "--with", "tiny.npz", *QUICK)
    run("noise", "noise/fan", "-o", "only.npz", "--with", "tiny.npz", "--replace", *QUICK)
    assert [g.name for g in Dictionary.load("more.npz").groups] == ["speech", "fan", "noise"]
    assert [g.name for g in Dictionary.load("only.npz").groups] == ["speech", "fan"]


def test_a_manifest_names_sources_and_licences(run: Run, folders: tuple[Path, Path]) -> None:
    rows = [f"{kind}/a.wav,Field tapes,CC BY 3.0" for kind in ("fan", "rain")]
    table = folders[1] / "manifest.csv"
    table.write_text("\n".join(["path,source,license", *rows]), encoding="utf-8")
    assert run("noise", "noise", "-o", "a.npz", "--manifest", "noise/manifest.csv", *QUICK)[0] == 0
    card = Path("a.md").read_text(encoding="utf-8")
    assert "| noise | Field tapes | CC BY 3.0 | 2 |" in card
    assert "| noise | not stated | not stated | 1 |" in card


def test_a_recording_that_cannot_be_read_is_named_and_costs_exit_code_1(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF but no more")
    code, out, err = run("speech", "speech", broken, "-o", "a.npz", *QUICK)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "warning: left out" in err
    assert "broken.wav" in err
    assert "a.npz: 6 speech atoms" in out
    code, out, err = run("speech", broken, "-o", "b.npz", *QUICK)
    assert (code, out) == (1, "")
    assert "no readable recording" in err
    assert not Path("b.npz").exists()


def test_all_faults_of_names_and_options_are_listed_and_nothing_is_written(run: Run) -> None:
    Path("there.npz").write_bytes(b"keep")
    code, out, err = run(
        *("noise", "absent", "noise", "-o", "there.npz", "--with", "no-such", "--manifest", "no.csv"),
        *("--components", "many", "--beta", "-1", "--iterations", "0", "--seed", "1.5", "--sparsity", "nan"),
    )
    assert (code, out) == (2, "")
    for fault in (
        "absent: does not exist",
        "there.npz: exists",
        "no-such",
        "no.csv",
        "--components many: must be a whole number",
        "--beta -1: must be a number from 0 to 3",
        "--iterations 0: must be a whole number of at least 1",
        "--seed 1.5: must be a whole number",
        "--sparsity nan: must be a number of at least 0",
    ):
        assert fault in err
    assert len(err.splitlines()) == 9
    assert all(line.startswith("nmf-audio train noise: ") for line in err.splitlines())
    assert Path("there.npz").read_bytes() == b"keep"


def test_names_that_can_not_be_meant(run: Run) -> None:
    for words, fault in (
        (["noise", "noise", "-o", "a.wav"], "must end in .npz"),
        (["noise", "noise", "-o", "a.npz", "--replace"], "--replace: there is nothing to replace"),
        (["noise", "noise/fan/a.wav", "-o", "no/a.npz"], "there is no folder no"),
        (
            ["noise", "noise", "-o", "a.npz", "--components", "2"],
            "--components 2: must be at least 3, one",
        ),
    ):
        code, _, err = run(*words)
        assert code == 2
        assert fault in err
    tiny_dictionary().save("tiny.npz")
    code, _, err = run("noise", "noise", "-o", "tiny.npz", "--with", "tiny.npz", "--force", *QUICK)
    assert code == 2
    assert "is the input" in err
    assert sorted(p.name for p in Path().iterdir()) == ["noise", "speech", "tiny.npz"]


def test_a_card_that_exists_is_kept_without_force(run: Run) -> None:
    Path("a.md").write_text("mine", encoding="utf-8")
    code, _, err = run("speech", "speech", "-o", "a.npz", *QUICK)
    assert code == 2
    assert "a.md: exists" in err
    assert Path("a.md").read_text(encoding="utf-8") == "mine"
    assert run("speech", "speech", "-o", "a.npz", "--force", *QUICK)[0] == 0
    assert Path("a.md").read_text(encoding="utf-8") != "mine"


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut recordings of seconds as others of hours."""
    monkeypatch.setattr(passes, "PIECE_SECONDS", 1.0)
    monkeypatch.setattr(defaults, "STREAM_SECONDS", 3.0)


@pytest.mark.usefixtures("short_pieces")
def test_what_is_longer_than_the_memory_may_hold_is_read_in_a_stream_and_made_longer(run: Run) -> None:
    words = ["speech", "speech", "-o", "a.npz", "--components", "6"]
    code, out, _ = run(*words, "--resume")
    assert code == 0
    assert "0.00 h of speech are read 3 times in a stream" in out
    assert "step 12 of 12: cost" in out
    assert Dictionary.load("a.npz").meta["training"][0]["max_iter"] == 3
    assert run(*words)[0] == 2
    code, out, err = run(*words, "--resume", "--passes", "4")
    assert code == 0
    assert "a.checkpoint: 12 of 16 steps are done; cost" in out + err
    assert run(*words[:3], "b.npz", *words[4:], "--passes", "4")[0] == 0
    assert Dictionary.load("a.npz").sha256 == Dictionary.load("b.npz").sha256
    (command,) = Dictionary.load("a.npz").meta["commands"]
    assert command == "nmf-audio train speech speech -o a.npz --components 6 --passes 4"
    # a sample, as soon as one is asked for
    assert run(*words, "--force", "--minutes", "0.05")[0] == 0
    assert Dictionary.load("a.npz").meta["training"][0]["max_iter"] == defaults.MAX_ITER


@pytest.mark.slow
@pytest.mark.usefixtures("short_pieces")
def test_processes_share_the_passes_and_give_the_same_bits(run: Run) -> None:
    words = ["noise", "noise", "--components", "6", "--passes", "1"]
    for n in (1, 2, 3):
        assert run(*words, "-o", f"{n}.npz", "--jobs", str(n))[0] == 0
    assert len({Dictionary.load(f"{n}.npz").sha256 for n in (1, 2, 3)}) == 1


@pytest.fixture
def store(folders: tuple[Path, Path]) -> Iterator[Any]:
    """An object store in memory that holds the recordings of noise."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.store.clear()
    for path in folders[1].rglob("*.wav"):
        memory.pipe(f"/noise/{path.relative_to(folders[1])}", path.read_bytes())
    yield memory
    memory.store.clear()


@pytest.mark.parametrize("learning", [["--iterations", "5"], ["--passes", "1"]])
def test_urls_give_what_the_same_recordings_give_on_the_disk(
    run: Run, store: Any, learning: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    words = ["noise", "--components", "6", *learning]
    assert run(*words, "noise", "-o", "a.npz")[0] == 0
    store.pipe("/noise/notes.txt", b"no recording")
    assert run(*words, "memory://noise", "-o", "b.npz")[0] == 0
    urls = [f"memory://{path}" for path in store.find("/noise") if path.endswith(".wav")]
    rows = [f"{url},{Path(url).parent.name}" for url in (*urls, "memory://noise/gone.wav")]
    Path("list.csv").write_text("\n".join(["path,group", *rows]))
    code, _, err = run(*words, "list.csv", "-o", "c.npz")
    assert code == 1
    assert "left out memory://noise/gone.wav (is not there)" in err
    assert len({Dictionary.load(f"{name}.npz").sha256 for name in "abc"}) == 1
    assert len(urls) > 1
    assert not list(temporary.iterdir())


def test_a_denoiser_learns_from_urls_too(run: Run, store: Any) -> None:
    store.pipe("/noise/broken.wav", b"no recording")
    code, out, err = run(
        "denoiser", "--speech", "speech", "--noise", "memory://noise", "-o", "a.npz", "--dry-run"
    )
    assert code == 1
    assert re.search(r"noise: \d+ recordings, .* 1 can't be read", out)
    assert "memory://noise/broken.wav (" in err
    assert "nmf_audio_" not in err


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF but no more")
    code, out, err = run("noise", "noise", broken, "-o", "a.npz", "--dry-run")
    assert code == 1
    assert "noise: 3 recordings, 0.00 h, 3 groups, 1 can't be read" in out
    assert "0.1 min would be held in memory; it takes about 0.2 GB of memory" in out
    assert "broken.wav" in err
    code, out, _ = run("speech", "speech", "-o", "a.npz", "--dry-run", "--passes", "2")
    assert code == 0
    assert "all would be read 2 times in a stream" in out
    assert not list(Path().glob("a.*"))


def test_a_strict_training_stops_at_what_cannot_be_read(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF but no more")
    code, out, err = run("speech", "speech", broken, "-o", "a.npz", "--strict", *QUICK)
    assert (code, out) == (1, "")
    assert "broken.wav" in err
    assert "with --strict the command stops there" in err
    assert not Path("a.npz").exists()


def test_lists_name_parts_of_recordings_and_their_groups(run: Run) -> None:
    rows = [
        "path,start,end,group,weight",
        "noise/fan/a.wav,0,1,old,2",
        "noise/fan/a.wav,1,,new,",
        "noise/rain/a.wav,,,new,",
    ]
    Path("list.csv").write_text("\n".join(rows), encoding="utf-8")
    code, _, _ = run("noise", "list.csv", "noise/street", "-o", "a.npz", *QUICK)
    assert code == 0
    assert [g.name for g in Dictionary.load("a.npz").groups] == ["new", "old", "street"]
    assert Dictionary.load("a.npz").meta["training"][0]["seconds"] == 6.0
    Path("list.csv").write_text("path,end\nnoise/fan/a.wav,-1", encoding="utf-8")
    code, _, err = run("noise", "list.csv", "-o", "b.npz", *QUICK)
    assert code == 2
    assert "list.csv, line 2: end=-1" in err


@pytest.fixture
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold out of seconds as of minutes, and score mixtures that are few and short."""
    monkeypatch.setattr(comparison, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(comparison, "N_MIXTURES", 4)
    monkeypatch.setattr(comparison, "SECONDS", 1)


@pytest.mark.usefixtures("quick_scores")
@pytest.mark.parametrize(
    ("words", "systems"),
    [
        (
            ["noise", "fan", "--with", "before.npz"],
            ["mixture", "shipped", "shipped, plain", "before.npz", "a"],
        ),
        *(
            pytest.param(words, systems, marks=pytest.mark.slow)
            for words, systems in (
                (["noise", "fan", "--mix-with", "speech"], ["mixture", "shipped", "shipped, plain", "a"]),
                (["speech", "talk"], ["mixture", "shipped", "shipped, plain", "a"]),
                (["speech", "talk", "--passes", "1"], ["mixture", "shipped", "shipped, plain", "a"]),
                (["source", "piano", "talk"], ["mixture", "shipped", "a"]),
            )
        ),
    ],
)
def test_it_ends_with_scores_on_held_out_mixtures(run: Run, words: list[str], systems: list[str]) -> None:
    tiny_dictionary().save("before.npz")
    for i in range(4):
        write(Path("fan", f"{i}.wav"), hiss(5, seed=i, slope=0.7))
        write(Path("talk", f"{i}.wav"), voice(5, seed=i))
    code, out, err = run(*words, "-o", "a.npz", *QUICK)
    assert (code, err) == (0, "")
    *_, verdict = lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("held-out mixtures"))
    assert [re.split(r"  +", line)[0] for line in lines[start + 1 : -1]] == systems
    assert re.match(r"a.npz (is|and) .* on these mixtures \(SI-SDR [+-]\d+\.\d\d dB, seg", verdict)
    dictionary = Dictionary.load("a.npz")
    assert [row[0] for row in dictionary.meta["compared"]] == ["", *systems]
    # a part of the 20 s was not learned from
    assert 17 < dictionary.meta["training"][-1]["seconds"] < 19
    assert "## Scores on held-out mixtures" in Path("a.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick_scores")
def test_why_there_are_no_scores_is_said(run: Run) -> None:
    _, out, _ = run("noise", "noise", "-o", "a.npz", *QUICK)
    assert "not compared with others: a minute of sound is needed" in out
    assert Dictionary.load("a.npz").meta["training"][0]["seconds"] == 6.0
    write(Path("fan", "a.wav"), hiss(16))
    _, out, _ = run("noise", "fan", "-o", "b.npz", "--beta", "0", *QUICK)
    assert "not compared with others: dictionary" in out
    assert "train both alike" in out


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        (
            {"si_sdr": Gain(1, 0.1), "estoi": Gain(0.01, 0.1)},
            r"is better than that .*SI-SDR \+1.00 dB, ESTOI \+0.010\)",
        ),
        ({"si_sdr": Gain(-1, 0.1), "estoi": Gain(0.01, 0.1)}, "is worse than that .*: use that, or try"),
        (
            {"si_sdr": Gain(1, 0.1), "estoi": Gain(-1, 0.1)},
            "better than that in some scores, worse in others",
        ),
        ({"si_sdr": Gain(0.1, 0.1)}, "a and that hardly differ .*: for more, try"),
    ],
)
def test_worse_is_what_no_score_contradicts(gains: dict[str, Gain], words: str) -> None:
    assert re.search(words, train_scores.describe_gains("a", gains, "that", "try"))
