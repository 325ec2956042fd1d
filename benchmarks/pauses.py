"""Accuracy of the reported noise reduction: level in pauses, against that of the known noise.

::

    python benchmarks/pauses.py PAIRS

For each pair the noise is noisy - clean, and pauses are the frames (32 ms) in which the clean signal is 50 dB below
its level. What is compared is the median level of the noise in them less that of the output, and what `denoise_file`
reports. Few recordings have such pauses, and most of these at their beginning; so the same is done with a second and
a half of the pair's noise alone in the middle.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from pairs import SCORE_SR, find_pairs, read_pair
from table import print_table

from nmf_audio import Denoiser, denoise_file
from nmf_audio.defaults import METHOD_NAMES, STRENGTHS

Array = npt.NDArray[np.float32]

FRAME = 512
QUIET_DB, MIN_FRAMES = -50.0, 8
PAUSE_SECONDS = 1.5


def main() -> int:
    """Print what each strength removes, and how accurately that is reported."""
    parser = argparse.ArgumentParser(description="Compare the reported noise reduction with the true one.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N pairs only")
    args = parser.parse_args()
    signals = [read_pair(pair) for pair in find_pairs(args.pairs, args.limit)]
    materials = {
        "as they are": signals,
        f"with {PAUSE_SECONDS:g} s of noise": [with_pause(*pair) for pair in signals],
        "clean": [(clean, clean) for clean, _ in signals],
        "noise alone": [(np.zeros_like(clean), noisy - clean) for clean, noisy in signals],
    }
    rows = []
    for method in METHOD_NAMES:
        denoiser = Denoiser(method=method)
        for name, pairs in materials.items():
            found = [measure(denoiser, *pair) for pair in pairs]
            both = [(true, said) for true, said in found if true is not None and said is not None]
            errors = np.abs([said - true for true, said in both])
            rows.append(
                [
                    method,
                    name,
                    str(len(found)),
                    str(sum(said is None for _, said in found)),
                    str(len(errors)),
                    *(f"{np.percentile(errors, q):.1f}" if len(errors) else "" for q in (50, 90)),
                ]
            )
    strengths = []
    for name, values in STRENGTHS.items():
        said = [
            measure(Denoiser(reduction_db=values["reduction_db"], mix=values["mix"]), *pair)[1]
            for pair in signals
        ]
        known = [removed for removed in said if removed is not None]
        strengths.append(
            [name, values["reduction_db"], *(f"{np.percentile(known, q):.1f}" for q in (50, 90))]
        )
    print_table(["strength", "reduction_db", "removed in pauses, median", "90th percentile"], strengths)
    print()
    header = ["method", "recordings", "number", "nothing said", "compared", "median error", "90th percentile"]
    print_table(header, rows)
    return 0


def with_pause(clean: Array, noisy: Array) -> tuple[Array, Array]:
    """Return a pair with the noise alone in its middle: what came before it, backwards."""
    middle, n = len(clean) // 2, round(PAUSE_SECONDS * SCORE_SR)
    noise = (noisy - clean)[middle - n : middle][::-1]
    return (
        np.concatenate([clean[:middle], np.zeros_like(noise), clean[middle:]]),
        np.concatenate([noisy[:middle], noise, noisy[middle:]]),
    )


def measure(denoiser: Denoiser, clean: Array, noisy: Array) -> tuple[float | None, float | None]:
    """Return by how many decibels the noise went down in pauses, and what is reported; None where it is not known."""
    with tempfile.TemporaryDirectory() as folder:
        src, dst = Path(folder) / "noisy.wav", Path(folder) / "out.wav"
        soundfile.write(src, noisy, SCORE_SR, subtype="FLOAT")
        report = denoise_file(src, dst, denoiser=denoiser)
        out = soundfile.read(dst, dtype="float32")[0]
    energies = _energies(clean)
    pauses = energies < 10 ** (QUIET_DB / 10) * energies.mean()
    if pauses.sum() < MIN_FRAMES or not (noisy - clean).any():
        return None, report.noise_removed_db
    before, after = (np.median(_energies(y)[pauses]) for y in (noisy - clean, out))
    return float(10 * np.log10(before / after)), report.noise_removed_db


def _energies(y: Array) -> npt.NDArray[np.float64]:
    frames = np.lib.stride_tricks.sliding_window_view(y, FRAME)[:: FRAME // 2]
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    energies: npt.NDArray[np.float64] = np.square(frames * window).sum(axis=1) + 1e-20
    return energies


if __name__ == "__main__":
    raise SystemExit(main())
