"""Throughput of a cluster: costs of each part, measured on this computer, and what follows for more workers.

::

    python benchmarks/cluster.py --plot docs/scale.png

A scheduler and workers of dask run here. Their seconds of processor time are counted, not those of the clock, so that
few cores are enough. A simulation sends many files through a client, a scheduler and a file system, each of which
serves one after the other, to many workers.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from cost import ONE_THREAD, write_recording
from table import print_table

from nmf_audio import denoise_files
from nmf_audio.jobs.cluster import connecting

SR = 16000
SHORT_SECONDS = 0.1
GBIT = 1e9 / 8
"""Bytes a second of a network of 1 Gbit/s."""


@dataclass(frozen=True)
class Costs:
    """Seconds of processor time for a file: of the client, the scheduler and a worker."""

    client: float
    scheduler: float
    worker: float


@contextmanager
def running_cluster(
    n_workers: int,
) -> Iterator[tuple[str, psutil.Process, list[psutil.Process]]]:
    """Give the address of a scheduler, its process, and those of its workers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"

        def start(*words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", *words, "--no-dashboard", "--scheduler-file", str(file)]
            return subprocess.Popen(
                command, env=os.environ | ONE_THREAD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

        words = ["--nthreads", "1", "--no-nanny", "--local-directory", folder]
        scheduler = start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        workers = [start("distributed.cli.dask_worker", *words) for _ in range(n_workers)]
        try:
            while not file.exists():
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            from distributed import Client

            with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                client.wait_for_workers(n_workers)
            yield address, psutil.Process(scheduler.pid), [psutil.Process(one.pid) for one in workers]
        finally:
            for process in (*workers, scheduler):
                process.kill()
                process.wait()


def measure(n_files: int, seconds: float, n_workers: int) -> Costs:
    """Return what a file costs, without what starting costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [folder / f"{i:05}.wav" for i in range(n_files)]
        write_recording(sources[0], seconds, SR, 1)
        for source in sources[1:]:
            shutil.copyfile(sources[0], source)
        with running_cluster(n_workers) as (address, scheduler, workers), connecting(address) as pool:

            def used() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
                times = [sum(one.cpu_times()[:2]) for one in (scheduler, *workers)]
                return np.array([time.process_time(), times[0], sum(times[1:])])

            # what is loaded is loaded before
            list(denoise_files(sources[: 4 * n_workers], executor=pool, force=True))
            begun = used()
            reports = list(denoise_files(sources, executor=pool, force=True))
            assert all(report.status == "done" for report in reports), reports
            return Costs(*((used() - begun) / n_files))


def simulate(
    n_workers: int, n_files: int, costs: Costs, n_bytes: float, bandwidth: float
) -> tuple[float, dict[str, float]]:
    """Return the seconds that files take, and for which share of them each part is busy.

    Lengths have a log-normal distribution around that of which the costs and the bytes are. A file goes from the
    client to the scheduler, to a worker that is free, which reads it, works on it and writes as many bytes. Client,
    scheduler and network serve one after the other.
    """
    lengths = np.random.default_rng(0).lognormal(-0.5, 1, n_files).tolist()
    client = scheduler = network = end = 0.0
    read, write, free = range(3)
    # when something happens, what, and to a file of which length
    events = [(0.0, free, 0.0)] * n_workers
    i = 0
    while events:
        now, what, length = heapq.heappop(events)
        if what == free:
            end = now
            if i == n_files:
                continue
            length, i = lengths[i], i + 1
            client += costs.client
            scheduler = max(scheduler, client, now) + costs.scheduler
            heapq.heappush(events, (scheduler, read, length))
            continue
        network = max(network, now) + length * n_bytes / bandwidth
        worked = length * costs.worker if what == read else 0.0
        heapq.heappush(events, (network + worked, write if what == read else free, length))
    busy = {"client": costs.client, "scheduler": costs.scheduler, "network": 2 * n_bytes / bandwidth}
    busy["workers"] = costs.worker / n_workers
    return end, {name: n_files * seconds / end for name, seconds in busy.items()}


def draw(path: Path, speeds: dict[str, list[float]], n_workers: Sequence[int]) -> None:
    """Draw hours of sound an hour against workers."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, values in speeds.items():
        axes.loglog(n_workers, values, "o-", label=name, markersize=4)
    first = next(iter(speeds.values()))[0]
    axes.loglog(n_workers, [first * n for n in n_workers], "k:", linewidth=1, label="linear")
    axes.set_xlabel("workers, one core each")
    axes.set_ylabel("hours of sound in an hour")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=80)


def main() -> int:
    """Print what was measured, and what follows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--files", type=int, default=30, help="that are measured (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=1, help="of each (default: %(default)s)")
    parser.add_argument("--short-files", type=int, default=300, help="of 0.1 s (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="that run here (default: %(default)s)")
    parser.add_argument(
        "--costs",
        type=float,
        nargs=3,
        metavar=("CLIENT", "SCHEDULER", "WORKER"),
        help="CPU ms a file (default: measured)",
    )
    parser.add_argument("--simulated", type=int, default=10**6, help="files (default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it too (needs matplotlib)")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    n_bytes = 2 * SR * seconds
    if options.costs is None:
        # what client and scheduler do while they wait is not of a file: short ones leave them little time for it
        short = measure(options.short_files, SHORT_SECONDS, options.workers)
        long = measure(options.files, seconds, options.workers)
        costs = Costs(short.client, short.scheduler, long.worker)
        figures = [
            [name, *(f"{1000 * value:.1f}" for value in (one.client, one.scheduler, one.worker))]
            for name, one in ((f"{SHORT_SECONDS} s", short), (f"{options.minutes:g} min", long))
        ]
        print_table(["CPU ms a file of", "client", "scheduler", "worker"], figures)
        sys.stdout.flush()
    else:
        costs = Costs(*(value / 1000 for value in options.costs))
    workers = (1, 10, 30, 100, 300, 1000)
    networks = {f"{n} Gbit/s": n * GBIT for n in (1, 10, 100)}
    speeds: dict[str, list[float]] = {name: [] for name in networks}
    rows: list[list[object]] = []
    for name, bandwidth in networks.items():
        for n_workers in workers:
            total, busy = simulate(n_workers, options.simulated, costs, n_bytes, bandwidth)
            speeds[name].append(options.simulated * seconds / total)
            limit = max(busy, key=lambda part: busy[part])
            shares = [f"{100 * busy[part]:.0f} %" for part in ("workers", "network", "scheduler", "client")]
            rows.append([name, n_workers, f"{total / 3600:.2f}", f"{speeds[name][-1]:.0f}", *shares, limit])
    head = [
        f"{options.simulated} files of {options.minutes:g} min",
        "workers",
        "hours",
        "hours of sound an hour",
    ]
    print_table([*head, "workers busy", "network", "scheduler", "client", "limit"], rows)
    if options.plot is not None:
        draw(options.plot, speeds, workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
