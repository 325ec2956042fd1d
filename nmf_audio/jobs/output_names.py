"""Default names of outputs: patterns with the stem and the extension of the recording."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nmf_audio._types import PathLike
from nmf_audio.defaults import DEFAULT_NAME, DEFAULT_SOURCE_NAME, RESIDUAL
from nmf_audio.io.containers import choose_extension
from nmf_audio.io.remote import Url, locate

__all__ = ["default_output", "source_files"]


def default_output(
    src: PathLike | Url,
    folder: PathLike | Url | None = None,
    *,
    name: str = DEFAULT_NAME,
    format: str | None = None,
    source: str = "",
) -> Path:
    """Return the default path of an output: in `folder`, or beside the recording.

    In `name`, ``{stem}`` and ``{ext}`` stand for those of the recording (with `format` for an extension of
    that), and ``{source}`` for the name of a source.

    Examples
    --------
    >>> default_output("talks/monday.wav").as_posix()
    'talks/monday.denoised.wav'
    >>> default_output("talks/monday.wav", "clean", name="{stem}.flac").as_posix()
    'clean/monday.flac'
    >>> default_output("talks/monday.wav", format="FLAC").as_posix()
    'talks/monday.denoised.flac'
    """
    src = locate(src)
    fields = {"{stem}": src.stem, "{ext}": choose_extension(src.suffix, format)}
    if source:
        fields["{source}"] = source
    # in one pass: a stem may itself look like a field
    filled = re.sub("|".join(map(re.escape, fields)), lambda match: fields[match.group()], name)
    return (src.parent if folder is None else locate(folder)) / filled


def source_files(
    src: PathLike | Url,
    sources: Iterable[str],
    folder: PathLike | Url | None = None,
    *,
    name: str = DEFAULT_SOURCE_NAME,
    format: str | None = None,
) -> dict[str, Path]:
    """Return the default paths of the parts of a mixture: `default_output` for each source and the residual.

    Examples
    --------
    >>> source_files("songs/one.flac", ["speech"], "out")["residual"].as_posix()
    'out/one.residual.flac'
    """
    return {
        source: default_output(src, folder, name=name, format=format, source=source)
        for source in (*sources, RESIDUAL)
    }
