"""PyAV, which reads and writes media files: loaded where it is needed."""

from __future__ import annotations

import os
from typing import Any

from nmf_audio.errors import MissingExtraError

__all__ = ["load_pyav", "open_to_read"]


def load_pyav(what: str) -> Any:
    """Return the module ``av``; raise `MissingExtraError`, which says what it is needed for, if it is not there."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"{what} needs PyAV; install it with: pip install av") from error
    return av


def open_to_read(av: Any, path: str | os.PathLike[str]) -> Any:
    """Open a media file; tags that are not text in UTF-8 come out with marks in place of what can't be read.

    Raises
    ------
    av.error.FFmpegError, ValueError
        If it can't be opened.
    """
    # before version 19 bytes that are no text are an error unless this says otherwise; since then they never are
    options = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    # the prefix keeps a colon in a name from being taken for the end of a protocol
    return av.open(f"file:{os.fspath(path)}", **options)
