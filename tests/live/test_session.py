"""A live session against devices on a virtual clock."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmf_audio import Denoiser, DeviceError, LiveDenoiser, ParameterError
from nmf_audio.errors import AudioFileError
from nmf_audio.live.callback import FADE_MS
from nmf_audio.stream import Stream
from tests.live.fake import Array, Start

ROOT = Path(__file__).parent.parent.parent
SR = 16000
LATENCY = 512
N_FADE = round(FADE_MS / 1000 * SR)
MONO: dict[str, Any] = {"input": 0, "output": 1}
STEREO: dict[str, Any] = {"input": 3, "output": 3, "n_channels": 2}


def delayed(y: Array, n_samples: int) -> Array:
    """Return the first samples of y (n, n_channels), one frame later."""
    return np.concatenate([np.zeros((LATENCY, y.shape[1]), np.float32), y])[:n_samples]


def streamed(denoiser: Denoiser, y: Array, n_samples: int) -> Array:
    """Return what `Stream` makes of y (n, n_channels), in one call."""
    padded = np.concatenate([y, np.zeros((n_samples, y.shape[1]), np.float32)])[:n_samples]
    return np.ascontiguousarray(denoiser.stream(SR, y.shape[1]).process(padded.T.copy(), fixed=True).T)


@pytest.mark.parametrize("block_size", [None, 16, 100, 1777])
def test_what_is_heard_is_what_the_stream_gives(
    sound: Start, denoiser: Denoiser, speech: Array, block_size: int | None
) -> None:
    fake = sound(speech)
    with LiveDenoiser(denoiser, block_size=block_size, sounddevice=fake, **STEREO) as live:
        status = live.wait(3.2)
    played = fake.streams[0].output()
    assert len(played) == round(status.seconds * SR) > 3 * SR - 1777
    np.testing.assert_array_equal(played, streamed(denoiser, speech, len(played)))


def test_with_the_shipped_dictionary_one_channel_is_heard_on_both_sides(sound: Start, speech: Array) -> None:
    fake = sound(speech[:, :1])
    with LiveDenoiser(sounddevice=fake) as live:
        live.wait(3)
    played = fake.streams[0].output()
    assert played.shape[1] == 2
    np.testing.assert_array_equal(played[:, 0], played[:, 1])
    np.testing.assert_array_equal(played[:, :1], streamed(Denoiser(), speech[:, :1], len(played)))


def test_bypass_is_the_input_with_the_same_delay(sound: Start, denoiser: Denoiser, speech: Array) -> None:
    fake = sound(speech)
    with LiveDenoiser(denoiser, block_size=160, sounddevice=fake, **STEREO) as live:
        for seconds, bypass in ((1, True), (1, False), (0.5, True), (0.5, False)):
            live.bypass = bypass
            assert live.wait(seconds).bypass == bypass
    played = fake.streams[0].output()
    dry, wet = delayed(speech, len(played)), streamed(denoiser, speech, len(played))
    for start, end, expected in ((0, 1, dry), (1, 2, wet), (2, 2.5, dry), (2.5, 3, wet)):
        part = slice(round(start * SR) + N_FADE, round(end * SR))
        np.testing.assert_array_equal(played[part], expected[part])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    block_size=st.integers(16, 700),
    switches=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    n_channels=st.sampled_from([1, 2]),
)
def test_switching_never_clicks(
    sound: Start, denoiser: Denoiser, speech: Array, block_size: int, switches: list[int], n_channels: int
) -> None:
    """Switched at any time, also in the middle of a fade: a straight line from one signal to the other."""
    y = speech[:, :n_channels]
    fake = sound(y)
    devices = STEREO if n_channels == 2 else MONO
    with LiveDenoiser(denoiser, block_size=block_size, sounddevice=fake, **devices) as live:
        wanted: list[bool] = []
        for ms in switches:
            live.bypass = not live.bypass
            live.wait(ms / 1000)
            wanted += [live.bypass] * (fake.streams[0].n_blocks * block_size - len(wanted))
    if not wanted:
        return
    played = fake.streams[0].output()[:, :n_channels]
    dry, wet = delayed(y, len(played)), streamed(denoiser, y, len(played))
    share, expected = 0, np.empty_like(played)
    for n, bypass in enumerate(wanted):
        share = min(max(share + (1 if bypass else -1), 0), N_FADE)
        expected[n] = wet[n] + share / N_FADE * (dry[n] - wet[n])
    np.testing.assert_allclose(played, expected, atol=1e-6)


def test_dropouts_are_counted_exactly(sound: Start, denoiser: Denoiser, speech: Array) -> None:
    fake = sound(
        speech[:, :1],
        flags={
            0: ("priming_output",),
            3: ("input_overflow",),
            4: ("output_underflow", "input_underflow"),
            20: ("output_underflow",),
            21: ("output_overflow", "priming_output"),
            10**6: ("input_overflow",),
        },
    )
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        assert live.wait(0.16).n_dropouts == 2
        status = live.wait(1)
    assert (status.n_dropouts, status.n_late) == (4, 0)
    assert (status.n_input_overflow, status.n_input_underflow) == (1, 1)
    assert (status.n_output_overflow, status.n_output_underflow) == (1, 2)
    assert status.n_blocks == fake.streams[0].n_blocks == int(1.16 / 0.016)


def test_gaps_that_no_device_reports_are_counted_exactly(sound: Start, denoiser: Denoiser) -> None:
    # the buffers hold 26 ms and a block lasts 16: nothing is lost if a block comes up to 26 ms late
    fake = sound(
        pauses={0: 0.05, 5: 0.025, 10: 0.027, 30: 0.5, 31: 0.5, 40: 0.03}, flags={30: ("output_underflow",)}
    )
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        status = live.wait(3)
    assert status.n_blocks > 50
    assert (status.n_gaps, status.n_dropouts, status.n_output_underflow, status.n_late) == (3, 3, 1, 0)


def test_late_blocks_are_counted_exactly(
    sound: Start, denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = sound()
    process = Stream.process
    # as shares of a block's time: at most all of it is in time
    shares = {2: 0.25, 5: 1.5, 6: 0.75, 9: 1.01, 30: 3.0}
    n_calls = 0

    def slow(self: Stream, block: Any, *, fixed: bool = False) -> Any:
        nonlocal n_calls
        fake.now += shares.get(n_calls, 0.0) * 0.016
        n_calls += 1
        return process(self, block, fixed=fixed)

    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        monkeypatch.setattr(Stream, "process", slow)
        status = live.wait(0.8)
    assert n_calls == status.n_blocks > 30
    assert (status.n_late, status.n_dropouts) == (3, 0)
    assert status.worst_load == pytest.approx(3.0)
    assert status.worst_real_time_factor == pytest.approx(1 / 3)
    assert status.work_seconds == pytest.approx(sum(shares.values()) * 0.016)
    assert status.real_time_factor == pytest.approx(status.seconds / (sum(shares.values()) * 0.016))


def test_latency_is_the_devices_and_the_denoisers(sound: Start, denoiser: Denoiser) -> None:
    fake = sound()
    with LiveDenoiser(denoiser, latency_ms=25, sounddevice=fake, **STEREO) as live:
        status = live.wait(0.1)
    assert status.device_latency_ms == pytest.approx(26)
    assert status.stream_latency_ms == pytest.approx(32)
    assert status.latency_ms == pytest.approx(58)
    stream = fake.streams[0]
    assert (stream.asked_latency, stream.blocksize, stream.samplerate) == (0.025, 256, 16000)
    assert (stream.device, stream.channels) == ((3, 3), (2, 2))


def test_levels_are_those_of_what_is_heard(sound: Start, denoiser: Denoiser) -> None:
    wave = np.sin(np.arange(3 * SR) * 0.1).astype(np.float32)[:, None]
    fake = sound(0.5 * wave)
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        assert live.status().input_db == -np.inf
        live.bypass = True
        status = live.wait(3)
    assert status.input_db == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.1)
    assert status.output_db == pytest.approx(status.input_db, abs=0.1)


def test_noise_is_heard_before(sound: Start, speech: Array, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", speech[:16000, 0], SR, subtype="FLOAT")
    denoiser = Denoiser()
    fake = sound(speech[:, :1])
    with LiveDenoiser(denoiser, noise=tmp_path / "room.wav", sounddevice=fake) as live:
        live.wait(1)
    played = fake.streams[0].output()[:, 0]
    stream = denoiser.stream(SR)
    stream.prime(speech[:16000, 0].copy())
    expected = stream.process(speech[: len(played), 0].copy(), fixed=True)
    np.testing.assert_array_equal(played, expected)
    assert not np.array_equal(expected, denoiser.stream(SR).process(speech[: len(played), 0], fixed=True))


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_what_is_heard_is_recorded(
    sound: Start, denoiser: Denoiser, speech: Array, tmp_path: Path, name: str
) -> None:
    fake = sound(0.5 * speech)
    with LiveDenoiser(denoiser, record=tmp_path / name, sounddevice=fake, **STEREO) as live:
        live.wait(1)
        live.bypass = True
        live.wait(1)
        assert [path.name for path in tmp_path.iterdir()] != [name]
        fake.sleep(300)
    status = live.status()
    played = fake.streams[0].output()
    recorded, sr = soundfile.read(tmp_path / name)
    assert sr == SR
    assert status.recorded_seconds == status.seconds == len(played) / SR > 2.2
    np.testing.assert_allclose(recorded, played, atol=2**-23)


def test_a_recording_that_nobody_writes_says_what_it_lacks(
    sound: Start, denoiser: Denoiser, tmp_path: Path
) -> None:
    fake = sound()
    with LiveDenoiser(denoiser, record=tmp_path / "out.wav", sounddevice=fake) as live:
        fake.sleep(25_000)
        live.wait(1)
    status = live.status()
    assert status.recorded_seconds + status.unrecorded_seconds == status.seconds
    assert 5 < status.unrecorded_seconds < 5.1
    assert soundfile.info(tmp_path / "out.wav").frames == round(status.recorded_seconds * SR)


def test_a_wav_that_is_full_grows_no_more(
    sound: Start, denoiser: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmf_audio.live.recorder._WAV_LIMIT", 3 * 2000)
    fake = sound()
    with LiveDenoiser(denoiser, record=tmp_path / "out.wav", sounddevice=fake) as live:
        live.wait(0.5)
    status = live.status()
    assert soundfile.info(tmp_path / "out.wav").frames == 2000
    assert status.recorded_seconds == 2000 / SR
    assert status.unrecorded_seconds == status.seconds - 2000 / SR


def test_an_error_of_the_person_keeps_the_recording_and_stops_the_sound(
    sound: Start, denoiser: Denoiser, tmp_path: Path
) -> None:
    fake = sound()
    live = LiveDenoiser(denoiser, record=tmp_path / "out.wav", sounddevice=fake)
    with suppress(KeyboardInterrupt), live:
        live.wait(0.5)
        raise KeyboardInterrupt
    assert not fake.streams[0].active
    assert fake.streams[0].closed
    assert soundfile.info(tmp_path / "out.wav").frames == len(fake.streams[0].output())
    with pytest.raises(ParameterError, match="runs once"), live:
        pass


def test_a_recording_replaces_nothing(sound: Start, denoiser: Denoiser, tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_text("mine")
    fake = sound()
    live = LiveDenoiser(denoiser, record=tmp_path / "out.wav", sounddevice=fake)
    with pytest.raises(AudioFileError, match=r"out\.wav: exists"), live:
        pass
    assert not fake.streams
    assert (tmp_path / "out.wav").read_text() == "mine"


def test_what_fails_in_the_callback_is_raised_outside(
    sound: Start, denoiser: Denoiser, speech: Array
) -> None:
    broken = speech[:, :1].copy()
    broken[5000] = np.nan
    fake = sound(broken)
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        live.wait(0.25)
        with pytest.raises(ParameterError, match=r"sample 5000 .*NaN"):
            live.wait(0.25)
    assert fake.streams[0].closed
    # nothing wild went to the headphones
    np.testing.assert_array_equal(fake.streams[0].played[-1], 0)


def test_a_device_that_goes_is_noticed(sound: Start, denoiser: Denoiser) -> None:
    fake = sound()
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        live.wait(1)
        fake.streams[0].unplugged_at = 1.0
        live.wait(4.9)
        with pytest.raises(DeviceError, match="no more sound from 0 Built-in Microphone"):
            live.wait(0.2)
    fake = sound()
    with LiveDenoiser(denoiser, sounddevice=fake) as live:
        fake.streams[0].active = False
        with pytest.raises(DeviceError, match="is everything plugged in"):
            live.poll()


def test_devices_that_do_not_open(sound: Start, denoiser: Denoiser, tmp_path: Path) -> None:
    fake = sound()

    def refuse(**settings: Any) -> Any:
        raise fake.PortAudioError("Device unavailable [PaErrorCode -9985]")

    fake.Stream = refuse  # type: ignore[method-assign]
    live = LiveDenoiser(denoiser, record=tmp_path / "out.wav", sounddevice=fake)
    with pytest.raises(DeviceError, match="can't be opened at 16000 Hz: Device unavailable"), live:
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_channels": 0}, "n_channels=0; must be a whole number"),
        ({"n_channels": 2}, "n_channels=2; must be at most 1, what Built-in Microphone has"),
        ({"n_channels": 2, "input": 3, "output": 0}, "output=0; must be one of the output devices"),
        ({"block_size": 3}, "block_size=3; must be a whole number from 16"),
        ({"block_size": 256.0}, "block_size=256.0; must be a whole number"),
        ({"latency_ms": "lowest"}, "latency_ms='lowest'; must be 'low', 'high' or a number"),
        ({"latency_ms": -1}, "latency_ms=-1; must be 'low', 'high' or a number"),
        (
            {"sr": 22050},
            "sr=22050; must be a rate that both devices can do, such as .* refuses it .Invalid sample rate",
        ),
        ({"sr": 100}, "sr=100"),
        ({"input": 4}, "belong to different sound interfaces"),
        ({"input": 99}, "input=99; must be one of the input devices"),
    ],
)
def test_what_is_refused(sound: Start, denoiser: Denoiser, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        LiveDenoiser(denoiser, sounddevice=sound(), **options)


def test_the_rate_is_one_that_both_can_do(sound: Start, denoiser: Denoiser) -> None:
    assert LiveDenoiser(denoiser, sounddevice=sound()).sr == 16000
    assert LiveDenoiser(denoiser, sounddevice=sound(rates=(44100,))).sr == 44100
    headset = LiveDenoiser(denoiser, input="headset", output="headset", sounddevice=sound())
    assert (headset.sr, headset.block_size) == (48000, 768)
    assert repr(headset) == (
        "<LiveDenoiser from 2 USB Headset (ALSA) to 2 USB Headset (ALSA), 1 channels at 48000 Hz, blocks of 768>"
    )
    with pytest.raises(DeviceError, match="no sample rate in common"):
        LiveDenoiser(denoiser, sounddevice=sound(rates=()))


def test_nothing_is_compiled_or_loaded_once_the_sound_runs() -> None:
    program = """
import sys
import numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from nmf_audio import Denoiser, LiveDenoiser
from tests.live.fake import FakeSound

compiled = []
compile_one = Dispatcher.compile

def note(self, signature):
    compiled.append(self)
    return compile_one(self, signature)

Dispatcher.compile = note
for method in (None, "adaptive", "classic"):
    sound = FakeSound(np.full((48000, 1), 0.1, np.float32))
    live = LiveDenoiser(Denoiser(method=method), sounddevice=sound)
    with live:
        before = len(compiled), set(sys.modules)
        for _ in range(2):
            live.wait(0.5)
            live.bypass = not live.bypass
        assert live.status().n_blocks > 50
        after = len(compiled), set(sys.modules)
        assert after == before, (method, compiled, after[1] - before[1])
assert compiled, "this test sees nothing"
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
