"""Plans: the outputs of each input, and all errors that their names show."""

import argparse
import functools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio import defaults
from nmf_audio.cli import common, streams
from nmf_audio.cli.inputs import Input, describe_missing, find_inputs, find_listed
from nmf_audio.cli.left_out import find_outputs
from nmf_audio.cli.report_lines import read_resumed
from nmf_audio.errors import AudioFileError, MissingExtraError
from nmf_audio.io.remote import Url, identify

if TYPE_CHECKING:
    from nmf_audio.separation.stream import SourceSeparator

STREAM_NAME = "{source}{ext}"
"""Names of the parts of standard input, which has no name of its own."""


@dataclass(frozen=True)
class Plan:
    """One recording, and where each of its outputs goes.

    With `skip` there is nothing to do, since the outputs exist; `refusal` is why outputs like this recording
    can't be written. `part` has the start or the end in seconds, if the recording has its own.
    """

    src: Path
    outputs: dict[str, Path]
    skip: bool = False
    refusal: Exception | None = None
    part: dict[str, float] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[Path, ...]:
        """All that is to be written."""
        return tuple(self.outputs.values())

    @property
    def key(self) -> tuple[str, str]:
        """What a report knows it by."""
        return str(self.src), str(self.targets[0])

    @property
    def is_streamed(self) -> bool:
        """Whether standard input or output is one of the files."""
        return streams.DASH in (self.src, *self.targets)


def plan_watching(args: argparse.Namespace, errors: list[str]) -> list[Plan]:
    """Check what `plan_denoising` does, for recordings that are yet to come to a folder; return an example."""
    args.resumed, args.goes_on, args.left_out = read_resumed(args, errors), not args.force, {}
    others = {
        "other inputs": args.inputs,
        "--files-from": args.files_from,
        "-o": args.output,
        "--dry-run": args.dry_run,
        "--skip-existing": args.skip_existing,
        "--raw": args.raw,
    }
    errors += [common.describe_conflict("--watch", name) for name, value in others.items() if value]
    if args.json is not None and not args.json.lower().endswith(".jsonl"):
        errors.append(
            f"--json {args.json}: a folder that is watched has a report of lines; give a name in .jsonl"
        )
    if args.keep_noise is not None and not _is_pattern(args.keep_noise, "{stem}"):
        errors.append(
            f"--keep-noise {args.keep_noise}: must be a pattern, such as {defaults.DEFAULT_NOISE_NAME}"
        )
    _check_name(args, errors)
    if isinstance(args.watch, Url) or not args.watch.is_dir():
        errors.append(f"--watch {args.watch}: must be a folder of this computer")
        return []
    if args.output_dir is None:
        errors.append("--watch needs --output-dir, a folder for the outputs")
        return []
    inbox, outputs = identify(args.watch), identify(args.output_dir)
    inside = not isinstance(args.output_dir, Url) and Path(outputs).is_relative_to(inbox)
    if outputs == inbox or (inside and args.recursive):
        errors.append(f"--output-dir {args.output_dir}: is watched itself; name a folder beside {args.watch}")
        return []
    _check_folder(args.output_dir, errors)
    return [plan_one(Input(args.watch / "recording.wav"), args)]


def plan_denoising(args: argparse.Namespace, errors: list[str]) -> list[Plan]:
    """Find the recordings and their outputs ``speech`` and ``noise``; touch nothing but leftovers.

    Those of restoration are called the same.
    """
    inputs = _find_all(args, errors)
    args.goes_on = args.output is None and _goes_on(args, inputs)
    if args.output is None and args.output_dir is None:
        _suggest_output(args.inputs, errors, file="-o", folder="--output-dir")
    streams.check(args, [entry.path for entry in inputs], errors)
    for other in ("output-dir", "name"):
        if args.output is not None and getattr(args, other.replace("-", "_")) is not None:
            errors.append(common.describe_conflict("-o", f"--{other}"))
    _check_skipping(args, errors)
    _check_name(args, errors)
    inputs = [entry for entry in inputs if entry.path != streams.DASH or args.output is not None]
    plans = _without_outputs(args, [plan_one(entry, args) for entry in inputs])
    several = len(plans) > 1
    one_output = args.output is not None and several
    if one_output:
        errors.append(f"-o {args.output} names one file for {len(plans)} inputs; give --output-dir")
    one_noise = args.keep_noise is not None and several and not _is_pattern(args.keep_noise, "{stem}")
    if one_noise:
        errors.append(
            f"--keep-noise {args.keep_noise} names one file for {len(plans)} inputs; "
            f"give a pattern, such as {defaults.DEFAULT_NOISE_NAME}"
        )
    check = not one_output and not one_noise
    _check_targets(plans if check else [], args, [] if args.noise is None else [args.noise], errors)
    return plans


def _check_name(args: argparse.Namespace, errors: list[str]) -> None:
    if args.name is not None and not _is_pattern(args.name, "{stem}"):
        errors.append(
            f"--name {args.name}: must be a name with {{stem}}, without folders, such as {{stem}}.clean{{ext}}"
        )


def _find_all(args: argparse.Namespace, errors: list[str]) -> list[Input]:
    """Return all inputs, and note in `args.resumed` what an earlier run has done."""
    args.resumed = read_resumed(args, errors)
    inputs = find_inputs(args.inputs, recursive=args.recursive, errors=errors, dash=True)
    listed = find_listed(args.files_from, errors)
    if any(entry.part for entry in listed) and (args.start, args.end) != (None, None):
        errors.append(f"--files-from {args.files_from}: has parts of its own; leave --start and --end out")
    return _once(inputs + listed)


def _once(inputs: Iterable[Input]) -> list[Input]:
    """Return each file, or part of one, once, through whatever folder it was found."""
    find_folder = functools.cache(identify)
    found: dict[object, Input] = {}
    for entry in inputs:
        path = entry.path
        # to name standard input twice is an error
        key = object() if path == streams.DASH else (find_folder(path.parent), path.name)
        found.setdefault((key, entry.start, entry.end), entry)
    return list(found.values())


def _suggest_output(words: Sequence[str], errors: list[str], *, file: str | None, folder: str) -> None:
    """Ask whether the last word was meant as the output, if all others are there; the options are for one."""
    if len(words) < 2 or errors != [describe_missing(words[-1])]:
        return
    last = words[-1]
    option = folder if not Path(last).suffix else file if len(words) == 2 else None
    if option is not None:
        errors[:] = [f"{last}: does not exist; did you mean {option} {last}?"]


def plan_one(entry: Input, args: argparse.Namespace) -> Plan:
    """Return what becomes of one recording."""
    from nmf_audio.jobs.output_names import default_output

    name = args.name or args.default_name
    dst = args.output or default_output(entry.like, _folder(entry, args), name=name, format=args.format)
    outputs = {"speech": dst}
    if args.keep_noise is not None:
        outputs["noise"] = (
            default_output(entry.like, dst.parent, name=args.keep_noise, format=args.format)
            if _is_pattern(args.keep_noise, "{stem}")
            else common.parse_path(args.keep_noise)
        )
    _remove_leftovers(args, outputs.values())
    skip = _is_passed_over(args, entry.path, [dst] if args.skip_existing else outputs.values())
    like_input = args.output is None and "{ext}" in name and args.format is None
    return Plan(entry.path, outputs, skip, _find_refusal(dst) if like_input else None, entry.part)


def _find_refusal(like: Path) -> Exception | None:
    """Return why no file of this extension can be written, if that is so; `like` is one that has it."""
    from nmf_audio.io.formats import describe_missing_extra, find_format, find_read_only, refuse_read_only

    kind, missing = find_read_only(like), describe_missing_extra(find_format(like))
    return refuse_read_only(kind) if kind else MissingExtraError(missing) if missing else None


def plan_separation(
    args: argparse.Namespace,
    separator: "SourceSeparator | None",
    dictionaries: Sequence[Path],
    errors: list[str],
) -> list[Plan]:
    """Find the mixtures and their outputs, one for each source and for the residual; touch nothing but leftovers.

    Without a separator, whose sources would be known, only the inputs are looked at. The files of its dictionaries
    must not be written over.
    """
    from nmf_audio.jobs.output_names import source_files

    if str(args.output_dir) == "-":
        errors.append("-o -: the parts are several files; name a folder")
    inputs = _find_all(args, errors)
    args.goes_on = _goes_on(args, inputs)
    if args.output_dir is None:
        _suggest_output(args.inputs, errors, file=None, folder="-o")
    streams.check_sources([entry.path for entry in inputs], errors)
    if len(inputs) > 1:
        inputs = [entry for entry in inputs if entry.path != streams.DASH]
    piped = [entry.path for entry in inputs] == [streams.DASH]
    if piped and args.joint:
        errors.append("--joint: standard input is one recording; leave --joint out, or name files")
    _check_skipping(args, errors)
    name = args.name or (STREAM_NAME if piped else defaults.DEFAULT_SOURCE_NAME)
    if not _is_pattern(name, "{source}"):
        errors.append(
            f"--name {name}: must be a name with {{source}}, without folders, such as {defaults.DEFAULT_SOURCE_NAME}"
        )
        return []
    if piped and "{stem}" in name:
        errors.append(f"--name {name}: standard input has no name to fill in; leave {{stem}} out")
    if separator is None:
        return []
    plans = []
    like_input = "{ext}" in name and args.format is None
    for entry in inputs:
        like = Path("stream.wav") if entry.path == streams.DASH else entry.like
        parts = source_files(like, separator.sources, _folder(entry, args), name=name, format=args.format)
        _remove_leftovers(args, parts.values())
        # a residual with next to nothing in it was not written
        written = [path for source, path in parts.items() if source != defaults.RESIDUAL]
        if args.residual is False:
            del parts[defaults.RESIDUAL]
        refusal = _find_refusal(like) if like_input else None
        passed_over = _is_passed_over(args, entry.path, written)
        plans.append(Plan(entry.path, parts, passed_over, refusal, entry.part))
    plans = _without_outputs(args, plans, separator.sources)
    _check_targets(plans, args, dictionaries, errors)
    return plans


def _goes_on(args: argparse.Namespace, inputs: Sequence[Input]) -> bool:
    """Whether recordings are passed over that the same command has done before: not one alone that is named."""
    return not args.force and [entry.path for entry in inputs] != list(
        map(common.parse_location, args.inputs[:1])
    )


def _is_passed_over(args: argparse.Namespace, src: Path, outputs: Iterable[Path]) -> bool:
    """Whether all outputs are there, and newer than the recording unless --skip-existing is given."""
    outputs = list(outputs)
    # of those that are elsewhere, each is looked for when its turn comes
    if streams.DASH in outputs or any(isinstance(path, Url) for path in outputs):
        return False
    if not all(path.is_file() for path in outputs):
        return False
    if args.resumed.has_made(outputs):
        return True
    return args.skip_existing or (args.goes_on and not any(_is_older(path, src) for path in outputs))


def _is_older(output: Path, src: Path) -> bool:
    if isinstance(src, Url):
        # its store may know, but is not asked for each
        return False
    try:
        return output.stat().st_mtime_ns < src.stat().st_mtime_ns
    except OSError:
        # what is missing is an error of its own
        return False


def _remove_leftovers(args: argparse.Namespace, targets: Iterable[Path]) -> None:
    """Remove what earlier runs left of outputs when they were killed, lest it be taken for what is done."""
    from nmf_audio.io.temporary import remove_leftovers_beside

    if not args.dry_run:
        remove_leftovers_beside(
            target for target in targets if target != streams.DASH and not isinstance(target, Url)
        )


def _folder(entry: Input, args: argparse.Namespace) -> Path:
    folder: Path = entry.path.parent if args.output_dir is None else args.output_dir / entry.folder
    return folder


def _is_pattern(name: str, needed: str) -> bool:
    """Return whether a name has a field that tells outputs apart, and no folder or unknown field."""
    bare = re.sub(r"\{(stem|ext)\}", "", name.replace(needed, ""))
    return needed in name and not re.search(r"[{}/\\]", bare)


def _check_skipping(args: argparse.Namespace, errors: list[str]) -> None:
    if args.skip_existing and args.force:
        errors.append(common.describe_conflict("--skip-existing", "--force"))


def _without_outputs(
    args: argparse.Namespace, plans: Sequence[Plan], sources: Iterable[str] = ()
) -> list[Plan]:
    """Leave out outputs of other inputs, and note them in `args.left_out`; leave out what an earlier run has done."""
    args.left_out = find_outputs([(plan.src, plan.targets) for plan in plans], sources)
    return [plan for plan in plans if plan.src not in args.left_out and not args.resumed.names(plan.key)]


def _check_targets(
    plans: Sequence[Plan], args: argparse.Namespace, others: Sequence[Path], errors: list[str]
) -> None:
    """Add to `errors` what keeps the outputs from being written, as far as names show; `others` are read, too."""
    from nmf_audio.io.atomic import check_target

    plans = [plan for plan in plans if plan.refusal is None]
    n_faults = len(errors)
    folder_exists = args.output_dir is None or _check_folder(args.output_dir, errors)
    # what is wrong with the folder is reported once, not again for each file in it
    folder_is_good = folder_exists and len(errors) == n_faults
    everything = [*(plan.src for plan in plans if plan.src != streams.DASH), *others]
    sources = [source for source in everything if not isinstance(source, Url)]
    taken: dict[str, Plan] = {}
    for plan in plans:
        for dst in plan.targets:
            if dst == streams.DASH:
                continue
            real = identify(dst)
            if real in taken:
                other = taken[real]
                both = f"two parts of {plan.src}" if other is plan else f"{other.src} and {plan.src}"
                errors.append(f"{both} have the same output {dst}; write to different folders or names")
                continue
            taken[real] = plan
            if isinstance(dst, Url):
                if dst in everything:
                    errors.append(f"{dst}: is the input itself; name another output")
                continue
            # what lies in a folder that is yet to be made can't be in the way
            made = args.output_dir in dst.parents and (not folder_is_good or not dst.parent.is_dir())
            if not made and not plan.skip:
                try:
                    check_target(dst, sources=sources, force=args.force)
                except AudioFileError as error:
                    older = error.argument == "force" and args.goes_on and _is_older(dst, plan.src)
                    problem = (
                        f"{dst}: is older than {plan.src}; give --force to replace it, or --skip-existing"
                    )
                    errors.append(problem if older else common.describe(error))


def _check_folder(folder: Path, errors: list[str]) -> bool:
    """Return whether the folder exists; add to `errors` what keeps it from being made."""
    if isinstance(folder, Url):
        return True
    existing = folder.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        errors.append(f"--output-dir {folder}: {existing} is not a folder")
    elif not os.access(existing, os.W_OK | os.X_OK):
        errors.append(f"--output-dir {folder}: no permission to write to {existing}")
    return folder.is_dir()


def make_folders(args: argparse.Namespace, plans: Sequence[Plan]) -> None:
    """Make the folder of the outputs, and those in it for the first output of each plan.

    `UsageError` if one can't be made.
    """
    if args.output_dir is None or isinstance(args.output_dir, Url):
        return
    for folder in dict.fromkeys([args.output_dir, *(plan.targets[0].parent for plan in plans)]):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise common.UsageError([f"--output-dir {folder}: can't be made: {error.strerror}"]) from error
