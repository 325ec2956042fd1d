"""The exceptions of nmf_audio.

::

    NmfAudioError
    ├── ParameterError     (ValueError)   an argument has a value that is not allowed
    ├── AudioFileError     (OSError)      a recording can't be read or written
    ├── DeviceError        (OSError)      an audio device is missing or fails
    ├── DictionaryError    (ValueError)   a dictionary file is broken, unknown or does not fit the request
    └── MissingExtraError  (ImportError)  an optional package is not installed

Every message says what was given, what is allowed and what to do.
"""

__all__ = [
    "AudioFileError",
    "DeviceError",
    "DictionaryError",
    "MissingExtraError",
    "NmfAudioError",
    "ParameterError",
]


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
    """

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        value: object = None,
        allowed: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.name, self.value, self.allowed, self.advice = name, value, allowed, advice


class AudioFileError(NmfAudioError, OSError):
    """A recording can't be read or written."""


class DeviceError(NmfAudioError, OSError):
    """An audio device is missing or fails."""


class DictionaryError(NmfAudioError, ValueError):
    """A dictionary file is broken, unknown, or does not fit the request."""


class MissingExtraError(NmfAudioError, ImportError):
    """An optional package that this feature needs is not installed."""
