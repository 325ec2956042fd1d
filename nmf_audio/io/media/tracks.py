"""Tracks of a media file: which one holds its sound, how that is coded, and what the others are."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nmf_audio.errors import AudioFileError
from nmf_audio.io.media.pyav import load_pyav, open_to_read
from nmf_audio.io.truncation import describe_truncation

__all__ = [
    "demux_packets",
    "find_sound_track",
    "get_media_format",
    "get_subtype",
    "is_cover",
    "list_companions",
    "open_media",
]

_CODECS = {
    "aac": "AAC",
    "mp3": "MPEG_LAYER_III",
    "mp3float": "MPEG_LAYER_III",
    "opus": "OPUS",
    "libopus": "OPUS",
    "vorbis": "VORBIS",
}
_KINDS = {"video": "moving pictures", "audio": "another sound track", "subtitle": "subtitles"}


def open_media(path: Path, *, label: str | None = None) -> Any:
    """Open a media file for reading; `AudioFileError` if it can't be read."""
    name = str(path) if label is None else label
    av = load_pyav(f"{name}: reading it")
    try:
        return open_to_read(av, path)
    except (av.error.FFmpegError, ValueError) as error:
        # of kinds that are not to be opened FFmpeg says this
        is_foreign = getattr(error, "errno", None) == errno.EINVAL
        why = "" if is_foreign else f" ({getattr(error, 'strerror', None) or error})"
        reason = describe_truncation(path) or f"holds no sound that can be read{why}"
        raise AudioFileError(f"{name}: {reason}") from error


def find_sound_track(container: Any) -> Any:
    """Return the sound track that is worked on: the first that is flagged as default, or the first; None if none."""
    tracks = container.streams.audio
    default = (t for t in tracks if t.disposition.value & type(t.disposition).default.value)
    return next(default, tracks[0] if tracks else None)


def demux_packets(container: Any, *tracks: Any) -> Iterator[Any]:
    """Yield the packets of some tracks of a media file, and an empty one at the end of each."""
    while True:
        try:
            yield from container.demux(*tracks)
        except IndexError:
            # a track that begins in the middle of the file, which PyAV has no place for: go on behind its packet
            continue
        return


def list_companions(tracks: Iterable[Any], *, has_chapters: bool) -> list[str]:
    """Return names of tracks for messages; in a file with chapters, those may be a track as well."""
    found = []
    for track in tracks:
        if track.type != "data":
            codec = track.codec_context.name if track.codec_context is not None else "unknown"
            kind = "a picture" if track.type == "video" and is_cover(track) else _KINDS.get(track.type)
            found.append(f"{kind or 'an attachment'} ({codec})")
        elif "timecode" in track.metadata:
            found.append("a time code")
        elif not has_chapters:
            found.append("a track of data")
        else:
            has_chapters = False
    return found


def is_cover(track: Any) -> bool:
    """Whether a track of pictures is a single one that stands for the whole file."""
    disposition = track.disposition
    return bool(track.type == "video" and disposition.value & type(disposition).attached_pic.value)


def get_media_format(container: Any, path: Path) -> str:
    """Return our name of the format of an open media file."""
    name: str = container.format.name
    suffix = path.suffix.lower()
    if name.startswith("mov,"):
        return {".m4a": "M4A", ".mov": "MOV"}.get(suffix, "MP4")
    if name.startswith("matroska"):
        return "WEBM" if suffix == ".webm" else "MKV"
    return name.upper()


def get_subtype(track: Any) -> str:
    """Return our name of the coding of a sound track."""
    context = track.codec_context
    name: str = context.name
    if name in _CODECS:
        return _CODECS[name]
    if name in ("alac", "flac"):
        return f"{name.upper()}_{16 if context.format.bytes == 2 else 24}"
    if name.startswith("pcm_"):
        kind, bits = name[4], "".join(c for c in name[5:] if c.isdigit())
        if kind == "f":
            return "FLOAT" if bits == "32" else "DOUBLE"
        if bits:
            return "PCM_U8" if (kind, bits) == ("u", "8") else "PCM_S8" if bits == "8" else f"PCM_{bits}"
        return {"alaw": "ALAW", "mulaw": "ULAW"}.get(name[4:], name.upper())
    return name.upper()
