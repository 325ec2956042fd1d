"""SDR of restored clipping and gaps, beside FFmpeg's filters and linear prediction.

::

    python benchmarks/restoration.py clipping SPEECH --music MUSIC     # files, or folders of them
    python benchmarks/restoration.py gaps SPEECH --music MUSIC

Numbers are the SDR in dB over the lost samples alone, 10 log10(sum x**2 / sum (x - y)**2), the mean of recordings.
Clipping is found by each method itself, at the level that leaves the whole an SDR of 5, 10 or 15 dB. A gap of
zeros is in each recording, where there is sound; its place is given, but to ``adeclick``, which finds its own.
Linear prediction is that of Janssen, Veldhuis & Vries (1986): coefficients and missing samples in turn, for gaps from
the sound within 0.2 s, for clipping in frames of 64 ms, with no sample below the level. Needs the extra ``media``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import numpy as np
import numpy.typing as npt
import scipy.linalg
import soundfile
from scoring import table

from nmf_audio import Restorer

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SDRS_DB = (5, 10, 15)
GAPS_MS = (10, 20, 50, 100)
N_GAPS = 1
SECONDS = 1.2
N_ITER = 4


def read(path: Path) -> tuple[Array, int]:
    """Return 1.2 s of a recording, from half a second on, with a peak of 0.9."""
    with soundfile.SoundFile(path) as file:
        file.seek(min(file.samplerate // 2, max(file.frames - int(SECONDS * file.samplerate), 0)))
        y = file.read(int(SECONDS * file.samplerate), always_2d=True)[:, 0]
    return y * (0.9 / np.max(np.abs(y))), file.samplerate


def find_clip_level(y: Array, sdr_db: float) -> float:
    """Return the level at which clipping leaves a signal this SDR."""
    low, high = 0.0, float(np.max(np.abs(y)))
    for _ in range(50):
        level = (low + high) / 2
        error = np.sum(np.maximum(np.abs(y) - level, 0) ** 2)
        low, high = (level, high) if error > np.sum(y**2) * 10 ** (-sdr_db / 10) else (low, level)
    return level


def place_gaps(y: Array, n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return gaps of n samples, one in each part of a signal, where it is at most 10 dB below its level."""
    length, spans = len(y) // N_GAPS, []
    for i in range(N_GAPS):
        starts = rng.integers(i * length + length // 8, (i + 1) * length - length // 8 - n, 200)
        loud = [start for start in starts if np.mean(y[start : start + n] ** 2) > 0.1 * np.mean(y**2)]
        start = int((loud or [max(starts, key=lambda start: np.sum(y[start : start + n] ** 2))])[0])
        spans.append((start, start + n))
    return spans


def measure_sdr(y: Array, found: Array, lost: Mask) -> float:
    """Return the SDR in dB over the lost samples."""
    return float(10 * np.log10(np.sum(y[lost] ** 2) / np.sum((y[lost] - found[lost]) ** 2)))


def run_filter(name: str, y: Array, sr: int) -> Array:
    """Send a signal through a filter of FFmpeg's, with its own settings."""
    graph = av.filter.Graph()
    clock = Fraction(1, sr)
    source = graph.add_abuffer(sample_rate=sr, format="dblp", layout="mono", time_base=clock)
    steps = source, graph.add(name), graph.add("abuffersink")
    for step, after in pairwise(steps):
        step.link_to(after)
    graph.configure()
    out = [np.empty(0)]
    for start in (*range(0, len(y), 1024), None):
        frame = None
        if start is not None:
            block = np.ascontiguousarray(y[None, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="dblp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = sr, start, clock
        graph.push(frame)
        try:
            while True:
                pulled = graph.pull()
                assert isinstance(pulled, av.AudioFrame)
                out.append(pulled.to_ndarray()[0].astype(np.float64))
        except (av.error.BlockingIOError, av.error.EOFError):
            pass
    found = np.concatenate(out)
    return np.pad(found, (0, max(len(y) - len(found), 0)))[: len(y)]


def predict(y: Array, lost: Mask, order: int) -> Array:
    """Return a signal whose lost samples a linear prediction fills in."""
    x, positions = np.where(lost, 0.0, y), np.flatnonzero(lost)
    for _ in range(N_ITER if len(positions) else 0):
        r = np.fft.irfft(np.abs(np.fft.rfft(x, 2 * len(x))) ** 2)[: order + 1]
        r[0] = r[0] * (1 + 1e-9) + 1e-12
        a = np.concatenate([[1.0], -scipy.linalg.solve_toeplitz(r[:-1], r[1:])])
        products = np.correlate(a, a, "full")
        row = np.zeros(len(x) + order)
        row[: order + 1] = products[order:]
        A = row[np.abs(positions[:, None] - positions)] + 1e-10 * row[0] * np.eye(len(positions))
        c = np.convolve(np.where(lost, 0.0, x), products)[order:][positions]
        x[positions] = scipy.linalg.solve(A, -c, assume_a="pos")
    return x


def predict_gaps(y: Array, sr: int, spans: Iterable[tuple[int, int]], order: int) -> Array:
    """Fill in each gap from the sound within 0.2 s."""
    x = y.copy()
    for start, end in spans:
        first, last = max(start - sr // 5, 0), min(end + sr // 5, len(y))
        lost = np.zeros(last - first, bool)
        lost[start - first : end - first] = True
        x[start:end] = predict(y[first:last], lost, order)[lost]
    return x


def predict_clipped(y: Array, sr: int, order: int = 32) -> Array:
    """Restore clipped samples in frames of 64 ms, and keep none that is below the level."""
    level = np.max(np.abs(y))
    lost = np.abs(y) >= level * (1 - 1e-4)
    n = 2 * round(0.032 * sr)
    window = np.hanning(n + 1)[:-1]
    padded, padded_lost = np.pad(y, n), np.pad(lost, n)
    total = np.zeros(len(padded))
    for start in range(0, len(padded) - n + 1, n // 2):
        frame = slice(start, start + n)
        total[frame] += window * predict(padded[frame], padded_lost[frame], order)
    found = total[n : n + len(y)]
    return np.where(lost & (np.sign(y) * found > np.abs(y)), found, y)


def print_scores(scores: Mapping[str, Mapping[str, list[float]]], first: str) -> None:
    """Print a table: a row for each method, a column for each fault, and the margin over the best other."""
    columns = list(scores)
    methods = list(scores[columns[0]])
    means = {name: {column: float(np.mean(scores[column][name])) for column in columns} for name in methods}
    rows = [[name, *(f"{means[name][column]:.1f}" for column in columns)] for name in methods]
    ours, *others = methods
    margins = [means[ours][column] - max(means[name][column] for name in others) for column in columns]
    rows.append(["better than all others by", *(f"{margin:.1f}" for margin in margins)])
    print(table([first, *columns], rows), flush=True)


def score_clipping(kinds: Mapping[str, list[Path]]) -> None:
    """Print SDRs of clipped samples, and the time that it takes."""
    scores: dict[str, dict[str, list[float]]] = {}
    spent = dict.fromkeys(SDRS_DB, 0.0)
    seconds = 0.0
    for kind, paths in kinds.items():
        for path in paths:
            y, sr = read(path)
            seconds += len(y) / sr
            for sdr_db in SDRS_DB:
                level = find_clip_level(y, sdr_db)
                clipped, lost = np.clip(y, -level, level), np.abs(y) >= level
                methods: dict[str, Callable[[Array, int], Array]] = {
                    "nmf-audio": Restorer(faults="clipping").restore,
                    "linear prediction": predict_clipped,
                    "adeclip": partial(run_filter, "adeclip"),
                    "as it is": lambda y, sr: y,
                }
                column = scores.setdefault(f"{kind}, {sdr_db} dB", {})
                for name, restore in methods.items():
                    started = time.process_time()
                    column.setdefault(name, []).append(measure_sdr(y, restore(clipped, sr), lost))
                    spent[sdr_db] += (time.process_time() - started) * (name == "nmf-audio")
    print_scores(scores, "clipping")
    for sdr_db in SDRS_DB:
        print(f"CPU s for a second of sound, {sdr_db} dB: {spent[sdr_db] / seconds:.2f}")


def score_gaps(kinds: Mapping[str, list[Path]], gaps_ms: Iterable[int]) -> None:
    """Print SDRs of gaps, and the time for one."""
    scores: dict[str, dict[str, list[float]]] = {}
    spent: dict[int, list[float]] = {}
    for kind, paths in kinds.items():
        for i, path in enumerate(paths):
            y, sr = read(path)
            for gap_ms in gaps_ms:
                spans = place_gaps(y, round(gap_ms * sr / 1000), np.random.default_rng(i))
                lost = np.zeros(len(y), bool)
                for start, end in spans:
                    lost[start:end] = True
                broken = np.where(lost, 0.0, y)
                restorer = Restorer(faults="gaps", gaps=[(start / sr, end / sr) for start, end in spans])
                methods: Mapping[str, Callable[[Array, int], Array]] = {
                    "nmf-audio": restorer.restore,
                    **{
                        f"linear prediction, order {order}": partial(predict_gaps, spans=spans, order=order)
                        for order in (100, 300, 800)
                    },
                    "adeclick": partial(run_filter, "adeclick"),
                }
                column = scores.setdefault(f"{kind}, {gap_ms} ms", {})
                for name, restore in methods.items():
                    started = time.process_time()
                    column.setdefault(name, []).append(measure_sdr(y, restore(broken, sr), lost))
                    if name == "nmf-audio":
                        spent.setdefault(gap_ms, []).append((time.process_time() - started) / N_GAPS)
    print_scores(scores, "gaps")
    for gap_ms, times in spent.items():
        print(f"CPU s for a gap of {gap_ms} ms: {np.mean(times):.2f}")


def list_files(names: Iterable[Path], n: int) -> list[Path]:
    """Return n recordings, evenly among those that are named, or are in folders."""
    files = [file for name in names for file in (sorted(name.iterdir()) if name.is_dir() else [name])]
    return [files[i * len(files) // min(n, len(files))] for i in range(min(n, len(files)))]


def main() -> None:
    """Read the command line and print what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("clipping", "gaps"))
    parser.add_argument("speech", type=Path, nargs="+", help="recordings, or folders")
    parser.add_argument("--music", type=Path, nargs="+", default=[], help="recordings, or folders")
    parser.add_argument("--speech-files", type=int, default=30, help="the most to take")
    parser.add_argument("--music-files", type=int, default=10, help="the most to take")
    parser.add_argument("--ms", type=int, nargs="+", default=GAPS_MS, help="lengths of gaps")
    args = parser.parse_args()
    kinds: dict[str, Any] = {"speech": list_files(args.speech, args.speech_files)}
    if args.music:
        kinds["music"] = list_files(args.music, args.music_files)
    if args.what == "clipping":
        score_clipping(kinds)
    else:
        score_gaps(kinds, args.ms)


if __name__ == "__main__":
    main()
