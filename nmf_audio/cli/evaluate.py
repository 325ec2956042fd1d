"""The command ``nmf-audio evaluate``: scores of methods and dictionaries on pairs of clean and noisy recordings."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio import defaults
from nmf_audio.cli import common
from nmf_audio.cli.progress import progress_bar
from nmf_audio.cli.score_table import table
from nmf_audio.errors import NmfAudioError

if TYPE_CHECKING:
    from nmf_audio.denoiser import Denoiser
    from nmf_audio.jobs.evaluation import Scores

EPILOG = """examples:
  nmf-audio evaluate clean.wav noisy.wav
  nmf-audio evaluate pairs/clean pairs/noisy --methods trained --dictionary mine.npz

A pair is the same recording without and with noise. In folders, files of the same name are pairs. Higher is
better for all scores: SI-SDR and segmental SNR in dB, PESQ (quality, 1 to 4.6), STOI and ESTOI (intelligibility,
0 to 1). PESQ needs the package pesq, STOI and ESTOI need pystoi.

exit codes: 0 done; 1 a pair can't be scored, the others are; 2 names or options are wrong; 130 interrupted"""


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio evaluate``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score methods on pairs of clean and noisy recordings",
        description="Denoise recordings whose clean versions are known, and score the results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument("clean", metavar="CLEAN", type=Path, help="recording without noise, or folder of such")
    files.add_argument(
        "noisy", metavar="NOISY", type=Path, help="the same recording with noise, or folder of the same names"
    )
    group = parser.add_argument_group("what is scored, besides the noisy recordings")
    group.add_argument(
        "--methods",
        metavar="NAME",
        nargs="+",
        choices=defaults.METHOD_NAMES,
        help=f"methods, with their shipped dictionaries (default: {', '.join(defaults.METHOD_NAMES)})",
    )
    group.add_argument(
        "--dictionary",
        metavar="NAME|FILE",
        nargs="+",
        help="dictionaries, each with the best method that it offers (default: none)",
    )
    common.add_verbosity(parser).add_argument(
        "--json", action="store_true", help="print the scores of all pairs and their means as JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Print the scores that the arguments ask for, and return the exit code, 1 if a pair could not be scored."""
    common.use_one_thread()
    from nmf_audio.jobs.evaluation import NOISY, evaluate, mean_scores, missing_packages

    args.stdout_is_taken = args.json
    errors: list[str] = []
    pairs = _find_pairs(args.clean, args.noisy, errors)
    denoisers = _make_denoisers(args, errors)
    if errors:
        raise common.UsageError(errors)
    if missing := missing_packages():
        common.report_error(args, f"some scores are left out; for them: pip install {' '.join(missing)}")
    scores: dict[str, dict[str, Scores]] = {}
    refused: dict[str, NmfAudioError] = {}
    with progress_bar(args, f"{len(pairs)} pairs", unit="pairs") as bar:
        for name, (clean, noisy) in pairs.items():
            try:
                scores[name] = evaluate(clean, noisy, denoisers)
            except NmfAudioError as error:
                refused[name] = error
            bar(len(scores) + len(refused), len(pairs))
    means = {system: mean_scores(row[system] for row in scores.values()) for system in (NOISY, *denoisers)}
    if args.json:
        common.print_line(json.dumps({"pairs": _finite(scores), "means": means}, indent=2, allow_nan=False))
    elif scores:
        title = "1 pair" if len(scores) == 1 else f"means of {len(scores)} pairs"
        for line in table(title, means):
            common.print_line(line)
    for name, refusal in refused.items():
        common.report_error(args, refusal, about=name)
    return common.EXIT_ERROR if refused else common.EXIT_DONE


def _find_pairs(clean: Path, noisy: Path, errors: list[str]) -> dict[str, tuple[Path, Path]]:
    """Return pairs of files by name; add to `errors` what has no counterpart."""
    missing = [path for path in (clean, noisy) if not path.exists()]
    errors += [f"{path}: does not exist" for path in missing]
    if missing:
        return {}
    if clean.is_dir() != noisy.is_dir():
        errors.append(f"{clean} and {noisy}: give two recordings, or two folders")
        return {}
    if not clean.is_dir():
        return {noisy.name: (clean, noisy)}
    from nmf_audio.io.formats import list_readable_extensions

    names = [
        path.name for path in sorted(noisy.iterdir()) if path.suffix.lower() in list_readable_extensions()
    ]
    if not names:
        errors.append(f"{noisy}: holds no recordings")
    errors += [
        f"{noisy / name}: there is no {clean / name}" for name in names if not (clean / name).is_file()
    ]
    return {name: (clean / name, noisy / name) for name in names}


def _make_denoisers(args: argparse.Namespace, errors: list[str]) -> "dict[str, Denoiser]":
    from nmf_audio.denoiser import Denoiser

    denoisers = {method: Denoiser(method=method) for method in args.methods or defaults.METHOD_NAMES}
    for name in args.dictionary or ():
        try:
            denoisers[name] = Denoiser(name)
        except NmfAudioError as error:
            errors.append(f"--dictionary: {common.describe(error)}")
    return denoisers


def _finite(scores: "Mapping[str, Mapping[str, Scores]]") -> "dict[str, dict[str, Scores]]":
    """Return scores as JSON has them, which knows no infinity."""
    return {
        pair: {
            system: {name: None if x is None or abs(x) == float("inf") else x for name, x in row.items()}
            for system, row in systems.items()
        }
        for pair, systems in scores.items()
    }
