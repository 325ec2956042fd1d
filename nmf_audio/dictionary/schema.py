"""Arrays of a trained dictionary: names, shapes and ranges.

Dimensions: L layers, B bands, Ks speech atoms, Kn noise atoms, Rn running noise averages, Rs running speech averages,
R = Rn + 1 + Rs running atoms (the one is the tracked floor), K = Ks + Kn + R. Order of the atoms everywhere: speech,
noise, running noise, floor, running speech. Columns of ``A`` and ``C`` number K, or 2 K with a slow memory.

============ ============ ========= ==================================================================
name         shape        range     meaning
============ ============ ========= ==================================================================
W            (L, B, Ks+Kn) >= 0     fixed atoms of each layer; columns sum to 1
W_out        (B, Ks+Kn)   >= 0      atoms of the spectrum estimates
out_floor    (2, B)       > 0       added to the speech and to the noise spectrum
lam          (L, K)       >= 0      sparsity
g            (L, K)       (0, 2)    exponent of the multiplicative update
A            (K, K | 2K)  >= 0      transition: prediction by the last activations
C            as A         >= 0      inhibition of activations by the last ones; no rows without it
C_mid        (K, K)|(0,0) >= 0      inhibition within the frame, before layer L // 2; empty without it
b            (K,)         > 0       floor of the prediction
slow_rate    (K,) | (0,)  [0, 1)    leak of the slow memory of the activations; empty without one
rate_noise   (Rn,)        (0, 1)    leak of the running noise averages
rate_speech  (Rs,)        (0, 1)    leak of the running speech averages
run_gain     (R, B)       > 0       gain per band of the running atoms in the spectrum estimates
residual     (B,)         any       weight of the unexplained part in the mask
p            ()           > 0       exponent of the mask
============ ============ ========= ==================================================================

It may have a gated memory (`nmf_audio.nmf.gated_memory`): all arrays of the first block below, or those of both. G =
B / 4 groups of bands; n local, m global and n2 second local units; d and e values that pass between the local and
the global memory. Thirds of 3 n columns: update gate, reset gate, candidate. All values lie within +-MAX_WEIGHT.

================= =================== =================================================================
name              shape               meaning
================= =================== =================================================================
local_in          (24, 3 n)           input of a group: 12 bands of the frame, and of the floor
local_back        (n, 3 n)            its own last state
local_bias        (G, 3 n)
local_down        (G n, d)            input of the global memory from all groups' states
global_in         (2 B + d, 3 m)      frame, floor, groups' states
global_back       (m, 3 m)            its own last state
global_bias       (3 m,)
head_prior        (m, K)              logarithm of a factor on the predicted activations
head_inhibit      (m, K)              inhibition, before softplus
head_inhibit_bias (K,)
head_mask         (m, B)              added to the mask's logit
head_mask_local   (G, n, 4)           the same, by a group's own state
----------------- ------------------- -----------------------------------------------------------------
second_up         (m, e)              input of every group from the global memory
second_in         (3 n + e, 3 n2)     states of the group and of its neighbours, and second_up
second_back       (n2, 3 n2)          its own last state
second_bias       (G, 3 n2)
head_mask_second  (G, n2, 4)          added to the mask's logit
================= =================== =================================================================

A separator has the arrays ``W``, ``W_out``, ``lam``, ``g``, ``A``, ``C``, ``b``, ``slow_rate`` and ``p`` as above,
for K atoms of all its S sources, none of which run, always with a slow memory; for each source it has ``out_floor``
(S, B) and ``residual`` (S, B).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import DictionaryError

__all__ = ["check_separator_arrays", "check_trained_arrays"]

MAX_LAYERS, MAX_ATOMS, MAX_RUNNING = 32, 4096, 64
MAX_UNITS, MAX_WEIGHT = 1024, 1e4

NAMES = {
    "W", "W_out", "out_floor", "lam", "g", "A", "C", "C_mid", "b", "slow_rate", "rate_noise", "rate_speech",
    "run_gain", "residual", "p",
}  # fmt: skip
FIRST_MEMORY = {
    "local_in", "local_back", "local_bias", "local_down", "global_in", "global_back", "global_bias",
    "head_prior", "head_inhibit", "head_inhibit_bias", "head_mask", "head_mask_local",
}  # fmt: skip
SECOND_MEMORY = {"second_up", "second_in", "second_back", "second_bias", "head_mask_second"}
NOT_NEGATIVE = {"W", "W_out", "lam", "A", "C", "C_mid", "slow_rate"}
POSITIVE = {"out_floor", "g", "b", "rate_noise", "rate_speech", "run_gain", "p"}
LIMITS = {"g": 2, "slow_rate": 1, "rate_noise": 1, "rate_speech": 1}


def check_trained_arrays(arrays: Mapping[str, npt.NDArray[np.float32]], n_bands: int) -> int:
    """Return the number of fixed atoms, or raise DictionaryError if the arrays do not fit together."""
    second = bool(SECOND_MEMORY & set(arrays))
    first = second or bool(FIRST_MEMORY & set(arrays))
    names = NAMES | (FIRST_MEMORY if first else set()) | (SECOND_MEMORY if second else set())
    if set(arrays) != names:
        missing, extra = sorted(names - set(arrays)), sorted(set(arrays) - names)
        raise DictionaryError(f"a trained dictionary lacks the arrays {missing} and has {extra} too many")
    if arrays["W"].ndim != 3 or arrays["rate_noise"].ndim != 1 or arrays["rate_speech"].ndim != 1:
        raise DictionaryError("W must have three dimensions, rate_noise and rate_speech one")
    n_layers, _, n_fixed = arrays["W"].shape
    n_running = len(arrays["rate_noise"]) + 1 + len(arrays["rate_speech"])
    if not (1 <= n_layers <= MAX_LAYERS and 2 <= n_fixed <= MAX_ATOMS and n_running <= MAX_RUNNING):
        raise DictionaryError(f"{n_layers} layers, {n_fixed} atoms, {n_running} running ones: out of range")
    n = n_fixed + n_running
    slow = arrays["slow_rate"].shape
    if slow not in {(0,), (n,)}:
        raise DictionaryError(f"slow_rate has shape {slow}; (0,) or ({n},) is expected")
    if arrays["C_mid"].shape not in {(0, 0), (n, n)}:
        raise DictionaryError(f"C_mid has shape {arrays['C_mid'].shape}; (0, 0) or ({n}, {n}) is expected")
    width = n + slow[0]
    if arrays["C"].shape not in {(0, width), (n, width)}:
        raise DictionaryError(f"C has shape {arrays['C'].shape}; (0, {width}) or ({n}, {width}) is expected")
    if len(arrays["C_mid"]) and not len(arrays["C"]):
        raise DictionaryError("C_mid without C: inhibition within the frame adds to that by the last frames")
    shapes = {
        "W": (n_layers, n_bands, n_fixed), "W_out": (n_bands, n_fixed), "out_floor": (2, n_bands),
        "lam": (n_layers, n), "g": (n_layers, n), "A": (n, width), "b": (n,),
        "run_gain": (n_running, n_bands), "residual": (n_bands,), "p": (),
    }  # fmt: skip
    _check_shapes(arrays, shapes)
    _check_ranges(arrays)
    if first:
        _check_memory(arrays, n_bands, n, second)
    return int(n_fixed)


def check_separator_arrays(
    arrays: Mapping[str, npt.NDArray[np.float32]], n_bands: int, n_sources: int
) -> int:
    """Return the number of atoms, or raise DictionaryError if the arrays of a separator do not fit together."""
    names = {"W", "W_out", "out_floor", "lam", "g", "A", "C", "b", "slow_rate", "residual", "p"}
    if set(arrays) != names:
        missing, extra = sorted(names - set(arrays)), sorted(set(arrays) - names)
        raise DictionaryError(f"a separator lacks the arrays {missing} and has {extra} too many")
    if arrays["W"].ndim != 3 or not 1 <= arrays["W"].shape[0] <= MAX_LAYERS:
        raise DictionaryError(
            f"W has shape {arrays['W'].shape}; (1 to {MAX_LAYERS}, {n_bands}, n) is expected"
        )
    n_layers, _, n = arrays["W"].shape
    if not (2 <= n <= MAX_ATOMS and 2 <= n_sources <= n):
        raise DictionaryError(f"{n} atoms of {n_sources} sources: out of range")
    shapes = {
        "W": (n_layers, n_bands, n), "W_out": (n_bands, n), "out_floor": (n_sources, n_bands),
        "lam": (n_layers, n), "g": (n_layers, n), "A": (n, 2 * n), "C": (n, 2 * n), "b": (n,),
        "slow_rate": (n,), "residual": (n_sources, n_bands), "p": (),
    }  # fmt: skip
    _check_shapes(arrays, shapes)
    _check_ranges(arrays)
    return int(n)


def _check_memory(
    arrays: Mapping[str, npt.NDArray[np.float32]], n_bands: int, n_activations: int, second: bool
) -> None:
    n_groups, rest = divmod(n_bands, 4)
    if rest:
        raise DictionaryError(f"n_bands={n_bands}; a dictionary with a gated memory needs a multiple of 4")
    sizes = [("local_back", 0), ("local_down", 1), ("global_back", 0)]
    sizes += [("second_back", 0), ("second_up", 1)] if second else []
    if any(arrays[name].ndim != 2 or not 1 <= arrays[name].shape[axis] <= MAX_UNITS for name, axis in sizes):
        given = ", ".join(f"{name} {arrays[name].shape}" for name, _ in sizes)
        raise DictionaryError(
            f"a gated memory of shapes {given}; two dimensions and 1 to {MAX_UNITS} units are allowed"
        )
    n, n_down, m, *second_sizes = (arrays[name].shape[axis] for name, axis in sizes)
    shapes: dict[str, tuple[int, ...]] = {
        "local_in": (24, 3 * n), "local_back": (n, 3 * n), "local_bias": (n_groups, 3 * n),
        "local_down": (n_groups * n, n_down), "global_in": (2 * n_bands + n_down, 3 * m),
        "global_back": (m, 3 * m), "global_bias": (3 * m,), "head_prior": (m, n_activations),
        "head_inhibit": (m, n_activations), "head_inhibit_bias": (n_activations,),
        "head_mask": (m, n_bands), "head_mask_local": (n_groups, n, 4),
    }  # fmt: skip
    if second:
        n_second, n_up = second_sizes
        shapes |= {
            "second_up": (m, n_up), "second_in": (3 * n + n_up, 3 * n_second),
            "second_back": (n_second, 3 * n_second), "second_bias": (n_groups, 3 * n_second),
            "head_mask_second": (n_groups, n_second, 4),
        }  # fmt: skip
    _check_shapes(arrays, shapes)
    for name in shapes:
        # states lie within +-1, so that bounded weights keep every sum finite
        if not (np.abs(arrays[name]) <= MAX_WEIGHT).all():
            raise DictionaryError(f"array {name!r} has values beyond +-{MAX_WEIGHT:g}")


def _check_shapes(
    arrays: Mapping[str, npt.NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise DictionaryError(f"array {name!r} has shape {arrays[name].shape}; {shape} is expected")


def _check_ranges(arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
    for name in NOT_NEGATIVE & set(arrays):
        if not (arrays[name] >= 0).all():
            raise DictionaryError(f"array {name!r} has negative values")
    for name in POSITIVE & set(arrays):
        if not (arrays[name] > 0).all():
            raise DictionaryError(f"array {name!r} has values that are not above 0")
    for name in LIMITS.keys() & set(arrays):
        if not (arrays[name] < LIMITS[name]).all():
            raise DictionaryError(f"array {name!r} has values that are not below {LIMITS[name]}")
    if not np.allclose(arrays["W"].sum(axis=1), 1, atol=1e-3):
        raise DictionaryError("the columns of W do not sum to 1")
