"""``nmf-audio live`` with devices on a virtual clock, and with a real terminal."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from nmf_audio.cli import keys
from nmf_audio.cli.main import main
from tests.cli.helpers import Run, names, take_interrupts
from tests.live.fake import FakeSound, Start, follow_fakes
from tests.tiny import write_noise

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that puts devices in the place of the module ``sounddevice``."""

    start = follow_fakes(monkeypatch)

    def make(*args: Any, **options: Any) -> FakeSound:
        fake = start(*args, **options)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    return make


@pytest.fixture
def live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> Run:
    """Run the command in a folder of its own; returns the exit code and the lines of stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> tuple[int, list[str], list[str]]:
        code = main(["live", *options, *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return call


def test_the_list_of_devices(sound: Start, live: Run) -> None:
    sound()
    assert live("--list-devices") == (
        0,
        [
            "  0 Built-in Microphone (ALSA): 1 channel in (default), 16000 Hz",
            "  1 Built-in Output (ALSA): 2 channels out (default), 16000 Hz",
            "  2 USB Headset (ALSA): 1 channel in, 2 channels out, 48000 Hz",
            "  3 USB Interface (ALSA): 2 channels in, 2 channels out, 16000 Hz",
            "  4 USB Interface (JACK): 2 channels in, 2 channels out, 16000 Hz",
        ],
        [],
    )
    sound(devices=(), default=(-1, -1))
    assert live("--list-devices") == (0, ["there are no audio devices"], [])
    assert live() == (
        1,
        [],
        ["nmf-audio live: there is no input device; plug one in, or allow programs to use it"],
    )


def test_it_runs_for_some_seconds_and_says_how_it_did(sound: Start, live: Run) -> None:
    fake = sound(flags={2: ("input_overflow",), 9: ("output_underflow", "input_overflow")})
    code, out, err = live("--seconds", "2", "--input", "head", "--output", "head", "--latency", "30")
    assert (code, len(err)) == (0, 1)
    assert err[0].startswith("nmf-audio live: warning: wear headphones")
    assert out[0] == (
        "from 2 USB Headset (ALSA) to 2 USB Headset (ALSA), 48000 Hz; space: before/after, q: end"
    )
    assert out[1] == "2.0 s; delay 58 ms (devices 26, denoiser 32)"
    assert out[2].startswith("real-time factor ")
    assert out[3] == "drop-outs 2 (2 input overflow, 1 output underflow), late blocks 0"
    assert out[4].startswith("against drop-outs: --latency high")
    stream = fake.streams[0]
    assert (stream.asked_latency, stream.samplerate, stream.blocksize) == (0.03, 48000, 768)
    assert stream.closed
    assert live("--seconds", "0:0.1", "-q") == (0, [], [])


def test_the_options_reach_the_session(sound: Start, live: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "room.wav", sr=16000)
    tone = np.sin(np.arange(32000)).astype(np.float32)[:, None]
    fake = sound(np.repeat(0.1 * tone, 2, axis=1))
    words = ["--input", "3", "--output", "3", "--input-channels", "2", "--rate", "8000", "--block-size", "99"]
    code, out, _ = live(
        *words, "--seconds", "1", "--mix", "0", "--record", "heard.wav", "--noise", "room.wav"
    )
    assert code == 0
    stream = fake.streams[0]
    assert (stream.samplerate, stream.blocksize, stream.channels) == (8000, 99, (2, 2))
    played = stream.output()
    # --mix 0 is the input, one frame of 256 samples later
    np.testing.assert_allclose(played[256:], fake.signal[: len(played) - 256], atol=1e-6)
    heard, sr = soundfile.read(tmp_path / "heard.wav")
    assert sr == 8000
    np.testing.assert_allclose(heard, played, atol=2**-23)
    assert out[-1] == f"heard.wav: {len(played) / 8000:.1f} s"


def test_a_recording_that_lacks_something_is_a_fault(
    sound: Start, live: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmf_audio.live.recorder._WAV_LIMIT", 0)
    sound()
    code, _, err = live("--seconds", "1", "--record", "heard.wav")
    assert code == 1
    assert err[-1] == "nmf-audio live: heard.wav: lacks 1.0 s that were played"
    assert names(tmp_path) == ["heard.wav"]


def test_all_faults_are_listed_and_no_sound_is_made(sound: Start, live: Run, tmp_path: Path) -> None:
    fake = sound()
    (tmp_path / "heard.wav").write_text("mine")
    code, out, err = live(
        *("--input", "usb", "--output", "tuba", "--rate", "fast", "--block-size", "0", "--seconds", "-1"),
        *("--mix", "7", "--noise", "none.wav", "--record", "heard.wav"),
    )
    assert (code, out, fake.streams) == (2, [], [])
    found = [line.removeprefix("nmf-audio live: ")[:24] for line in err]
    assert found == [
        "--rate fast: must be a w",
        "--block-size 0: must be ",
        "--seconds -1: must be a ",
        "--mix 7: must be a numbe",
        "--noise none.wav: can't ",
        "heard.wav: exists; give ",
        "--input usb: must be one",
        "--output tuba: must be o",
    ]
    for words, fault in [
        (["--rate", "22050"], "--rate 22050: must be a rate that both devices can do"),
        (["--block-size", "3"], "--block-size 3: must be a whole number"),
        (["--latency", "none"], "--latency none: must be low, high or a number"),
        (["--input-channels", "2"], "--input-channels 2: must be at most 1, what Built-in Microphone has"),
        (
            ["--input", "4"],
            "--input 4 USB Interface (JACK) and --output 1 Built-in Output (ALSA) do not go together",
        ),
    ]:
        code, out, err = live(*words)
        assert (code, out, len(err), fake.streams) == (2, [], 1, [])
        assert err[0].startswith(f"nmf-audio live: {fault}")
    assert (tmp_path / "heard.wav").read_text() == "mine"


def test_a_device_that_goes_ends_it_with_the_summary_and_the_recording(
    sound: Start, live: Run, tmp_path: Path
) -> None:
    fake = sound()

    def unplug(now: float) -> None:
        if now > 1:
            fake.streams[0].unplugged_at = now

    fake.on_sleep = unplug
    code, out, err = live("--record", "heard.wav")
    assert code == 1
    assert err[-1].startswith("nmf-audio live: no more sound from 0 Built-in Microphone (ALSA)")
    assert out[1].startswith("1.0 s; delay 58 ms")
    assert soundfile.info(tmp_path / "heard.wav").frames == len(fake.streams[0].output())


def test_a_missing_package_is_one_sentence(live: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    hint = "install it with: pip install sounddevice"
    for words in ([], ["--list-devices"]):
        assert live(*words) == (
            2,
            [],
            [f"nmf-audio live: live sound needs the package sounddevice; {hint}"],
        )


@pytest.mark.parametrize(
    ("typed", "seconds", "bypass"),
    [
        ("x", 0.5, False),
        (" ", 0.5, True),
        ("  ", 0.5, False),
        ("   ", 0.5, True),
        (" q", 0.05, True),
        ("Q", 0.05, False),
    ],
)
def test_keys(
    sound: Start, live: Run, monkeypatch: pytest.MonkeyPatch, typed: str, seconds: float, bypass: bool
) -> None:
    """On Windows, whose keyboard is a module that can be put in place."""
    waiting = list(typed)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    windows = SimpleNamespace(kbhit=lambda: bool(waiting), getwch=lambda: waiting.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    fake = sound(0.1 * np.random.default_rng(0).standard_normal((16000, 1)).astype(np.float32))
    code, out, _ = live("--seconds", "0.5", "--block-size", "80")
    assert (code, waiting) == (0, [])
    played = fake.streams[0].output()
    assert len(played) == seconds * 16000
    assert out[1].startswith(f"{seconds:.1f} s; ")
    if seconds == 0.5:
        # it was pressed in the first 50 ms
        late = played[2000:, 0]
        assert np.array_equal(late, fake.signal[2000 - 512 : 8000 - 512, 0]) == bypass


PROGRAM = """
import sys, time
import numpy as np
from tests.live.fake import FakeSound, Start, follow_fakes
import nmf_audio.live.session
from nmf_audio.cli.main import main

sound = FakeSound(np.sin(np.arange(10**6)).astype(np.float32)[:, None])
virtual = sound.sleep

def sleep(msec):
    time.sleep(msec / 1000)
    virtual(msec)

sound.sleep = sleep
nmf_audio.live.callback.perf_counter = nmf_audio.live.session.perf_counter = sound.perf_counter
if sys.argv[1:2] == ["unplug"]:
    del sys.argv[1]
    sound.on_sleep = lambda now: now > 0.5 and sound.streams[0].stop()
sys.modules["sounddevice"] = sound
sys.exit(main(["live", *sys.argv[1:]]))
"""


@pytest.fixture
def terminal() -> Any:
    """Return a function that runs the command in a terminal of its own."""
    pty = pytest.importorskip("pty")
    opened: list[Any] = []

    def start(*words: str) -> Any:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=ROOT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(theirs),
        )
        opened.append((process, ours, theirs))
        return process, ours, theirs

    yield start
    for process, ours, theirs in opened:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(ours)
        os.close(theirs)


def _take_terminal(terminal: int) -> None:
    import fcntl
    import termios

    take_interrupts()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def read_until(terminal: int, text: str) -> str:
    """Read what is shown until a text is there; a minute passes only where it never is."""
    shown = ""
    end = time.monotonic() + 60
    while text not in shown:
        assert select.select([terminal], [], [], max(end - time.monotonic(), 0))[0], shown
        shown += os.read(terminal, 4096).decode()
    return shown


@pytest.mark.parametrize("ended_by", ["q", "ctrl-c", "interrupt"])
def test_in_a_terminal(terminal: Any, ended_by: str) -> None:
    import termios

    process, ours, theirs = terminal()
    before = termios.tcgetattr(theirs)
    shown = read_until(ours, "after ")
    assert "wear headphones" in shown
    assert "delay 58 ms  drop-outs 0, late" in read_until(ours, "real-time factor")
    # no key is echoed, and none needs the return key
    assert termios.tcgetattr(theirs)[3] & (termios.ECHO | termios.ICANON) == 0
    os.write(ours, b" ")
    read_until(ours, "BEFORE")
    os.write(ours, b" ")
    read_until(ours, "after ")
    if ended_by == "interrupt":
        process.send_signal(signal.SIGINT)
    else:
        os.write(ours, b"q" if ended_by == "q" else b"\x03")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "delay 58 ms (devices 26, denoiser 32)" in out
    assert "drop-outs 0, late blocks" in out
    assert termios.tcgetattr(theirs) == before


def test_the_terminal_is_restored_after_a_fault(terminal: Any) -> None:
    import termios

    process, ours, theirs = terminal("unplug")
    before = termios.tcgetattr(theirs)
    read_until(ours, "after ")
    assert termios.tcgetattr(theirs) != before
    read_until(ours, "is everything plugged in?")
    assert process.wait(timeout=60) == 1
    assert termios.tcgetattr(theirs) == before


def test_without_a_terminal_no_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" q"))
    with keys.pressed() as read:
        assert read is None
