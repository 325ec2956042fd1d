"""The command ``denoise``: recordings in, their speech out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio import defaults
from nmf_audio.cli import common, planning, settings

if TYPE_CHECKING:
    from nmf_audio.files import Report

DESCRIPTION = "Remove the noise from recordings of speech."
EPILOG = """examples:
  denoise noisy.wav                           writes noisy.denoised.wav
  denoise noisy.wav -o clean.flac
  denoise *.wav --output-dir clean
  denoise talk.wav --noise-from 0:2.5         the first 2.5 s are noise alone

exit codes: 0 all done; 1 a file is at fault, the others are done; 2 names or options are at fault, nothing is
written; 130 interrupted"""


class _ShowPresets(argparse.Action):
    """``--show-preset``: what the presets stand for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for name, values in defaults.PRESETS.items():
            print(f"{name:9}--reduction {values['reduction_db']:g} --mix {values['mix']:g}")
        parser.exit()


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
    files.add_argument(
        "--keep-noise",
        metavar="FILE",
        help="write what was removed too; for many inputs a pattern, such as '{stem}.noise{ext}'",
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
        help="the most that noise is pushed down, in decibels "
        f"(default: {defaults.DEFAULT_REDUCTION_DB:g}, or what the preset says)",
    )
    sound.add_argument(
        "--mix",
        metavar="SHARE",
        help="share of the denoised sound in the output; the rest is the input "
        f"(default: {defaults.DEFAULT_MIX:g}, or what the preset says)",
    )
    sound.add_argument(
        "--preset",
        choices=tuple(defaults.PRESETS),
        help="values of these options for a purpose (default: none); those that are given win",
    )
    sound.add_argument("--show-preset", action=_ShowPresets, nargs=0, help="show the presets and leave")
    sound.add_argument(
        "--channels",
        metavar="|".join(defaults.CHANNEL_MODES),
        default=defaults.DEFAULT_CHANNELS,
        help="linked: the same gains for all channels, so that the stereo image stays; independent: each its own, "
        "as for one speaker a channel (default: %(default)s)",
    )
    part = parser.add_argument_group("part", "denoise and write only a part of each recording")
    part.add_argument("--start", metavar="TIME", help="in seconds, m:s or h:m:s (default: the beginning)")
    part.add_argument("--end", metavar="TIME", help="the same (default: the end)")
    noise = parser.add_argument_group(
        "the noise alone", "heard first, so that it is known from the first word on"
    )
    noise.add_argument(
        "--noise",
        metavar="FILE",
        type=Path,
        help="a second or more of the noise, as loud as in the recordings",
    )
    noise.add_argument(
        "--noise-from",
        metavar="START-END",
        help="where in each recording there is noise alone: 0:2.5 (seconds), or 1:58-2:01.5 (m:s)",
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
    jobs = planning.plan(args, faults)
    denoiser = settings.denoiser_of(args, faults)
    options = settings.signal_options(args, faults)
    if faults or denoiser is None:
        raise common.UsageError(faults)
    if args.output_dir is not None:
        planning.make_folder(args.output_dir)
    all_done = True
    for job in jobs:
        try:
            with common.progress_bar(args, job.src.name, unit="s") as progress:
                report = denoise_file(
                    job.src,
                    job.dst,
                    dictionary=denoiser.dictionary,
                    method=denoiser.method,
                    reduction_db=denoiser.reduction_db,
                    mix=denoiser.mix,
                    keep_noise=job.keep_noise,
                    **options,
                    force=args.force,
                    progress=progress,
                )
        except Exception as error:
            # one bad file must not cost the night's batch
            common.report_fault(args, error, about=job.src)
            all_done = False
            continue
        _tell(args, report)
        all_done = all_done and report.status == "done"
    return common.EXIT_DONE if all_done else common.EXIT_FAULT


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
