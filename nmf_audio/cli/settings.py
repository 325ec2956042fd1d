"""What the options of the sound ask for, and all that is wrong with them."""

import argparse
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

_OPTIONS = {
    "reduction_db": "reduction",
    "noise_from": "noise-from",
    "sr": "rate",
    "block_size": "block-size",
    "latency_ms": "latency",
    "n_channels": "input-channels",
    "mask_power": "mask-power",
    "n_sources": "blind",
    "group_sparsity": "group-sparsity",
    "places": "by-place",
}


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
    """Add what `denoiser_of` reads, and ``--show-preset``."""
    add_method_arguments(group)
    group.add_argument(
        "--reduction",
        metavar="DB",
        help="the most that noise is pushed down, in decibels "
        f"(default: {defaults.DEFAULT_REDUCTION_DB:g}, or what the preset says)",
    )
    group.add_argument(
        "--mix",
        metavar="SHARE",
        help="share of the denoised sound in the output; the rest is the input "
        f"(default: {defaults.DEFAULT_MIX:g}, or what the preset says)",
    )
    group.add_argument(
        "--preset",
        choices=tuple(defaults.PRESETS),
        help="values of these options for a purpose (default: none); those that are given win",
    )
    group.add_argument("--show-preset", action=_ShowPresets, nargs=0, help="show the presets and leave")


def add_format_arguments(group: "argparse._ActionsContainer") -> None:
    """Add what `output_options` reads, and ``--list-formats``."""
    group.add_argument(
        "--format", metavar="NAME", help="container, such as FLAC (default: by extension, or the input's)"
    )
    group.add_argument(
        "--subtype", metavar="NAME", help="coding of the samples, such as PCM_24 (default: the input's)"
    )
    group.add_argument("--rate", metavar="HZ", help="sample rate, such as 48000 (default: the input's)")
    group.add_argument(
        "--list-formats",
        action=format_table.ListFormats,
        nargs=0,
        help="show what can be read and written, and leave",
    )


def add_part_arguments(parser: argparse.ArgumentParser, doing: str) -> None:
    """Add the group of options that `part_options` reads."""
    part = parser.add_argument_group("part", f"{doing} and write only a part of each recording")
    part.add_argument("--start", metavar="TIME", help="in seconds, m:s or h:m:s (default: the beginning)")
    part.add_argument("--end", metavar="TIME", help="the same (default: the end)")


def denoiser_of(args: argparse.Namespace, faults: list[str]) -> "Denoiser | None":
    """Make the denoiser that the options ask for.

    Parameters
    ----------
    args : argparse.Namespace
        Has `dictionary`, `method`, `preset`, `reduction` and `mix`.
    faults : list of str
        Is added all that is wrong with them.

    Returns
    -------
    Denoiser or None
        None if something is wrong.
    """
    from nmf_audio.denoiser import Denoiser

    options: dict[str, Any] = {
        "dictionary": args.dictionary,
        "method": args.method,
        **(defaults.PRESETS[args.preset] if args.preset else {}),
    }
    if args.reduction is not None:
        options["reduction_db"] = number(args.reduction)
    if args.mix is not None:
        options["mix"] = number(args.mix)
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
    faults.extend(as_options(text) for text in found)
    return None


def number(text: str) -> float | str:
    """Return an argument as a number; other words stay, and are refused by who knows the range."""
    try:
        return float(text)
    except ValueError:
        return text


def made(make: Callable[..., Value], options: Mapping[str, Any], faults: list[str]) -> Value | None:
    """Return what options make, or None and all that is wrong with them.

    Parameters
    ----------
    make : callable
        Takes the options as keywords; each may be left out.
    options : mapping of str to object
        What is given.
    faults : list of str
        Is added what is wrong with them.

    Returns
    -------
    object or None
    """
    try:
        return make(**options)
    except (ParameterError, DictionaryError) as error:
        found = {str(error): None}
    # the first fault hid the others: each option alone shows its own
    for name, value in options.items():
        try:
            make(**{name: value})
        except (ParameterError, DictionaryError) as error:
            found[str(error)] = None
    faults.extend(as_options(text) for text in found)
    return None


def jobs_of(args: argparse.Namespace, faults: list[str]) -> int:
    """Return how many recordings are worked on at a time.

    Parameters
    ----------
    args : argparse.Namespace
        Has `jobs`.
    faults : list of str
        Is added what is wrong with it.

    Returns
    -------
    int
        1 if it is wrong.
    """
    from nmf_audio.jobs.batch import check_jobs

    try:
        return check_jobs(common.whole(args.jobs))
    except ParameterError as error:
        faults.append(str(error))
        return 1


def signal_options(args: argparse.Namespace, faults: list[str]) -> dict[str, Any]:
    """Return the keywords of `denoise_file` that say what of a recording is heard, and how.

    Parameters
    ----------
    args : argparse.Namespace
        Has `inputs`, `noise`, `noise_from`, `channels`, `start` and `end`.
    faults : list of str
        Is added what is wrong with them.

    Returns
    -------
    dict
        The same names, as `denoise_file` takes them.
    """
    from nmf_audio.jobs.denoise_file import check_noise_options

    options: dict[str, Any] = {
        "noise": args.noise,
        "noise_from": _read(args.noise_from, "--noise-from", parse_section, faults),
        "channels": args.channels,
    }
    try:
        check_noise_options(**options, streamed="-" in args.inputs)
    except ParameterError as error:
        faults.append(as_options(str(error)))
    check_noise(args, faults)
    return {**options, **part_options(args, faults)}


def part_options(args: argparse.Namespace, faults: list[str]) -> dict[str, float | None]:
    """Return the keywords that say which part of a recording is wanted.

    Parameters
    ----------
    args : argparse.Namespace
        Has `start` and `end`.
    faults : list of str
        Is added what is wrong with them.

    Returns
    -------
    dict
        ``start`` and ``end``, in seconds or None; both None if something is wrong.
    """
    from nmf_audio.io.section import check_section

    part = _read_part(args, faults)
    try:
        check_section("start and end", part["start"], part["end"])
    except ParameterError as error:
        faults.append(str(error))
        return dict.fromkeys(part)
    return part


def _read_part(args: argparse.Namespace, faults: list[str]) -> dict[str, float | None]:
    return {
        "start": _read(args.start, "--start", parse_time, faults),
        "end": _read(args.end, "--end", parse_time, faults),
    }


def check_noise(args: argparse.Namespace, faults: list[str]) -> None:
    """Add to `faults` what keeps the recording from being read that ``--noise`` names."""
    from nmf_audio.io.open import open_reader

    if args.noise is None:
        return
    try:
        open_reader(args.noise).close()
    except (AudioFileError, MissingExtraError) as error:
        faults.append(f"--noise {error}")


def output_options(
    args: argparse.Namespace, targets: "Iterable[Path]", raw: "RawFormat | None", faults: list[str]
) -> dict[str, Any]:
    """Return the keywords of `denoise_file` that say what outputs are.

    Parameters
    ----------
    args : argparse.Namespace
        Has `format`, `subtype` and `rate`.
    targets : iterable of Path
        What is to be written.
    raw : RawFormat or None
        What goes to standard output instead of WAV.
    faults : list of str
        Is added what is wrong with them, or does not go together.

    Returns
    -------
    dict
        The same names, as `denoise_file` takes them.
    """
    from nmf_audio.cli import streams
    from nmf_audio.io.formats import output_faults
    from nmf_audio.io.pipe_writer import stream_faults

    options = {
        "format": args.format,
        "subtype": args.subtype,
        "sr": None if args.rate is None else common.whole(args.rate),
    }
    found = []
    for target in targets:
        if target == streams.DASH:
            found += stream_faults(raw=raw, **options)
        else:
            found += output_faults(target, **options)
    # many outputs have the same fault
    faults.extend(dict.fromkeys(as_options(fault) for fault in found))
    return options


def _read(text: str | None, option: str, parse: Callable[[str], Value], faults: list[str]) -> Value | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        faults.append(f"{option} {error}")
        return None


def as_options(text: str) -> str:
    """Return what a function says of its arguments in the words of the command."""
    for name, option in _OPTIONS.items():
        text = text.replace(f"{name}=", f"{option}=").replace(f"{name}:", f"{option}:")
    return text
