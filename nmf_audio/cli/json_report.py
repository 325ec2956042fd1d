"""The JSON document of ``--json``; docs/report.md describes it."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common
from nmf_audio.io.remote import identify

if TYPE_CHECKING:
    from nmf_audio.jobs.report import AnyReport

SCHEMA = 1
SUFFIXES = (".json", ".jsonl", ".parquet")
_VALUES = (
    *("seconds", "sr", "n_channels", "format", "subtype", "src_sr", "src_format", "src_subtype"),
    *("elapsed_seconds", "real_time_factor", "level_before_db"),
)

_LEVELS = ("level_after_db", "noise_before_db", "noise_after_db", "noise_removed_db", "removed_db", "gain_db")


def check(
    args: argparse.Namespace, sources: Iterable[Path], targets: Iterable[Path], errors: list[str]
) -> None:
    """Add to `errors` what keeps the document on `sources` from being written; `targets` are written, too."""
    from nmf_audio.io.atomic import check_target

    args.earlier = None
    if args.json is None:
        return
    if args.dry_run:
        errors.append(common.describe_conflict("--json", "--dry-run", advice="a report is of what was done"))
    if args.json == common.STDOUT:
        return
    suffix = Path(args.json).suffix.lower()
    if suffix not in SUFFIXES:
        # the next word after --json may be meant as an input, which must not be written over
        names = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        errors.append(f"--json {args.json}: must end in {names}; put --json last to print it")
        return
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        errors.append(f"--json {args.json}: Parquet needs PyArrow; install it with: pip install pyarrow")
    if args.skip_existing or args.goes_on:
        earlier = _read_earlier(Path(args.json))
        # of other recordings nothing is forgotten unless that is asked for
        if args.skip_existing or (earlier or {}).keys() <= set(map(str, sources)):
            args.earlier = earlier
    goes_on = args.earlier is not None or args.resume_from is not None
    with common.collecting(errors):
        check_target(args.json, force=args.force or goes_on)
    if os.path.realpath(args.json) in map(identify, targets):
        errors.append(f"--json {args.json}: is an output too; name another")


def _read_earlier(path: Path) -> dict[str, dict[str, Any]] | None:
    """Return the entries of a report, by recording, or None if the file is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            return None
        return {entry["src"]: entry for entry in document["files"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def build(
    args: argparse.Namespace, reports: "Iterable[AnyReport]", head: Mapping[str, Any], *, complete: bool
) -> dict[str, Any]:
    """Put reports into one document of JSON's types; `head` is what holds for all files.

    A file that is skipped keeps its entry of the report before, which `check` has read.
    """
    from nmf_audio import __version__

    files = []
    for entry in map(make_entry, reports):
        before = (args.earlier or {}).get(entry["src"], {})
        is_same = entry["status"] == "skipped" and before.get("dst") == entry.get("dst")
        files.append(before if is_same and before.get("status") in ("done", "partial") else entry)
    return {"schema": SCHEMA, "version": __version__, "complete": complete, **head, "files": files}


def make_entry(report: "AnyReport") -> dict[str, Any]:
    """Return what a report says of one file, in JSON's types."""
    from nmf_audio.jobs.report import Report, RestorationReport, RestoredReport

    written = report.status in ("done", "partial")

    def values(*names: str) -> dict[str, Any]:
        return {name: _finite(getattr(report, name)) if written else None for name in names}

    entry: dict[str, Any] = {
        "src": str(report.src),
        "status": report.status,
        "error": None if report.error is None else common.describe(report.error),
    }
    if isinstance(report, Report):
        entry = {"src": entry["src"], "dst": str(report.dst), **entry}
        entry |= values(*_VALUES, *_LEVELS, "n_clipped")
        entry["keep_noise"] = None if report.keep_noise is None else str(report.keep_noise)
    elif isinstance(report, RestorationReport):
        entry = {"src": entry["src"], "dst": str(report.dst), **entry}
        entry |= values(*_VALUES, "level_after_db", "peak_after_db", "n_clipped")
    else:
        levels = {name: _finite(report.levels_db[name]) if written else None for name in report.parts}
        entry["parts"] = {
            name: {"dst": str(path), "level_db": levels[name]} for name, path in report.parts.items()
        }
        entry |= values(*_VALUES, "n_clipped")
    if isinstance(report, RestoredReport):
        entry |= values("n_restored")
        entry["clip_levels_db"] = list(report.clip_levels_db)
        entry["gaps"] = [list(gap) for gap in report.gaps]
    entry["warnings"] = list(report.warnings)
    return entry


def _finite(value: Any) -> Any:
    """Return a value as JSON has it, which knows no infinity: silence has no level."""
    return None if isinstance(value, float) and abs(value) == float("inf") else value


def write(args: argparse.Namespace, document: Mapping[str, Any]) -> None:
    """Write the document to the file that ``--json`` names; raise AudioFileError if that can't be done."""
    from nmf_audio.io.atomic import replacing

    text = json.dumps(document, indent=2, allow_nan=False)
    if args.json == common.STDOUT:
        common.write_line(text, sys.stdout)
        return
    if Path(args.json).suffix.lower() == ".jsonl":
        # it was written line by line
        return
    sources = [entry["src"] for entry in document["files"] if entry["src"] != common.STDOUT]
    with replacing(args.json, force=args.force or args.earlier is not None, sources=sources) as temporary:
        if Path(args.json).suffix.lower() == ".parquet":
            _write_table(temporary, document)
        else:
            temporary.write_text(text + "\n", encoding="utf-8")


def _write_table(path: Path, document: Mapping[str, Any]) -> None:
    """Write the entries of files as Parquet, and all else into its metadata."""
    import pyarrow.parquet

    head = json.dumps({name: value for name, value in document.items() if name != "files"})
    table = pyarrow.Table.from_pylist(document["files"])
    pyarrow.parquet.write_table(table.replace_schema_metadata({"nmf_audio": head}), path)
