"""What each part of the trained decomposition is worth: short trainings, each without one part.

::

    python benchmarks/ablation.py PAIRS --speech data/train/speech --noise data/train/noise --steps 2000

Every row is trained anew from the same recordings, with the same seed and as many steps, and scored on the pairs.
Trainings go on from the state in FOLDER, so the table can be made in several goes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pairs import SCORE_SR, find_pairs
from scoring import Row, evaluate, means_table
from systems import System
from tqdm import tqdm

from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.denoiser import DenoiserSettings, Progress, train_denoiser
from nmf_audio.training.sounds import Recordings, read_recordings

FULL = DenoiserSettings(inhibition=True, mid=True)

VARIANTS = {
    "all parts": FULL,
    "no slow memory": replace(FULL, slow=False),
    "no inhibition within the frame": replace(FULL, mid=False),
    "no inhibition (as shipped)": replace(FULL, inhibition=False, mid=False),
    "no running atoms": replace(FULL, running=False),
    "one layer": replace(FULL, n_layers=1),
    "atoms as KL-NMF left them": replace(FULL, learn_atoms=False),
}


def main() -> int:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description="Train without one part at a time, and score.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--speech", type=Path, required=True, help="folder with a folder for each speaker")
    parser.add_argument(
        "--noise", type=Path, required=True, help="folder with a folder for each kind of noise"
    )
    parser.add_argument("--steps", type=int, default=2000, help="of each training (default: 2000)")
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
        losses[name] = _train(recordings, replace(VARIANTS[name], n_steps=args.steps), name, path)
        system = System(name, "trained", str(path))
        for pair in pairs:
            rows += evaluate(pair, [system], SCORE_SR, None)
    print(means_table(rows))
    for name, loss in losses.items():
        print(f"held-out loss, {name}: {loss:.4f}")
    return 0


def _train(recordings: Recordings, settings: DenoiserSettings, name: str, path: Path) -> float:
    """Train, or go on; write the dictionary; return its loss on held-out mixtures."""
    with tqdm(total=settings.n_steps, desc=name, unit="step") as bar:

        def tell(progress: Progress) -> None:
            bar.update(progress.step - bar.n)

        dictionary = train_denoiser(
            recordings, settings, checkpoint=path.with_suffix(".checkpoint"), resume=True, progress=tell
        )
    dictionary.save(path)
    return float(dictionary.meta["denoiser"]["held_out"]["loss"])


if __name__ == "__main__":
    raise SystemExit(main())
