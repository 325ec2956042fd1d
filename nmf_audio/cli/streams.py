"""``-``: standard input and output in place of files, and all errors in their use."""

import argparse
import io
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nmf_audio.cli import common
from nmf_audio.io.remote import Url

if TYPE_CHECKING:
    from nmf_audio.io.pcm import RawFormat

DASH = Path("-")
"""Standard input among inputs, standard output among outputs. A file of that name is ``./-``."""


def display_name(path: Path, *, output: bool = False) -> str:
    """Return how messages call an input, or an output."""
    if path != DASH:
        return str(path)
    return "standard output" if output else "standard input"


def open_dash(path: Path, *, output: bool = False) -> Path | BinaryIO:
    """Return what `denoise_file` takes: the path, or for `DASH` the open stream, without a buffer in between."""
    if path != DASH:
        return path
    return io.FileIO(1, "wb", closefd=False) if output else io.FileIO(0, "rb", closefd=False)


def check_sources(sources: Sequence[Path], errors: list[str]) -> None:
    """Add to `errors` what keeps a recording from coming in through standard input, if it is among the sources."""
    if DASH not in sources:
        return
    if len(sources) > 1:
        errors.append("-: standard input is given beside other inputs; give it alone")
    _check_descriptor(0, "-: standard input", "pipe a recording into it", errors)


def check(args: argparse.Namespace, sources: Sequence[Path], errors: list[str]) -> None:
    """Add to `errors` what is wrong with the use of standard input and output; `sources` are the inputs."""
    reads = DASH in sources
    writes = [
        name for name, value in (("-o", args.output), ("--keep-noise", args.keep_noise)) if _is_dash(value)
    ]
    check_sources(sources, errors)
    if reads:
        if len(sources) == 1 and args.output is None:
            errors.append("-: standard input has no name to make the output's from; give -o FILE, or -o -")
        if args.keep_noise is not None and "{" in args.keep_noise:
            errors.append(
                f"--keep-noise {args.keep_noise}: standard input has no name to fill in; give a file"
            )
    if len(writes) > 1:
        errors.append("-o - and --keep-noise - both write to standard output; give one of them a file")
    if writes and args.json == "-":
        errors.append(
            f"--json and {writes[0]} - both write to standard output; give --json the name of a file"
        )
    if writes:
        _check_descriptor(
            1, f"{writes[0]} -: standard output", "pipe it into a program, or give a file", errors
        )
        _check_that_output_is_no_input(sources, writes[0], errors)
    if args.raw is not None and not reads and not writes:
        errors.append("--raw is for standard input and output: give - as input, or -o -")


def _is_dash(value: object) -> bool:
    return value is not None and str(value) == str(DASH)


def _check_descriptor(number: int, what: str, advice: str, errors: list[str]) -> None:
    # Python has none for a descriptor that was closed when it started; by now it may be another file
    if (sys.stdout if number else sys.stdin) is None:
        errors.append(f"{what} is closed; {advice}")
    elif os.isatty(number):
        errors.append(f"{what} is a terminal; {advice}")


def _check_that_output_is_no_input(sources: Sequence[Path], option: str, errors: list[str]) -> None:
    try:
        target = os.fstat(1)
        if not stat.S_ISREG(target.st_mode):
            return
        for source in sources:
            if isinstance(source, Url):
                continue
            status = os.fstat(0) if source == DASH else source.stat()
            if os.path.samestat(target, status):
                errors.append(
                    f"{option} -: standard output and {display_name(source)} are the same file; name another"
                )
    except OSError:
        # what is missing or closed is reported elsewhere
        return


def read_raw_format(args: argparse.Namespace, errors: list[str]) -> "RawFormat | None":
    """Return what samples without a header are, or None if there is a header or something is wrong.

    What is meant for them is taken out of `args.rate` and `args.channels`.
    """
    from nmf_audio import defaults
    from nmf_audio.io.pcm import RawFormat

    numbers = [word for word in args.channels or () if isinstance(common.parse_whole(word), int)]
    modes = [word for word in args.channels or () if word not in numbers]
    args.channels = modes[-1] if modes else defaults.DEFAULT_CHANNELS
    reads = "-" in args.inputs
    if numbers and not (args.raw is not None and reads):
        errors.append(
            f"--channels {numbers[-1]}: a number of channels is for --raw samples that come in through -"
        )
    if args.raw is None:
        return None
    options: dict[str, Any] = {}
    if reads:
        # that of what comes in, and so of what goes out
        rate, args.rate = args.rate, None
        options = {"sr": rate and common.parse_whole(rate)}
        if numbers:
            options["n_channels"] = common.parse_whole(numbers[-1])
        if rate is None:
            errors.append("--raw has no header: give --rate, the sample rate in Hz, and --channels, if not 1")
    with common.collecting(errors):
        return RawFormat(args.raw, **options)
    return None
