"""Audio devices on a clock of their own, behind the interface of the module ``sounddevice``.

Time passes in `FakeSound.sleep` only, where each block that is due is handed to the callback; so what a test sees
does not depend on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[np.float32]

FLAGS = ("input_overflow", "input_underflow", "output_overflow", "output_underflow", "priming_output")


Start = Callable[..., "FakeSound"]


def follow_fakes(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that makes devices, by whose clock the session goes."""

    def make(*args: Any, **options: Any) -> FakeSound:
        fake = FakeSound(*args, **options)
        monkeypatch.setattr("nmf_audio.live.callback.perf_counter", fake.perf_counter)
        monkeypatch.setattr("nmf_audio.live.session.perf_counter", fake.perf_counter)
        return fake

    return make


class Flags(SimpleNamespace):
    """``CallbackFlags``: true if any flag is set."""

    def __init__(self, *names: str) -> None:
        super().__init__(**{flag: flag in names for flag in FLAGS})

    def __bool__(self) -> bool:
        return any(vars(self).values())


def device(index: int, name: str, inputs: int, outputs: int, *, sr: float = 16000.0, host: int = 0) -> Any:
    """Return what ``query_devices`` says of a device."""
    return {
        "index": index,
        "name": name,
        "hostapi": host,
        "max_input_channels": inputs,
        "max_output_channels": outputs,
        "default_samplerate": sr,
    }


DEVICES = (
    device(0, "Built-in Microphone", 1, 0),
    device(1, "Built-in Output", 0, 2),
    device(2, "USB Headset", 1, 2, sr=48000.0),
    device(3, "USB Interface", 2, 2),
    device(4, "USB Interface", 2, 2, host=1),
)


class FakeSound:
    """The module ``sounddevice``, with a microphone that hears a signal.

    Parameters
    ----------
    signal : ndarray (n_samples, n_channels)
        What the microphone hears, from the beginning of the stream; silence afterwards.
    flags : mapping
        Names of the flags that a block comes with, by its number.
    pauses : mapping
        Seconds that a block comes too late, by its number.
    default : tuple
        Numbers of the default devices; -1 for none.
    rates : collection of int
        Rates that the devices can do.
    """

    class PortAudioError(Exception):
        pass

    class CallbackAbort(Exception):  # noqa: N818
        pass

    def __init__(
        self,
        signal: Array | None = None,
        *,
        flags: Mapping[int, tuple[str, ...]] | None = None,
        pauses: Mapping[int, float] | None = None,
        devices: tuple[Any, ...] = DEVICES,
        default: tuple[int, int] = (0, 1),
        rates: tuple[int, ...] = (8000, 16000, 44100, 48000),
    ) -> None:
        self.signal = np.zeros((0, 1), np.float32) if signal is None else signal
        self.flags, self.pauses = flags or {}, pauses or {}
        self.devices, self.default, self.rates = devices, default, rates
        self.now = 0.0
        self.streams: list[FakeStream] = []
        self.on_sleep: Callable[[float], None] = lambda now: None

    def perf_counter(self) -> float:
        return self.now

    def query_hostapis(self) -> tuple[Any, ...]:
        return ({"name": "ALSA"}, {"name": "JACK"})

    def query_devices(self, device: None = None, kind: str | None = None) -> Any:
        if kind is None:
            return list(self.devices)
        number = self.default[kind == "output"]
        if number < 0:
            raise self.PortAudioError("Error querying device -1")
        return self.devices[number]

    def check_input_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        assert dtype == "float32"
        assert self.devices[device]["max_input_channels"] >= channels
        if samplerate not in self.rates:
            raise self.PortAudioError("Invalid sample rate")

    def check_output_settings(self, device: int, channels: int, dtype: str, samplerate: int) -> None:
        assert dtype == "float32"
        assert self.devices[device]["max_output_channels"] >= channels
        if samplerate not in self.rates:
            raise self.PortAudioError("Invalid sample rate")

    def Stream(self, **settings: Any) -> FakeStream:
        self.streams.append(FakeStream(self, **settings))
        return self.streams[-1]

    def sleep(self, msec: int) -> None:
        """Let time pass and hand out the blocks that are due in it."""
        end = self.now + msec / 1000
        for stream in self.streams:
            stream.run_until(end)
        self.now = max(self.now, end)
        self.on_sleep(self.now)


class FakeStream:
    """``sounddevice.Stream``: hands out a block each time that one is full."""

    def __init__(
        self,
        sound: FakeSound,
        *,
        samplerate: int,
        blocksize: int,
        device: tuple[int, int],
        channels: tuple[int, int],
        dtype: str,
        latency: float | str,
        callback: Callable[..., None],
    ) -> None:
        assert dtype == "float32"
        self.sound, self.callback = sound, callback
        self.samplerate, self.blocksize, self.device, self.channels = samplerate, blocksize, device, channels
        self.asked_latency = latency
        self.latency = (0.010, 0.016)
        self.active = self.closed = False
        self.n_blocks = 0
        self.played: list[Array] = []
        self.unplugged_at = float("inf")

    def start(self) -> None:
        self.active, self.started = True, self.sound.now

    def stop(self) -> None:
        self.active = False

    def close(self) -> None:
        self.closed = True

    def run_until(self, end: float) -> None:
        # counted in samples, so that no block is lost or doubled by rounding
        while self.active and end < self.unplugged_at:
            n_due = int((end - self.started) * self.samplerate + 1e-6)
            if (self.n_blocks + 1) * self.blocksize > n_due:
                return
            # a block that came late lets the next ones come later, never earlier
            due = self.started + (self.n_blocks + 1) * self.blocksize / self.samplerate
            self.sound.now = max(self.sound.now, due) + self.sound.pauses.get(self.n_blocks, 0.0)
            self._hand_out()

    def _hand_out(self) -> None:
        first = self.n_blocks * self.blocksize
        indata = np.zeros((self.blocksize, self.channels[0]), np.float32)
        heard = self.sound.signal[first : first + self.blocksize]
        indata[: len(heard)] = heard
        outdata = np.full((self.blocksize, self.channels[1]), np.nan, np.float32)
        flags = Flags(*self.sound.flags.get(self.n_blocks, ()))
        self.n_blocks += 1
        try:
            self.callback(indata, outdata, self.blocksize, None, flags)
        except self.sound.CallbackAbort:
            self.active = False
        # the system uses its buffers again: who kept them would hear this
        indata.fill(9.0)
        self.played.append(outdata)

    def output(self) -> Array:
        """Return all that was played (n_samples, n_outputs)."""
        return np.concatenate(self.played)
