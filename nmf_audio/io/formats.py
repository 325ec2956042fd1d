"""Formats by name: which there are, what an output may be asked to be, and which asks go together."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nmf_audio.dsp.bands import MAX_SR, MIN_SR
from nmf_audio.errors import MissingExtraError, ParameterError
from nmf_audio.io.containers import EXTENSIONS, RATES

__all__ = [
    "FORMATS",
    "READ_ONLY",
    "Format",
    "Wanted",
    "audio_extensions",
    "check_output",
    "format_for",
    "output_faults",
    "rename",
]

# libsndfile lists these, but its files can't be opened again, or it writes them at a few rates only
_NEVER_WRITTEN = {
    "AIFF": ("DWVW_12", "DWVW_16", "DWVW_24"),
    "MP3": ("MPEG_LAYER_I", "MPEG_LAYER_II"),
    "WAV": ("MPEG_LAYER_III",),
}


@dataclass(frozen=True)
class Format:
    """A kind of file that an output may be asked to be.

    Parameters
    ----------
    name : str
        What a person calls it.
    container : str
        What libsndfile calls it; the name for media files.
    extensions : tuple of str
        How such files are named; the first is the usual one.
    codings : tuple of str or None
        The subtypes that it may have, the usual one first; None for all that libsndfile has for it.
    muxer : str or None
        What FFmpeg calls it, if it is a media file.
    has_picture : bool
        Whether it holds more than sound.
    """

    name: str
    container: str
    extensions: tuple[str, ...]
    codings: tuple[str, ...] | None = None
    muxer: str | None = None
    has_picture: bool = False

    @property
    def subtypes(self) -> tuple[str, ...]:
        """The codings that it may have, in libsndfile's words as far as it has any."""
        import soundfile

        if self.codings is not None:
            return self.codings
        never = _NEVER_WRITTEN.get(self.container, ())
        return tuple(s for s in soundfile.available_subtypes(self.container) if s not in never)


_ALAC = ("ALAC_16", "ALAC_24")
_PCM = ("PCM_16", "PCM_24", "PCM_32", "FLOAT")

FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("WAV", "WAV", (".wav",)),
        Format("WAVEX", "WAVEX", (".wav",)),
        Format("RF64", "RF64", (".wav", ".rf64")),
        Format("W64", "W64", (".w64",)),
        Format("FLAC", "FLAC", (".flac",)),
        Format("OGG", "OGG", (".ogg", ".oga", ".opus")),
        Format("OPUS", "OGG", (".opus", ".ogg", ".oga"), ("OPUS",)),
        Format("MP3", "MP3", (".mp3",)),
        Format("AIFF", "AIFF", (".aiff", ".aif", ".aifc")),
        Format("CAF", "CAF", (".caf",)),
        Format("AU", "AU", (".au", ".snd")),
        Format("M4A", "M4A", (".m4a",), ("AAC", *_ALAC), "mp4"),
        Format("MP4", "MP4", (".mp4", ".m4v", ".m4a"), ("AAC", *_ALAC, "OPUS"), "mp4", True),
        Format("MOV", "MOV", (".mov",), ("AAC", *_ALAC, *_PCM), "mov", True),
        Format(
            "MKV", "MKV", (".mkv", ".mka"), ("AAC", "OPUS", "FLAC_16", "FLAC_24", *_PCM), "matroska", True
        ),
        Format("WEBM", "WEBM", (".webm",), ("OPUS",), "webm", True),
    )
}
"""What `format` may be, by name."""

READ_ONLY = frozenset(
    (
        ".aac",
        ".ac3",
        ".amr",
        ".ape",
        ".avi",
        ".flv",
        ".m2ts",
        ".mpg",
        ".mts",
        ".ts",
        ".vob",
        ".wma",
        ".wmv",
        ".wv",
    )
)
"""Extensions of media files that PyAV reads, and that are not written."""

_BY_EXTENSION = {extension: name for extension, (name, _) in EXTENSIONS.items()} | {".opus": "OPUS"}
_BY_EXTENSION |= {
    extension: entry.name
    for entry in reversed(FORMATS.values())
    if entry.muxer is not None
    for extension in entry.extensions
}


@dataclass(frozen=True)
class Wanted:
    """What outputs were asked to be; None where nothing was.

    Parameters
    ----------
    container : str or None
        Container, in libsndfile's words, or the name of a media format.
    subtype : str or None
        Coding, in libsndfile's words.
    sr : int or None
        Sample rate in Hz.
    """

    container: str | None = None
    subtype: str | None = None
    sr: int | None = None


def check_output(
    target: Path, *, format: str | None = None, subtype: str | None = None, sr: int | None = None
) -> Wanted:
    """Return what an output is asked to be, in libsndfile's words, if that is possible as far as names show.

    Parameters
    ----------
    target : Path
        The output; its extension may say something else than `format`.
    format : str or None
        One of `FORMATS`, in any case.
    subtype : str or None
        A coding in libsndfile's words, in any case.
    sr : int or None
        Sample rate in Hz.

    Returns
    -------
    Wanted

    Raises
    ------
    ParameterError
        If one of them is unknown, or they do not go together.
    MissingExtraError
        If it is a media file and PyAV is not installed.

    Examples
    --------
    >>> check_output(Path("clean.opus"), sr=48000)
    Wanted(container=None, subtype=None, sr=48000)
    >>> check_output(Path("clean"), format="opus", subtype="opus")
    Wanted(container='OGG', subtype='OPUS', sr=None)
    >>> check_output(Path("clean.opus"), sr=44100)
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: sr=44100; OPUS takes 8000, 12000, 16000, 24000, 48000 Hz
    """
    for fault in _faults(target, format, subtype, sr):
        raise ParameterError(fault)
    entry = _named(format)
    coding = subtype.upper() if subtype is not None else None
    if coding is None and entry is not None and entry.codings is not None and len(entry.codings) == 1:
        coding = entry.codings[0]
    missing = _missing(format_for(target, None if entry is None else entry.container))
    if missing is not None:
        raise MissingExtraError(missing)
    return Wanted(None if entry is None else entry.container, coding, sr)


def output_faults(target: Path, *, format: Any = None, subtype: Any = None, sr: Any = None) -> list[str]:
    """Say all that is wrong with what an output is asked to be; see `check_output`.

    Parameters
    ----------
    target : Path
        The output.
    format, subtype, sr
        What was asked for.

    Returns
    -------
    list of str
        A sentence each.
    """
    faults = _faults(target, format, subtype, sr)
    entry = _named(format)
    missing = _missing(format_for(target, None if entry is None else entry.container))
    return faults if missing is None else [*faults, missing]


def _faults(target: Path, format: Any, subtype: Any, sr: Any) -> list[str]:
    faults = []
    extension = target.suffix.lower()
    by_name = _BY_EXTENSION.get(extension)
    entry = None if by_name is None else FORMATS[by_name]
    if format is not None:
        entry = _named(format)
        if entry is None:
            return [f"format={format!r}; allowed are {', '.join(FORMATS)}"]
        if by_name is not None and extension not in entry.extensions:
            faults.append(
                f"format={entry.name}: {target} is named as {by_name}; leave the format out, or name a "
                f"{entry.extensions[0]}"
            )
    elif extension in READ_ONLY:
        faults.append(
            f"{target}: such files can be read, not written; name another, such as .m4a, .mkv or .wav, or "
            "give a format"
        )
    coding = None
    if subtype is not None:
        coding = subtype.upper() if isinstance(subtype, str) else None
        allowed = _all_subtypes() if entry is None else entry.subtypes
        if coding not in allowed:
            where = "" if entry is None else f"for {entry.name} "
            faults.append(f"subtype={subtype!r}; allowed {where}are {', '.join(allowed)}")
    elif entry is not None and len(entry.subtypes) == 1:
        coding = entry.subtypes[0]
    if sr is not None:
        if isinstance(sr, bool) or not isinstance(sr, int) or not MIN_SR <= sr <= MAX_SR:
            faults.append(f"sr={sr!r}; a whole number of Hz from {MIN_SR} to {MAX_SR} is allowed")
        elif coding in RATES and sr not in RATES[coding]:
            faults.append(f"sr={sr}; {coding} takes {', '.join(map(str, RATES[coding]))} Hz")
    return faults


def _named(format: Any) -> Format | None:
    return FORMATS.get(format.upper()) if isinstance(format, str) else None


def format_for(target: Path, container: str | None = None) -> Format | None:
    """Return the format that an output has, as far as its name and what was asked for say.

    Parameters
    ----------
    target : Path
        The output.
    container : str or None
        What was asked for; see `Wanted`.

    Returns
    -------
    Format or None
        None if only the input can tell.

    Examples
    --------
    >>> format_for(Path("talk.m4a")).name, format_for(Path("talk"), "MKV").muxer
    ('M4A', 'matroska')
    """
    if container is not None:
        return next(entry for entry in FORMATS.values() if entry.container == container)
    name = _BY_EXTENSION.get(target.suffix.lower())
    return None if name is None else FORMATS[name]


def audio_extensions() -> frozenset[str]:
    """Return the extensions of files that can be read and written here: media files need PyAV.

    Returns
    -------
    frozenset of str
    """
    return frozenset(
        extension for extension, name in _BY_EXTENSION.items() if _missing(FORMATS[name]) is None
    )


def _missing(entry: Format | None) -> str | None:
    if entry is None or entry.muxer is None or find_spec("av") is not None:
        return None
    return f"{entry.name} needs PyAV; install it with: pip install 'nmf-audio[media]'"


def _all_subtypes() -> tuple[str, ...]:
    return tuple(dict.fromkeys(subtype for entry in FORMATS.values() for subtype in entry.subtypes))


def rename(extension: str, format: str | None) -> str:
    """Return the extension of an output whose input has another.

    Parameters
    ----------
    extension : str
        That of the input.
    format : str or None
        One of `FORMATS`.

    Returns
    -------
    str
        The same, if it goes with the format.

    Examples
    --------
    >>> rename(".WAV", "RF64"), rename(".wav", "flac"), rename(".wav", None)
    ('.WAV', '.flac', '.wav')
    """
    entry = _named(format)
    if entry is None or extension.lower() in entry.extensions:
        return extension
    return entry.extensions[0]
