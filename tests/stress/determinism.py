"""The same recording in many ways: the same bits, or the difference that docs/reliability.md promises.

    python -m tests.stress.determinism

By file, pipe, array and stream; cut into blocks of any size; with any number of jobs, threads and processes; with
other seeds of Python's hashes. `--machines` lets OpenBLAS and numpy take the instructions of older processors, as
other machines do: then bits differ, and by how much is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import Denoiser, Stream, denoise_file
from tests.pipe import Pipe
from tests.stress.frame import Tally, make_folder, note, parse_options, summarise

SR = 16000
MOST_DIFFERENCE = 1e-4
"""Of the peak, between machines."""

MACHINES: tuple[dict[str, str], ...] = (
    {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"},
    {"OPENBLAS_CORETYPE": "Sandybridge", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3"},
    {"OPENBLAS_CORETYPE": "Prescott"},
)

Array = npt.NDArray[np.floating[Any]]


def make_recording(seed: int, seconds: float) -> Array:
    """Return a noisy tone that comes and goes."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SR)) / SR
    y = 0.2 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    return np.asarray(y + 0.03 * rng.standard_normal(len(t)), np.float32)


def run_command(
    folder: Path, method: str, *words: str, environment: Mapping[str, str] | None = None
) -> Array:
    """Return what the command makes of ``a.wav``."""
    command = [sys.executable, "-m", "nmf_audio.cli.denoise", "--method", method, "-q", "-f", *words]
    subprocess.run(command, cwd=folder, env=os.environ | (environment or {}), check=True)
    return np.asarray(soundfile.read(folder / "out" / "a.wav")[0])


def find_ways(folder: Path, method: str, y: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Return what comes of a recording in each way, without other processes."""
    denoiser = Denoiser(method=method)
    denoise_file(folder / "a.wav", folder / "out.wav", denoiser=denoiser, warm_up=0)
    target = Pipe()
    denoise_file(Pipe((folder / "a.wav").read_bytes(), 999), target, denoiser=denoiser)
    found = {
        "file": soundfile.read(folder / "out.wav", dtype="float32")[0],
        "pipe": soundfile.read(io.BytesIO(bytes(target.content)), dtype="float32")[0],
        "array": denoiser.denoise(y, SR, warm_up=0),
    }
    for name, sizes in (("odd blocks", (1, 7, 509)), ("any blocks", (64, 4096, 44100))):
        found[name] = send(rng, denoiser.stream(SR), y, sizes)
    return found


def compare_warm(folder: Path, method: str, y: Array, rng: np.random.Generator) -> float:
    """Return how far a stream that heard the beginning first is from a file, whose beginning is heard by default."""
    denoiser = Denoiser(method=method)
    denoise_file(folder / "a.wav", folder / "warm.wav", denoiser=denoiser)
    stream = denoiser.stream(SR)
    stream.prime(beginning=y[: 2 * SR])
    return _difference(
        send(rng, stream, y, (7, 4096)), soundfile.read(folder / "warm.wav", dtype="float32")[0]
    )


def send(rng: np.random.Generator, stream: Stream, y: Array, sizes: Sequence[int]) -> Array:
    """Send a signal through a stream in blocks of some sizes, and return all that comes out, in step with it."""
    at, parts = 0, []
    while at < len(y):
        n = int(rng.choice(sizes))
        parts.append(stream.process(y[at : at + n]))
        at += n
    out: Array = np.concatenate([*parts, stream.flush()], axis=-1)[..., -len(y) :]
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", nargs="+", default=["trained"], help="(default: trained)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of sound (default: %(default)s)")
    parser.add_argument(
        "--machines", action="store_true", help="take the instructions of older processors, too"
    )
    options = parse_options(str(__doc__).splitlines()[0], argv, parser)
    tally, started, i = Tally(), time.monotonic(), 0
    lines = []
    for method in options.rest.methods:
        with make_folder() as folder:
            y = make_recording(options.seed, options.rest.seconds)
            for name in ("a", "b", "c"):
                soundfile.write(folder / f"{name}.wav", y, SR, subtype="FLOAT")
            (folder / "out").mkdir()
            found = find_ways(folder, method, y, np.random.default_rng(options.seed))
            whole = found["file"]
            words = ["--output-dir", "out", "--name", "{stem}{ext}", "--warm-up", "0"]
            for name, more, environment in (
                ("the command", ["a.wav"], {}),
                ("another hash seed", ["a.wav"], {"PYTHONHASHSEED": "7"}),
                ("isolated", ["a.wav", "--isolate"], {}),
                ("2 jobs", ["a.wav", "b.wav", "c.wav", "--jobs", "2"], {}),
                ("2 threads of BLAS", ["a.wav"], {"OPENBLAS_NUM_THREADS": "2"}),
            ):
                found[name] = run_command(folder, method, *more, *words, environment=environment)
            for name, out in found.items():
                same = np.array_equal(out, whole)
                problem = "" if same else f"{method}, {name}: {_difference(out, whole):.1e} of the peak off"
                note(tally, "determinism", i, problem, 0)
                i += 1
            off = compare_warm(folder, method, y, np.random.default_rng(options.seed))
            problem = f"{method}, a stream that heard the beginning: {off:.1e} of the peak off" if off else ""
            note(tally, "determinism", i, problem, 0)
            i += 1
            for environment in MACHINES if options.rest.machines else ():
                out = run_command(folder, method, "a.wav", *words, environment=environment)
                off, name = _difference(out, whole), environment["OPENBLAS_CORETYPE"]
                lines.append(f"{method} as on {name}: {off:.1e} of the peak off")
                note(tally, "determinism", i, "" if off <= MOST_DIFFERENCE else lines[-1], 0)
                i += 1
            digest = hashlib.sha256(np.ascontiguousarray(whole, np.float32).tobytes()).hexdigest()
            lines.append(f"{method}: sha256 of the samples {digest}")
    print("\n".join(lines))
    print(summarise("determinism", options, tally, time.monotonic() - started))
    return 1 if tally.n_failed else 0


def _difference(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max() / np.abs(b).max())


if __name__ == "__main__":
    sys.exit(main())
