"""Speed of the solvers of the Euclidean cost beside scikit-learn's.

On four kinds of data: a spectrogram, images made of parts, counts of words, and random data of low rank. All are
simulated, with a noise that no factorization fits. Each solver runs from the same start for growing numbers of
iterations; a table gives the processor time until its cost is within a tenth of a percent of the one that
scikit-learn's coordinate descent (`cd`) ends with by its own default criterion, and in brackets the cost at the end
of its longest run relative to that. Local minima differ: some solvers end below 1, some never reach it ("-")::

    python benchmarks/solvers.py --seeds 3
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import non_negative_factorization
from threadpoolctl import threadpool_limits

from nmf_audio.nmf import beta_divergence, factorize, initialize
from nmf_audio.nmf.nnls_solvers import SOLVERS

Array = NDArray[Any]
STEPS = (5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 450, 680, 1000, 1500)
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


def curve(V: Array, run: Run, limit: float) -> list[tuple[float, float]]:
    """Processor time and cost after growing numbers of iterations, until one run takes longer than `limit`."""
    points = []
    for n in STEPS:
        start = time.process_time()
        W, H = run(n)
        points.append((time.process_time() - start, beta_divergence(V, W @ H, 2)))
        if points[-1][0] > limit:
            break
    return points


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="starts, whose median counts")
    parser.add_argument("--limit", type=float, default=0.3, help="CPU seconds of the longest run of a solver")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="kinds of data")
    names = [*SOLVERS, "scikit-learn cd", "scikit-learn mu"]
    parser.add_argument("--solvers", nargs="+", choices=names, default=names, help="those that are measured")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-learn says that it stopped at max_iter, as it was told
    factorize(np.ones((3, 4)), 1, 2, solver="mu", rng=0)  # kernels are compiled
    print("CPU seconds to the cost at which scikit-learn's cd ends (cost of the longest run relative to it)")
    with threadpool_limits(1):
        for name in options.data:
            make, n_components = DATA[name]
            V = make(np.random.default_rng(0))
            found: dict[str, list[tuple[float, float]]] = {}
            for seed in range(options.seeds):
                solvers = {s: run for s, run in runs(V, n_components, seed).items() if s in options.solvers}
                W, H, _ = _by_default(V, n_components, seed)
                goal = beta_divergence(V, W @ H, 2)
                for solver, run in solvers.items():
                    points = curve(V, run, options.limit)
                    reached = [t for t, cost in points if cost <= CLOSE * goal]
                    found.setdefault(solver, []).append((min(reached, default=np.inf), points[-1][1] / goal))
            print(f"\n{name}, {V.shape[0]} x {V.shape[1]}, {n_components} atoms")
            for solver, results in found.items():
                seconds, ratio = np.median(results, axis=0)
                print(
                    f"    {solver:20} {f'{seconds:.3f}' if np.isfinite(seconds) else '-':>8}   ({ratio:.4f})"
                )


def _by_default(V: Array, n_components: int, seed: int) -> tuple[Array, Array, int]:
    W, H = initialize(V, n_components, rng=seed)
    got = non_negative_factorization(
        V.T.copy(), W=H.T.copy(), H=W.T.copy(), n_components=n_components, init="custom", solver="cd",
        max_iter=2000,
    )  # fmt: skip
    return got[1].T, got[0].T, got[2]


if __name__ == "__main__":
    main()
