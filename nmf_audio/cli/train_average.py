"""The command ``nmf-audio train average``: the mean of trained dictionaries."""

import argparse
import shlex
from pathlib import Path

from nmf_audio.cli import common, train_common
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError

EPILOG = """examples:
  nmf-audio train denoiser ... -o first.npz --resume long.checkpoint --cool-down 600
  nmf-audio train denoiser ... -o second.npz --resume long.checkpoint --cool-down 1200
  nmf-audio train average first.npz second.npz -o mean.npz
  nmf-audio train average best -o sharper.npz --sharpness 1.2

exit codes: 0 done; 2 names or options are wrong, nothing is written"""

SHARPNESS: dict[str, Range] = {"sharpness": (float, 0.5, 2)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "dictionaries",
        metavar="NAME|FILE",
        nargs="+",
        help="trained dictionaries of the same sizes whose trainings share a beginning",
    )
    train_common.add_output_arguments(files)
    group = parser.add_argument_group("masks")
    group.add_argument(
        "--sharpness",
        metavar="X",
        default="1",
        help="factor on the logarithm of speech to noise in every mask: above 1 what is doubtful is removed or kept "
        "more clearly (default: %(default)s)",
    )
    group.add_argument("--licence", metavar="TEXT", help="licence of the mean (default: not stated)")
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Average the dictionaries that the arguments name; return the exit code. `UsageError` before any is written."""
    from nmf_audio.training.average import average_denoisers

    errors: list[str] = []
    numbers = read_numbers(args, SHARPNESS, errors)
    inputs: list[Path] = []
    why = "only trained ones have a mean"
    loaded = [
        train_common.load_option("dictionary", name, "trained", why, inputs, errors)
        for name in args.dictionaries
    ]
    train_common.check_output(args, inputs, errors)
    if errors:
        raise common.UsageError(errors)
    dictionaries = [one for one in loaded if one is not None]
    try:
        mean = average_denoisers(dictionaries, sharpness=numbers["sharpness"])
    except ParameterError as error:
        raise common.UsageError([common.describe(error)]) from error
    commands = [command for one in dictionaries for command in one.meta.get("commands", ())]
    words = ["nmf-audio", "train", "average", *args.dictionaries, "-o", str(args.output)]
    words += [] if numbers["sharpness"] == 1 else ["--sharpness", args.sharpness]
    words += [] if args.licence is None else ["--licence", args.licence]
    commands = [*dict.fromkeys(commands), shlex.join(words)]
    _, card = train_common.save(args, mean, commands)
    common.print_message(
        args,
        f"{args.output}: the mean of {len(dictionaries)}, sharpness {numbers['sharpness']:g}; card {card}",
    )
    return common.EXIT_DONE
