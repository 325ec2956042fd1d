"""Denoise a recording into a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_callable, check_flag, conflict, invalid
from nmf_audio._types import PathLike, Progress
from nmf_audio.defaults import DEFAULT_WARM_UP
from nmf_audio.denoiser import Denoiser, check_denoiser, check_warm_up
from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import frame_size
from nmf_audio.dsp.samples import check_samples
from nmf_audio.io.base import Samples
from nmf_audio.io.noise_recording import MAX_SECONDS, is_silent, read_noise
from nmf_audio.io.open import Reader
from nmf_audio.io.pcm import RawFormat
from nmf_audio.io.pipe_reader import STREAM, StreamReader, get_report_path
from nmf_audio.io.remote import Url
from nmf_audio.io.section import check_section
from nmf_audio.io.section_reader import SectionReader
from nmf_audio.jobs.cutting import Shape, is_worth_cutting
from nmf_audio.jobs.file_job import FileJob, Target, errors_of
from nmf_audio.jobs.metered_stream import SPEECH, MeteredStream, StreamMaker, measure_noise, merge_meters
from nmf_audio.jobs.output_names import default_output
from nmf_audio.jobs.pieces import Pieces
from nmf_audio.jobs.processes import check_jobs
from nmf_audio.jobs.pump import Processor
from nmf_audio.jobs.report import Report
from nmf_audio.jobs.staging import taking_urls
from nmf_audio.jobs.target_loudness import Amplified, Gain, check_loudness, find_gain

if TYPE_CHECKING:
    from nmf_audio.jobs.restored_stream import RestoredStream

__all__ = ["Report", "check_noise_options", "choose_denoiser", "default_output", "denoise_file"]

NOISE = "noise"


def choose_denoiser(denoiser: Denoiser | None, *, channels: str | None = None, **options: Any) -> Denoiser:
    """Return the denoiser that is given, or make one; raise ParameterError if both are asked for.

    With `channels` it is another one, of these channels.
    """
    if channels is not None:
        chosen = copy(choose_denoiser(denoiser, **options))
        chosen.channels = channels
        return chosen
    given = {name: value for name, value in options.items() if value is not None}
    if denoiser is None:
        return Denoiser(**given)
    check_denoiser(denoiser)
    if given:
        raise conflict({"denoiser": denoiser, **given}, "make the denoiser with them")
    return denoiser


def check_noise_options(
    *,
    noise: PathLike | npt.NDArray[Any] | None = None,
    noise_from: tuple[float, float] | None = None,
    streamed: bool = False,
) -> None:
    """Check options of `denoise_file` that `Denoiser` does not know; `streamed` recordings can't be read twice.

    Raises
    ------
    ParameterError
        If one of them is not allowed, or not beside another.
    """
    if noise is not None and not isinstance(noise, str | os.PathLike | Url):
        check_samples(noise, name="noise")
    if noise_from is None:
        return
    if noise is not None:
        given = str(noise) if isinstance(noise, str | os.PathLike | Url) else "an array"
        raise conflict({"noise": given, "noise_from": noise_from})
    if not isinstance(noise_from, tuple) or len(noise_from) != 2:
        raise invalid("noise_from", noise_from, "(start, end) in seconds")
    _, last = check_section(*noise_from, name="noise_from")
    if streamed and last > MAX_SECONDS:
        allowed = f"within the first {MAX_SECONDS:g} s of a stream, which are held back until they are heard"
        raise invalid("noise_from", noise_from, allowed)


def _name_output(given: dict[str, Any]) -> dict[str, Any]:
    if "dst" in given:
        return {}
    return {"dst": default_output(given["src"], format=given.get("format"))}


@taking_urls(_name_output)
def denoise_file(
    src: Target,
    dst: Target | None = None,
    *,
    raw: RawFormat | None = None,
    denoiser: Denoiser | None = None,
    dictionary: Dictionary | PathLike | None = None,
    method: str | None = None,
    preset: str | None = None,
    reduction_db: float | None = None,
    mix: float | None = None,
    noise: PathLike | npt.NDArray[Any] | None = None,
    noise_from: tuple[float, float] | None = None,
    warm_up: float | None = None,
    restore: bool = False,
    channels: str | None = None,
    start: float | None = None,
    end: float | None = None,
    keep_noise: Target | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    bitrate: float | None = None,
    quality: float | None = None,
    loudness: float | None = None,
    force: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Denoise a recording into another file, by default of the same rate, channels, length, container and coding.

    Parameters
    ----------
    src : str, path or binary file
        The recording, in any format that libsndfile reads; with PyAV also m4a and videos. An
        open file, such as ``sys.stdin.buffer``, is read from where it stands to its end: WAV and raw samples as they
        come, what else there is through a temporary file. A URL (``s3://``, ``gs://``, ``https://``, whatever fsspec
        knows) is fetched to a temporary file first; so are `noise`, and outputs, which are stored when all is done.
    dst : str, path or binary file, optional
        Where to write; ``<stem>.denoised<ext>`` beside `src` by default. An extension that means another
        container than the recording's is obeyed. In a media file all but the sound is copied. To an open file, such
        as ``sys.stdout.buffer``, goes WAV, each block as soon as it is ready. An open `src` needs a `dst` that is
        given.
    raw : RawFormat or None
        Format of an open `src`, and of what goes to an open `dst` (unless `format` is WAV), if they are samples
        without a header.
    denoiser : Denoiser or None
        A ready one, for many files, in place of `dictionary`, `method`, `preset`, `reduction_db` and `mix`.
    dictionary : Dictionary, str, path or None
        A dictionary, the name of a shipped one, a file, or None for the shipped one that fits the method.
    method : {'trained', 'adaptive', 'classic'} or None
        How to decompose; None takes the best that the dictionary offers.
    preset : {'speech', 'podcast', 'call', 'field', 'light', 'normal', 'strong'} or None
        What `reduction_db` and `mix` are where they are not given.
    reduction_db : float or None
        Largest reduction of the noise, in decibels; None stands for 40.
    mix : float or None
        Share of the denoised signal in the output, 0 to 1; the rest is the input. None stands for 1.
    noise : str, path, ndarray (n,) or (n_channels, n), or None
        The noise alone, a second or more, as loud as it is in `src`, to learn from first. Samples have the rate of
        `src`; a recording may have another. Mono stands for all channels, and any other number of channels than that
        of `src` is averaged.
    noise_from : (start, end) or None
        Section of `src` in seconds where there is noise alone, to learn from first.
    warm_up : float or None
        Seconds of the recording that are heard before it is denoised, 0 to 60, so that its beginning comes out as
        clean as the rest. None stands for 2, and for 0 with an open `src`, whose output would have to wait for them;
        with `restore` it waits anyway.
    restore : bool
        Restore clipped samples, and drop-outs of up to 100 ms, before the recording is denoised, as
        `nmf_audio.restore` finds them. What is restored beyond full scale is denoised as it is, and only an output in
        integers cuts it off. The recording is read twice: an open `src` goes through a temporary file.
    channels : {'linked', 'independent'} or None
        Linked channels get the same gains, so that the stereo image stays; independent ones each their own, as
        for speakers with a microphone and a channel of their own. None stands for those of the denoiser: linked.
    start, end : float or None
        Seconds: only this part of the recording is denoised and written. It comes out as if it were all there is.
    keep_noise : str, path, binary file or None
        Where to write what was removed: input minus output as written, before encoding for lossy formats. In
        integers the two add up to the input exactly, in floats to one unit in the last place; with `sr` they add
        up to the input at that rate. The input is what was read, before anything of it was restored: with `restore`
        this holds what was filled in, too, with the opposite sign.
    format : str or None
        What to write, whatever the extension: one of `nmf_audio.io.formats.FORMATS`, such as ``'FLAC'``.
    subtype : str or None
        Coding of the samples, in libsndfile's words, such as ``'PCM_24'``.
    sr : int or None
        Sample rate of the output in Hz. The denoiser works at the rate of the recording; what comes out is
        converted, in step with the input.
    bitrate : float or None
        Bit rate of lossy outputs (MP3, Vorbis, Opus, AAC) in kbit/s; that of a lossy recording by default.
    quality : float or None
        In its place, for MP3 and Vorbis: a quality from 0 to 10, the best.
    loudness : float or None
        Integrated loudness of the output in LUFS, by EBU R 128, such as -16: it is amplified, by one gain, as far as
        its true peak stays at or below -1 dB. The recording is read twice, and can't be an open file; needs PyAV.
    force : bool
        Replace `dst` and `keep_noise` if they exist.
    jobs : int
        How many processes share a recording of more than five minutes, 1 to 256. With more than one it is cut into
        pieces, and the output differs from that of one by less than 1e-4 of the peak. An open `src` is not cut, nor
        is anything with `loudness` or `restore`.
    progress : callable, optional
        Called after each block with the seconds that are done and those there are; with `loudness` each of the two
        passes counts half. What it raises ends the work, and leaves nothing behind.

    Returns
    -------
    Report
        What was done. A truncated or damaged recording is denoised as far as it can be read; see `status`.

    Raises
    ------
    AudioFileError
        If the recording can't be read or holds NaN or Inf, or if `dst` is the recording itself, exists, or
        can't be written. Nothing is left behind.
    BrokenPipeError
        If the reader of an open `dst` has left.
    ParameterError
        If a value is not allowed, or not beside another.
    DictionaryError
        If the dictionary can't be used, or does not fit the method.
    MissingExtraError
        If a package is not installed that a URL or a media file needs.

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
    if dst is None:
        if not isinstance(src, str | os.PathLike):
            raise invalid("dst", None, "given beside an open file, which has no name to make another from")
        dst = default_output(src, format=format)
    streamed = get_report_path(src) is STREAM
    chosen = choose_denoiser(
        denoiser,
        dictionary=dictionary,
        method=method,
        preset=preset,
        reduction_db=reduction_db,
        mix=mix,
        channels=channels,
    )
    check_noise_options(noise=noise, noise_from=noise_from, streamed=streamed)
    noise_path = noise if isinstance(noise, str | os.PathLike) else None
    check_flag("restore", restore)
    check_loudness(loudness, streamed=streamed, keep_noise=keep_noise, restore=restore)
    check_jobs(jobs)
    check_callable("progress", progress)
    if warm_up is None:
        warm_up = 0.0 if streamed and not restore else DEFAULT_WARM_UP
    warm_up = check_warm_up(warm_up)
    spec = chosen.dictionary.spec
    streams: list[MeteredStream | Pieces] = []
    silences: list[str] = []
    gains: list[Gain] = []
    restored: list[RestoredStream] = []

    def prepare(reader: Reader, blocks: Generator[Samples]) -> Processor:
        heard: npt.NDArray[Any] | None = None
        if noise_path is not None:
            heard = read_noise(noise_path, reader.sr, reader.n_channels)
        elif noise is not None:
            n_channels = None if getattr(noise, "ndim", 1) == 1 else reader.n_channels
            heard = check_samples(noise, n_channels, name="noise")
            if not np.any(heard):
                raise invalid("noise", "silent", "a recording of the noise alone", given="noise is silent")
        elif noise_from is not None:
            heard = _noise_within(reader, *noise_from)
            if is_silent(heard, reader.container.subtype):
                silences.append(
                    f"from {noise_from[0]:g} s to {noise_from[1]:g} s there is silence, no noise to learn from"
                )
        maker = StreamMaker(chosen, reader.sr, reader.n_channels, heard, round(warm_up * reader.sr))
        with errors_of(reader):
            stream = maker.make()
            if restore:
                streams.append(stream)
                restored.append(_restore_before(stream, reader, blocks))
                return restored[0]
        if loudness is not None:
            gains.append(find_gain(maker.make(), SPEECH, blocks, reader, loudness))
            streams.append(stream)
            return Amplified(stream, gains[0])
        n_samples = None if streamed else SectionReader(reader, start, end).n_samples
        if jobs > 1 and is_worth_cutting(n_samples, reader.sr):
            shape = Shape(reader.sr, reader.n_channels, n_samples, frame_size(reader.sr, spec.frame_seconds))
            linked = chosen.channels == "linked"
            pieces = Pieces(blocks, maker, (SPEECH,), shape, linked=linked, jobs=jobs, progress=progress)
            streams.append(stack.enter_context(pieces))
        else:
            streams.append(stream)
        return streams[0]

    def advance(done: float, total: float) -> None:
        if progress is not None and not (streams and isinstance(streams[0], Pieces)):
            progress(done, total)

    job = FileJob(
        src,
        {SPEECH: dst} if keep_noise is None else {SPEECH: dst, NOISE: keep_noise},
        "denoised",
        rest=None if keep_noise is None else NOISE,
        others=() if noise_path is None else (noise_path,),
        raw=raw,
        n_passes=1 if loudness is None and not restore else 2,
        shares=_share_restoration if restore else None,
        start=start,
        end=end,
        format=format,
        subtype=subtype,
        sr=sr,
        bitrate=bitrate,
        quality=quality,
        force=force,
        progress=advance,
    )
    with ExitStack() as stack:
        fields, levels = job.run(prepare)
        meters = merge_meters(streams[0].measured) if isinstance(streams[0], Pieces) else streams[0].measured
    noise_before_db, noise_after_db = measure_noise(meters) or (None, None)
    fields["warnings"] = (*fields["warnings"], *silences, *(gain.warning for gain in gains if gain.warning))
    for done in restored:
        fields |= _report_restoration(done, fields)
    gain_db = gains[0].db if gains else None
    return Report(
        **fields,
        dst=get_report_path(dst),
        keep_noise=None if keep_noise is None else get_report_path(keep_noise),
        method=chosen.method,
        dictionary=chosen.dictionary.name,
        level_after_db=levels.after_db[SPEECH],
        removed_db=levels.removed_db(SPEECH) + (gain_db or 0.0),
        gain_db=gain_db,
        noise_before_db=noise_before_db,
        noise_after_db=noise_after_db,
    )


def _noise_within(reader: Reader, start: float, end: float) -> npt.NDArray[Any]:
    if isinstance(reader, StreamReader):
        return reader.peek(start, end)
    return read_noise(reader.path, reader.sr, reader.n_channels, start=start, end=end, may_be_silent=True)


def _restore_before(stream: Processor, reader: Reader, blocks: Generator[Samples]) -> RestoredStream:
    """Find what is to be restored in all blocks, and return the stream behind its restoration."""
    from nmf_audio.jobs.restored_stream import RestoredStream
    from nmf_audio.restoration.restorer import Restorer

    return RestoredStream(Restorer().learn(blocks, reader.sr, reader.n_channels), stream)


def _share_restoration(seconds: float) -> tuple[float, float]:
    from nmf_audio.jobs.restored_stream import READING_SHARE

    return READING_SHARE, 0.0


def _report_restoration(done: RestoredStream, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a report that change if its recording was restored."""
    from nmf_audio.jobs.restored_stream import describe_restoration, in_db, warn_of_lost_samples

    found = describe_restoration(done.restoration)
    warnings = warn_of_lost_samples(done.restoration)
    if found["n_restored"] and fields["n_clipped"] and done.peak > 1:
        above = in_db(done.peak)
        warnings.append(
            f"peaks reach {above:.1f} dB above full scale and are cut off there again; store floats"
        )
    return {**found, "warnings": (*fields["warnings"], *warnings)}
