"""CPU seconds per second of audio of the command ``denoise``, file in to file out, without its start-up.

::

    python benchmarks/cost.py             # RNNoise and DeepFilterNet3 beside it, which takes their packages
    python benchmarks/cost.py --alone

The demo recording, repeated, is denoised at two lengths; the difference of the CPU times over the difference of the
lengths is the cost of a second, with all that becomes of a file on the way. The peers run from array to array,
without files, in one process that has warmed up. All take turns, on one thread each; figures are medians over the
rounds, and ratios are medians of the ratios within a round. The last table says where the time goes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from peers import PEERS, default_folder, denoise_all, environment
from table import Bar, print_table

from nmf_audio import Stream, denoise_file
from nmf_audio.dictionary.dictionary import DEFAULT_DICTIONARY
from nmf_audio.nmf.unrolled import UnrolledNMF

__all__ = ["ONE_THREAD", "cpu_seconds", "write_recording"]

COMMAND = (sys.executable, "-m", "nmf_audio.cli.denoise", "-q", "-f")
DEMO = Path(__file__).parent.parent / "demos" / "noisy.flac"
LENGTHS = (30, 150)
CASES = {
    "16 kHz mono": (16000, 1, 0.012),
    "48 kHz mono": (48000, 1, None),
    "48 kHz stereo": (48000, 2, 0.030),
}
PEER_CASE = "48 kHz mono"
"""What the peers are given: they know no other rate."""
BESIDE_PEERS = ("16 kHz mono", PEER_CASE)
RIVALS = {"rnnoise": 5, "deepfilternet": 10}
PEER_SECONDS = 30
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def write_recording(path: Path, seconds: float, sr: int, n_channels: int) -> None:
    """Write the demo recording, repeated, as 16-bit PCM; channels are delayed against each other."""
    demo, demo_sr = soundfile.read(DEMO, dtype="float32")
    y = soxr.resample(demo, demo_sr, sr)
    tile = np.stack([np.roll(y, 100 * i) for i in range(n_channels)], axis=1)
    left = round(seconds * sr)
    with soundfile.SoundFile(path, "w", sr, n_channels, "PCM_16", format="WAV") as file:
        while left > 0:
            file.write(tile[:left])
            left -= len(tile)


def cpu_seconds(command: list[str]) -> float:
    """Return user and system time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost_of_command(sources: list[Path], dictionary: str) -> float:
    """Return CPU seconds per second from recordings of both `LENGTHS`."""
    short, long = (cpu_seconds([*COMMAND, "--dictionary", dictionary, str(source)]) for source in sources)
    return (long - short) / (LENGTHS[1] - LENGTHS[0])


class Clock:
    """Adds up the CPU time of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time counted."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.thread_time() - start

        return timed


def parts(source: Path, seconds: float, dictionary: str) -> dict[str, float]:
    """Return the cost of the parts of the path, per second of audio."""
    stream, decomposition = Clock(), Clock()
    originals = Stream.process, UnrolledNMF.process
    Stream.process = stream.around(Stream.process)  # type: ignore[method-assign]
    UnrolledNMF.process = decomposition.around(UnrolledNMF.process)  # type: ignore[method-assign]
    try:
        start = time.thread_time()
        denoise_file(source, dictionary=dictionary, force=True)
        whole = time.thread_time() - start
    finally:
        Stream.process, UnrolledNMF.process = originals  # type: ignore[method-assign]
    found = {
        "decomposition": decomposition.seconds,
        "STFT, bands, gains": stream.seconds - decomposition.seconds,
        "files": whole - stream.seconds,
    }
    return {name: value / seconds for name, value in found.items()}


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="CPU seconds per second of audio.")
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    parser.add_argument("--dictionary", default=DEFAULT_DICTIONARY, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--peers-folder", type=Path, default=default_folder(), help="environments (default: %(default)s)"
    )
    options = parser.parse_args()
    rivals = {} if options.alone else {key: PEERS[key] for key in RIVALS}
    pythons = {key: environment(peer, options.peers_folder) for key, peer in rivals.items()}
    rounds: list[dict[str, float]] = []
    inner: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {}
        for case, (sr, n_channels, _) in CASES.items():
            sources[case] = [folder / f"{sr}-{n_channels}-{seconds}.wav" for seconds in LENGTHS]
            for source, seconds in zip(sources[case], LENGTHS, strict=True):
                write_recording(source, seconds, sr, n_channels)
        y, sr = soundfile.read(sources[PEER_CASE][0], dtype="float32", frames=PEER_SECONDS * 48000)
        for _ in range(options.rounds):
            found = {case: cost_of_command(sources[case], options.dictionary) for case in CASES}
            for key, peer in rivals.items():
                found[key] = denoise_all(peer, pythons[key], {"y": y}, sr, folder / key)["y"]
            rounds.append(found)
            for case in CASES:
                inner[case].append(parts(sources[case][1], LENGTHS[1], options.dictionary))

    def median(of: Callable[[dict[str, float]], float], values: list[dict[str, float]] = rounds) -> float:
        return float(np.median([of(value) for value in values]))

    rows: list[list[object]] = []
    for case, (_, _, bar) in CASES.items():
        cost = median(lambda found, case=case: found[case])  # type: ignore[misc]
        judged = "" if bar is None else f" ({Bar(cost, bar)})"
        rows.append([f"`denoise`, {case}", f"{cost:.4f}{judged}", "", ""])
    for key, peer in rivals.items():
        cost = median(lambda found, key=key: found[key])  # type: ignore[misc]
        cells = []
        for case in BESIDE_PEERS:
            ratio = median(lambda found, key=key, case=case: found[key] / found[case])  # type: ignore[misc]
            cells.append(f"{ratio:.1f} ({Bar(ratio, RIVALS[key], at_least=True, digits=0)})")
        rows.append([f"{peer.title} ({', '.join(peer.requirements)}), {PEER_CASE}", f"{cost:.4f}", *cells])
    print_table(["", "CPU s per s of audio", *(f"times `denoise`, {case}" for case in BESIDE_PEERS)], rows)
    print()
    names = list(inner["16 kHz mono"][0])
    shares: list[list[object]] = []
    for case, values in inner.items():
        costs = [median(lambda found, name=name: found[name], values) for name in names]  # type: ignore[misc]
        shares.append([case, *(f"{cost:.4f} ({cost / sum(costs):.0%})" for cost in costs)])
    print_table(["where it goes", *names], shares)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
