"""Memory and open files of long batches: nothing waits for Python's collector of cycles."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmf_audio import Denoiser, PercussiveSeparator, Separator, denoise_files
from tests.io.media.make import write_media
from tests.tiny import SR, denoiser_by, noise, tiny_dictionary, write_noise

TINY = tiny_dictionary()


@pytest.fixture
def no_collector() -> Iterator[None]:
    # what is there already is not looked at
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "make",
    [
        lambda: Denoiser(TINY, method="classic").stream(SR),
        lambda: Denoiser(TINY, method="adaptive").stream(48000),
        lambda: denoiser_by("trained").stream(16000),
        lambda: Separator(TINY).stream(SR),
        lambda: PercussiveSeparator().learn([noise(1.0).T.astype(np.float32)], SR),
    ],
    ids=["classic", "adaptive", "memory", "separator", "percussive"],
)
def test_a_stream_goes_when_nobody_holds_it(make: Callable[[], Any]) -> None:
    # what compiles its loops leaves frames behind
    first = make()
    first.process(noise(0.5)[:, 0].astype(np.float32))
    first.flush()
    gc.collect()
    stream = make()
    stream.process(noise(0.5)[:, 0].astype(np.float32))
    stream.flush()
    alive = weakref.ref(stream)
    del stream
    assert alive() is None


@pytest.mark.usefixtures("no_collector")
def test_a_batch_leaves_nothing_to_collect(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 0.1)
    write_media(tmp_path / "b.m4a", video=None)
    (tmp_path / "c.wav").write_bytes(b"no recording")
    sources = sorted(tmp_path.iterdir())
    denoiser = Denoiser(TINY, method="classic")
    # what is made once is made
    list(denoise_files(sources, denoiser=denoiser, force=True))
    gc.collect()
    statuses = [report.status for report in denoise_files(sources, denoiser=denoiser, force=True)]
    assert statuses == ["done", "done", "failed"]
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = {type(thing).__name__ for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    # the filters of some versions of PyAV hold each other
    assert kinds <= {"Graph", "FilterContext", "dict", "list"}


def test_an_error_does_not_hold_what_failed(tmp_path: Path) -> None:
    class Big:
        """Stands for arrays and open files."""

    held: list[weakref.ref[Big]] = []

    def fail(done: float, total: float) -> None:
        big = Big()
        held.append(weakref.ref(big))
        raise ValueError("no good")

    from nmf_audio.jobs.file_work import work_on

    report = work_on(write_noise(tmp_path / "a.wav"), tmp_path / "b.wav", dictionary=TINY, method="classic")(
        fail
    )
    assert report.status == "failed"
    assert isinstance(report.error, ValueError)
    assert report.error.__traceback__ is not None
    assert [alive() for alive in held] == [None]
