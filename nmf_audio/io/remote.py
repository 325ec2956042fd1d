"""Recordings that a URL names: in object stores and on servers, reached through fsspec."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nmf_audio.errors import AudioFileError, MissingExtraError, NmfAudioError

__all__ = [
    "Url",
    "exists",
    "fetch",
    "find_below",
    "identify",
    "is_on_web",
    "is_pattern",
    "is_url",
    "locate",
    "name_here",
    "remove",
    "store",
]

# a letter alone is a drive of Windows
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WITH_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "tos"})
"""Stores that have no folders. To make one would make its bucket, of a name that may be misspelt."""

READ_SECONDS = 60
"""Time without a byte after which a server is given up."""


if TYPE_CHECKING:
    # one type for what may be either, in reports and plans; only what is on this computer is a path when it runs
    _Path = Path
else:
    _Path = object


class Url(_Path):
    """A URL, with what paths have, too.

    Examples
    --------
    >>> url = Url("https://example.org/talks/monday.wav?key=7")
    >>> url.name, url.stem, url.suffix
    ('monday.wav', 'monday', '.wav')
    >>> str(url.parent / "clean.wav")
    'https://example.org/talks/clean.wav'
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        return f"Url({self.address!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    @property
    def _path(self) -> PurePosixPath:
        path = self.address.split("://", 1)[1]
        # keys of stores may have question marks of their own
        return PurePosixPath(re.split("[?#]", path)[0] if is_on_web(self) else path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """The extension."""
        return self._path.suffix

    @property
    def parent(self) -> Url:
        """What it lies in."""
        above = str(self._path.parent)
        return Url(f"{self.address.split('://', 1)[0]}://{'' if above == '.' else above}")

    def __truediv__(self, name: str | os.PathLike[str]) -> Url:
        below = PurePosixPath(os.fspath(name)).as_posix()
        return self if below == "." else Url(f"{self.address.removesuffix('/')}/{below}")

    def with_name(self, name: str) -> Url:
        """Return another in the same place."""
        return self.parent / name


def is_url(name: str) -> bool:
    """Return whether a name is a URL, not a path.

    Examples
    --------
    >>> is_url("s3://talks/monday.wav"), is_url("talks/monday.wav"), is_url("C:/talks/monday.wav")
    (True, False, False)
    """
    return _URL.match(name) is not None


def locate(name: str | os.PathLike[str] | Url) -> Path:
    """Return a path, or a URL; those of files on this computer are paths.

    Examples
    --------
    >>> locate("file:///talks/monday%201.wav").as_posix()
    '/talks/monday 1.wav'
    >>> locate("s3://talks/monday.wav")
    Url('s3://talks/monday.wav')
    """
    if isinstance(name, Url):
        return name
    text = os.fspath(name)
    if not is_url(text):
        return Path(text)
    if not text.lower().startswith("file://"):
        return Url(text)
    # takes time to load
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(text).path))


def identify(location: Path) -> str:
    """Return the same text for the same place, through whatever link."""
    return str(location) if isinstance(location, Url) else os.path.realpath(location)


def name_here(location: Path) -> Path:
    """Return a path of the same name in the current folder for a URL, any other as it is."""
    return Path(location.name) if isinstance(location, Url) else location


def exists(location: Path) -> bool:
    """Return whether there is something; `AudioFileError` if that can't be found out."""
    if not isinstance(location, Url):
        return os.path.lexists(location)
    with _opening(location, "looked at") as (system, path):
        return bool(system.exists(path))


def fetch(url: Url, path: Path) -> None:
    """Copy what a URL names into a file; `AudioFileError` if it can't be read.

    `MissingExtraError` if fsspec, or the package for this kind of URL, is not installed.
    """
    with _opening(url, "read") as (system, remote):
        system.get_file(remote, str(path))


def store(path: Path, url: Url) -> None:
    """Copy a file to where a URL says; what fails halfway is removed, unless it replaced something.

    `AudioFileError` if it can't be written, and `MissingExtraError` as of `fetch`.
    """
    check_writable(url)
    with _opening(url, "written") as (system, remote):
        was_there = system.exists(remote)
        try:
            if urlsplit(url.address).scheme.lower() not in _WITH_BUCKETS:
                system.makedirs(system._parent(remote), exist_ok=True)
            system.put_file(str(path), remote)
        except BaseException:
            if not was_there and system.exists(remote):
                system.rm_file(remote)
            raise


def check_writable(url: Url) -> None:
    """Raise AudioFileError if nothing can be written to such a URL."""
    if is_on_web(url):
        raise AudioFileError(f"{url}: can't be written to; name a file, or an object store")


def remove(url: Url) -> None:
    """Remove what a URL names."""
    with _opening(url, "removed") as (system, path):
        system.rm_file(path)


def find_below(url: Url) -> list[Url]:
    """Return all files below a URL, or that a pattern (``s3://talks/*.wav``) stands for, by name."""
    root = url
    while is_pattern(root):
        root = root.parent
    with _opening(url, "listed") as (system, path):
        found = system.glob(path) if is_pattern(url) else system.find(path)
        above = system._strip_protocol(root.address).rstrip("/")
        return [root / name.removeprefix(above).lstrip("/") for name in sorted(found)]


def is_pattern(url: Url) -> bool:
    """Return whether a URL stands for several; those of servers on the web have question marks of their own."""
    return not is_on_web(url) and re.search(r"[*?\[]", url.address) is not None


def is_on_web(url: Url) -> bool:
    """Return whether a URL is of a server on the web, which lists nothing and takes nothing."""
    return url.address.lower().startswith(("http://", "https://"))


@contextmanager
def _opening(url: Url, done: str) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL, and the path in it; name the URL in whatever goes wrong."""
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError(f"{url}: URLs need fsspec; install it with: pip install fsspec") from None
    options: dict[str, Any] = {}
    try:
        if is_on_web(url):
            from aiohttp import ClientTimeout

            # long recordings take longer than the five minutes that there are by default
            options["client_kwargs"] = {"timeout": ClientTimeout(total=None, sock_read=READ_SECONDS)}
        yield fsspec.core.url_to_fs(url.address, **options)
    except NmfAudioError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"{url}: needs another package ({error})") from error
    except FileNotFoundError as error:
        what = "can't be written: there is no such bucket or folder" if done == "written" else "is not there"
        raise AudioFileError(f"{url}: {what}") from error
    except Exception as error:
        raise AudioFileError(f"{url}: can't be {done}: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    """Return why it failed, in words: each kind of store has exceptions of its own."""
    status = getattr(error, "status", None)
    reason = str(error) or type(error).__name__
    if isinstance(status, int):
        reason = f"the server answered {status} {getattr(error, 'message', '')}".rstrip()
    if isinstance(error, PermissionError) or status in (401, 403):
        return f"no permission ({reason})"
    # of aiohttp, which is there only if a URL needs it
    if type(error).__name__ == "ClientPayloadError":
        return "the connection ended before all of it was sent"
    return reason
