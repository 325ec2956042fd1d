"""Peak memory and time of a training against how long the recordings are.

::

    python benchmarks/corpus_memory.py speech RECORDING [--hours 1 10] [--components 64] [--passes 1]
    python benchmarks/corpus_memory.py denoiser RECORDING [--hours 1 10]

The corpora are the given recording under many names (hard links), in ten groups; a denoiser is trained one step, from
the shipped one. Each training is a process of its own, the real command; one before them, not
measured, compiles the kernels.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
from table import print_table

GROUPS = 10


def make_corpus(folder: Path, recording: Path, hours: float) -> int:
    """Link the recording so often that the corpus has these hours; return how often."""
    n = max(1, round(3600 * hours / float(soundfile.info(recording).duration)))
    for i in range(n):
        group = folder / f"group{i % GROUPS}"
        group.mkdir(parents=True, exist_ok=True)
        os.link(recording, group / f"{i}{recording.suffix}")
    return n


def measure(words: list[str]) -> tuple[float, float]:
    """Return the peak memory in MB and the CPU time in s of a command."""
    command = [sys.executable, "-m", "nmf_audio", "train", *words, "-q"]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: exit status {status}")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="Peak memory of a training against the length of the corpus."
    )
    parser.add_argument("kind", choices=("speech", "denoiser"))
    parser.add_argument("recording", type=Path, help="some minutes of sound")
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--components", default="64", help="atoms of speech (default: %(default)s)")
    parser.add_argument("--passes", default="1", help="passes over speech (default: %(default)s)")
    options = parser.parse_args()
    rows = []
    # hard links need the same file system
    with tempfile.TemporaryDirectory(dir=options.recording.resolve().parent) as root:
        for hours in (min(options.hours), *options.hours):
            corpus = Path(root, str(len(list(Path(root).iterdir()))))
            n = make_corpus(corpus, options.recording.resolve(), hours)
            if options.kind == "speech":
                words = [
                    "speech",
                    str(corpus),
                    "--components",
                    options.components,
                    "--passes",
                    options.passes,
                ]
            else:
                words = ["denoiser", "--speech", str(corpus), "--noise", str(corpus), "--from", "shipped"]
                words += ["--steps", "1"]
            started = time.monotonic()
            megabytes, seconds = measure([*words, "-o", f"{corpus}.npz"])
            rows.append(
                [f"{hours:g}", n, f"{megabytes:.0f}", f"{seconds:.1f}", f"{time.monotonic() - started:.1f}"]
            )
    print_table(["hours", "files", "peak MB", "CPU s", "s"], rows[1:])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
