"""States of signals that continue from one step of a training to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.training.unrolled import State

__all__ = ["Continuation", "Left"]

Arrays = dict[str, npt.NDArray[Any]]


class Left(NamedTuple):
    """Level and tilt of each signal of a part, and the state of the network, to continue from."""

    normalisers: list[Normaliser]
    state: State | None


class Continuation:
    """States of the parts of a batch, kept for the next one; `new_normaliser` makes that of a signal that begins."""

    def __init__(self, n_parts: int, new_normaliser: Callable[[], Normaliser]) -> None:
        self._left: list[Left | None] = [None] * n_parts
        self._new_normaliser = new_normaliser

    def before(self, part: int, goes_on: npt.NDArray[np.bool_]) -> Left:
        """Return the states that the signals of a part continue from, or begin with."""
        left = self._left[part]
        if left is None or left.state is None:
            return Left([self._new_normaliser() for _ in goes_on], None)
        pairs = zip(left.normalisers, goes_on, strict=True)
        normalisers = [old if on else self._new_normaliser() for old, on in pairs]
        return Left(normalisers, left.state._replace(new=~goes_on))

    def keep(self, part: int, left: Left) -> None:
        """Keep the states of a part."""
        self._left[part] = left

    def save(self) -> Arrays:
        """Return all states as arrays, for a checkpoint."""
        arrays: Arrays = {}
        for part, left in enumerate(self._left):
            if left is not None and left.state is not None:
                *fields, units = left.state
                named = {f"{i}": x for i, x in enumerate((*fields, *units))}
                named["normalisers"] = np.stack([one.state for one in left.normalisers])
                arrays |= {f"left/{part}/{name}": x for name, x in named.items()}
        return arrays

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over the states that `save` returned, as far as these arrays hold them."""
        for part in range(len(self._left)):
            prefix = f"left/{part}/"
            named = {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
            if not named:
                self._left[part] = None
                continue
            normalisers = []
            for state in named.pop("normalisers"):
                normalisers.append(self._new_normaliser())
                normalisers[-1].state = state
            new, begun, memory, running, floor, smooth, *units = (named[f"{i}"] for i in range(len(named)))
            self._left[part] = Left(
                normalisers, State(new, begun, memory, running, floor, smooth, tuple(units))
            )
