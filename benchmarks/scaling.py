"""Growth of the cost of denoising with the length, channels and rate of a recording, and with the atoms.

::

    python benchmarks/scaling.py --plot docs/performance_scaling.png

CPU time of `denoise_file`, from file to file, for copies of the demo recording; the atoms are those of dictionaries
of random numbers, which frames are decomposed with. Cases take turns, and each figure is the best of several rounds.
How it grows is told by a straight line through the points, with how far from it they lie, and by the exponent, which
is the slope between logarithms.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cost import write_recording
from table import print_table

from nmf_audio import denoise_file
from nmf_audio.nmf import FrameSolver
from nmf_audio.nmf.unrolled import UnrolledNMF

Array = npt.NDArray[np.float32]

LENGTHS = (15, 30, 60, 120, 240)
CHANNELS = (1, 2, 4, 8, 16)
RATES = (8000, 16000, 32000, 48000, 96000, 192000)
ATOMS = (64, 128, 256, 512, 1024)
SECONDS = 20
BANDS, LAYERS, RUNNING = 100, 4, 8
FRAMES = 250


@dataclass(frozen=True)
class Growth:
    """CPU seconds per second of audio, or in all, for rising values of something.

    Parameters
    ----------
    name, unit : str
        What rises, and what is measured.
    seconds : mapping of float to float
        The points.
    """

    name: str
    unit: str
    seconds: Mapping[float, float]

    def line(self) -> tuple[float, float, float]:
        """Return the straight line's value at 0 and slope, and the largest relative distance of a point from it."""
        x, t = (np.array(list(values), np.float64) for values in (self.seconds.keys(), self.seconds.values()))
        # relative distances count, so that short cases weigh as much as long ones
        slope, start = np.polyfit(x, t, 1, w=1 / t)
        return float(start), float(slope), float(np.max(np.abs((start + slope * x) / t - 1)))

    def exponent(self) -> float:
        """Return the slope between the logarithms."""
        return float(np.polyfit(np.log(list(self.seconds.keys())), np.log(list(self.seconds.values())), 1)[0])


def cpu(function: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def recordings(folder: Path) -> dict[str, dict[float, Callable[[], float]]]:
    """Return for each thing that rises, and each of its values, what measures a recording of that kind."""

    def case(seconds: float, sr: int, n_channels: int, per: float) -> Callable[[], float]:
        source = folder / f"{seconds}-{sr}-{n_channels}.wav"
        if not source.exists():
            write_recording(source, seconds, sr, n_channels)
        return lambda: cpu(lambda: denoise_file(source, force=True)) / per

    return {
        "seconds at 16 kHz": {x: case(x, 16000, 1, 1) for x in LENGTHS},
        "channels at 48 kHz": {x: case(SECONDS, 48000, x, SECONDS) for x in CHANNELS},
        "rate in kHz, mono": {x / 1000: case(SECONDS, x, 1, SECONDS) for x in RATES},
    }


def dictionaries() -> dict[str, dict[float, Callable[[], float]]]:
    """Return the same for numbers of atoms, of a plain dictionary and of one that was trained to separate."""
    rng = np.random.default_rng(0)
    V = rng.gamma(0.7, 1.5, (FRAMES, BANDS)).astype(np.float32) + np.float32(1e-4)
    per = FRAMES * 0.016

    def trained(n: int) -> Callable[[], float]:
        K = n + RUNNING

        def some(*shape: int) -> Array:
            return (rng.uniform(0.1, 1, shape) / shape[-1]).astype(np.float32)

        arrays: dict[str, Array] = {
            "W": some(LAYERS, BANDS, n), "W_out": some(BANDS, n), "out_floor": some(2, BANDS),
            "lam": some(LAYERS, K), "g": some(LAYERS, K) * K, "A": some(K, 2 * K), "C": some(0, 2 * K),
            "C_mid": np.zeros((0, 0), np.float32), "b": some(K), "slow_rate": some(K) * K, "rate_noise": some(4) * 4,
            "rate_speech": some(3) * 3, "run_gain": some(RUNNING, BANDS) * BANDS, "residual": some(BANDS),
            "p": np.array(2, np.float32),
        }  # fmt: skip
        nmf = UnrolledNMF(arrays, n_speech=n // 2, n_observed=BANDS)
        return lambda: cpu(lambda: nmf.process(V, 1e-4, 1e-4)) / per

    def plain(n: int) -> Callable[[], float]:
        solver = FrameSolver(rng.gamma(0.5, 1, (BANDS, n)).astype(np.float32) + 1e-3, n_iter=25)
        frames = V.T.copy()
        solver.solve(frames[:, :1])
        return lambda: cpu(lambda: solver.solve(frames)) / per

    return {
        "atoms, plain": {x: plain(x) for x in ATOMS},
        "atoms, trained": {x: trained(x) for x in ATOMS},
    }


def plot(growths: list[Growth], path: Path) -> None:
    """Draw the points and the straight lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(growths), figsize=(3.2 * len(growths), 2.8), layout="constrained")
    for ax, growth in zip(axes, growths, strict=True):
        x = np.array(list(growth.seconds))
        start, slope, _ = growth.line()
        ax.plot(x, start + slope * x, color="0.7")
        ax.plot(x, list(growth.seconds.values()), "o", color="C0")
        ax.set(xlabel=growth.name, xlim=(0, None), ylim=(0, None))
        ax.set_title(growth.unit, fontsize="medium", loc="left")
    figure.savefig(path, dpi=70)


def main() -> int:
    """Print the table, and draw it if that is wanted."""
    parser = argparse.ArgumentParser(description="How the cost of denoising grows.")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="where to draw")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = recordings(Path(folder)) | dictionaries()
        best: dict[str, dict[float, float]] = {name: {} for name in cases}
        for _ in range(options.rounds):
            for name, values in cases.items():
                for value, measure in values.items():
                    best[name][value] = min(measure(), best[name].get(value, np.inf))
    growths = [
        Growth(name, "CPU s" if name.startswith("seconds") else "CPU s per s of audio", seconds)
        for name, seconds in best.items()
    ]
    rows: list[list[object]] = []
    for growth in growths:
        start, slope, distance = growth.line()
        points = " ".join(f"{x:g}: {t:.4f}" for x, t in growth.seconds.items())
        line = f"{start:.4f} + {slope:.2e} x ({distance:.0%})"
        rows.append([growth.name, growth.unit, points, line, f"{growth.exponent():.2f}"])
    print_table(["x", "measured", "values", "straight line (farthest point)", "exponent"], rows)
    if options.plot is not None:
        plot(growths, options.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
