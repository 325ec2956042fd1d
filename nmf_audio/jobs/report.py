"""Reports: what became of a recording that was denoised, separated or restored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = [
    "AnyReport",
    "FileReport",
    "Report",
    "RestorationReport",
    "RestoredReport",
    "SeparationReport",
    "Status",
]

Status = Literal["done", "partial", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """Fields that all reports of recordings share.

    Parameters
    ----------
    error : Exception or None
        Why it failed.
    seconds : float
        Length of what was written.
    sr, n_channels : int
        Sample rate in Hz and channels of what was written.
    format, subtype : str
        Container and coding of what was written, in libsndfile's words.
    src_sr : int
        Sample rate in Hz of the recording.
    src_format, src_subtype : str
        Container and coding of the recording.
    elapsed_seconds : float
        Time that it took.
    level_before_db : float
        Level of the recording in decibels below full scale: 10 log10 of the mean square of the samples. Minus
        infinity for silence.
    n_clipped : int
        Values that left the range of the output's integers and were saturated.
    warnings : tuple of str
        A sentence for each thing that was lost.
    """

    error: Exception | None = None
    seconds: float = 0.0
    sr: int = 0
    n_channels: int = 0
    format: str = ""
    subtype: str = ""
    src_sr: int = 0
    src_format: str = ""
    src_subtype: str = ""
    elapsed_seconds: float = 0.0
    level_before_db: float = -math.inf
    n_clipped: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of work: above 1 is faster than real time."""
        return self.seconds / max(self.elapsed_seconds, 1e-9)


@dataclass(frozen=True, kw_only=True)
class RestoredReport(FileReport):
    """Fields that reports of recordings share in which lost samples may have been restored.

    Parameters
    ----------
    clip_levels_db : tuple of float or None
        Of each channel, the level of its clipping in decibels below full scale; None if it is not clipped. Empty if
        nothing was to be restored.
    n_restored : int
        Clipped samples that were restored, of all channels.
    gaps : tuple of (start, end)
        Seconds, in the output: the gaps that were filled, in any channel.
    """

    clip_levels_db: tuple[float | None, ...] = ()
    n_restored: int = 0
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Report(RestoredReport):
    """Result of denoising one recording: the fields of `FileReport` and `RestoredReport`, and more.

    Parameters
    ----------
    src, dst : Path or Url
        The recording, and what was written.
    status : {'done', 'partial', 'failed', 'skipped'}
        ``partial``: the recording is truncated or damaged; what could be read was denoised. ``failed`` and
        ``skipped`` come from `denoise_files` only: nothing was written, and all other fields but `error` have no
        meaning.
    keep_noise : Path, Url or None
        The file of what was removed.
    method, dictionary : str
        The method, and the name of the dictionary.
    level_after_db : float
        Level of what came out, as `level_before_db`.
    noise_before_db, noise_after_db : float or None
        Level of the noise in the pauses of the speech, in decibels below full scale, before and after: the median of
        frames of 32 ms. None where no pauses are found, or nothing but noise.
    gain_db : float or None
        By how many decibels the output was amplified for the loudness that was asked for; None if none was. Levels of
        the noise, and what was removed, are those without it.
    removed_db : float
        Level of the whole input over that of the output, in decibels: 10 log10(sum x^2 / sum y^2). 0 for silence.
        Deprecated: it says little of the noise; use `noise_removed_db`.
    """

    src: Path
    dst: Path
    status: Status
    keep_noise: Path | None = None
    method: str = ""
    dictionary: str = ""
    level_after_db: float = -math.inf
    removed_db: float = 0.0
    noise_before_db: float | None = None
    noise_after_db: float | None = None
    gain_db: float | None = None

    @property
    def noise_removed_db(self) -> float | None:
        """By how many decibels the noise went down, in the pauses of the speech; None where it is not known."""
        if self.noise_before_db is None or self.noise_after_db is None:
            return None
        return round(self.noise_before_db - self.noise_after_db, 2)


@dataclass(frozen=True)
class SeparationReport(FileReport):
    """Result of separating one mixture: the fields of `FileReport`, and more.

    Parameters
    ----------
    src : Path or Url
        The mixture.
    parts : dict of str to Path or Url
        What was written: each source, and the residual if there was one. `n_clipped` is of all of them.
    status : {'done', 'partial', 'failed', 'skipped'}
        As of `Report`.
    levels_db : dict of str to float
        Level of each part, as `level_before_db`.
    """

    src: Path
    parts: dict[str, Path]
    status: Status
    levels_db: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RestorationReport(RestoredReport):
    """Result of restoring one recording: the fields of `FileReport` and `RestoredReport`, and more.

    Parameters
    ----------
    src, dst : Path or Url
        The recording, and what was written.
    status : {'done', 'partial', 'failed', 'skipped'}
        As of `Report`.
    level_after_db : float
        Level of what came out, as `level_before_db`.
    peak_after_db : float
        Largest sample of it, in decibels above full scale.
    """

    src: Path
    dst: Path
    status: Status
    level_after_db: float = -math.inf
    peak_after_db: float = -math.inf


AnyReport = Report | SeparationReport | RestorationReport
