"""Inputs: the files that names, patterns and folders of a command line mean."""

import errno
import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmf_audio.cli import common, streams
from nmf_audio.io.remote import Url, locate


@dataclass(frozen=True)
class Input:
    """A recording.

    Parameters
    ----------
    path : Path
        The recording.
    folder : Path
        Where it lies below the folder that was named; ``.`` if it was named itself.
    start, end : float or None
        The part of it that a list asks for, in seconds.
    """

    path: Path
    folder: Path = Path()
    start: float | None = None
    end: float | None = None

    @property
    def part(self) -> dict[str, float]:
        """What of `start` and `end` is given."""
        times = {"start": self.start, "end": self.end}
        return {name: seconds for name, seconds in times.items() if seconds is not None}

    @property
    def like(self) -> Path:
        """A path that outputs are named after: of a part it has its times."""
        if not self.part:
            return self.path
        times = "-".join("" if seconds is None else f"{seconds:g}" for seconds in (self.start, self.end))
        return self.path.with_name(f"{self.path.stem}.{times}{self.path.suffix}")


def find_inputs(
    words: Sequence[str], *, recursive: bool, errors: list[str], dash: bool = False
) -> list[Input]:
    """Return the recordings that words stand for: files, patterns (``**/*.flac``), and folders if `recursive`.

    They come in the order of the words, by name where one word stands for several. With `dash`, ``-`` is standard
    input. What can't be read, as far as names show, is added to `errors`.
    """
    inputs = []
    for word in words:
        path = common.parse_location(word)
        if dash and path == streams.DASH:
            inputs.append(Input(path))
        elif isinstance(path, Url):
            inputs += _find_urls(path, recursive, errors)
        elif glob.has_magic(word) and not os.path.lexists(path):
            matches = [Path(match) for match in sorted(set(_expand(word)))]
            if not matches:
                errors.append(f"{word}: no file matches this pattern")
            inputs += [Input(match) for match in matches if not match.is_dir()]
        elif recursive and path.is_dir():
            found = list(_in_folder(path, errors))
            if not found:
                errors.append(f"{word}: holds no recordings (files with an extension of audio, such as .wav)")
            inputs += found
        else:
            error = _find_error(path)
            if error:
                errors.append(error)
            inputs.append(Input(path))
    return inputs


def find_listed(path: Path | None, errors: list[str]) -> list[Input]:
    """Return the recordings of a list, if there is one; those below its folder keep their folders."""
    from nmf_audio.errors import NmfAudioError
    from nmf_audio.io.listing import read_listing

    if path is None:
        return []
    found = []
    root = path.parent.absolute()
    try:
        for row in read_listing(path):
            src = locate(row.path)
            if isinstance(src, Url):
                found.append(Input(src, Path(), row.start, row.end))
                continue
            place = src.parent.absolute()
            folder = place.relative_to(root) if place.is_relative_to(root) else Path()
            found.append(Input(src, folder, row.start, row.end))
    except NmfAudioError as error:
        errors.append(f"--files-from {common.describe(error)}")
    for src in dict.fromkeys(entry.path for entry in found if not isinstance(entry.path, Url)):
        missing = _find_error(src)
        if missing:
            errors.append(missing)
    if not found and not errors:
        errors.append(f"--files-from {path}: lists no recordings")
    return found


def _find_urls(url: Url, recursive: bool, errors: list[str]) -> list[Input]:
    """Return what a URL stands for: itself, a pattern, or a folder; what is not there is found out later."""
    from nmf_audio.errors import NmfAudioError
    from nmf_audio.io.formats import list_readable_extensions
    from nmf_audio.io.remote import find_below, is_pattern

    extensions = list_readable_extensions()
    if not is_pattern(url) and not (recursive and url.suffix.lower() not in extensions):
        return [Input(url)]
    try:
        found = [one for one in find_below(url) if one.suffix.lower() in extensions]
    except NmfAudioError as error:
        errors.append(common.describe(error))
        return []
    if not found:
        errors.append(f"{url}: holds no recordings (files with an extension of audio, such as .wav)")
    root = "" if is_pattern(url) else url.address.rstrip("/") + "/"
    return [Input(one, Path(one.address.removeprefix(root)).parent if root else Path()) for one in found]


def _expand(pattern: str) -> Iterator[str]:
    """Yield what a pattern stands for; through ``**`` each folder is entered once, whatever links lead to it."""
    from nmf_audio.io.folder_walk import walk_folders

    sep = re.escape(os.sep)
    match = re.fullmatch(rf"((?:.*?{sep})?)\*\*(?:{sep}+(.*))?", pattern.replace("/", os.sep), re.DOTALL)
    if match is None:
        # Path.glob takes no absolute patterns
        yield from glob.glob(pattern)  # noqa: PTH207
        return
    before, below = match[1], match[2] or "*"
    # the current folder, if nothing stands before
    for root in glob.glob(before) if before else [""]:  # noqa: PTH207
        for folder, _ in walk_folders(root or os.curdir):
            yield from _expand(os.path.join(glob.escape(folder if root else folder[2:]), below))  # noqa: PTH118


def _in_folder(root: Path, errors: list[str]) -> Iterator[Input]:
    from nmf_audio.io.folder_walk import walk_folders
    from nmf_audio.io.formats import READ_ONLY, list_readable_extensions
    from nmf_audio.io.open import is_recording

    def note(error: OSError) -> None:
        errors.append(f"{error.filename}: {error.strerror}")

    extensions = list_readable_extensions()
    for folder, names in walk_folders(root, follow_links=False, on_error=note):
        for name in names:
            path = Path(folder, name)
            extension = path.suffix.lower()
            if extension not in extensions or not path.is_file():
                continue
            # a .ts is more often a program; what an output can't be is no recording by its name alone
            if extension not in READ_ONLY or is_recording(path):
                yield Input(path, Path(folder).relative_to(root))


def describe_missing(path: str) -> str:
    """Return the error of an input that is not there."""
    return f"{path}: {os.strerror(errno.ENOENT)}"


def _find_error(path: Path) -> str | None:
    try:
        if path.is_file():
            return None
        path.stat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    if path.is_dir():
        return f"{path}: is a folder; give -r for the recordings in it"
    return f"{path}: is not a regular file; copy its content to one first"
