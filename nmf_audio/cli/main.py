"""The command ``nmf-audio``, which imports the module of one subcommand and runs it."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from nmf_audio.cli import common, guard
from nmf_audio.cli.parser import Parser

COMMANDS = {
    "denoise": "nmf_audio.cli.denoise",
    "separate": "nmf_audio.cli.separate",
    "restore": "nmf_audio.cli.restore",
    "train": "nmf_audio.cli.train",
    "rank": "nmf_audio.cli.rank",
    "dictionaries": "nmf_audio.cli.dictionaries",
    "explain": "nmf_audio.cli.explain",
    "evaluate": "nmf_audio.cli.evaluate",
    "live": "nmf_audio.cli.live",
    "completion": "nmf_audio.cli.completion",
}


class Command(Protocol):
    """What a module of a command offers."""

    def add_parser(self, subparsers: common.Subparsers) -> None:
        """Add the parser of this command."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


def load_command(name: str) -> Command:
    """Import the module of one of `COMMANDS`."""
    return cast(Command, importlib.import_module(COMMANDS[name]))


def build_parser(names: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Build the parser of ``nmf-audio`` with some of `COMMANDS`, of which only these modules are imported."""
    parser = Parser(
        prog="nmf-audio",
        description="Denoise speech, separate mixtures, fill in clipped samples and gaps, and train and inspect "
        "dictionaries.",
    )
    common.add_version(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        load_command(name).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nmf-audio`` with arguments, by default those of the process, and return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser(words[:1] if words[:1] and words[0] in COMMANDS else tuple(COMMANDS))
    return guard.run_guarded(
        lambda: parser.parse_args(words),
        lambda args: load_command(args.command).run(args),
        last=argv is None,
    )


if __name__ == "__main__":
    sys.exit(main())
