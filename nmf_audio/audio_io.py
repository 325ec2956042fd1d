"""Audio files, block by block: reading that says what is wrong, writing that is all or nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio.chunks import append_chunks
from nmf_audio.containers import RATES, Container, pcm_bits, room_for, too_large, unfinished
from nmf_audio.errors import AudioFileError
from nmf_audio.flac import put_blocks
from nmf_audio.id3 import build_tag, put_tag
from nmf_audio.pcm import from_integers, to_integers

__all__ = ["AudioReader", "AudioWriter", "check_values"]

Samples = npt.NDArray[np.floating[Any]]

_MAX_BLOCK_VALUES = 2**20
# full scale is 1.0; the square of this, summed over a frame, is far below the largest float32
_LARGEST = 1e9
# libsndfile's words for these codes name causes that are not the ones
_MISLEADING_CODES = (1, 7)
# an encoder's own signature stands there, whatever was asked for
_OWN_TAGS = ("software",)


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read or written from start to end.

    soundfile seeks to where it already is after each block; with MP3 that loses samples, with a damaged FLAC
    the last good block.
    """

    def seekable(self) -> bool:
        return False


def _open(path: Path, *arguments: Any) -> _Sequential:
    # soundfile can't encode names that are no text; bytes pass
    return _Sequential(os.fsencode(path) if os.name == "posix" else path, *arguments)


class AudioReader:
    """Reads an audio file block by block; a context manager.

    Parameters
    ----------
    path : str or path
        The file.
    label : str, optional
        How messages call it; `path` by default.

    Attributes
    ----------
    path : Path
        The file.
    label : str
        How messages call it.
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
        self.path = Path(path)
        self.label = str(self.path) if label is None else label
        self.n_read = 0
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
                raise AudioFileError(f"{self.label}: is {kind}; name an audio file")
            if status.st_size == 0:
                raise AudioFileError(f"{self.label}: is empty (0 bytes)")
            self.damage = unfinished(self.path)
        except OSError as error:
            if isinstance(error, AudioFileError):
                raise
            raise AudioFileError(f"{self.label}: can't be read: {error.strerror}") from error
        if self.path.suffix.lower() == ".raw":
            raise AudioFileError(
                f"{self.label}: has no header that says rate and channels; convert it to WAV first"
            )
        try:
            self._file = _open(self.path)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self.label}: {self._unreadable(error)}") from error
        self.sr: int = self._file.samplerate
        self.n_channels: int = self._file.channels
        declared: int = self._file.frames
        self.n_samples = declared if declared < 2**62 else None
        self.container = Container(self._file.format, self._file.subtype, self._file.endian)
        self.tags: dict[str, str] = {name: text for name, text in self._file.copy_metadata().items() if text}

    def _unreadable(self, error: soundfile.LibsndfileError) -> str:
        if self.damage:
            return f"{self.damage}, and what is left can't be read"
        reason = "" if error.code in _MISLEADING_CODES else f" ({error.error_string.rstrip('.')})"
        return f"holds no audio that can be read{reason}; WAV, FLAC, OGG, MP3, AIFF and others can"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        n_block = max(1, min(self.sr, _MAX_BLOCK_VALUES // self.n_channels))
        while True:
            block = np.full((n_block, self.n_channels), np.nan, dtype)
            try:
                n = len(self._file.read(out=block))
            except soundfile.LibsndfileError as error:
                # what the decoder wrote before it failed is good
                n = int(np.isfinite(block).all(axis=1).argmin())
                self._note_end(n, str(error.error_string).removeprefix("Error : ").rstrip("."))
                if n:
                    yield self._take(block[:n])
                return
            if n == 0:
                self._note_end(0)
                return
            yield self._take(block[:n])

    def _take(self, block: Samples) -> Samples:
        check_values(block.T, self.n_read, self.sr, self.label)
        self.n_read += len(block)
        return np.ascontiguousarray(block.T)

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


def check_values(block: Samples, first: int, sr: int, label: str) -> None:
    """Check that arithmetic in float32 can take samples.

    Parameters
    ----------
    block : ndarray (n_channels, n)
        Samples.
    first : int
        Where in the recording the first of them stands.
    sr : int
        Sample rate in Hz.
    label : str
        How messages call the recording.

    Raises
    ------
    AudioFileError
        If a sample is NaN, infinite, or too large; the message says which.
    """
    good = np.abs(block) <= _LARGEST
    if good.all():
        return
    n, channel = (int(i) for i in np.argwhere(~good.T)[0])
    value = block[channel, n]
    kind = "NaN" if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:g}"
    raise AudioFileError(
        f"{label}: sample {first + n} ({(first + n) / sr:.3f} s) of channel {channel + 1} is {kind}; "
        f"only finite samples up to {_LARGEST:g} can be processed"
    )


class AudioWriter:
    """Writes an audio file block by block; a context manager.

    Integers are rounded to the nearest and saturate; nothing is rescaled or dithered.

    Parameters
    ----------
    path : Path
        Where to write, for example what `replacing` gives.
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    container : Container
        Container, subtype and byte order.
    tags : mapping, optional
        Title, artist and so on; what the container can't hold is left out with a warning.
    label : str, optional
        How messages call the file; `path` by default.
    chunks : sequence of (bytes, bytes)
        What else a WAV says, see `read_chunks`.
    id3 : bytes
        The tag of an MP3, see `read_tag`; made of `tags` by default.
    blocks : sequence of (int, bytes)
        What else a FLAC says, see `read_blocks`.

    Attributes
    ----------
    label : str
        How messages call the file.
    n_written : int
        Samples written so far.
    n_clipped : int
        Values that were out of the range of the integers.
    warnings : list of str
        What was left out.
    container : Container
        What is being written.
    sr : int
        Sample rate in Hz.

    Raises
    ------
    AudioFileError
        If the container can't hold such a signal, or not that much of it, or if not everything arrived on the disk.
    """

    def __init__(
        self,
        path: Path,
        sr: int,
        n_channels: int,
        container: Container,
        *,
        tags: Mapping[str, str] | None = None,
        label: str | None = None,
        chunks: Sequence[tuple[bytes, bytes]] = (),
        id3: bytes = b"",
        blocks: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        self._blocks = blocks
        self._chunks = chunks
        self.n_written = self.n_clipped = 0
        self.warnings: list[str] = []
        self._path, self.label, self._bits = path, label or str(path), pcm_bits(container.subtype)
        self.container, self.sr, self._n_channels = container, sr, n_channels
        self._room = room_for(container)
        try:
            self._file = _open(
                path, "w", sr, n_channels, container.subtype, container.endian, container.format
            )
        except soundfile.LibsndfileError as error:
            self._probe_disk()
            rates = RATES.get(container.subtype, (sr,))
            advice = "" if sr in rates else f" --rate (sr=) with one of {', '.join(map(str, rates))} or"
            raise AudioFileError(
                f"{self.label}: {container.format} with {container.subtype} can't hold {n_channels} "
                f"channels at {sr} Hz ({error.error_string.rstrip('.')}); give{advice} an output of another "
                "format"
            ) from error
        if container.format == "MP3":
            # libsndfile hands UTF-8 to its Latin-1 fields, and knows some of them only
            kept = {name: text for name, text in (tags or {}).items() if name not in _OWN_TAGS}
            self._id3, self._tags = id3 or build_tag(kept), {}
        else:
            self._id3, self._tags = b"", self._set_tags(tags or {})

    def _set_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        kept = {}
        lost = []
        for name, value in tags.items():
            try:
                setattr(self._file, name, value)
            except soundfile.LibsndfileError:
                lost.append(name)
            else:
                kept[name] = value
        self._warn_of_tags(lost)
        return kept

    def _warn_of_tags(self, names: Iterable[str]) -> None:
        names = [name for name in names if name not in _OWN_TAGS]
        if names:
            self.warnings.append(f"tags that {self.container.format} does not keep here: {', '.join(names)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def write(self, y: Samples) -> Samples:
        """Append a block.

        Parameters
        ----------
        y : ndarray (n_channels, n), float32 or float64
            Samples, full scale 1.0.

        Returns
        -------
        ndarray (n_channels, n)
            The samples as the file now has them (before the encoding, for lossy ones): rounded to its integers.
            float64 for more than 24 bits, else the type of `y`.

        Raises
        ------
        AudioFileError
            If the disk did not take it.
        """
        if y.shape[1] == 0:
            return y
        if self._room is not None and self.n_written * self._n_channels + y.size > self._room:
            raise AudioFileError(too_large(self.label, self.container))
        data: npt.NDArray[Any] = np.ascontiguousarray(y.T)
        if self._bits is not None:
            data, n_clipped = to_integers(y, self._bits)
            self.n_clipped += n_clipped
            y = from_integers(data, y.dtype if self._bits <= 24 else np.float64)
        try:
            self._file.write(data)
        except (soundfile.LibsndfileError, AssertionError) as error:
            # soundfile asserts that libsndfile took all it was given
            raise self._write_error() from error
        self.n_written += y.shape[1]
        return y

    def close(self) -> None:
        """End the file and check that all of it is there.

        Raises
        ------
        AudioFileError
            If it is not.
        """
        try:
            self._file.close()
        except soundfile.LibsndfileError as error:
            raise self._write_error() from error
        try:
            with _open(self._path) as written:
                n_there, tags = written.frames, written.copy_metadata()
                kind = (written.samplerate, written.channels)
        except soundfile.LibsndfileError as error:
            if self.n_written == 0:
                raise AudioFileError(
                    f"{self.label}: {self.container.format} with {self.container.subtype} can't hold a "
                    "recording without samples; name an output of another format"
                ) from error
            raise self._write_error() from error
        if kind != (self.sr, self._n_channels):
            raise AudioFileError(
                f"{self.label}: {self.container.format} can't say {self.sr} Hz and {self._n_channels} channels, "
                f"it says {kind[0]} and {kind[1]}; give an output of another format"
            )
        # codings in blocks round the length up
        if n_there < self.n_written:
            raise self._write_error()
        self._warn_of_tags(name for name, value in self._tags.items() if tags.get(name) != value)
        try:
            if self._chunks:
                append_chunks(self._path, self._chunks)
            if self._id3:
                put_tag(self._path, self._id3)
            if self._blocks:
                put_blocks(self._path, self._blocks)
        except OSError as error:
            raise AudioFileError(f"{self.label}: can't be written: {error.strerror}") from error

    def _abandon(self) -> None:
        """Close a file that will be thrown away; what its end can't write no longer matters."""
        try:
            self._file.close()
        except soundfile.LibsndfileError:
            return

    def _write_error(self) -> AudioFileError:
        self._probe_disk()
        return AudioFileError(f"{self.label}: was not written whole")

    def _probe_disk(self) -> None:
        """Raise with the system's own reason if the file can't grow; libsndfile has 'System error' only."""
        try:
            with self._path.open("ab") as file:
                file.write(bytes(2**16))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise AudioFileError(f"{self.label}: can't be written: {error.strerror}") from error
