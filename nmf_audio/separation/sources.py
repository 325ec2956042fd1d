"""Named sources of a separation, and their dictionaries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmf_audio._checks import invalid
from nmf_audio._types import Array
from nmf_audio.defaults import RESIDUAL
from nmf_audio.dictionary import Dictionary, load_dictionary
from nmf_audio.dictionary.dictionary import is_source_name
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import DictionaryError, ParameterError

__all__ = [
    "DictionaryLike",
    "PlainSources",
    "check_source_name",
    "combine_plain_dictionaries",
    "name_dictionaries",
]

DictionaryLike = Dictionary | str | os.PathLike[str]


def check_source_name(name: object) -> str:
    """Return a name if a source may be called so: it becomes a part of file names. Raises ParameterError if not."""
    if not isinstance(name, str) or not is_source_name(name):
        allowed = "a name of letters, digits, - and _, at most 64, that starts with a letter or digit"
        raise invalid("source", name, allowed)
    if name == RESIDUAL:
        raise invalid("source", name, "another name, since this is what remains besides all sources")
    return name


def name_dictionaries(
    sources: Mapping[str, DictionaryLike] | Iterable[DictionaryLike] | DictionaryLike,
) -> dict[str, Dictionary]:
    """Load dictionaries, and name them where nobody has.

    Each is a `Dictionary`, the name of a shipped one, or a file. Without a name of its own a dictionary of one source
    is called like its file, or, if it was never saved, like its source. Raises ParameterError if there are none, or
    two have one name, or a name is not allowed, and DictionaryError if one can't be used.
    """
    if isinstance(sources, Mapping):
        loaded = {name: load_dictionary(given) for name, given in sources.items()}
        for name, dictionary in loaded.items():
            if len(dictionary.sources) == 1:
                check_source_name(name)
        return loaded
    if isinstance(sources, Dictionary | str | os.PathLike):
        sources = [sources]
    if not isinstance(sources, Iterable) or isinstance(sources, bytes):
        raise invalid("sources", sources, "dictionaries, their names or files")
    named: dict[str, Dictionary] = {}
    for given in sources:
        dictionary = load_dictionary(given)
        if isinstance(given, Dictionary) and len(given.sources) == 1:
            name = given.sources[0]
        else:
            name = dictionary.name if isinstance(given, Dictionary) else Path(given).stem
        if len(dictionary.sources) == 1:
            check_source_name(name)
        if name in named:
            raise _two_called(name)
        named[name] = dictionary
    return named


def _two_called(name: str) -> ParameterError:
    return invalid("sources", name, "called differently", given=f"two sources are called {name!r}")


@dataclass(frozen=True)
class PlainSources:
    """Atoms of named sources, brought to one long-term spectrum.

    Attributes
    ----------
    atoms : dict of str to ndarray (n_bands, n_components), float32
        Atoms of each source.
    spec : FrontEndSpec
        The front end of all.
    spectrum : ndarray (n_bands,), float32
        Divisor of the bands: the mean of the dictionaries' own spectra.
    beta, power : float
        Divergence of the activations, exponent of the magnitudes.
    """

    atoms: dict[str, Array]
    spec: FrontEndSpec
    spectrum: Array
    beta: float
    power: float


def combine_plain_dictionaries(named: Mapping[str, Dictionary], beta: float | None) -> PlainSources:
    """Put the atoms of plain dictionaries together.

    Each describes bands divided by a long-term spectrum of its own; atoms become ``W * (own / mean)**power``. A
    dictionary with several sources gives all of them under their own names. `beta` None takes the divergence of the
    dictionaries. Raises DictionaryError if one is not plain, or they do not fit together, and ParameterError if two
    sources have one name, or `beta` does not fit the dictionaries.
    """
    for dictionary in named.values():
        if dictionary.kind != "plain":
            raise DictionaryError(
                f"dictionary {dictionary.name!r} is {dictionary.kind}; only plain ones can be put together"
            )
    first_name, first = next(iter(named.items()))
    for name, dictionary in named.items():
        if dictionary.spec != first.spec:
            raise DictionaryError(
                f"{name!r} has another front end than {first_name!r} ({dictionary.spec} and {first.spec}); "
                "train both with the same"
            )
        if dictionary.power != first.power:
            raise DictionaryError(
                f"{name!r} describes magnitudes to the power {dictionary.power:g}, {first_name!r} to the power "
                f"{first.power:g}; train both with the same beta"
            )
        if beta is None and dictionary.beta != first.beta:
            raise DictionaryError(
                f"{name!r} was learned with beta {dictionary.beta:g}, {first_name!r} with {first.beta:g}; "
                "choose one by beta, or train both alike"
            )
    if beta is None:
        beta = first.beta
    # as training chooses it: Itakura-Saito is a divergence of powers
    elif (beta < 0.5) != (first.power > 1.5):
        have, allowed = ("magnitudes", "0.5 or more") if first.power < 1.5 else ("powers", "below 0.5")
        advice = f"the dictionaries describe {have}; train others with {beta:g}"
        raise invalid("beta", beta, allowed, advice)
    spectra = np.stack([d.spectrum for d in named.values()])
    spectrum = spectra.mean(axis=0, dtype=np.float64).astype(np.float32)
    atoms: dict[str, Array] = {}
    for name, dictionary in named.items():
        ratio = (dictionary.spectrum / spectrum) ** np.float32(dictionary.power)
        for source in dictionary.sources:
            called = name if len(dictionary.sources) == 1 else check_source_name(source)
            if called in atoms:
                raise _two_called(called)
            atoms[called] = dictionary.columns(source) * ratio[:, None]
    return PlainSources(atoms, first.spec, spectrum, beta, first.power)
