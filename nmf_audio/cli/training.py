"""What ``nmf-audio train denoiser`` and ``train separator`` share: length, start, checkpoint, last words."""

import argparse
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio.cli import common, learning
from nmf_audio.cli.ranges import Range, read_numbers

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.loop import Progress

EXIT_CODES = """exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are \
at fault, nothing
is written; 130 interrupted: the checkpoint stays, and --resume goes on from it"""

LENGTH: dict[str, Range] = {"minutes": (float, 0.01, 100_000), "steps": (int, 1, 10_000_000)}
SEED: dict[str, Range] = {"seed": (int, 0, 2**63 - 1)}


def add_arguments(
    parser: argparse.ArgumentParser,
    sizes: Mapping[str, str],
    *,
    n_steps: int,
    start: str,
    jobs: str | None = None,
) -> None:
    """Add all arguments after those that name files.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    sizes : mapping of str to str
        Options that are sizes of the dictionary, and what they mean.
    n_steps : int
        Steps if nothing is said.
    start : str
        From what ``--from`` goes on.
    jobs : str, optional
        What ``--jobs`` means, if there is such an option.
    """
    group = parser.add_argument_group("learning")
    group.add_argument(
        "--from",
        dest="start",
        metavar="NAME|FILE",
        help=f"go on from {start} (default: begin anew)",
    )
    group.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="CHECKPOINT",
        help="go on from FILE.checkpoint if it is there, or from another checkpoint, which stays as it is "
        "(default: begin anew)",
    )
    meanings = {
        "minutes": "how long to train; fewer minutes give fewer steps (default: as long as --steps take)",
        "steps": f"how long to train, in steps of the optimiser (default: {n_steps})",
        **sizes,
        "seed": "the same seed, recordings, steps, machine and versions give the same bits (default: 0)",
    }
    for name, text in meanings.items():
        group.add_argument(f"--{name}", metavar="MIN" if name == "minutes" else "N", help=text)
    if jobs is not None:
        group.add_argument("-j", "--jobs", metavar="N", help=jobs)
    learning.add_card_arguments(parser)
    common.add_verbosity(parser)


def read_sizes(args: argparse.Namespace, sizes: Mapping[str, Range], errors: list[str]) -> dict[str, float]:
    """Return the numbers that were given; add to `errors` what is wrong with them."""
    numbers = read_numbers(args, LENGTH | dict(sizes) | SEED, errors)
    if args.minutes is not None and args.steps is not None:
        errors.append("--minutes and --steps: give one of them")
    if args.start is not None:
        errors += [f"--{name}: --from has its own sizes" for name in sizes if name in numbers]
    return numbers


def find_checkpoint(args: argparse.Namespace, errors: list[str]) -> Path:
    """Return where a training keeps its state; add to `errors` if one is there that nothing is said about."""
    path = Path(args.output).with_suffix(".checkpoint")
    if isinstance(args.resume, str) and not Path(args.resume).is_file():
        errors.append(f"--resume {args.resume}: is not there; name a checkpoint, or give --resume alone")
    if path.exists() and not (args.resume or args.force):
        errors.append(f"{path}: exists; --resume goes on from it, --force starts anew")
    return path


def make_progress(
    args: argparse.Namespace,
    progress: Callable[[float, float], None] | None,
    score_text: Callable[[dict[str, float]], str],
) -> "Callable[[Progress], None]":
    """Return what tells of a step: the bar moves, and scores on held-out mixtures are lines of their own."""

    def tell(now: "Progress") -> None:
        if progress is not None:
            progress(100.0 * now.step / now.n_steps, 100.0)
        if now.score is not None:
            common.print_message(args, f"step {now.step} of {now.n_steps}: held out: {score_text(now.score)}")

    return tell


def keep(
    args: argparse.Namespace,
    dictionary: "Dictionary",
    command: str,
    *,
    start: "Dictionary | None",
    score_text: Callable[[dict[str, float]], str],
    started: float,
) -> None:
    """Write what was trained and its card, and say so.

    Parameters
    ----------
    args : argparse.Namespace
        What the parser gave.
    dictionary : Dictionary
        What was trained; its `meta` says how under ``denoiser`` or ``separator``.
    command : str
        That made it.
    start : Dictionary or None
        What it went on from; its commands come before.
    score_text : callable
        Says a score.
    started : float
        When, by `time.monotonic`.
    """
    made = dictionary.meta["denoiser" if dictionary.kind == "trained" else dictionary.kind]
    more: dict[str, object] = {}
    if args.minutes is not None:
        steps = made["steps_done"]
        more["notes"] = [
            f"The time allowed {steps} steps; with --steps {steps} in place of --minutes, the same recordings, "
            "machine and versions give the same bits."
        ]
    commands = [*(start.meta.get("commands", ()) if start else ()), command]
    _, card = learning.keep(args, dictionary, commands, **more)
    taken = (time.monotonic() - started) / 60
    score = score_text(made["held_out"])
    common.print_message(args, f"{args.output}: trained in {taken:.1f} min; held out: {score}; card {card}")


def command(args: argparse.Namespace, recordings: Iterable[str], sizes: Iterable[str]) -> str:
    """Return the command again, without what doesn't change the dictionary.

    Parameters
    ----------
    args : argparse.Namespace
        What the parser gave.
    recordings : iterable of str
        The words that name what is trained, and recordings.
    sizes : iterable of str
        Names of the options that are sizes.
    """
    words = ["nmf-audio", "train", *recordings, "-o", str(args.output)]
    words += [] if args.start is None else ["--from", args.start]
    for name in (*LENGTH, *sizes, *SEED, "licence", "manifest"):
        value = getattr(args, name.replace("-", "_"))
        words += [] if value is None else [f"--{name}", str(value)]
    return shlex.join(words)
