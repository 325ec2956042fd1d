"""A piece of a long recording, sent through a stream: the work of another process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nmf_audio._types import Array, Progress
from nmf_audio.jobs.pump import Processor

__all__ = ["Piece", "PieceStream", "PieceWork", "Result", "StreamMaker", "read_samples"]

BLOCKS_SHOWN = 5
"""Blocks of about a second after which a process says how far it is."""


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


@dataclass(frozen=True)
class Result:
    """What was measured in a piece, or why there is nothing."""

    measured: Any = None
    error: Exception | None = None


@dataclass
class Piece:
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
class PieceWork:
    """Sends a piece through a stream."""

    piece: Piece
    maker: StreamMaker
    names: tuple[str, ...]
    n_channels: int
    block_length: int

    def __call__(self, progress: Progress) -> Result:
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
        return Result(stream.measured)

    def failed(self, error: Exception) -> Result:
        """Return the result of a piece that could not be processed."""
        return Result(error=error)


def read_samples(file: Any, n_channels: int, n_samples: int) -> Array:
    """Read samples (n_channels, n)."""
    return np.fromfile(file, np.float32, n_samples * n_channels).reshape(-1, n_channels).T


def _read_blocks(file: Any, n_channels: int, n_samples: int) -> Iterator[Array]:
    """Read blocks (n_channels, n) to the end of a file."""
    while (block := read_samples(file, n_channels, n_samples)).shape[1]:
        yield block
