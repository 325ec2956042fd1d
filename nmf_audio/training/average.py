"""Mean of trained dictionaries whose trainings share a beginning, and the sharpness of their masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nmf_audio._checks import check_number, invalid
from nmf_audio.dictionary import Dictionary
from nmf_audio.training.parameters import from_arrays, to_arrays

__all__ = ["average_denoisers"]

MASK_LOGITS = ("p", "head_mask", "head_mask_local", "head_mask_second")
"""The mask's logit is a sum of products with these."""


def average_denoisers(dictionaries: Sequence[Dictionary], *, sharpness: float = 1.0) -> Dictionary:
    """Average dictionaries that were finished in several ways from one state of a training.

    Where trainings share a beginning, the mean of their weights is often better than each of them, and costs no more
    (Wortsman et al., "Model soups", ICML 2022). It is taken of the variables that a training moves, such as the
    logarithms of atoms. Then the logit of the speech mask is multiplied: ``mask = sigmoid(sharpness * logit)``.

    Parameters
    ----------
    dictionaries : sequence of Dictionary
        One or more of kind ``'trained'``, with arrays of the same names and shapes and the same long-term spectrum.
    sharpness : float
        0.5 to 2; above 1 masks are closer to 0 and 1, below they are softer.

    Returns
    -------
    Dictionary
        Of kind ``'trained'``; its `meta` holds under ``averaged`` the hashes of the dictionaries and the sharpness.

    Raises
    ------
    ParameterError
        When there is none, or they don't fit together, or `sharpness` is out of its range.

    Examples
    --------
    >>> from nmf_audio import load_dictionary
    >>> best = load_dictionary("best")
    >>> sharper = average_denoisers([best], sharpness=1.5)
    >>> bool(np.allclose(sharper.arrays["p"], 1.5 * best.arrays["p"]))
    True
    """
    factor = np.float32(check_number("sharpness", sharpness, 0.5, 2, advice="1 changes nothing"))
    if not dictionaries:
        raise invalid("dictionaries", dictionaries, "at least one")
    first = dictionaries[0]
    for one in dictionaries:
        if _form(one) != _form(first) or not np.array_equal(one.spectrum, first.spectrum):
            given = f"dictionary {one.name!r} does not fit {first.name!r}"
            raise invalid(
                "dictionaries", one, "trained ones from one beginning, of the same sizes", given=given
            )
    free = [from_arrays(one.arrays) for one in dictionaries]
    mean = {name: np.mean([x[name] for x in free], axis=0, dtype=np.float64) for name in free[0]}
    arrays = to_arrays({name: np.asarray(x, np.float32) for name, x in mean.items()})
    arrays |= {name: np.asarray(factor * arrays[name], np.float32) for name in MASK_LOGITS if name in arrays}
    hashes = [one.sha256 for one in dictionaries]
    return Dictionary(
        kind="trained",
        spec=first.spec,
        spectrum=first.spectrum,
        arrays=arrays,
        groups=first.groups,
        meta={
            "averaged": {"dictionaries": hashes, "sharpness": float(sharpness)},
            **{
                key: _union(one.meta.get(key, ()) for one in dictionaries)
                for key in ("trained_on", "held_out")
            },
        },
    )


def _form(dictionary: Dictionary) -> Any:
    shapes = {name: array.shape for name, array in dictionary.arrays.items()}
    return dictionary.kind, dictionary.spec, dictionary.groups, shapes


def _union(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """All rows in their order, each once."""
    rows: list[Any] = []
    for one in lists:
        rows += [row for row in one if row not in rows]
    return rows
