"""Quality of separating speakers, and other sources: dictionaries trained to separate against plain ones.

::

    pip install -e '.[eval]'
    python benchmarks/separation.py FOLDER --sources carlo lj --sources carlo lj music --minutes 4

FOLDER holds recordings, at any depth; a source is all recordings of the folder called so (or whose name ends in
``_`` and the source). A minute of each source is learned from; mixtures of the rest, all sources equally loud, are
taken apart. The figure is the improvement of BSS-eval's SDR (Vincent et al. 2006, with its filter of 512 taps) over
the mixture itself, averaged over sources and mixtures; SI-SDR beside it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import Dictionary, Separator
from nmf_audio.errors import MissingExtraError
from nmf_audio.metrics import si_sdr
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.defaults import SEPARATOR
from nmf_audio.training.plain import train_plain
from nmf_audio.training.separator import SeparatorSettings, read_sources, train_separator
from nmf_audio.training.source_mixing import SourceMixer

Array = npt.NDArray[np.float32]

SR = 16000
LEARNED_SECONDS, TEST_SECONDS = 60.0, 6.0


def find_source(folder: Path, name: str) -> list[Path]:
    """Return the folders that hold a source."""
    folders = (path for path in folder.rglob("*") if path.is_dir())
    found = [path for path in folders if path.name == name or path.name.endswith(f"_{name}")]
    if not found:
        raise SystemExit(f"{folder}: has no folder called {name}, nor one whose name ends in _{name}")
    return sorted(found)


def split_source(folders: list[Path], seconds: float, scratch: Path) -> list[Array]:
    """Write the first seconds of a source into a folder to learn from; return the rest."""
    clips = find_recordings(folders, sr=SR).load(clip_seconds=20.0)
    learned, rest, total = [], [], 0.0
    for clip in (clip for members in clips.values() for clip in members):
        if total < seconds:
            cut = round((seconds - total) * SR)
            learned.append(clip[:cut])
            total += len(learned[-1]) / SR
            clip = clip[cut:]
        if len(clip) > SR / 2:
            rest.append(clip)
    scratch.mkdir()
    for i, clip in enumerate(learned):
        soundfile.write(scratch / f"{i:03}.wav", clip, SR, subtype="FLOAT")
    return rest


def bss_sdr(sources: Array, estimates: Array) -> npt.NDArray[np.float64]:
    """Return BSS-eval's SDR of each source in dB; sources are not permuted."""
    try:
        import fast_bss_eval
    except ImportError as error:
        raise MissingExtraError("fast_bss_eval is needed; pip install fast-bss-eval") from error
    # one by one: with numpy 2 its matrix solver takes several only where it may permute them
    pairs = zip(sources.astype(np.float64), estimates.astype(np.float64), strict=True)
    return np.array([float(fast_bss_eval.sdr(s[None], e[None])[0]) for s, e in pairs])


def score(
    separator: Separator, names: list[str], mixer_of: Callable[[], SourceMixer], n: int
) -> tuple[float, float]:
    """Return the mean improvements of SDR and SI-SDR over the mixture, in dB."""
    batch = mixer_of().batch(n)
    gains = []
    for i in range(n):
        y, sources = batch.mixture[i], batch.sources[:, i]
        y, sources = 0.1 * y, 0.1 * sources
        parts = separator.separate(y, SR)
        estimates = np.stack([parts[name] for name in names])
        before = bss_sdr(sources, np.repeat(y[None], len(names), axis=0))
        gains.append(
            (
                np.mean(bss_sdr(sources, estimates) - before),
                np.mean([si_sdr(s, e) - si_sdr(s, y) for s, e in zip(sources, estimates, strict=True)]),
            )
        )
    sdr, si = np.mean(gains, axis=0)
    return float(sdr), float(si)


def compare(
    folder: Path, names: list[str], settings: SeparatorSettings, minutes: float | None, n: int
) -> None:
    """Print rows for the plain dictionaries with two masks, and one for the trained dictionary."""
    with tempfile.TemporaryDirectory() as scratch:
        rest = {
            name: split_source(find_source(folder, name), LEARNED_SECONDS, Path(scratch) / name)
            for name in names
        }
        corpora = {name: find_recordings([Path(scratch) / name], sr=SR) for name in names}

        def mixer_of() -> SourceMixer:
            rng = np.random.default_rng(99)
            return SourceMixer(rest, n_samples=round(TEST_SECONDS * SR), sr=SR, rng=rng, plain=True)

        started = time.perf_counter()
        plain: dict[str, Dictionary] = {
            name: train_plain(corpus, source=name, one_group=name, rng=0) for name, corpus in corpora.items()
        }
        learned = time.perf_counter() - started
        for power in (2, 1):
            row = score(Separator(plain, mask_power=power), names, mixer_of, n)
            what = f"{', '.join(names)} | plain, --mask-power {power}"
            print(f"| {what} | {learned:.0f} s | {row[0]:.1f} | {row[1]:.1f} |", flush=True)
        started = time.perf_counter()
        trained = train_separator(read_sources(corpora, rng=0), settings, minutes=minutes)
        learned = time.perf_counter() - started
        row = score(Separator(trained), names, mixer_of, n)
        print(f"| {', '.join(names)} | trained | {learned:.0f} s | {row[0]:.1f} | {row[1]:.1f} |", flush=True)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How well sources come apart: trained against plain.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--sources", nargs="+", action="append", required=True, metavar="NAME")
    parser.add_argument("--minutes", type=float, help="train so long (default: the steps of the settings)")
    parser.add_argument("--steps", type=int, default=SEPARATOR["n_steps"])
    parser.add_argument("--mixtures", type=int, default=20, metavar="N")
    args = parser.parse_args()
    print("| sources | dictionaries | learned in | SDR improvement, dB | SI-SDR improvement, dB |")
    print("| --- | --- | --- | --- | --- |")
    for names in args.sources:
        compare(args.folder, names, SeparatorSettings(n_steps=args.steps), args.minutes, args.mixtures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
