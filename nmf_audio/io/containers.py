"""Containers of outputs: what is asked for and whether that goes together, what is chosen, what fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_audio._checks import check_choice, check_number, check_whole, collect, conflict, invalid
from nmf_audio.dsp.bands import MAX_SR, MIN_SR
from nmf_audio.errors import AudioFileError, MissingExtraError, NmfAudioError
from nmf_audio.io.formats import (
    CODINGS,
    FORMATS,
    Coding,
    Format,
    describe_missing_extra,
    find_format,
    find_read_only,
    list_subtypes,
    refuse_read_only,
)

__all__ = [
    "Container",
    "Wanted",
    "check_output",
    "choose_container",
    "choose_extension",
    "choose_rate",
    "describe_no_samples",
    "describe_size_limit",
    "find_capacity",
    "is_writable",
    "list_output_errors",
]

# a size field of 32 bits; what stands beside the samples is below this margin, see riff.py
SIZE_LIMIT = 2**32 - 2**25
_MAX_KBITS = 10_000

_LIMITED = {entry.container for entry in FORMATS.values() if entry.has_size_limit}
_NEVER = {entry.container: entry.never for entry in FORMATS.values() if entry.never}
_WAV_FAMILY = {entry.container for entry in FORMATS.values() if ".wav" in entry.extensions}


@dataclass(frozen=True)
class Container:
    """Container, coding and byte order of an audio file, in libsndfile's words.

    For example ``'WAV'``, ``'PCM_16'``, and ``'LITTLE'``, ``'BIG'`` or ``'FILE'`` (the container's own byte order).
    """

    format: str
    subtype: str
    endian: str = "FILE"


@dataclass(frozen=True)
class Wanted:
    """What outputs were asked to be, in libsndfile's words; None where nothing was.

    `bitrate` is in kbit/s, `quality` from 0 to 10.
    """

    container: str | None = None
    subtype: str | None = None
    sr: int | None = None
    bitrate: float | None = None
    quality: float | None = None


def check_output(
    target: Path,
    *,
    like: Path | None = None,
    format: str | None = None,
    subtype: str | None = None,
    sr: int | None = None,
    bitrate: float | None = None,
    quality: float | None = None,
) -> Wanted:
    """Return what an output is asked to be, if that is possible as far as names show.

    `format` is one of `FORMATS`, and `subtype` a coding, both in any case; the extension of the target may mean
    something else than `format`. `like` is the recording: an unknown extension is allowed if it is that of the
    recording, or if the recording has none and its name is the beginning. `ParameterError` if one of them is
    unknown, or they do not go together; `MissingExtraError` if it is a media file and PyAV is not installed.

    Examples
    --------
    >>> check_output(Path("clean.opus"), sr=48000)
    Wanted(container=None, subtype=None, sr=48000, bitrate=None, quality=None)
    >>> check_output(Path("clean"), format="opus", subtype="opus")
    Wanted(container='OGG', subtype='OPUS', sr=None, bitrate=None, quality=None)
    >>> check_output(Path("clean.opus"), sr=44100)
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: sr=44100; must be 8000, 12000, 16000, 24000 or 48000; OPUS has no other
    """
    asked = {"format": format, "subtype": subtype, "sr": sr, "bitrate": bitrate, "quality": quality}
    for error in list_output_errors(target, like=like, **asked):
        raise error
    entry = _find_named(format)
    coding = subtype.upper() if subtype is not None else None
    if coding is None and entry is not None and entry.codings is not None and len(entry.codings) == 1:
        coding = entry.codings[0]
    return Wanted(
        None if entry is None else entry.container, coding, None if sr is None else int(sr), bitrate, quality
    )


def list_output_errors(
    target: Path,
    *,
    like: Path | None = None,
    format: Any = None,
    subtype: Any = None,
    sr: Any = None,
    bitrate: Any = None,
    quality: Any = None,
) -> list[NmfAudioError]:
    """Return all that is wrong with what an output is asked to be; see `check_output`."""
    errors: list[NmfAudioError] = []
    extension = target.suffix.lower()
    by_name = entry = find_format(target)
    if format is not None:
        collect(errors, check_choice, "format", format, FORMATS, any_case=True)
        entry = _find_named(format)
        if entry is None:
            return errors
        if by_name is not None and extension not in entry.extensions:
            allowed = f"{by_name.name}, as {target} is named"
            errors.append(
                invalid("format", format, allowed, f"leave it out, or name a {entry.extensions[0]}")
            )
    elif (kind := find_read_only(target)) is not None:
        errors.append(refuse_read_only(kind, f"{target}: "))
    elif entry is None and extension and not _is_like(target, like):
        problem = f"{target}: {target.suffix} is the extension of no format that can be written"
        purpose = ", or name an output such as .flac, .m4a or .wav"
        errors.append(AudioFileError(problem, argument="format", value="FLAC", purpose=purpose))
    coding = None
    if subtype is not None:
        subtypes = list_subtypes() if entry is None else entry.subtypes
        only = "" if entry is None else _only(entry.name)
        coding = collect(errors, check_choice, "subtype", subtype, subtypes, any_case=True, advice=only)
    elif entry is not None and len(entry.subtypes) == 1:
        coding = entry.subtypes[0]
    if sr is not None:
        rates = CODINGS.get(coding or "", Coding()).rates
        rate = collect(errors, check_whole, "sr", sr, MIN_SR, MAX_SR, unit="Hz")
        if rate is not None and rates:
            collect(errors, check_choice, "sr", rate, rates, advice=_only(str(coding)))
    if bitrate is not None and quality is not None:
        errors.append(conflict({"bitrate": bitrate, "quality": quality}))
    for name, value, lowest, highest, unit in (
        ("bitrate", bitrate, *_find_kbits(entry, coding), "kbit/s"),
        ("quality", quality, 0, 10, ""),
    ):
        if (
            value is not None
            and collect(errors, check_number, name, value, lowest, highest, unit=unit) is not None
        ):
            errors += _refuse_lossless(name, value, entry, coding)
    named = _find_named(format)
    missing = describe_missing_extra(find_format(target, None if named is None else named.container))
    return [*errors, MissingExtraError(missing)] if missing is not None else errors


def _find_kbits(entry: Format | None, coding: str | None) -> tuple[int, int]:
    """Return the lowest and highest bit rate that an output can have, as far as its name tells."""
    codings = [coding] if coding else [] if entry is None else [entry.usual, *(entry.codings or ())]
    ranges = [kbits for known in codings if (kbits := CODINGS.get(known or "", Coding()).kbits)]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (1, _MAX_KBITS)


def _refuse_lossless(name: str, value: Any, entry: Format | None, coding: str | None) -> list[NmfAudioError]:
    """Return the error of a bit rate or quality for an output that has no such thing, as far as that is known."""
    able = {
        known for known, kind in CODINGS.items() if (kind.has_bit_rate, kind.has_quality)[name == "quality"]
    }
    formats = {entry.name: able & {entry.usual, *(entry.codings or ())} for entry in FORMATS.values()}
    if (entry is None or formats[entry.name]) and (coding is None or coding in able):
        return []
    there = ", ".join(known for known, codings in formats.items() if codings)
    what = coding or ("" if entry is None else entry.name)
    return [invalid(name, value, "left out", f"{what} has none; of the formats {there} have")]


def _only(name: str) -> str:
    return f"{name} has no other"


def _is_like(target: Path, like: Path | None) -> bool:
    """Whether the extension of an output comes from the name of its recording."""
    if like is None:
        return False
    if like.suffix:
        return target.suffix.lower() == like.suffix.lower()
    return target.name.startswith(f"{like.name}.")


def _find_named(format: Any) -> Format | None:
    return FORMATS.get(format.upper()) if isinstance(format, str) else None


def choose_extension(extension: str, format: str | None) -> str:
    """Return the extension of an output: that of the input, if it goes with the format that was asked for.

    Examples
    --------
    >>> choose_extension(".WAV", "RF64"), choose_extension(".wav", "flac"), choose_extension(".wav", None)
    ('.WAV', '.flac', '.wav')
    """
    entry = _find_named(format)
    if entry is None or extension.lower() in entry.extensions:
        return extension
    return entry.extensions[0]


def find_capacity(container: Container) -> int | None:
    """Return how many values (samples times channels) a file can hold; None if there is no limit that matters.

    Examples
    --------
    >>> find_capacity(Container("WAV", "PCM_16")), find_capacity(Container("FLAC", "PCM_16"))
    (2130706432, None)
    """
    if container.format not in _LIMITED:
        return None
    coding = CODINGS.get(container.subtype, Coding())
    return SIZE_LIMIT * 8 // (coding.stored_bits or coding.bits or 64)


def choose_container(
    target: Path,
    source: Container,
    n_values: int = 0,
    *,
    format: str | None = None,
    subtype: str | None = None,
) -> Container:
    """Choose container and subtype of an output, of whose name only the extension counts.

    Those of the input are kept; an extension, or a `format` that was asked for, that means another container
    wins, and takes the input's subtype or the nearest that it has. A WAV that would be too large for `n_values`
    (samples times channels) becomes RF64. `AudioFileError` if the container has no such subtype, or can't hold
    as much.
    """
    import soundfile

    entry = find_format(target)
    name, preferred = source.format, None
    if entry is not None and not entry.is_media:
        name, preferred = entry.container, entry.usual
    if name == "WAV" and source.format in _WAV_FAMILY:
        name = source.format
    if format is not None and format != name:
        name, preferred = format, None
    endian = source.endian if name == source.format else "FILE"
    candidates = [source.subtype, *CODINGS.get(source.subtype, Coding()).nearest, preferred]
    if name != source.format and source.subtype.startswith("MPEG"):
        # libsndfile says that a WAV may hold MP3, and then writes it at some rates only; few programs read it
        candidates = [preferred]
    candidates = [candidate for candidate in candidates if candidate not in _NEVER.get(name, ())]
    if name == "OGG" and preferred == "OPUS":
        candidates.insert(0, "OPUS")
    if subtype is not None:
        if not soundfile.check_format(name, subtype):
            raise AudioFileError(
                f"{target}: {name} has no subtype {subtype}; allowed are "
                f"{', '.join(soundfile.available_subtypes(name))}"
            )
        candidates = [subtype]
    chosen = next((s for s in candidates if s and soundfile.check_format(name, s)), None)
    container = Container(name, chosen or soundfile.default_subtype(name))
    room = find_capacity(container)
    if room is not None and n_values > room:
        if name not in _WAV_FAMILY or not soundfile.check_format("RF64", container.subtype):
            raise AudioFileError(describe_size_limit(str(target), container))
        container = Container("RF64", container.subtype)
    if soundfile.check_format(container.format, container.subtype, endian):
        container = Container(container.format, container.subtype, endian)
    return container


def choose_rate(label: str, container: Container, sr: int, wanted: Wanted) -> int:
    """Return the sample rate of an output: that of the recording, `sr`, or the next that its coding takes.

    `AudioFileError` if it does not take the rate that was asked for.

    Examples
    --------
    >>> choose_rate("a.opus", Container("OGG", "OPUS"), 44100, Wanted())
    48000
    """
    rates = CODINGS.get(container.subtype, Coding()).rates
    if wanted.sr is not None and rates and wanted.sr not in rates:
        allowed = ", ".join(map(str, rates))
        raise AudioFileError(
            f"{label}: {container.format} with {container.subtype} takes {allowed} Hz, not {wanted.sr}",
            argument="sr",
            purpose=" as one of these, or leave it out",
        )
    if wanted.sr is not None or not rates or sr in rates:
        return wanted.sr or sr
    return next((rate for rate in rates if rate > sr), rates[-1])


def is_writable(container: Container) -> bool:
    """Whether libsndfile writes such files."""
    import soundfile

    return bool(soundfile.check_format(container.format, container.subtype, container.endian))


def describe_size_limit(label: str, container: Container) -> str:
    """Return the error of a file that can't hold more, which names the formats that can."""
    return (
        f"{label}: {container.format} with {container.subtype} can't hold more than 4 GB; "
        "formats that can are RF64, W64, CAF and FLAC"
    )


def describe_no_samples(label: str, container: Container) -> str:
    """Return the error of a file that can't be empty."""
    return (
        f"{label}: {container.format} with {container.subtype} can't hold a recording without samples; "
        "name an output of another format"
    )
