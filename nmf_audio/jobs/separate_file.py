"""Separate a recording into files."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_audio._checks import check_callable, check_flag, invalid
from nmf_audio._types import PathLike, Progress
from nmf_audio.defaults import RESIDUAL
from nmf_audio.io.base import Samples
from nmf_audio.io.open import Reader
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.jobs.cutting import Shape, is_worth_cutting
from nmf_audio.jobs.file_job import FileJob, Target, errors_of, is_path
from nmf_audio.jobs.output_names import source_files
from nmf_audio.jobs.pieces import Pieces
from nmf_audio.jobs.processes import check_jobs
from nmf_audio.jobs.pump import Processor
from nmf_audio.jobs.report import SeparationReport
from nmf_audio.jobs.staging import taking_urls
from nmf_audio.separation.recording_separator import RecordingSeparator
from nmf_audio.separation.separator import Separator
from nmf_audio.separation.stream import PartsStream, SourceSeparator, check_separator

__all__ = ["SeparationReport", "separate_file", "source_files"]


def _name_outputs(given: dict[str, Any]) -> dict[str, Any]:
    if "parts" in given:
        return {}
    parts = source_files(
        given["src"], check_separator(given["separator"]).sources, format=given.get("format")
    )
    return {
        "parts": {
            name: part
            for name, part in parts.items()
            if given.get("residual") is not False or name != RESIDUAL
        }
    }


@taking_urls(_name_outputs)
def separate_file(
    src: Target,
    parts: Mapping[str, PathLike] | None = None,
    *,
    separator: SourceSeparator,
    start: float | None = None,
    end: float | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    bitrate: float | None = None,
    quality: float | None = None,
    residual: bool | None = None,
    force: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> SeparationReport:
    """Separate a recording into files, by default of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str, path or binary file
        The mixture, in any format that libsndfile reads. An open file, such as ``sys.stdin.buffer``, is read from
        where it stands to its end; through a temporary file if it must be read twice, or is no WAV. URLs are as for
        `denoise_file`.
    parts : mapping of str to path, optional
        Where each source and the residual go; by default as `source_files` returns. An extension that means another
        container than the mixture's is obeyed. An open `src` needs `parts` that are given.
    separator : SourceSeparator
        Separates it: a `Separator`, `BlindSeparator` or another. It may read the mixture twice.
    start, end, format, subtype, sr, bitrate, quality, force
        As in `denoise_file`, for all parts.
    residual : bool or None
        Whether the residual is written. None writes it unless there is next to nothing in it (below -96 dB, and 50 dB
        below the mixture) and nothing to replace; `SeparationReport.parts` says what was written.
    jobs : int
        How many processes share a mixture of more than five minutes, 1 to 256, if the separator is a `Separator`
        without free atoms. With more than one it is cut into pieces, and the parts differ from those of one by less
        than 1e-4 of the peak. An open `src` is not cut.
    progress : callable, optional
        Called after each block with the seconds that are done and those there are; if the separator learns from the
        mixture first, that counts as a part of them. What it raises ends the work, and leaves nothing behind.

    Returns
    -------
    SeparationReport
        What was done. The parts as written add up to the mixture: exactly in integers, unless a value left their
        range, which is counted and reported; to one unit in the last place in floats; before encoding in lossy
        formats. At another rate they add up to the mixture at that rate, but for the rounding of each.

    Raises
    ------
    AudioFileError
        If the mixture can't be read or holds NaN or Inf, or if an output is the mixture itself, exists, or can't be
        written. Nothing is left behind.
    ParameterError
        If `parts` does not name a file for each source and, unless `residual` is False, the residual, or a value is
        not allowed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> from nmf_audio import Separator
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = 0.1 * np.random.default_rng(0).standard_normal(32000)
    ...     soundfile.write(f"{folder}/mix.wav", noise, 16000)
    ...     report = separate_file(f"{folder}/mix.wav", separator=Separator("plain"))
    >>> sorted(path.name for path in report.parts.values())
    ['mix.noise.wav', 'mix.speech.wav']
    """
    check_separator(separator)
    residual = None if residual is None else check_flag("residual", residual)
    names = separator.sources if residual is False else (*separator.sources, RESIDUAL)
    if parts is None:
        if not isinstance(src, str | os.PathLike):
            raise invalid("parts", None, "given beside an open file, which has no name to make others from")
        parts = source_files(src, separator.sources, format=format)
    if not isinstance(parts, Mapping) or not all(map(is_path, parts.values())):
        raise invalid("parts", parts, f"a file for each of {', '.join(names)}")
    targets = {name: Path(part) for name, part in parts.items() if name != RESIDUAL or residual is not False}
    if set(targets) != set(names):
        raise invalid("parts", sorted(targets), f"a file for each of {', '.join(names)}")

    check_jobs(jobs)
    check_callable("progress", progress)
    learner = None
    if separator.n_passes > 1 and isinstance(separator, Separator | RecordingSeparator):
        learner = separator
    pieces: list[Pieces] = []

    def prepare(reader: Reader, blocks: Generator[Samples]) -> Processor:
        with errors_of(reader):
            if learner is None:
                stream = separator.learn(blocks, reader.sr, reader.n_channels)
            else:
                stream = learner.learn(
                    blocks, reader.sr, reader.n_channels,
                    progress=lambda share: job.report_learning(share, reader),
                )  # fmt: skip
        if jobs == 1 or not (isinstance(separator, Separator) and separator.n_passes == 1 and is_path(src)):
            return stream
        n_samples = SectionReader(reader, start, end).n_samples
        if not is_worth_cutting(n_samples, reader.sr):
            return stream
        maker = _StreamMaker(separator, reader.sr, reader.n_channels)
        shape = Shape(reader.sr, reader.n_channels, n_samples, stream.latency)
        pieces.append(
            stack.enter_context(
                Pieces(blocks, maker, separator.sources, shape, linked=True, jobs=jobs, progress=progress)
            )
        )
        return pieces[0]

    def advance(done: float, total: float) -> None:
        if progress is not None and not pieces:
            progress(done, total)

    job = FileJob(
        src,
        {name: targets[name] for name in names},
        "separated",
        rest=None if residual is False else RESIDUAL,
        parts=True,
        keep_silent_rest=residual is True,
        n_passes=separator.n_passes,
        shares=None if learner is None else learner.estimate_shares,
        start=start,
        end=end,
        format=format,
        subtype=subtype,
        sr=sr,
        bitrate=bitrate,
        quality=quality,
        force=force,
        progress=advance,
    )
    with ExitStack() as stack:
        fields, levels = job.run(prepare)
    written = {name: path for name, path in targets.items() if name in levels.energies}
    return SeparationReport(**fields, parts=written, levels_db=levels.after_db)


@dataclass(frozen=True)
class _StreamMaker:
    """Makes streams of a separator that learns nothing from the mixture."""

    separator: SourceSeparator
    sr: int
    n_channels: int

    def make(self) -> _PieceStream:
        """Return a stream at its beginning."""
        return _PieceStream(self.separator.learn([], self.sr, self.n_channels))


class _PieceStream:
    """A stream in which nothing is measured."""

    measured = None

    def __init__(self, stream: PartsStream) -> None:
        self.process, self.flush = stream.process, stream.flush

    def start_measuring(self) -> None:
        """Do nothing."""
