"""Parts of a recording, in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nmf_audio.errors import ParameterError
from nmf_audio.io.base import Samples

__all__ = ["check_section", "cut"]


def check_section(name: str, start: Any, end: Any) -> tuple[float, float]:
    """Return start and end of a part of a recording in seconds, if they are such; None is its beginning or end.

    `name` is that of the part in messages.

    Raises
    ------
    ParameterError
        If they are no numbers, negative, or the part is empty.

    Examples
    --------
    >>> check_section("section", 0.5, None)
    (0.5, inf)
    """
    first, last = (0.0 if start is None else start), (math.inf if end is None else end)
    for value in (first, last):
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise ParameterError(f"{name}={value!r}; a number of seconds is needed")
    if not (0 <= first < last and first < math.inf):
        raise ParameterError(
            f"{name}: from {first:g} s to {last:g} s; the start must be 0 s or later, the end after the start"
        )
    return float(first), float(last)


def cut(blocks: Iterable[Samples], first: int, last: float) -> Iterator[Samples]:
    """Yield what lies in a part of a signal, and take no block that lies behind it.

    The part reaches from sample `first` up to `last`, which may be infinite; no block (n_channels, m) is
    empty.

    Examples
    --------
    >>> [block.tolist() for block in cut([np.array([[1, 2]]), np.array([[3, 4]])], 1, 3)]
    [[[2]], [[3]]]
    """
    position = 0
    for block in blocks:
        n = block.shape[1]
        part = block[:, max(first - position, 0) : int(min(max(last - position, 0), n))]
        position += n
        if part.shape[1]:
            yield part
        if position >= last:
            return
