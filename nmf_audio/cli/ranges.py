"""Numbers of options, and their ranges."""

import argparse
import math
from collections.abc import Mapping

from nmf_audio.cli import common

Range = tuple[type[int] | type[float], float, float]
"""Type of a number, and the lowest and highest that are allowed."""


def read_numbers(
    args: argparse.Namespace, ranges: Mapping[str, Range], errors: list[str]
) -> dict[str, float]:
    """Return the options in `ranges` that were given, by name; add to `errors` those that are no such numbers."""
    from nmf_audio._checks import check_number, check_whole

    numbers: dict[str, float] = {}
    for name, (kind, low, high) in ranges.items():
        text = getattr(args, name.replace("-", "_"))
        if text is None:
            continue
        with common.collecting(errors):
            if kind is int:
                highest = None if high == math.inf else int(high)
                numbers[name] = check_whole(name, common.parse_whole(text), int(low), highest)
            else:
                numbers[name] = check_number(name, common.parse_number(text), low, high)
    return numbers
