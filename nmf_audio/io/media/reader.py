"""The sound of a media file, block by block."""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import ReaderContext, Samples, check_values, choose_block_length, name_first
from nmf_audio.io.containers import Container
from nmf_audio.io.format_chunk import NOTHING
from nmf_audio.io.media.pyav import FFMPEG_TAGS, load_pyav
from nmf_audio.io.media.tracks import (
    demux_packets,
    find_sound_track,
    get_media_format,
    get_subtype,
    is_cover,
    list_companions,
    open_media,
)
from nmf_audio.io.speakers import get_mask
from nmf_audio.io.tags.ogg import is_head_packet
from nmf_audio.io.tags.picture import Picture
from nmf_audio.io.truncation import describe_truncation

__all__ = ["MediaReader"]

# time stamps of Matroska are whole milliseconds; what differs by more is a gap
_SLACK_SECONDS = 0.1
_SLACK_AFTER_DAMAGE = 0.003
# jumps of the clock that are no gap, and no overlap
_LONGEST_GAP_SECONDS, _LONGEST_OVERLAP_SECONDS = 600, 1
# silence beyond that of one gap, as a multiple of the sound: a few kilobytes may claim gaps of hours
_MOST_SILENCE = 9

_PACKETS_AT_END = 3
# all packets of these are as long as each other, to a few bytes
_EVEN_CODECS = ("ac3", "eac3", "mp1", "mp2", "dts")

# the heads of these state how long the sound is; of others that is a guess, or the length of the picture
_STATE_LENGTH = ("APE", "FLAC", "MPC", "MPC8", "MXF", "TAK", "TTA", "WV")
_LENGTH_SLACK_SECONDS = 0.25

# what a file says of itself, and lengths and loudness that no longer hold
_OWN_TAGS = re.compile(
    "major_brand|minor_version|compatible_brands|creation_time|encoder|encoded_by|software|duration|timecode"
    "|gapless_playback|itun.*|replaygain_.*|r128_.*|waveformatext.*|id3v2_priv.*|handler_name|vendor_id",
    re.DOTALL,
)


class MediaReader(ReaderContext):
    """Reads the sound of a media file block by block; a context manager.

    Like `AudioReader`. What an encoder put before the first sample, and after the last, is left out as far as
    the file tells. Gaps in the time stamps become silence, so that the sound stays with the picture.
    `AudioFileError` if the file holds no sound that can be read.

    Attributes
    ----------
    path, label, sr, n_channels, n_samples, container, bit_rate, tags, n_read, damage
        See `AudioReader`. `n_samples` is what the file says, and may be some samples off.
    start : Fraction
        Seconds from the start of the file to the first sample.
    form, channel_mask, chunks, comments, pictures, others
        See `AudioReader`; there are no `chunks` and no `comments`.
    track, n_tracks : int
        Which sound track this is, from 1, and how many there are.
    has_picture : bool
        Whether there are moving pictures.
    """

    def __init__(self, path: str | os.PathLike[str], *, label: str | None = None) -> None:
        self.path, self.label = Path(path), str(path) if label is None else label
        self.n_read = 0
        self._n_bad = 0
        self._gap = 0
        self._gaps: list[str] = []
        self._jumps: list[str] = []
        self._interleave: Any = None
        self._file = open_media(self.path, label=self.label)
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        self.damage = describe_truncation(self.path)
        track = find_sound_track(self._file)
        if track is None:
            raise AudioFileError(f"{self.label}: has no sound")
        if track.codec_context is None:
            raise AudioFileError(f"{self.label}: holds no sound that can be read (its coding is unknown)")
        for other in self._file.streams:
            if other is not track:
                other.discard = type(other.discard).all
        if track.codec_context.name == "flac":
            # otherwise damaged frames are decoded to noise
            track.codec_context.options = {"err_detect": "crccheck+explode"}
        self._track = track
        self._frames = self._decode()
        self._rest: Iterator[Samples] = self.blocks()
        first = next(self._frames, None)
        if first is None:
            reason = self.damage or "holds no sound that can be read"
            raise AudioFileError(f"{self.label}: {reason}")
        self._first = first
        self.has_picture = any(not is_cover(other) for other in self._file.streams.video)
        tracks = self._file.streams.audio
        self.track, self.n_tracks = tracks.index(track) + 1, len(tracks)
        self.sr: int = first.sample_rate
        self.channel_mask = get_mask([channel.name for channel in first.layout.channels]) or None
        self.n_channels: int = first.layout.nb_channels
        at = Fraction(first.pts) * first.time_base if first.pts is not None else Fraction(0)
        self.start = at - Fraction(self._file.start_time or 0, 1_000_000)
        self._origin = at
        self.container = Container(get_media_format(self._file, self.path), get_subtype(track))
        self.bit_rate: int | None = track.bit_rate or None
        # an Ogg has its tags in the track
        said = track.metadata if self.container.format == "OGG" else self._file.metadata
        metadata = {name.lower(): text for name, text in said.items() if text}
        self.tags = {
            FFMPEG_TAGS.get(name, name): text
            for name, text in metadata.items()
            # what has a language is there twice
            if not (_OWN_TAGS.fullmatch(name) or (name[-4:-3] == "-" and name[:-4] in metadata))
        }
        self._ahead: Samples = np.zeros((self.n_channels, 0), np.float32)
        self.form, self.chunks = NOTHING, list[tuple[bytes, bytes]]()
        self.comments: list[bytes] | None = None
        others = [other for other in self._file.streams if other is not track and not is_cover(other)]
        has_chapters = bool(self._file.chapters())
        self.others = list_companions(others, has_chapters=has_chapters) + ["chapters"] * has_chapters
        self._set_length()

    def _set_length(self) -> None:
        track = self._track
        self._limit = math.inf
        self.n_samples: int | None = None
        if track.duration is not None:
            self.n_samples = round(track.duration * track.time_base * self.sr)
            # of all containers these alone say where the sound ends inside the last packet
            if self.container.format in ("MP4", "M4A", "MOV") and track.time_base == Fraction(1, self.sr):
                self._limit = self.n_samples
        elif self._file.duration is not None:
            end = Fraction(self._file.duration, 1_000_000) - self.start
            self.n_samples = max(round(end * self.sr), 0)

    @cached_property
    def pictures(self) -> list[Picture]:
        """Covers and the like."""
        with open_media(self.path, label=self.label) as file:
            covers = [track for track in file.streams.video if is_cover(track)]
            packets = demux_packets(file, *covers) if covers else iter(())
            # they come before all else
            found = [bytes(packet) for packet in islice(packets, len(covers)) if packet.size]
        return list(map(Picture, found))

    def close(self) -> None:
        """Close the file."""
        self._frames.close()
        # in some versions of Python a generator that has ended goes on holding this reader, as the reader holds it
        self._frames = (frame for frame in list[Any]())
        self._rest = iter(())
        self._file.close()

    def _decode(self) -> Generator[Any]:
        """Yield frames; packets that can't be decoded are left out and counted."""
        av = load_pyav("this")
        # bytes of the last packets, and whether they are cut off
        last: deque[tuple[int, bool]] = deque(maxlen=_PACKETS_AT_END)
        try:
            for packet in demux_packets(self._file, self._track):
                if packet.size:
                    last.append((packet.size, packet.is_corrupt))
                try:
                    for frame in packet.decode():
                        yield from self._readable(frame)
                except av.error.FFmpegError:
                    is_head = self._file.format.name == "ogg" and is_head_packet(bytes(packet))
                    self._n_bad += not is_head
        except av.error.FFmpegError as error:
            self.damage = self.damage or f"is damaged ({error.strerror})"
        sizes = [size for size, _ in last]
        is_short = self._track.codec_context.name in _EVEN_CODECS and sizes and sizes[-1] < 0.9 * sizes[0]
        if is_short or any(is_corrupt for _, is_corrupt in last):
            self.damage = self.damage or "is truncated: it ends within a packet"

    def _readable(self, frame: Any) -> list[Any]:
        """Return a frame, interleaved if PyAV would read behind the end of its table of channels."""
        if not frame.format.is_planar or frame.layout.nb_channels < 8:
            return [frame]
        if self._interleave is None:
            kind = frame.format.name.removesuffix("p")
            self._interleave = load_pyav("this").AudioResampler(kind, frame.layout.name, frame.sample_rate)
        frames: list[Any] = self._interleave.resample(frame)
        return frames

    def blocks(self, dtype: type[np.floating[Any]] = np.float32) -> Iterator[Samples]:
        """Yield the samples in blocks of about a second; see `AudioReader.blocks`."""
        n_block = choose_block_length(self.sr, self.n_channels)
        waiting: list[Samples] = []
        n_waiting = 0
        for piece in self._pieces(dtype):
            waiting.append(piece)
            n_waiting += piece.shape[1]
            if n_waiting >= n_block:
                yield self._take(np.concatenate(waiting, axis=1))
                waiting, n_waiting = [], 0
        if n_waiting:
            yield self._take(np.concatenate(waiting, axis=1))
        self._note_end()

    def read(self, start: int, stop: int) -> Samples:
        """Return samples; see `AudioReader.read`. Parts are to be read in their order, without overlap."""
        parts = [np.zeros((self.n_channels, 0), np.float32)]
        while True:
            first = self.n_read - self._ahead.shape[1]
            parts.append(self._ahead[:, max(start - first, 0) : max(stop - first, 0)])
            if self.n_read >= stop:
                break
            if (block := next(self._rest, None)) is None:
                break
            self._ahead = block
        return np.concatenate(parts, axis=1)

    def _take(self, block: Samples) -> Samples:
        check_values(block, self.n_read, self.sr, self.label)
        self.n_read += block.shape[1]
        return block

    def _pieces(self, dtype: type[np.floating[Any]]) -> Iterator[Samples]:
        """Yield the frames' samples, with silence for gaps, up to the end that the file tells."""
        position, n_bad = 0, 0
        for frame in self._all_frames():
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sr, self.n_channels):
                raise AudioFileError(
                    f"{self.label}: changes from {self.n_channels} channels at {self.sr} Hz to "
                    f"{frame.layout.nb_channels} at {frame.sample_rate} Hz after {position / self.sr:.2f} s; "
                    "cut it there"
                )
            y = _samples(frame, dtype)
            slack = _SLACK_SECONDS if self._n_bad == n_bad else _SLACK_AFTER_DAMAGE
            n_bad = self._n_bad
            late = 0
            if frame.pts is not None:
                late = round((frame.pts * frame.time_base - self._origin) * self.sr) - position
            room = max(_LONGEST_GAP_SECONDS * self.sr, _MOST_SILENCE * (position - self._gap)) - self._gap
            most = min(_LONGEST_GAP_SECONDS * self.sr, room)
            if not -_LONGEST_OVERLAP_SECONDS * self.sr < late < most:
                self._origin += Fraction(late, self.sr)
                if late > 0:
                    self._jumps.append(f"{late / self.sr:.2f} s at {position / self.sr:.2f} s")
            elif late > slack * self.sr:
                self._gap += late
                self._gaps.append(f"{position / self.sr:.2f} s to {(position + late) / self.sr:.2f} s")
                for start in range(0, late, self.sr):
                    silence = np.zeros((self.n_channels, min(self.sr, late - start)), dtype)
                    position += silence.shape[1]
                    yield silence
            elif late < -slack * self.sr:
                y = y[:, -late:]
            y = y[:, : int(min(max(self._limit - position, 0), y.shape[1]))]
            position += y.shape[1]
            if y.shape[1]:
                yield y

    def describe_gaps(self) -> list[str]:
        """Return a sentence on the gaps of what was read that are silent now, and one on those that are closed."""
        found = []
        if self._gaps:
            found.append(f"has no sound from {name_first(self._gaps)}; silence stands there")
        if self._jumps:
            found.append(f"its clock jumps by {name_first(self._jumps)}; the gap is closed")
        return found

    def _all_frames(self) -> Iterator[Any]:
        yield self._first
        yield from self._frames

    def _note_end(self) -> None:
        n_slack = _LENGTH_SLACK_SECONDS * self.sr
        if (
            self.container.format in _STATE_LENGTH
            and self.n_samples is not None
            and self.n_read + n_slack < self.n_samples
        ):
            whole = f"{self.n_read / self.sr:.2f} s of {self.n_samples / self.sr:.2f} s"
            self.damage = self.damage or f"is truncated or damaged: {whole} could be read"
        if self._n_bad and not self.damage:
            gap = f"; {self._gap / self.sr:.2f} s are silent now" if self._gap else ""
            self.damage = f"is damaged: {self._n_bad} pieces of its sound can't be decoded{gap}"


def _samples(frame: Any, dtype: type[np.floating[Any]]) -> Samples:
    """Return what a frame holds as (n_channels, n), full scale 1.0."""
    y = frame.to_ndarray()
    if not frame.format.is_planar:
        y = y.reshape(-1, frame.layout.nb_channels).T
    if y.dtype.kind == "f":
        return np.ascontiguousarray(y, dtype)
    if y.dtype == np.uint8:
        return np.ascontiguousarray((y.astype(dtype) - 128) / dtype(128))
    return np.ascontiguousarray(np.divide(y, 2.0 ** (8 * y.dtype.itemsize - 1), dtype=dtype))
