"""A watched folder: recordings are denoised as they are put there, until the command is stopped."""

import argparse
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, file_command, messages, plan, report_lines
from nmf_audio.cli.inputs import Input
from nmf_audio.io.inbox import Inbox

if TYPE_CHECKING:
    from nmf_audio.jobs.file_work import FileWork
    from nmf_audio.jobs.report import Report

POLL_SECONDS = 0.5


def run(
    args: argparse.Namespace, make_work: "Callable[[plan.Plan], FileWork[Report]]", head: Mapping[str, Any]
) -> int:
    """Denoise what is in the folder, and what comes; only a signal ends it."""
    import signal

    from nmf_audio.io.formats import list_readable_extensions
    from nmf_audio.jobs.batch import run_files

    if hasattr(signal, "SIGIO") and threading.current_thread() is threading.main_thread():
        # comes if a file is opened for writing in the moment in which the inbox looks whether it is
        signal.signal(signal.SIGIO, signal.SIG_IGN)
    inbox = Inbox(args.watch, set(list_readable_extensions()), recursive=args.recursive)
    common.print_message(args, f"watching {args.watch}; Ctrl-C ends it, the same command continues")
    with file_command.workers(args) as executor, report_lines.writing_lines(args, head) as lines:
        while True:
            plans = [_plan(args, path) for path in inbox.find_complete()]
            plans = [planned for planned in plans if not (planned.skip or args.resumed.names(planned.key))]
            if not plans:
                time.sleep(POLL_SECONDS)
                continue
            plan.make_folders(args, plans)
            works = [replace(make_work(planned), refusal=planned.refusal) for planned in plans]
            finished = (lambda report: None) if lines is None else lines.append
            with closing(
                run_files(
                    works,
                    jobs=args.n_jobs,
                    isolate=args.is_isolated,
                    executor=executor,
                    progress=lambda *_: None,
                    finished=finished,
                )
            ) as reports:
                for report in reports:
                    messages.print_report(args, report)
                    messages.print_errors(args, [report])


def _plan(args: argparse.Namespace, path: Path) -> plan.Plan:
    return plan.plan_one(Input(path, path.parent.relative_to(args.watch)), args)
