"""Options, checks and results that the commands ``nmf-audio train`` share."""

import argparse
import shlex
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio.cli import common, train_scores
from nmf_audio.cli.progress import Update, progress_bar
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import AudioFileError, DictionaryError, ParameterError
from nmf_audio.io.remote import Url

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin
    from nmf_audio.training.comparison import Rows
    from nmf_audio.training.corpus import Corpus
    from nmf_audio.training.loop import Progress

EXIT_CODES = """exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are \
wrong, nothing
is written; 130 interrupted: the state is in FILE.checkpoint, and --resume continues from it"""

LENGTH: dict[str, Range] = {"minutes": (float, 0.01, 100_000), "steps": (int, 1, 10_000_000)}
SEED: dict[str, Range] = {"seed": (int, 0, 2**63 - 1)}


def add_output_arguments(group: "argparse._ArgumentGroup", also: str = "") -> None:
    """Add ``--output`` and ``--force``; `also` names what else is written."""
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE.npz",
        type=Path,
        required=True,
        help=f"the dictionary; FILE.md is its card{also}",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace files that exist")


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--licence`` and ``--manifest``."""
    card = parser.add_argument_group("card")
    card.add_argument("--licence", metavar="TEXT", help="licence of the dictionary (default: not stated)")
    card.add_argument(
        "--manifest",
        metavar="FILE.csv",
        type=Path,
        help="table that names where recordings are from: columns path (from its own folder), source, license "
        "(default: none, the card names their files)",
    )


def add_corpus_arguments(group: "argparse._ArgumentGroup") -> None:
    """Add ``--strict`` and ``--dry-run``."""
    group.add_argument(
        "--strict", action="store_true", help="stop if a recording can't be read, rather than leave it out"
    )
    group.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="print what would be read, and the memory that it takes; train nothing, write nothing",
    )


def open_corpus(paths: "Sequence[Path]", sr: int) -> "Corpus":
    """Return the recordings of files, folders and lists; `UsageError` if a list has a value that is not allowed."""
    from nmf_audio.training.corpus import find_recordings

    try:
        return find_recordings(paths, sr=sr)
    except ParameterError as error:
        raise common.UsageError([common.describe(error)]) from error


def print_plan(args: argparse.Namespace, corpora: "Mapping[str, Corpus]", n_bytes: float, what: str) -> int:
    """Print what would be read of each source, and what would be done; return the exit code of a dry run."""
    for source, corpus in corpora.items():
        files = len({recording.path for recording in corpus.recordings})
        words = [f"{files} recordings", f"{corpus.seconds / 3600:.2f} h", f"{len(corpus.groups)} groups"]
        words += [f"{len(corpus.left_out)} can't be read"] if corpus.left_out else []
        common.print_message(args, f"{source}: {', '.join(words)}")
    common.print_message(args, f"{what}; it takes about {n_bytes / 1e9:.1f} GB of memory")
    return common.EXIT_ERROR if any(corpus.left_out for corpus in corpora.values()) else common.EXIT_DONE


def check_recordings(recordings: Iterable[Path], errors: list[str]) -> list[Path]:
    """Return which of the recordings are files; add to `errors` paths that do not exist."""
    paths = [path for path in recordings if not isinstance(path, Url)]
    errors += [f"{path}: does not exist" for path in paths if not path.exists()]
    return [path for path in paths if path.is_file()]


def load_option(
    option: str, name: str | None, kind: str, why: str, inputs: list[Path], errors: list[str]
) -> "Dictionary | None":
    """Return the dictionary that an option names, and note its file in `inputs`.

    It must be of a `kind`; if not, `why` ends the sentence that is added to `errors`.
    """
    from nmf_audio.dictionary import load_dictionary

    if name is None:
        return None
    try:
        dictionary = load_dictionary(name)
    except DictionaryError as error:
        errors.append(f"{option}: {error}")
        return None
    if Path(name).is_file():
        inputs.append(Path(name))
    if dictionary.kind != kind:
        errors.append(f"{option} {name}: is {dictionary.kind}; {why}")
    return dictionary


def read_origins(args: argparse.Namespace, errors: list[str]) -> "dict[Path, Origin] | None":
    """Return what ``--manifest`` says; add to `errors` what is wrong with it."""
    from nmf_audio.training.card import read_manifest

    if args.manifest is None:
        return None
    with common.collecting(errors):
        return read_manifest(args.manifest)
    return None


def check_output(
    args: argparse.Namespace, inputs: Iterable[Path], errors: list[str], *, force: bool | None = None
) -> None:
    """Add to `errors` what keeps the dictionary or its card from being written; `force` is that of `args` if None."""
    from nmf_audio.io.atomic import check_target
    from nmf_audio.training.card import card_path

    if args.output.suffix != ".npz":
        errors.append(f"-o {args.output}: the name of a dictionary must end in .npz")
    for target in (args.output, card_path(args.output)):
        with common.collecting(errors):
            check_target(target, sources=inputs, force=args.force if force is None else force)


@contextmanager
def reporting_warnings(args: argparse.Namespace) -> "Iterator[list[warnings.WarningMessage]]":
    """Collect warnings about recordings that are left out, and report them at the end; they end a strict training."""
    from nmf_audio.training.corpus import CorpusWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error" if args.strict else "always", CorpusWarning)
        try:
            yield caught
        except CorpusWarning as error:
            raise AudioFileError(f"{error}; with --strict the command stops there") from None
    for warning in caught:
        common.report_error(args, f"warning: {warning.message}")


def save(
    args: argparse.Namespace, dictionary: "Dictionary", commands: Iterable[str], **more: object
) -> "tuple[Dictionary, Path]":
    """Write a dictionary and its card, and return both: it as it was written, and where the card is.

    `commands` made it, the last one last; `more` goes into its ``meta``.
    """
    from nmf_audio.training.card import NOT_STATED, program_versions, write_card

    meta = {
        **dictionary.meta,
        "licence": args.licence or NOT_STATED,
        "commands": list(commands),
        "versions": program_versions(),
        **more,
    }
    saved = replace(dictionary, name=args.output.stem, meta=meta)
    saved.save(args.output)
    return saved, write_card(saved, args.output)


def add_training_arguments(
    parser: argparse.ArgumentParser,
    sizes: Mapping[str, str],
    *,
    n_steps: int,
    start: str,
    jobs: str | None = None,
) -> None:
    """Add all arguments after those that name files.

    `sizes` are options that are sizes of the dictionary, with what they mean; `start` is what ``--from`` continues,
    and `jobs` what ``--jobs`` means, if there is such an option.
    """
    group = parser.add_argument_group("learning")
    group.add_argument(
        "--from",
        dest="start",
        metavar="NAME|FILE",
        help=f"continue from {start} (default: start from scratch)",
    )
    add_resume(group, "--minutes or --steps")
    meanings = {
        "minutes": "total training time; fewer minutes give fewer steps (default: as long as --steps take)",
        "steps": f"total number of steps of the optimiser (default: {n_steps}, or those that a training "
        "was begun with)",
        **sizes,
        "seed": "the same seed, recordings, steps, machine and versions give the same bits (default: 0)",
    }
    for name, text in meanings.items():
        group.add_argument(f"--{name}", metavar="MIN" if name == "minutes" else "N", help=text)
    if jobs is not None:
        group.add_argument("-j", "--jobs", metavar="N", help=jobs)
    add_card_arguments(parser)
    common.add_verbosity(parser)


def add_resume(group: "argparse._ArgumentGroup", length: str) -> None:
    """Add ``--resume``; more of the options `length` make a training longer."""
    group.add_argument(
        "--resume",
        nargs="?",
        const=True,
        metavar="CHECKPOINT",
        help="continue from FILE.checkpoint if it is there, and replace FILE.npz and FILE.md; or from another "
        f"checkpoint, which stays as it is; more {length} make a training longer, also one that is done "
        "(default: start from scratch)",
    )


def read_sizes(args: argparse.Namespace, sizes: Mapping[str, Range], errors: list[str]) -> dict[str, float]:
    """Return the numbers that were given; add to `errors` what is wrong with them."""
    numbers = read_numbers(args, LENGTH | dict(sizes) | SEED, errors)
    if args.minutes is not None and args.steps is not None:
        errors.append(common.describe_conflict("--minutes", "--steps"))
    if args.start is not None:
        errors += [f"--{name}: --from has its own sizes" for name in sizes if name in numbers]
    return numbers


def find_checkpoint(args: argparse.Namespace, errors: list[str]) -> Path:
    """Return where a training keeps its state; add to `errors` if one is there that no option is about."""
    path = _checkpoint_path(args)
    if isinstance(args.resume, str) and not Path(args.resume).is_file():
        errors.append(f"--resume {args.resume}: does not exist; name a checkpoint, or give --resume alone")
    if path.exists() and not (args.resume or args.force):
        errors.append(
            f"{path}: exists; --resume continues from it and replaces {args.output} and its card, --force starts "
            "anew and replaces all three"
        )
    return path


def check_trained_output(args: argparse.Namespace, inputs: Iterable[Path], errors: list[str]) -> None:
    """Add to `errors` what keeps the dictionary or its card from being written.

    A training may replace what it wrote itself, and a training that is there needs one decision, not three.
    """
    is_there = _checkpoint_path(args).exists()
    check_output(args, inputs, errors, force=args.force or (is_there and not isinstance(args.resume, str)))


def _checkpoint_path(args: argparse.Namespace) -> Path:
    return Path(args.output).with_suffix(".checkpoint")


class TrainingMessages:
    """What a training calls after every step: the bar moves, and scores on held-out mixtures are lines of their own.

    Attributes
    ----------
    n_steps : int
        Steps so far, since the command began.
    """

    def __init__(self, args: argparse.Namespace, bar: Update) -> None:
        self._args, self._bar = args, bar
        self._score = ""
        self.n_steps = 0
        self.interrupt_number = 0

    def __call__(self, now: "Progress") -> None:
        """Show a step; raise KeyboardInterrupt if Ctrl-C was pressed in it."""
        from nmf_audio.training.base import score_text

        self.n_steps += 1
        if now.score is not None:
            self._score = f", SI-SDR {now.score['sdr']:.2f} dB" if "sdr" in now.score else ""
        self._bar(now.step, now.n_steps, f"loss {now.loss:.4f}{self._score}")
        if now.score is not None:
            score = (
                f"held out: {score_text(now.score)}"
                if "sdr" in now.score
                else f"cost {now.score['loss']:.4f} a frame"
            )
            text = f"step {now.step} of {now.n_steps}: {score}"
            common.print_message(self._args, text)
        if self.interrupt_number:
            raise KeyboardInterrupt(self.interrupt_number)

    def interrupt(self, number: int, _: object) -> None:
        """Take Ctrl-C or its like: it counts after a whole step, so that the state can be kept; a second at once."""
        if self.interrupt_number:
            raise KeyboardInterrupt(number)
        self.interrupt_number = number
        common.report_error(
            self._args,
            "interrupted; the state is written after this step; press Ctrl-C again to stop at once",
        )


@contextmanager
def showing_progress(args: argparse.Namespace, **options: str) -> Iterator[TrainingMessages]:
    """Yield what a training calls after every step; print where its state is if it is interrupted.

    `options` are those that set arguments of other names.
    """
    from nmf_audio.io.interrupts import handling_signals

    with progress_bar(args, "training", unit="steps", lines=True) as bar:
        messages = TrainingMessages(args, bar)
        try:
            with handling_signals(messages.interrupt):
                yield messages
        except KeyboardInterrupt:
            state = _checkpoint_path(args)
            if messages.n_steps and state.exists():
                common.report_error(args, f"{state} keeps the training; --resume continues from there")
            raise
        except ParameterError as error:
            raise common.UsageError([common.describe_argument(error, **options)]) from error


def save_trained(
    args: argparse.Namespace,
    dictionary: "Dictionary",
    command: str,
    *,
    start: "Dictionary | None",
    n_steps: int,
    started: float,
    compare: "Callable[[Mapping[str, Dictionary]], Rows]",
) -> None:
    """Write what was trained and its card; print its score beside others, or that nothing was left to train.

    The `meta` of the dictionary tells how it was trained, under ``denoiser`` or ``separator``, by `command`; the
    commands of `start`, which it continues, come before. `n_steps` steps were taken now, `started` by
    `time.monotonic`. `compare` returns scores with each dictionary on held-out mixtures.
    """
    from nmf_audio.dictionary import load_dictionary
    from nmf_audio.training.base import score_text

    training = dictionary.meta["denoiser" if dictionary.kind == "trained" else dictionary.kind]
    more: dict[str, object] = {}
    if args.minutes is not None:
        steps = training["steps_done"]
        more["notes"] = [
            f"The time allowed {steps} steps; with --steps {steps} in place of --minutes, the same recordings, "
            "machine and versions give the same bits."
        ]
    commands = [*(start.meta.get("commands", ()) if start else ()), command]
    others = {} if start is None else {str(args.start): start}
    if dictionary.kind == "trained":
        others = {train_scores.SHIPPED: load_dictionary(None)} | others
    compared = compare({**others, args.output.stem: dictionary})
    more["compared"] = train_scores.mean_cells(compared)
    _, card = save(args, dictionary, commands, **more)
    taken = (time.monotonic() - started) / 60
    score = score_text(training["held_out"])
    made = (
        f"trained in {taken:.1f} min" if n_steps else "written as the checkpoint has it, not trained further"
    )
    common.print_message(args, f"{args.output}: {made}; held out: {score}; card {card}")
    train_scores.print_trained(args, compared)


def repeat_command(
    args: argparse.Namespace, recordings: Iterable[str], sizes: Iterable[str], steps: int
) -> str:
    """Return the command that gives the same dictionary from the start, without what doesn't change it.

    `recordings` are the words that name what is trained and recordings, `sizes` the options that are sizes; `steps`
    were taken in all.
    """
    given = vars(args)
    if args.resume and args.minutes is None:
        given = given | {"steps": steps}
    words = ["nmf-audio", "train", *recordings, "-o", str(args.output)]
    words += [] if args.start is None else ["--from", args.start]
    for name in (*LENGTH, *sizes, *SEED, "licence", "manifest"):
        value = given[name.replace("-", "_")]
        words += [] if value is None else [f"--{name}", str(value)]
    return shlex.join(words)
