"""Folders of clean/noisy pairs: two folders ``clean`` and ``noisy`` with files of the same names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

__all__ = ["SCORE_SR", "Pair", "convert", "find_pairs", "read_pair"]

Array = npt.NDArray[np.float32]

SCORE_SR = 16000
"""Rate at which everything is scored, in Hz."""

NAME = re.compile(r"(?:\d+_)?(?P<kind>.+)_(?P<snr>-?\d+(?:\.\d+)?)dB")


@dataclass(frozen=True)
class Pair:
    """One recording with and without noise.

    Attributes
    ----------
    name : str
        The files' stem.
    clean, noisy : Path
        The files.
    kind : str
        Noise kind, from a name like ``003_chimes_10dB``; ``?`` if the name tells none.
    snr_db : float or None
        Signal-to-noise ratio, from the name.
    """

    name: str
    clean: Path
    noisy: Path
    kind: str
    snr_db: float | None


def find_pairs(folder: Path, limit: int | None = None) -> list[Pair]:
    """Return the pairs of a folder, in the order of their names.

    Parameters
    ----------
    folder : Path
        Holds ``clean`` and ``noisy``.
    limit : int or None
        The most to return.

    Returns
    -------
    list of Pair

    Raises
    ------
    FileNotFoundError
        If there is no pair, or a noisy file has no clean one.
    """
    pairs = []
    for noisy in sorted((folder / "noisy").glob("*.*")):
        clean = folder / "clean" / noisy.name
        if not clean.is_file():
            raise FileNotFoundError(f"{noisy} has no clean recording {clean}")
        found = NAME.fullmatch(noisy.stem)
        kind, snr = (found["kind"], float(found["snr"])) if found else ("?", None)
        pairs.append(Pair(noisy.stem, clean, noisy, kind, snr))
    if not pairs:
        raise FileNotFoundError(
            f"no pairs in {folder}; it must hold clean/ and noisy/ with files of equal names"
        )
    return pairs[:limit]


def convert(y: Array, sr: int, new_sr: int) -> Array:
    """Return a signal (n_samples,) at another rate, aligned with the old one."""
    return y if sr == new_sr else np.asarray(soxr.resample(y, sr, new_sr), np.float32)


def read_pair(pair: Pair, sr: int = SCORE_SR) -> tuple[Array, Array]:
    """Return clean and noisy signal (n_samples,), float32: the mean of the channels, at the rate `sr`."""
    signals = []
    for path in (pair.clean, pair.noisy):
        y, file_sr = soundfile.read(path, dtype="float32", always_2d=True)
        signals.append(convert(np.asarray(y.mean(axis=1), np.float32), file_sr, sr))
    clean, noisy = signals
    if clean.shape != noisy.shape:
        raise ValueError(f"{pair.noisy} has {noisy.size} samples at {sr} Hz, {pair.clean} {clean.size}")
    return clean, noisy
