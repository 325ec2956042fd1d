"""Time of a step of the denoiser's training: with no memory, one and two, on one thread and on two.

::

    python benchmarks/training_step.py

16 mixtures of 3 s, 160 + 96 atoms, four layers, on made-up recordings: what is in them makes no difference to the
time. Also how much memory the process took at its peak.
"""

from __future__ import annotations

import argparse
import resource
from dataclasses import replace

import numpy as np
from table import Bar, print_table

from nmf_audio.nmf.workers import Workers
from nmf_audio.training.denoiser import DenoiserSettings, DenoiserTraining
from nmf_audio.training.gated_memory import MemorySizes
from nmf_audio.training.sounds import Recordings, Sounds, in_memory

SECONDS, SR = 20, 16000
VARIANTS = {
    "no memory": (None, 0.3, None),
    "local and global memory": (MemorySizes(n_second=0), 0.5, 0.3),
    "and a second local one (default)": (MemorySizes(), None, None),
}
"""Sizes of the memory, and what a step should take on one thread and on two, in seconds."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2], help="threads (default: 1 2)")
    args = parser.parse_args()
    rows = []
    recordings = _recordings(np.random.default_rng(0))
    for name, (memory, *bars) in VARIANTS.items():
        settings = replace(DenoiserSettings(), memory=memory)
        for jobs in args.jobs:
            with Workers(jobs) as workers:
                seconds = DenoiserTraining(recordings, settings, workers=workers).seconds_per_step()
            bar = bars[jobs - 1] if jobs <= len(bars) else None
            rows.append(
                (name, jobs, f"{seconds:.3f}", "" if bar is None else str(Bar(seconds, bar, digits=1)))
            )
    print_table(("step of", "threads", "s", "should be"), rows)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


def _recordings(rng: np.random.Generator) -> Recordings:
    def sounds(n_groups: int) -> Sounds:
        n = SECONDS * SR
        return in_memory((f"group {i}", rng.standard_normal(n, np.float32)) for i in range(n_groups))

    return Recordings(sounds(4), sounds(4), sounds(1), sounds(1), [], [])


if __name__ == "__main__":
    raise SystemExit(main())
