"""Recordings that a URL names."""

from __future__ import annotations

import re

__all__ = ["is_url"]

# a letter alone is a drive of Windows
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_url(name: str) -> bool:
    """Return whether a name is a URL, not a path.

    Examples
    --------
    >>> is_url("s3://talks/monday.wav"), is_url("talks/monday.wav"), is_url("C:/talks/monday.wav")
    (True, False, False)
    """
    return _URL.match(name) is not None
