"""Local stand-ins for files that are elsewhere: in a temporary folder, and called what they stand for."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nmf_audio.jobs.report import FileReport

__all__ = ["Stage"]


class Stage:
    """A temporary folder with a file for each of some that are elsewhere.

    Examples
    --------
    >>> with Stage() as stage:
    ...     local = stage.add(Path("/elsewhere/a.wav"))
    ...     error = FileNotFoundError(f"{local}: is missing")
    ...     print(local.name, stage.rename(error))
    a.wav /elsewhere/a.wav: is missing
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nmf_audio_")))
        self._origins: dict[Path, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, origin: Any) -> Path:
        """Return a path of the same name that is not there yet, for what has a `name`."""
        place = self._folder / str(len(self._origins))
        place.mkdir()
        path = place / str(origin.name)
        self._origins[path] = origin
        return path

    def rename(self, value: Any) -> Any:
        """Return a report, an error, a text or a path, or several, in which files have their own names."""
        if isinstance(value, FileReport):
            return replace(value, **{f.name: self.rename(getattr(value, f.name)) for f in fields(value)})
        if isinstance(value, Exception):
            value.args = self.rename(value.args)
            for name, text in vars(value).items():
                if isinstance(text, str):
                    setattr(value, name, self.rename(text))
            return value
        if isinstance(value, dict):
            return {name: self.rename(one) for name, one in value.items()}
        if isinstance(value, tuple):
            return tuple(map(self.rename, value))
        if isinstance(value, str):
            for path, origin in self._origins.items():
                value = value.replace(str(path), str(origin))
            return value
        return self._origins.get(value, value) if isinstance(value, Path) else value
