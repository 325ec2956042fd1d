"""The loop over the blocks of a signal: through a stream into outputs, with the remainder and the levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Levels", "Processor", "pump"]

Samples = npt.NDArray[np.floating[Any]]


class Processor(Protocol):
    """What `pump` needs of a stream."""

    def process(self, block: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        """Take the next block (n_channels, n) and return what is ready of each signal, (m,) or (n_channels, m)."""

    def flush(self) -> Mapping[str, npt.NDArray[Any]]:
        """End the signal and return the rest of each."""


@dataclass(frozen=True)
class Levels:
    """Sums over a signal, and what follows from them.

    Parameters
    ----------
    n_values : int
        Samples times channels.
    energy_in : float
        Sum of squares before.
    energies : dict of str to float
        Sum of squares of each output.
    """

    n_values: int
    energy_in: float
    energies: dict[str, float]

    @property
    def before_db(self) -> float:
        """Mean square before, in decibels below full scale."""
        return _ratio_db(self.energy_in, self.n_values)

    @property
    def after_db(self) -> dict[str, float]:
        """Mean square of each output, in decibels below full scale."""
        return {name: _ratio_db(energy, self.n_values) for name, energy in self.energies.items()}

    def removed_db(self, name: str) -> float:
        """Return by how many decibels an output is below the signal; 0 for silence."""
        if self.energy_in == 0:
            return 0.0
        return _ratio_db(self.energy_in, self.energies[name]) if self.energies[name] > 0 else math.inf


def _ratio_db(a: float, b: float) -> float:
    # sums of the same samples over other blocks may differ in their last digits
    return round(10 * math.log10(a / b), 6) + 0.0 if a > 0 else -math.inf


def pump(
    blocks: Iterable[Samples],
    stream: Processor,
    write: Mapping[str, Callable[[Samples], Samples]],
    rest: str | None = None,
    *,
    exact: bool = False,
    dtype: type[np.floating[Any]] = np.float32,
) -> Levels:
    """Send all of a signal through a stream; return the levels of the signal and of what came out.

    `write` takes what comes out for each output (n_channels, m), of `dtype`, and returns it as it was stored. The
    output `rest` gets what remains: the input minus the others as they were stored. With `exact` that is
    computed in float64, and levels are those of the samples as stored.
    """
    waiting: list[Samples] = []
    n_values, energy_in = 0, 0.0
    energies = dict.fromkeys(write, 0.0)

    def emit(signals: Mapping[str, npt.NDArray[Any]]) -> None:
        stored = {}
        for name in write:
            if name != rest:
                y = np.atleast_2d(signals[name]).astype(dtype, copy=False)
                stored[name] = write[name](y)
                energies[name] += _energy(stored[name] if exact else y)
        if rest is None or not y.shape[1]:
            return
        inputs = np.concatenate(waiting, axis=1)
        waiting[:] = [inputs[:, y.shape[1] :]]
        ready = inputs[:, : y.shape[1]].astype(np.float64 if exact else inputs.dtype, copy=False)
        # the parts' own sum first: they hold no more digits than float32, so that only the difference is rounded
        total = reduce(lambda a, b: np.add(a, b, dtype=np.float64), stored.values())
        energies[rest] += _energy(write[rest](ready - total))

    for block in blocks:
        n_values += block.size
        energy_in += _energy(block)
        if rest is not None:
            waiting.append(block)
        emit(stream.process(block.astype(dtype, copy=False)))
    emit(stream.flush())
    return Levels(n_values, energy_in, energies)


def _energy(y: Samples) -> float:
    return float(np.sum(np.square(y, dtype=np.float64)))
