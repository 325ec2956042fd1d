"""Separators that the options of ``nmf-audio separate`` describe, and all errors in these."""

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, settings
from nmf_audio.cli.progress import progress_bar
from nmf_audio.cli.times import parse_section
from nmf_audio.errors import AudioFileError, DictionaryError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from nmf_audio.separation.stream import SourceSeparator

METHODS = ("sources", "blind", "percussive", "example")
_GOES_WITH = {
    "free": ("sources",),
    "by_place": ("blind",),
    "joint": ("blind", "example"),
    "continuity": ("percussive",),
    "group_sparsity": ("blind",),
    "beta": ("sources", "blind", "example"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for sources that no dictionary describes."""
    group = parser.add_argument_group("sources without dictionaries (instead of --sources)")
    group.add_argument(
        "--blind",
        metavar="N",
        help="learn atoms on each file, and group those that are alike in their spectra, in how they change and in "
        "when they are active: source1, source2 ..., the loudest first (default: none)",
    )
    group.add_argument(
        "--percussive", action="store_true", help="separate sustained sounds (harmonic) from percussive ones"
    )
    group.add_argument(
        "--example",
        metavar="START-END",
        help="separate what sounds like this section (example) from the rest; each in seconds, m:s or h:m:s, for "
        "example 0:01-0:03 (default: none)",
    )
    group.add_argument(
        "--by-place",
        action="store_true",
        help="with --blind: separate sources by their positions between the channels as well",
    )
    group.add_argument(
        "--joint",
        action="store_true",
        help="with --blind or --example: the files share their sources; learn from all of them before any is "
        "separated. The example is a section of the first",
    )
    group.add_argument(
        "--continuity",
        metavar="WEIGHT",
        help="with --percussive: weight of the continuity of the activations of sustained sounds "
        f"(default: {defaults.DEFAULT_CONTINUITY:g})",
    )
    group.add_argument(
        "--group-sparsity",
        metavar="WEIGHT",
        help="with --blind: how strongly one source at a time is preferred, for sources that take turns; "
        f"0.03 is strong (default: {defaults.DEFAULT_GROUP_SPARSITY:g})",
    )


def make_separator(
    args: argparse.Namespace, part: Mapping[str, float | None], errors: list[str]
) -> "SourceSeparator | None":
    """Make the separator that the options ask for, or return None and add to `errors` what is wrong.

    `part` is ``start`` and ``end`` of what is used, see `settings.read_part_options`.
    """
    options: dict[str, Any] = {"seed": common.parse_whole(args.seed)}
    for name in ("beta", "mask_power"):
        text = getattr(args, name)
        if text is not None:
            options[name] = common.parse_number(text)
    method = _choose_method(args, errors)
    if method is None:
        return None
    if method == "sources":
        return _with_dictionaries(args, options, errors)
    return _without_dictionaries(args, method, options, part, errors)


def _choose_method(args: argparse.Namespace, errors: list[str]) -> str | None:
    """Return which of `METHODS` is asked for, or None and an error if there is not exactly one."""
    given = [method for method in METHODS if getattr(args, method)]
    if len(given) != 1:
        names = ", ".join(f"--{method}" for method in given)
        which = f"{names} are given; give one" if given else "no sources are given; give one"
        errors.append(f"{which} of --sources, --blind, --percussive and --example")
        return None
    method = given[0]
    for name, methods in _GOES_WITH.items():
        if getattr(args, name) not in (None, False) and method not in methods:
            fitting = " or ".join(f"--{fit}" for fit in methods)
            errors.append(f"--{name.replace('_', '-')}: it goes with {fitting}, not with --{method}")
    return method


def _with_dictionaries(
    args: argparse.Namespace, options: dict[str, Any], errors: list[str]
) -> "SourceSeparator | None":
    from nmf_audio.separation.separator import Separator
    from nmf_audio.separation.sources import name_dictionaries

    if args.free is not None:
        name, sign, number = args.free.rpartition("=")
        options["free"] = {name: common.parse_whole(number)} if sign else common.parse_whole(number)
    before = len(errors)
    sources: dict[str, Any] = {}
    for word in args.sources:
        called_by, given = _split_name(word)
        try:
            loaded = name_dictionaries([given] if called_by is None else {called_by: given})
        except (ParameterError, DictionaryError) as error:
            about = (
                common.describe_argument(error, source="NAME") if isinstance(error, ParameterError) else error
            )
            reason = str(about).removeprefix(f"{given}: ")
            errors.append(f"--sources {word}: {reason}")
            continue
        for called, dictionary in loaded.items():
            if called_by is not None and len(dictionary.sources) > 1:
                errors.append(
                    f"--sources {word}: {given} has several sources of its own names; leave NAME= out"
                )
            if called in sources:
                errors.append(f"--sources {word}: two sources are named {called!r}; name them: NAME={given}")
            sources[called] = dictionary
    separator = settings.build(functools.partial(Separator, sources), options, errors) if sources else None
    return separator if len(errors) == before else None


def _split_name(word: str) -> tuple[str | None, str]:
    """Split ``NAME=FILE``; a file whose own name has the sign in it is a file."""
    name, sign, given = word.partition("=")
    return (name, given) if sign and not Path(word).exists() else (None, word)


def dictionary_files(args: argparse.Namespace) -> list[Path]:
    """Return the files of dictionaries that ``--sources`` names."""
    names = [name for _, name in map(_split_name, args.sources or ())]
    return [Path(name) for name in names if os.path.isfile(name)]  # noqa: PTH113


def _without_dictionaries(
    args: argparse.Namespace,
    method: str,
    options: dict[str, Any],
    part: Mapping[str, float | None],
    errors: list[str],
) -> "SourceSeparator | None":
    from nmf_audio.separation.blind import BlindSeparator
    from nmf_audio.separation.example import ExampleSeparator
    from nmf_audio.separation.percussive import PercussiveSeparator

    for name in ("continuity", "group_sparsity"):
        text = getattr(args, name)
        if text is not None:
            options[name] = common.parse_number(text)
    # `_choose_method` refused the others
    options = {name: value for name, value in options.items() if method in _GOES_WITH.get(name, METHODS)}
    if method == "percussive":
        return settings.build(PercussiveSeparator, options, errors)
    if method == "blind":
        if args.by_place:
            options["places"] = True
        n_sources: Any = common.parse_whole(args.blind)
        make = functools.partial(BlindSeparator, n_sources)
        return settings.build(make, options, errors)
    try:
        section = parse_section(args.example)
    except ValueError as error:
        errors.append(f"--example {error}")
        return None
    end = part["end"]
    if end is not None and section[1] > end:
        errors.append(f"--example {args.example}: it ends after the part that --end gives, at {end:g} s")
        return None
    origin = part["start"] or 0.0
    return settings.build(functools.partial(ExampleSeparator, *section, origin=origin), options, errors)


def hear_together(
    args: argparse.Namespace,
    separator: "SourceSeparator",
    sources: Sequence[Path],
    part: Mapping[str, float | None],
) -> "SourceSeparator":
    """Let the separator learn from all recordings first, if ``--joint`` asks for that.

    `UsageError` if they do not go together, or none can be read.
    """
    from nmf_audio.jobs.shared_sources import hear_files
    from nmf_audio.separation.recording_separator import RecordingSeparator

    if not args.joint or not sources or not isinstance(separator, RecordingSeparator):
        return separator
    with progress_bar(args, f"learning from {len(sources)} mixtures", unit="") as bar:
        try:
            return hear_files(separator, sources, progress=bar, **part)
        except (ParameterError, AudioFileError, MissingExtraError) as error:
            raise common.UsageError([common.describe(error)]) from error
