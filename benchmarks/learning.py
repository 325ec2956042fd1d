"""Time of learning to the cost that scikit-learn's multiplicative updates have after 200 iterations.

::

    python benchmarks/learning.py RECORDINGS

KL-NMF without penalties, 64 atoms, of the magnitudes of 10 minutes of speech (n_fft 512, hop 256, 16 kHz): all from
the same start, in float32, one thread. RECORDINGS is a folder; without one the data is synthetic. The cost is
computed by a function of its own, outside of what is timed. Everybody gets the fewest iterations with which they
reach the cost (MiniBatchNMF with the best of several batch sizes); then they take turns, and the table has medians
of CPU times, so that other work on the machine disturbs little, and of the ratios of times taken side by side.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from sklearn.decomposition import MiniBatchNMF, non_negative_factorization
from table import Bar, print_table
from threadpoolctl import threadpool_limits

from nmf_audio.nmf import factorize

Array = NDArray[Any]
Run = Callable[[int], tuple[Array, Array]]

SR, N_FFT, HOP = 16000, 512, 256
MU_ITERATIONS = 200
BATCH_SIZES = (1024, 4096, 16384)
FIRST_EPOCHS = 50


def recordings(folder: Path, seconds: float) -> Array:
    """Return recordings of a folder, drawn at random, at most 20 s of each, one after the other."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in {".flac", ".wav", ".ogg"})
    random.Random(0).shuffle(paths)
    parts: list[Array] = []
    missing = round(seconds * SR)
    for path in paths:
        y, sr = soundfile.read(path, dtype="float32", always_2d=True, frames=min(20 * SR, missing))
        if sr == SR:
            parts.append(y[:, 0])
            missing -= len(y)
        if missing <= 0:
            break
    return np.concatenate(parts)


def magnitudes(y: Array) -> Array:
    """Return magnitudes (n_freq, n_frames) of a Hann-windowed STFT."""
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP]
    return np.ascontiguousarray(
        np.abs(np.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32))).T, np.float32
    )


def synthetic(n_frames: int) -> Array:
    """Return sparse spectra, of more atoms than are learned, that come and go."""
    rng = np.random.default_rng(0)
    W = rng.gamma(0.3, 1.0, (N_FFT // 2 + 1, 200))
    H = np.repeat(rng.gamma(0.05, 1.0, (200, -(-n_frames // 8))), 8, axis=1)[:, :n_frames]
    return ((W @ H + 1e-3) * rng.gamma(5.0, 0.2, (len(W), n_frames))).astype(np.float32)


def kl(V: Array, W: Array, H: Array) -> float:
    """Kullback-Leibler divergence of V and W @ H, in float64."""
    total = 0.0
    for first in range(0, V.shape[1], 4096):
        v = V[:, first : first + 4096].astype(np.float64)
        model = W.astype(np.float64) @ H[:, first : first + 4096] + 1e-12
        total += float((v * np.log(np.maximum(v, 1e-300) / model) - v + model).sum())
    return total


def fewest(reaches: Callable[[int], bool], start: int, largest: int) -> int:
    """Return the fewest iterations that reach the cost, to one in twenty."""
    low, high = 0, start
    while not reaches(high):
        low, high = high, 2 * high
        if low >= largest:
            raise SystemExit(f"not at the cost after {low} iterations")
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def contestants(V: Array, n_components: int, stride: int) -> dict[str, Run]:
    """Return functions of a number of iterations, all from one start, that return W and H."""
    rng = np.random.default_rng(0)
    level = np.sqrt(V.mean() / n_components)
    W = (level * np.abs(rng.standard_normal((len(V), n_components)))).astype(np.float32)
    H = (level * np.abs(rng.standard_normal((n_components, V.shape[1])))).astype(np.float32)
    # scikit-learn has samples in rows: its W is our H.T
    X, X_W, X_H = (np.ascontiguousarray(a.T) for a in (V, H, W))

    def mu(n_iter: int) -> tuple[Array, Array]:
        activations, atoms, _ = non_negative_factorization(
            X, W=X_W.copy(), H=X_H.copy(), n_components=n_components, init="custom", solver="mu",
            beta_loss="kullback-leibler", max_iter=n_iter, tol=0,
        )  # fmt: skip
        return atoms.T, activations.T

    def mini_batch(size: int) -> Run:
        def run(n_epochs: int) -> tuple[Array, Array]:
            model = MiniBatchNMF(
                n_components, init="custom", batch_size=size, beta_loss="kullback-leibler", max_iter=n_epochs, tol=0,
                max_no_improvement=None,
            )  # fmt: skip
            activations = model.fit_transform(X, W=X_W.copy(), H=X_H.copy())
            return model.components_.T, activations.T

        return run

    def ours(momentum: float, coarse: int) -> Run:
        def run(n_iter: int) -> tuple[Array, Array]:
            done = factorize(V, W=W, H=H, max_iter=n_iter, tol=0, momentum=momentum, coarse=coarse)
            return done.W, done.H

        return run

    return {
        "scikit-learn, mu": mu,
        **{f"scikit-learn, MiniBatchNMF, batches of {size}": mini_batch(size) for size in BATCH_SIZES},
        "nmf_audio, plain updates": ours(0.0, 1),
        "nmf_audio, momentum": ours(0.9, 1),
        f"nmf_audio, momentum, one frame in {stride} first": ours(0.9, stride),
    }


def cpu_seconds(run: Run, n_iter: int) -> tuple[float, tuple[Array, Array]]:
    """Return how long a run takes and what it returns."""
    start = time.process_time()
    result = run(n_iter)
    return time.process_time() - start, result


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long learning takes to the same cost.")
    parser.add_argument(
        "recordings", type=Path, nargs="?", metavar="RECORDINGS", help="folder of speech at 16 kHz"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of audio (default: %(default)s)")
    parser.add_argument("--atoms", type=int, default=64, help="default: %(default)s")
    parser.add_argument(
        "--coarse", type=int, default=32, help="stride of the first frames (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of which the median counts (default: %(default)s)"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # that the largest number of iterations was reached, as was wished
    seconds = 60 * options.minutes
    if options.recordings is None:
        V = synthetic(round(seconds * SR / HOP))
    else:
        V = magnitudes(recordings(options.recordings, seconds))
    print(f"{V.shape[0]} x {V.shape[1]} magnitudes, {options.atoms} atoms, float32, one thread\n")
    with threadpool_limits(1):
        runs = contestants(V, options.atoms, options.coarse)
        first = next(iter(runs))
        goal = kl(V, *runs[first](MU_ITERATIONS))
        batches = [name for name in runs if "Mini" in name]
        tried = {name: cpu_seconds(runs[name], FIRST_EPOCHS) for name in batches}
        excess = {name: np.log(kl(V, *result) / goal) for name, (_, result) in tried.items()}
        for name, (seconds, _) in tried.items():
            print(
                f"{name}: {FIRST_EPOCHS} epochs, {seconds:.1f} s, cost {np.exp(excess[name]):.3f} of the goal"
            )
        # what is left of the way after equal times, if the rest goes on as it began
        best = min(batches, key=lambda name: excess[name] * tried[name][0])
        names = [name for name in runs if name == best or name not in batches]
        counts = {first: MU_ITERATIONS}
        for name in names[1:]:

            def reaches(n_iter: int, run: Run = runs[name]) -> bool:
                return kl(V, *run(n_iter)) <= goal

            counts[name] = fewest(reaches, FIRST_EPOCHS if name == best else 1, 1000)
        times: dict[str, list[float]] = {name: [] for name in names}
        costs: dict[str, float] = {}
        for _ in range(options.runs):
            for name in names:
                seconds, result = cpu_seconds(runs[name], counts[name])
                times[name].append(seconds)
                costs[name] = kl(V, *result) / goal
    ours = times[names[-1]]

    def ratio(name: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], ours, strict=True))

    print()
    print_table(
        ["", "iterations", "CPU s", "cost / goal", f"x {names[-1]}", "bar"],
        [
            [
                name,
                counts[name],
                f"{statistics.median(times[name]):.2f}",
                f"{costs[name]:.4f}",
                f"{ratio(name):.1f}",
                Bar(ratio(name), 4.0, at_least=True, digits=0) if name in (first, best) else "",
            ]
            for name in names
        ],
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
