"""Files that are put into a folder: when they are complete, and that each is found once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nmf_audio.io.inbox import Inbox


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Inbox:
    return Inbox(tmp_path, {".wav"}, settling_seconds=2, clock=clock)


def put(path: Path, text: str, changed: float = 0) -> None:
    """Write a file that was changed at a time."""
    path.write_text(text)
    os.utime(path, (changed, changed))


def found(inbox: Inbox) -> list[str]:
    """Return the names of what has become complete."""
    return [path.name for path in inbox.find_complete()]


def test_a_file_is_found_once_when_it_has_stayed_the_same(inbox: Inbox, clock: Clock, tmp_path: Path) -> None:
    put(tmp_path / "a.wav", "half", 1)
    assert found(inbox) == []
    clock.now = 1.9
    assert found(inbox) == []
    put(tmp_path / "a.wav", "half and more", 2)
    clock.now = 2.5
    assert found(inbox) == []
    clock.now = 4.4
    assert found(inbox) == []
    clock.now = 4.5
    assert found(inbox) == ["a.wav"]
    clock.now = 100
    assert found(inbox) == []


def test_the_same_size_at_another_time_or_another_file_is_a_change(
    inbox: Inbox, clock: Clock, tmp_path: Path
) -> None:
    put(tmp_path / "a.wav", "1", 1)
    put(tmp_path / "b.wav", "1", 1)
    found(inbox)
    clock.now = 2
    put(tmp_path / "a.wav", "2", 2)
    put(tmp_path / "new", "3", 1)
    (tmp_path / "new").replace(tmp_path / "b.wav")
    assert found(inbox) == []
    clock.now = 4
    assert found(inbox) == ["b.wav", "a.wav"]


def test_they_come_in_the_order_of_their_changes(inbox: Inbox, clock: Clock, tmp_path: Path) -> None:
    for name, changed in (("c.wav", 1), ("a.WAV", 2), ("b.wav", 2), ("d.txt", 0), (".e.wav", 0)):
        put(tmp_path / name, name, changed)
    found(inbox)
    clock.now = 2
    assert found(inbox) == ["c.wav", "a.WAV", "b.wav"]


def test_one_that_is_gone_is_forgotten(inbox: Inbox, clock: Clock, tmp_path: Path) -> None:
    put(tmp_path / "a.wav", "1")
    found(inbox)
    clock.now = 2
    assert found(inbox) == ["a.wav"]
    (tmp_path / "a.wav").unlink()
    assert found(inbox) == []
    put(tmp_path / "a.wav", "1")
    assert found(inbox) == []
    clock.now = 4
    assert found(inbox) == ["a.wav"]


def test_folders_below_count_if_asked_for(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "below").mkdir()
    put(tmp_path / "below" / "a.wav", "1")
    inboxes = [Inbox(tmp_path, {".wav"}, recursive=recursive, clock=clock) for recursive in (False, True)]
    assert [found(inbox) for inbox in inboxes] == [[], []]
    clock.now = 9
    assert [found(inbox) for inbox in inboxes] == [[], ["a.wav"]]


@pytest.mark.skipif(sys.platform != "linux", reason="needs leases")
def test_one_that_is_open_for_writing_waits(inbox: Inbox, clock: Clock, tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("w") as file:
        file.write("half")
        file.flush()
        found(inbox)
        clock.now = 60
        assert found(inbox) == []
    assert found(inbox) == ["a.wav"]
