"""Growth of time with frames, atoms and bands: decomposition with a fixed dictionary, and learning.

::

    python benchmarks/growth.py --picture docs/growth_nmf.png

Each of the three is doubled several times while the others stay as they are; KL, float32, one thread. The best CPU
time of several runs counts, all sizes taking turns. The exponent is the slope of log time against log size: 1 is
linear. Where it is below 1, a part of the work that does not depend on the size has its share.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from table import print_table
from threadpoolctl import threadpool_limits

from nmf_audio.nmf import activations, factorize

Array = NDArray[np.float32]

USUAL = {"frames": 4096, "atoms": 128, "bands": 256}
SIZES = {
    "frames": (1024, 2048, 4096, 8192, 16384, 32768),
    "atoms": (32, 64, 128, 256, 512),
    "bands": (64, 128, 256, 512, 1024),
}
N_ITER = 10


def decompose(V: Array, W: Array) -> None:
    """Activations of a fixed dictionary."""
    activations(V, W, n_iter=N_ITER)


def learn(V: Array, W: Array) -> None:
    """Atoms and activations, all frames at each iteration."""
    factorize(V, W=W, max_iter=N_ITER, tol=0, coarse=1)


TASKS: dict[str, Callable[[Array, Array], None]] = {"decomposition": decompose, "learning": learn}


def measure(axis: str, task: Callable[[Array, Array], None], runs: int) -> list[float]:
    """Return the CPU time at each size."""
    rng = np.random.default_rng(0)
    data = []
    for size in SIZES[axis]:
        shape = USUAL | {axis: size}
        V = rng.gamma(0.5, 1.0, (shape["bands"], shape["frames"])).astype(np.float32)
        data.append((V, rng.random((shape["bands"], shape["atoms"]), dtype=np.float32)))
    task(*data[0])  # compiled before time is taken
    best = [np.inf] * len(data)
    for _ in range(runs):
        for i, (V, W) in enumerate(data):
            start = time.process_time()
            task(V, W)
            best[i] = min(best[i], time.process_time() - start)
    return [float(t) for t in best]


def slope(sizes: tuple[int, ...], times: list[float]) -> float:
    """Return the exponent of the power law nearest to the times."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def draw(times: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw time against size, a panel for each axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(SIZES), figsize=(9, 3), sharey=True, layout="constrained")
    for panel, (axis, sizes) in zip(panels, SIZES.items(), strict=True):
        for task, by_axis in times.items():
            seconds = by_axis[axis]
            panel.loglog(sizes, seconds, "o-", label=f"{task}, exponent {slope(sizes, seconds):.2f}")
        last = times["learning"][axis][-1]
        panel.loglog(sizes, [last * size / sizes[-1] for size in sizes], "k:", linewidth=1, label="linear")
        panel.set_xticks(sizes, [str(size) for size in sizes], fontsize=8)
        panel.minorticks_off()
        panel.set_xlabel(axis)
        panel.set_title(", ".join(f"{n} {k}" for k, n in USUAL.items() if k != axis), fontsize=9)
        panel.legend(fontsize=7, frameon=False)
    panels[0].set_ylabel(f"CPU s, {N_ITER} iterations")
    figure.savefig(path, dpi=80)


def main() -> int:
    """Print the table, draw the picture."""
    parser = argparse.ArgumentParser(description="How time grows with frames, atoms and bands.")
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of which the best counts (default: %(default)s)"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it too (needs matplotlib)")
    options = parser.parse_args()
    with threadpool_limits(1):
        times = {
            name: {axis: measure(axis, task, options.runs) for axis in SIZES} for name, task in TASKS.items()
        }
    print_table(
        ["", "", "smallest", "largest", "CPU s", "exponent"],
        [
            [
                name,
                axis,
                sizes[0],
                sizes[-1],
                f"{by_axis[axis][0]:.3f} to {by_axis[axis][-1]:.3f}",
                f"{slope(sizes, by_axis[axis]):.2f}",
            ]
            for name, by_axis in times.items()
            for axis, sizes in SIZES.items()
        ],
    )
    if options.picture is not None:
        draw(times, options.picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
