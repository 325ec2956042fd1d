"""A media file with a new sound."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples, WriterContext
from nmf_audio.io.containers import Container, describe_no_samples
from nmf_audio.io.extras import describe_left_out
from nmf_audio.io.formats import CODINGS, FORMATS, pcm_bits
from nmf_audio.io.media.copying import Companions
from nmf_audio.io.media.pyav import FFMPEG_TAGS, load_pyav, open_to_read
from nmf_audio.io.output_file import OutputFile
from nmf_audio.io.pcm import quantize
from nmf_audio.io.speakers import get_mask, is_usual, name_speakers
from nmf_audio.io.tags.picture import Picture
from nmf_audio.io.truncation import describe_truncation

__all__ = ["MediaWriter"]

_PACKET = 1024
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
# what encoders take, and what players know from them, the best for each number of channels first; others take all
_ALAC_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)")
_ENCODER_LAYOUTS = {
    "AAC": ("mono", "stereo", "3.0", "quad", "4.0", "5.0", "5.1", "6.1", "7.1"),
    "OPUS": ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"),
    "ALAC_16": _ALAC_LAYOUTS,
    "ALAC_24": _ALAC_LAYOUTS,
}
_COVERS = {"image/jpeg": ("mjpeg", "yuvj420p"), "image/png": ("png", "rgb24")}
# bits per second and channel; a frame of AAC takes six bits for each of its samples at most
_BIT_RATE, _AAC_MOST = 64_000, 6
_TAGS = {ours: theirs for theirs, ours in FFMPEG_TAGS.items()}
# the writer's own name stands there, whatever was asked for
_OWN_TAGS = ("software", "encoder")


def _options(container: Container, sr: int) -> dict[str, str]:
    """Return what FFmpeg's muxer is told."""
    if container.format not in ("M4A", "MP4", "MOV"):
        return {}
    # the start of the sound is rounded to a part of this; by default to a millisecond
    options = {"movie_timescale": str(sr)}
    if container.format == "M4A":
        # FFmpeg's own muxer for it takes no covers
        options["brand"] = "M4A "
    return options


def _layout(av: Any, subtype: str, channel_mask: int | None, n_channels: int) -> str | None:
    """Return the channels' places as the encoder calls them, others if it can't; None if none have a name."""
    names = _ENCODER_LAYOUTS.get(subtype)
    speakers = name_speakers(channel_mask or 0)
    if speakers and speakers.count("+") + 1 == n_channels:
        wanted: str = av.AudioLayout(speakers).name
        if names is None or wanted in names:
            return wanted
    usual = _LAYOUTS.get(n_channels)
    if names is None or usual is None or usual in names:
        return usual
    return next(name for name in names if av.AudioLayout(name).nb_channels == n_channels)


class MediaWriter(WriterContext):
    """Writes a media file block by block; a context manager.

    Like `AudioWriter`. From the media file `source` it copies all but the sound; without one it writes `tags`
    and `pictures`. `start` is the time of the first sample in the file, in seconds. `AudioFileError` if the
    container can't hold such a signal, or if not everything arrived on the disk.

    Attributes
    ----------
    n_written, n_clipped, warnings, container, sr, label
        See `AudioWriter`.
    left_out : list of str
        What there is beside the sound that the container has no place for; a warning names it in the end.
    """

    def __init__(
        self,
        path: Path,
        sr: int,
        n_channels: int,
        container: Container,
        *,
        tags: Mapping[str, str] | None = None,
        pictures: Sequence[Picture] = (),
        label: str | None = None,
        source: Path | None = None,
        start: Fraction = Fraction(0),
        channel_mask: int | None = None,
        bit_rate: int | None = None,
    ) -> None:
        self.n_written = self.n_clipped = 0
        self.warnings: list[str] = []
        self.left_out: list[str] = []
        self.container, self.sr = container, sr
        self._path, self.label = path, label or str(path)
        self._av = load_pyav(f"{self.label}: writing it")
        encoder = CODINGS[container.subtype].encoder
        assert encoder is not None, container
        self._encoder, self._sample_format = encoder
        self._layout = _layout(self._av, container.subtype, channel_mask, n_channels)
        self._channel_mask = channel_mask
        self._n_channels = n_channels
        self._first = round(start * sr)
        entry = FORMATS[container.format]
        self._file: Any = None
        self._companions = None if source is None else Companions(source, entry)
        # a file of our own is closed in any case; PyAV leaves its own open if the head can't be written
        self._bytes = OutputFile(path, self.label)
        try:
            if self._layout is None:
                raise ValueError(f"{n_channels} channels")
            with self._bytes.checking():
                self._file = self._av.open(
                    self._bytes, "w", format=entry.muxer, container_options=_options(container, sr)
                )
                self._begin(tags or {}, pictures, bit_rate)
        except AudioFileError:
            self._abandon()
            raise
        except (self._av.error.FFmpegError, ValueError) as error:
            self._abandon()
            reason = getattr(error, "strerror", None) or error
            raise AudioFileError(
                f"{self.label}: {container.format} with {container.subtype} can't hold {n_channels} channels "
                f"at {sr} Hz, or what goes with them ({reason}); give an output of another format"
            ) from error

    def _begin(self, tags: Mapping[str, str], pictures: Sequence[Picture], bit_rate: int | None) -> None:
        covers: list[Any] = []
        if self._companions is None:
            self._file.metadata.update({_TAGS.get(name, name): text for name, text in tags.items()})
            self._track = self._add_sound(bit_rate)
            covers = [packet for picture in pictures if (packet := self._add_cover(picture)) is not None]
        else:
            self._track = self._companions.add_to(self._file, lambda: self._add_sound(bit_rate))
        self._file.start_encoding()
        for packet in covers:
            self._file.mux(packet)
        # the muxer keeps what it knows of these
        self._metadata = dict(self._file.metadata)

    def _add_cover(self, picture: Picture) -> Any | None:
        """Add a cover to the file; return the packet that it is, if it is one, once encoding starts."""
        if self.container.format == "MKV":
            extension = picture.mime.removeprefix("image/").replace("jpeg", "jpg")
            self._file.add_attachment(f"cover.{extension}", picture.mime, picture.data)
            return None
        if self.container.format not in ("M4A", "MP4") or picture.mime not in _COVERS:
            self.left_out.append("a picture")
            return None
        encoder, pixels = _COVERS[picture.mime]
        track = self._file.add_stream(encoder, width=1, height=1, pix_fmt=pixels)
        track.disposition = self._av.stream.Disposition.attached_pic
        packet = self._av.Packet(picture.data)
        packet.stream, packet.time_base = track, Fraction(1, 90_000)
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        return packet

    def _add_sound(self, bit_rate: int | None) -> Any:
        track = self._file.add_stream(self._encoder, rate=self.sr)
        track.layout = self._layout
        track.format = self._sample_format
        track.time_base = Fraction(1, self.sr)
        if self.container.subtype in ("AAC", "OPUS"):
            most = _AAC_MOST * self.sr if self.container.subtype == "AAC" else _BIT_RATE
            track.bit_rate = bit_rate or min(_BIT_RATE, most) * self._n_channels
        return track

    def write(self, y: Samples) -> Samples:
        """Append a block; see `AudioWriter.write`."""
        bits = pcm_bits(self.container.subtype)
        data: npt.NDArray[Any]
        if bits is None:
            data = np.asarray(y, np.float32)
        else:
            integers, y, n_clipped = quantize(y, bits)
            self.n_clipped += n_clipped
            data = integers.T
        try:
            with self._bytes.checking():
                for start in range(0, y.shape[1], _PACKET):
                    self._encode(data[:, start : start + _PACKET])
                if self._companions is not None:
                    self._companions.advance(self._file, Fraction(self._first + self.n_written, self.sr))
        except self._av.error.FFmpegError as error:
            raise self._write_error(error) from error
        return y

    def _encode(self, data: npt.NDArray[Any]) -> None:
        # interleaved in any case: PyAV makes frames of eight separate channels wrongly, and converts these itself
        interleaved = np.ascontiguousarray(data.T).reshape(1, -1)
        kind = self._sample_format.removesuffix("p")
        frame = self._av.AudioFrame.from_ndarray(interleaved, kind, self._layout)
        frame.sample_rate = self.sr
        frame.time_base = Fraction(1, self.sr)
        frame.pts = self._first + self.n_written
        self._file.mux(self._track.encode(frame))
        self.n_written += data.shape[1]

    def close(self) -> None:
        """End the file and check that all of it is there; see `AudioWriter.close`."""
        try:
            with self._bytes.checking():
                self._file.mux(self._track.encode(None))
                if self._companions is not None:
                    self._companions.advance(self._file, None)
                self._file.close()
                self._bytes.close()
        except self._av.error.FFmpegError as error:
            raise self._write_error(error) from error
        finally:
            self._abandon()
        if describe_truncation(self._path):
            raise AudioFileError(f"{self.label}: was not written whole")
        try:
            with open_to_read(self._av, self._path) as written:
                kept = {name.lower() for name in written.metadata}
                lost = [name for name in self._metadata if name.lower() not in (*kept, *_OWN_TAGS)]
                self._compare(written, [FFMPEG_TAGS.get(name, name) for name in lost])
        except self._av.error.FFmpegError as error:
            if self.n_written:
                raise self._write_error(error) from error
            raise AudioFileError(describe_no_samples(self.label, self.container)) from error

    def _compare(self, written: Any, lost: Sequence[str]) -> None:
        """Warn of what the file does not have in the end; `lost` are tags."""
        left_out = [*self.left_out, *lost]
        if self._companions is not None:
            left_out += self._companions.list_left_out(written)
        mask = self._channel_mask
        said = get_mask([channel.name for channel in written.streams.audio[0].layout.channels])
        if mask != said and (self._n_channels > 2 or not is_usual(mask, self._n_channels)):
            left_out += (
                [] if mask is None else [f"loudspeakers {name_speakers(mask) or 'that have no names'}"]
            )
        self.warnings += describe_left_out(self.container, left_out)

    def _abandon(self) -> None:
        """Close what is open; of a file whose bytes are closed first, PyAV does not write the end."""
        self._bytes.close()
        if self._companions is not None:
            self._companions.close()
        if self._file is not None:
            self._file.close()

    def _write_error(self, error: Any) -> AudioFileError:
        advice = ""
        if error.errno == errno.EINVAL and self._companions is not None:
            advice = (
                f"; {self.container.format} may not take what goes with the sound: name an output of another format, "
                "or for the sound alone, such as .m4a or .wav"
            )
        return AudioFileError(f"{self.label}: can't be written: {error.strerror}{advice}")
