"""Argument checks of NMF, and its data in the form that the kernels take."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmf_audio._checks import (
    LARGEST,
    check_array,
    check_callable,
    check_entries,
    check_number,
    check_real,
    check_shape,
    invalid,
)
from nmf_audio._types import AnyArray

Free = slice | Sequence[int] | Sequence[bool] | AnyArray | None

EPS = 1e-10
"""Added to the model, relative to the mean of the data."""

ZERO = 0.03
"""What zeros are taken for where the divergence of zero is infinite: relative to the other entries of their frame."""

LARGEST_LOG_SCALE = {np.float32: 120, np.float64: 1000}
"""With these bounds, which hold nearly all numbers of a type, neither the scale nor its inverse overflows."""

LARGEST_LOG_COST = 1000
"""A unit of the cost, in that of the data, is at most 2 to this power."""


@dataclass(frozen=True)
class Problem:
    """Data as the kernels take them: frame-major, with a mean near 1, so that float32 powers stay in range.

    The scale is a power of two: dividing by it costs no rounding.
    """

    V: AnyArray
    M: AnyArray
    scale: float
    beta: float
    eps: float

    @property
    def n_frames(self) -> int:
        """Rows of V."""
        return int(self.V.shape[0])

    @property
    def n_features(self) -> int:
        """Columns of V."""
        return int(self.V.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of all arrays: float32 or float64."""
        return self.V.dtype

    @property
    def gamma(self) -> float:
        """Exponent of the updates."""
        return exponent(self.beta)

    @property
    def unit_of_cost(self) -> float:
        """Factor from a cost in the problem's scale to one in that of the data."""
        return float(self.scale**self.beta)

    def scale_callback(
        self, callback: Callable[[int, float], None] | None
    ) -> Callable[[int, float], None] | None:
        """Return a callback that converts costs from the problem's scale to that of the data for `callback`."""
        check_callable("callback", callback)
        if callback is None:
            return None
        return lambda n_iter, cost: callback(n_iter, cost * self.unit_of_cost)

    def penalty(self, value: ArrayLike, n_components: int, name: str) -> AnyArray:
        """Penalty per atom in the problem's scale, which is that of the activations: atoms have none."""
        power = {"l1_H": 1.0, "l2_H": 2.0}.get(name, 0.0) - self.beta
        given = per_atom(value, n_components, name)
        with np.errstate(over="ignore"):
            unit = np.float64(self.scale) ** power
            penalty: AnyArray = np.where(given > 0, given * min(unit, LARGEST), 0).astype(self.dtype)
        if not np.isfinite(penalty).all():
            raise invalid(
                name, value, f"at most {np.finfo(self.dtype).max / unit:.1g} for data of this level"
            )
        return penalty

    def start(self, W: AnyArray, profile: AnyArray) -> AnyArray:
        """Return activations of one profile, scaled so that W @ H has the mean of each frame's known entries."""
        known = self.V if not self.M.size else self.V * (self.M > 0)
        count = self.n_features if not self.M.size else np.maximum((self.M > 0).sum(axis=1), 1)
        level = known.sum(axis=1, dtype=np.float64) / count
        per_unit = float(W.sum(axis=1, dtype=np.float64) @ profile) / self.n_features
        H = np.maximum(level, self.eps)[:, None] / max(per_unit, np.finfo(self.dtype).tiny)
        activations: AnyArray = (H * profile).astype(self.dtype)
        return activations

    def floor(self, W: AnyArray) -> float:
        """Return the activation floor: with all activations there, W @ H has the mean `eps`."""
        total = float(W.sum(dtype=np.float64)) / self.n_features
        return self.eps / total if total > 0 else self.eps


def check_beta(beta: float) -> float:
    """Check a divergence."""
    return check_number("beta", beta, advice="2 is Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito")


def exponent(beta: float) -> float:
    """Return the exponent for which an update never raises the cost (Fevotte & Idier 2011)."""
    if beta < 1:
        return 1.0 / (2.0 - beta)
    return 1.0 / (beta - 1.0) if beta > 2 else 1.0


def prepare(V: ArrayLike, beta: float, weights: ArrayLike | None) -> Problem:
    """Check data and weights, fill in unknown entries, and bring them into the kernels' form."""
    beta = check_beta(beta)
    # float32 powers hold 1e-38 to 1e38: for steep negative powers the model has to stay away from zero
    eps = max(EPS, 10.0 ** (-30.0 / (2.0 - beta))) if beta < -1 else EPS
    v = check_real("V", V, masked="give .filled(0) with weights of 0 for these, or call impute()")
    check_shape("V", v, ("n_features", "n_frames"))
    v = v.astype(
        v.dtype if v.dtype in (np.float32, np.float64) else np.result_type(v, np.float32), copy=False
    )
    if v.dtype.itemsize > 8:
        v = v.astype(np.float64)
    M = np.empty((0, v.shape[0]), v.dtype)
    if weights is not None:
        m = check_array("weights", weights, v.shape).astype(v.dtype, copy=False)
        known = m > 0
        if not known.any():
            raise invalid("weights", 0, "above 0 for at least one entry of V", given="weights are all 0")
        check_entries("V", np.where(known, v, 0), unknown="give it a weight of 0")
        level = _mean(v[known])
        v = np.where(known, v, v.dtype.type(level))
        M = np.ascontiguousarray(m.T)
    else:
        check_entries("V", v, unknown="impute() fills in what is unknown")
        level = _mean(v)
    largest = LARGEST_LOG_SCALE[v.dtype.type]
    power = min(max(round(math.log2(level)), -largest), largest) if level > 0 else 0
    if power * beta > LARGEST_LOG_COST:
        allowed = f"{'at most' if beta > 0 else 'at least'} {2.0 ** (LARGEST_LOG_COST / beta):.0e}"
        raise invalid("V", level, f"{allowed} for beta={beta:g}", given=f"V has a mean of {level:g}")
    scale = 2.0**power
    # scaled into its place: one array of its size, not two
    v = np.multiply(v.T, v.dtype.type(1.0 / scale), out=np.empty(v.shape[::-1], v.dtype))
    if beta <= 0:
        _raise_scattered_zeros(v, beta)
        np.maximum(v, v.dtype.type(eps), out=v)  # the cost is infinite at zero
    return Problem(v, M, scale, beta, eps)


def _mean(v: AnyArray) -> float:
    with np.errstate(over="ignore"):
        mean = float(v.mean(dtype=np.float64))
    return mean if math.isfinite(mean) else float((v * 2.0**-64).mean()) * 2.0**64


def _raise_scattered_zeros(v: AnyArray, beta: float) -> None:
    """Raise zeros near the level of their frame; those of frames or features that are all zero may stay."""
    scattered = (v == 0) & v.any(axis=1, keepdims=True) & v.any(axis=0)
    if scattered.any():
        # a model of less there, which nearly all other entries contradict, would leave the range of the data
        known = v > 0
        frame = v.sum(axis=1, keepdims=True, dtype=np.float64) / np.maximum(
            known.sum(axis=1, keepdims=True), 1
        )
        level = ZERO * np.minimum(frame, v[known].mean(dtype=np.float64))
        v[:] = np.where(scattered, np.maximum(level, v[known].min()), v)
        warnings.warn(
            f"V has {np.count_nonzero(scattered)} scattered zeros, of which the divergence with beta={beta:g} is "
            f"infinite; they are taken for about {ZERO:g} of the others in their frame; give them weights of 0, or "
            "take beta > 0",
            stacklevel=4,
        )


def any_positive(V: ArrayLike, weights: ArrayLike | None) -> bool:
    """Tell whether any known entry is above 0."""
    return bool(np.any(V) if weights is None else np.any(np.where(np.asarray(weights) > 0, V, 0)))


def convert(name: str, array: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Return a checked array as float32 or float64, if its entries are in the range of that."""
    with np.errstate(over="ignore"):
        converted = array.astype(dtype, copy=False)
    if not np.array_equal(np.isfinite(converted), np.isfinite(array)):
        largest = float(np.nanmax(array))
        raise invalid(name, largest, f"within {dtype}, the type of V", given=f"{name} holds {largest:g}")
    return converted


def power_of_two(a: AnyArray) -> float:
    """Return a power of two near the largest magnitude in an array, 1 for zeros: dividing by it costs no rounding."""
    largest = float(np.abs(a).max(initial=0))
    return 2.0 ** math.floor(math.log2(largest)) if largest > 0 else 1.0


def check_result(name: str, result: AnyArray | float) -> None:
    """Refuse a result that left the range of its type; data, starts and penalties were too far apart."""
    if not np.isfinite(result).all():
        given = f"{name} leaves the range of {np.asarray(result).dtype}"
        raise invalid(name, np.inf, "finite", "scale V, the start and the penalties towards 1", given=given)


def per_atom(value: ArrayLike, n_components: int, name: str) -> AnyArray:
    """Check a penalty: one number or one per atom, >= 0."""
    if np.ndim(value) == 0:
        return np.full(n_components, check_number(name, value, 0.0))
    return check_array(name, value, (n_components,), advice="or give one number").astype(np.float64)


def free_atoms(free: Free, n_components: int) -> NDArray[np.intp]:
    """Indices of the atoms that may change: None is all; a slice, indices or a boolean mask choose."""
    try:
        chosen = np.arange(n_components) if free is None else np.arange(n_components)[_index(free)]
    except IndexError as error:
        raise invalid("free", free, f"a slice, indices or a mask of {n_components} atoms") from error
    if chosen.ndim != 1 or len(np.unique(chosen)) != len(chosen):
        raise invalid("free", free, "a slice, indices or a mask", "name each free atom once")
    return chosen


def _index(free: Any) -> Any:
    if isinstance(free, slice):
        return free
    index = np.atleast_1d(np.asarray(free))
    return index if index.size else index.astype(np.intp)
