"""A dictionary and recordings that are small enough to make in every test."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio.denoiser import Denoiser
from nmf_audio.dictionary import Dictionary, Group, load_dictionary
from nmf_audio.dictionary.schema import NAMES
from nmf_audio.dsp.bands import FrontEndSpec

SR = 8000

Arrays = dict[str, npt.NDArray[np.float32]]


def tiny_dictionary() -> Dictionary:
    """Return a plain dictionary of 8 peaked speech atoms and 2 flat noise atoms."""
    rng = np.random.default_rng(0)
    spec = FrontEndSpec()
    speech = rng.random((spec.n_bands, 8)) ** 8
    noise = 0.5 + rng.random((spec.n_bands, 2))
    groups = (Group("speech", "speech", 0, 8), Group("noise", "noise", 8, 10))
    W = np.concatenate([speech, noise], axis=1).astype(np.float32)
    return Dictionary("plain", spec, np.ones(spec.n_bands, np.float32), {"W": W}, groups, name="tiny")


def memory_arrays(n_bands: int, n_components: int, *, second: bool, seed: int = 0) -> Arrays:
    """Return the arrays of a random gated memory, of few units, that has a say in everything."""
    rng = np.random.default_rng(seed)
    n, m, n_second, n_down, n_up, n_groups = 6, 7, 5, 4, 3, n_bands // 4

    def weights(*shape: int, scale: float = 0.0) -> npt.NDArray[np.float32]:
        return ((scale or shape[0] ** -0.5) * rng.standard_normal(shape)).astype(np.float32)

    arrays = {
        "local_in": weights(24, 3 * n),
        "local_back": weights(n, 3 * n),
        "local_bias": weights(n_groups, 3 * n, scale=0.5),
        "local_down": weights(n_groups * n, n_down),
        "global_in": weights(2 * n_bands + n_down, 3 * m),
        "global_back": weights(m, 3 * m),
        "global_bias": weights(3 * m, scale=0.5),
        "head_prior": weights(m, n_components),
        "head_inhibit": weights(m, n_components),
        "head_inhibit_bias": weights(n_components, scale=0.5) - np.float32(2),
        "head_mask": weights(m, n_bands),
        "head_mask_local": weights(n_groups, n, 4, scale=n**-0.5),
    }
    if second:
        arrays |= {
            "second_up": weights(m, n_up),
            "second_in": weights(3 * n + n_up, 3 * n_second),
            "second_back": weights(n_second, 3 * n_second),
            "second_bias": weights(n_groups, 3 * n_second, scale=0.5),
            "head_mask_second": weights(n_groups, n_second, 4, scale=n_second**-0.5),
        }
    return arrays


@cache
def dictionary_with_memory(*, second: bool = True) -> Dictionary:
    """Return the shipped trained dictionary with a random gated memory in place of its own."""
    shipped = load_dictionary("trained")
    memory = memory_arrays(shipped.spec.n_bands, len(shipped.arrays["b"]), second=second)
    others = {name: array for name, array in shipped.arrays.items() if name in NAMES}
    return Dictionary(
        "trained", shipped.spec, shipped.spectrum, others | memory, shipped.groups, name="remembers"
    )


NO_MEMORY = "trained, without a memory"


def denoiser_by(method: str, **settings: Any) -> Denoiser:
    """Return a denoiser by one of the methods, with its shipped dictionary, or by NO_MEMORY with the older one."""
    if method == NO_MEMORY:
        return Denoiser("trained", **settings)
    return Denoiser(method=method, **settings)


def noise(seconds: float, n_channels: int = 1, sr: int = SR) -> npt.NDArray[np.float64]:
    """Return quiet noise (n_samples, n_channels)."""
    return 0.1 * np.random.default_rng(1).standard_normal((round(seconds * sr), n_channels))


def write_noise(
    path: Path,
    seconds: float = 1.0,
    *,
    n_channels: int = 1,
    sr: int = SR,
    subtype: str = "PCM_16",
    name: str | None = None,
) -> Path:
    """Write a recording of noise; the container by extension or by `name`."""
    soundfile.write(path, noise(seconds, n_channels, sr), sr, subtype=subtype, format=name)
    return path


def truncate(path: Path, share: float = 0.6) -> Path:
    """Cut the end of a file off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond that, as if the disk were full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
