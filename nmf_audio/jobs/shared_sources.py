"""Recordings that share sources, all learned from before any of them is separated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._types import PathLike, Progress
from nmf_audio.errors import AudioFileError, MissingExtraError, ParameterError
from nmf_audio.io.open import Reader, open_reader
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.separation.recording_separator import FittedSeparator, Recording, RecordingSeparator

__all__ = ["hear_files"]


def hear_files(
    separator: RecordingSeparator,
    paths: Sequence[PathLike],
    *,
    start: float | None = None,
    end: float | None = None,
    progress: Progress | None = None,
) -> FittedSeparator:
    """Let a separator learn from several recordings that share sources, before it separates any of them.

    Those that can't be read, or have another rate than the first, are left out: `separate_file` says why. The
    first must be readable if a section of it is the example. Of each only the seconds from `start` to `end` are
    used. `progress` is called with the number of recordings that are done, and of all: reading them is a part of it,
    learning from them the rest. `ParameterError` if they do not go together; `AudioFileError` if none can be read, or
    not the one that must be.
    """
    sr = 0
    for path in paths:
        try:
            with open_reader(path) as reader:
                sr = reader.sr
                break
        except (AudioFileError, MissingExtraError):
            if separator.needs_first:
                raise
    if not sr:
        raise AudioFileError("none of the recordings can be read")

    errors: dict[int, AudioFileError] = {}

    def readable_blocks(i: int, reader: Reader) -> Iterator[npt.NDArray[np.floating[Any]]]:
        try:
            yield from SectionReader(reader, start, end).blocks(np.float32, None)
        except AudioFileError as error:
            errors[i] = error

    def recordings() -> Iterator[Recording]:
        for i, path in enumerate(paths):
            try:
                with open_reader(path) as reader:
                    if reader.sr == sr:
                        yield Recording(readable_blocks(i, reader), reader.n_channels)
            except (AudioFileError, MissingExtraError):
                pass
            if progress is not None:
                progress(reading * (i + 1), len(paths))

    def learned(share: float) -> None:
        if progress is not None:
            progress(len(paths) * (reading + (1 - reading) * share), len(paths))

    shares = separator.estimate_shares(1.0)
    reading = shares[0] / sum(shares)
    try:
        return separator.fit(recordings(), sr, progress=learned)
    except ParameterError as error:
        if separator.needs_first and 0 in errors:
            # what it misses in the first is what could not be read
            raise errors[0] from error
        raise
