"""The command ``nmf-audio train separator``: a dictionary that is trained to separate named sources."""

import argparse
import shlex
import time
import warnings
from pathlib import Path
from typing import Any

from nmf_audio.cli import common, learning
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError
from nmf_audio.training.defaults import SEPARATOR

EPILOG = """examples:
  nmf-audio train separator anna=her_voice ben=his_voice -o two.npz
  nmf-audio train separator anna=her_voice ben=his_voice street=noises/street -o three.npz --minutes 10
  nmf-audio separate talk.wav --sources two.npz

A minute of each source alone will do; mixtures are made from them. The last tenth of every recording is held out, and
the score on it is shown as it goes. It runs on one processor core.

exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are at fault, nothing
is written; 130 interrupted: the checkpoint stays, and --resume goes on from it"""

RANGES: dict[str, Range] = {
    "minutes": (float, 0.01, 100_000),
    "steps": (int, 1, 10_000_000),
    "atoms": (int, 2, 1024),
    "layers": (int, 1, 16),
    "seed": (int, 0, 2**63 - 1),
}
MEANINGS = {
    "minutes": "how long to train; fewer minutes give fewer steps (default: as long as --steps take)",
    "steps": f"how long to train, in steps of the optimiser (default: {SEPARATOR['n_steps']})",
    "atoms": f"atoms of each source (default: {SEPARATOR['n_components']})",
    "layers": f"multiplicative updates a frame (default: {SEPARATOR['n_layers']})",
    "seed": "the same seed, recordings, steps, machine and versions give the same bits (default: 0)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "recordings",
        metavar="NAME=PATH",
        nargs="+",
        help="what a source is called, and a file or folder of it alone, searched with all below; any format and "
        "rate; the same name may come again",
    )
    learning.add_output_arguments(files, ", FILE.checkpoint keeps the state of the training")
    group = parser.add_argument_group("learning")
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
    from nmf_audio.training.separator import read_sources, train_separator

    faults: list[str] = []
    numbers = read_numbers(args, RANGES, faults)
    if args.minutes is not None and args.steps is not None:
        faults.append("--minutes and --steps: give one of them")
    sources = _sources(args.recordings, faults)
    inputs = learning.check_recordings([path for paths in sources.values() for path in paths], faults)
    origins = learning.read_origins(args, faults)
    checkpoint = learning.checkpoint_of(args, faults)
    learning.check_output(args, inputs, faults)
    if faults:
        raise common.UsageError(faults)
    started = time.monotonic()
    seed = int(numbers.get("seed", 0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusWarning)
        common.say(args, "reading the recordings")
        sr = FrontEndSpec().sr
        clips = read_sources(
            {name: find_recordings(paths, sr=sr) for name, paths in sources.items()},
            origins=origins,
            rng=seed,
        )
        with common.progress_bar(args, "training", unit="%") as progress:
            dictionary = train_separator(
                clips,
                _settings(numbers, seed),
                minutes=numbers.get("minutes"),
                checkpoint=checkpoint,
                resume=args.resume,
                progress=learning.teller(args, progress, _score_text),
            )
    for warning in caught:
        common.report_fault(args, f"warning: {warning.message}")
    more: dict[str, Any] = {}
    if args.minutes is not None:
        more["notes"] = [learning.note_on_minutes(dictionary.meta["separator"]["steps_done"])]
    dictionary, card = learning.keep(args, dictionary, [_command(args)], **more)
    taken = (time.monotonic() - started) / 60
    score = _score_text(dictionary.meta["separator"]["held_out"])
    common.say(args, f"{args.output}: trained in {taken:.1f} min; held out: {score}; card {card}")
    return common.EXIT_FAULT if caught else common.EXIT_DONE


def _sources(words: list[str], faults: list[str]) -> dict[str, list[Path]]:
    """Return the paths of each source; add to `faults` what is wrong with the words."""
    from nmf_audio.separation.sources import check_source_name

    sources: dict[str, list[Path]] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or not path:
            faults.append(f"{word}: NAME=PATH is needed, such as anna=recordings/anna")
            continue
        try:
            sources.setdefault(check_source_name(name), []).append(Path(path))
        except ParameterError as error:
            faults.append(f"{word}: {error}")
    if len(sources) == 1 and not faults:
        faults.append(f"{next(iter(sources))}: is the only source; at least two are needed")
    return sources


def _settings(numbers: dict[str, float], seed: int) -> Any:
    from nmf_audio.training.separator import SeparatorSettings

    names = {"atoms": "n_components", "layers": "n_layers", "steps": "n_steps"}
    chosen: dict[str, Any] = {field: int(numbers[name]) for name, field in names.items() if name in numbers}
    return SeparatorSettings(seed=seed, **chosen)


def _score_text(score: dict[str, float]) -> str:
    return f"SI-SDR {score['sdr']:.2f} dB"


def _command(args: argparse.Namespace) -> str:
    """Return the command again, without what doesn't change the dictionary."""
    words = ["nmf-audio", "train", "separator", *args.recordings, "-o", str(args.output)]
    for name in RANGES:
        text = getattr(args, name)
        words += [] if text is None else [f"--{name}", text]
    words += [] if args.licence is None else ["--licence", args.licence]
    words += [] if args.manifest is None else ["--manifest", str(args.manifest)]
    return shlex.join(words)
