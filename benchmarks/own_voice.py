"""Gain from own recordings: some minutes of a voice and of the noise around it, with the first recipe of the README.

::

    python benchmarks/own_voice.py --voices ANNA BEN CARLA --noises OFFICE KITCHEN STREET [--minutes 1 5 20]

Each voice is a folder of its recordings, and is put into a room of its own, by an impulse response of decaying noise
with the reverberation times 0.25, 0.45 and 0.7 s; each folder of noise is what is heard in that room (folders in it
are kinds). A minute of each is never trained on: mixtures of the two at -5, 0, 5 and 10 dB are scored against the
voice as it sounds in its room. Half of the minutes are voice, half are noise; where there are fewer, all are taken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from pairs import SCORE_SR
from table import print_table

from nmf_audio import Denoiser, find_recordings
from nmf_audio.metrics import estoi, pesq, si_sdr

Array = npt.NDArray[np.float32]
Clips = list[tuple[str, Array]]
"""With the name of the folder that they are from."""

TEST_SECONDS = 60.0
N_MIXTURES, MIXTURE_SECONDS = 24, 5.0
SNRS_DB = (-5, 0, 5, 10)
DECAYS = (0.25, 0.45, 0.7)
REFLECTIONS_DB = -3.0
"""Of all reflections together, relative to the direct sound."""


def read_clips(folder: Path, rng: np.random.Generator) -> list[Clips]:
    """Return the recordings of a folder in random order, each as its clips."""
    clips = find_recordings([folder], sr=SCORE_SR).clips()
    recordings = [
        [(clip.recording.group, clip.y) for clip in of_one]
        for _, of_one in groupby(clips, lambda c: c.recording)
    ]
    return [recordings[i] for i in rng.permutation(len(recordings))]


def take(recordings: Iterable[Clips], seconds: float) -> Clips:
    """Return clips of so many seconds, from the first recordings on; fewer if there are no more."""
    taken: Clips = []
    left = round(seconds * SCORE_SR)
    for name, y in (clip for recording in recordings for clip in recording):
        if left > 0:
            taken.append((name, y[:left]))
            left -= len(y)
    return taken


def divide(recordings: list[Clips], seconds: float) -> tuple[list[Clips], list[Clips]]:
    """Return recordings of at least so many seconds, and the others."""
    lengths = np.cumsum([sum(len(y) for _, y in clips) for clips in recordings])
    n = int(np.searchsorted(lengths, seconds * SCORE_SR)) + 1
    if n >= len(recordings):
        raise SystemExit(
            f"there must be more than {seconds:g} s of each voice and noise, in several recordings"
        )
    return recordings[:n], recordings[n:]


def make_room(decay: float, rng: np.random.Generator) -> Array:
    """Return an impulse response: direct sound, then noise that decays by 60 dB in so many seconds."""
    t = np.arange(round(decay * SCORE_SR)) / SCORE_SR
    room = rng.standard_normal(len(t)) * 10 ** (-3 * t / decay)
    room[: round(0.002 * SCORE_SR)] = 0
    room *= 10 ** (REFLECTIONS_DB / 20) / np.linalg.norm(room)
    room[0] = 1
    return room.astype(np.float32)


def put_into(room: Array, y: Array) -> Array:
    """Return a signal as it sounds in a room."""
    size = len(y) + len(room)
    wet: Array = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(room, size), size)[: len(y)].astype(
        np.float32
    )
    return wet


def write(folder: Path, clips: Clips) -> None:
    """Write each clip into a folder of its name."""
    for i, (name, y) in enumerate(clips):
        (folder / name).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name / f"{i:03}.wav", y / max(1.0, float(np.abs(y).max())), SCORE_SR)


def mix(voice: Clips, noise: Clips, rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Return pairs of voice, and voice with noise."""
    n = round(MIXTURE_SECONDS * SCORE_SR)
    s, z = (np.concatenate([y for _, y in clips]) for clips in (voice, noise))
    pairs = []
    for i in range(N_MIXTURES):
        at, start = rng.integers(len(s) - n), rng.integers(len(z) - n)
        x, y = s[at : at + n], z[start : start + n]
        gain = np.linalg.norm(x) / np.linalg.norm(y) * 10 ** (-SNRS_DB[i % len(SNRS_DB)] / 20)
        pairs.append((x, x + np.float32(gain) * y))
    return pairs


def score(pairs: list[tuple[Array, Array]], denoiser: Denoiser | None) -> npt.NDArray[np.float64]:
    """Return mean PESQ, ESTOI and SI-SDR of the mixtures, denoised if something denoises them."""
    rows = []
    for x, y in pairs:
        z = y if denoiser is None else denoiser.denoise(y, SCORE_SR)
        rows.append((pesq(x, z), estoi(x, z), si_sdr(x, z)))
    means: npt.NDArray[np.float64] = np.mean(rows, axis=0)
    return means


def train(voice: Clips, noise: Clips, folder: Path, options: argparse.Namespace) -> str:
    """Train a dictionary on clips by the command; return its file."""
    write(folder / "voice", voice)
    write(folder / "noise", noise)
    words = ["--speech", folder / "voice", "--noise", folder / "noise", "-o", folder / "mine.npz", "-q"]
    words += ["--from", options.start, "--steps", options.steps, "--jobs", options.jobs]
    command = [sys.executable, "-m", "nmf_audio", "train", "denoiser", *map(str, words)]
    subprocess.run(command, check=True)
    return str(folder / "mine.npz")


def measure(
    voice: Path, noise: Path, decay: float, options: argparse.Namespace
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return the scores of one voice in one room, by what denoised it."""
    rng = np.random.default_rng(0)
    spoken, heard = (divide(read_clips(folder, rng), TEST_SECONDS) for folder in (voice, noise))
    room = make_room(decay, rng)
    in_room = [[[(voice.name, put_into(room, y)) for _, y in clips] for clips in part] for part in spoken]
    pairs = mix(take(in_room[0], TEST_SECONDS), take(heard[0], TEST_SECONDS), rng)
    before = Denoiser(None if options.start == "shipped" else options.start)
    scores = {"noisy": score(pairs, None), options.start: score(pairs, before)}
    for minutes in options.minutes:
        clips = [take(part, 30 * minutes) for part in (in_room[1], heard[1])]
        lengths = [sum(len(y) for _, y in part) / SCORE_SR / 60 for part in clips]
        with tempfile.TemporaryDirectory() as folder:
            name = f"{minutes:g} min: {lengths[0]:.1f} of voice, {lengths[1]:.1f} of noise"
            scores[name] = score(pairs, Denoiser(train(clips[0], clips[1], Path(folder), options)))
        print(f"{voice.name}, {noise.name}, {name}: {scores[name]}", file=sys.stderr, flush=True)
    return scores


def main() -> int:
    """Print a table for each voice, and the means over them."""
    parser = argparse.ArgumentParser(description="What own recordings bring to the denoiser.")
    parser.add_argument("--voices", type=Path, nargs="+", required=True, help="a folder for each voice")
    parser.add_argument(
        "--noises", type=Path, nargs="+", required=True, help="a folder of noise for each voice"
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5, 20], help="(default: 1 5 20)")
    parser.add_argument("--steps", type=int, default=200, help="of each training (default: %(default)s)")
    parser.add_argument(
        "--from", dest="start", default="shipped", help="dictionary to go on from (default: shipped)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="threads of a training (default: %(default)s)")
    options = parser.parse_args()
    if not len(options.voices) == len(options.noises) <= len(DECAYS):
        parser.error(f"give as many noises as voices, at most {len(DECAYS)}")
    found = []
    for voice, noise, decay in zip(options.voices, options.noises, DECAYS, strict=False):
        scores = measure(voice, noise, decay, options)
        found.append(np.stack(list(scores.values())))
        print(f"\n{voice.name} in a room of {decay:g} s, {noise.name}\n")
        print_scores(list(scores), found[-1])
    if len({len(rows) for rows in found}) == 1:
        print(f"\nMean of {len(found)}\n")
        print_scores(
            ["noisy", options.start, *(f"{m:g} min" for m in options.minutes)], np.mean(found, axis=0)
        )
    return 0


def print_scores(names: list[str], scores: npt.NDArray[np.float64]) -> None:
    """Print a line for each system."""
    rows = [[name, f"{p:.3f}", f"{e:.3f}", f"{s:.2f}"] for name, (p, e, s) in zip(names, scores, strict=True)]
    print_table(["", "PESQ", "ESTOI", "SI-SDR dB"], rows)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
