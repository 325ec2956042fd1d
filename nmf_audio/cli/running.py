"""Works on recordings, one after the other or side by side, with the progress of them all on the terminal."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from nmf_audio.cli import common, streams

if TYPE_CHECKING:
    from nmf_audio.cli.planning import Planned
    from nmf_audio.jobs.processes import Work

Result = TypeVar("Result")


def run_works(
    args: argparse.Namespace,
    works: "Sequence[Work[Result]]",
    jobs: "Sequence[Planned]",
    *,
    n_jobs: int,
    called: str,
) -> Iterator[Result]:
    """Do works, and yield what becomes of them in their order.

    Parameters
    ----------
    args : argparse.Namespace
        See `common.add_verbosity`.
    works : sequence of Work
        What to do.
    jobs : sequence of Planned
        What each of them reads and writes.
    n_jobs : int
        How many at a time.
    called : str
        What several of them are called beside the progress bar, ``'recordings'``.

    Yields
    ------
    object
        What they return.
    """
    from nmf_audio.jobs.batch import in_total, run_files

    alone = len(jobs) == 1
    label = streams.label(jobs[0].src) if jobs[0].src == streams.DASH else jobs[0].src.name
    with common.progress_bar(
        args, label if alone else f"{len(jobs)} {called}", unit="s" if alone else ""
    ) as bar:

        def advance(done: float, total: float) -> None:
            if bar is not None:
                bar(done, total)

        if any(streams.DASH in (job.src, *job.targets) for job in jobs):
            # there is one, and here Ctrl-C also ends the wait for a pipe
            yield works[0](advance)
        elif alone:
            yield from run_files(works, progress=lambda _, done, total: advance(done, total))
        else:
            yield from run_files(works, jobs=n_jobs, progress=in_total(len(works), bar))
