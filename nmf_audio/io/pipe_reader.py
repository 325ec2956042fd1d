"""Recordings that come through pipes: WAV of plain numbers and raw samples, each block as soon as it is there."""

from __future__ import annotations

import io
import math
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nmf_audio._checks import invalid
from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples, check_values, choose_block_length
from nmf_audio.io.containers import Container
from nmf_audio.io.extent import (
    MOST_PADDING,
    SEVERAL_CHUNKS,
    WRAP,
    describe_size,
    find_joined,
    is_other_than_samples,
)
from nmf_audio.io.format_chunk import FormatChunk
from nmf_audio.io.pcm import decode
from nmf_audio.io.remote import Url
from nmf_audio.io.riff import LAYOUTS, Chunk, WavHead, read_head
from nmf_audio.io.tags.chunks import is_kept
from nmf_audio.io.tags.info import read_texts
from nmf_audio.io.tags.picture import Picture

__all__ = ["ENDS_WITHIN_SAMPLE", "STREAM", "ByteSource", "StreamReader", "get_report_path", "label_stream"]

STREAM = Path("-")
"""Path of a stream in reports."""

ENDS_WITHIN_SAMPLE = "is truncated: it ends within a sample"
"""What is said of such a stream."""

_BLOCK_BYTES = 2**16
# enough to recognise a chunk
_FEW = 12
# more of a head than this is not kept in memory for a second look
_MAX_KEPT = 2**22


def label_stream(file: BinaryIO) -> str:
    """Return the name of an open file in messages."""
    try:
        number = file.fileno()
    except (OSError, AttributeError):
        number = -1
    return {0: "standard input", 1: "standard output"}.get(number, "the stream")


def get_report_path(what: str | os.PathLike[str] | Url | BinaryIO) -> Path:
    """Return the path of a file in reports, `STREAM` for one that is open; `ParameterError` if it is neither."""
    if isinstance(what, str | os.PathLike | Url):
        if "\0" in str(what):
            raise invalid("file", what, "a name without NUL")
        # another object would be kept beside it in the report
        return what if isinstance(what, Path | Url) else Path(what)
    if (hasattr(what, "read") or hasattr(what, "write")) and not isinstance(what, io.TextIOBase):
        return STREAM
    raise invalid("file", what, "a path or an open binary file")


class ByteSource:
    """The bytes of a stream, taken as they come; some can be given back."""

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file, self._label = file, label
        self._read = getattr(file, "read1", file.read)
        # a view: what is left of a minute of sound is not copied with each piece that is taken
        self._ahead = memoryview(b"")
        self._kept: bytearray | None = None

    def read_some(self, n: int) -> bytes:
        """Return what is there, at most n bytes; wait if nothing is; nothing at the end."""
        data: bytes | memoryview
        if self._ahead:
            data, self._ahead = self._ahead[:n], self._ahead[n:]
        else:
            try:
                while (data := self._read(n)) is None:
                    # somebody set the pipe not to wait
                    select.select([self._file], [], [])
            except OSError as error:
                raise AudioFileError(f"{self._label}: can't be read: {error.strerror or error}") from error
        if self._kept is not None:
            self._kept += data
            if len(self._kept) > _MAX_KEPT:
                self._kept = None
        return bytes(data)

    def read_exactly(self, n: int) -> bytes:
        """Return n bytes, fewer at the end."""
        parts = []
        while n and (data := self.read_some(n)):
            parts.append(data)
            n -= len(data)
        return b"".join(parts)

    def give_back(self, data: bytes) -> None:
        """Let `data` come again."""
        self._ahead = memoryview(data + bytes(self._ahead))

    def read_head(self) -> WavHead | None:
        """Read up to the first sample; give everything back if it is no WAV of plain numbers."""
        self._kept = bytearray()
        try:
            head = read_head(self.read_exactly)
        except EOFError:
            raise AudioFileError(f"{self._label}: ended before the first sample") from None
        kept, self._kept = self._kept, None
        if head is None:
            if kept is None:
                raise AudioFileError(f"{self._label}: is no WAV that can be read; its header does not end")
            self.give_back(bytes(kept))
        return head


class StreamReader:
    """Reads samples from a stream as they come; `nmf_audio.io.open.open_stream` makes these.

    It has the attributes of `AudioReader` but for `comments`, `pictures` and `others`. `source` stands at the
    first sample; `raw` says that there was no head in the stream.
    """

    def __init__(self, source: ByteSource, head: WavHead, label: str, *, raw: bool = False) -> None:
        self.label, self.sr, self.n_channels = label, head.sr, head.n_channels
        name = "RAW" if raw else "RF64" if head.has_long_sizes else "WAVEX" if head.extensible else "WAV"
        self.container = Container(name, head.subtype)
        self.chunks = [chunk for chunk in head.chunks if is_kept(*chunk)]
        self.tags = read_texts(self.chunks)
        self.channel_mask = head.channel_mask if head.extensible else None
        self.form = FormatChunk(self.channel_mask, head.valid_bits)
        self.comments: list[bytes] | None = None
        self.pictures: list[Picture] = []
        self.others: list[str] = []
        self.n_read = 0
        self.damage: str | None = None
        self._source, self._frame_bytes, self._n_bytes = source, head.frame_bytes, head.n_bytes
        self._stated: int | None = None
        self._doubt: str | None = None
        # samples of the recordings before this one
        self._n_before = 0
        if self._n_bytes == 0 and not self._ends():
            self._stated, self._n_bytes = 0, None
        self.n_samples = None if self._n_bytes is None else self._n_bytes // self._frame_bytes

    def blocks(self, dtype: type[np.floating[Any]] = np.float32) -> Iterator[Samples]:
        """Yield the samples as they come, in blocks of a second at most; see `AudioReader.blocks`."""
        n_block = self._frame_bytes * choose_block_length(self.sr, self.n_channels)
        n_came, rest = 0, b""
        while True:
            left = math.inf if self._n_bytes is None else self._n_bytes - n_came
            while data := self._source.read_some(int(min(n_block - len(rest), left))) if left else b"":
                left -= len(data)
                n_came += len(data)
                rest += data
                n_whole = len(rest) // self._frame_bytes * self._frame_bytes
                if n_whole:
                    block = decode(rest[:n_whole], self.container.subtype, self.n_channels, dtype)
                    rest = rest[n_whole:]
                    check_values(block, self.n_read, self.sr, self.label)
                    self.n_read += block.shape[1]
                    yield block
            if self._n_bytes is None or left:
                break
            if self._is_joined():
                if not self._join():
                    return
                n_came, rest = 0, b""
            elif self._ends(self._n_bytes % 2):
                break
            else:
                self._stated, self._n_bytes = self._n_bytes, None
        if self._n_bytes is not None and left:
            self.damage = f"is truncated: {n_came} of {self._n_bytes} bytes of its samples arrived"
        elif self._stated is not None and (self._stated == 0 or (n_came - self._stated) % WRAP):
            self.damage = describe_size(self._stated, n_came)
        elif len(rest) > 1 or (rest and (rest != b"\0" or n_came % 2)):
            # one zero after an odd number of bytes only makes it even
            self.damage = ENDS_WITHIN_SAMPLE
        else:
            self.damage = self._doubt

    def _ends(self, n_padding: int = 0) -> bool:
        """Return whether the stream has no more samples behind those that are stated."""
        # before the first sample, whoever plays them may wait for each
        n_most = MOST_PADDING if self._n_bytes else _FEW
        ahead = self._source.read_exactly(n_most)
        self._source.give_back(ahead)
        size = len(ahead) if len(ahead) < n_most else math.inf
        return is_other_than_samples(io.BytesIO(ahead), LAYOUTS[b"RIFF"], n_padding, size)

    def _is_joined(self) -> bool:
        """Return whether another recording, or another chunk of samples, follows, and go to where it begins."""
        ahead = self._source.read_exactly(MOST_PADDING)
        place = find_joined(io.BytesIO(ahead), LAYOUTS[b"RIFF"], b"RIFF    WAVE", (self._n_bytes or 0) % 2)
        self._source.give_back(ahead[place or 0 :])
        return place is not None

    def _join(self) -> bool:
        """Go on with what was joined; return whether it fits."""
        layout = LAYOUTS[b"RIFF"]
        name, n_bytes = layout.head.unpack(start := self._source.read_exactly(layout.head.size))
        if name == layout.samples:
            if self.n_read > self._n_before and n_bytes:
                self._doubt = SEVERAL_CHUNKS
            self._n_bytes = None if Chunk(name, 0, n_bytes).is_unknown else n_bytes
            return True
        self._source.give_back(start)
        head = self._source.read_head()
        if head is not None and (head.sr, head.n_channels, head.subtype) == (
            self.sr,
            self.n_channels,
            self.container.subtype,
        ):
            self._n_bytes, self._n_before = head.n_bytes, self.n_read
            return True
        rest = "can't be read" if head is None else f"has {head.n_channels} channels at {head.sr} Hz"
        self.damage = f"is joined of several: what follows {self.n_read / self.sr:.2f} s {rest}"
        return False

    def peek(self, start: float, end: float) -> Samples:
        """Return a part (n_channels, n) that is yet to come, and will come again; in seconds.

        Up to its end all that came is held in memory. `AudioFileError` if the stream ends before the part
        begins.
        """
        first, last = (round(seconds * self.sr) * self._frame_bytes for seconds in (start, end))
        data = self._source.read_exactly(last if self._n_bytes is None else min(last, self._n_bytes))
        self._source.give_back(data)
        whole = data[first : len(data) // self._frame_bytes * self._frame_bytes]
        if not whole:
            seconds = len(data) / self._frame_bytes / self.sr
            raise AudioFileError(f"{self.label}: has no noise from {start:g} s on; it ends at {seconds:g} s")
        noise = decode(whole, self.container.subtype, self.n_channels)
        check_values(noise, first // self._frame_bytes, self.sr, self.label)
        return noise

    def drain(self) -> None:
        """Take what follows the samples (tags), so that whoever writes it finds the pipe open."""
        if self._n_bytes is not None and self.n_read * self._frame_bytes >= self._n_bytes:
            while self._source.read_some(_BLOCK_BYTES):
                pass
