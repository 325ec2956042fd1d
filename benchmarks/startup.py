"""Start-up time of ``denoise``: help, version, a short recording, and the first run after installation.

::

    python benchmarks/startup.py

Commands take turns, and each figure is the best of several runs by the clock, so that other work on the machine
disturbs little. The first run finds no compiled bytecode, of Python's own library neither, and no compiled kernels.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from table import Bar, print_table

ROOT = Path(__file__).parent.parent
SECONDS = 10
COMMAND = (sys.executable, "-c", "import sys; from nmf_audio.cli.denoise import main; sys.exit(main())")
BARE = (sys.executable, "-c", "pass")
NUMPY = (sys.executable, "-c", "import numpy")


def clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment whose caches lie, empty, in a folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def seconds(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Return how long a command takes by the clock."""
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long until denoise answers.")
    parser.add_argument("--runs", type=int, default=15, help="runs of each (default: %(default)s)")
    runs = parser.parse_args().runs
    demo, sr = soundfile.read(ROOT / "demos" / "noisy.flac", dtype="float32")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "noisy.wav"
        soundfile.write(source, np.resize(demo, SECONDS * sr), sr)
        denoise: tuple[str, ...] = (*COMMAND, str(source), "-f", "-q")
        adaptive = (*denoise, "--method", "adaptive")
        firsts = {}
        for method, command in (("default method", denoise), ("--method adaptive", adaptive)):
            firsts[method] = seconds(command, clean_environment(folder / method.strip("-")))
        environment = clean_environment(folder / "default method")
        commands: dict[str, tuple[str, ...]] = {
            "bare": BARE,
            "numpy": NUMPY,
            "help": (*COMMAND, "--help"),
            "version": (*COMMAND, "--version"),
            "denoise": denoise,
            "adaptive": adaptive,
        }
        times: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(runs + 1):
            for key, command in commands.items():
                times[key].append(seconds(command, environment))
    # the first round fills the caches
    best = {key: min(values[1:]) for key, values in times.items()}
    print_table(
        ["seconds by the clock", "", "bar"],
        [
            ["`python -c pass`", f"{best['bare']:.3f}", ""],
            ["`denoise --help`", f"{best['help']:.3f}", Bar(best["help"], 2 * best["bare"] + 0.020)],
            ["`denoise --version`", f"{best['version']:.3f}", Bar(best["version"], 2 * best["bare"] + 0.020)],
            ['`python -c "import numpy"`', f"{best['numpy']:.3f}", ""],
            [f"`denoise`, {SECONDS} s", f"{best['denoise']:.3f}", Bar(best["denoise"], best["numpy"] + 1)],
            ["the same, `--method adaptive` (compiled kernels)", f"{best['adaptive']:.3f}", ""],
            ["the very first run", f"{firsts['default method']:.2f}", Bar(firsts["default method"], 6)],
            ["the very first run, `--method adaptive`", f"{firsts['--method adaptive']:.2f}", ""],
        ],
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
