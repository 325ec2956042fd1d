"""Time of one block of a live stream, and growth of its memory.

::

    python benchmarks/stream.py

The demo recording, over and over, goes through a stream in blocks of 16 ms. Every block is timed by the clock, which
counts what other programs take of the core, and by the CPU time of the thread, which does not. Traced memory is
measured in a second pass, since tracing slows Python down.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from table import Bar, print_table

from nmf_audio import Denoiser, Stream

DEMO = Path(__file__).parent.parent / "demos" / "noisy.flac"
BLOCK = 256
EARLY = 100


def blocks(n_blocks: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield blocks of the demo recording, which starts again at its end."""
    y = soundfile.read(DEMO, dtype="float32")[0]
    y = y[: len(y) // BLOCK * BLOCK].reshape(-1, BLOCK)
    for i in range(n_blocks):
        yield y[i % len(y)]


def timed(stream: Stream, n_blocks: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return milliseconds of each block, by the clock and by CPU time."""
    clock, cpu = np.empty(n_blocks), np.empty(n_blocks)
    for i, block in enumerate(blocks(n_blocks)):
        clock_start, cpu_start = time.perf_counter_ns(), time.thread_time_ns()
        stream.process(block, fixed=True)
        cpu[i], clock[i] = time.thread_time_ns() - cpu_start, time.perf_counter_ns() - clock_start
    return clock / 1e6, cpu / 1e6


def growth(stream: Stream, n_blocks: int) -> int:
    """Return by how many bytes traced memory grows from block 100 to the last."""
    traced = {}
    tracemalloc.start()
    for i, block in enumerate(blocks(n_blocks), start=1):
        stream.process(block, fixed=True)
        if i in (EARLY, n_blocks):
            gc.collect()
            traced[i] = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return traced[n_blocks] - traced[EARLY]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long one block of a live stream takes.")
    parser.add_argument("--blocks", type=int, default=60000, help="how many (default: %(default)s)")
    parser.add_argument("--method", help="trained, adaptive or classic (default: the default)")
    options = parser.parse_args()
    start = time.perf_counter()
    stream = Denoiser(method=options.method).stream(16000)
    made = time.perf_counter() - start
    loaded = "yes" if "numba" in sys.modules else "no"
    clock, cpu = timed(stream, options.blocks)
    stream.reset()
    grown = growth(stream, options.blocks)
    rows: list[list[object]] = [["the constructors, s (numba loaded: " + loaded + ")", f"{made:.3f}", "", ""]]
    for name, share, bar in (("median", 50, 0.5), ("99.9th percentile", 99.9, 2.0), ("longest", 100, None)):
        values = [float(np.percentile(x, share)) for x in (clock, cpu)]
        judged = "" if bar is None else Bar(values[0], bar, digits=1)
        rows.append([f"{name}, ms", *(f"{x:.3f}" for x in values), judged])
    rows.append(
        [
            f"traced memory, block {EARLY} to {options.blocks}, bytes",
            grown,
            "",
            Bar(abs(grown), 4096, digits=0),
        ]
    )
    print_table([f"{options.blocks} blocks of 16 ms at 16 kHz", "by the clock", "CPU", "bar"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
