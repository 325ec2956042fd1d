"""The command ``denoise``: recordings in, their speech out."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, completion, settings

if TYPE_CHECKING:
    from nmf_audio.cli.planning import Job
    from nmf_audio.jobs.report import Report

DESCRIPTION = "Remove the noise from recordings of speech."
EPILOG = """examples:
  denoise noisy.wav                           writes noisy.denoised.wav
  denoise noisy.wav -o clean.flac
  denoise *.wav --output-dir clean
  denoise -r talks --output-dir clean --jobs 4 --skip-existing
  denoise talk.wav --noise-from 0:2.5         the first 2.5 s are noise alone
  ffmpeg -i talk.mp4 -f wav - | denoise - -o - | ffplay -

exit codes: 0 all done; 1 a file is at fault, the others are done; 2 names or options are at fault, nothing is
written; 130 interrupted; 141 whoever reads standard output has left"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        metavar="FILE",
        nargs="+",
        help="recording to denoise, or a pattern such as 'talks/*.wav'; with -r a folder; - for standard input",
    )
    files.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=common.path,
        help="where to write, if there is one input; its extension names the format; - for standard output, as WAV "
        "(default: what --name says, beside the input)",
    )
    files.add_argument(
        "--output-dir",
        metavar="FOLDER",
        type=common.path,
        help="folder for the outputs, made if it is missing (default: beside each input)",
    )
    files.add_argument(
        "--name",
        metavar="PATTERN",
        help=f"how outputs are called (default: {defaults.DEFAULT_NAME}: stem and extension of the input)",
    )
    files.add_argument("-r", "--recursive", action="store_true", help="denoise all recordings in folders")
    files.add_argument(
        "--keep-noise",
        metavar="FILE",
        help="write what was removed too; for many inputs a pattern, such as '{stem}.noise{ext}' "
        "(default: it is not kept)",
    )
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    form = parser.add_argument_group("format", "what outputs are, if not what their inputs are")
    settings.add_format_arguments(form)
    form.add_argument(
        "--raw",
        metavar="|".join(("s16le", "f32le")),
        help="samples without a header on standard input and output, and how one is stored; also u8, s24le, s32le, "
        "f64le. --rate and --channels are then those of what comes in (default: WAV, or what else has a header)",
    )
    many = parser.add_argument_group("many files")
    many.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        default="1",
        help="files that are worked on at the same time (default: %(default)s)",
    )
    many.add_argument("--skip-existing", action="store_true", help="leave inputs alone whose output exists")
    many.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be read and written, and write nothing"
    )
    sound = parser.add_argument_group("sound")
    settings.add_sound_arguments(sound)
    sound.add_argument(
        "--channels",
        metavar="|".join(defaults.CHANNEL_MODES),
        action="append",
        help="linked: the same gains for all channels, so that the stereo image stays; independent: each its own, "
        f"as for one speaker a channel (default: {defaults.DEFAULT_CHANNELS}); with --raw also the number of "
        "channels of what comes in (default: 1)",
    )
    settings.add_part_arguments(parser, "denoise")
    noise = parser.add_argument_group(
        "the noise alone", "heard first, so that it is known from the first word on"
    )
    noise.add_argument(
        "--noise",
        metavar="FILE",
        type=common.path,
        help="a second or more of the noise, as loud as in the recordings (default: learned as it goes)",
    )
    noise.add_argument(
        "--noise-from",
        metavar="START-END",
        help="where in each recording there is noise alone: 0:2.5 (seconds), or 1:58-2:01.5 (m:s) "
        "(default: not known)",
    )
    group = common.add_verbosity(parser)
    group.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const=common.STDOUT,
        help="write a report of all files as JSON; without a name to standard output, and all lines to standard "
        "error. The name must end in .json (default: no report)",
    )


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
    completion.add_print_completion(parser)
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
    from nmf_audio.cli import document, planning, streams, telling

    common.one_thread()
    args.stdout_is_taken = "-" in (args.json, str(args.output), args.keep_noise)
    faults: list[str] = []
    jobs = planning.plan(args, faults)
    raw = streams.raw_of(args, faults)
    n_jobs = settings.jobs_of(args, faults)
    denoiser = settings.denoiser_of(args, faults)
    options = {
        "raw": raw,
        **settings.signal_options(args, faults),
        **settings.output_options(args, [target for job in jobs for target in job.targets], raw, faults),
    }
    document.check(args, [target for job in jobs for target in job.targets], faults)
    if faults or denoiser is None:
        raise common.UsageError(faults)
    if args.dry_run:
        return common.EXIT_FAULT if telling.tell_plan(args, jobs) else common.EXIT_DONE
    planning.make_folders(args, [job for job in jobs if not job.skip])
    settings_of_all = {
        **options,
        "denoiser": denoiser,
        "force": args.force,
    }
    reports: list[Report] = []
    try:
        for report in _denoise_all(args, jobs, n_jobs, settings_of_all):
            reports.append(report)
            telling.tell(args, report)
    finally:
        any_fault = telling.tell_faults(args, reports)
        if args.json is not None:
            document.write(
                args, document.build(reports, denoiser, options, complete=len(reports) == len(jobs))
            )
    if any(isinstance(report.error, BrokenPipeError) for report in reports):
        return common.EXIT_PIPE
    return common.EXIT_FAULT if any_fault else common.EXIT_DONE


def _denoise_all(
    args: argparse.Namespace, jobs: "list[Job]", n_jobs: int, options: dict[str, Any]
) -> "Iterator[Report]":
    from nmf_audio.cli import running, streams
    from nmf_audio.jobs.batch import work_on

    works = [
        work_on(
            *(streams.opened(job.src), streams.opened(job.dst, output=True)),
            skip_existing=job.skip,
            keep_noise=None if job.keep_noise is None else streams.opened(job.keep_noise, output=True),
            **options,
        )
        for job in jobs
    ]
    return running.run_works(args, works, jobs, n_jobs=n_jobs, called="recordings")


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
    return common.guarded(run, build_parser().parse_args(argv), last=argv is None)


if __name__ == "__main__":
    sys.exit(main())
