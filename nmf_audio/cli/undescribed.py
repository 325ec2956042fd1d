"""What ``nmf-audio separate`` is asked for where no dictionary describes the sources."""

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, settings
from nmf_audio.cli.times import parse_section
from nmf_audio.errors import AudioFileError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    from nmf_audio.separation.stream import SourceSeparator

WAYS = ("sources", "blind", "percussive", "example")
_GOES_WITH = {
    "free": ("sources",),
    "by_place": ("blind",),
    "joint": ("blind", "example"),
    "continuity": ("percussive",),
    "group_sparsity": ("blind",),
    "beta": ("sources", "blind", "example"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the group of options to the parser of ``separate``."""
    group = parser.add_argument_group("sources without dictionaries (instead of --sources)")
    group.add_argument(
        "--blind",
        metavar="N",
        help="learn atoms on each file, and take those for one source that are alike in their spectra, in how they "
        "move, and in when they are active: source1, source2 ..., the loudest first (default: none)",
    )
    group.add_argument(
        "--percussive", action="store_true", help="what sounds on (harmonic), and what strikes (percussive)"
    )
    group.add_argument(
        "--example",
        metavar="START-END",
        help="what sounds like this stretch, in which it is alone (example), and the rest; with each as seconds or "
        "m:s, for example 0:01-0:03 (default: none)",
    )
    group.add_argument(
        "--by-place",
        action="store_true",
        help="with --blind: tell sources apart by where they are between the channels, too",
    )
    group.add_argument(
        "--joint",
        action="store_true",
        help="with --blind or --example: the files share their sources; hear all of them before any is taken apart. "
        "The example is a stretch of the first",
    )
    group.add_argument(
        "--continuity",
        metavar="WEIGHT",
        help="with --percussive: how steady the activations of what sounds on are held "
        f"(default: {defaults.DEFAULT_CONTINUITY:g})",
    )
    group.add_argument(
        "--group-sparsity",
        metavar="WEIGHT",
        help="with --blind: how strongly one source at a time is preferred, where they take turns; 0.03 is much "
        f"(default: {defaults.DEFAULT_GROUP_SPARSITY:g})",
    )


def way_of(args: argparse.Namespace, faults: list[str]) -> str | None:
    """Return which of `WAYS` is asked for, or None and a fault if there is not exactly one."""
    given = [way for way in WAYS if getattr(args, way)]
    if len(given) != 1:
        names = ", ".join(f"--{way}" for way in given)
        which = f"{names} are given; give one" if given else "no sources are given; give one"
        faults.append(f"{which} of --sources, --blind, --percussive and --example")
        return None
    way = given[0]
    for name, ways in _GOES_WITH.items():
        if getattr(args, name) not in (None, False) and way not in ways:
            fitting = " or ".join(f"--{fit}" for fit in ways)
            faults.append(f"--{name.replace('_', '-')}: it goes with {fitting}, not with --{way}")
    return way


def separator_of(
    args: argparse.Namespace,
    way: str,
    options: dict[str, Any],
    part: Mapping[str, float | None],
    faults: list[str],
) -> "SourceSeparator | None":
    """Make the separator.

    Parameters
    ----------
    args : argparse.Namespace
        Has the options of `add_arguments`.
    way : str
        One of `WAYS`, not ``"sources"``.
    options : dict
        Divergence, exponent of the masks and seed, where they are given.
    part : dict
        ``start`` and ``end`` of what is heard, in seconds or None.
    faults : list of str
        Is added what is wrong.

    Returns
    -------
    SourceSeparator or None
        None if something is wrong.
    """
    from nmf_audio.separation.blind import BlindSeparator
    from nmf_audio.separation.example import ExampleSeparator
    from nmf_audio.separation.percussive import PercussiveSeparator

    for name in ("continuity", "group_sparsity"):
        text = getattr(args, name)
        if text is not None:
            options[name] = settings.number(text)
    # `way_of` refused the others
    options = {name: value for name, value in options.items() if way in _GOES_WITH.get(name, WAYS)}
    if way == "percussive":
        return settings.made(PercussiveSeparator, options, faults)
    if way == "blind":
        if args.by_place:
            options["places"] = True
        n_sources: Any = common.whole(args.blind)
        make = functools.partial(BlindSeparator, n_sources)
        return settings.made(make, options, faults)
    try:
        section = parse_section(args.example)
    except ValueError as error:
        faults.append(f"--example {error}")
        return None
    end = part["end"]
    if end is not None and section[1] > end:
        faults.append(f"--example {args.example}: it ends after the part that --end gives, at {end:g} s")
        return None
    origin = part["start"] or 0.0
    return settings.made(functools.partial(ExampleSeparator, *section, origin=origin), options, faults)


def heard_together(
    args: argparse.Namespace,
    separator: "SourceSeparator",
    sources: Sequence[Path],
    part: Mapping[str, float | None],
) -> "SourceSeparator":
    """Let the separator hear all recordings first, if that is asked for.

    Raises
    ------
    common.UsageError
        If they do not go together, or none can be read.
    """
    from nmf_audio.jobs.shared_sources import hear_files
    from nmf_audio.separation.recording_separator import RecordingSeparator

    if not args.joint or not sources or not isinstance(separator, RecordingSeparator):
        return separator
    with common.progress_bar(args, f"{len(sources)} mixtures, heard", unit="") as bar:
        try:
            return hear_files(separator, sources, progress=bar, **part)
        except (ParameterError, AudioFileError, MissingExtraError) as error:
            raise common.UsageError([str(error)]) from error
