"""A file, taken apart into files: in bounded memory, all of them whole or none."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmf_audio.defaults import DEFAULT_SOURCE_NAME, RESIDUAL
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.io.atomic import check_target, replacing_all
from nmf_audio.io.containers import check_output, choose_extension
from nmf_audio.io.open import Reader, open_reader, open_stream, open_writer
from nmf_audio.io.pipe_reader import StreamReader, get_report_path
from nmf_audio.io.section import check_section
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.jobs.outputs import describe_changes, open_output
from nmf_audio.jobs.pump import Levels
from nmf_audio.jobs.report import SeparationReport
from nmf_audio.separation.stream import PartsStream, SourceSeparator, remainder

__all__ = ["MixtureWork", "SeparationReport", "separate_file", "source_files"]

PathLike = str | os.PathLike[str]
Source = PathLike | BinaryIO
Progress = Callable[[float, float], None]
Samples = npt.NDArray[np.floating[Any]]


def source_files(
    src: PathLike,
    separator: SourceSeparator,
    folder: PathLike | None = None,
    *,
    name: str = DEFAULT_SOURCE_NAME,
    format: str | None = None,
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
    format : str, optional
        What they will be; ``{ext}`` is then an extension that says so.

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
        filled = {"{stem}": src.stem, "{ext}": choose_extension(src.suffix, format), "{source}": source}
        # in one pass: a stem may itself look like a part
        pieces = re.split("(" + "|".join(map(re.escape, filled)) + ")", name)
        paths[source] = parent / "".join(filled.get(piece, piece) for piece in pieces)
    return paths


def separate_file(
    src: Source,
    parts: Mapping[str, PathLike] | None = None,
    *,
    separator: SourceSeparator,
    start: float | None = None,
    end: float | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> SeparationReport:
    """Take a recording apart into files, by default of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str, path or binary file
        The mixture, in any format that libsndfile reads. An open file, such as ``sys.stdin.buffer``, is read from
        where it stands to its end; through a temporary file if it must be heard twice, or is no WAV.
    parts : mapping of str to path, optional
        Where each source and the residual go; as `source_files` says by default. An extension that means another
        container than the mixture's is obeyed. An open `src` needs `parts` that are given.
    separator : SourceSeparator
        Takes it apart: `Separator`, `BlindSeparator` and others. It may read the mixture twice.
    start, end : float or None
        Seconds: only this part of the mixture is heard, taken apart and written. It comes out as if it were all there
        is.
    format : str or None
        What to write, whatever the extensions: one of `nmf_audio.io.formats.FORMATS`, such as ``'FLAC'``.
    subtype : str or None
        Coding of the samples, in libsndfile's words, such as ``'PCM_24'``.
    sr : int or None
        Sample rate of the outputs in Hz. The mixture is taken apart at its own rate; what comes out is converted.
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
        At another rate they add up to the mixture at that rate, but for the rounding of each.

    Raises
    ------
    AudioFileError
        If the mixture can't be read or holds NaN or Inf, or if an output is the mixture itself, exists, or can't be
        written. Nothing is left behind.
    ParameterError
        If `parts` does not name a file for each source and the residual, or a value is not allowed.

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
    names = (*separator.sources, RESIDUAL)
    check_section("start and end", start, end)
    if parts is None:
        if not isinstance(src, str | os.PathLike):
            raise ParameterError(
                "parts=None; an open file has no name to make those of its parts from: give parts"
            )
        parts = source_files(src, separator, format=format)
    targets = {name: Path(part) for name, part in parts.items()}
    _check_parts(src, targets, names, force)
    wanted = {
        name: check_output(target, format=format, subtype=subtype, sr=sr) for name, target in targets.items()
    }
    n_passes = separator.n_passes
    with ExitStack() as stack:
        reader: Reader
        if isinstance(src, str | os.PathLike):
            reader = open_reader(src)
            stack.enter_context(reader)
        else:
            reader = stack.enter_context(open_stream(src, whole=n_passes > 1))
        part = SectionReader(reader, start, end)

        def told(n_before: int) -> Progress | None:
            if progress is None:
                return None
            return lambda done, total: progress(n_before * total + done, n_passes * total)

        def heard() -> Iterator[Samples]:
            assert not isinstance(reader, StreamReader)
            with open_reader(reader.path, label=reader.label) as first:
                yield from SectionReader(first, start, end).blocks(dtype, told(0))

        dtype = _full_dtype(reader)
        stream = _stream(separator, heard(), reader)
        temporaries = stack.enter_context(replacing_all([targets[name] for name in names], force=force))
        writers = {
            name: open_writer(
                temporary,
                targets[name],
                reader,
                wanted[name],
                n_samples=part.n_samples or 0,
                is_part=start is not None or end is not None,
                sound_only=True,
            )
            for name, temporary in zip(names, temporaries, strict=True)
        }
        write = {name: open_output(stack, writer, reader) for name, writer in writers.items()}
        levels = _pump(part.blocks(dtype, told(n_passes - 1)), stream, write, dtype)
        damage = part.describe_damage()
    warnings = [f"{damage}; what could be read was taken apart"] if damage else []
    warnings += dict.fromkeys(warning for writer in writers.values() for warning in writer.warnings)
    first = writers[names[0]]
    container = first.container
    warnings += describe_changes(reader, container, format=format, subtype=subtype, what="taken apart")
    if writers[RESIDUAL].n_clipped:
        warnings.append(f"{targets[RESIDUAL]}: samples clipped; there the parts do not add up")
    return SeparationReport(
        src=get_report_path(src),
        parts=targets,
        status="partial" if damage else "done",
        seconds=first.n_written / first.sr,
        sr=first.sr,
        n_channels=reader.n_channels,
        format=container.format,
        subtype=container.subtype,
        src_sr=reader.sr,
        src_format=reader.container.format,
        src_subtype=reader.container.subtype,
        elapsed_seconds=time.perf_counter() - started,
        level_before_db=next(iter(levels.values())).before_db,
        levels_db={name: level.after_db for name, level in levels.items()},
        n_clipped=sum(writer.n_clipped for writer in writers.values()),
        warnings=tuple(warnings),
    )


def _check_parts(src: Source, targets: Mapping[str, Path], names: tuple[str, ...], force: bool) -> None:
    if set(targets) != set(names):
        raise ParameterError(f"parts={sorted(targets)}; a file for each of {', '.join(names)} is needed")
    sources = [src] if isinstance(src, str | os.PathLike) else []
    for target in targets.values():
        check_target(target, sources=sources, force=force)
    if len({os.path.realpath(target) for target in targets.values()}) < len(targets):
        raise AudioFileError(f"{get_report_path(src)}: two of its parts have the same file; name others")


def _stream(separator: SourceSeparator, heard: Iterator[Samples], reader: Reader) -> PartsStream:
    try:
        return separator.learn(heard, reader.sr, reader.n_channels)
    except ParameterError as error:
        raise AudioFileError(f"{reader.label}: {error}") from error


def _full_dtype(reader: Reader) -> type[np.floating[Any]]:
    """Return the type that holds all digits of a recording."""
    return np.float64 if reader.container.subtype in ("PCM_32", "DOUBLE") else np.float32


def _pump(
    blocks: Iterator[Samples],
    stream: PartsStream,
    write: Mapping[str, Callable[[Samples], Samples]],
    dtype: type[np.floating[Any]],
) -> dict[str, Levels]:
    """Send all of a signal through a stream to what writes; what they do not hold goes to the residual."""
    waiting: Samples = np.zeros((stream.n_channels, 0), dtype)
    n_values, energy_in = 0, 0.0
    energies = dict.fromkeys(write, 0.0)

    def emit(parts: Mapping[str, npt.NDArray[Any]]) -> None:
        nonlocal waiting
        n = parts[RESIDUAL].shape[-1]
        ready, waiting = waiting[:, :n], waiting[:, n:]
        stored = {
            name: write[name](np.atleast_2d(parts[name]).astype(np.float32, copy=False))
            for name in stream.sources
        }
        # wide enough for the sums of what the files hold
        rest = remainder(ready.astype(np.float64), stored.values())
        stored[RESIDUAL] = write[RESIDUAL](rest)
        for name, y in stored.items():
            energies[name] += float(np.sum(np.square(y, dtype=np.float64)))

    for block in blocks:
        n_values += block.size
        energy_in += float(np.sum(np.square(block, dtype=np.float64)))
        waiting = np.concatenate([waiting, block], axis=1)
        emit(stream.process(block))
    emit(stream.flush())
    return {name: Levels(n_values, energy_in, energy) for name, energy in energies.items()}


@dataclass(frozen=True)
class MixtureWork:
    """Takes one mixture apart and reports whatever becomes of it; `nmf_audio.jobs.batch.run_files` does such.

    Parameters
    ----------
    src : Path or binary file
        The mixture.
    parts : dict of str to Path
        Where each source and the residual go.
    options : dict
        Keywords of `separate_file`.
    skip : bool
        Leave it alone.
    """

    src: Path | BinaryIO
    parts: dict[str, Path]
    options: dict[str, Any]
    skip: bool = False

    def __call__(self, progress: Progress) -> SeparationReport:
        """Do it."""
        if self.skip:
            return SeparationReport(get_report_path(self.src), self.parts, "skipped")
        try:
            return separate_file(self.src, self.parts, progress=progress, **self.options)
        except Exception as error:
            # one bad file must not cost the night's batch
            return self.failed(error)

    def failed(self, error: Exception) -> SeparationReport:
        """Return the report of a mixture that could not be taken apart."""
        return SeparationReport(get_report_path(self.src), self.parts, "failed", error=error)
