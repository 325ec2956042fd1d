"""Verbosity, messages and exit codes of all commands, and errors in one sentence."""

import argparse
import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from nmf_audio.errors import AudioFileError, DictionaryError, MissingExtraError, NmfAudioError, ParameterError

if TYPE_CHECKING:
    from pathlib import Path

    Subparsers = argparse._SubParsersAction[Any]
else:
    Subparsers = Any

EXIT_DONE = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_PIPE = 141

STDOUT = "-"

_OPTIONS = {
    "coding": "--raw",
    "example": "--example",
    "l1_H": "--sparsity",
    "latency_ms": "--latency",
    "max_iter": "--iterations",
    "n_channels": "--channels",
    "n_components": "--components",
    "n_frames": "--frames",
    "n_noise": "--noise-atoms",
    "n_speech": "--speech-atoms",
    "n_sources": "--blind",
    "n_steps": "--steps",
    "places": "--by-place",
    "reduction_db": "--reduction",
    "faults": "--only",
    "gain_db": "--gain",
    "sr": "--rate",
}
"""Options that have other names than the arguments that they set."""


class UsageError(Exception):
    """What names and options show to be wrong, a sentence each, before anything is written."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


class _VersionAction(argparse.Action):
    """``--version`` that looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from nmf_audio import __version__

        print_line(f"{parser.prog} {__version__}")
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add ``--version``."""
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and exit")


def add_verbosity(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Add ``-q``, ``-v`` and ``--debug``.

    The arguments then have `verbosity` (0 quiet, 1 normal, 2 verbose), `debug`, and `prog`, the name of the
    command: what the other functions here look at. If a command sets `stdout_is_taken`, lines go to standard error.
    Returns the group of options, for more of the kind.
    """
    group = parser.add_argument_group("messages")
    level = group.add_mutually_exclusive_group()
    level.add_argument(
        "-q", "--quiet", dest="verbosity", action="store_const", const=0, help="print errors only"
    )
    level.add_argument("-v", "--verbose", dest="verbosity", action="store_const", const=2, help="print more")
    group.add_argument("--debug", action="store_true", help="print the traceback of an error")
    parser.set_defaults(verbosity=1, prog=parser.prog)
    return group


def use_one_thread() -> None:
    """Hold BLAS to one thread, which it reads when numpy is loaded.

    The products are small: more threads wait for each other and lose, by far where other programs run beside;
    and one thread gives the same bits on machines of one kind with other numbers of cores.
    """
    if "numpy" not in sys.modules:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


def parse_path(text: str) -> "Path":
    """Return an argument as a path; ``./-`` stays another one than ``-``.

    The module that this takes is not loaded for ``--help``.
    """
    from pathlib import Path

    path = Path(text)
    return path.absolute() if text != "-" and path == Path("-") else path


def parse_location(text: str) -> "Path":
    """Return an argument as a path, or as a URL if it is one."""
    from nmf_audio.io.remote import is_url, locate

    return locate(text) if is_url(text) else parse_path(text)


def parse_whole(text: str) -> int | str:
    """Return an argument as a whole number; other words stay, and are refused by what knows the range."""
    return int(text) if text.removeprefix("-").isdecimal() else text


def parse_number(text: str) -> float | str:
    """Return an argument as a number; other words stay, and are refused by what knows the range."""
    try:
        return float(text)
    except ValueError:
        return text


def count_channels(n: int) -> str:
    """Return how messages call a number of channels."""
    return "1 channel" if n == 1 else f"{n} channels"


def escape(text: str, keep: str = "") -> str:
    """Return a text whose control characters are escaped, but for those to keep.

    Names of files and dictionaries, and tags, come from others: they must not move the cursor, ring the bell, turn
    the direction of writing or look like a second message.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def write_line(text: str, stream: TextIO | None) -> None:
    """Write a line, or several; what the terminal can't show (a name from another encoding) is escaped.

    Raises OSError if that can't be done; the stream then leads to nowhere.
    """
    if stream is None:
        raise OSError(errno.EBADF, "is closed", "standard output")
    encoding = stream.encoding or "utf-8"
    shown = escape(text, keep="\n\t")
    with _writing(stream):
        stream.write(shown.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()


@contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # what waits in its buffer must go somewhere when Python ends
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        raise OSError(error.errno, error.strerror, "standard output") from error


def print_line(text: str) -> None:
    """Write text to standard output, or to nowhere once its reader has left (``| head``)."""
    with contextlib.suppress(BrokenPipeError):
        write_line(text, sys.stdout)


def print_message(args: argparse.Namespace, text: str, *, level: int = 1) -> None:
    """Write a line to standard output, or to standard error if that is taken, if `verbosity` is at least `level`.

    A standard output that takes none is an error that ends nothing: `args.output_failed` keeps it.
    """
    if args.verbosity < level:
        return
    with _beside_bar(args):
        if getattr(args, "stdout_is_taken", False):
            write_error(escape(text))
        elif sys.stdout is not None:
            try:
                print_line(escape(text))
            except OSError as error:
                args.output_failed = True
                report_error(args, error)


def write_error(text: str) -> None:
    """Write a line to standard error; where that can't be done, the exit code is that of an error."""
    with contextlib.suppress(OSError):
        write_line(text, sys.stderr)


def describe(error: BaseException) -> str:
    """Put an exception into one sentence; one that is none of the package's own is an internal error."""
    if isinstance(error, ParameterError):
        text = describe_argument(error)
    elif isinstance(error, AudioFileError) and error.argument:
        text = f"{error.problem}; give {_option(error.argument, {}, error.value)}{error.purpose}"
    elif isinstance(error, NmfAudioError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = f"internal error ({type(error).__name__}: {error}); --debug shows where"
    return " ".join(text.split())


def describe_conflict(*options: str, advice: str = "leave one of them out") -> str:
    """Return the sentence on options each of which is allowed, but not beside the others."""
    return f"{' and '.join(options)} do not go together; {advice}"


def list_choices(choices: Sequence[str]) -> str:
    """Return choices in words, as errors of arguments list them."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def describe_argument(error: ParameterError, **own: str) -> str:
    """Return an error of arguments in terms of the options that set them; `own` are those of one command alone."""
    if error.name is None and isinstance(error.value, dict):
        options = (_option(name, own, value) for name, value in error.value.items())
        return describe_conflict(*options, advice=error.advice)
    if error.name is None:
        return str(error)
    is_option = not error.given or error.name in own or error.name in _OPTIONS
    given = f"{_option(error.name, own, error.value)}:" if is_option else f"{error.given};"
    # words of a command line stand without the quotes of Python
    allowed = re.sub(r"(?<!\w)'([\w.-]+)'(?!\w)", r"\1", error.allowed)
    return f"{given} must be {allowed}" + (f"; {error.advice}" if error.advice else "")


def _option(name: str, own: Mapping[str, str], value: object = None) -> str:
    """Return the option that sets an argument, with its value as one writes it."""
    option = own.get(name) or _OPTIONS.get(name) or f"--{name.replace('_', '-')}"
    if value is None or value is True:
        return option
    parts = value if isinstance(value, tuple) else (value,)
    return f"{option} {'-'.join(f'{part:g}' if isinstance(part, float) else str(part) for part in parts)}"


@contextmanager
def collecting(errors: list[str]) -> Iterator[None]:
    """Add an error that names or options show to `errors`, as a sentence, instead of raising it."""
    try:
        yield
    except (AudioFileError, DictionaryError, MissingExtraError, ParameterError) as error:
        errors.append(describe(error))


def report_error(args: argparse.Namespace, error: str | BaseException, *, about: object = "") -> None:
    """Write one sentence about an error to standard error, and the traceback with ``--debug``.

    `about` is the file that it is about; it is put before a sentence that does not name it.
    """
    if isinstance(error, BaseException):
        if args.debug:
            import traceback

            with _beside_bar(args):
                write_error("".join(traceback.format_exception(error)).rstrip())
        error = describe(error)
    where = "" if str(about) in error else f"{about}: "
    with _beside_bar(args):
        write_error(escape(f"{args.prog}: {where}{error}"))


@contextmanager
def _beside_bar(args: argparse.Namespace) -> Iterator[None]:
    """Take the progress bar away while a line is written, if there is one."""
    if not getattr(args, "bar_is_shown", False):
        yield
        return
    from tqdm import tqdm

    with tqdm.external_write_mode():
        yield
