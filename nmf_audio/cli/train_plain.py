"""The commands ``nmf-audio train speech``, ``noise`` and ``source``: a plain dictionary."""

import argparse
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, train_common, train_scores
from nmf_audio.cli.progress import progress_bar
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError
from nmf_audio.io.remote import locate
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nmf_audio.dictionary import Dictionary
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.card import Origin
    from nmf_audio.training.corpus import Corpus

EPILOG = """examples:
  nmf-audio train speech voices -o voices.npz
  nmf-audio train noise office street -o mine.npz --with voices.npz
  nmf-audio train noise fan.wav -o mine.npz --with plain --replace
  nmf-audio train source piano my_piano/ -o piano.npz     for `nmf-audio separate`

A recording belongs to the group of its folder's name: a speaker, a kind of noise. A list is a CSV, JSON lines or
Parquet file with the columns path and, if wanted, start, end (in s), group and weight. Recordings that can't be read
are named and left out. URLs need nmf-audio[remote]; what they name is fetched once for its length, and once a pass.

Of a minute of sound or more, 7 % are held out: mixtures of that are scored at the end, as they are, with the shipped
dictionary, and with the new one.

Up to 20 minutes are held in memory, and learned from at once. More is read in a stream, several times, in memory
that does not grow; then FILE.checkpoint keeps the state.

exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are wrong, nothing is
written; 130 interrupted: the state of a stream is in FILE.checkpoint, and --resume goes on from it"""

KINDS = {
    "speech": "recordings of speech without noise; one group of atoms",
    "noise": "recordings of noise without speech; a group of atoms for each folder name",
    "source": "recordings of any one source alone: a voice, a piano, drums; one group of atoms",
}

AUTO_COST, AUTO_COST_OF_GROUP = "about 6 s", "1 to 2 s for each folder"

RANGES: dict[str, Range] = {
    "components": (int, 1, 65536),
    "beta": (float, 0, 3),
    "sparsity": (float, 0, math.inf),
    "iterations": (int, 1, math.inf),
    "frames": (int, 1, math.inf),
    "minutes": (float, 0.001, math.inf),
    "passes": (int, 0, 1_000_000),
    "jobs": (int, 1, 256),
    "seed": (int, 0, math.inf),
}


def add_arguments(parser: argparse.ArgumentParser, source: str) -> None:
    """Add the arguments of the command on speech, noise or any one source to a parser."""
    files = parser.add_argument_group("files")
    if source == "source":
        files.add_argument("name", metavar="NAME", help="name of the source: piano")
    files.add_argument(
        "recordings",
        metavar="RECORDINGS",
        nargs="+",
        type=locate,
        help="files, folders, searched recursively, lists of files, and URLs; any format and rate",
    )
    train_common.add_corpus_arguments(files)
    train_common.add_output_arguments(files)
    partner = "speech" if source == "noise" else "noise"
    files.add_argument(
        "--mix-with",
        metavar="PATH",
        nargs="+",
        type=locate,
        help=f"{partner} that held-out recordings are mixed with for the scores at the end (default: sounds that are "
        "made by formula)",
    )
    files.add_argument(
        "--with",
        dest="other",
        metavar="NAME|FILE",
        help="a plain dictionary whose groups are added (default: none)",
    )
    files.add_argument("--replace", action="store_true", help="without its atoms of this source")
    group = parser.add_argument_group("learning")
    one_group = source != "noise"
    text = "128" if one_group else "3 for each folder, at least 8"
    group.add_argument("--components", metavar="N", help=f"number of atoms (default: {text})")
    highest = defaults.AUTO_HIGHEST if one_group else defaults.AUTO_HIGHEST_OF_GROUP
    group.add_argument(
        "--rank",
        choices=("auto",),
        help=f"auto: choose the number of atoms{'' if one_group else ' of each folder'}, from 1 to {highest}, by how "
        f"well they predict entries of the spectrogram that are held out (see `nmf-audio rank`); that takes "
        f"{AUTO_COST if one_group else AUTO_COST_OF_GROUP} (default: --components)",
    )
    for option, name, value, text in (
        ("--beta", "BETA", defaults.BETA, "divergence: 1 Kullback-Leibler, 0 Itakura-Saito"),
        (
            "--sparsity",
            "L1",
            defaults.l1_h(one_group=one_group),
            "penalty on the activations: fewer and fuller atoms",
        ),
        ("--iterations", "N", defaults.MAX_ITER, "iterations"),
        (
            "--frames",
            "N",
            defaults.N_FRAMES,
            "largest number of frames to hold in memory, drawn evenly over folders",
        ),
        ("--seed", "N", 0, "the same seed, recordings, machine and versions give the same bits"),
    ):
        group.add_argument(option, metavar=name, default=f"{value:g}", help=f"{text} (default: %(default)s)")
    minutes = f"{defaults.STREAM_SECONDS / 60:g}"
    group.add_argument(
        "--minutes",
        metavar="MIN",
        help="learn from so many minutes, drawn evenly over folders, that are held in memory (default: all if they "
        f"are at most {minutes})",
    )
    stream = parser.add_argument_group("learning in a stream, from recordings of any length")
    stream.add_argument(
        "--passes",
        metavar="N",
        help=f"read all recordings so many times (default: {defaults.PASSES} if they are longer than {minutes} min, "
        "and --minutes are not given)",
    )
    stream.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        default="1",
        help="processes; the result is the same with any number (default: 1)",
    )
    stream.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="workers of a dask scheduler, such as tcp://host:8786, that reach the recordings by the same paths "
        "(default: none)",
    )
    train_common.add_resume(stream, "--passes")
    train_common.add_card_arguments(parser)
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Learn the dictionary that the arguments ask for; return the exit code, 1 if a recording was left out."""
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.comparison import hold_out
    from nmf_audio.training.merge import merge

    errors: list[str] = []
    numbers = read_numbers(args, RANGES, errors)
    if numbers.get("passes") and args.minutes is not None:
        errors.append(common.describe_conflict("--passes", "--minutes"))
    if args.cluster is not None and numbers.get("jobs", 1) > 1:
        errors.append(common.describe_conflict("--jobs", "--cluster"))
    if args.rank is not None and args.components is not None:
        errors.append(common.describe_conflict("--rank", "--components"))
    source = _source_name(args, errors)
    other, origins, checkpoint = _check_names(args, errors)
    if errors:
        raise common.UsageError(errors)
    started = time.monotonic()
    spec = FrontEndSpec() if other is None else other.spec
    with train_common.reporting_warnings(args) as caught:
        corpus = train_common.open_corpus(args.recordings, spec.sr)
        passes = _choose_passes(numbers, corpus)
        if args.dry_run:
            return _print_plan(args, source, corpus, numbers, passes)
        partners = None if args.mix_with is None else train_common.open_corpus(args.mix_with, spec.sr)
        learned, held_out = hold_out(corpus, int(numbers["seed"]))
        common_options: dict[str, Any] = {
            "source": source,
            "one_group": None if args.source == "noise" else source,
            "n_components": None if args.components is None else int(numbers["components"]),
            "beta": numbers["beta"],
            "l1_H": numbers["sparsity"],
            "spec": spec,
            "spectrum": other.spectrum if other is not None and args.source == "noise" else None,
            "origins": origins,
        }
        if args.rank is not None:
            common_options["n_components"] = _choose_atoms(args, learned, numbers, spec)
        if passes:
            dictionary = _train_passes(args, learned, passes, numbers, checkpoint, common_options)
        else:
            dictionary = _train_sample(args, learned, numbers, common_options)
        commands = [_command(args)]
        if other is not None:
            dictionary = merge(dictionary, other, replace=args.replace)
            commands = [*other.meta.get("commands", ()), *commands]
        compared = train_scores.compare_atoms(
            args, dictionary, other, source, held_out, partners, int(numbers["seed"])
        )
    more = {"compared": train_scores.mean_cells(compared)} if compared else {}
    dictionary, card = train_common.save(args, dictionary, commands, **more)
    atoms = " + ".join(f"{dictionary.n_components(s)} {s}" for s in dictionary.sources)
    minutes = sum(row["seconds"] for row in dictionary.meta["trained_on"] if row["source"] == source) / 60
    taken = time.monotonic() - started
    common.print_message(
        args, f"{args.output}: {atoms} atoms, {minutes:.1f} min of sound, {taken:.1f} s; card {card}"
    )
    if len(dictionary.sources) == 1 and args.source != "source":
        missing = "noise" if args.source == "speech" else "speech"
        common.print_message(
            args, f"to denoise with it, add {missing}: nmf-audio train {missing} ... --with {args.output}"
        )
    if compared:
        train_scores.print_atoms(args, compared, source)
    return common.EXIT_ERROR if caught else common.EXIT_DONE


def _choose_passes(numbers: dict[str, float], corpus: "Corpus") -> int:
    """Return how often all recordings are read; 0 for a sample that is held in memory."""
    is_long = "minutes" not in numbers and corpus.seconds > defaults.STREAM_SECONDS
    return int(numbers.get("passes", defaults.PASSES if is_long else 0))


def _print_plan(
    args: argparse.Namespace, source: str, corpus: "Corpus", numbers: dict[str, float], passes: int
) -> int:
    from nmf_audio.training.memory_use import estimate_passes, estimate_sample

    if passes:
        what, n_bytes = (
            f"all would be read {passes} times in a stream",
            estimate_passes(corpus, int(numbers["jobs"])),
        )
    else:
        seconds = min(corpus.seconds, 60 * numbers.get("minutes", defaults.MAX_SECONDS / 60))
        what, n_bytes = f"{seconds / 60:.1f} min would be held in memory", estimate_sample(seconds)
    return train_common.print_plan(args, {source: corpus}, n_bytes, what)


def _choose_atoms(
    args: argparse.Namespace, corpus: "Corpus", numbers: dict[str, float], spec: "FrontEndSpec"
) -> int:
    """Return the number of atoms that --rank chooses."""
    from nmf_audio.training.rank_search import choose_n_components

    with progress_bar(args, "choosing the number of atoms", unit="%", lines=True) as progress:
        n = choose_n_components(
            corpus,
            one_group=args.source != "noise",
            beta=numbers["beta"],
            l1_H=numbers["sparsity"],
            spec=spec,
            rng=int(numbers["seed"]),
            callback=lambda share: progress(100 * share, 100.0),
        )
    common.print_message(
        args, f"--rank auto: {n} {'atom' if n == 1 else 'atoms'}, by entries that are held out"
    )
    return n


def _train_sample(
    args: argparse.Namespace, corpus: "Corpus", numbers: dict[str, float], options: dict[str, Any]
) -> "Dictionary":
    from nmf_audio.training.plain import train_plain

    with progress_bar(args, f"learning {options['source']}", unit="%", lines=True) as progress:
        try:
            return train_plain(
                corpus,
                max_iter=int(numbers["iterations"]),
                n_frames=int(numbers["frames"]),
                max_seconds=60 * numbers.get("minutes", defaults.MAX_SECONDS / 60),
                rng=int(numbers["seed"]),
                progress=progress,
                **options,
            )
        except ParameterError as error:
            raise common.UsageError([common.describe(error)]) from error


def _train_passes(
    args: argparse.Namespace,
    corpus: "Corpus",
    passes: int,
    numbers: dict[str, float],
    checkpoint: Path,
    options: dict[str, Any],
) -> "Dictionary":
    from nmf_audio.training.streaming import train_passes

    text = f"{corpus.seconds / 3600:.2f} h of {options['source']} are read {passes} times in a stream"
    common.print_message(args, text)
    with _workers(args, int(numbers["jobs"])) as executor, train_common.showing_progress(args) as progress:
        return train_passes(
            corpus,
            passes=passes,
            executor=executor,
            checkpoint=checkpoint,
            resume=args.resume or False,
            seed=int(numbers["seed"]),
            progress=progress,
            **options,
        )


@contextmanager
def _workers(args: argparse.Namespace, jobs: int) -> "Iterator[Executor | None]":
    """Give the executor that --jobs or --cluster name, if they do."""
    if args.cluster is not None:
        from nmf_audio.jobs.cluster import connecting

        try:
            with connecting(args.cluster) as executor:
                yield executor
        except ParameterError as error:
            raise common.UsageError([common.describe(error)]) from error
    elif jobs > 1:
        from nmf_audio.jobs.process_executor import ProcessExecutor

        with ProcessExecutor(jobs) as processes:
            yield processes
    else:
        yield None


def _source_name(args: argparse.Namespace, errors: list[str]) -> str:
    """Return what the source is called; add to `errors` if it may not be called so."""
    from nmf_audio.separation.sources import check_source_name

    if args.source != "source":
        return str(args.source)
    try:
        return check_source_name(args.name)
    except ParameterError as error:
        errors.append(common.describe_argument(error, source="NAME"))
        return ""


def _check_names(
    args: argparse.Namespace, errors: list[str]
) -> tuple["Dictionary | None", "dict[Path, Origin] | None", Path]:
    """Return what --with and --manifest name and where the state is kept; add to `errors` what is wrong."""
    inputs = train_common.check_recordings([*args.recordings, *(args.mix_with or ())], errors)
    other = train_common.load_option(
        "--with", args.other, "plain", "only plain dictionaries can be put together", inputs, errors
    )
    if args.replace and args.other is None:
        errors.append("--replace: there is nothing to replace; name a dictionary by --with")
    origins = train_common.read_origins(args, errors)
    checkpoint = train_common.find_checkpoint(args, errors)
    train_common.check_trained_output(args, inputs, errors)
    return other, origins, checkpoint


def _command(args: argparse.Namespace) -> str:
    """Return the command again, without what doesn't change the dictionary."""
    words = ["nmf-audio", "train", args.source, *([args.name] if args.source == "source" else [])]
    words += [*map(str, args.recordings), "-o", str(args.output)]
    for name in ("components", "rank"):
        words += [] if getattr(args, name) is None else [f"--{name}", getattr(args, name)]
    standard = {
        "beta": defaults.BETA,
        "sparsity": defaults.l1_h(one_group=args.source != "noise"),
        "iterations": defaults.MAX_ITER,
    }
    standard |= {"frames": defaults.N_FRAMES, "seed": 0}
    for name, value in standard.items():
        if float(getattr(args, name)) != value:
            words += [f"--{name}", getattr(args, name)]
    for name, option in (("other", "with"), *((n, n) for n in ("minutes", "passes", "licence", "manifest"))):
        given = getattr(args, name)
        words += [f"--{option}", str(given)] if given is not None else []
    return shlex.join([*words, *(["--replace"] if args.replace else [])])
