"""Local stand-ins for files that are elsewhere: in a temporary folder, and called what they stand for."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from nmf_audio._checks import check_flag
from nmf_audio.errors import AudioFileError, NmfAudioError
from nmf_audio.io.remote import Url, check_writable, exists, fetch, is_url, locate, remove, store
from nmf_audio.jobs.report import FileReport

__all__ = ["Stage", "taking_urls"]

Parameters = ParamSpec("Parameters")
AnyReport = TypeVar("AnyReport", bound=FileReport)


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


def taking_urls(
    name_outputs: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[Callable[Parameters, AnyReport]], Callable[Parameters, AnyReport]]:
    """Let a function of recordings take URLs: sources are fetched first, targets stored when all is done.

    `name_outputs` returns the targets, by argument, that the function would choose itself.
    """

    def decorate(function: Callable[Parameters, AnyReport]) -> Callable[Parameters, AnyReport]:
        @wraps(function)
        def process(*args: Parameters.args, **keywords: Parameters.kwargs) -> AnyReport:
            if not any(map(_has_url, (*args, *keywords.values()))):
                return function(*args, **keywords)
            bound = inspect.signature(function).bind(*args, **keywords)
            given = {name: _locate_all(value) for name, value in bound.arguments.items() if value is not None}
            given = name_outputs(given) | given
            with Stage() as stage:
                try:
                    return stage.rename(_process_staged(function, given, stage))  # type: ignore[no-any-return]
                except NmfAudioError as error:
                    raise stage.rename(error) from error.__cause__

        return process

    return decorate


_SOURCES, _TARGETS = ("src", "noise"), ("dst", "parts", "keep_noise")


def _process_staged(function: Callable[..., AnyReport], given: dict[str, Any], stage: Stage) -> AnyReport:
    """Call a function with local files in the place of URLs."""
    sources = [given[name] for name in _SOURCES if isinstance(given.get(name), Url)]
    targets: dict[Url, Path] = {}
    existing: list[Url] = []

    def add_target(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: add_target(one) for name, one in value.items()}
        if not isinstance(value, Url):
            return value
        check_writable(value)
        if value in sources:
            raise AudioFileError(f"{value}: is the input itself; name another output")
        if value in targets:
            raise AudioFileError(f"{value}: is the output for two signals; name another")
        targets[value] = stage.add(value)
        if exists(value):
            if not check_flag("force", given.get("force", False)):
                raise AudioFileError(
                    f"{value}: exists", argument="force", value=True, purpose=" to replace it"
                )
            existing.append(value)
            targets[value].touch()
        return targets[value]

    local = {name: add_target(value) if name in _TARGETS else value for name, value in given.items()}
    for name in _SOURCES:
        if isinstance(given.get(name), Url):
            local[name] = stage.add(given[name])
            fetch(given[name], local[name])
    report = function(**local)
    stored: list[Url] = []
    try:
        # the first, which stands for all, comes last
        for url, path in reversed(targets.items()):
            if path.exists():
                store(path, url)
                stored.append(url)
    except BaseException:
        for url in stored:
            if url not in existing:
                remove(url)
        raise
    return report


def _has_url(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_url, value.values()))
    return isinstance(value, Url) or (isinstance(value, str) and is_url(value))


def _locate_all(value: Any) -> Any:
    """Return an argument with paths and URLs in the place of the texts that are URLs."""
    if isinstance(value, Mapping):
        return {name: _locate_all(one) for name, one in value.items()}
    return locate(value) if isinstance(value, str) and is_url(value) else value
