"""A file, through the stream, into a file: in bounded memory, whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmf_audio.defaults import (
    CHANNEL_MODES,
    DEFAULT_CHANNELS,
    DEFAULT_MIX,
    DEFAULT_NAME,
    DEFAULT_REDUCTION_DB,
)
from nmf_audio.denoiser import Denoiser
from nmf_audio.dictionary import Dictionary
from nmf_audio.errors import AudioFileError, ParameterError
from nmf_audio.io.atomic import check_target, replacing_all
from nmf_audio.io.containers import check_output, choose_extension
from nmf_audio.io.noise_recording import MAX_SECONDS, read_noise
from nmf_audio.io.open import (
    Reader,
    Writer,
    open_reader,
    open_stream,
    open_stream_writer,
    open_writer,
)
from nmf_audio.io.pcm import RawFormat
from nmf_audio.io.pipe_reader import STREAM, StreamReader, get_report_path
from nmf_audio.io.pipe_writer import choose_stream_container, list_stream_errors
from nmf_audio.io.section import check_section
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.jobs.outputs import describe_changes, open_output
from nmf_audio.jobs.pump import Processor, SeparateChannels, pump
from nmf_audio.jobs.report import Report

__all__ = ["Report", "check_options", "default_output", "denoise_file"]

PathLike = str | os.PathLike[str]
Target = PathLike | BinaryIO
Progress = Callable[[float, float], None]
Samples = npt.NDArray[np.floating[Any]]


def default_output(
    src: PathLike, folder: PathLike | None = None, *, name: str = DEFAULT_NAME, format: str | None = None
) -> Path:
    """Return where the denoised recording goes if nobody says so.

    Parameters
    ----------
    src : str or path
        The recording.
    folder : str or path, optional
        Where to put the output; beside the recording by default.
    name : str
        Its name, with ``{stem}`` and ``{ext}`` for those of the recording.
    format : str, optional
        What it will be; ``{ext}`` is then an extension that says so.

    Returns
    -------
    Path

    Examples
    --------
    >>> default_output("talks/monday.wav").as_posix()
    'talks/monday.denoised.wav'
    >>> default_output("talks/monday.wav", "clean", name="{stem}.flac").as_posix()
    'clean/monday.flac'
    >>> default_output("talks/monday.wav", format="FLAC").as_posix()
    'talks/monday.denoised.flac'
    """
    src = Path(src)
    parts = {"{stem}": src.stem, "{ext}": choose_extension(src.suffix, format)}
    # in one pass: a stem may itself look like a part
    filled = re.sub("|".join(map(re.escape, parts)), lambda match: parts[match.group()], name)
    return (src.parent if folder is None else Path(folder)) / filled


def check_options(
    *,
    noise: PathLike | None = None,
    noise_from: tuple[float, float] | None = None,
    channels: str = DEFAULT_CHANNELS,
    start: float | None = None,
    end: float | None = None,
    streamed: bool = False,
) -> None:
    """Check options of `denoise_file` that `Denoiser` does not know, as far as names and numbers show.

    Parameters
    ----------
    noise, noise_from, channels, start, end
        See `denoise_file`.
    streamed : bool
        Whether the recording is a stream, which can't be read twice.

    Raises
    ------
    ParameterError
        If one of them is not allowed, or not beside another.
    """
    if channels not in CHANNEL_MODES:
        raise ParameterError(f"channels={channels!r}; allowed are {', '.join(CHANNEL_MODES)}")
    check_section("start and end", start, end)
    if noise_from is None:
        return
    if noise is not None:
        raise ParameterError(
            f"noise={os.fspath(noise)!r} and noise_from={noise_from} are both given; give one"
        )
    if not isinstance(noise_from, tuple) or len(noise_from) != 2:
        raise ParameterError(f"noise_from={noise_from!r}; (start, end) in seconds is needed")
    _, last = check_section("noise_from", *noise_from)
    if streamed and last > MAX_SECONDS:
        raise ParameterError(
            f"noise_from={noise_from}; of a stream it must end within the first {MAX_SECONDS:g} s, "
            "which are held back until they are heard"
        )


def denoise_file(
    src: Target,
    dst: Target | None = None,
    *,
    raw: RawFormat | None = None,
    dictionary: Dictionary | PathLike | None = None,
    method: str | None = None,
    reduction_db: float = DEFAULT_REDUCTION_DB,
    mix: float = DEFAULT_MIX,
    noise: PathLike | None = None,
    noise_from: tuple[float, float] | None = None,
    channels: str = DEFAULT_CHANNELS,
    start: float | None = None,
    end: float | None = None,
    keep_noise: Target | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Denoise a recording into another file, by default of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str, path or binary file
        The recording, in any format that libsndfile reads; with PyAV (the extra ``media``) also m4a and videos. An
        open file, such as ``sys.stdin.buffer``, is read from where it stands to its end: WAV and raw samples as they
        come, what else there is through a temporary file.
    dst : str, path or binary file, optional
        Where to write; ``<stem>.denoised<ext>`` beside `src` by default. An extension that means another
        container than the recording's is obeyed. In a media file all but the sound is copied. To an open file, such
        as ``sys.stdout.buffer``, goes WAV, each block as soon as it is ready. An open `src` needs a `dst` that is
        given.
    raw : RawFormat or None
        What an open `src` is made of, and what goes to an open `dst` (unless `format` says WAV), if that is samples
        without a header.
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
    channels : {'linked', 'independent'}
        Linked channels get the same gains, so that the stereo image stays; independent ones each their own, as
        for speakers with a microphone and a channel of their own.
    start, end : float or None
        Seconds: only this part of the recording is denoised and written. It comes out as if it were all there is.
    keep_noise : str, path, binary file or None
        Where to write what was removed: input minus output as written, before encoding for lossy formats. In
        integers the two add up to the input exactly, in floats to one unit in the last place; with `sr` they add
        up to the input at that rate.
    format : str or None
        What to write, whatever the extension: one of `nmf_audio.io.formats.FORMATS`, such as ``'FLAC'``.
    subtype : str or None
        Coding of the samples, in libsndfile's words, such as ``'PCM_24'``.
    sr : int or None
        Sample rate of the output in Hz. The denoiser works at the rate of the recording; what comes out is
        converted, in step with the input.
    force : bool
        Replace `dst` and `keep_noise` if they exist.
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
    BrokenPipeError
        If whoever reads an open `dst` has left.
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
    if dst is None:
        if not isinstance(src, str | os.PathLike):
            raise ParameterError("dst=None; an open file has no name to make the output's from: give dst")
        dst = default_output(src, format=format)
    streamed = get_report_path(src) is STREAM
    denoiser = Denoiser(dictionary, method=method, reduction_db=reduction_db, mix=mix)
    check_options(
        noise=noise, noise_from=noise_from, channels=channels, start=start, end=end, streamed=streamed
    )
    wanted = {}
    for target in (get_report_path(dst), *([] if keep_noise is None else [get_report_path(keep_noise)])):
        if target is not STREAM:
            wanted[target] = check_output(target, format=format, subtype=subtype, sr=sr)
        elif faults := list_stream_errors(raw=raw, format=format, subtype=subtype, sr=sr):
            raise ParameterError(faults[0])
    _check_targets(src, dst, noise, keep_noise, force)
    with ExitStack() as stack:
        reader: Reader
        if isinstance(src, str | os.PathLike):
            reader = open_reader(src)
            stack.enter_context(reader)
        else:
            reader = stack.enter_context(open_stream(src, raw))
        stream = _stream(denoiser, reader, channels)
        if noise is not None:
            stream.prime(read_noise(noise, reader.sr, reader.n_channels))
        elif noise_from is not None:
            stream.prime(_noise_within(reader, *noise_from))
        part = SectionReader(reader, start, end)

        # in their places together, or not at all
        temporaries = dict(
            zip(wanted, stack.enter_context(replacing_all(list(wanted), force=force)), strict=True)
        )

        def opened_file(target: Path) -> Writer:
            return open_writer(
                temporaries[target],
                target,
                reader,
                wanted[target],
                n_samples=part.n_samples or 0,
                is_part=start is not None or end is not None,
                sound_only=target != get_report_path(dst),
            )

        def opened(target: Target) -> tuple[Writer, Callable[[Samples], Samples]]:
            writer: Writer
            if isinstance(target, str | os.PathLike):
                writer = opened_file(Path(target))
            else:
                container = choose_stream_container(reader.container, raw=raw, format=format, subtype=subtype)
                writer = open_stream_writer(target, reader, container, sr=sr, n_samples=part.n_samples)
            return writer, open_output(stack, writer, reader)

        writer, write = opened(dst)
        removed, keep = (None, None) if keep_noise is None else opened(keep_noise)
        # more digits than float32 has matter only where the removed part must add up to them
        dtype = np.float64 if removed and reader.container.subtype in ("PCM_32", "DOUBLE") else np.float32
        blocks = part.blocks(dtype, progress)
        levels = pump(blocks, stream, write, keep)
        damage = part.describe_damage()
    warnings = [f"{damage}; what could be read was denoised"] if damage else []
    warnings += writer.warnings
    container = writer.container
    warnings += describe_changes(reader, container, format=format, subtype=subtype, what="denoised")
    if removed is not None and removed.n_clipped:
        warnings.append(f"{removed.label}: {removed.n_clipped} samples clipped; there the two do not add up")
    return Report(
        src=get_report_path(src),
        dst=get_report_path(dst),
        status="partial" if damage else "done",
        keep_noise=None if keep_noise is None else get_report_path(keep_noise),
        seconds=writer.n_written / writer.sr,
        sr=writer.sr,
        n_channels=reader.n_channels,
        format=container.format,
        subtype=container.subtype,
        src_sr=reader.sr,
        src_format=reader.container.format,
        src_subtype=reader.container.subtype,
        method=denoiser.method,
        dictionary=denoiser.dictionary.name,
        elapsed_seconds=time.perf_counter() - started,
        level_before_db=levels.before_db,
        level_after_db=levels.after_db,
        removed_db=levels.removed_db,
        n_clipped=writer.n_clipped,
        warnings=tuple(warnings),
    )


def _check_targets(
    src: Target, dst: Target, noise: PathLike | None, keep_noise: Target | None, force: bool
) -> None:
    sources = [source for source in (src, noise) if isinstance(source, str | os.PathLike)]
    for target in (dst, keep_noise):
        if isinstance(target, str | os.PathLike):
            check_target(target, sources=sources, force=force)
    if isinstance(dst, str | os.PathLike) and isinstance(keep_noise, str | os.PathLike):
        same = os.path.realpath(keep_noise) == os.path.realpath(dst)
    else:
        same = keep_noise is dst
    if same:
        raise AudioFileError(
            f"{get_report_path(dst)}: is the output for both the speech and the noise; name another"
        )


def _noise_within(reader: Reader, start: float, end: float) -> npt.NDArray[Any]:
    if isinstance(reader, StreamReader):
        return reader.peek(start, end)
    return read_noise(reader.path, reader.sr, reader.n_channels, start=start, end=end)


def _stream(denoiser: Denoiser, reader: Reader, channels: str) -> Processor:
    try:
        if channels == "linked":
            return denoiser.stream(reader.sr, reader.n_channels)
        return SeparateChannels([denoiser.stream(reader.sr) for _ in range(reader.n_channels)])
    except ParameterError as error:
        raise AudioFileError(f"{reader.label}: {error}") from error
