"""Provenance of a dictionary: what its `meta` may say of recordings, licences, commands and scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nmf_audio.errors import DictionaryError

__all__ = ["check_provenance"]

_LARGEST = 1e15
_LISTS = ("commands", "notes")
_ROWS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "trained_on": {"source": str, "origin": str, "licence": str, "recordings": int, "seconds": (int, float)},
    "held_out": {"source": str, "groups": list, "origins": list, "recordings": int, "seconds": (int, float)},
    "training": {
        "source": str,
        "n_frames": int,
        "max_iter": int,
        "seed": object,
        "cost_per_frame": (int, float),
    },
}


def check_provenance(meta: Mapping[str, Any]) -> None:
    """Raise DictionaryError if what cards and commands show of a `meta` is not what they take it for.

    All may be missing, and other entries may be anything.
    """
    wrong = [name for name in ("licence",) if not isinstance(meta.get(name, ""), str)]
    wrong += [name for name in _LISTS if not _is_list_of(meta.get(name, ()), str)]
    wrong += [name for name, fields in _ROWS.items() if not _are_rows(meta.get(name, ()), fields)]
    if not isinstance(versions := meta.get("versions", {}), Mapping) or not _is_list_of(
        [*versions, *versions.values()], str
    ):
        wrong.append("versions")
    if not _is_list_of(meta.get("compared") or (), list | tuple):
        wrong.append("compared")
    if wrong:
        raise DictionaryError(f"its provenance has {wrong[0]!r} of another form than a dictionary's")


def _is_list_of(entries: Any, kind: Any) -> bool:
    return isinstance(entries, list | tuple) and all(isinstance(entry, kind) for entry in entries)


def _are_rows(rows: Any, fields: Mapping[str, type | tuple[type, ...]]) -> bool:
    return _is_list_of(rows, Mapping) and all(
        name in row and isinstance(row[name], kind) and _is_flat(row[name])
        for row in rows
        for name, kind in fields.items()
    )


def _is_flat(value: Any) -> bool:
    if isinstance(value, int | float):
        # no NaN, and nothing that a float does not hold
        return abs(value) <= _LARGEST
    return not isinstance(value, list) or _is_list_of(value, str)
