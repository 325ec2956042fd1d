"""Outputs on a disk that is full: an error that says so, and nothing left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmf_audio.errors import AudioFileError, NmfAudioError
from nmf_audio.io.containers import Container
from nmf_audio.io.interrupts import deferring_interrupts
from nmf_audio.io.media.writer import MediaWriter
from nmf_audio.io.sndfile_writer import AudioWriter
from nmf_audio.jobs.denoise_file import denoise_file
from nmf_audio.plots import new_axes, plot_atoms
from nmf_audio.training.checkpoint import save_checkpoint
from tests.tiny import room_for, tiny_dictionary, write_noise

TINY = tiny_dictionary()
EXTENSIONS = ("wav", "flac", "ogg", "opus", "mp3", "aiff", "caf", "w64", "au", "m4a", "mp4", "mkv", "webm")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_recording_is_whole_or_an_error(tmp_path: Path, extension: str) -> None:
    src = write_noise(tmp_path / "a.wav", 1.5, sr=16000)
    whole, dst = tmp_path / f"whole.{extension}", tmp_path / f"b.{extension}"
    denoise_file(src, whole, dictionary=TINY, method="classic")
    n_whole = whole.stat().st_size
    for room in (0, n_whole // 2, n_whole - 1):
        with (
            room_for(room),
            pytest.raises(AudioFileError, match=rf"b\.{extension}: can't be written: File too large"),
        ):
            denoise_file(src, dst, dictionary=TINY, method="classic")
        assert sorted(tmp_path.iterdir()) == sorted([src, whole])
    with room_for(n_whole):
        denoise_file(src, dst, dictionary=TINY, method="classic")
    assert dst.stat().st_size == n_whole


def save_picture(path: Path) -> None:
    import argparse

    from matplotlib.figure import Figure

    from nmf_audio.cli import pictures

    figure = plot_atoms(TINY, ax=new_axes(3, 2)).figure
    assert isinstance(figure, Figure)
    pictures.save(argparse.Namespace(output=path, force=False), figure, [], dpi=50)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npz", TINY.save),
        ("a.checkpoint", lambda path: save_checkpoint(path, {"x": np.arange(5000.0)}, {})),
        ("a.png", save_picture),
    ],
)
def test_so_is_all_else_that_is_written(tmp_path: Path, name: str, save: Callable[[Path], Any]) -> None:
    path = tmp_path / name
    save(path)
    n_whole = path.stat().st_size
    path.unlink()
    for room in (0, n_whole - 1):
        with room_for(room), pytest.raises((NmfAudioError, OSError), match="File too large"):
            save(path)
        assert not path.exists()


@pytest.mark.parametrize(
    ("writer", "container"),
    [
        (AudioWriter, Container("OGG", "VORBIS")),
        (AudioWriter, Container("MP3", "MPEG_LAYER_III")),
        (AudioWriter, Container("FLAC", "PCM_16")),
        (MediaWriter, Container("M4A", "AAC")),
    ],
)
def test_an_error_shows_at_once_though_there_is_room_again_later(
    tmp_path: Path, writer: Any, container: Container
) -> None:
    y = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 80000)).astype(np.float32)
    file = writer(tmp_path / "a", 16000, 1, container)
    with room_for(1), pytest.raises(AudioFileError, match="a: can't be written: File too large"):
        file.write(y)
    with pytest.raises(AudioFileError, match="a: can't be written: File too large"):
        file.close()


def test_an_interrupt_waits_for_the_end_of_a_block() -> None:
    seen = []

    def work() -> None:
        with deferring_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("whole")
        seen.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert seen == ["whole"]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
