"""How far a work is: seconds of sound, the time left, lines where there is no terminal."""

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path

import pytest

from nmf_audio.cli.progress import SoundTotal, progress_bar
from nmf_audio.cli.train_common import TrainingMessages
from nmf_audio.training.loop import Progress

ARGS = argparse.Namespace(verbosity=1, prog="train", debug=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error: in a test, since pytest puts its own there before."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def left(terminal: Terminal) -> float:
    """Return the seconds left that were shown last."""
    minutes, seconds = re.findall(r"<(\d+):(\d+),", terminal.getvalue())[-1]
    return 60 * int(minutes) + int(seconds)


@pytest.mark.parametrize("before", [0.0, 900.0], ids=["from the start", "continued"])
def test_the_time_left(clock: Clock, monkeypatch: pytest.MonkeyPatch, before: float) -> None:
    terminal = open_terminal(monkeypatch)
    total = before + 600
    with progress_bar(ARGS, "talk", unit="s") as update:
        update(before, total)
        for percent in range(1, 100):
            update(before + 6 * percent, total)
            # slow and fast by turns, 100 s in all
            clock.now += 1 + 0.5 * (-1) ** percent
            if percent >= 5:
                update(before + 6 * percent, total)
                assert (100 - percent) / 2 - 1 <= left(terminal) <= 2 * (100 - percent)
    assert terminal.getvalue().endswith("\r")


def test_of_a_pipe_nobody_knows_how_much_is_to_come(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with progress_bar(ARGS, "standard input", unit="s") as update:
        for done in range(5):
            clock.now += 1
            update(done, done)
    assert "%" not in terminal.getvalue()


def test_sound_of_recordings_that_were_not_opened_is_estimated(tmp_path: Path) -> None:
    sizes = {"a.wav": 100, "b.wav": 300, "c.flac": 50, "d.wav": 1000, "e.wav": 200, "f.wav": 100}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    seen: list[tuple[float, float]] = []
    # d is skipped
    files = [None if name == "d.wav" else tmp_path / name for name in sizes]
    advance = SoundTotal(
        [*files, tmp_path / "missing.wav"], lambda *now: seen.append((now[0], now[1]))
    ).advance
    advance(3, 0, 0)
    assert seen.pop() == (0, 0)
    advance(0, 1, 10)
    assert seen.pop() == (1, 10 + 30 + 5 + 20 + 10)
    advance(0, 10, 10)
    advance(0, 0, 0)
    assert seen.pop() == (10, 75)
    # longer than its size says, by another coding; c is now compared with both
    advance(1, 0, 70)
    assert seen.pop() == (10, 10 + 70 + 10 + 40 + 20)
    advance(4, 0, 0)
    assert seen.pop() == (10, 10 + 70 + 10 + 20)
    advance(2, 100, 100)
    advance(1, 0, 0)
    advance(5, 20, 20)
    advance(6, 0, 0)
    assert seen.pop() == (200, 200)


def test_a_training_shows_loss_and_score(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with progress_bar(ARGS, "training", unit="steps", lines=True) as bar:
        step = TrainingMessages(ARGS, bar)
        step(Progress(1, 100, 2.5, None))
        clock.now += 1
        step(Progress(2, 100, 2.25, None))
        assert "loss 2.2500]" in terminal.getvalue()
        clock.now += 1
        step(Progress(3, 100, 2.125, {"loss": 2.0, "sdr": 9.5}))
        assert "3.00/100 " in terminal.getvalue()
        assert "loss 2.1250, SI-SDR 9.50 dB]" in terminal.getvalue()


def test_without_a_terminal_a_long_training_prints_lines(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar(ARGS, "training", unit="steps", lines=True) as bar:
        step = TrainingMessages(ARGS, bar)
        for i in range(600, 1001):
            step(Progress(i, 1200, 2.5, None))
            clock.now += 1
    assert capsys.readouterr().out.splitlines() == [
        "training: 780 of 1200 steps, loss 2.5000, about 0:07:00 left",
        "training: 960 of 1200 steps, loss 2.5000, about 0:04:00 left",
    ]
    quiet = argparse.Namespace(verbosity=0, prog="train", debug=False)
    with progress_bar(quiet, "training", unit="steps", lines=True) as bar:
        bar(1, 2)
        clock.now += 1000
        bar(2, 2)
    assert capsys.readouterr() == ("", "")
