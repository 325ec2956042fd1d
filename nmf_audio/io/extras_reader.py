"""Tags, pictures, chunks and loudspeakers of a sound file: the part of its reader for all beside the samples."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from nmf_audio.io.base import ReaderContext
from nmf_audio.io.containers import Container
from nmf_audio.io.format_chunk import FormatChunk, read_format
from nmf_audio.io.speakers import DEFAULT_MASKS, FLAC_MASKS
from nmf_audio.io.tags import flac, id3
from nmf_audio.io.tags.chunks import ID3_CHUNKS, read_chunks
from nmf_audio.io.tags.comments import find_mask, find_pictures, parse_comments, read_tags
from nmf_audio.io.tags.info import read_texts
from nmf_audio.io.tags.ogg import has_speakers, read_ogg_comments
from nmf_audio.io.tags.picture import Picture, unpack_picture

__all__ = ["ExtrasReader"]


class ExtrasReader(ReaderContext):
    """Reads what stands beside the samples of the file at `path`, once it is asked for."""

    path: Path
    n_channels: int

    @property
    def container(self) -> Container:
        """Container, subtype and byte order."""
        raise NotImplementedError

    def _known_tags(self) -> dict[str, str]:
        """Return title, artist and so on, as libsndfile reads them."""
        raise NotImplementedError

    @cached_property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, as libsndfile calls them; to be asked for before anything is read."""
        if self.comments is not None:
            return read_tags(self.comments) | self._known_tags()
        if self.container.format == "MP3":
            return self._known_tags() | id3.read_texts(id3.read_tag(self.path))
        is_wav = self.container.format in ("WAV", "WAVEX", "RF64") and self.container.endian != "BIG"
        tags = self._known_tags()
        for name, body in self.chunks:
            tags |= id3.read_texts(body) if name in ID3_CHUNKS else {}
        return tags | read_texts(self.chunks, "<" if is_wav else ">")

    @cached_property
    def form(self) -> FormatChunk:
        """What else the head of a WAV, AIFF or CAF says of the samples."""
        return read_format(self.path)

    @cached_property
    def channel_mask(self) -> int | None:
        """Which loudspeaker each channel is for, see `nmf_audio.io.speakers`; None if nothing says so."""
        if self.comments is None:
            return self.form.channel_mask
        mask = find_mask(self.comments)
        if mask is not None or (self.container.format == "OGG" and not has_speakers(self.path)):
            return mask
        return (FLAC_MASKS if self.container.format == "FLAC" else DEFAULT_MASKS).get(self.n_channels)

    @cached_property
    def chunks(self) -> list[tuple[bytes, bytes]]:
        """What else a WAV, AIFF or CAF says, see `nmf_audio.io.tags.chunks`."""
        return read_chunks(self.path)

    @cached_property
    def comments(self) -> list[bytes] | None:
        """All tags of a FLAC or Ogg, see `nmf_audio.io.tags.comments`; None of other files."""
        if self.container.format == "OGG":
            return read_ogg_comments(self.path)
        if self.container.format == "FLAC":
            return [comment for body in self._flac_blocks(flac.COMMENT) for comment in parse_comments(body)]
        return None

    @cached_property
    def pictures(self) -> list[Picture]:
        """Covers and the like."""
        if self.container.format == "MP3":
            return id3.find_pictures(id3.read_tag(self.path))
        found = find_pictures(self.comments or ())
        for name, body in self.chunks:
            found += id3.find_pictures(body) if name in ID3_CHUNKS else []
        blocks = self._flac_blocks(flac.PICTURE) if self.container.format == "FLAC" else []
        return found + [picture for picture in map(unpack_picture, blocks) if picture is not None]

    @cached_property
    def others(self) -> list[str]:
        """Names of what else there is beside the samples."""
        if self.container.format == "MP3":
            return id3.list_others(id3.read_tag(self.path))
        if self.container.format == "FLAC":
            return [name for kind, name in flac.OTHERS.items() if self._flac_blocks(kind)]
        return []

    def _flac_blocks(self, kind: int) -> list[bytes]:
        return [body for found, body in flac.read_metadata_blocks(self.path) if found == kind]
