"""What outputs need besides their writer: the way to another rate, and sentences about what they can't be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio.io.containers import Container
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.open import Reader, Writer, get_default_container
from nmf_audio.io.resample import Resampler

__all__ = ["describe_changes", "open_output"]

Samples = npt.NDArray[np.floating[Any]]


def open_output(stack: ExitStack, writer: Writer, reader: Reader) -> Callable[[Samples], Samples]:
    """Enter the context of a writer, and return what takes samples at the rate of the recording.

    Parameters
    ----------
    stack : ExitStack
        Closes the writer, once what is left of a conversion went into it.
    writer : AudioWriter, MediaWriter or StreamWriter
        Where to.
    reader : AudioReader, MediaReader or StreamReader
        The recording.

    Returns
    -------
    callable
        Takes blocks (n_channels, n) and returns them as they were stored; at another rate, as they are.
    """
    stack.enter_context(writer)
    if writer.sr == reader.sr:
        return writer.write
    return stack.enter_context(Resampler(writer.write, reader.sr, writer.sr, reader.n_channels)).write


def describe_changes(
    reader: Reader, container: Container, *, format: str | None, subtype: str | None, what: str
) -> list[str]:
    """Say what of a recording its output could not be, though nobody asked for another.

    Parameters
    ----------
    reader : AudioReader, MediaReader or StreamReader
        The recording.
    container : Container
        What was written.
    format, subtype : str or None
        What was asked for.
    what : str
        What was done with the recording, ``'denoised'``.

    Returns
    -------
    list of str
        A sentence each.
    """
    source, found = get_default_container(reader), []
    if subtype is None and container.subtype != source.subtype and container.format == source.format:
        found.append(f"{source.subtype} can't be written; it is now {container.subtype}")
    if isinstance(reader, MediaReader) and reader.n_tracks > 1:
        found.append(f"sound track {reader.track} of {reader.n_tracks} was {what}, and no other")
    if container.format == "RF64" and "RF64" not in (source.format, str(format).upper()):
        found.append("this is more than a WAV can hold; it is now RF64")
    return found
