"""Numbers that are given: whether they are such, and in their range."""

from __future__ import annotations

import numbers
from typing import Any

from nmf_audio.errors import ParameterError

__all__ = ["check_number", "check_whole"]


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Return a number, of Python or numpy, if it is one from `low` to `high`.

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
    nmf_audio.errors.ParameterError: mix='1'; a number from 0 to 1 is allowed
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ParameterError(f"{name}={value!r}; a number from {low:g} to {high:g} is allowed")
    return float(value)


def check_whole(name: str, value: Any, low: int, high: int) -> int:
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
    nmf_audio.errors.ParameterError: jobs=2.0; a whole number from 1 to 256 is allowed
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise ParameterError(f"{name}={value!r}; a whole number from {low} to {high} is allowed")
    return int(value)
