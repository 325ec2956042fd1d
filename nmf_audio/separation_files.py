"""A file, taken apart into files: in bounded memory, all of them whole or none."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nmf_audio.atomic import check_target, replacing_all
from nmf_audio.defaults import DEFAULT_SOURCE_NAME, RESIDUAL
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.formats import Wanted
from nmf_audio.opening import Reader, Writer, open_reader, open_writer
from nmf_audio.part import Part
from nmf_audio.pump import Levels
from nmf_audio.separation.stream import PartsStream, SourceSeparator, remainder
from nmf_audio.separation.whole import Heard, Take, WholeSeparator

__all__ = ["SeparationReport", "hear_files", "separate_file", "source_files", "work_on_mixture"]

PathLike = str | os.PathLike[str]
Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class SeparationReport:
    """What became of one mixture.

    Parameters
    ----------
    src : Path
        The mixture.
    parts : dict of str to Path
        What was written: each source, and the residual.
    status : {'done', 'partial', 'failed', 'skipped'}
        ``partial``: the mixture is truncated or damaged; what could be read was taken apart. ``failed`` and
        ``skipped``: nothing was written, and all that follows says nothing.
    error : Exception or None
        Why it failed.
    seconds : float
        Length of what was written.
    sr, n_channels : int
        Sample rate in Hz and channels of what was written.
    format, subtype : str
        Container and coding of what was written, in libsndfile's words.
    elapsed_seconds : float
        Time that it took.
    level_before_db : float
        Level of the mixture in decibels below full scale: 10 log10 of the mean square of the samples. Minus infinity
        for silence.
    levels_db : dict of str to float
        The same of each part.
    n_clipped : int
        Values of all parts that left the range of the integers and were saturated.
    warnings : tuple of str
        Sentences about what was lost.
    """

    src: Path
    parts: dict[str, Path]
    status: Literal["done", "partial", "failed", "skipped"]
    error: Exception | None = None
    seconds: float = 0.0
    sr: int = 0
    n_channels: int = 0
    format: str = ""
    subtype: str = ""
    elapsed_seconds: float = 0.0
    level_before_db: float = -math.inf
    levels_db: dict[str, float] = field(default_factory=dict)
    n_clipped: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of work: above 1 is faster than real time."""
        return self.seconds / max(self.elapsed_seconds, 1e-9)


def source_files(
    src: PathLike,
    separator: SourceSeparator,
    folder: PathLike | None = None,
    *,
    name: str = DEFAULT_SOURCE_NAME,
) -> dict[str, Path]:
    """Return where the parts of a mixture go if nobody says so.

    Parameters
    ----------
    src : str or path
        The mixture.
    separator : SourceSeparator
        Has the sources.
    folder : str or path, optional
        Where to put them; beside the mixture by default.
    name : str
        Their names, with ``{source}``, and ``{stem}`` and ``{ext}`` of the mixture.

    Returns
    -------
    dict of str to Path
        For each source, and for the residual.

    Examples
    --------
    >>> from nmf_audio import Separator
    >>> source_files("songs/one.flac", Separator("plain"), "out")["speech"].as_posix()
    'out/one.speech.flac'
    """
    src = Path(src)
    parent = src.parent if folder is None else Path(folder)
    paths = {}
    for source in (*separator.sources, RESIDUAL):
        filled = {"{stem}": src.stem, "{ext}": src.suffix, "{source}": source}
        # in one pass: a stem may itself look like a part
        pieces = re.split("(" + "|".join(map(re.escape, filled)) + ")", name)
        paths[source] = parent / "".join(filled.get(piece, piece) for piece in pieces)
    return paths


def separate_file(
    src: PathLike,
    parts: Mapping[str, PathLike] | None = None,
    *,
    separator: SourceSeparator,
    force: bool = False,
    progress: Progress | None = None,
) -> SeparationReport:
    """Take a recording apart into files of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str or path
        The mixture, in any format that libsndfile reads.
    parts : mapping of str to path, optional
        Where each source and the residual go; as `source_files` says by default. An extension that means another
        container than the mixture's is obeyed.
    separator : SourceSeparator
        Takes it apart: `Separator`, `BlindSeparator` and others. It may read the mixture twice.
    force : bool
        Replace files that exist.
    progress : callable, optional
        Called after each block with the seconds done and the seconds there are. What it raises ends the work, and
        leaves nothing behind.

    Returns
    -------
    SeparationReport
        What was done. The parts as written add up to the mixture: exactly in integers, unless a value left their
        range, which is counted and said; to one unit in the last place in floats; before encoding in lossy formats.

    Raises
    ------
    AudioFileError
        If the mixture can't be read or holds NaN or Inf, or if an output is the mixture itself, exists, or can't be
        written. Nothing is left behind.
    ParameterError
        If `parts` does not name a file for each source and the residual.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile
    >>> from nmf_audio import Separator
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = 0.1 * np.random.default_rng(0).standard_normal(32000)
    ...     soundfile.write(f"{folder}/mix.wav", noise, 16000)
    ...     report = separate_file(f"{folder}/mix.wav", separator=Separator("plain"))
    >>> sorted(path.name for path in report.parts.values())
    ['mix.noise.wav', 'mix.residual.wav', 'mix.speech.wav']
    """
    started = time.perf_counter()
    src = Path(src)
    names = (*separator.sources, RESIDUAL)
    targets = source_files(src, separator) if parts is None else {n: Path(p) for n, p in parts.items()}
    _check_parts(src, targets, names, force)
    n_passes = separator.n_passes
    with ExitStack() as stack:
        reader = open_reader(src)
        stack.enter_context(reader)

        def told(done_before: float) -> Progress | None:
            if progress is None:
                return None
            return lambda done, total: progress((done_before + done), n_passes * total)

        stream = _stream(separator, src, reader, told(0))
        temporaries = stack.enter_context(replacing_all([targets[name] for name in names], force=force))
        writers = {}
        for name, temporary in zip(names, temporaries, strict=True):
            writers[name] = open_writer(
                temporary,
                targets[name],
                reader,
                Wanted(),
                n_samples=reader.n_samples or 0,
                sound_only=True,
            )
            stack.enter_context(writers[name])
        done_before = (reader.n_samples or 0) / reader.sr if n_passes == 2 else 0.0
        dtype = _full_dtype(reader)
        blocks = Part(reader, None, None).blocks(dtype, told(done_before))
        levels = _pump(blocks, stream, writers, dtype)
    warnings = [f"{reader.damage}; what could be read was taken apart"] if reader.damage else []
    warnings += dict.fromkeys(warning for writer in writers.values() for warning in writer.warnings)
    first = writers[names[0]]
    container = first.container
    if container.subtype != reader.container.subtype and container.format == reader.container.format:
        warnings.append(f"{reader.container.subtype} can't be written; it is now {container.subtype}")
    n_clipped = sum(writer.n_clipped for writer in writers.values())
    if writers[RESIDUAL].n_clipped:
        warnings.append(f"{targets[RESIDUAL]}: samples clipped; there the parts do not add up")
    return SeparationReport(
        src=src,
        parts=targets,
        status="partial" if reader.damage else "done",
        seconds=first.n_written / reader.sr,
        sr=reader.sr,
        n_channels=reader.n_channels,
        format=container.format,
        subtype=container.subtype,
        elapsed_seconds=time.perf_counter() - started,
        level_before_db=next(iter(levels.values())).before_db,
        levels_db={name: level.after_db for name, level in levels.items()},
        n_clipped=n_clipped,
        warnings=tuple(warnings),
    )


def hear_files(
    separator: WholeSeparator, paths: Sequence[PathLike], *, progress: Progress | None = None
) -> Heard:
    """Let a separator hear several recordings that share sources, before it takes any of them apart.

    Parameters
    ----------
    separator : WholeSeparator
        Hears them.
    paths : sequence of str or path
        Recordings. Those that can't be read, or have another rate than the first, are left out: `separate_file` says
        why.
    progress : callable, optional
        Called with the number of recordings that were heard, and of all.

    Returns
    -------
    Heard
        Takes each of them apart in one pass.

    Raises
    ------
    ParameterError
        If the recordings do not go together.
    AudioFileError
        If none can be read.
    """
    sr = 0
    for path in paths:
        try:
            with open_reader(Path(path)) as reader:
                sr = reader.sr
                break
        except AudioFileError:
            continue
    if not sr:
        raise AudioFileError("none of the recordings can be read")

    def good_blocks(reader: Reader) -> Iterator[npt.NDArray[np.floating[Any]]]:
        try:
            yield from reader.blocks()
        except AudioFileError:
            return

    def takes() -> Iterator[Take]:
        for i, path in enumerate(paths):
            try:
                with open_reader(Path(path)) as reader:
                    if reader.sr == sr:
                        yield Take(good_blocks(reader), reader.n_channels)
            except AudioFileError:
                pass
            if progress is not None:
                progress(i + 1, len(paths))

    return separator.hear(takes(), sr)


def _check_parts(src: Path, targets: Mapping[str, Path], names: tuple[str, ...], force: bool) -> None:
    if set(targets) != set(names):
        raise ParameterError(f"parts={sorted(targets)}; a file for each of {', '.join(names)} is needed")
    for target in targets.values():
        check_target(target, sources=[src], force=force)
    if len({os.path.realpath(target) for target in targets.values()}) < len(targets):
        raise AudioFileError(f"{src}: two of its parts have the same file; name others")


def _stream(separator: SourceSeparator, src: Path, reader: Reader, progress: Progress | None) -> PartsStream:
    def heard() -> Iterator[npt.NDArray[np.floating[Any]]]:
        with open_reader(src) as first:
            yield from Part(first, None, None).blocks(_full_dtype(first), progress)

    try:
        return separator.learn(heard(), reader.sr, reader.n_channels)
    except ParameterError as error:
        raise AudioFileError(f"{src}: {error}") from error


def _full_dtype(reader: Reader) -> type[np.floating[Any]]:
    """Return the type that holds all digits of a recording."""
    return np.float64 if reader.container.subtype in ("PCM_32", "DOUBLE") else np.float32


def _pump(
    blocks: Iterator[npt.NDArray[np.floating[Any]]],
    stream: PartsStream,
    writers: Mapping[str, Writer],
    dtype: type[np.floating[Any]],
) -> dict[str, Levels]:
    """Send all of a signal through a stream into files; what they do not hold goes to the residual."""
    waiting: npt.NDArray[np.floating[Any]] = np.zeros((stream.n_channels, 0), dtype)
    n_values, energy_in = 0, 0.0
    energies = dict.fromkeys(writers, 0.0)

    def emit(parts: Mapping[str, npt.NDArray[Any]]) -> None:
        nonlocal waiting
        n = parts[RESIDUAL].shape[-1]
        ready, waiting = waiting[:, :n], waiting[:, n:]
        stored = {
            name: writers[name].write(np.atleast_2d(parts[name]).astype(np.float32, copy=False))
            for name in stream.sources
        }
        # wide enough for the sums of what the files hold
        rest = remainder(ready.astype(np.float64), stored.values())
        stored[RESIDUAL] = writers[RESIDUAL].write(rest)
        for name, y in stored.items():
            energies[name] += float(np.sum(np.square(y, dtype=np.float64)))

    for block in blocks:
        n_values += block.size
        energy_in += float(np.sum(np.square(block, dtype=np.float64)))
        waiting = np.concatenate([waiting, block], axis=1)
        emit(stream.process(block))
    emit(stream.flush())
    return {name: Levels(n_values, energy_in, energy) for name, energy in energies.items()}


def work_on_mixture(
    src: Path,
    parts: Mapping[str, Path],
    *,
    separator: SourceSeparator,
    force: bool = False,
    skip: bool = False,
) -> Callable[[Progress], SeparationReport]:
    """Return what takes one mixture apart and reports whatever becomes of it.

    Parameters
    ----------
    src, parts, separator, force
        As for `separate_file`.
    skip : bool
        Leave it alone.

    Returns
    -------
    callable
        For `nmf_audio.batch.run_in_order`.
    """

    def work(progress: Progress) -> SeparationReport:
        if skip:
            return SeparationReport(src, dict(parts), "skipped")
        try:
            return separate_file(src, parts, separator=separator, force=force, progress=progress)
        except Exception as error:
            # one bad file must not cost the night's batch
            return SeparationReport(src, dict(parts), "failed", error=error)

    return work
