"""Options that several commands share, their values, and all errors in them."""

import argparse
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from nmf_audio import defaults
from nmf_audio.cli import common, format_table
from nmf_audio.cli.times import parse_section, parse_time
from nmf_audio.errors import AudioFileError, DictionaryError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from pathlib import Path

    from nmf_audio.denoiser import Denoiser
    from nmf_audio.io.pcm import RawFormat

Value = TypeVar("Value")


class _ShowPresets(argparse.Action):
    """``--show-preset``: what the presets stand for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for name, values in defaults.PRESETS.items():
            common.print_line(f"{name:9}--reduction {values['reduction_db']:g} --mix {values['mix']:g}")
        parser.exit()


def add_method_arguments(group: "argparse._ActionsContainer") -> None:
    """Add ``--method`` and ``--dictionary``."""
    group.add_argument(
        "--method",
        metavar="NAME",
        help=f"{', '.join(defaults.METHOD_NAMES)} (default: the best that the dictionary offers)",
    )
    group.add_argument(
        "--dictionary",
        metavar="NAME|FILE",
        help="a shipped dictionary, your own, or a file (default: the shipped one)",
    )


def add_sound_arguments(group: "argparse._ActionsContainer") -> None:
    """Add what `make_denoiser` reads, and ``--show-preset``."""
    add_method_arguments(group)
    group.add_argument(
        "--reduction",
        metavar="DB",
        help="largest reduction of the noise, in decibels "
        f"(default: {defaults.DEFAULT_REDUCTION_DB:g}, or that of --strength or --preset)",
    )
    group.add_argument(
        "--mix",
        metavar="SHARE",
        help="share of the denoised sound in the output; the rest is the input "
        f"(default: {defaults.DEFAULT_MIX:g}, or that of --strength or --preset)",
    )
    group.add_argument(
        "--strength",
        choices=tuple(defaults.STRENGTHS),
        help="how much noise is removed; in the pauses of 60 noisy recordings, in the median and at the 90th "
        "percentile: light 12 and 12 dB, for a natural sound; normal 28 and 35; strong 28 and 36: it differs where "
        "the noise is steady (default: normal); --reduction and --mix have priority",
    )
    group.add_argument(
        "--preset",
        choices=tuple(defaults.PRESETS),
        help="values of --reduction and --mix for a purpose (default: none); either has priority "
        "if given; not with --strength",
    )
    group.add_argument("--show-preset", action=_ShowPresets, nargs=0, help="list the presets and exit")


def add_output_arguments(group: "argparse._ActionsContainer", name: str) -> None:
    """Add ``-o``, ``--output-dir`` and ``--name``, for commands with one output for each input."""
    group.set_defaults(default_name=name)
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=common.parse_location,
        help="where to write, if there is one input; its extension names the format; - for standard output, as WAV "
        "(default: named as --name, beside the input)",
    )
    group.add_argument(
        "--output-dir",
        metavar="FOLDER",
        type=common.parse_location,
        help="folder for the outputs, made if it is missing (default: beside each input)",
    )
    group.add_argument(
        "--name",
        metavar="PATTERN",
        help=f"names of outputs (default: {name}: stem and extension of the input)",
    )


def add_format_arguments(group: "argparse._ActionsContainer") -> None:
    """Add what `read_output_options` reads, and ``--list-formats``."""
    group.add_argument(
        "--format", metavar="NAME", help="container, such as FLAC (default: by extension, or the input's)"
    )
    group.add_argument(
        "--subtype", metavar="NAME", help="coding of the samples, such as PCM_24 (default: the input's)"
    )
    group.add_argument("--rate", metavar="HZ", help="sample rate, such as 48000 (default: the input's)")
    group.add_argument(
        "--bitrate",
        metavar="KBITS",
        help="of MP3, Vorbis, Opus and AAC in kbit/s, such as 128 (default: the input's if it is one of them)",
    )
    group.add_argument(
        "--quality", metavar="Q", help="of MP3 and Vorbis, 0 to 10, the best (default: that of --bitrate)"
    )
    group.add_argument(
        "--list-formats",
        action=format_table.ListFormats,
        nargs=0,
        help="list the formats that can be read and written, and exit",
    )


def add_many_arguments(parser: argparse.ArgumentParser, skipped: str, *, cuts_long_ones: bool = True) -> None:
    """Add the options for many files; `skipped` is what ``--skip-existing`` skips."""
    many = parser.add_argument_group("many files")
    many.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        default="1",
        help=f"files{', or pieces of a single long one,' if cuts_long_ones else ''} to process at the same time "
        "(default: %(default)s)",
    )
    many.add_argument(
        "--isolate",
        action="store_true",
        help="read files in a process of its own, so that one that makes a decoder crash costs itself alone "
        "(default: with --jobs above 1)",
    )
    many.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let the workers of a dask scheduler process files, such as tcp://host:8786; those that do not share "
        "the file system are sent the files (default: this computer)",
    )
    many.add_argument(
        "--files-from",
        metavar="LIST",
        type=common.parse_path,
        help="more files: a list as CSV, JSONL or Parquet with a column path, and optionally start and end "
        "in seconds (default: none)",
    )
    many.add_argument(
        "--resume-from",
        metavar="FILE.jsonl",
        help="continue the run that wrote this report, however it ended, and append to the report; if there is none "
        "yet, begin one (default: begin anew)",
    )
    many.add_argument(
        "--skip-existing",
        action="store_true",
        help=f"skip {skipped}, even a single input, and even one that is newer (default: of several inputs skip "
        "those that are older than all their outputs)",
    )
    many.add_argument(
        "-n", "--dry-run", action="store_true", help="print what would be read and written, and write nothing"
    )


def add_message_arguments(parser: argparse.ArgumentParser) -> None:
    """Add verbosity and ``--json``."""
    common.add_verbosity(parser).add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const=common.STDOUT,
        help="write a report of all files as JSON; without a name to standard output, and all lines to standard "
        "error. The name must end in .json, in .jsonl for a line for each file as soon as it is done, or in .parquet "
        "(default: no report)",
    )


def add_part_arguments(parser: argparse.ArgumentParser, doing: str) -> None:
    """Add the group of options that `read_part_options` reads."""
    part = parser.add_argument_group("part", f"{doing} and write only a part of each recording")
    part.add_argument("--start", metavar="TIME", help="in seconds, m:s or h:m:s (default: the beginning)")
    part.add_argument("--end", metavar="TIME", help="the same (default: the end)")


def make_denoiser(args: argparse.Namespace, errors: list[str]) -> "Denoiser | None":
    """Make the denoiser that the options ask for, or return None and add to `errors` what is wrong with them."""
    from nmf_audio.denoiser import Denoiser

    options: dict[str, Any] = {"method": args.method, "preset": args.preset or args.strength}
    if hasattr(args, "channels"):
        options["channels"] = args.channels
    if args.preset and args.strength:
        advice = "give one of them, or --reduction beside the preset"
        errors.append(common.describe_conflict("--preset", "--strength", advice=advice))
    if args.reduction is not None:
        options["reduction_db"] = common.parse_number(args.reduction)
    if args.mix is not None:
        options["mix"] = common.parse_number(args.mix)
    return build(functools.partial(Denoiser, args.dictionary), options, errors)


def build(make: Callable[..., Value], options: Mapping[str, Any], errors: list[str]) -> Value | None:
    """Return what options make, or None and add to `errors` all that is wrong with them.

    `make` takes the options as keywords, each of which may be left out.
    """
    try:
        return make(**options)
    except (ParameterError, DictionaryError) as error:
        found = {common.describe(error): None}
    # the first error hid the others: each option alone shows its own
    for alone in ({}, *({name: value} for name, value in options.items())):
        try:
            make(**alone)
        except (ParameterError, DictionaryError) as error:
            found[common.describe(error)] = None
    errors.extend(found)
    return None


def read_jobs(args: argparse.Namespace, errors: list[str]) -> int:
    """Return how many recordings are worked on at a time."""
    from nmf_audio.jobs.processes import check_jobs

    with common.collecting(errors):
        return check_jobs(common.parse_whole(args.jobs))
    return 1


def read_signal_options(args: argparse.Namespace, errors: list[str]) -> dict[str, Any]:
    """Return the keywords of `denoise_file` for which part of a recording is processed, and how."""
    from nmf_audio.denoiser import check_warm_up
    from nmf_audio.jobs.denoise_file import check_noise_options
    from nmf_audio.jobs.target_loudness import check_loudness

    options: dict[str, Any] = {
        "noise": args.noise,
        "noise_from": _read(args, "noise-from", parse_section, errors),
    }
    with common.collecting(errors):
        check_noise_options(**options, streamed="-" in args.inputs)
    options |= read_part_options(args, errors)
    if args.warm_up is not None:
        with common.collecting(errors):
            options["warm_up"] = check_warm_up(common.parse_number(args.warm_up))
    options["loudness"] = None if args.loudness is None else common.parse_number(args.loudness)
    with common.collecting(errors):
        check_loudness(
            options["loudness"],
            streamed="-" in args.inputs,
            keep_noise=args.keep_noise,
            restore=args.restore,
        )
    if args.restore:
        options["restore"] = True
    check_noise(args, errors)
    return options


def read_part_options(args: argparse.Namespace, errors: list[str]) -> dict[str, float | None]:
    """Return ``start`` and ``end`` of the part that is wanted, in seconds or None; both None if one is wrong."""
    from nmf_audio.io.section import check_section

    part = {
        "start": read_time(args, "start", errors),
        "end": read_time(args, "end", errors),
    }
    with common.collecting(errors):
        check_section(part["start"], part["end"])
        return part
    return dict.fromkeys(part)


def check_noise(args: argparse.Namespace, errors: list[str]) -> None:
    """Add to `errors` what keeps the recording that ``--noise`` names from being of use."""
    from nmf_audio.io.noise_recording import check_noise_file
    from nmf_audio.io.remote import Url

    if args.noise is None or isinstance(args.noise, Url):
        return
    try:
        check_noise_file(args.noise)
    except (AudioFileError, MissingExtraError) as error:
        errors.append(f"--noise {error}")


def read_output_options(
    args: argparse.Namespace,
    targets: "Iterable[tuple[Path, Path]]",
    raw: "RawFormat | None",
    errors: list[str],
) -> dict[str, Any]:
    """Return the keywords of `denoise_file` for what outputs are: ``format``, ``subtype``, ``sr`` and so on.

    `targets` are what is to be written, each with the recording that it is like; `raw` goes to standard output
    instead of WAV. What is wrong with the options, or does not go together, is added to `errors`.
    """
    from nmf_audio.cli import streams
    from nmf_audio.io.containers import list_output_errors
    from nmf_audio.io.pipe_writer import list_stream_errors
    from nmf_audio.io.remote import name_here

    options = {
        "format": args.format,
        "subtype": args.subtype,
        "sr": None if args.rate is None else common.parse_whole(args.rate),
        "bitrate": None if args.bitrate is None else common.parse_number(args.bitrate),
        "quality": None if args.quality is None else common.parse_number(args.quality),
    }
    found: list[Exception] = []
    for target, src in targets:
        if target == streams.DASH:
            found += list_stream_errors(raw=raw, **options)
        else:
            found += list_output_errors(name_here(target), like=name_here(src), **options)
    # many outputs have the same error
    errors.extend(dict.fromkeys(map(common.describe, found)))
    return options


def read_time(args: argparse.Namespace, option: str, errors: list[str]) -> float | None:
    """Return the seconds that an option names, or None if it is not given, or is no time."""
    return _read(args, option, parse_time, errors)


def _read(
    args: argparse.Namespace, option: str, parse: Callable[[str], Value], errors: list[str]
) -> Value | None:
    text: str | None = getattr(args, option.replace("-", "_"))
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        errors.append(f"--{option} {error}")
        return None
