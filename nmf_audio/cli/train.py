"""The command ``nmf-audio train``: from recordings to a dictionary."""

import argparse

from nmf_audio.cli import common, train_average, train_denoiser, train_plain, train_separator


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio train``."""
    parser = subparsers.add_parser(
        "train", help="learn a dictionary from recordings", description="Learn a dictionary from recordings."
    )
    kinds = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for source, text in train_plain.KINDS.items():
        train_plain.add_arguments(
            kinds.add_parser(
                source,
                help=text,
                description=f"Learn the atoms of a dictionary by non-negative matrix factorization from {text}.",
                epilog=train_plain.EPILOG,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            ),
            source,
        )
    for name, command, verb, text in (
        (
            "denoiser",
            train_denoiser,
            "Train",
            "a dictionary that is trained to separate speech from noise: what `denoise` uses by default",
        ),
        (
            "separator",
            train_separator,
            "Train",
            "a dictionary that is trained to separate any number of named sources",
        ),
        (
            "average",
            train_average,
            "Write",
            "the mean of trained dictionaries that were finished from one state of a training",
        ),
    ):
        command.add_arguments(
            kinds.add_parser(
                name,
                help=text,
                description=f"{verb} {text}.",
                epilog=command.EPILOG,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )


def run(args: argparse.Namespace) -> int:
    """Make the dictionary that the arguments ask for; return the exit code, 1 if a recording was left out."""
    common.use_one_thread()
    if args.source == "denoiser":
        return train_denoiser.run(args)
    if args.source == "separator":
        return train_separator.run(args)
    if args.source == "average":
        return train_average.run(args)
    return train_plain.run(args)
