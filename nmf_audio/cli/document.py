"""The document that ``denoise --json`` writes; docs/report.md describes it."""

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common
from nmf_audio.errors import AudioFileError

if TYPE_CHECKING:
    from nmf_audio.denoiser import Denoiser
    from nmf_audio.jobs.report import Report

SCHEMA = 1
OF_ALL = (
    *("seconds", "sr", "n_channels", "format", "subtype", "src_sr", "src_format", "src_subtype"),
    *("elapsed_seconds", "real_time_factor"),
)
"""What any report of a recording has."""


def check(args: argparse.Namespace, targets: Iterable[Path], faults: list[str]) -> None:
    """Check where the document goes.

    Parameters
    ----------
    args : argparse.Namespace
        Has `json`, `dry_run` and `force`.
    targets : iterable of Path
        What else is written.
    faults : list of str
        Is added what is wrong.
    """
    from nmf_audio.io.atomic import check_target

    if args.json is None:
        return
    if args.dry_run:
        faults.append("--json and --dry-run are both given; a report is of what was done")
    if args.json == common.STDOUT:
        return
    if not args.json.lower().endswith(".json"):
        # the next word after --json may be meant as an input, which must not be written over
        faults.append(f"--json {args.json}: a name that ends in .json is needed; put --json last to print it")
        return
    try:
        check_target(args.json, force=args.force)
    except AudioFileError as error:
        faults.append(str(error))
    if os.path.realpath(args.json) in map(os.path.realpath, targets):
        faults.append(f"--json {args.json}: is an output too; name another")


def build(
    reports: Iterable["Report"], denoiser: "Denoiser", options: dict[str, Any], *, complete: bool
) -> dict[str, Any]:
    """Put reports into one document of JSON's types.

    Parameters
    ----------
    reports : iterable of Report
        What became of the recordings.
    denoiser : Denoiser
        What denoised them.
    options : dict
        Keywords of `denoise_file` that hold for all.
    complete : bool
        Whether all recordings had their turn.

    Returns
    -------
    dict
    """
    from nmf_audio import __version__

    noise = options["noise"]
    parameters = {
        "reduction_db": denoiser.reduction_db,
        "mix": denoiser.mix,
        "noise": None if noise is None else str(noise),
        **{name: options[name] for name in ("noise_from", "channels", "start", "end")},
        **{name: options[name] for name in ("format", "subtype", "sr")},
        "raw": None if options["raw"] is None else options["raw"].coding,
    }
    return {
        "schema": SCHEMA,
        "version": __version__,
        "complete": complete,
        "method": denoiser.method,
        "dictionary": {"name": denoiser.dictionary.name, "sha256": denoiser.dictionary.sha256},
        "parameters": parameters,
        "files": [_entry(report) for report in reports],
    }


def values_of(report: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return what a report says of a recording, None where nothing was written or the number is infinite.

    Parameters
    ----------
    report : Report or SeparationReport
        What became of it.
    names : iterable of str
        Attributes of the report.

    Returns
    -------
    dict
    """
    written = report.status in ("done", "partial")
    return {name: finite(getattr(report, name)) if written else None for name in names}


def finite(value: Any) -> Any:
    """Return a value as JSON has it, which knows no infinity: silence has no level."""
    return None if isinstance(value, float) and abs(value) == float("inf") else value


def _entry(report: "Report") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "src": str(report.src),
        "dst": str(report.dst),
        "status": report.status,
        "error": None if report.error is None else common.describe(report.error),
    }
    levels = ("level_before_db", "level_after_db", "removed_db")
    entry |= values_of(report, (*OF_ALL, *levels, "n_clipped"))
    entry["keep_noise"] = None if report.keep_noise is None else str(report.keep_noise)
    entry["warnings"] = list(report.warnings)
    return entry


def write(args: argparse.Namespace, document: dict[str, Any]) -> None:
    """Write the document where `json` says.

    Parameters
    ----------
    args : argparse.Namespace
        Has `json` and `force`.
    document : dict
        See `build`.

    Raises
    ------
    AudioFileError
        If it can't be written.
    """
    from nmf_audio.io.atomic import replacing

    text = json.dumps(document, indent=2, allow_nan=False)
    if args.json == common.STDOUT:
        common.write_line(text, sys.stdout)
        return
    with replacing(args.json, force=args.force) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
