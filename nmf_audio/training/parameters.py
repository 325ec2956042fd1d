"""Parameters of the unrolled decomposition while they are trained.

A trained dictionary holds non-negative arrays (`nmf_audio.dictionary.schema`). Training works on *free* variables of
the same names and shapes, any real numbers: logarithms of what is positive, logits of what lies between two bounds,
the inverse of softplus for the sparsity. `to_arrays` and `from_arrays` go from one to the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_array, check_rng, check_whole
from nmf_audio._types import Array, RandomSource
from nmf_audio.training.gated_memory import MEMORY_PREFIXES, SCALE

__all__ = ["Array", "Arrays", "from_arrays", "initial", "sigmoid", "to_arrays"]

Arrays = dict[str, Array]

LOGARITHMS = ("out_floor", "A", "C", "C_mid", "b", "run_gain", "p")
ABSENT = -60.0
"""Logarithm of a part that is left out: so small that neither data nor gradients move it."""

RATES = ("slow_rate", "rate_noise", "rate_speech")

RATES_NOISE = (-1.0, 1.5, 2.8, 4.2)
"""Logits of the running noise averages' leaks to start from: time constants of 1 to 60 frames."""

RATES_SPEECH = (-3.0, 0.0, 2.5)
"""The same of the running speech averages."""


def initial(
    W_speech: Array,
    W_noise: Array,
    *,
    n_layers: int = 4,
    slow: bool = True,
    mid: bool = True,
    inhibition: bool = True,
    running: bool = True,
    rng: RandomSource = None,
) -> Arrays:
    """Return free variables to start from, made of atoms (n_bands, n_components) by KL-NMF of normalised frames.

    From random atoms training does not take off; all layers start with the same. A `slow` memory has leaky averages
    of the activations that predict and inhibit beside the last ones; `mid` is an inhibition within the frame, half
    way through the layers, if there is any `inhibition`; without `running` atoms these stay in the arrays and are
    never active. `rng` draws transition and inhibition.
    """
    check_array("W_speech", W_speech, ("n_bands", "n_components"))
    check_array("W_noise", W_noise, (len(W_speech), "n_components"), advice="both have the same bands")
    check_whole("n_layers", n_layers, 1, advice="4 is the default")
    generator = check_rng(rng)
    W = np.concatenate([W_speech, W_noise], axis=1)
    W = W / W.sum(axis=0)
    n_bands, n_fixed = W.shape
    n_speech = W_speech.shape[1]
    n_run = len(RATES_NOISE) + 1 + len(RATES_SPEECH)
    K = n_fixed + n_run

    def spread(row_sum: float, deviation: float) -> npt.NDArray[np.float64]:
        return math.log(row_sum / K) + deviation * generator.standard_normal((K, K))

    # What inhibits starts at row sums of 1: from small values it hardly moves.
    stay = np.full(K, 0.4)
    stay[n_speech : K - len(RATES_SPEECH)] = 0.8
    A, C = spread(0.2, 0.1), spread(1.0, 0.5)
    np.fill_diagonal(A, np.log(stay) + 0.1 * generator.standard_normal(K))
    if slow:
        A = np.concatenate([A, spread(0.02, 0.1)], axis=1)
        C = np.concatenate([C, spread(0.3, 0.5)], axis=1)
    b = np.full(K, np.log(0.05))
    if not inhibition:
        mid = False
        C = C[:0]
    if not running:
        b[n_fixed:] = ABSENT
        A[n_fixed:] = ABSENT
    logs = np.log(np.maximum(W, 1e-3 * W.max(axis=0)))
    free = {
        "W": np.repeat(logs[None], n_layers, axis=0),
        "W_out": logs,
        "out_floor": np.full((2, n_bands), -6.0),
        "lam": np.full((n_layers, K), -3.0),
        "g": np.zeros((n_layers, K)),
        "A": A,
        "C": C,
        "C_mid": spread(0.3, 0.5) if mid else np.zeros((0, 0)),
        "b": b,
        "slow_rate": generator.permutation(np.linspace(1.5, 4.0, K)) if slow else np.zeros(0),
        "rate_noise": np.array(RATES_NOISE),
        "rate_speech": np.array(RATES_SPEECH),
        "run_gain": np.zeros((n_run, n_bands)),
        "residual": np.full(n_bands, 0.3),
        "p": np.array(0.5),
    }
    return {name: np.ascontiguousarray(x, np.float32).reshape(x.shape) for name, x in free.items()}


def to_arrays(free: Mapping[str, Array]) -> Arrays:
    """Turn free variables into the arrays of a trained dictionary; see `nmf_audio.dictionary.schema`."""
    W = np.exp(free["W"])
    arrays = {
        "W": W / W.sum(axis=1, keepdims=True),
        "W_out": np.exp(free["W_out"]),
        "lam": np.logaddexp(free["lam"], np.float32(0)),
        "g": 2 * sigmoid(free["g"]),
        "residual": np.array(free["residual"]),
    }
    arrays |= {name: np.exp(free[name]) for name in LOGARITHMS}
    arrays |= {name: sigmoid(free[name]) for name in RATES}
    arrays |= {name: x * SCALE for name, x in free.items() if name.startswith(MEMORY_PREFIXES)}
    return {name: np.asarray(x, np.float32) for name, x in arrays.items()}


def from_arrays(arrays: Mapping[str, Array]) -> Arrays:
    """Turn the arrays of a trained dictionary, or of a separator, into free variables: the inverse of `to_arrays`.

    What lies at a bound is moved a little inside, so that it can still be trained.
    """
    tiny = 1e-12

    def logit(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        y = np.clip(x.astype(np.float64), 1e-6, 1 - 1e-6)
        return np.log(y / (1 - y))

    def free(name: str, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        if name.startswith(MEMORY_PREFIXES):
            return x / np.float64(SCALE)
        if name in RATES:
            return logit(x)
        if name == "g":
            return logit(x / 2)
        if name == "residual":
            return x.astype(np.float64)
        positive = np.maximum(x.astype(np.float64), tiny)
        return np.log(np.expm1(positive)) if name == "lam" else np.log(positive)

    return {name: np.asarray(free(name, x), np.float32) for name, x in arrays.items()}


def sigmoid(x: Array) -> Array:
    """Return the logistic function of x."""
    one = np.float32(1)
    return np.asarray(one / (one + np.exp(-x)), np.float32)
