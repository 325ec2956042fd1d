"""Argument validation: one rule and one wording for all rooms.

Arrays are refused by their type, shape or first wrong entry, whose indices count from 0, as numpy's do; samples and
channels are counted as `nmf_audio.dsp.samples` says.
"""

from __future__ import annotations

import numbers
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.errors import ParameterError

__all__ = [
    "check_array",
    "check_callable",
    "check_choice",
    "check_entries",
    "check_flag",
    "check_kind",
    "check_number",
    "check_real",
    "check_rng",
    "check_shape",
    "check_whole",
    "collect",
    "conflict",
    "invalid",
    "out_of_order",
]

Choice = TypeVar("Choice")
Result = TypeVar("Result")
Shape = Sequence[int | str]
"""Lengths of an array: a number, or the name of one that may be anything from 1."""

LARGEST = sys.float_info.max
LONGEST_SHOWN = 300
"""Characters of a value in a message."""


def invalid(name: str, value: object, allowed: str, advice: str = "", *, given: str = "") -> ParameterError:
    """Return the error of an argument: what was given, what is allowed, what to do.

    `given` stands in the place of ``name=value`` where a value is too large to be shown.

    Examples
    --------
    >>> str(invalid("sr", 100, "a sample rate from 4000 to 384000 Hz", "convert the recording"))
    'sr=100; must be a sample rate from 4000 to 384000 Hz; convert the recording'
    """
    value = _as_number(value)
    message = f"{given or f'{name}={_show(value)}'}; must be {allowed}" + (f"; {advice}" if advice else "")
    return ParameterError(message, name=name, value=value, allowed=allowed, advice=advice, given=given)


def conflict(given: Mapping[str, object], advice: str = "leave one of them out") -> ParameterError:
    """Return the error of arguments each of which is allowed, but not beside the other.

    Examples
    --------
    >>> str(conflict({"noise": "fan.wav", "noise_from": (0, 1)}))
    "noise='fan.wav' and noise_from=(0, 1) do not go together; leave one of them out"
    """
    both = " and ".join(f"{name}={_show(_as_number(value))}" for name, value in given.items())
    return ParameterError(f"{both} do not go together; {advice}", value=dict(given), advice=advice)


def _show(value: object) -> str:
    """Return the repr of a value, cut where it is very long: a file may have brought it."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def out_of_order(problem: str, advice: str) -> ParameterError:
    """Return the error of a call that comes too early or too late."""
    return ParameterError(f"{problem}; {advice}", advice=advice)


def check_number(
    name: str,
    value: Any,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    above: bool = False,
    unit: str = "",
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
    number = _as_number(value)
    is_number = isinstance(number, numbers.Real) and not isinstance(number, bool)
    # neither NaN nor a number that is too large for a float compares as wanted
    in_range = is_number and max(low, -LARGEST) <= number <= min(high, LARGEST)
    if not in_range or (above and number == low):
        raise invalid(name, value, _range("number", low, high, above=above, unit=unit), advice)
    return float(number)


def check_callable(name: str, value: Any) -> None:
    """Raise ParameterError if a value is neither a function nor None.

    Examples
    --------
    >>> check_callable("progress", print)
    """
    if value is not None and not callable(value):
        raise invalid(name, value, "a function", "or leave it out")


def check_whole(
    name: str, value: Any, low: int, high: int | None = None, *, unit: str = "", advice: str = ""
) -> int:
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
    number, highest = _as_number(value), np.inf if high is None else high
    is_whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if not is_whole or not low <= number <= highest:
        raise invalid(name, value, _range("whole number", low, highest, unit=unit), advice)
    return int(number)


def check_choice(
    name: str, value: Any, choices: Collection[Choice], *, any_case: bool = False, advice: str = ""
) -> Choice:
    """Return the one of some choices that a value is; with `any_case`, a word in any case.

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
    given = _as_number(value)
    for choice in choices:
        alike = isinstance(given, float) and isinstance(choice, int) and not isinstance(choice, bool)
        if (type(given) is type(choice) or alike) and given == choice:
            return choice
        if (
            any_case
            and isinstance(given, str)
            and isinstance(choice, str)
            and given.lower() == choice.lower()
        ):
            return choice
    *others, last = map(repr, choices)
    raise invalid(name, value, f"{', '.join(others)} or {last}" if others else last, advice)


def check_flag(name: str, value: Any) -> bool:
    """Return a value, of Python or numpy, if it is True or False: any text would count as True.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_flag("force", "no")
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: force='no'; must be True or False
    """
    return check_choice(name, value, (True, False))


def check_kind(name: str, value: Result, kind: type[Any], advice: str = "") -> Result:
    """Return an object, if it is of a kind.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_kind("corpus", "talks", dict, "make one first")
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: corpus is of type str; must be a dict; make one first
    """
    if isinstance(value, kind):
        return value
    kinds = f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
    given = f"{name} is of type {type(value).__name__}"
    raise invalid(name, type(value).__name__, kinds, advice, given=given)


def check_rng(rng: Any) -> np.random.Generator:
    """Return a generator of random numbers, if `rng` is one, a seed, or None.

    Raises
    ------
    ParameterError
        If it is not.

    Examples
    --------
    >>> check_rng(-1)
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: rng=-1; must be a whole number of at least 0, a numpy Generator or None
    """
    if not isinstance(rng, bool | np.bool | str):
        try:
            return np.random.default_rng(rng)
        except (TypeError, ValueError):
            pass
    raise invalid("rng", rng, "a whole number of at least 0, a numpy Generator or None")


def collect(errors: list[Any], check: Callable[..., Result], *args: Any, **options: Any) -> Result | None:
    """Return what a check returns; add its error to a list instead of raising it."""
    try:
        return check(*args, **options)
    except ParameterError as error:
        errors.append(error)
        return None


def check_array(name: str, value: Any, shape: Shape, *, low: float = 0.0, advice: str = "") -> AnyArray:
    """Return an array of finite numbers of at least `low`, if it has a shape.

    Raises
    ------
    ParameterError
        If it is none.

    Examples
    --------
    >>> check_array("W", [[1, 2, 3]], ("n_features", "n_components")).shape
    (1, 3)
    >>> check_array("W", [[1, 2, 3]], (2, "n_components"))
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: W has shape (1, 3); must be of shape (2, n_components) with n_components >= 1
    >>> check_array("W", [[1, -2]], (1, "n_components"))
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: W[0, 1]=-2; must be finite and >= 0
    """
    array = check_real(name, value)
    check_shape(name, array, shape, advice=advice)
    check_entries(name, array, low=low)
    return array


def check_real(name: str, value: Any, *, masked: str = "give .filled(0)") -> AnyArray:
    """Return real numbers as an array, whatever its shape; `masked` is what to do where entries are masked."""
    if hasattr(value, "toarray"):
        raise invalid(
            name, type(value).__name__, "an array that is not sparse", "give .toarray()", given=name
        )
    if hasattr(value, "filled") and np.any(value.mask):
        raise invalid(name, "masked", "an array without masked entries", masked, given=name)
    try:
        array = np.asarray(value)
    except ValueError:
        # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        nested = array.dtype == object and not hasattr(value, "__array__")
        kind = type(value).__name__ if nested else array.dtype.name
        raise invalid(name, kind, "an array of real numbers", given=f"{name} is of type {kind}")
    return array


def check_shape(name: str, array: AnyArray, shape: Shape, *, advice: str = "") -> None:
    """Refuse an array of another shape."""
    fits = array.ndim == len(shape) and all(
        n >= 1 if isinstance(wanted, str) else n == wanted
        for n, wanted in zip(array.shape, shape, strict=True)
    )
    if fits:
        return
    named = list(dict.fromkeys(wanted for wanted in shape if isinstance(wanted, str)))
    allowed = f"of shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if named:
        allowed += f" with {' and '.join(named)} >= 1"
    raise invalid(name, array.shape, allowed, advice, given=f"{name} has shape {array.shape}")


def check_entries(name: str, array: AnyArray, *, low: float = 0.0, unknown: str = "") -> None:
    """Refuse NaN, infinity and entries below `low`, with their position; `unknown` is what to do where it is NaN."""
    good = np.isfinite(array) & (array >= low)
    if good.all():
        return
    where = tuple(int(i) for i in np.argwhere(~good)[0])
    entry = array[where].item()
    allowed = "finite" if np.isneginf(low) else f"finite and >= {low:g}"
    advice = unknown if np.isnan(entry) else ""
    raise invalid(name, entry, allowed, advice, given=f"{name}[{', '.join(map(str, where))}]={entry}")


def _as_number(value: Any) -> Any:
    """Return a number of numpy's, or an array without dimensions, as one of Python's; all else as it is."""
    is_scalar = isinstance(value, np.generic | np.ndarray) and value.ndim == 0
    return value.item() if is_scalar else value


def _range(what: str, low: float, high: float, *, above: bool = False, unit: str = "") -> str:
    """Say which numbers are allowed."""

    def shown(x: float) -> str:
        text = str(x) if isinstance(x, int) else f"{x:g}"
        return f"{text} {unit}" if unit else text

    if np.isinf(low):
        return f"a finite {what}" if np.isinf(high) else f"a {what} of at most {shown(high)}"
    if np.isinf(high):
        return f"a {what} above {shown(low)}" if above else f"a {what} of at least {shown(low)}"
    if above:
        return f"a {what} above {low:g} and at most {shown(high)}"
    return f"a {what} from {low if isinstance(low, int) else f'{low:g}'} to {shown(high)}"
