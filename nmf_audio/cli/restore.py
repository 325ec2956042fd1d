"""The command ``nmf-audio restore``: what recordings have lost is filled in."""

import argparse
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, settings
from nmf_audio.cli.times import parse_section

if TYPE_CHECKING:
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import RestorationReport
    from nmf_audio.restoration.restorer import Restorer

DESCRIPTION = (
    "Fill in what recordings have lost: clipped samples, and gaps of up to 100 ms. All else stays as it is."
)
EPILOG = """examples:
  nmf-audio restore loud.wav                                  writes loud.restored.wav
  nmf-audio restore loud.wav --subtype FLOAT -o restored.wav  has room for peaks beyond full scale
  nmf-audio restore loud.wav --gain -6 -o restored.wav        makes room for them
  nmf-audio restore call.wav --gaps 1.20-1.25 3.1-3.16        fills what lies there, whatever it is
  nmf-audio restore *.wav --output-dir restored --jobs 2
  nmf-audio restore loud.wav --subtype FLOAT -o - | denoise - -o clean.wav

exit codes: 0 all done; 1 some files failed or are damaged, all others are done; 2 names or options are wrong, nothing
is written; 130 interrupted; 141 the reader of standard output has left"""


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio restore``."""
    parser = subparsers.add_parser(
        "restore",
        help="fill in clipped samples and gaps",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # what is only for denoising
    parser.set_defaults(keep_noise=None, noise=None, raw=None, watch=None)
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        metavar="FILE",
        nargs="*",
        help="recording to restore, or a pattern such as 'talks/*.wav'; with -r a folder; - for standard input",
    )
    settings.add_output_arguments(files, defaults.DEFAULT_RESTORED_NAME)
    files.add_argument("-r", "--recursive", action="store_true", help="restore all recordings in folders")
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    form = parser.add_argument_group("format", "of the outputs, by default that of their inputs")
    settings.add_format_arguments(form)
    settings.add_many_arguments(parser, "inputs whose output exists", cuts_long_ones=False)
    faults = parser.add_argument_group("what is restored")
    faults.add_argument(
        "--only",
        choices=("clipping", "gaps"),
        help="leave the other as it is (default: both are restored)",
    )
    faults.add_argument(
        "--clip-level",
        metavar="LEVEL",
        help="samples from this level up, full scale being 1, and from its negative down, are clipped "
        "(default: where many samples are at the highest or lowest value of a channel)",
    )
    faults.add_argument(
        "--gaps",
        metavar="START-END",
        nargs="+",
        help="gaps of up to 0.1 s, each in seconds, m:s or h:m:s: 1.2-1.25; no others are filled "
        "(default: 1 to 100 ms of digital silence within sound)",
    )
    faults.add_argument(
        "--gain",
        metavar="DB",
        default="0",
        help="gain of the whole output in decibels: what is restored may go beyond full scale, where integers end "
        "(default: %(default)s)",
    )
    settings.add_part_arguments(parser, "restore")
    settings.add_message_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Restore the files that the arguments name, and return the exit code; `UsageError` before any is written."""
    common.use_one_thread()
    from nmf_audio.cli import file_command, plan, streams
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import RestorationReport
    from nmf_audio.jobs.restore_file import check_gain, restore_file

    args.stdout_is_taken = "-" in (args.json, str(args.output))
    errors: list[str] = []
    plans = plan.plan_denoising(args, errors)
    restorer = _make_restorer(args, errors)
    gain_db = common.parse_number(args.gain)
    with common.collecting(errors):
        check_gain(gain_db)
    options = {
        "gain_db": gain_db,
        **settings.read_part_options(args, errors),
        **file_command.check(args, plans, None, errors),
    }
    assert restorer is not None

    def make_work(planned: plan.Plan) -> "FileWork[RestorationReport]":
        (output,) = planned.targets
        return FileWork(
            restore_file,
            RestorationReport,
            streams.open_dash(planned.src),
            streams.open_dash(output, output=True),
            {"restorer": restorer, "force": args.force, **options, **planned.part},
            skip_existing=planned.skip or args.skip_existing or args.resumed.skips_what_appears(args),
        )

    head = {"parameters": {**restorer.parameters, **options}}
    return file_command.run(args, plans, lambda: list(map(make_work, plans)), head, called="recordings")


def _make_restorer(args: argparse.Namespace, errors: list[str]) -> "Restorer | None":
    """Make the restorer that the options ask for, or return None and add to `errors` what is wrong with them."""
    from nmf_audio.restoration.restorer import Restorer

    options: dict[str, Any] = {}
    if args.only is not None:
        options["faults"] = (args.only,)
    if args.clip_level is not None:
        options["clip_level"] = common.parse_number(args.clip_level)
    if args.gaps is not None:
        try:
            options["gaps"] = [parse_section(text) for text in args.gaps]
        except ValueError as error:
            errors.append(f"--gaps {error}")
    return settings.build(Restorer, options, errors)
