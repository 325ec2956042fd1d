"""The command carries over origin, time code and markers of a WAV where they hold, and names where they don't."""

from __future__ import annotations

from pathlib import Path

import soundfile

from nmf_audio.io.tags.chunks import append_chunks
from tests.cli.helpers import Run
from tests.io.test_chunks import CHUNKS, chunks_of, write_wav
from tests.tiny import SR


def test_the_command_carries_them_over(run: Run, tmp_path: Path) -> None:
    append_chunks(write_wav(tmp_path / "a.wav"), CHUNKS)
    assert run("a.wav", "--keep-noise", "rest.wav")[::2] == (0, [])
    for name in ("a.denoised.wav", "rest.wav"):
        assert chunks_of(tmp_path / name) == CHUNKS
        assert soundfile.info(tmp_path / name).frames == SR + 1
    assert run("a.wav", "-o", "b.wav", "--format", "rf64")[::2] == (0, [])
    assert chunks_of(tmp_path / "b.wav") == CHUNKS
    lost = "denoise: a.wav: warning: left out, since it is for a whole WAV of the same rate: bext, iXML, cue, LIST"
    for words in (["-o", "c.flac"], ["-o", "c.wav", "--end", "0.5"], ["-o", "d.wav", "--rate", "16000"]):
        assert run("a.wav", *words)[::2] == (0, [lost])
    assert chunks_of(tmp_path / "c.wav") == chunks_of(tmp_path / "d.wav") == []
