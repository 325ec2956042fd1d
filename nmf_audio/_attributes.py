"""Attributes that are checked whenever they are set, or set once.

What an object is given is thus checked in one place, by the constructor and by whoever changes it later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["Checked", "Constant"]

Result = TypeVar("Result")


class _Attribute(Generic[Result]):
    """An attribute that is kept under its own name, so that its owner can be pickled and copied."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Result: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Result:
        if instance is None:
            return self
        value: Result = vars(instance)[self._name]
        return value


class Checked(_Attribute[Result]):
    """An attribute that is checked whenever it is set: by a function of its name and its value, as in `_checks`.

    Examples
    --------
    >>> from nmf_audio._checks import check_number
    >>> class Mixer:
    ...     mix = Checked(lambda name, value: check_number(name, value, 0, 1))
    >>> mixer = Mixer()
    >>> mixer.mix = 7
    Traceback (most recent call last):
        ...
    nmf_audio.errors.ParameterError: mix=7; must be a number from 0 to 1
    """

    def __init__(self, check: Callable[[str, Any], Result]) -> None:
        self._check = check

    def __set__(self, instance: object, value: Any) -> None:
        vars(instance)[self._name] = self._check(self._name, value)


class Constant(_Attribute[Result]):
    """An attribute that is set once.

    Examples
    --------
    >>> class Stream:
    ...     sr = Constant[int]()
    >>> stream = Stream()
    >>> stream.sr = 48000
    >>> stream.sr = 16000
    Traceback (most recent call last):
        ...
    AttributeError: sr of a Stream can't be changed; make another one
    """

    def __set__(self, instance: object, value: Result) -> None:
        if self._name in vars(instance):
            owner = type(instance).__name__
            raise AttributeError(f"{self._name} of a {owner} can't be changed; make another one")
        vars(instance)[self._name] = value
