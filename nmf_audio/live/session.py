"""The live session: devices, stream, callback and recorder."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy as np

from nmf_audio._attributes import Constant
from nmf_audio._checks import (
    check_choice,
    check_flag,
    check_number,
    check_whole,
    collect,
    conflict,
    invalid,
    out_of_order,
)
from nmf_audio.defaults import DEFAULT_LIVE_LATENCY
from nmf_audio.denoiser import Denoiser, check_denoiser
from nmf_audio.dsp.bands import check_rate
from nmf_audio.dsp.samples import check_channels
from nmf_audio.errors import DeviceError
from nmf_audio.io.noise_recording import read_noise
from nmf_audio.live.callback import BlockCallback
from nmf_audio.live.devices import Device, choose_rate, find_device, list_devices, load_sounddevice
from nmf_audio.live.recorder import Recorder
from nmf_audio.live.status import LiveStatus
from nmf_audio.stream import Stream

__all__ = ["LiveDenoiser"]

MIN_BLOCK, MAX_BLOCK = 16, 65536
MAX_LATENCY_MS = 2000.0
SILENT_SECONDS = 5.0
"""A device that delivers nothing for so long has gone."""

_SLICE_MS = 50


class LiveDenoiser:
    """Denoises what a microphone hears, for headphones; a context manager that runs while it is open.

    Everything is loaded and compiled when it is made; on entry the sound begins. The sound is computed in a thread
    of the audio system. Yours calls `wait` (or `poll`), and may set `bypass`.

    Parameters
    ----------
    denoiser : Denoiser or None
        What denoises; None for the defaults.
    input, output : int, str or None
        Devices, by number or by part of their names, see `list_devices`; None for the system's default.
    sr : int or None
        Sample rate in Hz; None takes the microphone's own, if the headphones can do it.
    n_channels : int
        Channels of the microphone that are used. One is played on both sides.
    block_size : int or None
        Samples a block; None takes half a frame (16 ms), so that all blocks are the same work.
    latency_ms : float, 'low' or 'high'
        Delay to ask of the devices' buffers: milliseconds, or what the devices call low and high.
    noise : str, path or None
        A recording of the noise alone, learned from before the sound begins.
    record : str, path or None
        Where to write what is played; there when the context is left, whatever ended it.
    force : bool
        Replace a recording that exists.
    sounddevice : module or None
        Another module of the interface of ``sounddevice``; None imports that.

    Attributes
    ----------
    input, output : Device
        The devices.
    sr, n_channels, block_size : int
        As above.

    Raises
    ------
    MissingExtraError
        If ``sounddevice`` or PortAudio is missing.
    ParameterError
        If a value is not allowed, or a name fits no device, or several.
    DeviceError
        If there is no device, or if the two can't work together.
    AudioFileError
        If `noise` can't be read.

    Examples
    --------
    A minute, without noise in the second half::

        with LiveDenoiser(input="usb", output="headphones") as live:
            live.bypass = True
            live.wait(30)
            live.bypass = False
            status = live.wait(30)
        print(f"{status.latency_ms:.0f} ms, {status.n_dropouts} drop-outs")
    """

    input = Constant[Device]()
    output = Constant[Device]()
    sr = Constant[int]()
    n_channels = Constant[int]()
    block_size = Constant[int]()

    def __init__(
        self,
        denoiser: Denoiser | None = None,
        *,
        input: int | str | None = None,
        output: int | str | None = None,
        sr: int | None = None,
        n_channels: int = 1,
        block_size: int | None = None,
        latency_ms: float | str = DEFAULT_LIVE_LATENCY,
        noise: str | os.PathLike[str] | None = None,
        record: str | os.PathLike[str] | None = None,
        force: bool = False,
        sounddevice: Any = None,
    ) -> None:
        n_channels = check_channels(n_channels)
        if block_size is not None:
            block_size = check_whole("block_size", block_size, MIN_BLOCK, MAX_BLOCK)
        self._latency, force = _latency(latency_ms), check_flag("force", force)
        self._sounddevice = load_sounddevice() if sounddevice is None else sounddevice
        devices = list_devices(self._sounddevice)
        self.input = find_device(devices, "input", input)
        self.output = find_device(devices, "output", output)
        self.n_channels, self._n_outputs = n_channels, _count_outputs(self.input, self.output, n_channels)
        self.sr = choose_rate(
            self._sounddevice,
            self.input,
            self.output,
            n_channels,
            self._n_outputs,
            None if sr is None else check_rate(sr),
        )
        self._stream = _make_stream(check_denoiser(denoiser), self.sr, n_channels, noise)
        self.block_size = self._stream.latency // 2 if block_size is None else block_size
        self._recorder = None if record is None else Recorder(record, self.sr, n_channels, force=force)
        self._callback = BlockCallback(
            self._stream,
            abort=self._sounddevice.CallbackAbort,
            tape=None if self._recorder is None else self._recorder.tape,
        )
        self._device_latency_ms = 0.0
        self._sound: Any = None
        self._stack = ExitStack()

    def __repr__(self) -> str:
        return (
            f"<LiveDenoiser from {self.input} to {self.output}, {self.n_channels} channels at {self.sr} Hz, "
            f"blocks of {self.block_size}>"
        )

    @property
    def bypass(self) -> bool:
        """Whether the input is played rather than its speech; both with the same delay."""
        return self._callback.bypass

    @bypass.setter
    def bypass(self, value: bool) -> None:
        self._callback.bypass = check_choice("bypass", value, (False, True))

    def __enter__(self) -> Self:
        if self._sound is not None:
            raise out_of_order("a LiveDenoiser runs once", "make another one")
        with ExitStack() as stack:
            if self._recorder is not None:
                stack.enter_context(self._recorder)
            try:
                self._sound = self._sounddevice.Stream(
                    samplerate=self.sr,
                    blocksize=self.block_size,
                    device=(self.input.number, self.output.number),
                    channels=(self.n_channels, self._n_outputs),
                    dtype="float32",
                    latency=self._latency,
                    callback=self._callback,
                )
                stack.callback(self._sound.close)
                self._callback.buffered_seconds = sum(self._sound.latency)
                self._sound.start()
            except (self._sounddevice.PortAudioError, ValueError) as error:
                raise DeviceError(
                    f"{self.input} and {self.output} can't be opened at {self.sr} Hz: {error}"
                ) from error
            self._device_latency_ms = 1000 * self._callback.buffered_seconds
            self._callback.last_seconds = perf_counter()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            self._sound.stop()

    def wait(self, seconds: float) -> LiveStatus:
        """Let the sound run for a while.

        Parameters
        ----------
        seconds : float
            How long, at least.

        Returns
        -------
        LiveStatus
            Its status then.

        Raises
        ------
        DeviceError
            If a device has gone.
        AudioFileError
            If the recording can't be written.
        """
        left = round(1000 * seconds)
        while left > _SLICE_MS:
            self._sounddevice.sleep(_SLICE_MS)
            self.poll()
            left -= _SLICE_MS
        self._sounddevice.sleep(left)
        return self.poll()

    def poll(self) -> LiveStatus:
        """Return the status, and write what waits to be recorded; for programs with a loop of their own.

        With `record` it must be called more often than every 20 s.

        Returns
        -------
        LiveStatus

        Raises
        ------
        DeviceError
            If a device has gone.
        AudioFileError
            If the recording can't be written.
        """
        if self._recorder is not None:
            self._recorder.write()
        callback = self._callback
        if callback.error is not None:
            raise callback.error
        silent = perf_counter() - callback.last_seconds
        if self._sound is not None and (not self._sound.active or silent > SILENT_SECONDS):
            raise DeviceError(f"no more sound from {self.input} to {self.output}; is everything plugged in?")
        return self.status()

    def status(self) -> LiveStatus:
        """Return how it does, also when it has ended.

        Returns
        -------
        LiveStatus
        """
        callback, recorder = self._callback, self._recorder
        return LiveStatus(
            seconds=callback.n_samples / self.sr,
            bypass=callback.bypass,
            device_latency_ms=self._device_latency_ms,
            stream_latency_ms=1000 * self._stream.latency / self.sr,
            work_seconds=callback.work_seconds,
            worst_load=callback.worst_load,
            n_blocks=callback.n_blocks,
            n_dropouts=callback.n_dropouts,
            n_input_overflow=callback.n_input_overflow,
            n_input_underflow=callback.n_input_underflow,
            n_output_overflow=callback.n_output_overflow,
            n_output_underflow=callback.n_output_underflow,
            n_gaps=callback.n_gaps,
            n_late=callback.n_late,
            input_db=_decibels(callback.input_power),
            output_db=_decibels(callback.output_power),
            recorded_seconds=0.0 if recorder is None else recorder.n_written / self.sr,
            unrecorded_seconds=0.0 if recorder is None else recorder.n_lost / self.sr,
        )


def _make_stream(
    denoiser: Denoiser, sr: int, n_channels: int, noise: str | os.PathLike[str] | None
) -> Stream:
    """Return a stream that has nothing left to load or to compile."""
    stream = denoiser.stream(sr, n_channels)
    stream.process(np.zeros((n_channels, stream.latency), np.float32), fixed=True)
    stream.reset()
    if noise is not None:
        stream.prime(read_noise(noise, sr, n_channels))
    return stream


def _count_outputs(source: Device, target: Device, n_channels: int) -> int:
    """Return the channels to play: one channel is played on both sides, more are played as they are."""
    if n_channels > source.n_inputs:
        raise invalid("n_channels", n_channels, f"at most {source.n_inputs}, what {source.name} has")
    if n_channels > target.n_outputs:
        raise invalid("n_channels", n_channels, f"at most {target.n_outputs}, what {target.name} plays")
    if source.host != target.host:
        advice = "they belong to different sound interfaces, choose two of one"
        raise conflict({"input": str(source), "output": str(target)}, advice)
    return min(target.n_outputs, 2) if n_channels == 1 else n_channels


def _latency(latency_ms: Any) -> float | str:
    """Return it as ``sounddevice`` takes it: a word, or seconds."""
    if isinstance(latency_ms, str) and latency_ms in ("low", "high"):
        return latency_ms
    number = collect([], check_number, "latency_ms", latency_ms, 0, MAX_LATENCY_MS)
    if number is None:
        raise invalid("latency_ms", latency_ms, f"'low', 'high' or a number from 0 to {MAX_LATENCY_MS:g}")
    return number / 1000


def _decibels(power: float) -> float:
    return 10 * math.log10(power) if power > 0 else -math.inf
