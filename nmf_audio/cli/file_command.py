"""The steps that commands on files share: check, process, print, write the JSON document."""

import argparse
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from nmf_audio.cli import common, json_report, messages, plan, report_lines, settings, streams
from nmf_audio.cli.progress import SoundTotal, progress_bar

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nmf_audio.io.pcm import RawFormat
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import Report, RestorationReport, SeparationReport

AnyReport = TypeVar("AnyReport", "Report", "SeparationReport", "RestorationReport")


def check(
    args: argparse.Namespace, plans: Sequence[plan.Plan], raw: "RawFormat | None", errors: list[str]
) -> dict[str, Any]:
    """Check ``--jobs``, ``--json`` and the formats of outputs; return what outputs are asked to be.

    `UsageError` if there are errors, these or earlier ones.
    """
    args.n_jobs = settings.read_jobs(args, errors)
    is_streamed = any(planned.is_streamed for planned in plans)
    if args.isolate and is_streamed:
        errors.append("--isolate: standard input and output stay with the command itself; name files")
    if args.isolate and args.cluster is not None:
        errors.append(common.describe_conflict("--isolate", "--cluster", advice="leave --isolate out"))
    args.is_isolated = args.isolate or (args.n_jobs > 1 and args.cluster is None)
    if args.cluster is not None:
        errors += [common.describe_conflict("--jobs", "--cluster")] if args.n_jobs != 1 else []
        if is_streamed:
            errors.append("--cluster: standard input and output stay on this computer; name files")
    targets = {
        target: planned.src for planned in plans if planned.refusal is None for target in planned.targets
    }
    options = settings.read_output_options(args, targets.items(), raw, errors)
    json_report.check(args, [planned.src for planned in plans], targets, errors)
    if errors:
        raise common.UsageError(errors)
    return options


def run(
    args: argparse.Namespace,
    plans: Sequence[plan.Plan],
    make_works: "Callable[[], Sequence[FileWork[AnyReport]]]",
    head: Mapping[str, Any],
    *,
    called: str,
) -> int:
    """Do what is planned, or print it if this is a dry run; return the exit code.

    `args` were checked by `check`. `make_works` returns a work for each of the plans, `head` is what the JSON
    document has besides its files, and `called` the word for several recordings beside the progress bar.
    """
    messages.print_left_out(args)
    if args.dry_run:
        return common.EXIT_ERROR if messages.print_plans(args, plans) else common.EXIT_DONE
    if args.resumed.done:
        n_before = len(args.resumed.done)
        common.print_message(args, f"{n_before} done before, {len(plans)} to go ({args.resume_from})")
    if not plans:
        return common.EXIT_DONE
    started = time.monotonic()
    reports: list[AnyReport] = []
    ended: list[AnyReport] = []
    try:
        with workers(args) as executor, report_lines.writing_lines(args, head) as lines:
            plan.make_folders(args, [planned for planned in plans if not planned.skip])
            works = _with_refusals(make_works(), plans)

            def finished(report: AnyReport) -> None:
                ended.append(report)
                if lines is not None:
                    lines.append(report)

            with closing(_run_works(args, works, plans, called, executor, finished)) as results:
                for report in results:
                    reports.append(report)
                    messages.print_report(args, report)
    except KeyboardInterrupt:
        # of what is done, nothing is interrupted
        if len(ended) < len(plans):
            raise
    finally:
        if len(ended) > len(reports):
            reports = _print_late(args, plans, reports, ended)
        any_error = messages.print_errors(args, reports)
        if len(plans) > 1:
            messages.print_total(args, reports, n_planned=len(plans), elapsed=time.monotonic() - started)
        if args.json is not None:
            complete = len(reports) == len(plans)
            json_report.write(args, json_report.build(args, reports, head, complete=complete))
    if any(isinstance(report.error, BrokenPipeError) for report in reports):
        return common.EXIT_PIPE
    return common.EXIT_ERROR if any_error else common.EXIT_DONE


def _print_late(
    args: argparse.Namespace,
    plans: Sequence[plan.Plan],
    reports: Sequence[AnyReport],
    ended: Sequence[AnyReport],
) -> list[AnyReport]:
    """Print what ended, but not in its turn, since others before it were interrupted; return all in their order."""
    late = [report for report in ended if all(report is not other for other in reports)]
    for report in late:
        messages.print_report(args, report)
    order = {planned.key: i for i, planned in enumerate(plans)}
    all_ended = list(reports)
    all_ended.extend(late)
    return sorted(all_ended, key=lambda report: order[_find_key(report)])


def _find_key(report: "Report | SeparationReport | RestorationReport") -> tuple[str, str]:
    """Return the key of the plan of which this is the report."""
    from nmf_audio.jobs.report import SeparationReport

    dst = next(iter(report.parts.values())) if isinstance(report, SeparationReport) else report.dst
    return str(report.src), str(dst)


@contextmanager
def workers(args: argparse.Namespace) -> "Iterator[Executor | None]":
    """Give the workers that ``--cluster`` names, if it does."""
    if args.cluster is None:
        yield None
        return
    from nmf_audio.errors import MissingExtraError, ParameterError
    from nmf_audio.jobs.cluster import connecting

    with ExitStack() as stack:
        try:
            executor = stack.enter_context(connecting(args.cluster))
        except (ParameterError, MissingExtraError) as error:
            raise common.UsageError([common.describe(error)]) from error
        yield executor


def _with_refusals(
    works: "Sequence[FileWork[AnyReport]]", plans: Sequence[plan.Plan]
) -> "list[FileWork[AnyReport]]":
    """Return works of which those fail at once whose outputs can't be written."""
    return [replace(work, refusal=planned.refusal) for work, planned in zip(works, plans, strict=True)]


def _run_works(
    args: argparse.Namespace,
    works: "Sequence[FileWork[AnyReport]]",
    plans: Sequence[plan.Plan],
    called: str,
    executor: "Executor | None",
    finished: "Callable[[AnyReport], None]",
) -> "Generator[AnyReport]":
    """Do works, and yield their reports in order, with the progress of them all on the terminal."""
    from nmf_audio.jobs.batch import run_files

    alone = len(plans) == 1
    src = plans[0].src
    label = streams.display_name(src) if src == streams.DASH else src.name
    with progress_bar(args, label if alone else f"{len(plans)} {called}", unit="s") as update:

        def advance(done: float, total: float) -> None:
            if total:
                update(done, total)

        if any(one.is_streamed for one in plans):
            # there is one, and here Ctrl-C also ends the wait for a pipe
            report = works[0](advance)
            finished(report)
            yield report
        elif alone:
            yield from run_files(
                works,
                isolate=args.is_isolated,
                executor=executor,
                progress=lambda _, done, total: advance(done, total),
                finished=finished,
            )
        else:
            sources = [None if one.skip or one.refusal else one.src for one in plans]
            total = SoundTotal(sources, update)
            yield from run_files(
                works,
                jobs=args.n_jobs,
                isolate=args.is_isolated,
                executor=executor,
                progress=total.advance,
                finished=finished,
            )
