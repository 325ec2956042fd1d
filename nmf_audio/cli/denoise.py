"""The command ``denoise``: recordings in, their speech out."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common
from nmf_audio.errors import AudioFileError, DictionaryError, ParameterError

if TYPE_CHECKING:
    from nmf_audio.enhance import Denoiser
    from nmf_audio.files import Report

DESCRIPTION = "Remove the noise from recordings of speech."
EPILOG = """examples:
  denoise noisy.wav                           writes noisy.denoised.wav
  denoise noisy.wav -o clean.flac
  denoise *.wav --output-dir clean

exit codes: 0 all done; 1 a file is at fault, the others are done; 2 names or options are at fault, nothing is
written; 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument("inputs", metavar="FILE", nargs="+", type=Path, help="recording to denoise")
    files.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="where to write, if there is one input; its extension names the format",
    )
    files.add_argument(
        "--output-dir",
        metavar="FOLDER",
        type=Path,
        help="folder for the outputs, made if it is missing (default: beside each input)",
    )
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    sound = parser.add_argument_group("sound")
    sound.add_argument(
        "--method",
        metavar="NAME",
        help=f"{', '.join(defaults.METHOD_NAMES)} (default: the best that the dictionary offers)",
    )
    sound.add_argument(
        "--dictionary", metavar="NAME|FILE", help="a shipped dictionary or a file (default: the shipped one)"
    )
    sound.add_argument(
        "--reduction",
        metavar="DB",
        default=f"{defaults.DEFAULT_REDUCTION_DB:g}",
        help="the most that noise is pushed down, in decibels (default: %(default)s)",
    )
    sound.add_argument(
        "--mix",
        metavar="SHARE",
        default=f"{defaults.DEFAULT_MIX:g}",
        help="share of the denoised sound in the output; the rest is the input (default: %(default)s)",
    )
    common.add_verbosity(parser)


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio denoise``."""
    parser = subparsers.add_parser(
        "denoise",
        help="remove the noise from recordings of speech",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command ``denoise``."""
    parser = argparse.ArgumentParser(
        prog="denoise",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    common.add_version(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Denoise the files that the arguments name.

    Parameters
    ----------
    args : argparse.Namespace
        What the parser gave.

    Returns
    -------
    int
        0 if all are done, 1 if a file was at fault.

    Raises
    ------
    common.UsageError
        If names or options are at fault; nothing is written then.
    """
    from nmf_audio.files import denoise_file

    faults: list[str] = []
    jobs = _plan(args, faults)
    denoiser = _denoiser(args, faults)
    if faults or denoiser is None:
        raise common.UsageError(faults)
    if args.output_dir is not None:
        _make_folder(args.output_dir)
    all_done = True
    for src, dst in jobs:
        try:
            with common.progress_bar(args, src.name, unit="s") as progress:
                report = denoise_file(
                    src,
                    dst,
                    dictionary=denoiser.dictionary,
                    method=denoiser.method,
                    reduction_db=denoiser.reduction_db,
                    mix=denoiser.mix,
                    force=args.force,
                    progress=progress,
                )
        except Exception as error:
            # one bad file must not cost the night's batch
            common.report_fault(args, error, about=src)
            all_done = False
            continue
        _tell(args, report)
        all_done = all_done and report.status == "done"
    return common.EXIT_DONE if all_done else common.EXIT_FAULT


def _plan(args: argparse.Namespace, faults: list[str]) -> list[tuple[Path, Path]]:
    """Return inputs with their outputs; add to `faults` what their names show to be wrong."""
    from nmf_audio.atomic import check_target
    from nmf_audio.files import default_output

    inputs: list[Path] = args.inputs
    folder_exists = args.output_dir is None or _check_folder(args.output_dir, faults)
    if Path("-") in (*inputs, args.output):
        faults.append("-: standard input and output can't be used yet; name files")
    if args.output is not None and args.output_dir is not None:
        faults.append("-o and --output-dir are both given; give one of them")
    if args.output is not None and len(inputs) > 1:
        faults.append(f"-o {args.output} names one file for {len(inputs)} inputs; give --output-dir")
    jobs = []
    taken: dict[str, Path] = {}
    for src in inputs:
        if src == Path("-"):
            continue
        faults.extend(_input_faults(src))
        dst = args.output or default_output(src, args.output_dir)
        jobs.append((src, dst))
        if args.output is not None and len(inputs) > 1:
            continue
        real = os.path.realpath(dst)
        if real in taken:
            faults.append(f"{taken[real]} and {src} have the same output {dst}; write to different folders")
            continue
        taken[real] = src
        if folder_exists:
            try:
                check_target(dst, sources=inputs, force=args.force)
            except AudioFileError as error:
                faults.append(str(error))
    return jobs


def _input_faults(src: Path) -> list[str]:
    try:
        if src.is_file():
            return []
        src.stat()
    except OSError as error:
        return [f"{src}: {error.strerror}"]
    if src.is_dir():
        return [f"{src}: is a folder; name the files in it"]
    return [f"{src}: is no regular file; copy its content to one first"]


def _check_folder(folder: Path, faults: list[str]) -> bool:
    """Whether the folder exists; add to `faults` what keeps it from being made."""
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        faults.append(f"--output-dir {folder}: {existing} is no folder")
    elif not os.access(existing, os.W_OK | os.X_OK):
        faults.append(f"--output-dir {folder}: no permission to write to {existing}")
    return folder.is_dir()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise common.UsageError([f"--output-dir {folder}: can't be made: {error.strerror}"]) from error


def _denoiser(args: argparse.Namespace, faults: list[str]) -> "Denoiser | None":
    """Return the denoiser that the options ask for; add to `faults` all that is wrong with them."""
    from nmf_audio.enhance import Denoiser

    options: dict[str, Any] = {
        "dictionary": args.dictionary,
        "method": args.method,
        "reduction_db": _number(args.reduction),
        "mix": _number(args.mix),
    }
    try:
        return Denoiser(**options)
    except (ParameterError, DictionaryError) as error:
        found = {str(error): None}
    # the first fault hid the others: each option alone shows its own
    for name, value in options.items():
        fault_of_option = DictionaryError if name == "dictionary" and value is not None else ParameterError
        try:
            Denoiser(**{name: value})
        except fault_of_option as error:
            found[str(error)] = None
        except DictionaryError:
            # that of the shipped dictionary, which stood in for the one that was named
            continue
    faults.extend(text.replace("reduction_db=", "reduction=") for text in found)
    return None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        # refused with the others, by the words of the function that knows the range
        return text


def _tell(args: argparse.Namespace, report: "Report") -> None:
    """Say what became of a file."""
    for warning in report.warnings:
        if report.status != "done" or args.verbosity >= 1:
            common.report_fault(args, f"warning: {warning}", about=report.src)
    parts = [f"{report.seconds:.1f} s in {report.elapsed_seconds:.2f} s"]
    factor = report.real_time_factor
    if factor >= 1:
        parts.append(f"{factor:.0f} times faster than real time")
    elif factor > 0:
        parts.append(f"{1 / factor:.1f} times slower than real time")
    parts.append(f"{report.removed_db:.1f} dB removed")
    if report.n_clipped:
        parts.append(f"{report.n_clipped} samples clipped")
    common.say(args, f"{report.src} -> {report.dst}: {', '.join(parts)}")
    channels = "1 channel" if report.n_channels == 1 else f"{report.n_channels} channels"
    detail = f"{report.sr} Hz, {channels}, {report.format} {report.subtype}"
    common.say(args, f"  {detail}; method {report.method}, dictionary {report.dictionary}", level=2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``denoise``.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        0 all done, 1 a fault in a file, 2 a fault in names or options, 130 interrupted.
    """
    return common.guarded(run, build_parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
