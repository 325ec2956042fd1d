"""Which file becomes which: outputs of inputs, and all that their names show to be wrong."""

import argparse
import os
from pathlib import Path

from nmf_audio.cli import common
from nmf_audio.errors import AudioFileError


def plan(args: argparse.Namespace, faults: list[str]) -> list[tuple[Path, Path]]:
    """Find the output of each input, without touching anything.

    Parameters
    ----------
    args : argparse.Namespace
        Has `inputs`, `output`, `output_dir`, `noise` and `force`.
    faults : list of str
        Is added what the names show to be wrong.

    Returns
    -------
    list of (Path, Path)
        Inputs with their outputs.
    """
    from nmf_audio.atomic import check_target
    from nmf_audio.files import default_output

    inputs: list[Path] = args.inputs
    sources = inputs if args.noise is None else [*inputs, args.noise]
    folder_exists = args.output_dir is None or _check_folder(args.output_dir, faults)
    if Path("-") in (*inputs, args.output):
        faults.append("-: standard input and output can't be used yet; name files")
    if args.output is not None and args.output_dir is not None:
        faults.append("-o and --output-dir are both given; give one of them")
    if args.output is not None and len(inputs) > 1:
        faults.append(f"-o {args.output} names one file for {len(inputs)} inputs; give --output-dir")
    jobs = []
    taken: dict[str, Path] = {}
    for src in inputs:
        if src == Path("-"):
            continue
        faults.extend(_input_faults(src))
        dst = args.output or default_output(src, args.output_dir)
        jobs.append((src, dst))
        if args.output is not None and len(inputs) > 1:
            continue
        real = os.path.realpath(dst)
        if real in taken:
            faults.append(f"{taken[real]} and {src} have the same output {dst}; write to different folders")
            continue
        taken[real] = src
        if folder_exists:
            try:
                check_target(dst, sources=sources, force=args.force)
            except AudioFileError as error:
                faults.append(str(error))
    return jobs


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
