"""Reports of one line for each file, written as soon as it is done, and read by a run that goes on."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nmf_audio.cli import common, json_report
from nmf_audio.io.locks import lock

if TYPE_CHECKING:
    from nmf_audio.jobs.report import AnyReport

CLOCK_SECONDS = 2.0
"""By how much the clocks of a disk and of this computer may differ."""


@dataclass(frozen=True)
class Resumed:
    """What an earlier run has done.

    `done` has a recording and its first output for each file that needs nothing more, `head` the first line of the
    report, `started` when it was begun, `n_bytes` how much of the report is whole.
    """

    done: frozenset[tuple[str, str]] = frozenset()
    head: Mapping[str, Any] = field(default_factory=dict)
    started: float | None = None
    n_bytes: int = 0

    def names(self, key: tuple[str, str]) -> bool:
        """Whether a recording with this first output needs nothing more."""
        return key in self.done

    def has_made(self, outputs: Iterable[Path]) -> bool:
        """Whether outputs, which are there, were made since the report was begun: it ended before it could say so."""
        if self.started is None:
            return False
        return all(path.stat().st_mtime >= self.started - CLOCK_SECONDS for path in outputs)

    def skips_what_appears(self, args: argparse.Namespace) -> bool:
        """Whether an output that appears meanwhile is taken for done: a process of the earlier run may end late."""
        return self.started is not None and not args.force


def read_resumed(args: argparse.Namespace, errors: list[str]) -> Resumed:
    """Return what ``--resume-from`` says is done; what can't be read of its end is of a run that was killed."""
    if args.resume_from is None:
        return Resumed()
    if not args.resume_from.lower().endswith(".jsonl"):
        errors.append(f"--resume-from {args.resume_from}: must end in .jsonl")
        return Resumed()
    if args.json not in (None, args.resume_from):
        errors.append("--resume-from and --json name different reports; leave --json out")
    args.json = args.resume_from
    try:
        lines = Path(args.resume_from).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return Resumed()
    except OSError as error:
        errors.append(f"--resume-from {args.resume_from}: {error.strerror}")
        return Resumed()
    done, n_bytes = set(), 0
    head: dict[str, Any] = {}
    for line in lines:
        entry = _parse(line)
        if entry is None:
            break
        if not n_bytes:
            if entry.get("schema") != json_report.SCHEMA or not isinstance(entry.get("started"), float):
                errors.append(f"--resume-from {args.resume_from}: is not a report of lines; name another")
                return Resumed()
            head = entry
        elif entry["status"] != "failed":
            parts = entry.get("parts", {"": entry})
            done.add((entry["src"], next(iter(parts.values()))["dst"]))
        n_bytes += len(line)
    return Resumed(frozenset(done), head, head.get("started"), n_bytes)


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict) and ("schema" in entry or {"src", "status"} <= entry.keys()):
            return entry
    return None


@contextmanager
def writing_lines(args: argparse.Namespace, head: Mapping[str, Any]) -> "Iterator[ReportLines | None]":
    """Open the report of lines that the arguments ask for, if they do.

    `UsageError` if it continues a report of other settings, or another run is writing it.
    """
    if args.json is None or not args.json.lower().endswith(".jsonl"):
        yield None
        return
    from nmf_audio import __version__

    head = json.loads(json.dumps({"schema": json_report.SCHEMA, "version": __version__, **head}))
    before = {name: value for name, value in args.resumed.head.items() if name != "started"}
    other = [name for name in head if before and name != "version" and head[name] != before.get(name)]
    if other:
        what = ", ".join(f"{name} {before.get(name)}, now {head[name]}" for name in other)
        raise common.UsageError([f"--resume-from {args.json}: was made with other settings ({what})"])
    with open(args.json, "ab") as file:  # noqa: PTH123
        if lock(file) is False:
            raise common.UsageError([f"--resume-from {args.json}: another run is writing it"])
        file.truncate(args.resumed.n_bytes)
        lines = ReportLines(file)
        if not before:
            lines.write({**head, "started": time.time()})
        yield lines


class ReportLines:
    """An open report."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def append(self, report: "AnyReport") -> None:
        """Write what became of one file."""
        self.write(json_report.make_entry(report))

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write a line, all of it at once."""
        self._file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
        self._file.flush()
