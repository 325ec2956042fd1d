"""``ffmpeg -i song.mp4 -f wav - | nmf-audio separate - --sources voice.npz -o parts``."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nmf_audio import Separator
from nmf_audio.errors import ParameterError
from nmf_audio.jobs.separate_file import separate_file
from tests.cli.helpers import Run, names, piping, take_interrupts
from tests.pipe import Pipe
from tests.separation.material import Mixture

SOURCES = ("--sources", "low.npz", "high.npz")
PARTS = ["high.wav", "low.wav", "residual.wav"]


def _separate(*words: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "nmf_audio.cli.main", "separate", "-", *words, "--residual"]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def _of_unknown_length(wav: bytes) -> bytes:
    """Return a WAV as programs write it into a pipe."""
    start = wav.index(b"data")
    return b"RIFF\xff\xff\xff\xff" + wav[8:start] + b"data\xff\xff\xff\xff" + wav[start + 8 :]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(SOURCES, id="sources"),
        pytest.param((*SOURCES, "--free", "2"), id="free"),
        pytest.param(("--blind", "2"), id="blind"),
    ],
)
def test_what_comes_through_a_pipe_is_taken_apart_like_a_file(
    run_separate: Run, way: tuple[str, ...]
) -> None:
    words = (*way, "-o", "piped", "--json", "r.json")
    stream = _of_unknown_length(Path("mix.wav").read_bytes())
    if way == SOURCES:
        done = _separate(*words, stdin=stream)
        assert (done.returncode, done.stderr) == (0, b"")
        said = done.stdout.decode()
    else:
        with piping(stream):
            code, out, err = run_separate("-", *words)
        assert (code, err) == (0, [])
        said = out[0]
    assert said.startswith("standard input: 2.0 s in ")
    assert run_separate("mix.wav", *way, "-o", "file", "--name", "{source}{ext}")[0] == 0
    assert names(Path("piped")) == names(Path("file"))
    for name in names(Path("piped")):
        piped, whole = (soundfile.read(f"{folder}/{name}", dtype="int16")[0] for folder in ("piped", "file"))
        np.testing.assert_array_equal(piped, whole)
    assert json.loads(Path("r.json").read_text())["files"][0]["src"] == "-"


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (("--format", "flac"), "{}.flac"),
        (("--name", "my_{source}.caf"), "my_{}.caf"),
    ],
    ids=["format", "name"],
)
def test_names_formats_and_other_containers(
    run_separate: Run, mixture: Mixture, words: tuple[str, ...], pattern: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, mixture.y, mixture.sr, format="FLAC", subtype="PCM_24")
    with piping(file.getvalue()):
        assert run_separate("-", *SOURCES, *words, "-o", "out", "--start", "0.5", "-q") == (0, [], [])
    assert names(Path("out")) == [pattern.format(Path(name).stem) for name in PARTS]
    info = soundfile.info(Path("out") / names(Path("out"))[0])
    assert (info.subtype, info.duration) == ("PCM_24", 1.5)


@pytest.mark.slow
def test_what_can_not_be_piped_is_said_in_a_sentence(run_separate: Run, tmp_path: Path) -> None:
    wav = Path("mix.wav").read_bytes()
    before = names(tmp_path)
    for words, said in (
        (("mix.wav", *SOURCES), "-: standard input is given beside other inputs; give it alone"),
        ((*SOURCES, "-o", "-"), "-o -: the parts are several files; name a folder"),
        (
            (*SOURCES, "--name", "{stem}.{source}.wav"),
            "standard input has no name to fill in; leave {stem} out",
        ),
        (("--blind", "2", "--joint"), "--joint: standard input is one recording; leave --joint out"),
    ):
        done = _separate(*words, stdin=wav)
        assert done.returncode == 2
        assert said in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1
    for stdin, way, said in (
        (b"", SOURCES, "standard input: is empty"),
        (b"no recording" * 100, ("--blind", "2"), "standard input: holds no audio"),
        (wav[:20], SOURCES, "standard input: "),
    ):
        done = _separate(*way, stdin=stdin)
        assert done.returncode == 1
        assert said in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == before
    done = _separate(*SOURCES, "-o", "cut", stdin=wav[:-20000])
    assert done.returncode == 1
    assert b"standard input: warning: is truncated" in done.stderr
    assert names(Path("cut")) == PARTS
    with pytest.raises(ParameterError, match="given beside an open file, which has no name"):
        separate_file(Pipe(wav), separator=Separator("low.npz"))


@pytest.mark.parametrize(
    "way", [SOURCES, pytest.param(("--blind", "2"), marks=pytest.mark.slow)], ids=["sources", "blind"]
)
def test_ctrl_c_ends_the_wait_for_a_pipe(run_separate: Run, tmp_path: Path, way: tuple[str, ...]) -> None:
    before = names(tmp_path)
    wav = Path("mix.wav").read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-m", "nmf_audio.cli.main", "separate", "-", *way, "-o", "out"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=take_interrupts,
    )
    assert process.stdin is not None
    # more than a pipe holds: it is being read, once all of this is written
    os.write(process.stdin.fileno(), wav[:40000])
    os.write(process.stdin.fileno(), bytes(2**16))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"nmf-audio separate: interrupted\n")
    assert names(Path("out")) == []
    assert names(tmp_path) == sorted([*before, "out"])
