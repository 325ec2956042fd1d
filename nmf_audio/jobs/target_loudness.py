"""The gain that brings a recording to a loudness that is asked for: found in a first pass, applied in the second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_number, conflict, invalid
from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples
from nmf_audio.io.loudness_meter import LoudnessMeter
from nmf_audio.io.media.pyav import load_pyav
from nmf_audio.io.open import Reader
from nmf_audio.jobs.pump import Processor

__all__ = ["Amplified", "Gain", "check_loudness", "find_gain"]

LOWEST_LUFS, HIGHEST_LUFS = -50.0, -5.0
TRUE_PEAK_DB = -1.0
"""What no true peak exceeds, as EBU R 128 has it."""


@dataclass(frozen=True)
class Gain:
    """A gain in decibels, and a sentence if it does not give the loudness that was asked for, or nothing."""

    db: float
    warning: str = ""


def check_loudness(
    loudness: Any, *, streamed: bool = False, keep_noise: object = None, restore: bool = False
) -> None:
    """Check a loudness in LUFS, or None; `MissingExtraError` if PyAV is not installed.

    `ParameterError` if it is not allowed, or not beside another argument, or the recording is `streamed`: it is read
    twice.
    """
    if loudness is None:
        return
    check_number("loudness", loudness, LOWEST_LUFS, HIGHEST_LUFS, unit="LUFS")
    if streamed:
        raise invalid("loudness", loudness, "left out for a stream", "it can't be read twice: give a file")
    if restore:
        both = {"loudness": loudness, "restore": restore}
        raise conflict(both, "restore the recording to floats first, then denoise that to a loudness")
    if keep_noise is not None:
        both = {"loudness": loudness, "keep_noise": str(keep_noise)}
        raise conflict(both, "the two outputs would not add up to the input; leave one of them out")
    load_pyav("loudness")


def find_gain(stream: Processor, name: str, blocks: Iterable[Samples], reader: Reader, target: float) -> Gain:
    """Send a signal through a stream and return the gain that brings one of its outputs to a loudness.

    The true peak stays at or below -1 dB: then the gain is less.
    """
    try:
        meter = LoudnessMeter(reader.sr, reader.n_channels, reader.channel_mask)
    except AudioFileError as error:
        raise AudioFileError(f"{reader.label}: {error}") from error
    for block in blocks:
        meter.write(np.atleast_2d(stream.process(block.astype(np.float32, copy=False))[name]))
    meter.write(np.atleast_2d(stream.flush()[name]))
    found = meter.finish()
    if found.integrated_lufs is None:
        return Gain(0.0, "is too short or too quiet for its loudness to be measured; it is left as it is")
    wanted, most = target - found.integrated_lufs, TRUE_PEAK_DB - found.true_peak_db
    if wanted <= most:
        return Gain(wanted)
    reached = found.integrated_lufs + most
    return Gain(
        most,
        f"its loudness is {reached:.1f} LUFS, not {target:g}: more would bring its true peak above "
        f"{TRUE_PEAK_DB:g} dB",
    )


class Amplified:
    """A stream whose outputs are amplified."""

    def __init__(self, stream: Processor, gain: Gain) -> None:
        self._stream, self._factor = stream, np.float32(10 ** (gain.db / 20))

    def process(self, block: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        """Take the next block (n_channels, n) and return what is ready of each signal."""
        return {name: self._factor * y for name, y in self._stream.process(block).items()}

    def flush(self) -> Mapping[str, npt.NDArray[Any]]:
        """End the signal and return the rest of each."""
        return {name: self._factor * y for name, y in self._stream.flush().items()}
