"""Audio files that libsndfile reads, block by block, with a description of what is missing of them."""

from __future__ import annotations

import io
import os
import stat
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples, check_values, choose_block_length, name_first
from nmf_audio.io.bit_rates import read_bit_rate
from nmf_audio.io.containers import Container
from nmf_audio.io.extras_reader import ExtrasReader
from nmf_audio.io.file_part import FilePart
from nmf_audio.io.interrupts import deferring_interrupts
from nmf_audio.io.joined import MOST_MPEG_FRAME, Part, find_flac, find_mp3_frames, find_parts
from nmf_audio.io.output_file import OutputFile
from nmf_audio.io.speakers import find_ogg_order
from nmf_audio.io.stated_length import describe_shortage
from nmf_audio.io.tags.ogg import has_speakers

__all__ = ["AudioReader", "UnknownFormatError", "create_sound", "open_sound"]

# libsndfile's words for these codes name causes that are not the ones
_MISLEADING_CODES = (1, 7)
_UNKNOWN = 2**62
# where a FLAC states the samples of its longest frame
_FLAC_BLOCK_AT, _LEAST_FLAC_BLOCK = 10, 16
# no damage is longer, in samples
_MOST_SKIPPED = 2**31
_MP3_FRAME = 1152
# a decoder reads no further ahead
_READ_AHEAD = 2**17


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read or written from start to end.

    soundfile seeks to where it already is after each block; with MP3 that loses samples, with a damaged FLAC
    the last good block.
    """

    def __init__(self, file: Any, *arguments: Any, **encoding: Any) -> None:
        self._source = file
        super().__init__(file, *arguments, **encoding)

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        try:
            super().close()
        finally:
            if isinstance(self._source, io.IOBase):
                self._source.close()


def open_sound(path: Path) -> _Sequential:
    """Open a sound file as `soundfile.SoundFile` does, to be read from start to end."""
    # soundfile can't encode names that are no text; bytes pass
    return _Sequential(os.fsencode(path) if os.name == "posix" else path)


def create_sound(
    file: OutputFile, sr: int, n_channels: int, container: Container, encoding: Mapping[str, Any]
) -> _Sequential:
    """Begin a sound file, to be written from start to end; it closes the file. For `encoding` see `soundfile`."""
    kind = (container.subtype, container.endian, container.format)
    return _Sequential(file, "w", sr, n_channels, *kind, **encoding)


class UnknownFormatError(AudioFileError):
    """A file that libsndfile can't read."""


class AudioReader(ExtrasReader):
    """Reads an audio file block by block; a context manager.

    `AudioFileError` if the file is missing, empty, no regular file, or holds no audio that can be read.

    Attributes
    ----------
    path, label : Path, str
        The file, and its name in messages.
    sr, n_channels : int
        Sample rate in Hz, and channels.
    n_samples : int or None
        Length in samples as far as the file tells before all of it is read; None if it does not.
    container : Container
        Container, subtype and byte order.
    bit_rate : int or None
        Bits per second of a lossy coding.
    tags, form, channel_mask, chunks, comments, pictures, others
        What stands beside the samples, see `ExtrasReader`.
    n_read : int
        Samples read so far.
    damage : str or None
        What is missing of the file, half a sentence; complete once all blocks are read.
    """

    def __init__(self, path: str | os.PathLike[str], *, label: str | None = None) -> None:
        self.path = path if isinstance(path, Path) else Path(path)
        self.label = str(self.path) if label is None else label
        self.n_read = 0
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
                raise AudioFileError(f"{self.label}: is {kind}; name an audio file")
            if status.st_size == 0:
                raise AudioFileError(f"{self.label}: is empty (0 bytes)")
            self._parts, self.damage = find_parts(self.path)
        except OSError as error:
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(f"{self.label}: can't be read: {error.strerror}") from error
        if self.path.suffix.lower() == ".raw":
            raise AudioFileError(
                f"{self.label}: has no header that says rate and channels; convert it to WAV first"
            )
        self._file: _Sequential | None = None
        try:
            first = self._enter(0)
        except soundfile.LibsndfileError as error:
            raise UnknownFormatError(f"{self.label}: {self._unreadable(error)}") from error
        self.sr: int = first.samplerate
        self.n_channels: int = first.channels
        self._order: list[int] | None = None
        if self.container.format == "OGG" and has_speakers(self.path):
            self._order = find_ogg_order(self.n_channels)
        self.damage = self.damage or describe_shortage(first, self.path)
        self._lengths = [first.frames]
        self._silence = 0
        self._silences: list[str] = []
        self._is_over = False
        if len(self._parts) > 1:
            joined, self._parts = self._parts[1:], self._parts[:1]
            all(self._add(part) for part in joined)
            self._enter(0)
        n_samples = sum(self._lengths)
        self.n_samples = n_samples if n_samples < _UNKNOWN else None

    @cached_property
    def container(self) -> Container:
        """Container, subtype and byte order."""
        assert self._file is not None
        return Container(self._file.format, self._file.subtype, self._file.endian)

    def _known_tags(self) -> dict[str, str]:
        if self._parts[0].is_sized:
            assert self._file is not None
            tags = self._file.copy_metadata()
        else:
            # they stand before the first frame
            with open_sound(self.path) as sound:
                tags = sound.copy_metadata()
        return {name: text for name, text in tags.items() if text}

    @property
    def is_out_of_step(self) -> bool:
        """Whether what stands behind damage comes too early."""
        return self._parts[0].has_gaps

    @cached_property
    def bit_rate(self) -> int | None:
        """Bits per second of a lossy coding, the mean if they vary; None if the file does not tell."""
        seconds = None if self.n_samples is None else self.n_samples / self.sr
        return read_bit_rate(self.path, self.container.subtype, seconds)

    def _unreadable(self, error: soundfile.LibsndfileError) -> str:
        if self.damage:
            return f"{self.damage}, and what is left can't be read"
        reason = "" if error.code in _MISLEADING_CODES else f" ({error.error_string.rstrip('.')})"
        return f"holds no audio that can be read{reason}; WAV, FLAC, OGG, MP3, AIFF and others can"

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def blocks(self, dtype: type[np.floating[Any]] = np.float32) -> Iterator[Samples]:
        """Yield the samples (n_channels, n) in blocks of about a second; memory does not grow with the file.

        float64 is for all bits of 32-bit integers and of doubles. `AudioFileError` if a sample is NaN, infinite, or
        too large for float32 arithmetic; the message says which.
        """
        n_block = choose_block_length(self.sr, self.n_channels)
        while (block := self._read_block(n_block, dtype)) is not None:
            yield block

    def read(self, start: int, stop: int) -> Samples:
        """Return samples from `start` up to `stop`, float32; fewer at the end.

        What decoders keep from before has no influence: the file is opened anew. Raises `AudioFileError` as `blocks`.
        """
        if start or self.n_read:
            ends = list(accumulate(self._lengths))
            number = min(bisect_right(ends, start), len(ends) - 1)
            self._enter(number, start - (ends[number] - self._lengths[number]))
            self.n_read, self._silence, self._is_over = start, 0, False
        blocks = [np.zeros((self.n_channels, 0), np.float32)]
        while self.n_read < stop and (block := self._read_block(stop - self.n_read, np.float32)) is not None:
            blocks.append(block)
        return np.concatenate(blocks, axis=1)

    def _enter(self, number: int, sample: int = 0) -> _Sequential:
        """Open one of the recordings in the file, and go to one of its samples."""
        part = self._parts[number]
        self.close()
        with deferring_interrupts():
            self._part = (
                None
                if part.stop is None
                else FilePart(self.path, part.start, part.stop, part.head, part.is_sized)
            )
            sound = open_sound(self.path) if self._part is None else _Sequential(self._part)
            self._file, self._number = sound, number
            if sample:
                sound.seek(sample)
        return sound

    def _add(self, part: Part) -> bool:
        """Go on with a recording that was joined; return whether it fits."""
        n_before = sum(self._lengths)
        self._parts.append(part)
        try:
            sound = self._enter(len(self._parts) - 1)
        except soundfile.LibsndfileError as error:
            rest = f"can't be read ({error.error_string.rstrip('.')})"
        else:
            if (sound.samplerate, sound.channels) == (self.sr, self.n_channels):
                self._lengths.append(sound.frames)
                return True
            rest = f"has {sound.channels} channels at {sound.samplerate} Hz"
        self._parts.pop()
        self.damage = self.damage or f"is joined of several: what follows {n_before / self.sr:.2f} s {rest}"
        return False

    def _read_block(self, n: int, dtype: type[np.floating[Any]]) -> Samples | None:
        """Return the next samples, n at most, silence for those that can't be decoded; None at the end."""
        while not self._is_over:
            if self._silence:
                n = min(n, self._silence)
                self._silence -= n
                self.n_read += n
                return np.zeros((self.n_channels, n), dtype)
            y, error = self._decode(n, dtype)
            check_values(y, self.n_read, self.sr, self.label)
            self.n_read += y.shape[1]
            if error or not y.shape[1]:
                self._pass(error)
            if y.shape[1]:
                return y
        return None

    def _decode(self, n: int, dtype: type[np.floating[Any]]) -> tuple[Samples, str]:
        """Return the next n samples, fewer at the end, and why the decoder failed behind them, if it did."""
        assert self._file is not None
        block = np.full((n, self.n_channels), np.nan, dtype)
        error = ""
        try:
            if self._part is None:
                n = len(self._file.read(out=block))
            else:
                with deferring_interrupts():
                    n = len(self._file.read(out=block))
        except soundfile.LibsndfileError as failure:
            error = str(failure.error_string).removeprefix("Error : ").rstrip(".")
            # what the decoder wrote before it failed is good
            good = np.isfinite(block).all(axis=1)
            n = n if good.all() else int(good.argmin())
        y = block[:n].T
        return np.ascontiguousarray(y if self._order is None else y[self._order]), error

    def _pass(self, error: str) -> None:
        """Go on behind what can't be decoded, or behind the end of one recording with the next."""
        n_left = sum(self._lengths[: self._number + 1]) - self.n_read
        if n_left <= 0:
            # it is all there; what follows is something else
            error = ""
        place = None if self._part is None else self._part.get_place()
        # where no length is stated, the end is no damage
        is_damaged = n_left > 0 and (bool(error) or n_left < _UNKNOWN)
        if is_damaged and n_left > self._slack and self._find_good(min(n_left, _MOST_SKIPPED)):
            return
        if self._number + 1 < len(self._parts):
            if 0 < n_left < _UNKNOWN:
                self._fill(n_left)
            self._enter(self._number + 1)
        elif error or place is None or not self._find_more(place):
            self._is_over = True
            self._note_end(error)

    @property
    def _slack(self) -> int:
        """Samples that may be missing at the end without a loss: two frames of padding of an MP3."""
        return 2 * _MP3_FRAME if self.container.subtype.startswith("MPEG_LAYER") else 0

    def _find_good(self, n_left: int) -> bool:
        """Find the next good frame of a FLAC or MP3, and let silence stand for what is before it.

        Returns whether there was one. In an MP3 the frames that are lost are not counted: what follows comes early.
        """
        if self.container.format == "FLAC":
            with self.path.open("rb") as file:
                file.seek(self._parts[self._number].start + _FLAC_BLOCK_AT)
                step = max(int.from_bytes(file.read(2), "big"), _LEAST_FLAC_BLOCK)
        elif self.container.format == "MP3":
            step = _MP3_FRAME
        else:
            return False
        done = self.n_read - sum(self._lengths[: self._number])

        def is_good(n_blocks: int) -> bool:
            try:
                return len(self._enter(self._number, done + n_blocks * step).read(1)) == 1
            except soundfile.LibsndfileError:
                return False

        last_bad, n = 0, 1
        while n * step < n_left and not is_good(n):
            last_bad, n = n, 2 * n
        if n * step >= n_left:
            return False
        while n - last_bad > 1:
            middle = (last_bad + n) // 2
            last_bad, n = (last_bad, middle) if is_good(middle) else (middle, n)
        self._enter(self._number, done + n * step)
        self._fill(n * step)
        return True

    def _find_more(self, place: int) -> bool:
        """Find a recording that was joined to the last, which shows only at its end; return whether one was."""
        part = self._parts[-1]
        if part.stop is None:
            return False
        is_flac = self.container.format == "FLAC"
        found = (
            find_flac(self.path, max(place - _READ_AHEAD, part.start + 1))
            if is_flac
            else find_mp3_frames(self.path, place)
        )
        if found is not None and not is_flac and part.stop - found < MOST_MPEG_FRAME:
            self.damage = self.damage or "is truncated: its last frame is not whole"
            return False
        if found is None or not self._add(Part(found, part.stop, is_sized=is_flac)):
            return False
        if self.n_samples is not None:
            self.n_samples += self._lengths[-1]
        return True

    def _fill(self, n: int) -> None:
        """Let silence stand for the next n samples."""
        self._silence = n
        self._silences.append(f"{self.n_read / self.sr:.2f} s to {(self.n_read + n) / self.sr:.2f} s")

    def _note_end(self, error: str) -> None:
        short = self.n_samples is not None and self.n_read + self._slack < self.n_samples
        found = [self.damage] if self.damage else []
        if self._silences:
            found.append(f"is damaged: no sound from {name_first(self._silences)}; silence stands there")
        if not self.damage and (error or short):
            promised = f" of {self.n_samples / self.sr:.2f} s" if self.n_samples is not None and short else ""
            because = f" ({error})" if error else ""
            found.append(
                f"is truncated or damaged: {self.n_read / self.sr:.2f} s{promised} could be read{because}"
            )
        self.damage = ", and ".join(found) or None
        self._silences = []
