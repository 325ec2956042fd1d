"""The display of a live session: one line while it runs, some at its end."""

import argparse
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nmf_audio.cli import common

if TYPE_CHECKING:
    from nmf_audio.live import LiveStatus

Show = Callable[["LiveStatus"], None]

KINDS = {
    "n_input_overflow": "input overflow",
    "n_input_underflow": "input underflow",
    "n_output_overflow": "output overflow",
    "n_output_underflow": "output underflow",
    "n_gaps": "gap",
}


@contextmanager
def status_line(args: argparse.Namespace) -> Iterator[Show | None]:
    """Keep one line of standard error for the status, if that is a terminal and ``-q`` was not given.

    Yields what shows a status in place of the last one, or None; the line is empty when the context is left.
    """
    if args.verbosity == 0 or not sys.stderr.isatty():
        yield None
        return
    n_shown = 0

    def write(text: str) -> None:
        nonlocal n_shown
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{text[:width]:{min(n_shown, width)}}")
        sys.stderr.flush()
        n_shown = len(text)

    try:
        yield lambda status: write(status_text(status))
    finally:
        write("")
        sys.stderr.write("\r")
        sys.stderr.flush()


def status_text(status: "LiveStatus") -> str:
    """Put a status into a line, what matters most first."""
    parts = [
        "BEFORE" if status.bypass else "after ",
        f"{status.seconds // 60:.0f}:{status.seconds % 60:02.0f}",
        f"delay {status.latency_ms:.0f} ms",
        f"drop-outs {status.n_dropouts}, late {status.n_late}",
        f"real-time factor {status.real_time_factor:.0f}, worst {status.worst_real_time_factor:.1f}",
        f"in {_level(status.input_db)}, out {_level(status.output_db)}",
    ]
    return "  ".join(parts)


def summary_lines(status: "LiveStatus") -> list[str]:
    """Put a status into the lines of a summary."""
    lines = [
        f"{status.seconds:.1f} s; delay {status.latency_ms:.0f} ms (devices {status.device_latency_ms:.0f}, "
        f"denoiser {status.stream_latency_ms:.0f})"
    ]
    if not status.n_blocks:
        return lines
    lines.append(
        f"real-time factor {status.real_time_factor:.1f}, of the slowest block "
        f"{status.worst_real_time_factor:.1f} (above 1 is in time)"
    )
    kinds = [f"{getattr(status, name)} {text}" for name, text in KINDS.items() if getattr(status, name)]
    what = f" ({', '.join(kinds)})" if kinds else ""
    lines.append(f"drop-outs {status.n_dropouts}{what}, late blocks {status.n_late}")
    if status.n_dropouts or status.n_late:
        lines.append(
            "against drop-outs: --latency high, a larger --block-size, or fewer other programs running"
        )
    return lines


def _level(decibels: float) -> str:
    return "silence" if decibels == -math.inf else f"{decibels:.0f} dB"


def print_summary(args: argparse.Namespace, status: "LiveStatus") -> bool:
    """Print a summary, and return whether the recording is incomplete."""
    for line in summary_lines(status):
        common.print_message(args, line)
    if args.record is None:
        return False
    common.print_message(args, f"{args.record}: {status.recorded_seconds:.1f} s")
    if status.unrecorded_seconds:
        common.report_error(
            args, f"lacks {status.unrecorded_seconds:.1f} s that were played", about=args.record
        )
    return status.unrecorded_seconds > 0
