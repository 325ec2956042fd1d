"""Audio devices: listing, choosing and checking them."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nmf_audio._checks import invalid
from nmf_audio.errors import DeviceError, MissingExtraError

__all__ = ["Device", "check_settings", "choose_rate", "find_device", "list_devices", "load_sounddevice"]

Kind = Literal["input", "output"]


@dataclass(frozen=True)
class Device:
    """An audio device.

    Parameters
    ----------
    number : int
        By which the system calls it; may change when devices are plugged in.
    name, host : str
        Its name, and the name of the system's sound interface (ALSA, Core Audio, Windows WASAPI) that offers it.
    n_inputs, n_outputs : int
        The most channels that it records and plays.
    sr : int
        Its own sample rate in Hz.
    is_default_input, is_default_output : bool
        Whether it is taken if none is named.
    """

    number: int
    name: str
    host: str
    n_inputs: int
    n_outputs: int
    sr: int
    is_default_input: bool = False
    is_default_output: bool = False

    def __str__(self) -> str:
        return f"{self.number} {self.name} ({self.host})"

    def n_channels(self, kind: Kind) -> int:
        """Return the most channels of one direction."""
        return self.n_inputs if kind == "input" else self.n_outputs

    def is_default(self, kind: Kind) -> bool:
        """Return whether it is taken for one direction if none is named."""
        return self.is_default_input if kind == "input" else self.is_default_output


def load_sounddevice() -> Any:
    """Import ``sounddevice``; `MissingExtraError` if it is not installed, or finds no PortAudio."""
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError(
            "live sound needs the package sounddevice; install it with: pip install sounddevice"
        ) from error
    except OSError as error:
        raise MissingExtraError(
            f"live sound needs the library PortAudio ({error}); install it with your system's packages, "
            "on Debian and Ubuntu with: apt install libportaudio2"
        ) from error
    return sounddevice


def list_devices(sounddevice: Any = None) -> list[Device]:
    """Return the audio devices that there are, from ``sounddevice`` or another module of its interface."""
    sounddevice = load_sounddevice() if sounddevice is None else sounddevice
    hosts = [host["name"] for host in sounddevice.query_hostapis()]
    defaults = [_default_number(sounddevice, kind) for kind in ("input", "output")]
    return [
        Device(
            number=found["index"],
            name=found["name"],
            host=hosts[found["hostapi"]],
            n_inputs=found["max_input_channels"],
            n_outputs=found["max_output_channels"],
            sr=round(found["default_samplerate"]),
            is_default_input=found["index"] == defaults[0],
            is_default_output=found["index"] == defaults[1],
        )
        for found in sounddevice.query_devices()
    ]


def _default_number(sounddevice: Any, kind: str) -> int | None:
    try:
        return int(sounddevice.query_devices(kind=kind)["index"])
    except (sounddevice.PortAudioError, ValueError):
        # this is how it says that there is none
        return None


def find_device(devices: Sequence[Device], kind: Kind, wanted: int | str | None) -> Device:
    """Return the device that is meant.

    `wanted` is its number; words that are all part of its name or of its host's, in any case; or None for the
    default. `ParameterError` if no device is meant, or more than one, or one that can't do it; `DeviceError` if
    there is none to choose from.

    Examples
    --------
    >>> microphones = [Device(0, "USB Mic", "ALSA", 1, 0, 48000), Device(3, "Webcam Mic", "ALSA", 2, 0, 48000)]
    >>> find_device(microphones, "input", "web").number
    3
    """
    able = [device for device in devices if device.n_channels(kind) > 0]
    if not able:
        raise DeviceError(f"there is no {kind} device; plug one in, or allow programs to use it")
    choice = "; ".join(map(str, able))
    if wanted is None:
        chosen = [device for device in able if device.is_default(kind)]
        if not chosen:
            raise DeviceError(f"the system has no default {kind} device; name one of: {choice}")
        return chosen[0]
    chosen = []
    if isinstance(wanted, numbers.Integral) or (isinstance(wanted, str) and wanted.isdecimal()):
        chosen = [device for device in able if device.number == int(wanted)]
    elif isinstance(wanted, str):
        words = wanted.lower().split()
        chosen = [
            device for device in able if all(word in f"{device.name} {device.host}".lower() for word in words)
        ]
        exact = [device for device in chosen if device.name.lower() == wanted.lower()]
        chosen = exact if len(exact) == 1 else chosen
    if not chosen:
        raise invalid(kind, wanted, f"one of the {kind} devices: {choice}")
    if len(chosen) > 1:
        candidates = "; ".join(map(str, chosen))
        raise invalid(kind, wanted, f"one of {candidates}", "give the number, or more of the name or host")
    return chosen[0]


def choose_rate(
    sounddevice: Any, source: Device, target: Device, n_inputs: int, n_outputs: int, wanted: int | None
) -> int:
    """Return a sample rate at which one device records and another plays.

    That is `wanted`, or the first that works of theirs and of the usual ones. `ParameterError` if `wanted` does not
    work; `DeviceError` if nothing works.
    """
    rates = [wanted] if wanted is not None else list(dict.fromkeys([source.sr, target.sr, 48000, 44100]))
    for sr in rates:
        reason = check_settings(sounddevice, source, target, n_inputs, n_outputs, sr)
        if reason is None:
            return sr
    if wanted is not None:
        own = f"{source.sr} Hz of {source.name} or {target.sr} Hz of {target.name}"
        raise invalid("sr", wanted, f"a rate that both devices can do, such as {own}", str(reason))
    tried = ", ".join(map(str, rates))
    raise DeviceError(f"{source} and {target} have no sample rate in common ({tried} Hz tried; {reason})")


def check_settings(
    sounddevice: Any, source: Device, target: Device, n_inputs: int, n_outputs: int, sr: int
) -> str | None:
    """Return why two devices can't work at a rate, or None if they can."""
    settings = {"dtype": "float32", "samplerate": sr}
    for device, check, n_channels in (
        (source, sounddevice.check_input_settings, n_inputs),
        (target, sounddevice.check_output_settings, n_outputs),
    ):
        try:
            check(device=device.number, channels=n_channels, **settings)
        except (sounddevice.PortAudioError, ValueError) as error:
            return f"{device.name} refuses it ({error})"
    return None
