"""Pieces of one long recording, processed in parallel by worker processes.

The memory of a stream fades, so a piece does not need all that came before it, but the last seconds in which there
was a sound (`nmf_audio.jobs.cutting`). What comes out differs from what one stream gives by less than 1e-4 of the
peak (docs/performance.md has measurements). A recording is cut only after that much sound.

A thread reads ahead and writes pieces into a temporary folder, processes turn them into others there, and `process`
reads these in their order, as far as they are written: memory does not grow with the length, and the folder holds a
few pieces at a time.
"""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array, Progress
from nmf_audio.errors import AudioFileError
from nmf_audio.jobs.cutting import Cutter, Samples, Shape
from nmf_audio.jobs.piece_work import Piece, PieceWork, Result, StreamMaker, read_samples
from nmf_audio.jobs.processes import Processes

__all__ = ["Pieces"]

N_WAITING = 1
"""Pieces that are ready before a process is."""


@dataclass
class _Order:
    """What the threads tell each other of the pieces, in their order."""

    pieces: list[Piece] = field(default_factory=list)
    results: dict[int, Result] = field(default_factory=dict)
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
        self._sr, self._n_channels = shape.sr, shape.n_channels
        self._jobs = jobs
        self._progress, self._seconds = progress, (shape.n_samples or 0) / shape.sr
        self._order, self._events = _Order(), queue.SimpleQueue[Callable[[], None]]()
        self._stop, self._free = threading.Event(), threading.Semaphore(jobs + N_WAITING)
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nmf_audio_")))
        self._cutter = Cutter(folder, shape, linked=linked, jobs=jobs)
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
            parts.append(
                {name: read_samples(file, self._n_channels, n) for name, file in self._outputs.items()}
            )
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
            with closing(self._blocks), closing(self._cutter.cut(self._blocks)) as pieces:
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

    def _do(self, i: int, piece: Piece) -> None:
        """Have a piece processed; what becomes of it goes to the thread that calls `process`."""

        def advance(done: float, total: float) -> None:
            if self._stop.is_set():
                raise _StoppedError
            self._events.put(lambda: self._advance(i, int(done)))

        if self._stop.is_set():
            return
        work = PieceWork(piece, self._maker, self._names, self._n_channels, self._cutter.block_length)
        try:
            result = self._processes.remote(work)(advance)
        except _StoppedError:
            return
        except BaseException as error:
            self._events.put(partial(_throw, error))
            return
        self._events.put(lambda: self._finish(i, result))

    def _finish(self, i: int, result: Result) -> None:
        self._order.results[i] = result
        if result.error is None:
            self._advance(i, self._order.pieces[i].n_samples)

    def _advance(self, i: int, n_samples: int) -> None:
        self._order.written[i] = n_samples
        if self._progress is not None:
            done = sum(self._order.written.values()) / self._sr
            self._progress(done, max(self._seconds, done))


class _StoppedError(BaseException):
    """Ends a piece that is not wanted any more."""


def _throw(error: BaseException) -> None:
    raise error
