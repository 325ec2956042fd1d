"""Which device is meant."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType
from typing import Any

import pytest

from nmf_audio.errors import DeviceError, MissingExtraError, ParameterError
from nmf_audio.live import Device, list_devices, load_sounddevice
from nmf_audio.live.devices import find_device
from tests.live.fake import FakeSound, device


def test_the_list() -> None:
    found = list_devices(FakeSound())
    assert found[0] == Device(0, "Built-in Microphone", "ALSA", 1, 0, 16000, is_default_input=True)
    assert found[1].is_default_output
    assert str(found[4]) == "4 USB Interface (JACK)"
    assert not any(
        d.is_default_input or d.is_default_output for d in list_devices(FakeSound(default=(-1, -1)))
    )


@pytest.mark.parametrize(
    ("kind", "wanted", "number"),
    [
        ("input", None, 0),
        ("output", None, 1),
        ("input", 3, 3),
        ("input", "3", 3),
        ("input", "HEADSET", 2),
        ("output", "head usb", 2),
        ("input", "interface jack", 4),
        ("output", "built-in", 1),
        ("input", "built-in", 0),
    ],
)
def test_a_device_is_found(kind: Any, wanted: int | str | None, number: int) -> None:
    assert find_device(list_devices(FakeSound()), kind, wanted).number == number


def test_a_whole_name_wins_over_parts() -> None:
    sound = FakeSound(devices=(device(0, "Mic", 1, 0), device(1, "Mic 2", 1, 0)), default=(0, -1))
    assert find_device(list_devices(sound), "input", "mic").number == 0


@pytest.mark.parametrize(
    ("kind", "wanted", "message"),
    [
        (
            "input",
            "usb",
            r"^input='usb'; must be one of 2 USB Headset \(ALSA\); 3 USB Interface \(ALSA\); 4 USB Interface "
            r"\(JACK\); give the number, or more of the name or host$",
        ),
        ("input", "USB Interface", r"must be one of 3 USB Interface \(ALSA\); 4 USB Interface \(JACK\);"),
        ("output", "tuba", "output='tuba'; must be one of the output devices: 1 Built-in Output"),
        ("input", "7", "input='7'; must be one of the input devices: 0 Built-in Mic"),
        ("input", 1, "input=1; must be one of the input devices: 0 Built-in Mic"),
    ],
)
def test_what_is_refused(kind: Any, wanted: int | str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        find_device(list_devices(FakeSound()), kind, wanted)


def test_no_devices() -> None:
    with pytest.raises(DeviceError, match="there is no input device"):
        find_device(
            list_devices(FakeSound(devices=(device(0, "Out", 0, 2),), default=(-1, 0))), "input", None
        )
    with pytest.raises(DeviceError, match="no default output device; name one of: 1 Built-in Output"):
        find_device(list_devices(FakeSound(default=(0, -1))), "output", None)


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match="pip install sounddevice"):
        load_sounddevice()


def test_missing_portaudio_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> ModuleType:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"PortAudio .PortAudio library not found.; .* libportaudio2"):
        load_sounddevice()
