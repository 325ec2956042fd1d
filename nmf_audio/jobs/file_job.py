"""The job of one recording: read, process, write one or several outputs, in bounded memory, all of them or none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_flag, invalid
from nmf_audio._types import PathLike, Progress
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.io.atomic import check_target, replacing_all
from nmf_audio.io.containers import Container, Wanted, check_output
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.open import (
    Reader,
    Writer,
    get_default_container,
    open_reader,
    open_stream,
    open_stream_writer,
    open_writer,
)
from nmf_audio.io.pcm import RawFormat
from nmf_audio.io.pipe_reader import STREAM, StreamReader, get_report_path
from nmf_audio.io.pipe_writer import choose_stream_container, list_stream_errors
from nmf_audio.io.resample import Resampler
from nmf_audio.io.section import check_section
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.io.temporary import remove_leftovers_beside
from nmf_audio.jobs.pump import Levels, Processor, pump

__all__ = ["FileJob", "PathLike", "Progress", "Target", "errors_of", "is_path"]

Target = PathLike | BinaryIO
Samples = npt.NDArray[np.floating[Any]]
Prepare = Callable[[Reader, Generator[Samples]], Processor]

_WIDE_SUBTYPES = ("PCM_32", "DOUBLE")


def is_path(target: object) -> bool:
    """Return whether a source or target is named by a path, not an open file."""
    return isinstance(target, str | os.PathLike)


def _check_open(target: object, ability: str) -> None:
    """Raise ParameterError if this is neither a path nor an open binary file that is readable, or writable."""
    get_report_path(target)  # type: ignore[arg-type]
    problem = "is closed" if getattr(target, "closed", False) else ""
    if not problem and not is_path(target) and not getattr(target, ability, lambda: True)():
        problem = f"is not {ability}"
    if problem:
        raise invalid("file", target, "a path or an open binary file", given=f"{target!r} {problem}")


@contextmanager
def errors_of(reader: Reader) -> Iterator[None]:
    """Turn errors about a recording's rate or channels into errors of its file."""
    try:
        yield
    except ParameterError as error:
        what = {"sr": "sample rate", "n_channels": "number of channels"}.get(error.name or "")
        about = f"{what} {error.value}; must be {error.allowed}; {error.advice}" if what else str(error)
        raise AudioFileError(f"{reader.label}: {about.removesuffix('; ')}") from error


SILENT_DB, SILENT_DEPTH_DB = -96.0, 50.0
"""Next to nothing: below what the rounding to 16 bits leaves, and far below the recording."""


@dataclass(frozen=True)
class FileJob:
    """One recording, what becomes of it, and what its outputs are asked to be; see `nmf_audio.denoise_file`.

    Parameters
    ----------
    outputs : mapping of str to path or binary file
        Where each signal goes; the first one stands for all in the report.
    what : str
        What is done with the recording, ``'denoised'``.
    rest : str or None
        The output that gets what the others leave of the input.
    parts : bool
        All outputs are parts of equal rank: levels are those of the samples as stored, and clipping and warnings are
        those of all. Otherwise the first output is the result, and the rest a by-product.
    keep_silent_rest : bool
        Write the rest even if there is next to nothing in it.
    keep_digits : bool
        What the stream leaves as it is comes out with all its digits, even if it has more than float32 holds.
    others : tuple of path
        What else is read, and must not be written over.
    n_passes : int
        How often the recording is read.
    shares : callable or None
        From its seconds: about which share of the time is that of the first of two passes, and of learning behind it.
        None for half of it, and nothing.
    """

    src: Target
    outputs: Mapping[str, Target]
    what: str
    rest: str | None = None
    parts: bool = False
    keep_silent_rest: bool = True
    keep_digits: bool = False
    others: tuple[PathLike, ...] = ()
    raw: RawFormat | None = None
    n_passes: int = 1
    shares: Callable[[float], tuple[float, float]] | None = None
    start: float | None = None
    end: float | None = None
    format: str | None = None
    subtype: str | None = None
    sr: int | None = None
    bitrate: float | None = None
    quality: float | None = None
    force: bool = False
    progress: Progress | None = None

    def run(self, prepare: Prepare) -> tuple[dict[str, Any], Levels]:
        """Process the recording; return the fields of `FileReport`, and the levels of all signals.

        `prepare` takes the open recording, and its blocks for what reads them all beforehand; it returns what
        processes them.
        """
        started = time.perf_counter()
        wanted = self._check()
        with ExitStack() as stack:
            reader = self._open(stack)
            section = SectionReader(reader, self.start, self.end)
            # more digits than float32 has matter only where samples are to stay as they are, or to add up
            matters = self.keep_digits or self.rest is not None
            wide = matters and reader.container.subtype in _WIDE_SUBTYPES
            dtype = np.float64 if wide else np.float32
            dropped: list[Path] = []
            # in their places together, or not at all
            temporaries = stack.enter_context(
                replacing_all(list(wanted), force=self.force, sources=self._opened(), dropped=dropped)
            )
            places = dict(zip(wanted, temporaries, strict=True))
            writers = {
                name: self._open_writer(name, places, wanted, reader, section.n_samples)
                for name in self.outputs
            }
            write = {name: _enter(stack, writer, reader) for name, writer in writers.items()}
            first, *_ = writers.values()
            # what takes long comes after all that may be refused
            stream = prepare(reader, self._first_pass(reader, dtype))
            levels = pump(
                section.blocks(dtype, self._progress(first)), stream, write, self.rest, exact=self.parts,
                dtype=dtype if self.keep_digits else np.float32,
            )  # fmt: skip
            if self.progress is not None:
                self.progress(first.n_written / first.sr, first.n_written / first.sr)
            if self.rest is not None and self._drops_rest(self.rest, levels):
                dropped.append(places[get_report_path(self.outputs[self.rest])])
                del levels.energies[self.rest]
            damage = section.describe_damage()
        counted = list(writers.values()) if self.parts else [first]
        warnings = [f"{damage}; what could be read was {self.what}"] if damage else []
        warnings += dict.fromkeys(warning for writer in counted for warning in writer.warnings)
        warnings += self._changes(reader, first.container)
        if self.rest is not None and writers[self.rest].n_clipped:
            warnings.append(self._clipping(writers[self.rest]))
        source = reader.container
        fields = {
            "src": get_report_path(self.src),
            "status": "partial" if damage else "done",
            "seconds": first.n_written / first.sr,
            "sr": first.sr,
            "n_channels": reader.n_channels,
            "format": first.container.format,
            "subtype": first.container.subtype,
            "src_sr": reader.sr,
            "src_format": "RAW" if self.raw is not None and not is_path(self.src) else source.format,
            "src_subtype": source.subtype,
            "elapsed_seconds": time.perf_counter() - started,
            "level_before_db": levels.before_db,
            "n_clipped": sum(writer.n_clipped for writer in counted),
            "warnings": tuple(warnings),
        }
        return fields, levels

    def _drops_rest(self, rest: str, levels: Levels) -> bool:
        """Whether the rest is next to nothing, and not asked for; one that is there is replaced."""
        if self.keep_silent_rest or os.path.lexists(get_report_path(self.outputs[rest])):
            return False
        rest_db = levels.after_db[rest]
        return rest_db < SILENT_DB and not rest_db > levels.before_db - SILENT_DEPTH_DB

    def _check(self) -> dict[Path, Wanted]:
        """Check all that names and numbers show; return what each output file is to be."""
        check_section(self.start, self.end)
        check_flag("force", self.force)
        _check_open(self.src, "readable")
        for target in self.outputs.values():
            _check_open(target, "writable")
        asked: dict[str, Any] = {
            name: getattr(self, name) for name in ("format", "subtype", "sr", "bitrate", "quality")
        }
        like = Path(self.src) if isinstance(self.src, str | os.PathLike) else None
        wanted = {}
        for target in map(get_report_path, self.outputs.values()):
            if target is not STREAM:
                wanted[target] = check_output(target, like=like, **asked)
            elif errors := list_stream_errors(raw=self.raw, **asked):
                raise errors[0]
        remove_leftovers_beside(wanted)
        sources = [get_report_path(source) for source in (self.src, *self.others) if is_path(source)]
        for target in wanted:
            check_target(target, sources=sources, force=self.force)
        places = {
            os.path.realpath(get_report_path(target)) if is_path(target) else id(target)
            for target in self.outputs.values()
        }
        if len(places) < len(self.outputs):
            first = next(iter(self.outputs.values()))
            raise AudioFileError(
                f"{get_report_path(self.src)}: two of its parts have the same file; name others"
                if self.parts
                else f"{get_report_path(first)}: is the output for both the speech and the noise; name another"
            )
        return wanted

    def _open(self, stack: ExitStack) -> Reader:
        reader: Reader
        if isinstance(self.src, str | os.PathLike):
            reader = open_reader(self.src)
            stack.enter_context(reader)
        else:
            reader = stack.enter_context(open_stream(self.src, self.raw, whole=self.n_passes > 1))
        return reader

    def _opened(self) -> list[PathLike | int]:
        """Return the recording as the system knows it: its path, or the number of an open file that has one."""
        if isinstance(self.src, str | os.PathLike):
            return [self.src]
        try:
            return [self.src.fileno()]
        except (OSError, AttributeError):
            return []

    def _first_pass(self, reader: Reader, dtype: type[np.floating[Any]]) -> Generator[Samples]:
        assert not isinstance(reader, StreamReader)
        with open_reader(reader.path, label=reader.label) as first:
            yield from SectionReader(first, self.start, self.end).blocks(dtype, self._progress(None))

    def report_learning(self, share: float, reader: Reader) -> None:
        """Report that a share of the learning behind the first pass is done."""
        seconds = (SectionReader(reader, self.start, self.end).n_samples or 0) / reader.sr
        if self.progress is not None and seconds:
            first, learning = self._find_shares(seconds)
            self.progress((first + learning * share) * seconds, seconds)

    def _find_shares(self, seconds: float) -> tuple[float, float]:
        if self.n_passes == 1:
            return 0.0, 0.0
        return (0.5, 0.0) if self.shares is None else self.shares(seconds)

    def _progress(self, writer: Writer | None) -> Progress | None:
        """Return what takes seconds that were read, and reports how many are done."""
        progress = self.progress
        if progress is None:
            return None

        def advance(done: float, total: float) -> None:
            first, learning = self._find_shares(total)
            if writer is None:
                progress(first * done, total)
                return
            before = first + learning
            written = min(done, writer.n_written / writer.sr)
            progress(min(before * total + (1 - before) * written, total), total)

        return advance

    def _open_writer(
        self,
        name: str,
        places: Mapping[Path, Path],
        wanted: Mapping[Path, Wanted],
        reader: Reader,
        n_samples: int | None,
    ) -> Writer:
        target = self.outputs[name]
        is_part = self.start is not None or self.end is not None
        if not isinstance(target, str | os.PathLike):
            container = choose_stream_container(
                reader.container, raw=self.raw, format=self.format, subtype=self.subtype
            )
            return open_stream_writer(
                target, reader, container, sr=self.sr, n_samples=n_samples, is_part=is_part
            )
        path = Path(target)
        return open_writer(
            *(places[path], path, reader, wanted[path]),
            n_samples=n_samples or 0,
            is_part=is_part,
            sound_only=self.parts or name != next(iter(self.outputs)),
        )

    def _changes(self, reader: Reader, container: Container) -> list[str]:
        """Return a sentence on each thing that the output could not be, though no other was asked for."""
        source, found = get_default_container(reader), []
        if self.subtype is None and container.subtype != source.subtype and container.format == source.format:
            found.append(f"{source.subtype} can't be written; it is now {container.subtype}")
        if isinstance(reader, MediaReader):
            if reader.n_tracks > 1:
                found.append(f"sound track {reader.track} of {reader.n_tracks} was {self.what}, and no other")
            found += reader.describe_gaps()
        asked = (
            str(self.format).upper(),
            get_report_path(next(iter(self.outputs.values()))).suffix[1:].upper(),
        )
        if container.format == "RF64" and "RF64" not in (source.format, *asked):
            found.append("this is more than a WAV can hold; it is now RF64")
        return found

    def _clipping(self, rest: Writer) -> str:
        if self.parts:
            return f"{rest.label}: samples clipped; there the parts do not add up"
        return f"{rest.label}: {rest.n_clipped} samples clipped; there the two do not add up"


def _enter(stack: ExitStack, writer: Writer, reader: Reader) -> Callable[[Samples], Samples]:
    """Enter the context of a writer, and return what takes samples at the rate of the recording."""
    stack.enter_context(writer)
    if writer.sr == reader.sr:
        return writer.write
    return stack.enter_context(Resampler(writer.write, reader.sr, writer.sr, reader.n_channels)).write
