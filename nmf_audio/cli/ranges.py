"""Numbers that options are given, and all that is wrong with them."""

import argparse
import math
from collections.abc import Callable, Mapping

Range = tuple[Callable[[str], float], float, float]
"""Type of a number, and the lowest and highest that are allowed."""


def read_numbers(
    args: argparse.Namespace, ranges: Mapping[str, Range], errors: list[str]
) -> dict[str, float]:
    """Return the options that are numbers and were given, by name.

    Parameters
    ----------
    args : argparse.Namespace
        Has their texts.
    ranges : mapping
        What each may be.
    errors : list of str
        Is added those that are no numbers or out of range.

    Returns
    -------
    dict
    """
    numbers = {}
    for name, (kind, low, high) in ranges.items():
        text = getattr(args, name.replace("-", "_"))
        if text is None:
            continue
        try:
            numbers[name] = kind(text)
        except ValueError:
            errors.append(f"--{name} {text}: must be a {'whole ' if kind is int else ''}number")
            continue
        if not low <= numbers[name] <= high:
            upper = "" if high == math.inf else f" and at most {high:g}"
            errors.append(f"--{name} {text}: must be at least {low:g}{upper}")
    return numbers
