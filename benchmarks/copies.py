"""Gain on copies of noisy recordings that went through something else first, beside the gain on the originals.

::

    python benchmarks/copies.py PAIRS

Telephone: 300 to 3400 Hz, the noisy and the clean recording alike. MP3: at 32 kbit/s. Rooms: the speech reverberates
(exponentially decaying reflections, 0.3 to 0.8 s), the noise is added after it; the reference keeps the reflections
of the first 50 ms. Clipped: the loudest 2 % of the samples. The reference of the others is the clean recording.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from pairs import SCORE_SR, find_pairs, read_pair
from scipy.signal import butter, correlate, fftconvolve, sosfilt

from nmf_audio import Denoiser
from nmf_audio.metrics import estoi, pesq, si_sdr

Array = npt.NDArray[np.float32]
Copy = Callable[[Array, Array, int], tuple[Array, Array]]

EARLY_SECONDS = 0.05


def as_it_is(clean: Array, noisy: Array, seed: int) -> tuple[Array, Array]:
    """Return the pair."""
    return clean, noisy


def telephone(clean: Array, noisy: Array, seed: int) -> tuple[Array, Array]:
    """Return both in the band of a telephone."""
    band = butter(6, (300, 3400), "band", fs=SCORE_SR, output="sos")
    return sosfilt(band, clean).astype(np.float32), sosfilt(band, noisy).astype(np.float32)


def mp3(clean: Array, noisy: Array, seed: int) -> tuple[Array, Array]:
    """Return the noisy recording from an MP3 of 32 kbit/s, aligned with the clean one."""
    file = io.BytesIO()
    # of 0 to 1: from 320 (MPEG-1) or 160 (MPEG-2) kbit/s down to 8; 16 kHz is MPEG-2
    level = (160 - 32) / (160 - 8)
    soundfile.write(file, noisy, SCORE_SR, format="MP3", bitrate_mode="CONSTANT", compression_level=level)
    file.seek(0)
    read = soundfile.read(file, dtype="float32")[0]
    padded = np.concatenate([read, np.zeros(len(noisy), np.float32)])
    delay = max(int(np.argmax(correlate(padded[: len(noisy)], noisy, "full"))) - len(noisy) + 1, 0)
    return clean, padded[delay : delay + len(noisy)]


def room(clean: Array, noisy: Array, seed: int) -> tuple[Array, Array]:
    """Return the speech in a room of its own, with the same noise, and its early part."""
    rng = np.random.default_rng(seed)
    t60 = rng.uniform(0.3, 0.8)
    t = np.arange(int(t60 * SCORE_SR)) / SCORE_SR
    response = rng.standard_normal(len(t)) * np.exp(-6.9 / t60 * t)
    response[: int(0.003 * SCORE_SR)] = 0
    # as much energy in the reflections as in the direct sound
    response /= np.sqrt(np.square(response).sum())
    response[0] = 1
    early = np.where(t < EARLY_SECONDS, response, 0)
    wet, wanted = (fftconvolve(clean, x)[: len(clean)].astype(np.float32) for x in (response, early))
    return wanted, wet + (noisy - clean)


def clipped(clean: Array, noisy: Array, seed: int) -> tuple[Array, Array]:
    """Return the noisy recording with its loudest 2 % cut off."""
    limit = np.quantile(np.abs(noisy), 0.98)
    return clean, np.clip(noisy, -limit, limit)


COPIES: dict[str, Copy] = {
    "originals": as_it_is,
    "telephone": telephone,
    "MP3, 32 kbit/s": mp3,
    "rooms": room,
    "clipped": clipped,
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Gain on copies that went through something else first.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--dictionary", metavar="NAME|FILE", help="default: that of `denoise`")
    args = parser.parse_args()
    denoiser = Denoiser(args.dictionary)
    pairs = [read_pair(pair, SCORE_SR) for pair in find_pairs(args.pairs, None)]
    names = ("PESQ", "ESTOI", "SI-SDR dB")
    print(f"| copies | {' | '.join(f'{name}: noisy, gain, share' for name in names)} |")
    print("| --- " * (len(names) + 1) + "|")
    gains: dict[str, npt.NDArray[np.float64]] = {}
    for name, copy in COPIES.items():
        scores = []
        for i, pair in enumerate(pairs):
            clean, noisy = copy(*pair, i)
            scores.append([_scores(clean, y) for y in (noisy, denoiser.denoise(noisy, SCORE_SR))])
        before, after = np.mean(scores, axis=0)
        gains[name] = after - before
        shares = gains[name] / gains["originals"]
        cells = [f"{b:.3f}, {g:+.3f}, {s:.0%}" for b, g, s in zip(before, gains[name], shares, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


def _scores(clean: Array, y: Array) -> tuple[float, float, float]:
    return pesq(clean, y, SCORE_SR), estoi(clean, y, SCORE_SR), si_sdr(clean, y)


if __name__ == "__main__":
    raise SystemExit(main())
