"""Commands in odd surroundings: closed or full standard streams, and files in the current folder that others left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nmf_audio import denoise_file
from tests.cli.helpers import COMMAND, names
from tests.tiny import write_noise

NMF_AUDIO = [sys.executable, "-m", "nmf_audio.cli.main"]


def run(folder: Path, redirection: str, *words: str) -> tuple[int, str]:
    """Run a command with streams as a shell makes them; return exit code and standard error."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


FULL = "standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("redirection", "more", "code", "said"),
    [
        ("<&- >&- 2>&-", [], 0, ""),
        (">/dev/full", [], 1, f"denoise: {FULL}"),
        pytest.param("<&- >&- 2>&-", ["b.wav", "--jobs", "2"], 0, "", marks=pytest.mark.slow),
        pytest.param("<&-", [], 0, "", marks=pytest.mark.slow),
        pytest.param(">&-", [], 0, "", marks=pytest.mark.slow),
        pytest.param("2>&-", ["none.wav"], 2, "", marks=pytest.mark.slow),
        pytest.param("2>/dev/full", ["none.wav"], 2, "", marks=pytest.mark.slow),
        pytest.param(">/dev/full 2>/dev/full", [], 1, "", marks=pytest.mark.slow),
        pytest.param("2>/dev/full", [], 0, "", marks=pytest.mark.slow),
        pytest.param(">/dev/full", ["--json", "-q"], 1, f"denoise: {FULL}", marks=pytest.mark.slow),
        pytest.param(
            ">&-", ["--json", "-q"], 1, "denoise: standard output: is closed\n", marks=pytest.mark.slow
        ),
    ],
)
def test_streams_that_take_nothing(
    tmp_path: Path, redirection: str, more: list[str], code: int, said: str
) -> None:
    for name in ("a.wav", "b.wav"):
        write_noise(tmp_path / name, 0.1)
    denoise_file(tmp_path / "a.wav", tmp_path / "whole.wav")
    assert run(tmp_path, redirection, *COMMAND, "a.wav", *more) == (code, said)
    if code < 2:
        assert (tmp_path / "a.denoised.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert not [name for name in names(tmp_path) if name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "redirection", "code", "said"),
    [
        (["--help"], ">/dev/full", 1, FULL),
        (["--version"], ">/dev/full", 1, FULL),
        (["dictionaries", "list"], ">/dev/full", 1, f"nmf-audio dictionaries list: {FULL}"),
        (["dictionaries", "list"], ">&-", 1, "nmf-audio dictionaries list: standard output: is closed\n"),
        (["--help"], ">&-", 1, "standard output: is closed\n"),
        (["--help"], "| true", 0, ""),
    ],
)
def test_what_is_asked_for_must_arrive(
    tmp_path: Path, words: list[str], redirection: str, code: int, said: str
) -> None:
    assert run(tmp_path, redirection, *NMF_AUDIO, *words) == (code, said)


def test_settings_of_libraries_in_the_current_folder_are_not_taken(tmp_path: Path) -> None:
    """Settings that could have code loaded and programs run."""
    (tmp_path / ".numba_config.yaml").write_text("cache_dir: evil")
    (tmp_path / "yaml.py").write_text("def safe_load(_): return {'cache_dir': 'evil'}")
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red")
    code = """if True:
        import os, sys
        os.environ.pop("NUMBA_CACHE_DIR", None)
        import nmf_audio.nmf.kernels
        from numba.core import config
        config.reload_config()
        import matplotlib
        from nmf_audio.cli import pictures
        axes = pictures.new_axes(3, 2)
        print([config.CACHE_DIR, axes.get_facecolor(), matplotlib.rcParams["text.usetex"]])
    """
    # yaml is found beside the script: it stands for the real one
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['', (1.0, 1.0, 1.0, 1.0), False]\n", "")


@pytest.mark.parametrize("command", ["denoise", "nmf_audio"])
def test_an_interrupt_before_anything_has_begun_shows_no_traceback(tmp_path: Path, command: str) -> None:
    # a module that takes for ever to load stands for those that take long
    (tmp_path / "argparse.py").write_text("import os, time\nos.write(1, b'.')\ntime.sleep(600)")
    code = f"from nmf_audio.cli.start import {command}; {command}()"
    take = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    with subprocess.Popen(
        [sys.executable, "-c", take + code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        process.send_signal(2)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == -2
