"""Groups of plain dictionaries: those of two together, or those of one source."""

from collections.abc import Sequence
from dataclasses import replace as replace_fields

import numpy as np

from nmf_audio._types import Array
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.errors import DictionaryError

__all__ = ["merge", "select_source"]


def merge(dictionary: Dictionary, other: Dictionary, *, replace: bool = False) -> Dictionary:
    """Add the groups of another plain dictionary of the same front end, divergence and exponent.

    Atoms describe bands divided by a long-term spectrum. Those of the other dictionary are brought to this
    one's: ``W * (other.spectrum / spectrum)**power``, then to L2 norm 1. Where both have a group of one name in
    one source, `dictionary` wins; `replace` leaves out all groups of the other whose source it has. Speech
    comes first, then the other sources by name, with the provenance of both as far as it is in use.

    `DictionaryError` if one of the two is not plain, or they do not fit together.
    """
    for one in (dictionary, other):
        if one.kind != "plain":
            raise DictionaryError(f"dictionary {one.name!r} is {one.kind}; only plain ones can be merged")
    mine, its = ((d.spec, d.beta, d.power) for d in (dictionary, other))
    if mine != its:
        raise DictionaryError(
            f"dictionary {other.name!r} has (front end, beta, power) = {its}; must be {mine}; "
            "train both alike"
        )
    own = [(group, _atoms(dictionary, group)) for group in dictionary.groups]
    taken = {(group.name, group.source) for group in dictionary.groups}
    shut = set(dictionary.sources) if replace else set()
    ratio = (other.spectrum / dictionary.spectrum) ** np.float32(other.power)
    added = [
        (group, _unit(_atoms(other, group) * ratio[:, None]))
        for group in other.groups
        if (group.name, group.source) not in taken and group.source not in shut
    ]
    parts = sorted(own + added, key=lambda part: (part[0].source != "speech", part[0].source, part[0].name))
    used = {group.source for group, _ in added}
    meta = dict(dictionary.meta)
    for key in ("training", "trained_on"):
        kept = [entry for entry in other.meta.get(key, ()) if entry.get("source") in used]
        meta[key] = [*kept, *dictionary.meta.get(key, ())]
    return replace_fields(_put_together(dictionary, parts), name="unsaved", meta=meta)


def select_source(dictionary: Dictionary, source: str) -> Dictionary:
    """Return a plain dictionary without the groups of other sources."""
    parts = [(group, _atoms(dictionary, group)) for group in dictionary.groups if group.source == source]
    return _put_together(dictionary, parts)


def _put_together(like: Dictionary, parts: Sequence[tuple[Group, Array]]) -> Dictionary:
    groups, start = [], 0
    for group, W in parts:
        groups.append(replace_fields(group, start=start, stop=start + W.shape[1]))
        start += W.shape[1]
    arrays = {"W": np.concatenate([W for _, W in parts], axis=1)}
    return replace_fields(like, arrays=arrays, groups=tuple(groups))


def _atoms(dictionary: Dictionary, group: Group) -> Array:
    return dictionary.arrays["W"][:, group.start : group.stop]


def _unit(W: Array) -> Array:
    unit: Array = W / np.linalg.norm(W, axis=0)
    return unit
