"""Which file becomes which: outputs of inputs, and all that their names show to be wrong."""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from nmf_audio.cli import common, streams
from nmf_audio.cli.inputs import Input, find_inputs
from nmf_audio.errors import AudioFileError


class Planned(Protocol):
    """A recording, and what is to be written of it."""

    @property
    def src(self) -> Path:
        """The recording."""

    @property
    def targets(self) -> tuple[Path, ...]:
        """All that is to be written."""

    @property
    def skip(self) -> bool:
        """Whether there is nothing to do, since the outputs exist."""


@dataclass(frozen=True)
class Job:
    """One recording, and where its parts go.

    Parameters
    ----------
    src, dst : Path
        The recording and its output.
    keep_noise : Path or None
        Where what was removed goes.
    skip : bool
        The output exists, and that is why there is nothing to do.
    """

    src: Path
    dst: Path
    keep_noise: Path | None = None
    skip: bool = False

    @property
    def targets(self) -> tuple[Path, ...]:
        """All that is to be written."""
        return (self.dst,) if self.keep_noise is None else (self.dst, self.keep_noise)


def plan(args: argparse.Namespace, faults: list[str]) -> list[Job]:
    """Find the recordings and their outputs, without touching anything.

    Parameters
    ----------
    args : argparse.Namespace
        Has `inputs`, `recursive`, `output`, `output_dir`, `name`, `format`, `keep_noise`, `skip_existing`,
        `noise`, `json`, `raw` and `force`.
    faults : list of str
        Is added what the names show to be wrong.

    Returns
    -------
    list of Job
        In the order of the inputs.
    """
    inputs = find_inputs(args.inputs, recursive=args.recursive, faults=faults, dash=True)
    streams.check(args, [entry.path for entry in inputs], faults)
    if args.output is not None and args.output_dir is not None:
        faults.append("-o and --output-dir are both given; give one of them")
    if args.output is not None and args.name is not None:
        faults.append("-o and --name are both given; give one of them")
    if args.skip_existing and args.force:
        faults.append("--skip-existing and --force are both given; give one of them")
    if args.name is not None and not _is_pattern(args.name):
        faults.append(
            f"--name {args.name}; a name with {{stem}}, without folders, is needed: {{stem}}.clean{{ext}}"
        )
    several = len(inputs) > 1
    one_output = args.output is not None and several
    if one_output:
        faults.append(f"-o {args.output} names one file for {len(inputs)} inputs; give --output-dir")
    one_noise = args.keep_noise is not None and several and not _is_pattern(args.keep_noise)
    if one_noise:
        faults.append(
            f"--keep-noise {args.keep_noise} names one file for {len(inputs)} inputs; "
            "give a pattern, such as {stem}.noise{ext}"
        )
    inputs = [entry for entry in inputs if entry.path != streams.DASH or args.output is not None]
    jobs = without_outputs(inputs, [_job(entry, args) for entry in inputs], faults)
    check = not one_output and not one_noise
    check_targets(jobs if check else [], args, [] if args.noise is None else [args.noise], faults)
    return jobs


Plan = TypeVar("Plan", bound=Planned)


def _is_pattern(name: str) -> bool:
    return "{stem}" in name and re.fullmatch(r"[^{}/\\]*", re.sub(r"\{(stem|ext)\}", "", name)) is not None


def _job(entry: Input, args: argparse.Namespace) -> Job:
    from nmf_audio import defaults
    from nmf_audio.jobs.outputs import default_output

    src = entry.path
    folder = src.parent if args.output_dir is None else args.output_dir / entry.folder
    dst = args.output or default_output(
        src, folder, name=args.name or defaults.DEFAULT_NAME, format=args.format
    )
    keep_noise = None
    if args.keep_noise is not None:
        is_pattern = _is_pattern(args.keep_noise)
        keep_noise = (
            default_output(src, dst.parent, name=args.keep_noise, format=args.format)
            if is_pattern
            else common.path(args.keep_noise)
        )
    exists = dst != streams.DASH and dst.is_file()
    return Job(src, dst, keep_noise, skip=args.skip_existing and exists)


def without_outputs(inputs: Sequence[Input], jobs: Sequence[Plan], faults: list[str]) -> list[Plan]:
    """Leave out what was found in a folder but is only the output of another recording, of an earlier day.

    If nothing else is there, that is a fault.
    """
    outputs = {os.path.realpath(target) for job in jobs for target in job.targets}
    left = [
        job
        for entry, job in zip(inputs, jobs, strict=True)
        if not (entry.found and os.path.realpath(entry.path) in outputs)
    ]
    if jobs and not left:
        faults.append(
            f"{jobs[0].src}: all that was found has the name of an output; give another --name or folder for these"
        )
    return left


def check_targets(
    jobs: Sequence[Planned], args: argparse.Namespace, others: Sequence[Path], faults: list[str]
) -> None:
    """Add to `faults` what keeps the outputs from being written, as far as names show.

    Parameters
    ----------
    jobs : sequence of Planned
        What is to be written.
    args : argparse.Namespace
        Has `output_dir` and `force`.
    others : sequence of Path
        What else is read.
    faults : list of str
        Is added what is wrong.
    """
    from nmf_audio.io.atomic import check_target

    n_faults = len(faults)
    folder_exists = args.output_dir is None or _check_folder(args.output_dir, faults)
    # what is wrong with the folder is said once, not again of each file in it
    folder_is_good = folder_exists and len(faults) == n_faults
    sources = [*(job.src for job in jobs if job.src != streams.DASH), *others]
    taken: dict[str, Planned] = {}
    for job in jobs:
        for dst in job.targets:
            if dst == streams.DASH:
                continue
            real = os.path.realpath(dst)
            if real in taken:
                other = taken[real]
                both = f"two parts of {job.src}" if other is job else f"{other.src} and {job.src}"
                faults.append(f"{both} have the same output {dst}; write to different folders or names")
                continue
            taken[real] = job
            # what lies in a folder that is yet to be made can't be in the way
            made = args.output_dir in dst.parents and (not folder_is_good or not dst.parent.is_dir())
            if not made and not job.skip:
                try:
                    check_target(dst, sources=sources, force=args.force)
                except AudioFileError as error:
                    faults.append(str(error))


def _check_folder(folder: Path, faults: list[str]) -> bool:
    """Whether the folder exists; add to `faults` what keeps it from being made."""
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        faults.append(f"--output-dir {folder}: {existing} is no folder")
    elif not os.access(existing, os.W_OK | os.X_OK):
        faults.append(f"--output-dir {folder}: no permission to write to {existing}")
    return folder.is_dir()


def make_folders(args: argparse.Namespace, jobs: Sequence[Planned]) -> None:
    """Make the folder of the outputs, and those in it.

    Parameters
    ----------
    args : argparse.Namespace
        Has `output_dir`.
    jobs : sequence of Planned
        What will be written; the first of each in the folder.

    Raises
    ------
    common.UsageError
        If one can't be made.
    """
    if args.output_dir is None:
        return
    for folder in dict.fromkeys([args.output_dir, *(job.targets[0].parent for job in jobs)]):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise common.UsageError([f"--output-dir {folder}: can't be made: {error.strerror}"]) from error
