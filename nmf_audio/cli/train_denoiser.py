"""The command ``nmf-audio train denoiser``: a dictionary that is trained to separate."""

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, learning, training
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin

EPILOG = f"""examples:
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60
  nmf-audio train denoiser --speech my_voice --noise my_office -o mine.npz --from shipped --minutes 20
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60 --resume

A folder is a speaker, or a kind of noise; all are heard equally often. A few are held out, and the score on them is
shown as it goes.

{training.EXIT_CODES}"""

SHIPPED = "shipped"

SIZES: dict[str, Range] = {
    "speech-atoms": (int, 2, 2048),
    "noise-atoms": (int, 2, 2048),
    "layers": (int, 1, 16),
}
JOBS: dict[str, Range] = {"jobs": (int, 1, 256)}
MEANINGS = {
    "speech-atoms": f"speech atoms (default: {defaults.N_SPEECH})",
    "noise-atoms": f"noise atoms (default: {defaults.N_NOISE})",
    "layers": f"multiplicative updates a frame (default: {defaults.N_LAYERS})",
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
    start = f"a trained dictionary; {SHIPPED!r} is the one that comes with the program"
    jobs = f"threads; the result is the same with any number, more find nothing to do (default: {defaults.N_JOBS})"
    training.add_arguments(parser, MEANINGS, n_steps=defaults.N_STEPS, start=start, jobs=jobs)


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
    numbers = training.numbers_of(args, SIZES, faults)
    jobs = read_numbers(args, JOBS, faults)
    start, origins, checkpoint = _check_names(args, faults)
    if faults:
        raise common.UsageError(faults)
    started = time.monotonic()
    sr = FrontEndSpec().sr if start is None else start.spec.sr
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusWarning)
        speech, noise = (find_recordings(paths, sr=sr) for paths in (args.speech, args.noise))
        common.say(args, "reading the recordings")
        seed = int(numbers.get("seed", 0))
        recordings = read_recordings(speech, noise, origins=origins, rng=seed)
        with common.progress_bar(args, "training", unit="%") as progress:
            dictionary = train_denoiser(
                recordings,
                _settings(numbers, seed, goes_on=start is not None),
                minutes=numbers.get("minutes"),
                start=start,
                checkpoint=checkpoint,
                resume=args.resume,
                n_jobs=int(jobs.get("jobs", defaults.N_JOBS)),
                progress=training.teller(args, progress, _score_text),
            )
    for warning in caught:
        common.report_fault(args, f"warning: {warning.message}")
    named = ["denoiser", "--speech", *map(str, args.speech), "--noise", *map(str, args.noise)]
    command = training.command(args, named, SIZES)
    training.keep(args, dictionary, command, start=start, score_text=_score_text, started=started)
    return common.EXIT_FAULT if caught else common.EXIT_DONE


def _settings(numbers: dict[str, float], seed: int, *, goes_on: bool) -> Any:
    from nmf_audio.training.defaults import FINE_TUNING_RATE, HIGHEST_RATE
    from nmf_audio.training.denoiser import DenoiserSettings
    from nmf_audio.training.losses import FINISHING, Weights

    names = {"speech-atoms": "n_speech", "noise-atoms": "n_noise", "layers": "n_layers", "steps": "n_steps"}
    chosen: dict[str, Any] = {field: int(numbers[name]) for name, field in names.items() if name in numbers}
    rate, weights = (FINE_TUNING_RATE, FINISHING) if goes_on else (HIGHEST_RATE, Weights())
    return DenoiserSettings(seed=seed, highest_rate=rate, weights=weights, **chosen)


def _score_text(score: dict[str, float]) -> str:
    return f"loss {score['loss']:.4f}, SI-SDR {score['sdr']:.2f} dB"


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
    checkpoint = training.checkpoint_of(args, faults)
    learning.check_output(args, inputs, faults)
    return start, origins, checkpoint
