"""Completion: the script in a real shell, asked as that asks it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nmf_audio.cli import denoise
from nmf_audio.cli.completion import SHELLS
from nmf_audio.cli.main import COMMANDS, main
from nmf_audio.defaults import METHOD_NAMES

ASK = """
source "$1"
shift
function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The scripts for bash, from the real commands."""
    folder = tmp_path_factory.mktemp("scripts")
    asked = {
        "denoise": ["nmf_audio.cli.denoise", "--print-completion", "bash"],
        "nmf-audio": ["nmf_audio.cli.main", "completion", "bash"],
    }
    for name, words in asked.items():
        result = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=True)
        assert result.stderr == ""
        (folder / name).write_text(result.stdout)
    return {name: folder / name for name in asked}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("denoise --me", {"--method"}),
        ("denoise --method ", set(METHOD_NAMES)),
        ("denoise --preset po", {"podcast"}),
        ("denoise a.wav --channels ", {"linked", "independent"}),
        ("denoise a.wav --format F", {"FLAC"}),
        ("denoise ta", {"talk.wav", "talks"}),
        ("denoise talk.wav -o cl", {"clean.flac"}),
        ("denoise --output-dir ", {"talks"}),
        ("denoise --print-completion z", {"zsh"}),
        ("nmf-audio li", {"live"}),
        ("nmf-audio ", set(COMMANDS)),
        ("nmf-audio live --in", {"--input", "--input-channels"}),
        ("nmf-audio live --latency ", {"low", "high"}),
        ("nmf-audio train speech ta", {"talk.wav", "talks"}),
        ("nmf-audio train denoiser --sp", {"--speech", "--speech-atoms"}),
        ("nmf-audio dictionaries ", {"list", "info", "plot", "verify"}),
        ("nmf-audio completion t", {"tcsh"}),
        ("nmf-audio denoise --skip", {"--skip-existing"}),
    ],
)
def test_what_bash_offers(scripts: dict[str, Path], tmp_path: Path, line: str, expected: set[str]) -> None:
    for name in ("talk.wav", "clean.flac"):
        (tmp_path / name).touch()
    (tmp_path / "talks").mkdir()
    words = line.split(" ")
    result = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(scripts[words[0]]), *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    offered = set(result.stdout.split())
    if line == "nmf-audio ":
        offered = {word for word in offered if not word.startswith("-")}
    assert offered == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        denoise.main(["--print-completion", shell])
    assert "skip-existing" in capsys.readouterr().out
    assert main(["completion", shell]) == 0
    assert "list-devices" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["zsh", "tcsh", "fish"])
@pytest.mark.parametrize("command", ["denoise", "nmf-audio"])
def test_the_shell_can_read_its_script(shell: str, command: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    words = (
        ["nmf_audio.cli.denoise", "--print-completion", shell]
        if command == "denoise"
        else ["nmf_audio.cli.main", "completion", shell]
    )
    made = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=True)
    (tmp_path / "script").write_text(made.stdout)
    subprocess.run([shell, "-n", "script"], cwd=tmp_path, check=True, capture_output=True)


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["completion", "cmd"])
    assert "bash" in capsys.readouterr().err
