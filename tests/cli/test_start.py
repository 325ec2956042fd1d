"""The first start of ``denoise``: what it says while it compiles, and that it needs no place to keep anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nmf_audio
from tests.tiny import write_noise

PACKAGE = Path(nmf_audio.__file__).parent
COMPILING = "denoise: compiling loops, which takes some seconds"

needs_jit = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="looks at compilation")


def denoise(folder: Path, *words: str, **environment: str) -> list[str]:
    """Run the command on noise in a folder; return the lines of stderr."""
    source = folder / "noisy.wav"
    if not source.exists():
        write_noise(source, 1)
    done = subprocess.run(
        [sys.executable, "-m", "nmf_audio.cli.denoise", source.name, "-f", *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (folder / "noisy.denoised.wav").stat().st_size == source.stat().st_size
    return done.stderr.splitlines()


@needs_jit
@pytest.mark.slow
def test_it_says_that_it_compiles_and_does_so_once(tmp_path: Path) -> None:
    cache = str(tmp_path / "kernels")
    assert denoise(tmp_path, "--method", "classic", NUMBA_CACHE_DIR=cache) == [COMPILING]
    assert denoise(tmp_path, "--method", "classic", NUMBA_CACHE_DIR=cache) == []


@needs_jit
@pytest.mark.slow
def test_where_nothing_can_be_kept_it_works(tmp_path: Path) -> None:
    installed = tmp_path / "read-only" / "nmf_audio"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__", "dictionaries"))
    shutil.copytree(PACKAGE.parent / "dictionaries", installed / "dictionaries")
    # files where folders would have to be: nobody can write there, the superuser included
    for folder in {path.parent for path in installed.rglob("*.py")}:
        (folder / "__pycache__").write_text("")
    nowhere = {name: str(installed / "__pycache__") for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    nowhere["PYTHONPATH"] = str(installed.parent)
    assert denoise(tmp_path, **nowhere) == []
    warning, compiling = denoise(tmp_path, "--method", "classic", **nowhere)
    assert warning.startswith("denoise: warning: compiled kernels can't be kept on disk")
    assert compiling == COMPILING
