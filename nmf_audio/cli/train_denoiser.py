"""The command ``nmf-audio train denoiser``: a dictionary that is trained to separate."""

import argparse
import shlex
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, learning
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin

EPILOG = """examples:
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60
  nmf-audio train denoiser --speech my_voice --noise my_office -o mine.npz --from shipped --minutes 20
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60 --resume

A folder is a speaker, or a kind of noise; all are heard equally often. A few are held out, and the score on them is
shown as it goes. It runs on one processor core.

exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are at fault, nothing
is written; 130 interrupted: the checkpoint stays, and --resume goes on from it"""

SHIPPED = "shipped"

RANGES: dict[str, Range] = {
    "minutes": (float, 0.01, 100_000),
    "steps": (int, 1, 10_000_000),
    "speech-atoms": (int, 2, 2048),
    "noise-atoms": (int, 2, 2048),
    "layers": (int, 1, 16),
    "seed": (int, 0, 2**63 - 1),
}
MEANINGS = {
    "minutes": "how long to train; fewer minutes give fewer steps (default: as long as --steps take)",
    "steps": f"how long to train, in steps of the optimiser (default: {defaults.N_STEPS})",
    "speech-atoms": f"speech atoms (default: {defaults.N_SPEECH})",
    "noise-atoms": f"noise atoms (default: {defaults.N_NOISE})",
    "layers": f"multiplicative updates a frame (default: {defaults.N_LAYERS})",
    "seed": "the same seed, recordings, steps, machine and versions give the same bits (default: 0)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    for source in ("speech", "noise"):
        files.add_argument(
            f"--{source}",
            metavar="PATH",
            nargs="+",
            type=Path,
            required=True,
            help=f"files and folders of {source} alone, searched with all below; any format and rate",
        )
    learning.add_output_arguments(files, ", FILE.checkpoint keeps the state of the training")
    group = parser.add_argument_group("learning")
    group.add_argument(
        "--from",
        dest="start",
        metavar="NAME|FILE",
        help=f"go on from a trained dictionary; {SHIPPED!r} is the one that comes with the program "
        "(default: begin anew)",
    )
    group.add_argument("--resume", action="store_true", help="go on from FILE.checkpoint if it is there")
    for name, text in MEANINGS.items():
        group.add_argument(f"--{name}", metavar="MIN" if name == "minutes" else "N", help=text)
    learning.add_card_arguments(parser)
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Train the dictionary that the arguments ask for.

    Parameters
    ----------
    args : argparse.Namespace
        What the parser gave.

    Returns
    -------
    int
        0, or 1 if a recording was left out.

    Raises
    ------
    common.UsageError
        If names or options are at fault; nothing is written then.
    """
    from nmf_audio.bands import FrontEndSpec
    from nmf_audio.training.corpus import CorpusWarning, find_recordings
    from nmf_audio.training.denoiser import train_denoiser
    from nmf_audio.training.sounds import read_recordings

    faults: list[str] = []
    numbers = _numbers(args, faults)
    start, origins, checkpoint = _check_names(args, faults)
    if faults:
        raise common.UsageError(faults)
    started = time.monotonic()
    spec = FrontEndSpec() if start is None else start.spec
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusWarning)
        speech, noise = (find_recordings(paths, sr=spec.sr) for paths in (args.speech, args.noise))
        common.say(args, "reading the recordings")
        seed = int(numbers.get("seed", 0))
        recordings = read_recordings(speech, noise, origins=origins, rng=seed)
        with common.progress_bar(args, "training", unit="%") as progress:
            dictionary = train_denoiser(
                recordings,
                _settings(numbers, seed, goes_on=start is not None),
                minutes=numbers.get("minutes"),
                spec=spec,
                start=start,
                checkpoint=checkpoint,
                resume=args.resume,
                progress=learning.teller(args, progress, _score_text),
            )
    for warning in caught:
        common.report_fault(args, f"warning: {warning.message}")
    commands = [*(start.meta.get("commands", ()) if start else ()), _command(args)]
    more: dict[str, Any] = {}
    if args.minutes is not None:
        steps = dictionary.meta["denoiser"]["steps_done"]
        more["notes"] = [learning.note_on_minutes(steps)]
    dictionary, card = learning.keep(args, dictionary, commands, **more)
    score = _score_text(dictionary.meta["denoiser"]["held_out"])
    taken = (time.monotonic() - started) / 60
    common.say(args, f"{args.output}: trained in {taken:.1f} min; held out: {score}; card {card}")
    return common.EXIT_FAULT if caught else common.EXIT_DONE


def _settings(numbers: dict[str, float], seed: int, *, goes_on: bool) -> Any:
    from nmf_audio.training.defaults import FINE_TUNING_RATE, HIGHEST_RATE
    from nmf_audio.training.denoiser import DenoiserSettings

    names = {"speech-atoms": "n_speech", "noise-atoms": "n_noise", "layers": "n_layers", "steps": "n_steps"}
    chosen: dict[str, Any] = {field: int(numbers[name]) for name, field in names.items() if name in numbers}
    return DenoiserSettings(seed=seed, highest_rate=FINE_TUNING_RATE if goes_on else HIGHEST_RATE, **chosen)


def _score_text(score: dict[str, float]) -> str:
    return f"loss {score['loss']:.4f}, SI-SDR {score['sdr']:.2f} dB"


def _numbers(args: argparse.Namespace, faults: list[str]) -> dict[str, float]:
    """Return the options that are numbers, by name; add to `faults` what is wrong with them."""
    numbers = read_numbers(args, RANGES, faults)
    if args.minutes is not None and args.steps is not None:
        faults.append("--minutes and --steps: give one of them")
    if args.start is not None:
        sizes = ("speech-atoms", "noise-atoms", "layers")
        faults += [f"--{name}: --from has its own sizes" for name in sizes if name in numbers]
    return numbers


def _check_names(
    args: argparse.Namespace, faults: list[str]
) -> tuple["Dictionary | None", "dict[Path, Origin] | None", Path]:
    """Return what --from and --manifest name and where the state is kept; add to `faults` what is wrong."""
    from nmf_audio.dictionary import DEFAULT_DICTIONARY

    inputs = learning.check_recordings([*args.speech, *args.noise], faults)
    name = DEFAULT_DICTIONARY if args.start == SHIPPED else args.start
    start = learning.load_named(
        "--from", name, "trained", "only a trained dictionary can be trained further", inputs, faults
    )
    origins = learning.read_origins(args, faults)
    checkpoint = learning.checkpoint_of(args, faults)
    learning.check_output(args, inputs, faults)
    return start, origins, checkpoint


def _command(args: argparse.Namespace) -> str:
    """Return the command again, without what doesn't change the dictionary."""
    words = ["nmf-audio", "train", "denoiser"]
    words += ["--speech", *map(str, args.speech), "--noise", *map(str, args.noise), "-o", str(args.output)]
    words += [] if args.start is None else ["--from", args.start]
    for name in RANGES:
        text = getattr(args, name.replace("-", "_"))
        words += [] if text is None else [f"--{name}", text]
    words += [] if args.licence is None else ["--licence", args.licence]
    words += [] if args.manifest is None else ["--manifest", str(args.manifest)]
    return shlex.join(words)
