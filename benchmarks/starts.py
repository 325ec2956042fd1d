"""Starts of a factorization compared: cost after growing numbers of iterations.

On the four kinds of data of `solvers.py`, with the default solver of the Euclidean cost. A table gives the cost after
so many iterations, relative to the lowest that any start came to with the longest; the mean over seeds, for starts
that depend on chance. The last column is the processor time of the start itself, in that of an iteration::

    python benchmarks/starts.py --seeds 5
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from solvers import DATA
from table import print_table
from threadpoolctl import threadpool_limits

from nmf_audio.nmf import beta_divergence, factorize, initialize
from nmf_audio.nmf.init import INITS

CHANCE = {"random", "frames", "nndsvdar", "k-means", "anchors"}
"""Starts that depend on the seed."""


def measure(
    V: NDArray[np.float64], n_components: int, init: str, seed: int, counts: list[int]
) -> tuple[list[float], float]:
    """Return the cost of the start and after each number of iterations, and how many iterations the start takes."""
    began = time.process_time()
    W, H = initialize(V, n_components, init=init, rng=seed)
    started = time.process_time() - began
    costs, iterating = [], 0.0
    for n, before in zip(counts, [0, *counts], strict=False):
        if n:
            began = time.process_time()
            W, H, _, _ = factorize(V, beta=2, W=W, H=H, max_iter=n - before, tol=0)
            iterating += time.process_time() - began
        costs.append(beta_divergence(V, W @ H, 2))
    return costs, started / (iterating / counts[-1])


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="over which the mean is taken")
    parser.add_argument(
        "--iterations", nargs="+", type=int, default=[0, 3, 10, 30, 100, 300], help="costs after these"
    )
    options = parser.parse_args()
    with threadpool_limits(1):
        factorize(np.ones((3, 4)), 1, 2, rng=0)  # kernels are compiled
        for name, (make, n_components) in DATA.items():
            V = make(np.random.default_rng(0))
            found = {}
            for init in INITS:
                runs = [
                    measure(V, n_components, init, seed, options.iterations)
                    for seed in range(options.seeds if init in CHANCE else 1)
                ]
                found[init] = np.array([costs for costs, _ in runs]), np.median([t for _, t in runs])
            lowest = min(costs[:, -1].min() for costs, _ in found.values())
            print(f"\n{name}, {V.shape[0]} x {V.shape[1]}, {n_components} atoms")
            print_table(
                ["start", *options.iterations, "takes"],
                [
                    [f"`{init}`", *(f"{x:.3f}" for x in (costs / lowest).mean(axis=0)), f"{taken:.1f}"]
                    for init, (costs, taken) in found.items()
                ],
            )


if __name__ == "__main__":
    main()
