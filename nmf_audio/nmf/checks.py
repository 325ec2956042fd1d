"""Checks of arguments, and the data in the form that the kernels want."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmf_audio._checks import check_number
from nmf_audio.errors import ParameterError

Array = NDArray[Any]
Free = slice | Sequence[int] | Sequence[bool] | Array | None

EPS = 1e-10
"""What is added to the model, relative to the mean of the data."""


@dataclass(frozen=True)
class Problem:
    """Data as the kernels want them: frame-major, with a mean near 1, so that float32 powers stay in range.

    The scale is a power of two: dividing by it costs no rounding.
    """

    V: Array
    M: Array
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
        """What a cost in the problem's scale is multiplied by to be one of the data as given."""
        return float(self.scale**self.beta)

    def scale_callback(
        self, callback: Callable[[int, float], None] | None
    ) -> Callable[[int, float], None] | None:
        """Return a callback that takes costs in the problem's scale, and passes those of the data to `callback`."""
        if callback is None:
            return None
        return lambda n_iter, cost: callback(n_iter, cost * self.unit_of_cost)

    def l1(self, value: ArrayLike, n_components: int, name: str) -> Array:
        """Penalty per atom in the problem's scale; those of W and H differ by one factor `scale`."""
        power = -self.beta if name == "l1_W" else 1.0 - self.beta
        penalty: Array = (per_atom(value, n_components, name) * self.scale**power).astype(self.dtype)
        return penalty

    def start(self, W: Array, profile: Array) -> Array:
        """Activations alike in all frames, times a factor that gives W @ H the mean of the frame's known entries."""
        known = self.V if not self.M.size else self.V * (self.M > 0)
        count = self.n_features if not self.M.size else np.maximum((self.M > 0).sum(axis=1), 1)
        level = known.sum(axis=1, dtype=np.float64) / count
        per_unit = float(W.sum(axis=1, dtype=np.float64) @ profile) / self.n_features
        H = np.maximum(level, self.eps)[:, None] / max(per_unit, np.finfo(self.dtype).tiny)
        activations: Array = (H * profile).astype(self.dtype)
        return activations

    def floor(self, W: Array) -> float:
        """Activation floor: were all atoms there, W @ H would have the mean `eps`."""
        total = float(W.sum(dtype=np.float64)) / self.n_features
        return self.eps / total if total > 0 else self.eps


def exponent(beta: float) -> float:
    """Exponent with which an update provably does not raise the cost (Fevotte & Idier 2011)."""
    if beta < 1:
        return 1.0 / (2.0 - beta)
    return 1.0 / (beta - 1.0) if beta > 2 else 1.0


def prepare(V: ArrayLike, beta: float, weights: ArrayLike | None) -> Problem:
    """Check data and weights, fill in unknown entries, and bring them into the kernels' form."""
    beta = check_number("beta", beta)
    # float32 powers hold 1e-38 to 1e38: for steep negative powers the model has to stay away from zero
    eps = max(EPS, 10.0 ** (-30.0 / (2.0 - beta))) if beta < -1 else EPS
    v = np.asarray(V)
    if v.dtype.kind not in "fiub":
        raise ParameterError(f"V has dtype {v.dtype}; give real numbers")
    v = v.astype(
        v.dtype if v.dtype in (np.float32, np.float64) else np.result_type(v, np.float32), copy=False
    )
    if v.dtype.itemsize > 8:
        v = v.astype(np.float64)
    if v.ndim != 2 or 0 in v.shape:
        raise ParameterError(
            f"V has shape {v.shape}; give a matrix (n_features, n_frames) with at least one entry"
        )
    M = np.empty((0, v.shape[0]), v.dtype)
    if weights is not None:
        m = matrix(weights, v.dtype, "weights", v.shape)
        if not np.any(m > 0):
            raise ParameterError("weights are all 0; at least one entry of V must be known")
        known = m > 0
        check_entries(np.where(known, v, 0), "V")
        level = float(v[known].mean(dtype=np.float64))
        v = np.where(known, v, v.dtype.type(level))
        M = np.ascontiguousarray(m.T)
    else:
        check_entries(v, "V")
        level = float(v.mean(dtype=np.float64))
    # the bounds hold all of float32; with them no power of the scale overflows
    scale = 2.0 ** min(max(round(math.log2(level)), -120), 120) if level > 0 else 1.0
    v = v.T * v.dtype.type(1.0 / scale)
    if beta <= 0:
        np.maximum(v, v.dtype.type(eps), out=v)  # the cost is infinite at zero
    return Problem(np.ascontiguousarray(v), M, scale, beta, eps)


def check_entries(a: Array, name: str) -> None:
    """Refuse negative numbers, NaN and Inf, with their position."""
    good = np.isfinite(a) & (a >= 0)
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        raise ParameterError(
            f"{name}[{', '.join(map(str, where))}]={a[where]}; all entries must be finite and >= 0"
        )


def matrix(a: ArrayLike, dtype: np.dtype[Any], name: str, shape: tuple[int | None, int | None]) -> Array:
    """Check a non-negative matrix; None in `shape` allows any length from 1."""
    out = np.asarray(a)
    if out.dtype.kind not in "fiub":
        raise ParameterError(f"{name} has dtype {out.dtype}; give real numbers")
    wanted = "(" + ", ".join("n >= 1" if n is None else str(n) for n in shape) + ")"
    fits = out.ndim == 2 and all(n == (m or n) for n, m in zip(out.shape, shape, strict=True))
    if not fits or 0 in out.shape:
        raise ParameterError(f"{name} has shape {out.shape}; it must be {wanted}")
    check_entries(out, name)
    return out.astype(dtype, copy=False)


def per_atom(value: ArrayLike, n_components: int, name: str) -> Array:
    """Check a penalty: one number or one per atom, >= 0."""
    out = np.asarray(value, dtype=np.float64)
    if out.ndim > 1 or (out.ndim == 1 and out.shape != (n_components,)):
        raise ParameterError(
            f"{name} has shape {out.shape}; give one number, or one per atom ({n_components})"
        )
    check_entries(np.atleast_1d(out), name)
    return np.broadcast_to(out, (n_components,)).copy()


def free_atoms(free: Free, n_components: int) -> NDArray[np.intp]:
    """Indices of the atoms that may change: None is all; a slice, indices or a boolean mask choose."""
    try:
        chosen = np.arange(n_components) if free is None else np.arange(n_components)[_index(free)]
    except IndexError as error:
        raise ParameterError(f"free={free!r}; there are {n_components} atoms ({error})") from error
    if chosen.ndim != 1 or len(np.unique(chosen)) != len(chosen):
        raise ParameterError(
            f"free={free!r}; name each free atom once, by a slice, indices or a boolean mask"
        )
    return chosen


def _index(free: Any) -> Any:
    if isinstance(free, slice):
        return free
    index = np.atleast_1d(np.asarray(free))
    return index if index.size else index.astype(np.intp)
