"""The exceptions of nmf_audio.

::

    NmfAudioError
    ├── ParameterError     (ValueError)   an argument has a value that is not allowed
    ├── AudioFileError     (OSError)      a recording can't be read or written
    ├── DeviceError        (OSError)      an audio device is missing or fails
    ├── DictionaryError    (ValueError)   a dictionary file is broken, unknown or does not fit the request
    └── MissingExtraError  (ImportError)  an optional package is not installed

    ConvergenceWarning     (UserWarning)  a factorization came to its last iteration before it converged

Every message says what was given, what is allowed and what to do.
"""

__all__ = [
    "AudioFileError",
    "ConvergenceWarning",
    "DeviceError",
    "DictionaryError",
    "MissingExtraError",
    "NmfAudioError",
    "ParameterError",
]


class ConvergenceWarning(UserWarning):
    """A factorization came to its last iteration before it converged."""


class NmfAudioError(Exception):
    """Base of all exceptions that this package raises on purpose."""


class ParameterError(NmfAudioError, ValueError):
    """An argument has a value that is not allowed.

    Attributes
    ----------
    name : str or None
        The argument; None when several do not go together, or a call comes too early or too late.
    value : object
        What was given; of an array its type, shape or first wrong entry; of several arguments a dict.
    allowed, advice : str
        What is allowed, as it stands after "must be"; what to do. Empty when the message alone says so.
    given : str
        What the message says in the place of ``name=value``; empty when it says that.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        value: object = None,
        allowed: str = "",
        advice: str = "",
        given: str = "",
    ) -> None:
        super().__init__(message)
        self.name, self.value, self.allowed, self.advice, self.given = name, value, allowed, advice, given


class AudioFileError(NmfAudioError, OSError):
    """A recording can't be read or written.

    Attributes
    ----------
    problem : str
        The message without the advice to give an argument.
    argument, value, purpose : str, object, str
        What to give, ``force=True``, and why, ``' to replace it'``; empty if no argument helps.
    """

    def __init__(
        self, problem: str = "", *, argument: str = "", value: object = None, purpose: str = ""
    ) -> None:
        given = argument if value is None else f"{argument}={value!r}"
        super().__init__(f"{problem}; give {given}{purpose}" if argument else problem)
        self.problem, self.argument, self.value, self.purpose = problem, argument, value, purpose


class DeviceError(NmfAudioError, OSError):
    """An audio device is missing or fails."""


class DictionaryError(NmfAudioError, ValueError):
    """A dictionary file is broken, unknown, or does not fit the request."""


class MissingExtraError(NmfAudioError, ImportError):
    """An optional package that this feature needs is not installed."""
