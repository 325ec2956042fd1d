"""Dictionaries, as objects and as files.

A file is a ``.npz`` without pickle: float32 arrays and one JSON text ``meta``. It may come from a stranger, so the
loader checks sizes before it reads and every property that the decompositions rely on before it returns.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_choice, invalid
from nmf_audio._types import Array
from nmf_audio.dictionary.folders import home_folder, own_dictionaries
from nmf_audio.dictionary.npz_file import read_arrays, shorten, write_arrays
from nmf_audio.dictionary.provenance import check_provenance
from nmf_audio.dictionary.schema import check_separator_arrays, check_trained_arrays
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import DictionaryError, ParameterError

__all__ = [
    "DEFAULT_DICTIONARY",
    "Dictionary",
    "Group",
    "find_file",
    "is_source_name",
    "load_dictionary",
    "shipped_dictionaries",
]


FORMAT_VERSION = 1
KINDS = ("plain", "trained", "separator")
DEFAULT_DICTIONARY = "best"

MAX_NAME_CHARS = 255
SOURCE_NAME_RULE = (
    "a name of letters, digits, - and _, at most 64, that starts with a letter or digit, is needed"
)

_SOURCE_NAME = re.compile(r"[^\W_][\w-]{0,63}")
MAX_BANDS, MAX_COMPONENTS = 4096, 65536
MAX_VALUE = 1e15
"""Of a spectrum or a plain atom: float32 holds sums of its square."""


@dataclass(frozen=True)
class Group:
    """Atoms that belong together: columns ``start`` to ``stop - 1`` of one source, for example one noise kind."""

    name: str
    source: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Atoms by source, with the front end that they were learned through and where they come from.

    Parameters
    ----------
    kind : {'plain', 'trained', 'separator'}
        ``plain``: KL or IS NMF atoms. ``trained``: parameters of the unrolled decomposition of speech and noise.
        ``separator``: of that of any sources.
    spec : FrontEndSpec
        The front end.
    spectrum : ndarray (n_bands,), float32
        Long-term speech spectrum that bands are divided by; positive.
    arrays : mapping of str to ndarray, float32
        ``plain``: ``W`` (n_bands, n_components), non-negative, columns = atoms. Others: see
        `nmf_audio.dictionary.schema`.
    groups : tuple of Group
        Which columns of ``W`` belong to which source; together they cover each column once.
    beta : float
        Divergence that the atoms were learned with: 1 Kullback-Leibler, 0 Itakura-Saito.
    power : float
        Exponent of the magnitudes that the atoms describe: 1 magnitude, 2 power.
    meta : mapping
        Provenance that JSON can hold: sources, licence, seed, command, program version.
    name : str
        The name in messages: the file's stem, or ``'unsaved'``.

    Raises
    ------
    DictionaryError
        If the parts do not fit together.

    Examples
    --------
    >>> dictionary = load_dictionary("plain")
    >>> sorted(dictionary.sources)
    ['noise', 'speech']
    >>> dictionary.columns("speech").shape[0] == dictionary.spec.n_bands
    True
    """

    kind: str
    spec: FrontEndSpec
    spectrum: Array
    arrays: Mapping[str, Array]
    groups: tuple[Group, ...]
    beta: float = 1.0
    power: float = 1.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    name: str = "unsaved"

    def __post_init__(self) -> None:
        _check(self)
        for array in (self.spectrum, *self.arrays.values()):
            array.setflags(write=False)
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.kind, self.spec, self.spectrum, dict(self.arrays), self.groups)
        return type(self), (*values, self.beta, self.power, dict(self.meta), self.name)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.n_components(s)} {s}" for s in self.sources)
        return f"<Dictionary {self.name!r}: {self.kind}, {counts} atoms of {self.spec.n_bands} bands>"

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources in the order of their columns."""
        return tuple(dict.fromkeys(g.source for g in self.groups))

    def n_components(self, source: str) -> int:
        """Return how many atoms `source` has."""
        return sum(g.stop - g.start for g in self.groups if g.source == source)

    def columns(self, source: str) -> Array:
        """Return the atoms of one source, (n_bands, n_components), float32.

        Raises
        ------
        ParameterError
            If the dictionary has no such source.
        """
        check_choice("source", source, self.sources, advice=f"dictionary {self.name!r} has no other")
        W = self.arrays["W"] if self.kind == "plain" else self.arrays["W_out"]
        return np.concatenate([W[:, g.start : g.stop] for g in self.groups if g.source == source], axis=1)

    @property
    def sha256(self) -> str:
        """Hash over names, shapes, types and values of all arrays, as hexadecimal text."""
        digest = hashlib.sha256()
        for name, array in sorted({**self.arrays, "spectrum": self.spectrum}.items()):
            digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the dictionary to `path`; an existing file is replaced once the new one is complete.

        The same dictionary gives the same bytes.

        Raises
        ------
        DictionaryError
            If the file can't be written.
        """
        meta = {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "spec": self.spec.to_dict(),
            "beta": self.beta,
            "power": self.power,
            "groups": [[g.name, g.source, g.start, g.stop] for g in self.groups],
            "sha256": self.sha256,
            "provenance": dict(self.meta),
        }
        arrays: dict[str, npt.NDArray[Any]] = {"meta": np.array(json.dumps(meta, sort_keys=True))}
        arrays |= {"spectrum": self.spectrum, **self.arrays}
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dictionary:
        """Read a dictionary file.

        Raises
        ------
        DictionaryError
            If the file is missing, is no dictionary, has another format version, is damaged or holds values that
            no dictionary may have. Nothing in the file is executed, and no more than its declared, limited size is
            read.
        """
        if not isinstance(path, str | os.PathLike):
            raise invalid("path", path, "the path of a dictionary")
        source = Path(path)
        arrays = read_arrays(source)
        try:
            return cls(**_parse(arrays), name=source.stem)
        except (DictionaryError, ParameterError) as error:
            raise DictionaryError(f"{source}: {shorten(error)}") from error


def _parse(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    try:
        meta = json.loads(str(arrays.pop("meta")[()]))
    except (ValueError, RecursionError) as error:
        raise DictionaryError(f"its entry 'meta' is no JSON text: {error}") from error
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        found = meta.get("format_version") if isinstance(meta, dict) else None
        raise DictionaryError(
            f"format version {found!r}; this program reads {FORMAT_VERSION}; update one of them"
        )
    try:
        spectrum = arrays.pop("spectrum")
        groups = tuple(Group(str(n), str(s), int(a), int(b)) for n, s, a, b in meta["groups"])
        values = {
            "kind": meta["kind"],
            "spec": FrontEndSpec.from_dict(meta["spec"]),
            "beta": float(meta["beta"]),
            "power": float(meta["power"]),
            "meta": dict(meta["provenance"]),
        }
        expected = str(meta["sha256"])
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise DictionaryError(f"its entry 'meta' is incomplete or wrong: {error}") from error
    values |= {"spectrum": spectrum, "arrays": arrays, "groups": groups}
    if Dictionary(**values).sha256 != expected:
        raise DictionaryError(
            "its arrays do not have the hash that its 'meta' states; it was changed or damaged"
        )
    return values


def _check(d: Dictionary) -> None:
    _check_types(d)
    check_provenance(d.meta)
    if d.kind not in KINDS:
        raise DictionaryError(f"kind={d.kind!r}; allowed: {', '.join(KINDS)}")
    n_bands = d.spec.n_bands
    if n_bands > MAX_BANDS:
        raise DictionaryError(f"n_bands={n_bands}; at most {MAX_BANDS} are allowed")
    for name, array in {**d.arrays, "spectrum": d.spectrum}.items():
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            kind = getattr(array, "dtype", type(array).__name__)
            raise DictionaryError(f"array {name!r} has type {kind}; an ndarray of float32 is expected")
        if not np.isfinite(array).all():
            raise DictionaryError(f"array {name!r} has values that are not finite")
    if (
        d.spectrum.shape != (n_bands,)
        or not ((d.spectrum >= 1 / MAX_VALUE) & (d.spectrum <= MAX_VALUE)).all()
    ):
        raise DictionaryError(
            f"spectrum has shape {d.spectrum.shape}; ({n_bands},) and values from {1 / MAX_VALUE:g} to "
            f"{MAX_VALUE:g} are expected"
        )
    if not (0 <= d.beta <= 3 and 0.1 <= d.power <= 4):
        raise DictionaryError(f"beta={d.beta}, power={d.power}; allowed are 0 to 3 and 0.1 to 4")
    if d.kind == "trained":
        n_components = check_trained_arrays(d.arrays, n_bands)
    elif d.kind == "separator":
        n_components = check_separator_arrays(d.arrays, n_bands, len(d.sources))
    else:
        W = d.arrays.get("W")
        if W is None or set(d.arrays) != {"W"}:
            raise DictionaryError(f"arrays {sorted(d.arrays)}; a plain dictionary has just 'W'")
        if W.ndim != 2 or W.shape[0] != n_bands or not 1 <= W.shape[1] <= MAX_COMPONENTS:
            raise DictionaryError(f"W has shape {W.shape}; ({n_bands}, n_components) is expected")
        if not (W >= 0).all() or not W.any(axis=0).all():
            raise DictionaryError("W has negative values or atoms that are all zero")
        if not (W <= MAX_VALUE).all():
            raise DictionaryError(f"W has values above {MAX_VALUE:g}")
        n_components = W.shape[1]
    position = 0
    for group in d.groups:
        if not is_source_name(group.source):
            raise DictionaryError(f"source {group.source!r}: {SOURCE_NAME_RULE}")
        if not (group.name.isprintable() and 0 < len(group.name) <= MAX_NAME_CHARS):
            raise DictionaryError(
                f"group {group.name!r}: a name of 1 to {MAX_NAME_CHARS} printable characters is needed"
            )
        if group.start != position or group.stop <= group.start:
            raise DictionaryError(f"group {group.name!r} starts at {group.start}; {position} is expected")
        position = group.stop
    if position != n_components:
        raise DictionaryError(f"groups cover {position} atoms; the dictionary has {n_components}")
    order = [g.source for g in d.groups]
    if sum(a != b for a, b in pairwise(order)) != len(set(order)) - 1:
        raise DictionaryError(f"groups are in the order {order}; those of one source must stand together")


def _check_types(d: Dictionary) -> None:
    for name, kind in (
        *(("kind", str), ("spec", FrontEndSpec), ("arrays", Mapping), ("groups", tuple), ("meta", Mapping)),
        *(("beta", Real), ("power", Real), ("name", str)),
    ):
        if not isinstance(getattr(d, name), kind):
            raise DictionaryError(
                f"{name} has type {type(getattr(d, name)).__name__}; {kind.__name__} is expected"
            )
    for group in d.groups:
        is_good = isinstance(group, Group) and isinstance(group.name, str)
        if not is_good or not all(isinstance(i, Integral) for i in (group.start, group.stop)):
            raise DictionaryError(f"groups has {group!r}; a Group with a name and whole columns is expected")


def is_source_name(name: object) -> bool:
    """Tell whether a source may have this name, which becomes a part of file names.

    Examples
    --------
    >>> is_source_name("left-hand_piano2"), is_source_name("x/../../evil")
    (True, False)
    """
    return isinstance(name, str) and _SOURCE_NAME.fullmatch(name) is not None


def shipped_dictionaries() -> dict[str, Path]:
    """Return name and path of every dictionary that comes with the program.

    Examples
    --------
    >>> "plain" in shipped_dictionaries()
    True
    """
    package = Path(__file__).parent.parent
    # inside the package in a wheel, beside it in a clone
    folder = (
        package / "dictionaries" if (package / "dictionaries").is_dir() else package.parent / "dictionaries"
    )
    return {p.stem: p for p in sorted(folder.glob("*.npz"))}


def load_dictionary(dictionary: Dictionary | str | os.PathLike[str] | None = None) -> Dictionary:
    """Return a dictionary by name or path.

    Parameters
    ----------
    dictionary : Dictionary, str, path or None
        A dictionary; the name of a shipped one; the name of one of your own, see `own_dictionaries`; the path of a
        file; or None for the default, looked up in this order, so that the name of a shipped dictionary means the
        same on every computer.

    Returns
    -------
    Dictionary

    Raises
    ------
    DictionaryError
        If there is no such dictionary, or its file is broken.

    Examples
    --------
    >>> load_dictionary().name == DEFAULT_DICTIONARY
    True
    """
    return dictionary if isinstance(dictionary, Dictionary) else Dictionary.load(find_file(dictionary))


def find_file(dictionary: str | os.PathLike[str] | None) -> Path:
    """Return the file that a name or path stands for, as `load_dictionary` does; DictionaryError if there is none."""
    shipped = shipped_dictionaries()
    if dictionary is None:
        dictionary = DEFAULT_DICTIONARY
    if isinstance(dictionary, str) and dictionary in shipped:
        return shipped[dictionary]
    if not isinstance(dictionary, str | os.PathLike):
        raise invalid("dictionary", dictionary, "a Dictionary, a name or a path")
    own = own_dictionaries() if isinstance(dictionary, str) else {}
    if dictionary in own:
        return own[str(dictionary)]
    # a name may be longer than the system takes
    if not os.path.isfile(dictionary):  # noqa: PTH113
        mine = f" or of your own in {home_folder()}: {', '.join(own)}" if own else ""
        raise DictionaryError(
            f"dictionary {os.fspath(dictionary)!r} is neither a file nor one of the shipped: "
            f"{', '.join(shipped)}{mine}"
        )
    return Path(dictionary)
