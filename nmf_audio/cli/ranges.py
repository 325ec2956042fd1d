"""Numbers of options, and their ranges."""

import argparse
import math
from collections.abc import Callable, Mapping

Range = tuple[Callable[[str], float], float, float]
"""Type of a number, and the lowest and highest that are allowed."""


def read_numbers(
    args: argparse.Namespace, ranges: Mapping[str, Range], errors: list[str]
) -> dict[str, float]:
    """Return the options in `ranges` that were given, by name; add to `errors` those that are no such numbers."""
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
