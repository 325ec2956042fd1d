"""Recordings that are outputs of others, by their names, and so left out of what a command reads."""

import functools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from nmf_audio import defaults
from nmf_audio.io.remote import identify

__all__ = ["find_outputs"]

PARTS = (
    *(
        "denoised",
        "restored",
        "noise",
        "speech",
        "harmonic",
        "percussive",
        "example",
        "rest",
        defaults.RESIDUAL,
    ),
    *(f"source{i}" for i in range(1, 17)),
)
"""What the usual names of outputs have behind the stem."""


def find_outputs(
    recordings: Sequence[tuple[Path, Sequence[Path]]], sources: Iterable[str] = ()
) -> dict[Path, Path]:
    """Return those recordings that are outputs of others, each with the recording that it was made from.

    Of each recording its planned outputs are given, and names of `sources` that outputs may have. Those of another
    command count by their usual names.
    """
    written: dict[str, list[Path]] = {}
    wholes: dict[tuple[str, str], list[Path]] = {}
    find_folder, list_origins = functools.cache(identify), functools.cache(_list_origins)
    for src, targets in recordings:
        for folder in {src.parent, targets[0].parent}:
            wholes.setdefault((find_folder(folder), src.stem), []).append(src)
        for target in map(identify, targets):
            written.setdefault(target, []).append(src)
    is_part = _PartNames(sources)
    outputs = {}
    for src, _ in recordings:
        real = identify(src)
        if src in written.get(real, ()):
            # it would be written over, which is an error
            continue
        stem, _, part = src.stem.rpartition(".")
        found = [
            whole
            for folder in (list_origins(find_folder(src.parent)) if stem else ())
            for whole in wholes.get((folder, stem), ())
        ]
        for whole in (*written.get(real, ()), *(found if found and part in is_part else ())):
            if whole != src:
                outputs[src] = whole
    return outputs


def _list_origins(folder: str) -> set[str]:
    """Return where the recordings may lie whose outputs are in a folder: there, or some folders on the way fewer."""
    names = Path(folder).parts
    ends = range(len(names) + 1)
    return {folder, *(str(Path(*names[:i], *names[j:])) for i in ends for j in ends[i:])}


class _PartNames:
    """What stands behind the stem in the usual names of outputs: of all commands, and of `sources`."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._names = {*PARTS, *sources}

    def __contains__(self, name: str) -> bool:
        return name in self._names or name in self._own

    @functools.cached_property
    def _own(self) -> set[str]:
        """The sources of a person's own dictionaries; it takes time to look into them."""
        from nmf_audio.dictionary import load_dictionary
        from nmf_audio.dictionary.folders import own_dictionaries
        from nmf_audio.errors import DictionaryError

        names = set()
        for name, path in own_dictionaries().items():
            with suppress(DictionaryError):
                names |= {name, *load_dictionary(path).sources}
        return names
