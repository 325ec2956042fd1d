"""Speed-up of a folder by ``--jobs``, by the clock; needs as many idle cores.

::

    python benchmarks/jobs.py --files 16 --minutes 2
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
from cost import ONE_THREAD, write_recording
from table import print_table


def seconds(folder: Path, jobs: int) -> float:
    """Return how long a folder takes."""
    words = [str(folder), "-r", "--output-dir", str(folder / "clean"), "--jobs", str(jobs), "-q", "-f"]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "nmf_audio.cli.denoise", *words], check=True, env=os.environ | ONE_THREAD
    )
    return time.perf_counter() - start


def main() -> int:
    """Print a line for each number of jobs."""
    parser = argparse.ArgumentParser(description="How much sooner a folder is done with --jobs.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, cores], help="(default: 1 and the cores)")
    parser.add_argument("--files", type=int, default=16, help="recordings (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=2, help="of each, 16 kHz mono (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    rounds: list[list[float]] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            for i in range(options.files):
                write_recording(Path(name) / f"{i:03}.wav", 60 * options.minutes, 16000, 1)
            rounds.append([seconds(Path(name), jobs) for jobs in options.jobs])
    times = np.array(rounds)
    rows = [
        [jobs, f"{np.median(times[:, i]):.2f}", f"{np.median(times[:, 0] / times[:, i]):.2f}"]
        for i, jobs in enumerate(options.jobs)
    ]
    print_table(["jobs", f"seconds for {options.files} x {options.minutes:g} min", "times faster"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
