"""Parameters of a separator while it is trained: free variables, any real numbers, and the way to its arrays.

As `nmf_audio.training.parameters` for the denoiser: logarithms of what is positive, logits of what lies between two
bounds, the inverse of softplus for the sparsity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nmf_audio._checks import check_array, check_rng, check_whole, invalid
from nmf_audio._types import AnyArray, RandomSource

__all__ = ["free_gradients", "initial_separator", "separator_arrays"]

Arrays = dict[str, AnyArray]

LOGARITHMS = ("W_out", "out_floor", "A", "C", "b", "p")

STAY = 0.4
"""Share of an activation that the next frame starts from."""


def initial_separator(atoms: Sequence[AnyArray], *, n_layers: int = 4, rng: RandomSource = None) -> Arrays:
    """Return free variables to start from, made of each source's atoms.

    Atoms (n_bands, n_components) are those of KL-NMF of normalised frames; all layers start with the same. `rng`
    draws transition and inhibition. `ParameterError` if there are fewer than two sources, or they have different
    bands.
    """
    if len(atoms) < 2:
        raise invalid("atoms", len(atoms), "of two sources or more", given=f"atoms of {len(atoms)} sources")
    for i, W in enumerate(atoms):
        check_array(f"atoms[{i}]", W, (len(atoms[0]), "n_components"), advice="all have the same bands")
    check_whole("n_layers", n_layers, 1, advice="4 is the default")
    generator = check_rng(rng)
    W = np.concatenate(atoms, axis=1)
    W = W / W.sum(axis=0)
    n_bands, K = W.shape

    def spread(row_sum: float, deviation: float) -> AnyArray:
        return math.log(row_sum / K) + deviation * generator.standard_normal((K, K))

    # what inhibits starts at row sums of 1: from small values it hardly moves
    A, C = spread(0.2, 0.1), spread(1.0, 0.5)
    np.fill_diagonal(A, math.log(STAY) + 0.1 * generator.standard_normal(K))
    logs = np.log(np.maximum(W, 1e-3 * W.max(axis=0)))
    free = {
        "W": np.repeat(logs[None], n_layers, axis=0),
        "W_out": logs,
        "out_floor": np.full((len(atoms), n_bands), -6.0),
        "lam": np.full((n_layers, K), -3.0),
        "g": np.zeros((n_layers, K)),
        "A": np.concatenate([A, spread(0.02, 0.1)], axis=1),
        "C": np.concatenate([C, spread(0.3, 0.5)], axis=1),
        "b": np.full(K, math.log(0.05)),
        "slow_rate": generator.permutation(np.linspace(1.5, 4.0, K)),
        "residual": np.zeros((len(atoms), n_bands)),
        "p": np.array(0.5),
    }
    return {name: np.array(x, np.float32, order="C") for name, x in free.items()}


def separator_arrays(free: Mapping[str, AnyArray]) -> Arrays:
    """Turn free variables into the arrays of a separator, of the same dtype; see `nmf_audio.dictionary.schema`."""
    W = np.exp(free["W"])
    return {
        "W": W / W.sum(axis=1, keepdims=True),
        "lam": np.logaddexp(free["lam"], free["lam"].dtype.type(0)),
        "g": 2 * _sigmoid(free["g"]),
        "slow_rate": _sigmoid(free["slow_rate"]),
        "residual": np.array(free["residual"]),
        **{name: np.asarray(np.exp(free[name])) for name in LOGARITHMS},
    }


def free_gradients(
    free: Mapping[str, AnyArray], arrays: Mapping[str, AnyArray], by_array: Mapping[str, AnyArray]
) -> Arrays:
    """Turn gradients by the arrays that `separator_arrays` made of free variables into gradients by these."""
    W, dW = arrays["W"], by_array["W"]
    g, rate = arrays["g"], arrays["slow_rate"]
    return {
        # the columns of W sum to 1
        "W": W * (dW - (W * dW).sum(axis=1, keepdims=True)),
        "lam": by_array["lam"] * _sigmoid(free["lam"]),
        "g": by_array["g"] * g * (1 - g / 2),
        "slow_rate": by_array["slow_rate"] * rate * (1 - rate),
        "residual": by_array["residual"],
        **{name: by_array[name] * arrays[name] for name in LOGARITHMS},
    }


def _sigmoid(x: AnyArray) -> AnyArray:
    y: AnyArray = 1 / (1 + np.exp(-x))
    return y
