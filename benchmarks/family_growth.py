"""Growth of time and memory of each factorization with features, frames and atoms.

Each of the three is doubled twice while the others stay; float64, one thread, a fixed number of iterations, the best
CPU time of several runs. The exponent is the slope of log time against log size: 1 is linear; below 1, a part of the
work does not depend on the size, or small sizes use the processor worse. Memory is the peak of what numpy allocates
beyond the data, in that of the data, at the smallest and the largest number of frames::

    python benchmarks/family_growth.py
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import print_table
from threadpoolctl import threadpool_limits

from nmf_audio import nmf

Array = NDArray[np.float64]

USUAL = {"features": 128, "frames": 512, "atoms": 8}
SIZES = {"features": (128, 256, 512), "frames": (512, 1024, 2048), "atoms": (8, 16, 32)}
N_ITER = 5


def iterate(function: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[Array, int], Any]:
    """Return a function of data and atoms that runs `N_ITER` iterations."""
    return lambda V, K: function(V, K, *arguments, max_iter=N_ITER, tol=0, rng=0, **options)


def weighted(V: Array, K: int, **options: Any) -> None:
    """Factorize with weights."""
    nmf.factorize(V, K, 2.0, weights=np.ones_like(V), coarse=1, max_iter=N_ITER, tol=0, rng=0, **options)


def similar(V: Array, K: int) -> None:
    """Cluster the frames' similarities, frames x frames."""
    nmf.factorize_symmetric(V.T @ V, K, max_iter=N_ITER, rng=0)


TASKS: dict[str, Callable[[Array, int], Any]] = {
    "factorize, mu, beta 1": iterate(nmf.factorize, 1.0, coarse=1),
    **{
        f"factorize, {solver}": iterate(nmf.factorize, 2.0, coarse=1, solver=solver)
        for solver in (
            "mu",
            "hals",
            "projected-gradient",
            "optimal-gradient",
            "active-set",
            "block-pivoting",
        )
    },
    "factorize, hals, weights": lambda V, K: weighted(V, K, solver="hals"),
    "nnls, block-pivoting": lambda V, K: nmf.nnls(V, V[:, :K]),
    "factorize_penalised": lambda V, K: nmf.factorize_penalised(
        V, K, penalty=nmf.Penalty(continuity=0.1), max_iter=N_ITER, tol=0, rng=0
    ),
    "factorize_convolutive, 4 lags": lambda V, K: nmf.factorize_convolutive(
        V, K, 4, max_iter=N_ITER, tol=0, rng=0
    ),
    "factorize_semi": iterate(nmf.factorize_semi),
    "factorize_convex": iterate(nmf.factorize_convex),
    "factorize_orthogonal": iterate(nmf.factorize_orthogonal),
    "plsa": iterate(nmf.plsa),
    "k_means": lambda V, K: nmf.k_means(V.T, K, n_starts=1, rng=0),
    "factorize_symmetric": similar,
    "find_anchors": lambda V, K: nmf.find_anchors(V, K),
    "factorize_sequentially": lambda V, K: nmf.factorize_sequentially(V, K, 2.0, max_iter=N_ITER, tol=0),
    "cross_validate, 2 folds": lambda V, K: nmf.cross_validate(
        V, [K], n_folds=2, max_iter=N_ITER, tol=0, rng=0
    ),
    "impute": lambda V, K: nmf.impute(V, K, weights=(V > 0.1).astype(float), max_iter=N_ITER, tol=0, rng=0),
}


def data(shape: dict[str, int]) -> Array:
    """Return random data of low rank."""
    rng = np.random.default_rng(0)
    n_features, n_frames = shape["features"], shape["frames"]
    return np.asarray(
        rng.random((n_features, 16)) @ rng.random((16, n_frames)) + rng.random((n_features, n_frames))
    )


def cpu_time(task: Callable[[Array, int], Any], shape: dict[str, int], runs: int) -> float:
    """Return the best CPU time of several runs."""
    V, best = data(shape), np.inf
    for _ in range(runs):
        start = time.process_time()
        task(V, shape["atoms"])
        best = min(best, time.process_time() - start)
    return best


def peak_memory(task: Callable[[Array, int], Any], shape: dict[str, int]) -> float:
    """Return the peak of what is allocated beyond the data, relative to them."""
    V = data(shape)
    tracemalloc.start()
    task(V, shape["atoms"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / V.nbytes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2, help="runs of which the best counts")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that it has not converged
    rows = []
    with threadpool_limits(1):
        for name, task in TASKS.items():
            task(data(USUAL), USUAL["atoms"])  # compiled before time is taken
            usual = cpu_time(task, USUAL, options.runs)
            exponents = []
            for axis, sizes in SIZES.items():
                times = [usual, *(cpu_time(task, USUAL | {axis: size}, options.runs) for size in sizes[1:])]
                exponents.append(float(np.polyfit(np.log(sizes), np.log(times), 1)[0]))
            memory = (
                peak_memory(task, USUAL | {"frames": n}) for n in (SIZES["frames"][0], SIZES["frames"][-1])
            )
            rows.append(
                [
                    f"`{name}`",
                    f"{1e3 * usual:.1f}",
                    *(f"{e:.1f}" for e in exponents),
                    *(f"{m:.1f}" for m in memory),
                ]
            )
    few, many = SIZES["frames"][0], SIZES["frames"][-1]
    print(", ".join(f"{n} {axis}" for axis, n in USUAL.items()), "unless it is doubled")
    print_table(["", "ms", *SIZES, f"memory, {few} frames", f"{many} frames"], rows)


if __name__ == "__main__":
    main()
