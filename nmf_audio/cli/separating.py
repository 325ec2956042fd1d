"""What the command ``separate`` is asked for, what it says of each mixture, and its document."""

import argparse
import functools
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio import defaults
from nmf_audio.cli import common, document, planning, settings, streams, telling, undescribed
from nmf_audio.cli.inputs import find_inputs
from nmf_audio.errors import DictionaryError, ParameterError

if TYPE_CHECKING:
    from nmf_audio.jobs.report import SeparationReport
    from nmf_audio.separation.stream import SourceSeparator

SCHEMA = 1
STREAM_NAME = "{source}{ext}"
"""How the parts of standard input are called: it has no name of its own."""


@dataclass(frozen=True)
class Job:
    """One mixture, and where its parts go.

    Parameters
    ----------
    src : Path
        The mixture.
    parts : dict of str to Path
        A file for each source and for the residual.
    skip : bool
        All of them exist, and that is why there is nothing to do.
    """

    src: Path
    parts: dict[str, Path]
    skip: bool = False

    @property
    def targets(self) -> tuple[Path, ...]:
        """All that is to be written."""
        return tuple(self.parts.values())


def separator_of(
    args: argparse.Namespace, part: Mapping[str, float | None], faults: list[str]
) -> "SourceSeparator | None":
    """Make the separator that the options ask for.

    Parameters
    ----------
    args : argparse.Namespace
        Has `sources`, `free`, `beta`, `mask_power` and `seed`, and what `undescribed.add_arguments` adds.
    part : dict
        ``start`` and ``end`` of what is heard, see `settings.part_options`.
    faults : list of str
        Is added what is wrong with them.

    Returns
    -------
    SourceSeparator or None
        None if something is wrong.
    """
    options: dict[str, Any] = {"seed": common.whole(args.seed)}
    for name in ("beta", "mask_power"):
        text = getattr(args, name)
        if text is not None:
            options[name] = settings.number(text)
    way = undescribed.way_of(args, faults)
    if way is None:
        return None
    if way != "sources":
        return undescribed.separator_of(args, way, options, part, faults)
    return _with_dictionaries(args, options, faults)


def _with_dictionaries(
    args: argparse.Namespace, options: dict[str, Any], faults: list[str]
) -> "SourceSeparator | None":
    from nmf_audio.separation.separator import Separator
    from nmf_audio.separation.sources import name_dictionaries

    if args.free is not None:
        name, sign, number = args.free.rpartition("=")
        options["free"] = {name: common.whole(number)} if sign else common.whole(number)
    before = len(faults)
    sources: dict[str, Any] = {}
    for word in args.sources:
        called_by, given = _named(word)
        try:
            loaded = name_dictionaries([given] if called_by is None else {called_by: given})
        except (ParameterError, DictionaryError) as error:
            faults.append(f"--sources {word}: {error}")
            continue
        for called, dictionary in loaded.items():
            if called_by is not None and len(dictionary.sources) > 1:
                faults.append(
                    f"--sources {word}: {given} has several sources of its own names; leave NAME= out"
                )
            if called in sources:
                faults.append(f"--sources {word}: two are called {called!r}; name them: NAME={given}")
            sources[called] = dictionary
    separator = settings.made(functools.partial(Separator, sources), options, faults) if sources else None
    return separator if len(faults) == before else None


def _named(word: str) -> tuple[str | None, str]:
    """Split ``NAME=FILE``; a file whose own name has the sign in it is a file."""
    name, sign, given = word.partition("=")
    return (name, given) if sign and not Path(word).exists() else (None, word)


def plan(args: argparse.Namespace, separator: "SourceSeparator | None", faults: list[str]) -> list[Job]:
    """Find the mixtures and their outputs, without touching anything.

    Parameters
    ----------
    args : argparse.Namespace
        Has `inputs`, `recursive`, `output_dir`, `name`, `format`, `sources`, `joint`, `skip_existing` and `force`.
    separator : SourceSeparator or None
        Has the sources; without one only the inputs are looked at.
    faults : list of str
        Is added what the names show to be wrong.

    Returns
    -------
    list of Job
        In the order of the inputs.
    """
    from nmf_audio.jobs.outputs import source_files

    if str(args.output_dir) == "-":
        faults.append("-o -: the parts are several files; name a folder")
    inputs = find_inputs(args.inputs, recursive=args.recursive, faults=faults, dash=True)
    streams.check_sources([entry.path for entry in inputs], faults)
    if len(inputs) > 1:
        inputs = [entry for entry in inputs if entry.path != streams.DASH]
    piped = [entry.path for entry in inputs] == [streams.DASH]
    if piped and args.joint:
        faults.append("--joint: standard input is one recording; leave --joint out, or name files")
    if args.skip_existing and args.force:
        faults.append("--skip-existing and --force are both given; give one of them")
    name = args.name or (STREAM_NAME if piped else defaults.DEFAULT_SOURCE_NAME)
    bare = re.sub(r"\{(stem|source|ext)\}", "", name)
    if "{source}" not in name or re.search(r"[{}/\\]", bare):
        faults.append(
            f"--name {name}; a name with {{source}}, without folders, is needed: {defaults.DEFAULT_SOURCE_NAME}"
        )
        return []
    if piped and "{stem}" in name:
        faults.append(f"--name {name}: standard input has no name to fill in; leave {{stem}} out")
    if separator is None:
        return []
    jobs = []
    for entry in inputs:
        folder = entry.path.parent if args.output_dir is None else args.output_dir / entry.folder
        like = Path("stream.wav") if entry.path == streams.DASH else entry.path
        parts = source_files(like, separator.sources, folder, name=name, format=args.format)
        done = all(path.is_file() for path in parts.values())
        jobs.append(Job(entry.path, parts, skip=args.skip_existing and done))
    jobs = planning.without_outputs(inputs, jobs, faults)
    dictionaries = [Path(given) for _, given in map(_named, args.sources or ()) if os.path.isfile(given)]  # noqa: PTH113
    planning.check_targets(jobs, args, dictionaries, faults)
    return jobs


def tell(args: argparse.Namespace, report: "SeparationReport") -> None:
    """Say what became of a mixture, if it is no fault.

    Parameters
    ----------
    args : argparse.Namespace
        See `common.add_verbosity`.
    report : SeparationReport
        What became of it.
    """
    if report.status == "failed":
        return
    src = streams.label(report.src)
    if report.status == "skipped":
        common.say(args, f"{src}: skipped, its parts exist")
        return
    if report.status == "done" and args.verbosity >= 1:
        for warning in report.warnings:
            common.report_fault(args, f"warning: {warning}", about=src)
    common.say(args, f"{src}: {', '.join([*telling.pace(report), *telling.changes(report)])}")
    for name, path in report.parts.items():
        common.say(args, f"  -> {path} ({_level(report.levels_db[name], report.level_before_db)})")
    channels = common.channels(report.n_channels)
    common.say(args, f"  {report.sr} Hz, {channels}, {report.format} {report.subtype}", level=2)


def _level(level_db: float, mixture_db: float) -> str:
    if level_db == -float("inf"):
        return "silent"
    difference = level_db - mixture_db
    return f"{abs(difference):.1f} dB {'above' if difference > 0 else 'below'} the mixture"


def build_document(
    reports: Iterable["SeparationReport"],
    separator: "SourceSeparator",
    options: Mapping[str, Any],
    *,
    complete: bool,
) -> dict[str, Any]:
    """Put reports into one document of JSON's types; docs/report.md describes it.

    Parameters
    ----------
    reports : iterable of SeparationReport
        What became of the mixtures.
    separator : SourceSeparator
        What took them apart.
    options : dict
        Which part was asked for, and what outputs were asked to be.
    complete : bool
        Whether all mixtures had their turn.

    Returns
    -------
    dict
    """
    from nmf_audio import __version__
    from nmf_audio.separation.separator import Separator

    return {
        "schema": SCHEMA,
        "version": __version__,
        "complete": complete,
        "sources": list(separator.sources),
        "dictionaries": [
            {"name": dictionary.name, "kind": dictionary.kind, "sha256": dictionary.sha256}
            for dictionary in (separator.dictionaries.values() if isinstance(separator, Separator) else ())
        ],
        "parameters": {**separator.parameters, **options},
        "files": [_entry(report) for report in reports],
    }


def _entry(report: "SeparationReport") -> dict[str, Any]:
    written = report.status in ("done", "partial")
    entry: dict[str, Any] = {
        "src": str(report.src),
        "status": report.status,
        "error": None if report.error is None else common.describe(report.error),
        "parts": {name: {"dst": str(path)} for name, path in report.parts.items()},
    }
    for name, part in entry["parts"].items():
        part["level_db"] = document.finite(report.levels_db[name]) if written else None
    entry |= document.values_of(report, (*document.OF_ALL, "level_before_db", "n_clipped"))
    entry["warnings"] = list(report.warnings)
    return entry
