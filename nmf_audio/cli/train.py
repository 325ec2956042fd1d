"""The command ``nmf-audio train``: from recordings to a dictionary."""

import argparse
import math
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio.cli import common, train_average, train_common, train_denoiser, train_separator
from nmf_audio.cli.progress import progress_bar
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin

EPILOG = """examples:
  nmf-audio train speech voices -o voices.npz
  nmf-audio train noise office street -o mine.npz --with voices.npz
  nmf-audio train noise fan.wav -o mine.npz --with plain --replace
  nmf-audio train source piano my_piano/ -o piano.npz     for `nmf-audio separate`

A recording belongs to the group of its folder's name: a speaker, a kind of noise. Recordings that can't be read are
named and left out.

exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are wrong, nothing is
written; 130 interrupted, nothing is written"""

KINDS = {
    "speech": "recordings of speech without noise; one group of atoms",
    "noise": "recordings of noise without speech; a group of atoms for each folder name",
    "source": "recordings of any one source alone: a voice, a piano, drums; one group of atoms",
}

RANGES: dict[str, Range] = {
    "components": (int, 1, 65536),
    "beta": (float, 0, 3),
    "sparsity": (float, 0, math.inf),
    "iterations": (int, 1, math.inf),
    "frames": (int, 1, math.inf),
    "minutes": (float, 0.001, math.inf),
    "seed": (int, 0, math.inf),
}


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio train``."""
    parser = subparsers.add_parser(
        "train", help="learn a dictionary from recordings", description="Learn a dictionary from recordings."
    )
    kinds = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for source, text in KINDS.items():
        _add_arguments(
            kinds.add_parser(
                source,
                help=text,
                description=f"Learn the atoms of a dictionary by non-negative matrix factorization from {text}.",
                epilog=EPILOG,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            ),
            source,
        )
    text = "a dictionary that is trained to separate speech from noise: what `denoise` uses by default"
    train_denoiser.add_arguments(
        kinds.add_parser(
            "denoiser",
            help=text,
            description=f"Train {text}.",
            epilog=train_denoiser.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    text = "a dictionary that is trained to separate any number of named sources"
    train_separator.add_arguments(
        kinds.add_parser(
            "separator",
            help=text,
            description=f"Train {text}.",
            epilog=train_separator.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    text = "the mean of trained dictionaries that were finished from one state of a training"
    train_average.add_arguments(
        kinds.add_parser(
            "average",
            help=text,
            description=f"Write {text}.",
            epilog=train_average.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )


def _add_arguments(parser: argparse.ArgumentParser, source: str) -> None:
    files = parser.add_argument_group("files")
    if source == "source":
        files.add_argument("name", metavar="NAME", help="name of the source: piano")
    files.add_argument(
        "recordings",
        metavar="RECORDINGS",
        nargs="+",
        type=Path,
        help="files and folders, searched recursively; any format and rate",
    )
    train_common.add_output_arguments(files)
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
            "largest number of frames to learn from, drawn evenly over folders",
        ),
        (
            "--minutes",
            "MIN",
            defaults.MAX_SECONDS / 60,
            "largest amount of sound to read, in minutes, drawn evenly over folders",
        ),
        ("--seed", "N", 0, "the same seed, recordings, machine and versions give the same bits"),
    ):
        group.add_argument(option, metavar=name, default=f"{value:g}", help=f"{text} (default: %(default)s)")
    train_common.add_card_arguments(parser)
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Learn the dictionary that the arguments ask for; return the exit code, 1 if a recording was left out."""
    common.use_one_thread()
    if args.source == "denoiser":
        return train_denoiser.run(args)
    if args.source == "separator":
        return train_separator.run(args)
    if args.source == "average":
        return train_average.run(args)
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.corpus import find_recordings
    from nmf_audio.training.merge import merge
    from nmf_audio.training.plain import train_plain

    errors: list[str] = []
    numbers = read_numbers(args, RANGES, errors)
    source = _source_name(args, errors)
    other, origins = _check_names(args, errors)
    if errors:
        raise common.UsageError(errors)
    started = time.monotonic()
    spec = FrontEndSpec() if other is None else other.spec
    with train_common.reporting_warnings(args) as caught:
        corpus = find_recordings(args.recordings, sr=spec.sr)
        with progress_bar(args, f"learning {source}", unit="%", lines=True) as progress:
            try:
                dictionary = train_plain(
                    corpus,
                    source=source,
                    one_group=None if args.source == "noise" else source,
                    n_components=None if args.components is None else int(numbers["components"]),
                    beta=numbers["beta"],
                    l1_H=numbers["sparsity"],
                    max_iter=int(numbers["iterations"]),
                    n_frames=int(numbers["frames"]),
                    max_seconds=60 * numbers["minutes"],
                    spec=spec,
                    spectrum=other.spectrum if other is not None and args.source == "noise" else None,
                    origins=origins,
                    rng=int(numbers["seed"]),
                    progress=progress,
                )
            except ParameterError as error:
                raise common.UsageError([common.describe(error)]) from error
    commands = [_command(args)]
    if other is not None:
        dictionary = merge(dictionary, other, replace=args.replace)
        commands = [*other.meta.get("commands", ()), *commands]
    dictionary, card = train_common.save(args, dictionary, commands)
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
    return common.EXIT_ERROR if caught else common.EXIT_DONE


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
) -> tuple["Dictionary | None", "dict[Path, Origin] | None"]:
    """Return what --with and --manifest name; add to `errors` what is wrong with any name."""
    inputs = train_common.check_recordings(args.recordings, errors)
    other = train_common.load_option(
        "--with", args.other, "plain", "only plain dictionaries can be put together", inputs, errors
    )
    if args.replace and args.other is None:
        errors.append("--replace: there is nothing to replace; name a dictionary by --with")
    origins = train_common.read_origins(args, errors)
    train_common.check_output(args, inputs, errors)
    return other, origins


def _command(args: argparse.Namespace) -> str:
    """Return the command again, without what doesn't change the dictionary."""
    words = ["nmf-audio", "train", args.source, *([args.name] if args.source == "source" else [])]
    words += [*map(str, args.recordings), "-o", str(args.output)]
    words += [] if args.components is None else ["--components", args.components]
    standard = {
        "beta": defaults.BETA,
        "sparsity": defaults.l1_h(one_group=args.source != "noise"),
        "iterations": defaults.MAX_ITER,
    }
    standard |= {"frames": defaults.N_FRAMES, "minutes": defaults.MAX_SECONDS / 60, "seed": 0}
    for name, value in standard.items():
        if float(getattr(args, name)) != value:
            words += [f"--{name}", getattr(args, name)]
    for option, given in (("--with", args.other), ("--licence", args.licence), ("--manifest", args.manifest)):
        words += [option, str(given)] if given is not None else []
    return shlex.join([*words, *(["--replace"] if args.replace else [])])
