"""Parts of a recording, in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from nmf_audio._checks import check_number, conflict, invalid
from nmf_audio.io.base import Samples

__all__ = ["check_section", "cut"]


def check_section(start: Any, end: Any, *, name: str = "") -> tuple[float, float]:
    """Return start and end of a part of a recording in seconds; None is its beginning or end.

    `name` is that of an argument that holds both. `ParameterError` if they are no numbers, negative, or the
    part is empty.

    Examples
    --------
    >>> check_section(0.5, None)
    (0.5, inf)
    """
    first = 0.0 if start is None else check_number(name or "start", start, 0, unit="s")
    last = math.inf if end in (None, math.inf) else check_number(name or "end", end, 0, unit="s")
    if first < last:
        return first, last
    if name:
        raise invalid(name, (first, last), "a start and an end after it, in seconds")
    raise conflict({"start": first, "end": last}, "the end must come after the start")


def cut(blocks: Iterable[Samples], first: int, last: float) -> Iterator[Samples]:
    """Yield what lies in a part of a signal, and take no block that lies behind it.

    The part reaches from sample `first` up to `last`, which may be infinite; no block (n_channels, m) is
    empty.

    Examples
    --------
    >>> import numpy as np
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
