"""What the commands share: verbosity, messages, faults, exit codes, the progress bar."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from nmf_audio.errors import NmfAudioError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subparsers = Any

EXIT_DONE = 0
EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class UsageFaults(Exception):
    """What names and options show to be wrong, all of it, before anything is written.

    Parameters
    ----------
    faults : sequence of str
        One sentence each.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class _VersionAction(argparse.Action):
    """``--version`` that looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from nmf_audio import __version__

        print(f"{parser.prog} {__version__}")
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add ``--version``."""
    parser.add_argument(
        "--version", action=_VersionAction, nargs=0, help="show the version of the program and leave"
    )


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add ``-q``, ``-v`` and ``--debug``; `args.verbosity` is 0 quiet, 1 normal, 2 verbose."""
    group = parser.add_argument_group("messages")
    level = group.add_mutually_exclusive_group()
    level.add_argument(
        "-q", "--quiet", dest="verbosity", action="store_const", const=0, help="say nothing but faults"
    )
    level.add_argument("-v", "--verbose", dest="verbosity", action="store_const", const=2, help="say more")
    group.add_argument("--debug", action="store_true", help="show the traceback of a fault")
    parser.set_defaults(verbosity=1)


def write_line(text: str, stream: IO[str]) -> None:
    """Write a line; what the terminal can't show (a name from another encoding) is escaped.

    Parameters
    ----------
    text : str
        The line, without its end.
    stream : text file
        Where to.
    """
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def say(args: argparse.Namespace, text: str, *, level: int = 1) -> None:
    """Write a line to standard output, if the person wants to hear it.

    Parameters
    ----------
    args : argparse.Namespace
        Has `verbosity`, see `add_verbosity`.
    text : str
        The line.
    level : int
        The lowest verbosity that shows it: 1 always but with ``-q``, 2 only with ``-v``.
    """
    if args.verbosity >= level:
        write_line(text, sys.stdout)


def describe(error: BaseException) -> str:
    """Put an exception into one sentence.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str
        Its own message for the exceptions of this package; the file and the system's words for other errors
        of the operating system; for anything else a sentence that owns up to a fault of the program.
    """
    if isinstance(error, NmfAudioError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = f"fault of the program ({type(error).__name__}: {error}); --debug shows where"
    return " ".join(text.split())


def report_fault(args: argparse.Namespace, prog: str, fault: str | BaseException) -> None:
    """Write one sentence about a fault to standard error, and the traceback with ``--debug``.

    Parameters
    ----------
    args : argparse.Namespace
        Has `debug`, see `add_verbosity`.
    prog : str
        The name of the command.
    fault : str or BaseException
        The sentence, or what was raised.
    """
    if isinstance(fault, BaseException):
        if args.debug:
            write_line("".join(traceback.format_exception(fault)).rstrip(), sys.stderr)
        fault = describe(fault)
    write_line(f"{prog}: {fault}", sys.stderr)


def guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace, *, prog: str) -> int:
    """Run a command and turn what it raises into sentences and an exit code.

    Parameters
    ----------
    run : callable
        Takes `args`, returns the exit code.
    args : argparse.Namespace
        The parsed arguments, with `debug` and `verbosity`.
    prog : str
        The name of the command, put before each sentence.

    Returns
    -------
    int
        What `run` returned, or 1 (error), 2 (`UsageFaults`) or 130 (Ctrl-C).
    """
    try:
        return run(args)
    except UsageFaults as faults:
        for fault in faults.faults:
            report_fault(args, prog, fault)
        return EXIT_USAGE
    except KeyboardInterrupt:
        report_fault(args, prog, "interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:
        report_fault(args, prog, error)
        return EXIT_FAULT


@contextmanager
def progress_bar(
    args: argparse.Namespace, label: str, *, unit: str = "it"
) -> Iterator[Callable[[float, float], None] | None]:
    """Show a progress bar on standard error, if that is a terminal and ``-q`` was not given.

    Parameters
    ----------
    args : argparse.Namespace
        Has `verbosity`, see `add_verbosity`.
    label : str
        What is being done.
    unit : str
        What is counted.

    Yields
    ------
    callable or None
        Call it with (done, total) as often as you like; None where no bar is shown. The bar vanishes at the
        end, so that the next line written stands in its place.
    """
    if args.verbosity == 0 or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=label, unit=unit, unit_scale=True, leave=False, file=sys.stderr) as bar:

        def update(done: float, total: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update
