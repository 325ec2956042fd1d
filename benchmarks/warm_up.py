"""Gain from hearing the first seconds before a recording is denoised: ``denoise --warm-up``, on a folder of pairs.

::

    python benchmarks/warm_up.py PAIRS --seconds 0 1 2 4

SI-SDR of the first moments and of the rest, PESQ and ESTOI of all, means over the pairs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from pairs import SCORE_SR, find_pairs, read_pair
from priming import score_stretches

from nmf_audio import Denoiser
from nmf_audio.metrics import estoi, pesq

STRETCHES = {"0-0.5 s": (0.0, 0.5), "0.5-2 s": (0.5, 2.0), "2 s on": (2.0, 60.0), "all": (0.0, 60.0)}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How much hearing the beginning first helps.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--seconds", nargs="+", type=float, default=[0.0, 1.0, 2.0, 4.0], metavar="S")
    parser.add_argument("--dictionary", metavar="NAME|FILE", help="default: that of `denoise`")
    args = parser.parse_args()
    denoiser = Denoiser(args.dictionary)
    pairs = [read_pair(pair, SCORE_SR) for pair in find_pairs(args.pairs, None)]
    columns = [*(f"SI-SDR dB, {name}" for name in STRETCHES), "PESQ", "ESTOI"]
    print("| heard before | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for seconds in args.seconds:
        scores = []
        for clean, noisy in pairs:
            output = denoiser.denoise(noisy, SCORE_SR, warm_up=seconds)
            of_all = [pesq(clean, output, SCORE_SR), estoi(clean, output, SCORE_SR)]
            scores.append([*score_stretches(clean, output, STRETCHES), *of_all])
        means = np.nanmean(np.array(scores), axis=0)
        decibels = " | ".join(f"{x:.2f}" for x in means[:-2])
        print(f"| {seconds:g} s | {decibels} | {means[-2]:.3f} | {means[-1]:.3f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
