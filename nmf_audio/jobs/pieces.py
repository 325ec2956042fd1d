"""Pieces of one long recording, processed in parallel by worker processes.

The memory of a stream fades, so a piece does not need all that came before it, but the last `SETTLING_SECONDS` in
which there was a sound. What comes out differs from what one stream gives by less than 1e-4 of the peak
(docs/performance.md has measurements). A recording is cut only after that much sound.

A thread reads ahead and writes pieces into a temporary folder, processes turn them into others there, and `process`
reads these in their order, as far as they are written: memory does not grow with the length, and the folder holds a
few pieces at a time.
"""

from __future__ import annotations

import math
import queue
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array, Progress
from nmf_audio.errors import AudioFileError
from nmf_audio.jobs.processes import Processes, can_start_processes
from nmf_audio.jobs.pump import Processor

__all__ = [
    "PieceStream",
    "Pieces",
    "Shape",
    "StreamMaker",
    "is_worth_cutting",
]

Samples = npt.NDArray[np.floating[Any]]

SETTLING_SECONDS = 60
"""After these the largest difference was 2e-5 of the peak on recordings whose voice and noise change every 6 s, and
2e-6 on stationary noise whose loudness does; after 30 s it was up to 3e-3 there."""

SHORTEST_SECONDS = 300
"""Shorter recordings are not cut."""

LONGEST_SECONDS, LARGEST_BYTES = 2400, 2**28
"""Of a piece, with what it hears before: the longer, the less is heard twice, and the more room they need."""

SHORT = 3
"""Length of the last piece, in times that are heard before it: those beside it are joined meanwhile, and little is
left to join in the end."""

SILENT = 1e-6
"""Peak of a second in which nothing settles: the level of the front end does not move in digital silence."""

N_WAITING = 1
"""Pieces that are ready before a process is."""

BLOCKS_SHOWN = 5
"""Blocks of about a second after which a process says how far it is."""


class Shape(NamedTuple):
    """What is known of a signal: rate, channels, length, and the frames that it is cut into."""

    sr: int
    n_channels: int
    n_samples: int | None
    frame_length: int


class PieceStream(Processor, Protocol):
    """A stream that measures what it hears."""

    def start_measuring(self) -> None:
        """Forget what was measured up to here."""

    @property
    def measured(self) -> Any:
        """What was measured; it can be pickled."""


class StreamMaker(Protocol):
    """Makes streams, and can be pickled."""

    def make(self) -> PieceStream:
        """Return a stream at its beginning."""


def is_worth_cutting(n_samples: int | None, sr: int) -> bool:
    """Return whether a signal has more than one piece, and there are processes for them."""
    return (n_samples is None or n_samples > SHORTEST_SECONDS * sr) and can_start_processes()


@dataclass(frozen=True)
class _Result:
    """What was measured in a piece, or why there is nothing."""

    measured: Any = None
    error: Exception | None = None


@dataclass
class _Piece:
    """Samples on disk, interleaved: `n_before` to settle, `n_samples` that are wanted, and some more."""

    folder: Path
    n_before: int
    n_samples: int = 0

    @property
    def source(self) -> Path:
        """Return where the samples are."""
        return self.folder / "in"

    def target(self, name: str) -> Path:
        """Return where an output's samples are."""
        return self.folder / f"out.{name}"


@dataclass(frozen=True)
class _PieceWork:
    """Sends a piece through a stream."""

    piece: _Piece
    maker: StreamMaker
    names: tuple[str, ...]
    n_channels: int
    block_length: int

    def __call__(self, progress: Progress) -> _Result:
        """Do it."""
        stream, piece = self.maker.make(), self.piece
        to_skip, heard, n_written = piece.n_before, 0, 0
        with ExitStack() as stack:
            source = stack.enter_context(piece.source.open("rb"))
            targets = {name: stack.enter_context(piece.target(name).open("wb")) for name in self.names}

            def emit(signals: Mapping[str, npt.NDArray[Any]]) -> None:
                nonlocal to_skip, n_written
                n = 0
                for name, target in targets.items():
                    y = np.atleast_2d(signals[name]).astype(np.float32, copy=False)
                    n = y.shape[1]
                    target.write(y[:, to_skip : to_skip + piece.n_samples - n_written].T.tobytes())
                skipped = min(to_skip, n)
                to_skip -= skipped
                n_written += min(piece.n_samples - n_written, n - skipped)

            for i, block in enumerate(_read_blocks(source, self.n_channels, self.block_length)):
                if heard == piece.n_before:
                    stream.start_measuring()
                emit(stream.process(block))
                heard += block.shape[1]
                if i % BLOCKS_SHOWN == 0:
                    for target in targets.values():
                        target.flush()
                    progress(n_written, piece.n_samples)
            emit(stream.flush())
        piece.source.unlink()
        return _Result(stream.measured)

    def failed(self, error: Exception) -> _Result:
        """Return the result of a piece that could not be processed."""
        return _Result(error=error)


@dataclass
class _Order:
    """What the threads tell each other of the pieces, in their order."""

    pieces: list[_Piece] = field(default_factory=list)
    results: dict[int, _Result] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    is_complete: bool = False


class Pieces:
    """A signal that is processed in pieces, side by side; for `nmf_audio.jobs.pump.pump` it is a stream.

    `blocks` are the signal once more: it is read ahead of what `process` is called with. `maker` makes a stream
    for each piece, and `names` are the signals that come out of one. If the channels are not `linked`, each
    must have been heard before the signal is cut. `progress` is called in the thread that calls `process`, with
    the seconds that are done, and those that there are.
    """

    def __init__(
        self,
        blocks: Generator[Samples],
        maker: StreamMaker,
        names: tuple[str, ...],
        shape: Shape,
        *,
        linked: bool,
        jobs: int,
        progress: Progress | None,
    ) -> None:
        self._blocks, self._maker, self._names = blocks, maker, names
        self._sr, self._n_channels, n_samples, frame_length = shape
        # about a second, and whole frames, so that every piece has its frames where one stream would
        self._block_length = frame_length * max(1, round(shape.sr / frame_length))
        self._linked, self._jobs = linked, jobs
        self._n_settling = round(SETTLING_SECONDS * shape.sr / self._block_length)
        self._lengths = _choose_lengths(shape, jobs, self._n_settling * self._block_length)
        self._progress, self._seconds = progress, (n_samples or 0) / shape.sr
        self._order, self._events = _Order(), queue.SimpleQueue[Callable[[], None]]()
        self._stop, self._free = threading.Event(), threading.Semaphore(jobs + N_WAITING)
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nmf_audio_")))
        self._processes = self._stack.enter_context(Processes())
        self._pool = self._stack.enter_context(ThreadPoolExecutor(jobs))
        self._reader = threading.Thread(target=self._read)
        self._at, self._n_read = 0, 0
        self._outputs: dict[str, Any] = {}

    def __enter__(self) -> Self:
        # processes start while the first piece is read
        self._processes.start(self._jobs)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._free.release()
        self._reader.join()
        self._close_outputs()
        self._stack.close()

    @property
    def measured(self) -> list[Any]:
        """Return what was measured in each piece, when all are done."""
        return [result.measured for _, result in sorted(self._order.results.items())]

    def process(self, block: npt.NDArray[Any]) -> dict[str, Array]:
        """Return the outputs of the next samples (n_channels, n): all of them, once they are there."""
        wanted, parts = block.shape[1], []
        while wanted:
            n = min(wanted, self._wait_for_samples())
            parts.append({name: _read(file, self._n_channels, n) for name, file in self._outputs.items()})
            wanted, self._n_read = wanted - n, self._n_read + n
        return {name: np.concatenate([part[name] for part in parts], axis=1) for name in self._names}

    def flush(self) -> dict[str, Array]:
        """Return nothing more: `process` returned all."""
        if self._outputs:
            self._end_piece()
        return {name: np.zeros((self._n_channels, 0), np.float32) for name in self._names}

    def _wait_for_samples(self) -> int:
        """Return how many samples can be read, once there are any: of the open piece, or else of the next one."""
        if self._outputs and self._n_read == self._order.pieces[self._at].n_samples:
            self._end_piece()
        while self._n_read == (n_written := self._order.written.get(self._at, 0)):
            if self._order.is_complete and self._at == len(self._order.pieces):
                raise AudioFileError("the recording grew while it was read; try again when it is finished")
            self._check_piece()
            self._events.get()()
        if not self._outputs:
            piece = self._order.pieces[self._at]
            self._outputs = {name: piece.target(name).open("rb") for name in self._names}
        return n_written - self._n_read

    def _check_piece(self) -> None:
        """Raise the error of the piece that is to be read, if it has one."""
        result = self._order.results.get(self._at)
        if result is not None and result.error is not None:
            raise result.error

    def _end_piece(self) -> None:
        """Wait until the process is done with the piece that has been read, and remove it."""
        while self._at not in self._order.results:
            self._events.get()()
        self._check_piece()
        self._close_outputs()
        shutil.rmtree(self._order.pieces[self._at].folder)
        self._at, self._n_read = self._at + 1, 0
        self._free.release()

    def _close_outputs(self) -> None:
        for file in self._outputs.values():
            file.close()
        self._outputs = {}

    def _read(self) -> None:
        """Cut the signal into pieces, and have them processed."""
        try:
            with closing(self._blocks), closing(self._cut()) as pieces:
                for i, piece in enumerate(pieces):
                    self._order.pieces.append(piece)
                    self._pool.submit(self._do, i, piece)
                    self._free.acquire()
                    if self._stop.is_set():
                        return
            self._events.put(self._complete)
        except BaseException as error:
            self._events.put(partial(_throw, error))

    def _complete(self) -> None:
        self._order.is_complete = True

    def _do(self, i: int, piece: _Piece) -> None:
        """Have a piece processed; what becomes of it goes to the thread that calls `process`."""

        def advance(done: float, total: float) -> None:
            if self._stop.is_set():
                raise _StoppedError
            self._events.put(lambda: self._advance(i, int(done)))

        if self._stop.is_set():
            return
        work = _PieceWork(piece, self._maker, self._names, self._n_channels, self._block_length)
        try:
            result = self._processes.remote(work)(advance)
        except _StoppedError:
            return
        except BaseException as error:
            self._events.put(partial(_throw, error))
            return
        self._events.put(lambda: self._finish(i, result))

    def _finish(self, i: int, result: _Result) -> None:
        self._order.results[i] = result
        if result.error is None:
            self._advance(i, self._order.pieces[i].n_samples)

    def _advance(self, i: int, n_samples: int) -> None:
        self._order.written[i] = n_samples
        if self._progress is not None:
            done = sum(self._order.written.values()) / self._sr
            self._progress(done, max(self._seconds, done))

    def _cut(self) -> Generator[_Piece]:
        """Write pieces, and yield each as soon as it is there, with a block that lies behind it."""
        # of a long silence no more than this is kept, and nothing is cut until there was sound again
        before: deque[tuple[Array, bool]] = deque(maxlen=2 * self._n_settling)
        n, n_heard = 0, 0
        length, later = self._lengths
        with ExitStack() as stack:
            ended: tuple[_Piece, Any] | None = None
            current, file = self._new_piece(stack, n, before)
            for block in _reblock(self._blocks, self._block_length):
                if ended is not None:
                    ended[1].write(block.T.tobytes())
                    ended[1].close()
                    yield ended[0]
                    ended = None
                file.write(block.T.tobytes())
                current.n_samples += block.shape[1]
                if len(before) == before.maxlen:
                    n_heard -= before.popleft()[1]
                before.append((block, self._is_heard(block)))
                n_heard += before[-1][1]
                # more than enough is dropped
                while n_heard - before[0][1] >= self._n_settling:
                    n_heard -= before.popleft()[1]
                has_settled = n_heard >= self._n_settling
                if has_settled and current.n_before + current.n_samples >= length:
                    n, length = n + 1, later
                    ended = current, file
                    current, file = self._new_piece(stack, n, before)
            if ended is not None:
                ended[1].close()
                yield ended[0]
            file.close()
            if current.n_samples:
                yield current

    def _new_piece(
        self, stack: ExitStack, n: int, before: Iterable[tuple[Array, bool]]
    ) -> tuple[_Piece, Any]:
        folder = self._folder / str(n)
        folder.mkdir()
        piece = _Piece(folder, sum(block.shape[1] for block, _ in before))
        file = stack.enter_context(piece.source.open("wb"))
        for block, _ in before:
            file.write(block.T.tobytes())
        return piece, file

    def _is_heard(self, block: Array) -> bool:
        peaks = np.abs(block).max(axis=1)
        return bool((peaks.max() if self._linked else peaks.min()) > SILENT)


def _choose_lengths(shape: Shape, jobs: int, n_settling: int) -> tuple[int, int]:
    """Return the lengths of the first piece and of the others in samples, with what is heard before them.

    All processes have the same to do; the first piece hears nothing before, and what remains at the end is short.
    """
    longest = min(LONGEST_SECONDS * shape.sr, LARGEST_BYTES // (4 * shape.n_channels))
    longest = max(longest, 2 * n_settling)
    if not shape.n_samples:
        return longest, longest
    n_rounds = math.ceil((shape.n_samples - n_settling) / (jobs * (longest - n_settling)))
    n_pieces = jobs * n_rounds
    length = math.ceil((shape.n_samples + n_pieces * n_settling) / n_pieces)
    first = length - SHORT * n_settling
    if first >= SHORT * n_settling:
        return first, length
    # too short for that
    length = math.ceil((shape.n_samples + (n_pieces - 1) * n_settling) / n_pieces)
    return length, length


class _StoppedError(BaseException):
    """Ends a piece that is not wanted any more."""


def _throw(error: BaseException) -> None:
    raise error


def _read(file: Any, n_channels: int, n_samples: int) -> Array:
    """Read samples (n_channels, n)."""
    return np.fromfile(file, np.float32, n_samples * n_channels).reshape(-1, n_channels).T


def _read_blocks(file: Any, n_channels: int, n_samples: int) -> Iterator[Array]:
    """Read blocks (n_channels, n) to the end of a file."""
    while (block := _read(file, n_channels, n_samples)).shape[1]:
        yield block


def _reblock(blocks: Iterable[Samples], n: int) -> Iterator[Array]:
    """Yield the same samples as float32 in blocks of n; the last may be shorter."""
    waiting: list[Array] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block.astype(np.float32))
        n_waiting += block.shape[1]
        if n_waiting >= n:
            joined = np.concatenate(waiting, axis=1)
            end = n_waiting // n * n
            for i in range(0, end, n):
                yield np.ascontiguousarray(joined[:, i : i + n])
            waiting, n_waiting = [joined[:, end:]], n_waiting - end
    if n_waiting:
        yield np.concatenate(waiting, axis=1)
