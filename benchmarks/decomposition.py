"""Speed of activations under a fixed dictionary, against the matrix products that they need.

For KL every update needs two matrix products, for Itakura-Saito three; all else is overhead. The table gives the
speed of `nmf_audio.nmf.activations` as a share of the bare float32 products (numpy.dot into an existing array, at the
width that is fastest), and how many times faster it is than scikit-learn to the same divergence. All on one core,
in one process, taking turns; each figure is the best of several runs, in CPU time, so that other work on the machine
disturbs little. Only the last column, how much two threads gain, is time by the clock, and needs an idle machine::

    python benchmarks/decomposition.py --features 513 --atoms 256 --frames 1280
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

from nmf_audio.nmf import activations, beta_divergence

Array = NDArray[np.float32]
PRODUCTS = {1.0: ("KL", "kullback-leibler", 2), 0.0: ("IS", "itakura-saito", 3)}


def best_of(runs: int, clock: Callable[[], float], *functions: Callable[[], Any]) -> list[float]:
    """Best time of each, in seconds; they take turns, so that a slow moment of the machine hits all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(runs):
        for i, function in enumerate(functions):
            start = clock()
            function()
            times[i].append(clock() - start)
    return [min(t) for t in times]


def products(n_frames: int, n_features: int, n_atoms: int, width: int, passes: int) -> Callable[[], None]:
    """H @ W and R @ W.T over all frames, `width` at a time, several times."""
    rng = np.random.default_rng(0)
    W = rng.random((n_atoms, n_features), dtype=np.float32)
    H = rng.random((n_frames, n_atoms), dtype=np.float32)
    R = np.empty((n_frames, n_features), np.float32)
    num = np.empty_like(H)
    tiles = [slice(a, a + width) for a in range(0, n_frames, width)]

    def run() -> None:
        for t in tiles * passes:
            np.dot(H[t], W, R[t])
            np.dot(R[t], W.T, num[t])

    return run


def data(n_features: int, n_atoms: int, n_frames: int, power: float) -> tuple[Array, Array]:
    """Sparse spectra that the atoms describe well but not exactly, and the atoms."""
    rng = np.random.default_rng(0)
    W = rng.gamma(0.3, 1, (n_features, n_atoms)) + 1e-3
    H = rng.gamma(0.1, 1, (n_atoms, n_frames))
    V = (W @ H) ** power * rng.gamma(5, 0.2, (n_features, n_frames)) + 1e-3
    return V.astype(np.float32), (W**power / (W**power).sum(0)).astype(np.float32)


def measure(beta: float, options: argparse.Namespace) -> str:
    """One line of the table."""
    name, sklearn_name, n_products = PRODUCTS[beta]
    n_iter = options.iterations
    V, W = data(options.features, options.atoms, options.frames, 2.0 if beta == 0 else 1.0)
    X, components = np.ascontiguousarray(V.T), np.ascontiguousarray(W.T)

    def theirs() -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it stopped at max_iter, as it was told
            done: tuple[Array, Array, int] = non_negative_factorization(
                X, H=components, n_components=options.atoms, update_H=False, solver="mu", beta_loss=sklearn_name,
                max_iter=n_iter, tol=0,
            )  # fmt: skip
        return done[0]

    goal = beta_divergence(V, W @ theirs().T, beta)
    enough = 1
    while (
        beta_divergence(V, W @ activations(V, W, beta=beta, n_iter=enough), beta) > goal
        and enough < 4 * n_iter
    ):
        enough += 1
    shapes = (options.frames, options.features, options.atoms)
    widths = sorted({min(w, options.frames) for w in (64, 128, 256, options.frames)})
    ours, to_goal, sklearn_time, *bare = best_of(
        options.runs,
        time.process_time,
        lambda: activations(V, W, beta=beta, n_iter=n_iter),
        lambda: activations(V, W, beta=beta, n_iter=enough),
        theirs,
        *(products(*shapes, w, n_iter) for w in widths),
    )
    one, two = best_of(
        options.runs,
        time.perf_counter,
        lambda: activations(V, W, beta=beta, n_iter=n_iter),
        lambda: activations(V, W, beta=beta, n_iter=n_iter, n_jobs=2),
    )
    must = min(bare) * n_products / 2
    flops = 2.0 * options.features * options.atoms * options.frames * n_iter * n_products
    return (
        f"{name:4} {1e3 * ours / n_iter:10.2f} {1e3 * must / n_iter:10.2f} {flops / must / 1e9:8.0f} "
        f"{must / ours:8.0%} {sklearn_time / to_goal:10.1f} ({n_iter} -> {enough}) {one / two:12.2f}"
    )


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--features", type=int, default=513, help="rows of V")
    parser.add_argument("--atoms", type=int, default=256, help="columns of W")
    parser.add_argument("--frames", type=int, default=1280, help="columns of V")
    parser.add_argument("--iterations", type=int, default=50, help="updates in a run")
    parser.add_argument("--runs", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    print(f"{options.features} x {options.atoms} atoms, {options.frames} frames, float32")
    print("     ms/update  products  GFLOP/s    share  x sklearn (updates)  two threads x")
    with threadpool_limits(1):
        for beta in PRODUCTS:
            print(measure(beta, options))


if __name__ == "__main__":
    main()
