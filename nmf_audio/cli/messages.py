"""Messages about recordings: results, errors, totals, and what a dry run would do."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nmf_audio.cli import common, streams
from nmf_audio.cli.plan import Plan
from nmf_audio.cli.times import format_time
from nmf_audio.io.remote import Url

if TYPE_CHECKING:
    from nmf_audio.jobs.report import AnyReport, RestoredReport


def print_report(args: argparse.Namespace, report: "AnyReport") -> None:
    """Print what became of a recording, if it is no error."""
    from nmf_audio.jobs.report import Report, RestorationReport, SeparationReport

    if report.status == "failed":
        return
    src = streams.display_name(report.src)
    if report.status == "skipped":
        existing = "its parts exist" if isinstance(report, SeparationReport) else f"{report.dst} exists"
        common.print_message(args, f"{src}: skipped, {existing}")
        return
    if report.status == "done" and args.verbosity >= 1:
        _print_warnings(args, report)
    detail = f"  {report.sr} Hz, {common.count_channels(report.n_channels)}, {report.format} {report.subtype}"
    if isinstance(report, Report):
        noise_db = report.noise_removed_db
        removed = [] if noise_db is None else [f"{noise_db:.1f} dB removed in pauses"]
        dst = streams.display_name(report.dst, output=True)
        # of what was not to be restored there are no levels
        restored = [_restored(report)] if report.clip_levels_db else []
        facts = ", ".join([*_speed(report), *restored, *removed, *_changes(report)])
        common.print_message(args, f"{src} -> {dst}: {facts}")
        detail += f"; method {report.method}, dictionary {report.dictionary}"
    elif isinstance(report, RestorationReport):
        dst = streams.display_name(report.dst, output=True)
        facts = ", ".join([*_speed(report), _restored(report), *_changes(report)])
        common.print_message(args, f"{src} -> {dst}: {facts}")
    else:
        common.print_message(args, f"{src}: {', '.join([*_speed(report), *_changes(report)])}")
        for name, path in report.parts.items():
            level = _level(report.levels_db[name], report.level_before_db)
            common.print_message(args, f"  -> {path} ({level})")
    common.print_message(args, detail, level=2)


def _restored(report: "RestoredReport") -> str:
    """Say what was restored."""
    levels_db = [level_db for level_db in report.clip_levels_db if level_db is not None]
    words = [f"{report.n_restored} samples clipped at {min(levels_db):.1f} dB"] if report.n_restored else []
    if report.gaps:
        words.append(f"{len(report.gaps)} gap{'s' if len(report.gaps) > 1 else ''}")
    return f"{' and '.join(words)} restored" if words else "nothing restored"


def _speed(report: "AnyReport") -> list[str]:
    words = [f"{report.seconds:.1f} s in {report.elapsed_seconds:.2f} s"]
    factor = report.real_time_factor
    if factor >= 1:
        words.append(f"{factor:.0f} times faster than real time")
    elif factor > 0:
        words.append(f"{1 / factor:.1f} times slower than real time")
    return words


def _changes(report: "AnyReport") -> list[str]:
    """Return what of a recording is no longer as it was, besides its sound."""
    words = [f"{report.n_clipped} samples of the output clipped"] if report.n_clipped else []
    now = [
        f"{new} Hz" if name == "sr" else str(new)
        for name in ("format", "subtype", "sr")
        if (new := getattr(report, name)) != getattr(report, f"src_{name}")
    ]
    return [*words, f"now {' '.join(now)}"] if now else words


def _level(level_db: float, mixture_db: float) -> str:
    if level_db == -float("inf"):
        return "silent"
    difference = level_db - mixture_db
    return f"{abs(difference):.1f} dB {'above' if difference > 0 else 'below'} the mixture"


def _print_warnings(args: argparse.Namespace, report: "AnyReport") -> None:
    for warning in report.warnings:
        common.report_error(args, f"warning: {warning}", about=streams.display_name(report.src))


def print_errors(args: argparse.Namespace, reports: "Iterable[AnyReport]") -> bool:
    """List all that went wrong, and return whether anything did."""
    any_error = False
    for report in reports:
        # the reader of standard output may leave when it has enough
        if report.error is not None and not isinstance(report.error, BrokenPipeError):
            common.report_error(args, report.error, about=streams.display_name(report.src))
        elif report.status == "partial":
            _print_warnings(args, report)
        any_error |= report.status in ("failed", "partial")
    return any_error


def print_left_out(args: argparse.Namespace) -> None:
    """Print which inputs are left out, since they are outputs of others."""
    if not args.left_out:
        return
    (output, source), *more = args.left_out.items()
    what = (
        f"{len(more) + 1} inputs left out, which are outputs of others, such as {output}"
        if more
        else (f"{output}: left out, since it is an output of {source}")
    )
    common.print_message(args, f"{what}; give it alone to process it")


def print_total(
    args: argparse.Namespace, reports: "Sequence[AnyReport]", *, n_planned: int, elapsed: float
) -> None:
    """Print what became of all recordings together."""
    counts = Counter(report.status for report in reports)
    words = [f"{counts[status]} {status}" for status in ("done", "partial", "failed")]
    words += [f"{counts['skipped']} already there (--force makes them again)"] if counts["skipped"] else []
    words += [f"{n_planned - len(reports)} not processed"] if len(reports) < n_planned else []
    hours = sum(report.seconds for report in reports) / 3600
    time = f"{elapsed:.1f} s" if elapsed < 60 else format_time(elapsed)
    common.print_message(args, f"{', '.join(words)}; {hours:.3g} hours of sound in {time}")


def print_plans(args: argparse.Namespace, plans: Iterable[Plan]) -> bool:
    """Print what would be done, list what can't be read, and return whether there is any such."""
    from nmf_audio.errors import AudioFileError, MissingExtraError
    from nmf_audio.io.open import open_reader

    refused: list[str] = []
    for plan in plans:
        src = streams.display_name(plan.src)
        targets = " and ".join(streams.display_name(target, output=True) for target in plan.targets)
        if plan.skip:
            common.print_message(args, f"{src}: would be skipped, {plan.targets[0]} exists")
            continue
        if plan.refusal is not None:
            refused.append(f"{src}: {common.describe(plan.refusal)}")
            continue
        if plan.src == streams.DASH or isinstance(plan.src, Url):
            common.print_message(args, f"{src} -> {targets}")
            continue
        try:
            with open_reader(plan.src) as reader:
                seconds = f"{reader.n_samples / reader.sr:.1f} s, " if reader.n_samples is not None else ""
                what = f"{seconds}{reader.sr} Hz, {common.count_channels(reader.n_channels)}"
        except (AudioFileError, MissingExtraError) as error:
            refused.append(common.describe(error))
            continue
        common.print_message(args, f"{src} -> {targets} ({what})")
    for refusal in refused:
        common.report_error(args, refusal)
    return bool(refused)
