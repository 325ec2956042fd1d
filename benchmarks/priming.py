"""How much the person's own noise helps: ``denoise --noise``, on a folder of clean/noisy pairs.

::

    python benchmarks/priming.py PAIRS

The second half of each pair's noise (noisy minus clean) primes the stream; the first half of the pair is denoised
with and without it, and scored over its first two seconds and over all of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from pairs import SCORE_SR, find_pairs, read_pair

from nmf_audio import Denoiser
from nmf_audio.metrics import pesq, si_sdr

START = 2 * SCORE_SR
COLUMNS = ("SI-SDR dB, first 2 s", "SI-SDR dB, all", "PESQ, all")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How much priming with the noise helps.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument(
        "--kinds", nargs="*", metavar="KIND", default=[], help="kinds of noise to show in a row of their own"
    )
    args = parser.parse_args()
    denoiser = Denoiser()
    scores, kinds = [], []
    for pair in find_pairs(args.pairs, None):
        clean, noisy = read_pair(pair, SCORE_SR)
        half = len(noisy) // 2
        elsewhere = (noisy - clean)[half:]
        noisy, clean = noisy[:half], clean[:half]
        row = []
        for noise in (None, elsewhere):
            out = denoiser.denoise(noisy, SCORE_SR, noise=noise)
            row.append((si_sdr(clean[:START], out[:START]), si_sdr(clean, out), pesq(clean, out, SCORE_SR)))
        scores.append(row)
        kinds.append(pair.kind)
    table = np.array(scores)
    rows = {"all kinds": np.ones(len(kinds), bool)}
    if args.kinds:
        rows[", ".join(args.kinds)] = np.isin(kinds, args.kinds)
    print("|  | " + " | ".join(COLUMNS) + " |")
    print("| --- " * (len(COLUMNS) + 1) + "|")
    for name, chosen in rows.items():
        before, after = table[chosen].mean(axis=0)
        cells = [f"{b:.2f} -> {a:.2f} ({a - b:+.3f})" for b, a in zip(before, after, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
