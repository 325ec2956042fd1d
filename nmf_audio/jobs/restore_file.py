"""Restore a recording into a file."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_callable, check_number, invalid
from nmf_audio._types import Progress
from nmf_audio.defaults import DEFAULT_RESTORED_NAME
from nmf_audio.io.base import Samples
from nmf_audio.io.open import Reader
from nmf_audio.io.pcm import RawFormat
from nmf_audio.io.pipe_reader import get_report_path
from nmf_audio.jobs.file_job import FileJob, Target, errors_of
from nmf_audio.jobs.output_names import default_output
from nmf_audio.jobs.pump import Processor
from nmf_audio.jobs.report import RestorationReport
from nmf_audio.jobs.restored_stream import READING_SHARE, describe_restoration, in_db, warn_of_lost_samples
from nmf_audio.jobs.staging import taking_urls
from nmf_audio.restoration.restorer import Restorer
from nmf_audio.restoration.stream import RestorationStream

__all__ = ["check_gain", "restore_file"]

RESTORED = "speech"
LARGEST_GAIN_DB = 60.0


def check_gain(gain_db: Any) -> float:
    """Return a gain in decibels if it is one; raise ParameterError if not."""
    return check_number("gain_db", gain_db, -LARGEST_GAIN_DB, LARGEST_GAIN_DB, unit="dB")


def _name_output(given: dict[str, Any]) -> dict[str, Any]:
    if "dst" in given:
        return {}
    return {"dst": default_output(given["src"], name=DEFAULT_RESTORED_NAME, format=given.get("format"))}


@taking_urls(_name_output)
def restore_file(
    src: Target,
    dst: Target | None = None,
    *,
    restorer: Restorer | None = None,
    gain_db: float = 0.0,
    raw: RawFormat | None = None,
    start: float | None = None,
    end: float | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    bitrate: float | None = None,
    quality: float | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RestorationReport:
    """Fill in the clipped samples and the gaps of a recording, by default into a file of the same format.

    Parameters
    ----------
    src : str, path or binary file
        The recording, as for `denoise_file`.
    dst : str, path or binary file, optional
        Where to write; ``<stem>.restored<ext>`` beside `src` by default. An open `src` needs a `dst` that is given.
    restorer : Restorer or None
        What is restored; None for all that is found. It may read the recording twice: then an open `src` goes
        through a temporary file.
    gain_db : float
        Gain of the whole output in decibels, -60 to 60: what was clipped at full scale has peaks beyond it when it is
        restored, for which integers have no room. With 0 samples that were not lost stay the same to the bit.
    raw, start, end, format, subtype, sr, bitrate, quality, force, progress
        As for `denoise_file`. Gaps count from the beginning of the recording.

    Returns
    -------
    RestorationReport
        What was done.

    Raises
    ------
    AudioFileError
        If the recording can't be read or holds NaN or Inf, or if `dst` is the recording itself, exists, or can't be
        written. Nothing is left behind.
    BrokenPipeError
        If the reader of an open `dst` has left.
    ParameterError
        If a value is not allowed, or not beside another.
    MissingExtraError
        If a package is not installed that a URL or a media file needs.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     y = np.sin(2 * np.pi * 300 * np.arange(2000) / 8000)
    ...     soundfile.write(f"{folder}/loud.wav", 0.5 * np.clip(y, -0.8, 0.8), 8000)
    ...     report = restore_file(f"{folder}/loud.wav")
    >>> report.dst.name, [round(level_db, 1) for level_db in report.clip_levels_db], report.peak_after_db > -6.3
    ('loud.restored.wav', [-8.0], True)
    """
    if dst is None:
        if not isinstance(src, str | os.PathLike):
            raise invalid("dst", None, "given beside an open file, which has no name to make another from")
        dst = default_output(src, name=DEFAULT_RESTORED_NAME, format=format)
    chosen = Restorer() if restorer is None else restorer
    if not isinstance(chosen, Restorer):
        raise invalid("restorer", restorer, "a Restorer")
    gain_db = check_gain(gain_db)
    check_callable("progress", progress)
    streams: list[_Restoration] = []

    def prepare(reader: Reader, blocks: Generator[Samples]) -> Processor:
        with errors_of(reader):
            stream = chosen.learn(blocks, reader.sr, reader.n_channels, start=start or 0.0)
        streams.append(_Restoration(stream, gain_db))
        return streams[0]

    job = FileJob(
        src,
        {RESTORED: dst},
        "restored",
        keep_digits=True,
        raw=raw,
        n_passes=chosen.n_passes,
        shares=lambda seconds: (READING_SHARE, 0.0),
        start=start,
        end=end,
        format=format,
        subtype=subtype,
        sr=sr,
        bitrate=bitrate,
        quality=quality,
        force=force,
        progress=progress,
    )
    fields, levels = job.run(prepare)
    (done,) = streams
    fields["warnings"] = (*fields["warnings"], *done.list_warnings(fields["n_clipped"]))
    fields["warnings"] += tuple(_name_outside(chosen, start or 0.0, fields["seconds"]))
    return RestorationReport(
        **fields,
        **describe_restoration(done.stream),
        dst=get_report_path(dst),
        level_after_db=levels.after_db[RESTORED],
        peak_after_db=in_db(done.peak),
    )


def _name_outside(restorer: Restorer, start: float, seconds: float) -> Iterator[str]:
    """Yield a sentence for each gap that does not lie in what was read."""
    end = start + seconds
    for first, last in restorer.gaps or ():
        if first >= end or last <= start:
            yield f"nothing is filled from {first:g} to {last:g} s, since only {start:g} to {end:g} s were read"


class _Restoration:
    """A stream of restoration, with a gain, and the peak of what comes out."""

    def __init__(self, stream: RestorationStream, gain_db: float) -> None:
        self.stream, self._gain_db = stream, gain_db
        self.peak = 0.0

    def process(self, block: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        """Take the next block (n_channels, n) and return what is ready."""
        return self._amplify(self.stream.process(block))

    def flush(self) -> Mapping[str, npt.NDArray[Any]]:
        """End the signal and return the rest."""
        return self._amplify(self.stream.flush())

    def _amplify(self, y: npt.NDArray[Any]) -> Mapping[str, npt.NDArray[Any]]:
        if self._gain_db:
            y = y * y.dtype.type(10 ** (self._gain_db / 20))
        self.peak = max(self.peak, float(np.max(np.abs(y), initial=0.0)))
        return {RESTORED: y}

    def list_warnings(self, n_clipped: int) -> list[str]:
        """Return a sentence on peaks that were cut off again, and on what is too damaged to be restored."""
        found = []
        if n_clipped and self.peak > 1:
            above = in_db(self.peak)
            found.append(
                f"restored peaks reach {above:.1f} dB above full scale and are cut off there again; "
                f"store floats, or use a gain of {np.floor(10 * (self._gain_db - above)) / 10:.1f} dB"
            )
        return found + warn_of_lost_samples(self.stream)
