"""The command ``denoise``: recordings in, their speech out."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmf_audio import defaults
from nmf_audio.cli import common, completion, guard, settings
from nmf_audio.cli.parser import Parser

if TYPE_CHECKING:
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import Report

DESCRIPTION = "Remove the noise from recordings of speech."
EPILOG = """examples:
  denoise noisy.wav                           writes noisy.denoised.wav
  denoise noisy.wav -o clean.flac
  denoise *.wav --output-dir clean
  denoise -r talks --output-dir clean --jobs 4 --skip-existing
  denoise --watch inbox --output-dir clean    as recordings come, until Ctrl-C
  denoise talk.wav --noise-from 0-2.5         the first 2.5 s are noise alone
  denoise loud.wav --restore --subtype FLOAT  restores what is clipped first, with room for its peaks
  ffmpeg -i talk.mp4 -f wav - | denoise - -o - | ffplay -

exit codes: 0 all done; 1 some files failed or are damaged, all others are done; 2 names or options are wrong, nothing
is written; 130 interrupted; 141 the reader of standard output has left"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        metavar="FILE",
        nargs="*",
        help="recording to denoise, or a pattern such as 'talks/*.wav'; with -r a folder; - for standard input",
    )
    settings.add_output_arguments(files, defaults.DEFAULT_NAME)
    files.add_argument("-r", "--recursive", action="store_true", help="denoise all recordings in folders")
    files.add_argument(
        "--watch",
        metavar="FOLDER",
        type=common.parse_location,
        help="denoise recordings as they are put into a folder, until the command is stopped; with -r in the folders "
        "below it, too. Those that are still being written wait (default: only what is there)",
    )
    files.add_argument(
        "--keep-noise",
        metavar="FILE",
        help=f"write what was removed, too; for many inputs a pattern, such as '{defaults.DEFAULT_NOISE_NAME}' "
        "(default: not written)",
    )
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    form = parser.add_argument_group("format", "of the outputs, by default that of their inputs")
    settings.add_format_arguments(form)
    form.add_argument(
        "--raw",
        metavar="|".join(("s16le", "f32le")),
        help="samples without a header on standard input and output, and how one is stored; also u8, s24le, s32le, "
        "f64le. --rate and --channels are then those of what comes in (default: WAV, or another with a header)",
    )
    settings.add_many_arguments(parser, "inputs whose output exists")
    sound = parser.add_argument_group("sound")
    settings.add_sound_arguments(sound)
    sound.add_argument(
        "--channels",
        metavar="|".join(defaults.CHANNEL_MODES),
        action="append",
        help="linked: the same gains for all channels, so that the stereo image stays; independent: each its own, "
        f"for one speaker a channel (default: {defaults.DEFAULT_CHANNELS}); with --raw also the number of "
        "channels of what comes in (default: 1)",
    )
    sound.add_argument(
        "--loudness",
        metavar="LUFS",
        help="loudness of the output by EBU R 128, such as -16, as far as its true peak stays at or below -1 dB; "
        "each file is read twice (default: nothing is amplified)",
    )
    sound.add_argument(
        "--warm-up",
        metavar="SECONDS",
        help="how much of each recording is heard before it is denoised, 0 to 60, so that its beginning comes out as "
        f"clean as the rest (default: {defaults.DEFAULT_WARM_UP:g}; 0 for standard input, whose output would wait "
        "for it, unless it waits for --restore)",
    )
    sound.add_argument(
        "--restore",
        action="store_true",
        help="restore clipped samples and gaps of up to 100 ms first, as nmf-audio restore does; standard input is "
        "then read to its end before anything comes out (default: they are denoised as they are)",
    )
    settings.add_part_arguments(parser, "denoise")
    noise = parser.add_argument_group(
        "the noise alone", "learned first, so that it is removed from the first word on"
    )
    noise.add_argument(
        "--noise",
        metavar="FILE",
        type=common.parse_location,
        help="a second or more of the noise, as loud as in the recordings (default: learned while denoising)",
    )
    noise.add_argument(
        "--noise-from",
        metavar="START-END",
        help="where in each recording there is noise alone, each in seconds, m:s or h:m:s: 0-2.5, 1:58-2:01.5 "
        "(default: learned while denoising)",
    )
    settings.add_message_arguments(parser)


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
    parser = Parser(
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
    """Denoise the files that the arguments name, and return the exit code; `UsageError` before any is written."""
    common.use_one_thread()
    from nmf_audio.cli import file_command, plan, streams
    from nmf_audio.jobs.file_work import work_on

    args.stdout_is_taken = "-" in (args.json, str(args.output), args.keep_noise)
    errors: list[str] = []
    plans = (plan.plan_denoising if args.watch is None else plan.plan_watching)(args, errors)
    raw = streams.read_raw_format(args, errors)
    denoiser = settings.make_denoiser(args, errors)
    options = settings.read_signal_options(args, errors)
    options |= file_command.check(args, plans, raw, errors)
    assert denoiser is not None

    def make_work(planned: plan.Plan) -> "FileWork[Report]":
        outputs = {name: streams.open_dash(path, output=True) for name, path in planned.outputs.items()}
        return work_on(
            streams.open_dash(planned.src),
            outputs["speech"],
            keep_noise=outputs.get("noise"),
            skip_existing=planned.skip or args.skip_existing or args.resumed.skips_what_appears(args),
            denoiser=denoiser,
            raw=raw,
            force=args.force,
            jobs=args.n_jobs if len(plans) == 1 and args.watch is None else 1,
            **options | planned.part,
        )

    head = {
        "method": denoiser.method,
        "dictionary": {"name": denoiser.dictionary.name, "sha256": denoiser.dictionary.sha256},
        "parameters": {
            "reduction_db": denoiser.reduction_db,
            "mix": denoiser.mix,
            "channels": denoiser.channels,
            **options,
            "noise": None if args.noise is None else str(args.noise),
            "raw": None if raw is None else raw.coding,
        },
    }
    if args.watch is not None:
        from nmf_audio.cli import watch

        return watch.run(args, make_work, head)
    return file_command.run(args, plans, lambda: list(map(make_work, plans)), head, called="recordings")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``denoise`` with arguments, by default those of the process, and return the exit code."""
    return guard.run_guarded(lambda: build_parser().parse_args(argv), run, last=argv is None)


if __name__ == "__main__":
    sys.exit(main())
