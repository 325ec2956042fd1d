"""Worth of each part of the trained decomposition: short trainings with one part left out, or one more.

::

    python benchmarks/ablation.py PAIRS --speech data/train/speech --noise data/train/noise --steps 3000

Every row is trained anew from the same recordings, with the same seed and as many steps, and scored on the pairs.
Trainings go on from the state in FOLDER, so the table can be made in several goes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pairs import SCORE_SR, find_pairs
from scoring import Row, evaluate, means_table
from systems import System
from tqdm import tqdm

from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.defaults import N_SECOND, WHITENING
from nmf_audio.training.denoiser import DenoiserSettings, Progress, train_denoiser
from nmf_audio.training.gated_memory import MemorySizes
from nmf_audio.training.sounds import Recordings, read_recordings

DEFAULT = DenoiserSettings()


MASK_HEADS = ("head_mask", "head_mask_local", "head_mask_second")
GLOBAL_HEADS = ("head_prior", "head_inhibit", "head_mask")
MORE_UNITS = MemorySizes(n_local=48, n_global=144, n_second=48)


def _without(*arrays: str, n_second: int = N_SECOND) -> DenoiserSettings:
    return replace(DEFAULT, memory=MemorySizes(n_second=n_second, without=arrays))


class Variant(NamedTuple):
    """A training: its settings, and how far the front end evens out the signal's spectrum."""

    settings: DenoiserSettings
    whitening: float = WHITENING


VARIANTS = {
    "all parts": Variant(DEFAULT),
    "no whitening": Variant(DEFAULT, whitening=0.0),
    "no running atoms": Variant(replace(DEFAULT, running=False)),
    "no slow memory": Variant(replace(DEFAULT, slow=False)),
    "no memory": Variant(replace(DEFAULT, memory=None)),
    "memory: no prior of the activations": Variant(_without("head_prior")),
    "memory: no inhibition": Variant(_without("head_inhibit")),
    "memory: no term in the mask": Variant(_without(*MASK_HEADS)),
    "memory: global alone": Variant(_without("local_down", "head_mask_local", n_second=0)),
    "memory: local alone": Variant(_without(*GLOBAL_HEADS, n_second=0)),
    "memory: no second local one": Variant(_without(n_second=0)),
    "memory: half as many units again": Variant(replace(DEFAULT, memory=MORE_UNITS)),
    "one layer instead of four": Variant(replace(DEFAULT, n_layers=1)),
    "atoms as KL-NMF left them": Variant(replace(DEFAULT, learn_atoms=False)),
    "one set of weights to the end": Variant(replace(DEFAULT, last_weights=DEFAULT.weights)),
    "inhibition on top": Variant(replace(DEFAULT, inhibition=True, mid=True)),
}


def main() -> int:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description="Train without one part at a time, and score.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--speech", type=Path, required=True, help="folder with a folder for each speaker")
    parser.add_argument(
        "--noise", type=Path, required=True, help="folder with a folder for each kind of noise"
    )
    parser.add_argument("--steps", type=int, default=3000, help="of each training (default: 3000)")
    parser.add_argument(
        "--batch", type=int, default=DEFAULT.batch_size, metavar="N",
        help=f"mixtures of a step (default: {DEFAULT.batch_size})",
    )  # fmt: skip
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), help="rows")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("ablation"), metavar="FOLDER",
        help="for dictionaries and states (default: ablation)",
    )  # fmt: skip
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    speech, noise = (find_recordings([folder], sr=16000) for folder in (args.speech, args.noise))
    recordings = read_recordings(speech, noise, rng=0)
    pairs = find_pairs(args.pairs, None)
    rows: list[Row] = []
    losses: dict[str, float] = {}
    for name in args.only:
        path = args.output / f"{name.replace(' ', '_')}_{args.steps}.npz"
        settings = replace(VARIANTS[name].settings, n_steps=args.steps, batch_size=args.batch)
        variant = VARIANTS[name]._replace(settings=settings)
        losses[name] = _train(recordings, variant, name, path)
        system = System(name, "trained", str(path))
        for pair in pairs:
            rows += evaluate(pair, [system], SCORE_SR, None)
    print(means_table(rows))
    for name, loss in losses.items():
        print(f"held-out loss, {name}: {loss:.4f}")
    return 0


def _train(recordings: Recordings, variant: Variant, name: str, path: Path) -> float:
    """Train, or go on; write the dictionary; return its loss on held-out mixtures."""
    with tqdm(total=variant.settings.n_steps, desc=name, unit="step", mininterval=10) as bar:

        def tell(progress: Progress) -> None:
            bar.update(progress.step - bar.n)

        dictionary = train_denoiser(
            recordings,
            variant.settings,
            spec=FrontEndSpec(whitening=variant.whitening),
            checkpoint=path.with_suffix(".checkpoint"),
            resume=True,
            progress=tell,
        )
    dictionary.save(path)
    return float(dictionary.meta["denoiser"]["held_out"]["loss"])


if __name__ == "__main__":
    raise SystemExit(main())
