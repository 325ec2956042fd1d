"""Audio files that libsndfile reads, block by block, with a description of what is missing of them."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import ReaderContext, Samples, check_values, choose_block_length
from nmf_audio.io.containers import Container
from nmf_audio.io.output_file import OutputFile
from nmf_audio.io.truncation import describe_truncation

__all__ = ["AudioReader", "create_sound", "open_sound"]

# libsndfile's words for these codes name causes that are not the ones
_MISLEADING_CODES = (1, 7)


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read or written from start to end.

    soundfile seeks to where it already is after each block; with MP3 that loses samples, with a damaged FLAC
    the last good block.
    """

    def __init__(self, file: Any, *arguments: Any) -> None:
        self._source = file
        super().__init__(file, *arguments)

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        try:
            super().close()
        finally:
            if isinstance(self._source, io.FileIO):
                self._source.close()


class _Bw64(io.FileIO):
    """A BW64, which libsndfile reads under the older name of the same thing."""

    def readinto(self, buffer: Any) -> int:
        start, n = self.tell(), super().readinto(buffer) or 0
        front = b"RF64"[start : start + n]
        buffer[: len(front)] = front
        return n


def open_sound(path: Path) -> _Sequential:
    """Open a sound file as `soundfile.SoundFile` does, to be read from start to end."""
    # soundfile can't encode names that are no text; bytes pass
    name = os.fsencode(path) if os.name == "posix" else path
    try:
        return _Sequential(name)
    except soundfile.LibsndfileError:
        file = _Bw64(name)
        if file.read(4) == b"BW64":
            file.seek(0)
            return _Sequential(file)
        file.close()
        raise


def create_sound(file: OutputFile, sr: int, n_channels: int, container: Container) -> _Sequential:
    """Begin a sound file, to be written from start to end; it closes the file."""
    return _Sequential(file, "w", sr, n_channels, container.subtype, container.endian, container.format)


class AudioReader(ReaderContext):
    """Reads an audio file block by block; a context manager.

    Parameters
    ----------
    path : str or path
        The file.
    label : str, optional
        Its name in messages; `path` by default.

    Attributes
    ----------
    path : Path
        The file.
    label : str
        Its name in messages.
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    n_samples : int or None
        Length in samples as the header has it; None if it does not say.
    container : Container
        Container, subtype and byte order.
    tags : dict of str
        Title, artist and so on, as libsndfile knows them.
    n_read : int
        Samples read so far.
    damage : str or None
        What is missing of the file, half a sentence; complete once all blocks are read.

    Raises
    ------
    AudioFileError
        If the file is missing, empty, no regular file, or holds no audio that can be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     soundfile.write(file.name, np.zeros((40000, 2)), 16000)
    ...     with AudioReader(file.name) as reader:
    ...         print(reader.sr, reader.n_channels, [block.shape for block in reader.blocks()])
    16000 2 [(2, 16000), (2, 16000), (2, 8000)]
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
            self.damage = describe_truncation(self.path)
        except OSError as error:
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(f"{self.label}: can't be read: {error.strerror}") from error
        if self.path.suffix.lower() == ".raw":
            raise AudioFileError(
                f"{self.label}: has no header that says rate and channels; convert it to WAV first"
            )
        try:
            self._file = open_sound(self.path)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self.label}: {self._unreadable(error)}") from error
        self.sr: int = self._file.samplerate
        self.n_channels: int = self._file.channels
        declared: int = self._file.frames
        self.n_samples = declared if declared < 2**62 else None

    @cached_property
    def container(self) -> Container:
        """Container, subtype and byte order."""
        return Container(self._file.format, self._file.subtype, self._file.endian)

    @cached_property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, as libsndfile knows them; to be asked for before the file is closed."""
        return {name: text for name, text in self._file.copy_metadata().items() if text}

    def _unreadable(self, error: soundfile.LibsndfileError) -> str:
        if self.damage:
            return f"{self.damage}, and what is left can't be read"
        reason = "" if error.code in _MISLEADING_CODES else f" ({error.error_string.rstrip('.')})"
        return f"holds no audio that can be read{reason}; WAV, FLAC, OGG, MP3, AIFF and others can"

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def blocks(self, dtype: type[np.floating[Any]] = np.float32) -> Iterator[Samples]:
        """Yield the samples in blocks of about a second; the memory needed does not grow with the file.

        Parameters
        ----------
        dtype : type
            float32, or float64 for all bits of 32-bit integers and of doubles.

        Yields
        ------
        ndarray (n_channels, n), dtype
            Samples, full scale 1.0.

        Raises
        ------
        AudioFileError
            If a sample is NaN, infinite, or too large for float32 arithmetic; the message says which.
        """
        n_block = choose_block_length(self.sr, self.n_channels)
        failed = False
        while not failed:
            block, failed = self._read_block(n_block, dtype)
            if block.shape[1]:
                yield block
            elif not failed:
                self._note_end(0)
                return

    def read(self, start: int, stop: int) -> Samples:
        """Return samples from `start` up to `stop`, float32; fewer at the end.

        What decoders keep from before has no influence: the file is opened anew. Raises `AudioFileError` as `blocks`.
        """
        if start or self.n_read:
            self._file.close()
            self._file = open_sound(self.path)
            self._file.seek(start)
            self.n_read = start
        block, failed = self._read_block(stop - start, np.float32)
        if block.shape[1] < stop - start and not failed:
            self._note_end(0)
        return block

    def _read_block(self, n: int, dtype: type[np.floating[Any]]) -> tuple[Samples, bool]:
        """Return the next n samples, fewer at the end, and whether the decoder failed behind them."""
        block = np.full((n, self.n_channels), np.nan, dtype)
        failed = False
        try:
            n = len(self._file.read(out=block))
        except soundfile.LibsndfileError as error:
            failed = True
            # what the decoder wrote before it failed is good
            n = int(np.isfinite(block).all(axis=1).argmin())
            self._note_end(n, str(error.error_string).removeprefix("Error : ").rstrip("."))
        y = np.ascontiguousarray(block[:n].T)
        check_values(y, self.n_read, self.sr, self.label)
        self.n_read += n
        return y, failed

    def _note_end(self, n_more: int, reason: str = "") -> None:
        n_read = self.n_read + n_more
        # an MP3 may lack its last two frames of padding without a loss
        slack = 2304 if self.container.format == "MP3" else 0
        short = self.n_samples is not None and n_read + slack < self.n_samples
        if self.damage or not (reason or short):
            return
        promised = f" of {self.n_samples / self.sr:.2f} s" if self.n_samples is not None and short else ""
        because = f" ({reason})" if reason else ""
        self.damage = f"is truncated or damaged: {n_read / self.sr:.2f} s{promised} could be read{because}"
