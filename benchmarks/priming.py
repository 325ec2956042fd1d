"""Gain from hearing the noise first: ``denoise --noise``, on a folder of clean/noisy pairs.

::

    python benchmarks/priming.py PAIRS --kinds airplane seawaves train trainhorn

The first half of each pair is denoised three times: as it is, with the second half of the pair's noise (noisy minus
clean) given beforehand, and with the very noise that is in it given beforehand, which no person has. Scored over the
first moments and over all.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pairs import SCORE_SR, find_pairs, read_pair

from nmf_audio import Denoiser
from nmf_audio.metrics import pesq, si_sdr

Array = npt.NDArray[np.float32]

SPOKEN = 0.01
"""Stretches of less than this part of the mean power hold no speech to be scored."""

STRETCHES = {"0-0.5 s": (0.0, 0.5), "0.5-2 s": (0.5, 2.0), "0-2 s": (0.0, 2.0), "all": (0.0, 60.0)}
GIVEN = ("nothing", "its second half", "the noise itself")


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
        noise = noisy - clean
        scores.append(
            [
                _scores(clean[:half], denoiser.denoise(noisy[:half], SCORE_SR, noise=given, warm_up=0))
                for given in (None, noise[half:], noise[:half])
            ]
        )
        kinds.append(pair.kind)
    table = np.array(scores)
    rows = {"all kinds": np.ones(len(kinds), bool)}
    if args.kinds:
        rows[", ".join(args.kinds)] = np.isin(kinds, args.kinds)
    columns = [f"SI-SDR dB, {name}" for name in STRETCHES] + ["PESQ, all"]
    print("| kinds of noise | heard before | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 2) + "|")
    for name, chosen in rows.items():
        for i, given in enumerate(GIVEN):
            means = np.nanmean(table[chosen, i], axis=0)
            print(f"| {name} | {given} | " + " | ".join(f"{x:.2f}" for x in means) + " |")
    return 0


def score_stretches(clean: Array, output: Array, stretches: Mapping[str, tuple[float, float]]) -> list[float]:
    """Return the SI-SDR of each stretch, NaN where nobody speaks; ``warm_up.py`` uses it, too."""
    found = []
    for start, stop in stretches.values():
        stretch = slice(round(start * SCORE_SR), round(stop * SCORE_SR))
        spoken = np.square(clean[stretch]).mean() > SPOKEN * np.square(clean).mean()
        found.append(si_sdr(clean[stretch], output[stretch]) if spoken else np.nan)
    return found


def _scores(clean: Array, output: Array) -> list[float]:
    """SI-SDR of each stretch, and PESQ of all."""
    return [*score_stretches(clean, output, STRETCHES), pesq(clean, output, SCORE_SR)]


if __name__ == "__main__":
    raise SystemExit(main())
