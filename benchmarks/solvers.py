"""Speed of the solvers of the Euclidean cost beside scikit-learn's.

On four kinds of data: a spectrogram, images made of parts, counts of words, and random data of low rank. All are
simulated, with a noise that no factorization fits. The goal is within a tenth of a percent of the cost that
scikit-learn's coordinate descent (`cd`) ends with by its own default criterion. For each solver the smallest number
of iterations that reaches it is found; then all run so many, from the same start, on one thread, taking turns, and
the median processor time counts. The table has geometric means over the starts: seconds, how many times as long
scikit-learn's `cd` takes, and in brackets the iterations and the range of that ratio. Local minima differ: for a
solver that does not reach the goal within `--limit` seconds ("-") the brackets have the cost that it came to,
relative to the goal::

    python benchmarks/solvers.py --seeds 9
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import non_negative_factorization
from threadpoolctl import threadpool_limits

from nmf_audio.nmf import beta_divergence, factorize, initialize
from nmf_audio.nmf.nnls_solvers import SOLVERS

Array = NDArray[Any]
CLOSE = 1.001


def spectrogram(rng: np.random.Generator) -> Array:
    """Harmonic atoms with activations that come and go."""
    f = np.arange(257)
    pitches = rng.uniform(4, 30, 20)
    atoms = sum(np.exp(-(((f[:, None] - n * pitches) / 1.5) ** 2)) / n for n in range(1, 12))
    active = rng.gamma(0.2, 1, (20, 800))
    active = (active + np.roll(active, 1, axis=1) + np.roll(active, 2, axis=1)) / 3
    return np.asarray((atoms @ active + 1e-3) * rng.rayleigh(0.8, (257, 800)))


def images(rng: np.random.Generator) -> Array:
    """Images of 19 x 19 pixels, each a sum of smooth parts."""
    x, y = np.meshgrid(np.arange(19), np.arange(19))
    centres = rng.uniform(2, 17, (25, 2))
    parts = np.exp(
        -((x.ravel()[:, None] - centres[:, 0]) ** 2 + (y.ravel()[:, None] - centres[:, 1]) ** 2) / 8
    )
    return np.asarray(parts @ rng.gamma(0.5, 1, (25, 600)) + 0.1 * rng.random((361, 600)))


def words(rng: np.random.Generator) -> Array:
    """Counts of 500 words in 400 texts of ten topics."""
    topics = rng.dirichlet(np.full(500, 0.05), 10).T
    return rng.poisson(80 * topics @ rng.dirichlet(np.full(10, 0.2), 400).T).astype(float)


def low_rank(rng: np.random.Generator) -> Array:
    """Uniform factors, and noise."""
    return rng.random((300, 20)) @ rng.random((20, 500)) + 0.1 * rng.random((300, 500))


DATA = {
    "spectrogram": (spectrogram, 20),
    "images": (images, 25),
    "words": (words, 10),
    "low rank": (low_rank, 20),
}

Run = Callable[[int], tuple[Array, Array]]


class Result(NamedTuple):
    """Of one solver from one start."""

    seconds: float
    ratio: float
    """How many times as long scikit-learn's `cd` took."""
    n_iter: float
    """Infinite if it did not come to the goal."""
    cost: float
    """Lowest that was seen, relative to the goal."""


def runs(V: Array, n_components: int, seed: int) -> dict[str, Run]:
    """A function of the number of iterations for each solver, all from one start."""
    W, H = initialize(V, n_components, rng=seed)

    def ours(solver: str) -> Run:
        def run(n: int) -> tuple[Array, Array]:
            got = factorize(V, beta=2, solver=solver, W=W, H=H, max_iter=n, tol=0)
            return got.W, got.H

        return run

    def theirs(solver: str) -> Run:
        X, start_W, start_H = V.T.copy(), H.T.copy(), W.T.copy()

        def run(n: int, tol: float = 1e-15) -> tuple[Array, Array]:
            got = non_negative_factorization(
                X, W=start_W.copy(), H=start_H.copy(), n_components=n_components, init="custom", solver=solver,
                max_iter=n, tol=tol,
            )  # fmt: skip
            return got[1].T, got[0].T

        return run

    return {s: ours(s) for s in SOLVERS} | {f"scikit-learn {s}": theirs(s) for s in ("cd", "mu")}


def processor_time(run: Run, n: int) -> float:
    """Seconds of `n` iterations."""
    start = time.process_time()
    run(n)
    return time.process_time() - start


def iterations_to(V: Array, run: Run, goal: float, limit: float) -> tuple[float, float]:
    """Return the smallest number of iterations whose cost is at most `goal`, if one within `limit` seconds is.

    And the lowest cost that was seen.
    """

    def cost(n: int) -> float:
        W, H = run(n)
        return beta_divergence(V, W @ H, 2)

    low, high, lowest = 0, 4, np.inf
    while (lowest := min(lowest, cost(high))) > goal:
        low, high = high, 2 * high
        if processor_time(run, low) > limit / 2:
            return np.inf, lowest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(middle) <= goal else (middle, high)
    return high, lowest


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="starts, over which the table has the mean")
    parser.add_argument("--runs", type=int, default=5, help="runs of each solver that are timed, in turn")
    parser.add_argument("--limit", type=float, default=1.0, help="CPU seconds of the longest run of a solver")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="kinds of data")
    names = [*SOLVERS, "scikit-learn cd", "scikit-learn mu"]
    parser.add_argument("--solvers", nargs="+", choices=names, default=names, help="those that are measured")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-learn says that it stopped at max_iter, as it was told
    for solver in ("mu", "hals"):
        factorize(np.ones((3, 4)), 1, 2, solver=solver, rng=0)  # kernels are compiled
    print("CPU seconds to within .1 % of the cost at which scikit-learn's cd ends")
    with threadpool_limits(1):
        for name in options.data:
            make, n_components = DATA[name]
            V = make(np.random.default_rng(0))
            found = [measure(V, n_components, seed, options) for seed in range(options.seeds)]
            print(f"\n{name}, {V.shape[0]} x {V.shape[1]}, {n_components} atoms")
            for solver in options.solvers:
                print_row(solver, [results[solver] for results in found])


def measure(V: Array, n_components: int, seed: int, options: argparse.Namespace) -> dict[str, Result]:
    """Measure the solvers from one start."""
    solvers = {s: run for s, run in runs(V, n_components, seed).items() if s in options.solvers}
    W, H, _ = _by_default(V, n_components, seed)
    goal = CLOSE * beta_divergence(V, W @ H, 2)
    counts = {s: iterations_to(V, run, goal, options.limit) for s, run in solvers.items()}
    times: dict[str, list[float]] = {s: [] for s in solvers}
    for _ in range(options.runs):
        for s, run in solvers.items():
            n = counts[s][0]
            times[s].append(processor_time(run, int(n)) if np.isfinite(n) else np.inf)
    seconds = {s: float(np.median(t)) for s, t in times.items()}
    reference = seconds.get("scikit-learn cd", np.inf)
    # where there is nothing to compare with there is no ratio
    reference = reference if np.isfinite(reference) else np.nan
    return {s: Result(seconds[s], reference / seconds[s], counts[s][0], counts[s][1] / goal) for s in solvers}


def print_row(solver: str, results: list[Result]) -> None:
    """Print the geometric means over the starts that reached the goal, if most of them did."""
    reached = [r for r in results if np.isfinite(r.n_iter)]
    if 2 * len(reached) <= len(results):
        print(f"    {solver:20} {'-':>8}            ({np.median([r.cost for r in results]):.3f})")
        return
    seconds, ratio, n_iter = np.exp(np.log([(r.seconds, r.ratio, r.n_iter) for r in reached]).mean(axis=0))
    low, high = (f([r.ratio for r in reached]) for f in (min, max))
    spread = f", {low:.2f} to {high:.2f} x" if len(reached) > 1 else ""
    missed = f", {len(results) - len(reached)} starts missed it" if len(reached) < len(results) else ""
    print(f"    {solver:20} {seconds:8.4f}  {ratio:7.2f} x  ({n_iter:.0f} iterations{spread}{missed})")


def _by_default(V: Array, n_components: int, seed: int) -> tuple[Array, Array, int]:
    W, H = initialize(V, n_components, rng=seed)
    got = non_negative_factorization(
        V.T.copy(), W=H.T.copy(), H=W.T.copy(), n_components=n_components, init="custom", solver="cd",
        max_iter=2000,
    )  # fmt: skip
    return got[1].T, got[0].T, got[2]


if __name__ == "__main__":
    main()
