"""Table of formats and of the codings of samples, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from nmf_audio.errors import AudioFileError

__all__ = [
    "CODINGS",
    "FORMATS",
    "READ_ONLY",
    "Coding",
    "Format",
    "describe_missing_extra",
    "find_format",
    "find_read_only",
    "is_media_head",
    "is_recording_head",
    "list_readable_extensions",
    "list_subtypes",
    "pcm_bits",
    "refuse_read_only",
]


@dataclass(frozen=True)
class Coding:
    """A coding of samples, which libsndfile calls a subtype.

    Parameters
    ----------
    bits : int or None
        Of the integers that it takes, 16 for the companded and ADPCM codings; None for floats beyond full scale.
    stored_bits : int or None
        Of a sample in the file, if these are others.
    nearest : tuple of str
        What an output has instead that can't have this one, the best first.
    rates : tuple of int
        The sample rates in Hz, if it does not take all, in their order.
    raw : str or None
        ffmpeg's name of it, if it is plain little-endian numbers: what goes through pipes.
    kbits : tuple of int or None
        The lowest and the highest bit rate in kbit/s, of any sample rate and number of channels, if an output may be
        asked for one.
    has_quality : bool
        Whether an output may be asked for a quality.
    encoder : tuple of str
        FFmpeg's encoder and the sample format that this takes, if it goes into media files.
    """

    bits: int | None = 16
    stored_bits: int | None = None
    nearest: tuple[str, ...] = ()
    rates: tuple[int, ...] = ()
    raw: str | None = None
    kbits: tuple[int, int] | None = None
    has_quality: bool = False
    encoder: tuple[str, str] | None = None

    @property
    def has_bit_rate(self) -> bool:
        """Whether an output may be asked for bits per second."""
        return self.kbits is not None


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)

CODINGS: dict[str, Coding] = {
    "PCM_U8": Coding(8, nearest=("PCM_S8", "PCM_16"), raw="u8"),
    "PCM_S8": Coding(8, nearest=("PCM_U8", "PCM_16")),
    "PCM_16": Coding(16, raw="s16le", encoder=("pcm_s16le", "s16")),
    "PCM_24": Coding(24, nearest=("PCM_32",), raw="s24le", encoder=("pcm_s24le", "s32")),
    "PCM_32": Coding(32, nearest=("PCM_24",), raw="s32le", encoder=("pcm_s32le", "s32")),
    "FLOAT": Coding(None, 32, nearest=("PCM_24",), raw="f32le", encoder=("pcm_f32le", "flt")),
    "DOUBLE": Coding(None, 64, nearest=("FLOAT", "PCM_24"), raw="f64le"),
    "ULAW": Coding(stored_bits=8),
    "ALAW": Coding(stored_bits=8),
    "DPCM_8": Coding(8),
    "DWVW_12": Coding(12),
    "DWVW_24": Coding(24),
    "ALAC_16": Coding(16, nearest=("PCM_16",), encoder=("alac", "s16p")),
    "ALAC_20": Coding(20, nearest=("PCM_24",)),
    "ALAC_24": Coding(24, nearest=("PCM_24",), encoder=("alac", "s32p")),
    "ALAC_32": Coding(32, nearest=("PCM_32", "PCM_24")),
    "FLAC_16": Coding(16, nearest=("PCM_16",), encoder=("flac", "s16")),
    "FLAC_24": Coding(24, nearest=("PCM_24",), encoder=("flac", "s32")),
    "VORBIS": Coding(None, kbits=(8, 4000), has_quality=True),
    "OPUS": Coding(None, rates=_OPUS_RATES, kbits=(6, 2048), encoder=("libopus", "flt")),
    "MPEG_LAYER_I": Coding(None),
    "MPEG_LAYER_II": Coding(None),
    "MPEG_LAYER_III": Coding(None, rates=_MP3_RATES, kbits=(8, 320), has_quality=True),
    "AAC": Coding(None, rates=_AAC_RATES, kbits=(8, 4608), encoder=("aac", "fltp")),
}
"""Codings by libsndfile's name; those that it has and that are not here are as `Coding()`."""


def pcm_bits(subtype: str) -> int | None:
    """Return the bits of the integers that a subtype takes; None if it takes floats beyond full scale.

    Examples
    --------
    >>> pcm_bits("PCM_24"), pcm_bits("ULAW"), pcm_bits("VORBIS")
    (24, 16, None)
    """
    return CODINGS.get(subtype, Coding()).bits


Magic = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name : str
        What a person calls it.
    container : str
        What libsndfile calls it; the name for media files.
    extensions : tuple of str
        The names of such files; the first is the usual one.
    magic : tuple of Magic
        First bytes, any of these: bytes at each of some places.
    codings : tuple of str or None
        The subtypes that it may have, the usual one first; None for all that libsndfile has for it.
    usual : str or None
        The subtype to prefer if that of the input is unknown to it.
    never : tuple of str
        Those that libsndfile lists, but can't open again, or writes at a few rates only.
    is_media : bool
        Whether PyAV reads and writes it, not libsndfile.
    muxer : str or None
        What FFmpeg calls it, if it is a media file that is written.
    has_picture : bool
        Whether it holds more than sound.
    has_size_limit : bool
        Whether the bytes of its samples are stated in 32 bits.
    is_streamed : bool
        Whether it goes through pipes as it is.
    is_output : bool
        Whether an output may be asked to be one.
    other_extensions : tuple of str
        Other names of such files, which outputs do not get.
    """

    name: str
    container: str
    extensions: tuple[str, ...]
    magic: tuple[Magic, ...] = ()
    codings: tuple[str, ...] | None = None
    usual: str | None = None
    never: tuple[str, ...] = ()
    is_media: bool = False
    muxer: str | None = None
    has_picture: bool = False
    has_size_limit: bool = False
    is_streamed: bool = False
    is_output: bool = True
    other_extensions: tuple[str, ...] = ()

    @property
    def subtypes(self) -> tuple[str, ...]:
        """The codings that it may have, in libsndfile's words as far as it has any."""
        import soundfile

        if self.codings is not None:
            return self.codings
        return tuple(s for s in soundfile.available_subtypes(self.container) if s not in self.never)

    def matches(self, head: bytes) -> bool:
        """Whether these are the first bytes of such a file; 389 of them are enough."""
        return self._pattern.match(head) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        return _compile([self])


def _compile(entries: Iterable[Format]) -> re.Pattern[bytes]:
    """Return a pattern of the first bytes of these formats; without any, of nothing."""
    magics = (magic for entry in entries for magic in entry.magic)
    ways = (b"".join(b"(?=.{%d}%s)" % (at, re.escape(word)) for at, word in magic) for magic in magics)
    return re.compile(b"|".join(ways) or b"(?!)", re.DOTALL)


def _at(place: int, *words: bytes) -> tuple[Magic, ...]:
    return tuple(((place, word),) for word in words)


def _packets(first: int, size: int) -> Magic:
    return tuple((first + i * size, b"G") for i in range(3))


def _read_by_pyav(name: str, *extensions: str, magic: tuple[Magic, ...]) -> Format:
    return Format(name, name, extensions, magic, is_media=True, is_output=False)


_RIFF = _at(0, b"RIFF", b"RIFX")
_BOXES = _at(4, b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_EBML = _at(0, b"\x1aE\xdf\xa3")
_MPEG = _at(0, b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")
_MPEG_1_2 = _at(0, *(bytes((0xFF, low)) for low in (0xFC, 0xFD, 0xF4, 0xF5, 0xFE, 0xFF, 0xF6, 0xF7)))
_ALAC = ("ALAC_16", "ALAC_24")
_PCM = ("PCM_16", "PCM_24", "PCM_32", "FLOAT")
_DWVW = ("DWVW_12", "DWVW_16", "DWVW_24")
_MKV_CODINGS = ("AAC", "OPUS", "FLAC_16", "FLAC_24", *_PCM)

_TABLE = (
    Format(
        *("WAV", "WAV", (".wav",), _RIFF),
        never=("MPEG_LAYER_III",),
        has_size_limit=True,
        is_streamed=True,
        other_extensions=(".wave",),
    ),
    Format("WAVEX", "WAVEX", (".wav",), _RIFF, has_size_limit=True, is_streamed=True),
    Format("RF64", "RF64", (".wav", ".rf64"), _at(0, b"RF64", b"BW64")),
    Format("W64", "W64", (".w64",), _at(0, b"riff")),
    Format("FLAC", "FLAC", (".flac",), _at(0, b"fLaC")),
    Format("OGG", "OGG", (".ogg", ".oga", ".opus"), _at(0, b"OggS"), usual="VORBIS"),
    Format("OPUS", "OGG", (".opus", ".ogg", ".oga"), _at(0, b"OggS"), ("OPUS",), usual="OPUS"),
    Format(
        *("MP3", "MP3", (".mp3",), _MPEG), usual="MPEG_LAYER_III", never=("MPEG_LAYER_I", "MPEG_LAYER_II")
    ),
    Format("MP2", "MP3", (".mp2", ".mp1"), _MPEG_1_2, (), is_output=False),
    Format("AIFF", "AIFF", (".aiff", ".aif", ".aifc"), _at(0, b"FORM"), never=_DWVW, has_size_limit=True),
    Format("CAF", "CAF", (".caf",), _at(0, b"caff")),
    Format("AU", "AU", (".au", ".snd"), _at(0, b".snd"), has_size_limit=True),
    Format("NIST", "NIST", (".nist", ".sph"), is_output=False),
    Format("VOC", "VOC", (".voc",), is_output=False),
    Format(
        *("M4A", "M4A", (".m4a",), _BOXES, ("AAC", *_ALAC)),
        is_media=True,
        muxer="mp4",
        other_extensions=(".m4b",),
    ),
    Format(
        *("MP4", "MP4", (".mp4", ".m4v", ".m4a"), _BOXES, ("AAC", *_ALAC, "OPUS")),
        is_media=True,
        muxer="mp4",
        has_picture=True,
        other_extensions=(".3gp",),
    ),
    Format(
        *("MOV", "MOV", (".mov",), _BOXES, ("AAC", *_ALAC, *_PCM)),
        is_media=True,
        muxer="mov",
        has_picture=True,
    ),
    Format(
        *("MKV", "MKV", (".mkv", ".mka"), _EBML, _MKV_CODINGS),
        is_media=True,
        muxer="matroska",
        has_picture=True,
    ),
    Format(*("WEBM", "WEBM", (".webm",), _EBML, ("OPUS",)), is_media=True, muxer="webm", has_picture=True),
    # twelve bits of one, then a bit of version, and layer 0, which MPEG audio does not have
    _read_by_pyav("AAC", ".aac", magic=_at(0, b"ADIF", b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")),
    _read_by_pyav("AC3", ".ac3", magic=_at(0, b"\x0b\x77")),
    _read_by_pyav("AMR", ".amr", magic=_at(0, b"#!AMR")),
    _read_by_pyav("APE", ".ape", magic=_at(0, b"MAC ")),
    _read_by_pyav("AVI", ".avi", magic=_at(8, b"AVI ")),
    _read_by_pyav("FLV", ".flv", magic=_at(0, b"FLV\x01")),
    _read_by_pyav("MPEG", ".mpg", ".vob", magic=_at(0, b"\x00\x00\x01\xba")),
    _read_by_pyav("MPEGTS", ".ts", ".mts", ".m2ts", magic=(_packets(0, 188), _packets(4, 192))),
    _read_by_pyav("ASF", ".wma", ".wmv", magic=_at(0, b"0&\xb2u\x8ef\xcf\x11")),
    _read_by_pyav("WAVPACK", ".wv", magic=_at(0, b"wvpk")),
    _read_by_pyav("TTA", ".tta", magic=_at(0, b"TTA1", b"TTA2")),
    _read_by_pyav("TAK", ".tak", magic=_at(0, b"tBaK")),
    _read_by_pyav("MPC", ".mpc", magic=_at(0, b"MP+", b"MPCK")),
    _read_by_pyav("DTS", ".dts", magic=_at(0, b"\x7f\xfe\x80\x01")),
    _read_by_pyav("MXF", ".mxf", magic=_at(0, b"\x06\x0e+4\x02\x05\x01\x01")),
    _read_by_pyav("RM", ".rm", ".ra", magic=_at(0, b".RMF", b".ra\xfd")),
    Format("OGV", "OGV", (".ogv",), (), (), is_output=False),
    Format("SPX", "SPX", (".spx",), (), (), is_output=False),
)

FORMATS: dict[str, Format] = {entry.name: entry for entry in _TABLE if entry.is_output}
"""What an output may be asked to be, by name."""

READ_ONLY = {
    extension: entry
    for entry in _TABLE
    if not entry.is_output and (entry.is_media or entry.codings == ())
    for extension in entry.extensions
}
"""What is read and not written, by extension."""

# an extension names the first format whose usual one it is, or else the first that has it
_BY_EXTENSION = {
    extension: entry for entry in reversed(FORMATS.values()) for extension in entry.extensions
} | {entry.extensions[0]: entry for entry in reversed(FORMATS.values())}


_MEDIA, _ALL = _compile(entry for entry in _TABLE if entry.is_media), _compile(_TABLE)


def find_format(target: Path, container: str | None = None) -> Format | None:
    """Return the format of an output as far as its name, or the container that was asked for, tells.

    Examples
    --------
    >>> find_format(Path("talk.m4a")).name, find_format(Path("talk"), "MKV").muxer
    ('M4A', 'matroska')
    """
    if container is not None:
        return next(entry for entry in FORMATS.values() if entry.container == container)
    return _BY_EXTENSION.get(target.suffix.lower())


def is_media_head(head: bytes) -> bool:
    """Whether these are the first bytes of a media file, which libsndfile does not read."""
    return _MEDIA.match(head) is not None


def is_recording_head(head: bytes) -> bool:
    """Whether these are the first bytes of a recording of any known format."""
    return _ALL.match(head) is not None


def list_readable_extensions() -> frozenset[str]:
    """Return the extensions of all that can be read if PyAV is there."""
    return frozenset(
        extension for entry in _TABLE for extension in (*entry.extensions, *entry.other_extensions)
    )


def list_subtypes() -> tuple[str, ...]:
    """Return the subtypes that some output may have."""
    return tuple(dict.fromkeys(subtype for entry in FORMATS.values() for subtype in entry.subtypes))


def find_read_only(target: Path) -> str | None:
    """Return what an output would be whose name says a format that can be read, not written.

    Examples
    --------
    >>> find_read_only(Path("talk.mp2")), find_read_only(Path("talk.mp3"))
    ('MP2', None)
    """
    extension = target.suffix.lower()
    return extension[1:].upper() if extension in READ_ONLY else None


def refuse_read_only(kind: str, label: str = "") -> AudioFileError:
    """Return the error of an output in a format that can be read, not written."""
    problem = f"{label}{kind} can be read, not written"
    purpose = ", or name an output such as .m4a, .mkv or .wav"
    return AudioFileError(problem, argument="format", value="FLAC", purpose=purpose)


def describe_missing_extra(entry: Format | None) -> str | None:
    """Return the error of a media format where PyAV is not installed."""
    if entry is None or not entry.is_media or find_spec("av") is not None:
        return None
    return f"{entry.name} needs PyAV; install it with: pip install av"
