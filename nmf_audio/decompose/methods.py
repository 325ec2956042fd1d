"""Table of the denoising methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nmf_audio.decompose.base import Decomposition
from nmf_audio.dictionary import Dictionary
from nmf_audio.errors import DictionaryError

__all__ = ["METHODS", "Method", "default_method", "make_decomposition"]


@dataclass(frozen=True)
class Method:
    """A method: the kind of dictionary that it takes, and the shipped one of that kind."""

    kind: str
    shipped: str
    make: Callable[[Dictionary, int, bool], Decomposition]


def _make_trained(dictionary: Dictionary, n_observed: int, keep_priors: bool) -> Decomposition:
    from nmf_audio.decompose.trained import TrainedDecomposition

    return TrainedDecomposition(dictionary, n_observed, keep_priors=keep_priors)


def _make_adaptive(dictionary: Dictionary, n_observed: int, keep_priors: bool) -> Decomposition:
    from nmf_audio.decompose.adaptive import AdaptiveDecomposition

    return AdaptiveDecomposition(dictionary, n_observed)


def _make_classic(dictionary: Dictionary, n_observed: int, keep_priors: bool) -> Decomposition:
    from nmf_audio.decompose.fixed import ClassicDecomposition

    return ClassicDecomposition(dictionary, n_observed)


# methods are imported at their first use: two of them load compiled kernels, which takes most of a second
METHODS = {
    "trained": Method("trained", "best", _make_trained),
    "adaptive": Method("plain", "plain", _make_adaptive),
    "classic": Method("plain", "plain", _make_classic),
}
"""Methods by name, the best first."""


def default_method(dictionary: Dictionary) -> str:
    """Return the name of the best method for a dictionary; raises DictionaryError if none takes its kind."""
    for name, method in METHODS.items():
        if method.kind == dictionary.kind:
            return name
    raise DictionaryError(
        f"dictionary {dictionary.name!r} is a {dictionary.kind}: it separates its sources, and denoises nothing; "
        "use it to separate"
    )


def make_decomposition(
    method: str, dictionary: Dictionary, n_observed: int, *, keep_priors: bool = False
) -> Decomposition:
    """Return a new decomposition by a method's name, for the first `n_observed` of the dictionary's bands.

    With `keep_priors` its estimates have the priors of a gated memory, if the dictionary has one.
    """
    return METHODS[method].make(dictionary, n_observed, keep_priors)
