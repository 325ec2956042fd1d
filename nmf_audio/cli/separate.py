"""The command ``nmf-audio separate``: mixtures in, their sources out."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, settings, undescribed

if TYPE_CHECKING:
    from nmf_audio.cli.separating import Job
    from nmf_audio.jobs.report import SeparationReport
    from nmf_audio.separation.stream import SourceSeparator

DESCRIPTION = (
    "Take mixtures apart into the sources that dictionaries know, or into what is alike, strikes, or sounds like a "
    "stretch of them; and what remains."
)
EPILOG = """examples:
  nmf-audio separate song.wav --sources voice.npz piano.npz -o parts
      writes parts/song.voice.wav, parts/song.piano.wav and parts/song.residual.wav, which add up to song.wav
  nmf-audio separate song.wav --sources voice.npz --free 8         8 atoms learned on the song itself explain the rest
  nmf-audio separate song.wav --sources voice.npz --free piano=8   and are the source piano
  nmf-audio separate *.wav --sources anna=a.npz ben=b.npz -o parts --jobs 2
  nmf-audio separate talk.wav --sources two_voices.npz             trained by `nmf-audio train separator`
  nmf-audio separate song.wav --percussive                         drums and the rest, without a dictionary
  nmf-audio separate song.wav --example 0:01-0:03                  what sounds like that stretch, and the rest
  ffmpeg -i song.mp4 -f wav - | nmf-audio separate - --sources voice.npz piano.npz -o parts
  nmf-audio separate song.wav --blind 3 --by-place                 three sources, told apart by where they are, too

exit codes: 0 all done; 1 a file is at fault, the others are done; 2 names or options are at fault, nothing is
written; 130 interrupted"""


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio separate``."""
    parser = subparsers.add_parser(
        "separate",
        help="take mixtures apart into their sources",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        metavar="FILE",
        nargs="+",
        help="mixture to take apart, or a pattern such as 'songs/*.wav'; with -r a folder; - for standard input",
    )
    files.add_argument(
        "-o",
        "--output-dir",
        metavar="FOLDER",
        type=common.path,
        help="folder for the parts, made if it is missing (default: beside each mixture)",
    )
    files.add_argument(
        "--name",
        metavar="PATTERN",
        help="how parts are called; an extension in the place of {ext} names the format "
        f"(default: {defaults.DEFAULT_SOURCE_NAME}; of standard input {{source}}{{ext}})",
    )
    files.add_argument("-r", "--recursive", action="store_true", help="take all recordings in folders apart")
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    form = parser.add_argument_group("format", "what parts are, if not what their mixtures are")
    settings.add_format_arguments(form)
    many = parser.add_argument_group("many files")
    many.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        default="1",
        help="files that are worked on at the same time (default: %(default)s)",
    )
    many.add_argument(
        "--skip-existing", action="store_true", help="leave mixtures alone whose parts all exist"
    )
    many.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be read and written, and write nothing"
    )
    sources = parser.add_argument_group("sources with dictionaries")
    sources.add_argument(
        "--sources",
        metavar="[NAME=]FILE.npz",
        nargs="+",
        help="a plain dictionary for each source, which is called like the file, or NAME; or one dictionary that "
        "was trained to separate (default: none)",
    )
    sources.add_argument(
        "--free",
        metavar="[NAME=]N",
        help="learn N atoms on each file itself for what no dictionary explains; it stays in the residual, or "
        "becomes the source NAME. Each file is read twice (default: none)",
    )
    undescribed.add_arguments(parser)
    settings.add_part_arguments(parser, "take apart")
    sources = parser.add_argument_group("model")
    sources.add_argument(
        "--beta",
        metavar="BETA",
        help="divergence: 1 Kullback-Leibler, 0 Itakura-Saito, 2 Euclidean (default: 1, or that of dictionaries)",
    )
    sources.add_argument(
        "--mask-power",
        metavar="P",
        help="exponent of the masks S_i^P / sum S_j^P: 1 ratio, 2 Wiener, large ones nearly binary "
        f"(default: {defaults.DEFAULT_MASK_POWER:g})",
    )
    sources.add_argument(
        "--seed",
        metavar="N",
        default="0",
        help="of the randomness that learned atoms start from (default: %(default)s)",
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


def run(args: argparse.Namespace) -> int:
    """Take the files apart that the arguments name.

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
    from nmf_audio.cli import document, planning, separating, telling

    common.one_thread()
    args.stdout_is_taken = args.json == common.STDOUT
    faults: list[str] = []
    part = settings.part_options(args, faults)
    separator = separating.separator_of(args, part, faults)
    jobs = separating.plan(args, separator, faults)
    n_jobs = settings.jobs_of(args, faults)
    targets = [target for job in jobs for target in job.targets]
    options = {**part, **settings.output_options(args, targets, None, faults)}
    document.check(args, targets, faults)
    if faults or separator is None:
        raise common.UsageError(faults)
    if args.dry_run:
        return common.EXIT_FAULT if telling.tell_plan(args, jobs) else common.EXIT_DONE
    planning.make_folders(args, [job for job in jobs if not job.skip])
    reports: list[SeparationReport] = []
    try:
        for report in _separate_all(args, jobs, n_jobs, separator, options):
            reports.append(report)
            separating.tell(args, report)
    finally:
        any_fault = telling.tell_faults(args, reports)
        if args.json is not None:
            document.write(
                args,
                separating.build_document(reports, separator, options, complete=len(reports) == len(jobs)),
            )
    return common.EXIT_FAULT if any_fault else common.EXIT_DONE


def _separate_all(
    args: argparse.Namespace,
    jobs: list["Job"],
    n_jobs: int,
    separator: "SourceSeparator",
    options: dict[str, Any],
) -> "Iterator[SeparationReport]":
    from nmf_audio.cli import running, streams
    from nmf_audio.jobs.batch import FileWork
    from nmf_audio.jobs.report import SeparationReport
    from nmf_audio.jobs.separate_file import separate_file

    part = {name: options[name] for name in ("start", "end")}
    sources = [job.src for job in jobs if not job.skip]
    separator = undescribed.heard_together(args, separator, sources, part)
    options = {"separator": separator, "force": args.force, **options}
    works = [
        FileWork(separate_file, SeparationReport, streams.opened(job.src), job.parts, options, job.skip)
        for job in jobs
    ]
    return running.run_works(args, works, jobs, n_jobs=n_jobs, called="mixtures")
