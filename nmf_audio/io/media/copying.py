"""Copies of all in a media file beside the sound that is replaced: pictures, other tracks, subtitles, chapters."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from nmf_audio.io.formats import Format
from nmf_audio.io.media.tracks import (
    demux_packets,
    find_sound_track,
    get_media_format,
    is_cover,
    list_companions,
    open_media,
)

__all__ = ["Companions"]

# what the writer of a file says of itself, and statistics that no longer hold
_OWN_METADATA = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
_STATISTICS = ("BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "_STATISTICS")


class Companions:
    """The tracks of a media file that are copied as they are beside a sound that is replaced.

    An output (`entry`) for sound alone takes tracks other than covers only from a file of its kind.
    """

    def __init__(self, path: Path, entry: Format) -> None:
        self._left_out: list[str] = []
        self._time_codes: set[str] = set()
        self._source = open_media(path)
        self._takes_all = entry.has_picture or get_media_format(self._source, path) == entry.name
        self._replaced = find_sound_track(self._source)
        self._offset = Fraction(self._source.start_time or 0, 1_000_000)
        self._has_chapters = False
        self._copies: dict[int, Any] = {}
        self._packets: Any = iter(())
        self._next: Any = None

    def close(self) -> None:
        """Close the file that they come from."""
        self._source.close()

    def add_to(self, output: Any, add_sound: Any) -> Any:
        """Add the tracks to an output, in their order, with their metadata; return the track of the new sound.

        `add_sound` adds that to the output, and returns its track.
        """
        output.metadata.update(
            {name: text for name, text in self._source.metadata.items() if name.lower() not in _OWN_METADATA}
        )
        chapters = [
            {**chapter, **{end: chapter[end] - self._ticks(chapter["time_base"]) for end in ("start", "end")}}
            for chapter in self._source.chapters()
        ]
        self._has_chapters = bool(chapters)
        sound = None
        left_out = []
        for track in self._source.streams:
            if track is self._replaced:
                sound = add_sound()
                copy = sound
            else:
                copy = self._copy_of(track, output)
                if copy is None:
                    left_out.append(track)
                    continue
                self._copies[track.index] = copy
            copy.disposition = track.disposition
            copy.metadata.update(_described(track.metadata))
        output.set_chapters(chapters)
        self._time_codes = {code for track in left_out if (code := track.metadata.get("timecode"))}
        left_out = [track for track in left_out if "timecode" not in track.metadata]
        self._left_out = list_companions(left_out, has_chapters=self._has_chapters)
        moving = [track for track in self._source.streams if track.index in self._copies]
        if moving:
            self._packets = demux_packets(self._source, *moving)
        return sound

    def _copy_of(self, track: Any, output: Any) -> Any | None:
        # FFmpeg takes data by no common rule
        if track.type == "data" or not (self._takes_all or (track.type == "video" and is_cover(track))):
            return None
        try:
            copy = output.add_stream_from_template(track, opaque=True)
        except ValueError:
            return None
        if track.codec_context is not None and _same_family(self._source, output):
            # players of one maker know HEVC under one of its two tags only
            copy.codec_context.codec_tag = track.codec_context.codec_tag
        return copy

    def list_left_out(self, written: Any) -> list[str]:
        """Return names of what a finished output does not have: FFmpeg makes time codes, and chapters, anew."""
        places = (written, *written.streams)
        codes = {
            text for place in places for name, text in place.metadata.items() if name.lower() == "timecode"
        }
        found = self._left_out + ["a time code"] * bool(self._time_codes - codes)
        return found + ["chapters"] * (self._has_chapters and not written.chapters())

    def _ticks(self, time_base: Fraction) -> int:
        return round(self._offset / time_base)

    def advance(self, output: Any, until: Fraction | None) -> None:
        """Write what belongs before a time, in seconds; all that is left if it is None."""
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            packet = self._next
            if packet is None:
                return
            if packet.size == 0 and packet.dts is None:
                # the end of a track
                self._next = None
                continue
            if packet.dts is None and packet.pts is None and is_cover(packet.stream):
                packet.pts = packet.dts = self._ticks(packet.time_base)
            shift = self._ticks(packet.time_base)
            time = (packet.pts if packet.dts is None else packet.dts) - shift
            if until is not None and time * packet.time_base > until:
                return
            self._next = None
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.stream = self._copies[packet.stream.index]
            output.mux(packet)


def _described(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return what is said of a track. MP4 reads as name what it writes as title."""
    kept = {name: text for name, text in metadata.items() if not name.startswith(_STATISTICS)}
    if "name" in kept:
        kept.setdefault("title", kept.pop("name"))
    return kept


def _same_family(source: Any, output: Any) -> bool:
    return source.format.name.startswith("mov,") and output.format.name in ("mp4", "mov", "ipod")
