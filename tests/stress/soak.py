"""Hours of stream in odd blocks: memory stays flat, nothing is NaN, and in the end it is as a fresh stream is.

    python -m tests.stress.soak --seed 1 --hours 24

Speech-like noise, digital silence, jumps of 60 dB, a constant, squares at full scale and single clicks follow each
other. In the end both the stream and a fresh one hear the same; once that has settled, their outputs are compared.
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio import Denoiser
from tests.stress.frame import Tally, note, parse_options, summarise

Array = npt.NDArray[np.float32]
MOST_GROWTH = 1e6
"""Bytes of resident memory, from when the first sounds of all kinds were heard."""

SETTLING_SECONDS, COMPARED_SECONDS = 90, 10
MOST_DIFFERENCE = 1e-3
"""Of the peak."""

KINDS = ("speech", "silence", "jump", "constant", "squares", "clicks", "quiet")


def make_sound(rng: np.random.Generator, kind: str, seconds: float, sr: int) -> Array:
    """Return a sound of a kind."""
    n = round(seconds * sr)
    t = np.arange(n) / sr
    tone = np.sin(2 * np.pi * rng.uniform(100, 400) * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    speech = 0.2 * tone + 0.03 * rng.standard_normal(n)
    sounds: dict[str, Callable[[], npt.NDArray[Any]]] = {
        "speech": lambda: speech,
        "silence": lambda: np.zeros(n),
        "jump": lambda: speech * np.where(np.sin(2 * np.pi * t / 7) > 0, 1.0, 1e-3),
        "constant": lambda: np.full(n, rng.uniform(-1, 1)),
        "squares": lambda: np.where(tone > 0, 1.0, -1.0),
        "clicks": lambda: np.where(rng.random(n) < 1e-4, 1.0, 0.0),
        "quiet": lambda: 1e-6 * speech,
    }
    return np.asarray(sounds[kind](), np.float32)


def send(rng: np.random.Generator, stream: object, y: Array) -> Array:
    """Send a sound through a stream in odd blocks, and return what comes out."""
    out, at = [], 0
    while at < len(y):
        n = int(rng.choice((1, 7, 64, 509, 4096, 44100)))
        out.append(stream.process(y[at : at + n]))  # type: ignore[attr-defined]
        at += n
    return np.concatenate(out, axis=-1)


def read_memory() -> float:
    """Return the resident memory of this process in bytes."""
    gc.collect()
    found = re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024.0 * int(found[1]) if found else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=1.0, help="of stream (default: %(default)s)")
    parser.add_argument("--sr", type=int, default=16000, help="sample rate in Hz (default: %(default)s)")
    parser.add_argument("--method", help="(default: that of the shipped dictionary)")
    parser.set_defaults(minutes=np.inf)
    options = parse_options(str(__doc__).splitlines()[0], argv, parser)
    sr, denoiser = options.rest.sr, Denoiser(method=options.rest.method)
    stream, rng = denoiser.stream(sr), np.random.default_rng(options.seed)
    tally, started = Tally(), time.monotonic()
    first = most = 0.0
    i = 0
    # a case is a minute, or a long silence
    seconds_left = 3600 * options.rest.hours
    while seconds_left > 0:
        kind = KINDS[i] if i < len(KINDS) else KINDS[int(rng.integers(len(KINDS)))]
        seconds = min(seconds_left, 600.0 if kind == "silence" and rng.random() < 0.3 else 60.0)
        began = time.monotonic()
        y = make_sound(rng, kind, seconds, sr)
        out = send(rng, stream, y)
        problem = "" if np.isfinite(out).all() else f"{kind}: what comes out is not finite"
        if not problem and np.abs(out).max() > 2:
            problem = f"{kind}: a peak of {np.abs(out).max():.3g}"
        del y, out
        memory = read_memory()
        first = memory if i == len(KINDS) else first
        if i > len(KINDS):
            most = max(most, memory - first)
        if not problem and most > MOST_GROWTH:
            problem = f"memory grew by {most / 1e6:.1f} MB"
        note(tally, "soak", i, problem, time.monotonic() - began)
        seconds_left -= seconds
        i += 1
    difference = compare(rng, stream, denoiser.stream(sr), sr)
    if not difference <= MOST_DIFFERENCE:
        note(tally, "soak", i, f"differs from a fresh stream by {difference:.2g} of the peak", 0)
    verdict = summarise("soak", options, tally, time.monotonic() - started)
    print(
        f"{verdict}; {options.rest.hours:g} h of stream at {sr} Hz, memory +{most / 1e6:.2f} MB, "
        f"{difference:.1e} of the peak from a fresh stream"
    )
    return 1 if tally.n_failed else 0


def compare(rng: np.random.Generator, old: object, fresh: object, sr: int) -> float:
    """Return by how much of the peak two streams differ on the same sound, once it has settled."""
    y = make_sound(rng, "speech", SETTLING_SECONDS + COMPARED_SECONDS, sr)
    # both may be at any place in a frame
    outs = [send(rng, stream, y)[-COMPARED_SECONDS * sr :] for stream in (old, fresh)]
    return float(np.abs(outs[0] - outs[1]).max() / np.abs(outs[1]).max())


if __name__ == "__main__":
    sys.exit(main())
