"""The command ``nmf-audio separate``: mixtures in, their sources out."""

import argparse

from nmf_audio import defaults
from nmf_audio.cli import common, separators, settings

DESCRIPTION = (
    "Separate mixtures into sources: those that dictionaries describe, or, without dictionaries, sounds that are\n"
    "alike, percussive sounds, or sounds like an example; and a residual."
)
EPILOG = """examples:
  nmf-audio separate song.wav --sources voice.npz piano.npz -o parts
      writes parts/song.voice.wav, parts/song.piano.wav and parts/song.residual.wav, which add up to song.wav
  nmf-audio separate song.wav --sources voice.npz --free 8         8 atoms learned on the song itself explain the rest
  nmf-audio separate song.wav --sources voice.npz --free piano=8   and are the source piano
  nmf-audio separate *.wav --sources anna=a.npz ben=b.npz -o parts --jobs 2
  nmf-audio separate talk.wav --sources two_voices.npz             trained by `nmf-audio train separator`
  nmf-audio separate song.wav --percussive                         drums and the rest, without a dictionary
  nmf-audio separate song.wav --example 0:01-0:03                  what sounds like that section, and the rest
  ffmpeg -i song.mp4 -f wav - | nmf-audio separate - --sources voice.npz piano.npz -o parts
  nmf-audio separate song.wav --blind 3 --by-place                 three sources, separated by their positions as well

exit codes: 0 all done; 1 some files failed or are damaged, all others are done; 2 names or options are wrong, nothing
is written; 130 interrupted"""


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio separate``."""
    parser = subparsers.add_parser(
        "separate",
        help="separate mixtures into their sources",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        metavar="FILE",
        nargs="*",
        help="mixture to separate, or a pattern such as 'songs/*.wav'; with -r a folder; - for standard input",
    )
    files.add_argument(
        "-o",
        "--output-dir",
        metavar="FOLDER",
        type=common.parse_location,
        help="folder for the parts, made if it is missing (default: beside each mixture)",
    )
    files.add_argument(
        "--name",
        metavar="PATTERN",
        help="names of parts; an extension in the place of {ext} names the format "
        f"(default: {defaults.DEFAULT_SOURCE_NAME}; of standard input {{source}}{{ext}})",
    )
    files.add_argument("-r", "--recursive", action="store_true", help="separate all recordings in folders")
    files.add_argument(
        "--residual",
        action=argparse.BooleanOptionalAction,
        help="write what remains of the mixture (default: only if it is above -96 dB)",
    )
    files.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    form = parser.add_argument_group("format", "of the parts, by default that of their mixtures")
    settings.add_format_arguments(form)
    settings.add_many_arguments(parser, "mixtures whose parts all exist")
    sources = parser.add_argument_group("sources with dictionaries")
    sources.add_argument(
        "--sources",
        metavar="[NAME=]FILE.npz",
        nargs="+",
        help="a plain dictionary for each source, named like the file, or NAME; or one dictionary that "
        "was trained to separate (default: none)",
    )
    sources.add_argument(
        "--free",
        metavar="[NAME=]N",
        help="learn N atoms on each file itself for what no dictionary explains; it stays in the residual, or "
        "becomes the source NAME. Each file is read twice (default: none)",
    )
    separators.add_arguments(parser)
    settings.add_part_arguments(parser, "separate")
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
        help="seed of the random start of learned atoms (default: %(default)s)",
    )
    settings.add_message_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Separate the files that the arguments name, and return the exit code; `UsageError` before any is written."""
    common.use_one_thread()
    from nmf_audio.cli import file_command, plan, streams
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import SeparationReport
    from nmf_audio.jobs.separate_file import separate_file
    from nmf_audio.separation.separator import Separator

    args.stdout_is_taken = args.json == common.STDOUT
    errors: list[str] = []
    part = settings.read_part_options(args, errors)
    separator = separators.make_separator(args, part, errors)
    plans = plan.plan_separation(args, separator, separators.dictionary_files(args), errors)
    options = {**part, **file_command.check(args, plans, None, errors)}
    assert separator is not None

    def make_works() -> list[FileWork[SeparationReport]]:
        # what was done before was learned from all, too
        sources = [] if all(planned.skip for planned in plans) else [planned.src for planned in plans]
        trained = separators.hear_together(args, separator, sources, part)
        n_jobs = args.n_jobs if len(plans) == 1 else 1
        keywords = {
            "separator": trained,
            "residual": args.residual,
            "force": args.force,
            "jobs": n_jobs,
            **options,
        }
        return [
            FileWork(
                *(separate_file, SeparationReport, streams.open_dash(planned.src), planned.outputs),
                keywords | planned.part,
                skip_existing=planned.skip or args.skip_existing or args.resumed.skips_what_appears(args),
            )
            for planned in plans
        ]

    dictionaries = separator.dictionaries.values() if isinstance(separator, Separator) else ()
    head = {
        "sources": list(separator.sources),
        "dictionaries": [
            {"name": dictionary.name, "kind": dictionary.kind, "sha256": dictionary.sha256}
            for dictionary in dictionaries
        ],
        "parameters": {**separator.parameters, **options},
    }
    return file_command.run(args, plans, make_works, head, called="mixtures")
