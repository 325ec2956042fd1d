"""Argument validation: one rule and one wording for all rooms."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from typing import Any, TypeVar

from nmf_audio.errors import ParameterError

__all__ = ["check_choice", "check_number", "check_whole", "invalid"]

Choice = TypeVar("Choice")


def invalid(name: str, value: object, allowed: str, advice: str = "") -> ParameterError:
    """Return the error of an argument: what was given, what is allowed, what to do.

    Examples
    --------
    >>> str(invalid("sr", 100, "a sample rate from 4000 to 384000 Hz", "convert the recording"))
    'sr=100; must be a sample rate from 4000 to 384000 Hz; convert the recording'
    """
    if hasattr(value, "dtype") and not getattr(value, "shape", None):
        value = value.item()  # type: ignore[attr-defined]  # a number of numpy's, which repr would wrap
    message = f"{name}={value!r}; must be {allowed}" + (f"; {advice}" if advice else "")
    return ParameterError(message, name=name, value=value, allowed=allowed, advice=advice)


def check_number(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    advice: str = "",
) -> float:
    """Return a number, of Python or numpy, if it is finite and from `low` (`above`: above it) to `high`.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_number("mix", 1, 0, 1)
    1.0
    >>> check_number("mix", "1", 0, 1)
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: mix='1'; must be a number from 0 to 1
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high or (above and value == low):
        raise invalid(name, value, _range("number", low, high, above=above), advice)
    return float(value)


def check_whole(name: str, value: Any, low: int, high: int | None = None, *, advice: str = "") -> int:
    """Return a whole number, of Python or numpy, if it is one from `low` to `high`.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_whole("jobs", 2.0, 1, 256)
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: jobs=2.0; must be a whole number from 1 to 256
    """
    highest = math.inf if high is None else high
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not low <= value <= highest:
        raise invalid(name, value, _range("whole number", low, highest), advice)
    return int(value)


def check_choice(name: str, value: Any, choices: Collection[Choice], *, advice: str = "") -> Choice:
    """Return a value if it is one of some.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_choice("channels", "both", ("linked", "independent"))
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: channels='both'; must be 'linked' or 'independent'
    """
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    *others, last = map(repr, choices)
    raise invalid(name, value, f"{', '.join(others)} or {last}" if others else last, advice)


def _range(what: str, low: float, high: float, *, above: bool = False) -> str:
    """Say which numbers are allowed."""

    def shown(x: float) -> str:
        return str(x) if isinstance(x, int) else f"{x:g}"

    if math.isinf(low):
        return f"a finite {what}" if math.isinf(high) else f"a {what} of at most {shown(high)}"
    if math.isinf(high):
        return f"a {what} above {shown(low)}" if above else f"a {what} of at least {shown(low)}"
    if above:
        return f"a {what} above {shown(low)} and at most {shown(high)}"
    return f"a {what} from {shown(low)} to {shown(high)}"
