"""What the command ``denoise`` says of each recording, and what others say, too."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nmf_audio.cli import common, streams
from nmf_audio.cli.planning import Planned

if TYPE_CHECKING:
    from nmf_audio.jobs.report import Report, SeparationReport


def tell(args: argparse.Namespace, report: "Report") -> None:
    """Say what became of a recording, if it is no fault.

    Parameters
    ----------
    args : argparse.Namespace
        See `common.add_verbosity`.
    report : Report
        What became of it.
    """
    if report.status == "failed":
        return
    src = streams.label(report.src)
    if report.status == "skipped":
        common.say(args, f"{src}: skipped, {report.dst} exists")
        return
    if report.status == "done" and args.verbosity >= 1:
        for warning in report.warnings:
            common.report_fault(args, f"warning: {warning}", about=src)
    parts = [*pace(report), f"{report.removed_db:.1f} dB removed", *changes(report)]
    common.say(args, f"{src} -> {streams.label(report.dst, output=True)}: {', '.join(parts)}")
    detail = f"{report.sr} Hz, {common.channels(report.n_channels)}, {report.format} {report.subtype}"
    common.say(args, f"  {detail}; method {report.method}, dictionary {report.dictionary}", level=2)


def pace(report: "Report | SeparationReport") -> list[str]:
    """Return how fast a recording was worked on, in words."""
    words = [f"{report.seconds:.1f} s in {report.elapsed_seconds:.2f} s"]
    factor = report.real_time_factor
    if factor >= 1:
        words.append(f"{factor:.0f} times faster than real time")
    elif factor > 0:
        words.append(f"{1 / factor:.1f} times slower than real time")
    return words


def changes(report: "Report | SeparationReport") -> list[str]:
    """Return what of a recording is no longer as it was, besides its sound, in words."""
    words = [f"{report.n_clipped} samples clipped"] if report.n_clipped else []
    now = [
        f"{new} Hz" if name == "sr" else str(new)
        for name in ("format", "subtype", "sr")
        if (new := getattr(report, name)) != getattr(report, f"src_{name}")
    ]
    return [*words, f"now {' '.join(now)}"] if now else words


class Outcome(Protocol):
    """What a report says of faults."""

    @property
    def src(self) -> Path:
        """The recording."""

    @property
    def status(self) -> str:
        """What became of it."""

    @property
    def error(self) -> Exception | None:
        """Why it failed."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was lost."""


def tell_faults(args: argparse.Namespace, reports: Iterable[Outcome]) -> bool:
    """List all that went wrong.

    Parameters
    ----------
    args : argparse.Namespace
        See `common.add_verbosity`.
    reports : iterable of Outcome
        What became of the recordings.

    Returns
    -------
    bool
        Whether anything did.
    """
    any_fault = False
    for report in reports:
        src = streams.label(report.src)
        # whoever reads standard output may leave when there is enough
        if report.error is not None and not isinstance(report.error, BrokenPipeError):
            common.report_fault(args, report.error, about=src)
        elif report.status == "partial":
            for warning in report.warnings:
                common.report_fault(args, f"warning: {warning}", about=src)
        any_fault |= report.status in ("failed", "partial")
    return any_fault


def tell_plan(args: argparse.Namespace, jobs: Iterable[Planned]) -> bool:
    """Say what would be done, and list what can't be read.

    Parameters
    ----------
    args : argparse.Namespace
        See `common.add_verbosity`.
    jobs : iterable of Planned
        What would be done.

    Returns
    -------
    bool
        Whether anything can't be read.
    """
    from nmf_audio.errors import AudioFileError, MissingExtraError
    from nmf_audio.io.open import open_reader

    refused = []
    for job in jobs:
        src = streams.label(job.src)
        targets = " and ".join(streams.label(target, output=True) for target in job.targets)
        if job.skip:
            common.say(args, f"{src}: would be skipped, {job.targets[0]} exists")
            continue
        if job.src == streams.DASH:
            common.say(args, f"{src} -> {targets}")
            continue
        try:
            with open_reader(job.src) as reader:
                seconds = f"{reader.n_samples / reader.sr:.1f} s, " if reader.n_samples is not None else ""
                what = f"{seconds}{reader.sr} Hz, {common.channels(reader.n_channels)}"
        except (AudioFileError, MissingExtraError) as error:
            refused.append(error)
            continue
        common.say(args, f"{src} -> {targets} ({what})")
    for fault in refused:
        common.report_fault(args, fault)
    return bool(refused)
