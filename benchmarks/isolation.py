"""Cost of reading recordings in a process of its own (``--isolate``), in processor time. Not on Windows.

::

    python benchmarks/isolation.py
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cost import ONE_THREAD, write_recording
from table import print_table


def cpu_seconds(folder: Path, *words: str) -> float:
    """Return the processor time of the command on a folder, with that of its processes."""
    command = [sys.executable, "-m", "nmf_audio.cli.denoise", str(folder), "-r", "-q", "-f"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, "--output-dir", str(folder / "clean"), *words], check=True, env=os.environ | ONE_THREAD
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print a line for each number of recordings."""
    parser = argparse.ArgumentParser(description="Processor time of denoise with and without --isolate.")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 20], help="(default: 1 20)")
    parser.add_argument("--seconds", type=int, default=10, help="of each recording (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="in turn (default: %(default)s)")
    options = parser.parse_args()
    rows = []
    for n_files in options.files:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for i in range(n_files):
                write_recording(folder / f"{i:03}.wav", options.seconds, 16000, 1)
            ways: tuple[list[str], ...] = ([], ["--isolate"])
            times = np.array([[cpu_seconds(folder, *way) for way in ways] for _ in range(options.rounds)])
        here, there = np.median(times, axis=0)
        more = np.median(times[:, 1] - times[:, 0])
        rows.append([n_files, f"{here:.2f}", f"{there:.2f}", f"{more:+.2f}"])
    print_table([f"files of {options.seconds} s", "CPU s", "with `--isolate`", "difference"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
