"""Arrays of a trained dictionary: names, shapes and ranges.

Dimensions: L layers, B bands, Ks speech atoms, Kn noise atoms, Rn running noise averages, Rs running speech averages,
R = Rn + 1 + Rs running atoms (the one is the tracked floor), K = Ks + Kn + R. Order of the atoms everywhere: speech,
noise, running noise, floor, running speech. Columns of ``A`` and ``C`` number K, or 2 K with a slow memory.

============ ============ ========= ==================================================================
name         shape        range     what
============ ============ ========= ==================================================================
W            (L, B, Ks+Kn) >= 0     fixed atoms of each layer; columns sum to 1
W_out        (B, Ks+Kn)   >= 0      atoms that the spectrum estimates are made of
out_floor    (2, B)       > 0       added to the speech and to the noise spectrum
lam          (L, K)       >= 0      sparsity
g            (L, K)       (0, 2)    exponent of the multiplicative update
A            (K, K | 2K)  >= 0      transition: what the last activations predict
C            as A         >= 0      inhibition: how sparse the last activations make the next; no rows without it
C_mid        (K, K)|(0,0) >= 0      inhibition within the frame, before layer L // 2; empty without it
b            (K,)         > 0       floor of the prediction
slow_rate    (K,) | (0,)  [0, 1)    leak of the slow memory of the activations; empty without one
rate_noise   (Rn,)        (0, 1)    leak of the running noise averages
rate_speech  (Rs,)        (0, 1)    leak of the running speech averages
run_gain     (R, B)       > 0       gain per band of the running atoms in the spectrum estimates
residual     (B,)         any       weight of what the model leaves unexplained in the mask
p            ()           > 0       exponent of the mask
============ ============ ========= ==================================================================

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

NAMES = {
    "W", "W_out", "out_floor", "lam", "g", "A", "C", "C_mid", "b", "slow_rate", "rate_noise", "rate_speech",
    "run_gain", "residual", "p",
}  # fmt: skip
NOT_NEGATIVE = {"W", "W_out", "lam", "A", "C", "C_mid", "slow_rate"}
POSITIVE = {"out_floor", "g", "b", "rate_noise", "rate_speech", "run_gain", "p"}
LIMITS = {"g": 2, "slow_rate": 1, "rate_noise": 1, "rate_speech": 1}


def check_trained_arrays(arrays: Mapping[str, npt.NDArray[np.float32]], n_bands: int) -> int:
    """Return the number of fixed atoms, or raise DictionaryError if the arrays do not fit together."""
    if set(arrays) != NAMES:
        missing, extra = sorted(NAMES - set(arrays)), sorted(set(arrays) - NAMES)
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
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise DictionaryError(f"array {name!r} has shape {arrays[name].shape}; {shape} is expected")
    _check_ranges(arrays)
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
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise DictionaryError(f"array {name!r} has shape {arrays[name].shape}; {shape} is expected")
    _check_ranges(arrays)
    return int(n)


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
