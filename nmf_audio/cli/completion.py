"""Completion in the shell: ``nmf-audio completion SHELL`` and ``denoise --print-completion SHELL``."""

import argparse
import sys
from collections.abc import Iterator

from nmf_audio import defaults
from nmf_audio.cli import common

SHELLS = ("bash", "zsh", "tcsh", "fish", "powershell")

EPILOG = """examples:
  nmf-audio completion bash > ~/.local/share/bash-completion/completions/nmf-audio
  denoise --print-completion bash > ~/.local/share/bash-completion/completions/denoise
  nmf-audio completion zsh > ~/.zfunc/_nmf-audio        with fpath+=~/.zfunc before compinit in ~/.zshrc
  nmf-audio completion tcsh > ~/.nmf-audio.tcsh         with source ~/.nmf-audio.tcsh in ~/.tcshrc

It takes effect in shells that are opened afterwards."""

FILES = ("FILE", "PATH", "RECORDINGS", "PICTURE")
FOLDERS = ("FOLDER",)


class PrintCompletion(argparse.Action):
    """``--print-completion SHELL``: for a command that has no subcommands."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, values: object, *__: object) -> None:
        """Print the script and end the program."""
        common.print_line(script(parser, str(values)))
        parser.exit()


def add_print_completion(parser: argparse.ArgumentParser) -> None:
    """Add ``--print-completion``."""
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        help="print a script that completes this command in a shell, and exit",
    )


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio completion``."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description="Print a script that completes commands, options and names of files in a shell.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="for which shell")
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Print the script for ``nmf-audio``, and return the exit code."""
    from nmf_audio.cli.main import build_parser

    common.write_line(script(build_parser(), args.shell), sys.stdout)
    return common.EXIT_DONE


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script that completes a command in one of `SHELLS`; its parser can't be used to parse afterwards."""
    import shtab

    from nmf_audio.io.formats import FORMATS

    words = {
        "--method": defaults.METHOD_NAMES,
        "--channels": defaults.CHANNEL_MODES,
        "--format": tuple(entry.name for entry in FORMATS.values()),
        "--latency": ("low", "high"),
    }
    for action in _actions(parser):
        metavar = str(action.metavar or "")
        for option in action.option_strings:
            action.choices = words.get(option, action.choices)
        if any(name in metavar for name in FILES):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield all arguments of a parser and of its subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)
        else:
            yield action
