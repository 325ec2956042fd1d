"""Argument parser of all commands, whose errors are one sentence each.

What an error alone needs is imported there: ``--help`` loads next to nothing.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from nmf_audio.cli import common

_PLAIN_WORDS = {
    "expected one argument": "needs a value",
    "expected at least one argument": "needs at least one value",
}


class Parser(argparse.ArgumentParser):
    """Parser that does not print its usage with an error, and asks what was meant."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, and keep the words for what an error may have to say about them."""
        self._words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(self._words, namespace)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse arguments; an unknown one ends the program."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown, parsed)
        given = [getattr(parsed, name, None) for name in ("inputs", "files_from", "watch")]
        if hasattr(parsed, "files_from") and not any(given):
            self._end([_reword("the following arguments are required: FILE", parsed.prog)], parsed.prog)
        return parsed

    def print_help(self, file: object = None) -> None:
        """Print the help text; raise OSError if that can't be done."""
        common.print_line(self.format_help().removesuffix("\n"))

    def error(self, message: str) -> NoReturn:
        """Print one sentence and end the program with the exit code of errors in the command line."""
        hint = next(map(_describe_dashed, filter(self._is_dashed_file, self._words)), None)
        self._end([hint or _reword(message, self.prog)])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
        choices = [str(choice) for choice in action.choices]
        text = f"{name} {value}: must be {common.list_choices(choices)}"
        raise argparse.ArgumentError(None, text + _suggest(str(value), choices))

    def _refuse(self, unknown: Iterable[str], parsed: argparse.Namespace) -> NoReturn:
        prog = getattr(parsed, "prog", self.prog)
        parser = next((parser for parser in _walk(self) if parser.prog == prog), self)
        known = [option for option in parser._option_string_actions if option.startswith("--")]
        takes_many = any(
            action.nargs in ("+", "*") and not action.option_strings for action in parser._actions
        )
        options, others = [], []
        for rest in unknown:
            # newer versions of argparse take the known letters of a word off first
            word = next((w for w in self._words if w.startswith("-") and w.endswith(rest[1:])), rest)
            if rest.startswith("-") and self._is_dashed_file(word):
                options.append(_describe_dashed(word))
            elif rest.startswith("-"):
                word = rest
                meant = _suggest(word.split("=")[0], known) or f"; {prog} --help lists them"
                options.append(f"{word}: there is no such option{meant}")
            elif takes_many:
                others.append(f"{rest}: is apart from the other files; put it next to them")
            else:
                others.append(f"{rest}: is one argument too many; {prog} --help shows what there is")
        # the others may be values of the options that are not known
        self._end(options or others, prog)

    def _is_dashed_file(self, word: str) -> bool:
        """Whether a word begins as an option does, and is rather the name of a file."""
        from nmf_audio.io.formats import list_readable_extensions

        if not word.startswith("-") or word == "-":
            return False
        action = self._option_string_actions.get(word[:2])
        if os.path.lexists(word):
            return True
        # `-oclean.wav` is an option with its value
        with_value = "=" in word or (action is not None and action.nargs != 0)
        return not with_value and os.path.splitext(word)[1].lower() in list_readable_extensions()  # noqa: PTH122

    def _end(self, sentences: Iterable[str], prog: str | None = None) -> NoReturn:
        for sentence in sentences:
            common.write_line(common.escape(f"{prog or self.prog}: {sentence}"), sys.stderr)
        sys.exit(common.EXIT_USAGE)


def _walk(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _walk(subparser)


def _describe_dashed(word: str) -> str:
    return f"{word}: begins like an option; give ./{word} for a file of that name"


def _suggest(word: str, known: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _reword(message: str, prog: str) -> str:
    """Return an error of argparse as the other messages are worded."""
    missing = re.fullmatch(r"the following arguments are required: (.*)", message)
    if missing is not None:
        verb = "are" if "," in missing[1] else "is"
        return f"{missing[1]} {verb} missing; {prog} --help shows what is needed"
    about = re.fullmatch(r"argument (?:\S*/)?(\S+): (.*)", message)
    if about is None:
        return message
    return f"{about[1]}: {_PLAIN_WORDS.get(about[2], about[2])}"
