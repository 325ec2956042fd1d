"""CPU seconds per second of audio of the command ``denoise``, file in to file out, without its start-up.

::

    python benchmarks/cost.py

The demo recording, repeated, is denoised at two lengths; the difference of the CPU times over the difference of the
lengths is the cost of a second. One thread.
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
import soundfile
import soxr

DEMO = Path(__file__).parent.parent / "demos" / "noisy.flac"
LENGTHS = (300, 900)
CASES = ((16000, 1), (48000, 2))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cpu_seconds(command: list[str]) -> float:
    """Return user and system time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print a line for each rate and number of channels."""
    argparse.ArgumentParser(description="CPU seconds per second of audio.").parse_args()
    demo, sr = soundfile.read(DEMO, dtype="float32")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rate, n_channels in CASES:
            times = []
            for seconds in LENGTHS:
                y = np.resize(soxr.resample(demo, sr, rate), seconds * rate)
                source = folder / f"{rate}-{seconds}.wav"
                soundfile.write(source, np.stack([y] * n_channels, axis=1), rate)
                command = [sys.executable, "-m", "nmf_audio.cli.denoise", "-q", "-f", str(source)]
                # what the first start compiles and reads is not to be counted
                cpu_seconds([*command, "--end", "1"])
                times.append(cpu_seconds(command))
                source.unlink()
            cost = (times[1] - times[0]) / (LENGTHS[1] - LENGTHS[0])
            print(f"{rate} Hz, {n_channels} channel(s): {cost:.4f} CPU s per s of audio")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
