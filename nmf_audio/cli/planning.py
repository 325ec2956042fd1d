"""Which file becomes which: outputs of inputs, and all that their names show to be wrong."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from nmf_audio.cli import common
from nmf_audio.errors import AudioFileError


@dataclass(frozen=True)
class Job:
    """One recording, and where its parts go.

    Parameters
    ----------
    src, dst : Path
        The recording and its output.
    keep_noise : Path or None
        Where what was removed goes.
    """

    src: Path
    dst: Path
    keep_noise: Path | None = None

    @property
    def targets(self) -> tuple[Path, ...]:
        """All that is to be written."""
        return (self.dst,) if self.keep_noise is None else (self.dst, self.keep_noise)


def plan(args: argparse.Namespace, faults: list[str]) -> list[Job]:
    """Find the output of each input, without touching anything.

    Parameters
    ----------
    args : argparse.Namespace
        Has `inputs`, `output`, `output_dir`, `keep_noise`, `noise` and `force`.
    faults : list of str
        Is added what the names show to be wrong.

    Returns
    -------
    list of Job
        In the order of the inputs.
    """
    from nmf_audio.files import default_output

    inputs: list[Path] = args.inputs
    folder_exists = args.output_dir is None or _check_folder(args.output_dir, faults)
    if Path("-") in (*inputs, args.output):
        faults.append("-: standard input and output can't be used yet; name files")
    if args.output is not None and args.output_dir is not None:
        faults.append("-o and --output-dir are both given; give one of them")
    several = len(inputs) > 1
    if args.output is not None and several:
        faults.append(f"-o {args.output} names one file for {len(inputs)} inputs; give --output-dir")
    one_noise = args.keep_noise is not None and several and "{stem}" not in args.keep_noise
    if one_noise:
        faults.append(
            f"--keep-noise {args.keep_noise} names one file for {len(inputs)} inputs; "
            "give a pattern, such as '{stem}.noise{ext}'"
        )
    jobs = []
    for src in inputs:
        if src == Path("-"):
            continue
        faults.extend(_input_faults(src))
        dst = args.output or default_output(src, args.output_dir)
        jobs.append(Job(src, dst, None if args.keep_noise is None else _named(args.keep_noise, src, dst)))
    if not (several and args.output is not None) and not one_noise:
        _check_targets(jobs, args, folder_exists, faults)
    return jobs


def _named(pattern: str, src: Path, beside: Path) -> Path:
    """Fill a pattern in, and put what is one beside another file; a name without braces stands for itself."""
    if "{stem}" not in pattern:
        return Path(pattern)
    return beside.parent / pattern.replace("{stem}", src.stem).replace("{ext}", beside.suffix)


def _check_targets(jobs: list[Job], args: argparse.Namespace, folder_exists: bool, faults: list[str]) -> None:
    from nmf_audio.atomic import check_target

    sources = [*args.inputs] if args.noise is None else [*args.inputs, args.noise]
    taken: dict[str, Job] = {}
    for job in jobs:
        for dst in job.targets:
            real = os.path.realpath(dst)
            if real in taken:
                other = taken[real]
                both = f"both parts of {job.src}" if other is job else f"{other.src} and {job.src}"
                faults.append(f"{both} have the same output {dst}; write to different folders or names")
                continue
            taken[real] = job
            # what lies in a folder that is yet to be made can't be in the way
            if folder_exists or args.output_dir not in dst.parents:
                try:
                    check_target(dst, sources=sources, force=args.force)
                except AudioFileError as error:
                    faults.append(str(error))


def _input_faults(src: Path) -> list[str]:
    try:
        if src.is_file():
            return []
        src.stat()
    except OSError as error:
        return [f"{src}: {error.strerror}"]
    if src.is_dir():
        return [f"{src}: is a folder; name the files in it"]
    return [f"{src}: is no regular file; copy its content to one first"]


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


def make_folder(folder: Path) -> None:
    """Make the folder of the outputs.

    Parameters
    ----------
    folder : Path
        The folder; those above it are made too.

    Raises
    ------
    common.UsageError
        If it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise common.UsageError([f"--output-dir {folder}: can't be made: {error.strerror}"]) from error
