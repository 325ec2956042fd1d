"""The command ``nmf-audio train denoiser``: a dictionary that is trained to separate."""

import argparse
import math
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, train_common, train_scores
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.io.remote import locate
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin
    from nmf_audio.training.corpus import Corpus

EPILOG = f"""examples:
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60
  nmf-audio train denoiser --speech my_voice --noise my_office -o mine.npz --from shipped --minutes 20
  nmf-audio train denoiser --speech voices --noise noises -o mine.npz --minutes 60 --resume
  nmf-audio train denoiser --speech voices --noise noises -o now.npz --resume mine.checkpoint --cool-down 1500

A folder is a speaker, or a kind of noise; all are used equally often. A few are held out, and the score on them is
shown as it goes. The learning rate is constant but for a cool-down at the end. The last example takes a finished
dictionary from a training that is still running, which is not disturbed.

{train_common.EXIT_CODES}"""

SIZES: dict[str, Range] = {
    "speech-atoms": (int, 2, 2048),
    "noise-atoms": (int, 2, 2048),
    "layers": (int, 1, 16),
}
COOL_DOWN: dict[str, Range] = {"cool-down": (int, 0, 10_000_000)}
UNITS: dict[str, Range] = {
    "local-units": (int, 0, 256),
    "global-units": (int, 1, 1024),
    "second-units": (int, 0, 256),
}
JOBS: dict[str, Range] = {"jobs": (int, 1, 256)}
MEANINGS = {
    "speech-atoms": f"speech atoms (default: {defaults.N_SPEECH})",
    "noise-atoms": f"noise atoms (default: {defaults.N_NOISE})",
    "layers": f"multiplicative updates a frame (default: {defaults.N_LAYERS})",
    "local-units": "units of the gated memory in each group of four bands; 0 for no memory "
    f"(default: {defaults.N_LOCAL})",
    "global-units": f"units of the gated memory over all bands (default: {defaults.N_GLOBAL})",
    "second-units": f"units of a second memory in each group, 0 for none (default: {defaults.N_SECOND})",
    "cool-down": "the last steps, over which the learning rate falls; with --resume, without --steps, they begin "
    f"at once (default: {100 * defaults.COOL_DOWN_SHARE:g} %% of all steps; all with --from)",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    for source in ("speech", "noise"):
        files.add_argument(
            f"--{source}",
            metavar="PATH",
            nargs="+",
            type=locate,
            required=True,
            help=f"files, folders, lists and URLs of {source} alone; folders with all below; any format and rate",
        )
    train_common.add_corpus_arguments(files)
    train_common.add_output_arguments(files, ", FILE.checkpoint keeps the state of the training")
    start = f"a trained dictionary; {train_scores.SHIPPED!r} is the one that comes with the program"
    jobs = f"threads; the result does not depend on their number, and more do not help (default: {defaults.N_JOBS})"
    train_common.add_training_arguments(parser, MEANINGS, n_steps=defaults.N_STEPS, start=start, jobs=jobs)


def run(args: argparse.Namespace) -> int:
    """Train the dictionary that the arguments ask for; return the exit code, 1 if a recording was left out."""
    errors: list[str] = []
    numbers = train_common.read_sizes(args, SIZES, errors)
    numbers |= read_numbers(args, UNITS | COOL_DOWN, errors)
    if numbers.get("cool-down", 0) > numbers.get("steps", math.inf):
        errors.append(f"--cool-down {args.cool_down}: must be at most --steps {args.steps}")
    jobs = read_numbers(args, JOBS, errors)
    start, origins, checkpoint = _check_names(args, errors)
    if errors:
        raise common.UsageError(errors)
    with ExitStack() as resources:
        return _train(args, numbers | jobs, start, origins, checkpoint, resources)


def _train(
    args: argparse.Namespace,
    numbers: dict[str, float],
    start: "Dictionary | None",
    origins: "dict[Path, Origin] | None",
    checkpoint: Path,
    resources: ExitStack,
) -> int:
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.comparison import compare_denoisers
    from nmf_audio.training.denoiser import train_denoiser
    from nmf_audio.training.memory_use import MOST_IN_MEMORY
    from nmf_audio.training.sounds import read_recordings

    started = time.monotonic()
    sr = FrontEndSpec().sr if start is None else start.spec.sr
    with train_common.reporting_warnings(args) as caught:
        speech, noise = (train_common.open_corpus(paths, sr) for paths in (args.speech, args.noise))
        if args.dry_run:
            return _print_plan(args, speech, noise)
        common.print_message(args, "reading the recordings")
        seed = int(numbers.get("seed", 0))
        spool = None
        if speech.seconds + noise.seconds > MOST_IN_MEMORY:
            # nameless where the system has that: it goes with the process, whatever ends it
            spool = tempfile.TemporaryFile(dir=args.output.parent)  # noqa: SIM115
            resources.enter_context(spool)
        recordings = read_recordings(speech, noise, origins=origins, spool=spool, rng=seed)
        with train_common.showing_progress(args, n_components="--atoms") as progress:
            dictionary = train_denoiser(
                recordings,
                _settings(numbers, seed, start),
                minutes=numbers.get("minutes"),
                start=start,
                checkpoint=checkpoint,
                resume=args.resume or False,
                n_jobs=int(numbers.get("jobs", defaults.N_JOBS)),
                progress=progress,
            )
    words = ["denoiser", "--speech", *map(str, args.speech), "--noise", *map(str, args.noise)]
    steps = dictionary.meta["denoiser"]["steps_done"]
    command = train_common.repeat_command(args, words, [*SIZES, *UNITS, *COOL_DOWN], steps)
    held_out = recordings.held_out_speech, recordings.held_out_noise
    compare = partial(compare_denoisers, *held_out, sr=sr, seed=seed)
    train_common.save_trained(
        args,
        dictionary,
        command,
        start=start,
        n_steps=progress.n_steps,
        started=started,
        compare=compare,
    )
    return common.EXIT_ERROR if caught else common.EXIT_DONE


def _print_plan(args: argparse.Namespace, speech: "Corpus", noise: "Corpus") -> int:
    from nmf_audio.training.memory_use import MOST_IN_MEMORY, estimate_denoiser

    seconds = speech.seconds + noise.seconds
    place = "in memory" if seconds <= MOST_IN_MEMORY else f"in a temporary file in {args.output.parent}"
    n_bytes = estimate_denoiser(seconds)
    return train_common.print_plan(
        args, {"speech": speech, "noise": noise}, n_bytes, f"all would be kept {place}"
    )


def _settings(numbers: dict[str, float], seed: int, start: "Dictionary | None") -> Any:
    from nmf_audio.training.denoiser import DenoiserSettings
    from nmf_audio.training.gated_memory import MemorySizes
    from nmf_audio.training.losses import FINISHING

    def chosen(names: dict[str, str]) -> dict[str, Any]:
        return {field: int(numbers[name]) for name, field in names.items() if name in numbers}

    sizes = chosen({"local-units": "n_local", "global-units": "n_global", "second-units": "n_second"})
    settings = DenoiserSettings(
        seed=seed,
        memory=None if sizes.get("n_local") == 0 else MemorySizes(**sizes),
        **chosen(
            {
                "speech-atoms": "n_speech",
                "noise-atoms": "n_noise",
                "layers": "n_layers",
                "steps": "n_steps",
                "cool-down": "cool_down",
            }
        ),
    )
    if start is None:
        return settings
    return replace(settings, highest_rate=defaults.FINE_TUNING_RATE, weights=FINISHING, cool_down_share=1.0)


def _check_names(
    args: argparse.Namespace, errors: list[str]
) -> tuple["Dictionary | None", "dict[Path, Origin] | None", Path]:
    """Return what --from and --manifest name and where the state is kept; add to `errors` what is wrong."""
    from nmf_audio.dictionary.dictionary import DEFAULT_DICTIONARY

    inputs = train_common.check_recordings([*args.speech, *args.noise], errors)
    name = DEFAULT_DICTIONARY if args.start == train_scores.SHIPPED else args.start
    start = train_common.load_option(
        "--from", name, "trained", "only a trained dictionary can be trained further", inputs, errors
    )
    origins = train_common.read_origins(args, errors)
    checkpoint = train_common.find_checkpoint(args, errors)
    train_common.check_trained_output(args, inputs, errors)
    return start, origins, checkpoint
