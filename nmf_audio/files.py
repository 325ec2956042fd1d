"""A file, through the stream, into a file: in bounded memory, whole or not at all."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from nmf_audio.atomic import check_target, replacing
from nmf_audio.audio_io import AudioReader, AudioWriter
from nmf_audio.containers import container_for
from nmf_audio.defaults import DEFAULT_MIX, DEFAULT_REDUCTION_DB
from nmf_audio.dictionary import Dictionary
from nmf_audio.enhance import Denoiser
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.noise import check_section, read_noise
from nmf_audio.stream import Stream

__all__ = ["Report", "default_output", "denoise_file"]


@dataclass(frozen=True)
class Report:
    """What became of one file.

    Parameters
    ----------
    src, dst : Path
        The recording, and what was written.
    status : {'done', 'partial'}
        ``partial``: the recording is truncated or damaged; what could be read was denoised.
    seconds : float
        Length of what was written.
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    format, subtype : str
        Container and coding of what was written, in libsndfile's words.
    method, dictionary : str
        How, and the name of the dictionary.
    elapsed_seconds : float
        Time that it took.
    removed_db : float
        Level of the input over that of the output, in decibels: 10 log10(sum x^2 / sum y^2). 0 for silence.
    n_clipped : int
        Values that left the range of the output's integers and were saturated.
    warnings : tuple of str
        Sentences about what was lost.
    """

    src: Path
    dst: Path
    status: Literal["done", "partial"]
    seconds: float
    sr: int
    n_channels: int
    format: str
    subtype: str
    method: str
    dictionary: str
    elapsed_seconds: float
    removed_db: float
    n_clipped: int
    warnings: tuple[str, ...]

    @property
    def real_time_factor(self) -> float:
        """Seconds of audio per second of work: above 1 is faster than real time."""
        return self.seconds / max(self.elapsed_seconds, 1e-9)


def default_output(src: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Path:
    """Return where the denoised recording goes if nobody says so.

    Parameters
    ----------
    src : str or path
        The recording.
    folder : str or path, optional
        Where to put the output; beside the recording by default.

    Returns
    -------
    Path

    Examples
    --------
    >>> default_output("talks/monday.wav").as_posix()
    'talks/monday.denoised.wav'
    """
    src = Path(src)
    return (src.parent if folder is None else Path(folder)) / f"{src.stem}.denoised{src.suffix}"


def denoise_file(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str] | None = None,
    *,
    dictionary: Dictionary | str | os.PathLike[str] | None = None,
    method: str | None = None,
    reduction_db: float = DEFAULT_REDUCTION_DB,
    mix: float = DEFAULT_MIX,
    noise: str | os.PathLike[str] | None = None,
    noise_from: tuple[float, float] | None = None,
    force: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Report:
    """Denoise a recording into another file of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str or path
        The recording, in any format that libsndfile reads.
    dst : str or path, optional
        Where to write; ``<stem>.denoised<ext>`` beside `src` by default. An extension that means another
        container than the recording's is obeyed.
    dictionary : Dictionary, str, path or None
        A dictionary, the name of a shipped one, a file, or None for the shipped one that fits the method.
    method : {'trained', 'adaptive', 'classic'} or None
        How to decompose; None takes the best that the dictionary offers.
    reduction_db : float
        The most that noise is pushed down, in decibels.
    mix : float
        Share of the denoised signal in the output, 0 to 1; the rest is the input.
    noise : str, path or None
        A recording of the noise alone, a second or more, as loud as it is in `src`; the denoiser hears it first.
        Its rate may be another; mono stands for all channels, and another number of channels is averaged.
    noise_from : (start, end) or None
        Seconds of `src` where there is noise alone, to be heard first.
    force : bool
        Replace `dst` if it exists.
    progress : callable, optional
        Called after each block with the seconds done and the seconds there are. What it raises ends the work,
        and leaves nothing behind.

    Returns
    -------
    Report
        What was done. A truncated or damaged recording is denoised as far as it can be read; `status` tells.

    Raises
    ------
    AudioFileError
        If the recording can't be read or holds NaN or Inf, or if `dst` is the recording itself, exists, or
        can't be written. Nothing is left behind.
    ParameterError
        If a value is not allowed.
    DictionaryError
        If the dictionary can't be used, or does not fit the method.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = 0.1 * np.random.default_rng(0).standard_normal(32000)
    ...     soundfile.write(f"{folder}/noisy.wav", noise, 16000)
    ...     report = denoise_file(f"{folder}/noisy.wav")
    >>> report.dst.name, report.seconds, report.subtype
    ('noisy.denoised.wav', 2.0, 'PCM_16')
    """
    started = time.perf_counter()
    src = Path(src)
    dst = default_output(src) if dst is None else Path(dst)
    denoiser = Denoiser(dictionary, method=method, reduction_db=reduction_db, mix=mix)
    check_noise(noise, noise_from)
    check_target(dst, sources=[src] if noise is None else [src, noise], force=force)
    with AudioReader(src) as reader:
        container = container_for(dst, reader.container, (reader.n_samples or 0) * reader.n_channels)
        try:
            stream = denoiser.stream(reader.sr, reader.n_channels, n_samples=reader.n_samples)
        except ParameterError as error:
            raise AudioFileError(f"{src}: {error}") from error
        if noise is not None:
            stream.prime(read_noise(noise, reader.sr, reader.n_channels))
        elif noise_from is not None:
            start, end = noise_from
            stream.prime(read_noise(src, reader.sr, reader.n_channels, start=start, end=end))
        with (
            replacing(dst, force=force) as temporary,
            AudioWriter(
                temporary, reader.sr, reader.n_channels, container, tags=reader.tags, label=str(dst)
            ) as writer,
        ):
            removed_db = _pump(reader, stream, writer, progress)
    warnings = list(writer.warnings)
    if container.subtype != reader.container.subtype and container.format == reader.container.format:
        warnings.append(f"{reader.container.subtype} can't be written; it is now {container.subtype}")
    if reader.damage:
        warnings.insert(0, f"{reader.damage}; what could be read was denoised")
    return Report(
        src=src,
        dst=dst,
        status="partial" if reader.damage else "done",
        seconds=writer.n_written / reader.sr,
        sr=reader.sr,
        n_channels=reader.n_channels,
        format=container.format,
        subtype=container.subtype,
        method=denoiser.method,
        dictionary=denoiser.dictionary.name,
        elapsed_seconds=time.perf_counter() - started,
        removed_db=removed_db,
        n_clipped=writer.n_clipped,
        warnings=tuple(warnings),
    )


def check_noise(noise: str | os.PathLike[str] | None, noise_from: tuple[float, float] | None) -> None:
    """Check what says where the noise alone is, as far as names and numbers show.

    Parameters
    ----------
    noise : str, path or None
        A recording of the noise.
    noise_from : (start, end) or None
        Seconds of the recording itself.

    Raises
    ------
    ParameterError
        If both are given, or `noise_from` is no part of a recording.
    """
    if noise_from is None:
        return
    if noise is not None:
        raise ParameterError(
            f"noise={os.fspath(noise)!r} and noise_from={noise_from} are both given; give one"
        )
    if not isinstance(noise_from, tuple) or len(noise_from) != 2:
        raise ParameterError(f"noise_from={noise_from!r}; (start, end) in seconds is needed")
    check_section("noise_from", *noise_from)


def _pump(
    reader: AudioReader,
    stream: Stream,
    writer: AudioWriter,
    progress: Callable[[float, float], None] | None,
) -> float:
    """Send all of a file through the stream; return by how many decibels its level fell."""
    energy_in = energy_out = 0.0

    def emit(y: npt.NDArray[np.float32]) -> float:
        writer.write(np.atleast_2d(y))
        return _energy(y)

    for block in reader.blocks():
        energy_in += _energy(block)
        energy_out += emit(stream.process(block))
        if progress is not None:
            total = max(reader.n_samples or 0, reader.n_read)
            progress(reader.n_read / reader.sr, total / reader.sr)
    energy_out += emit(stream.flush())
    if reader.n_read == 0 and reader.damage:
        raise AudioFileError(f"{reader.path}: {reader.damage}")
    if energy_in == 0:
        return 0.0
    # the blocks differ, so that the sums of the same samples may differ in their last digits
    return round(10 * math.log10(energy_in / energy_out), 6) + 0.0 if energy_out > 0 else math.inf


def _energy(y: npt.NDArray[np.float32]) -> float:
    return float(np.sum(np.square(y, dtype=np.float64)))
