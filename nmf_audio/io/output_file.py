"""The bytes of an output: every one is written, or an error says why not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmf_audio.errors import AudioFileError
from nmf_audio.io.interrupts import deferring_interrupts

__all__ = ["OutputFile"]


class OutputFile(io.FileIO):
    """A new file for libraries that do not pass on all errors of the disk: the first is kept, nothing follows it."""

    def __init__(self, path: Path, label: str) -> None:
        self._label = label
        self._error: OSError | None = None
        try:
            super().__init__(path, "w+")
        except OSError as error:
            raise self._name(error) from error

    def write(self, data: Any) -> int:
        """Write all of `data`, and return how much that is: nothing after an error."""
        view = memoryview(data)
        n = 0
        try:
            while n < len(view) and self._error is None:
                n += super().write(view[n:]) or 0
        except OSError as error:
            self._error = error
        return n if self._error is None else 0

    def close(self) -> None:
        """Close the file; an error of that, too, is kept."""
        try:
            super().close()
        except OSError as error:
            self._error = self._error or error

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Raise AudioFileError behind what a library does with this file, if not all was written.

        What the library itself raises then is its consequence. An interrupt waits until the library is done.
        """
        with deferring_interrupts():
            try:
                yield
            finally:
                if self._error is not None:
                    raise self._name(self._error) from self._error

    def _name(self, error: OSError) -> AudioFileError:
        return AudioFileError(f"{self._label}: can't be written: {error.strerror}")
