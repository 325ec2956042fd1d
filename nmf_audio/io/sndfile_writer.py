"""Audio files that libsndfile writes, block by block, with a check that all is there in the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio.errors import AudioFileError
from nmf_audio.io.base import Samples, WriterContext
from nmf_audio.io.containers import Container, describe_no_samples, describe_size_limit, find_capacity
from nmf_audio.io.extras import NO_EXTRAS, Extras
from nmf_audio.io.formats import pcm_bits
from nmf_audio.io.output_file import OutputFile
from nmf_audio.io.pcm import quantize
from nmf_audio.io.sndfile_reader import create_sound, open_sound
from nmf_audio.io.speakers import find_ogg_order

__all__ = ["AudioWriter"]

# those that libsndfile has
_TAGS = (
    *("title", "artist", "album", "comment", "date", "tracknumber", "genre", "copyright", "license"),
    "software",
)


class AudioWriter(WriterContext):
    """Writes an audio file block by block; a context manager.

    Integers are rounded to the nearest and saturate; nothing is rescaled or dithered. `extras` is what the file
    has beside the samples; `encoding` how lossy codings are encoded, see `choose_encoding`. `AudioFileError` if
    the container can't hold such a signal, or not that much of it, or if not everything arrived on the disk.

    Attributes
    ----------
    label : str
        Its name in messages.
    n_written : int
        Samples written so far.
    n_clipped : int
        Values that were out of the range of the integers.
    warnings : list of str
        Sentences about what was left out.
    container : Container
        What is being written.
    sr : int
        Sample rate in Hz.
    """

    def __init__(
        self,
        path: Path,
        sr: int,
        n_channels: int,
        container: Container,
        *,
        label: str | None = None,
        extras: Extras = NO_EXTRAS,
        encoding: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_written = self.n_clipped = 0
        self.warnings: list[str] = []
        self._extras, self._lost = extras, list[str]()
        self._additions = extras.additions
        self._path, self.label = path, label or str(path)
        self._bits = extras.valid_bits or pcm_bits(container.subtype)
        self._order = None
        if container.format == "OGG" and (order := find_ogg_order(n_channels)) is not None:
            self._order = np.argsort(order)
        self.container, self.sr, self._n_channels = container, sr, n_channels
        self._room = find_capacity(container)
        self._bytes = OutputFile(path, self.label)
        self._file: Any = None
        try:
            with self._bytes.checking():
                self._file = create_sound(self._bytes, sr, n_channels, container, encoding or {})
        except AudioFileError:
            self._abandon()
            raise
        except soundfile.LibsndfileError as error:
            self._abandon()
            raise AudioFileError(
                f"{self.label}: {container.format} with {container.subtype} can't hold {n_channels} "
                f"channels at {sr} Hz ({error.error_string.rstrip('.')})",
                argument="format",
                purpose=" as another",
            ) from error
        self._tags = self._set_tags(extras.tags)

    def _set_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        kept = {}
        self._lost += [name for name in tags if name not in _TAGS]
        for name in _TAGS:
            if name in tags:
                try:
                    setattr(self._file, name, tags[name])
                except soundfile.LibsndfileError:
                    self._lost.append(name)
                else:
                    kept[name] = tags[name]
        return kept

    def write(self, y: Samples) -> Samples:
        """Append a block (n_channels, n), and return its samples as the file now has them.

        They are rounded to the file's integers, before the encoding of lossy codings; float64 for more than 24
        bits, else of the type of `y`. `AudioFileError` if the disk did not take them.
        """
        if y.shape[1] == 0:
            return y
        if self._room is not None and self.n_written * self._n_channels + y.size > self._room:
            raise AudioFileError(describe_size_limit(self.label, self.container))
        data: npt.NDArray[Any] = np.ascontiguousarray(y.T if self._order is None else y.T[:, self._order])
        if self._bits is not None:
            data, y, n_clipped = quantize(y, self._bits)
            self.n_clipped += n_clipped
        try:
            with self._bytes.checking():
                self._file.write(data)
        except (soundfile.LibsndfileError, AssertionError) as error:
            # soundfile asserts that libsndfile took all it was given
            raise self._write_error() from error
        self.n_written += y.shape[1]
        return y

    def close(self) -> None:
        """End the file; `AudioFileError` if not all of it is there."""
        try:
            with self._bytes.checking():
                self._file.close()
        except soundfile.LibsndfileError as error:
            raise self._write_error() from error
        try:
            with open_sound(self._path) as written:
                n_there, tags = written.frames, written.copy_metadata()
                kind = (written.samplerate, written.channels)
        except soundfile.LibsndfileError as error:
            if self.n_written == 0:
                raise AudioFileError(describe_no_samples(self.label, self.container)) from error
            raise self._write_error() from error
        if kind != (self.sr, self._n_channels):
            raise AudioFileError(
                f"{self.label}: {self.container.format} can't state {self.sr} Hz and {self._n_channels} channels, "
                f"it states {kind[0]} and {kind[1]}; give an output of another format"
            )
        # codings in blocks round the length up
        if n_there < self.n_written:
            raise self._write_error()
        self._lost += [name for name, value in self._tags.items() if tags.get(name) != value]
        self.warnings += self._extras.list_warnings(self.container, self._lost)
        try:
            for add in self._additions:
                add(self._path)
        except OSError as error:
            raise AudioFileError(f"{self.label}: can't be written: {error.strerror}") from error

    def _abandon(self) -> None:
        """Close a file that will be thrown away; what its end can't write no longer matters."""
        try:
            if self._file is not None:
                self._file.close()
        except soundfile.LibsndfileError:
            return
        finally:
            self._bytes.close()

    def _write_error(self) -> AudioFileError:
        return AudioFileError(f"{self.label}: was not written whole")
