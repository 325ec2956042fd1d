"""The command ``denoise`` between other programs: ``ffmpeg -i talk.mp4 -f wav - | denoise - -o - | ffplay -``."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import soundfile

from nmf_audio import Denoiser
from nmf_audio.io.riff import WavHead, read_head, write_head
from tests.cli.helpers import COMMAND, Run, names, piping, take_interrupts
from tests.tiny import noise, write_noise

SR = 16000
Process = subprocess.Popen[bytes]
PAGE = Path(__file__).parents[2] / "docs" / "pipes.md"


def ffmpeg_stream(samples: bytes) -> bytes:
    """Return what ``ffmpeg -i talk.mp4 -ac 1 -ar 16000 -f wav -`` writes, byte by byte."""
    software = b"LIST\x1a\x00\x00\x00INFOISFT\x0e\x00\x00\x00Lavf60.16.100\x00"
    form = b"fmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00"
    return b"RIFF\xff\xff\xff\xffWAVE" + form + software + b"data\xff\xff\xff\xff" + samples


# what stands beside the samples is kept
HEAD = ffmpeg_stream(b"")


@pytest.fixture
def options() -> list[str]:
    """None: the default method starts soonest, as it has nothing compiled."""
    return []


@pytest.fixture(scope="module")
def talk() -> bytes:
    """Three seconds, 16-bit integers."""
    return (noise(3, sr=SR)[:, 0] * 2**15).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def denoised(talk: bytes) -> bytes:
    """What becomes of them."""
    y = np.frombuffer(talk, "<i2").astype(np.int16)
    return Denoiser().denoise(y, SR, warm_up=0).astype("<i2").tobytes()


def denoise(
    options: list[str], *words: str, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *options, *words], input=stdin, capture_output=True, cwd=cwd, check=False
    )


@contextmanager
def running(
    options: list[str], *words: str, cwd: Path | None = None
) -> Iterator[tuple[Process, Any, Any, Any]]:
    """Run the command with pipes without buffers; gives the process, its stdin, stdout and stderr."""
    with subprocess.Popen(
        [*COMMAND, *options, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=cwd,
        preexec_fn=take_interrupts,
    ) as process:
        yield process, process.stdin, process.stdout, process.stderr


def write_for_ever(pipe: IO[bytes]) -> None:
    while True:
        pipe.write(bytes(2 * SR))


def received(pipe: IO[bytes], n: int) -> bytes:
    """Take n bytes that must come without anything more going in."""
    data = b""
    while len(data) < n:
        # only a command that waits for more than it may ever waits so long
        assert select.select([pipe], [], [], 60)[0], f"{len(data)} of {n} bytes came"
        part = os.read(pipe.fileno(), n - len(data))
        assert part, f"ended after {len(data)} of {n} bytes"
        data += part
    return data


@pytest.mark.parametrize("raw", [False, True])
def test_no_more_delay_than_the_latency(options: list[str], talk: bytes, denoised: bytes, raw: bool) -> None:
    latency, n_block = 512, 160
    words = ["--raw", "s16le", "--rate", str(SR)] if raw else []
    with running(options, "-", "-o", "-", "-q", *words) as (process, stdin, stdout, stderr):
        head = b"" if raw else HEAD
        if not raw:
            stdin.write(ffmpeg_stream(b""))
        out = b""
        for start in range(0, len(talk), 2 * n_block):
            stdin.write(talk[start : start + 2 * n_block])
            n_in = min(start // 2 + n_block, len(talk) // 2)
            if n_in > latency:
                out += received(stdout, max(len(head) + 2 * (n_in - latency) - len(out), 0))
        stdin.close()
        out += stdout.read()
        assert out == head + denoised
        assert (stderr.read(), process.wait()) == (b"", 0)


def test_the_line_in_the_documentation(options: list[str], talk: bytes, denoised: bytes) -> None:
    line = "ffmpeg -i talk.mp4 -f wav - | denoise - -o - | ffplay -"
    assert line in PAGE.read_text(encoding="utf-8")
    words = re.split(r" \| ", line)[1].split()
    assert words[0] == "denoise"
    result = denoise(options, *words[1:], stdin=ffmpeg_stream(talk))
    assert result.returncode == 0
    assert result.stdout == HEAD + denoised
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("standard input -> standard output: 3.0 s in ")


def test_a_pipe_may_wait_for_what_a_file_hears_first(options: list[str], talk: bytes) -> None:
    words = ["-", "-o", "-", "--raw", "s16le", "--rate", str(SR)]
    y = np.frombuffer(talk, "<i2").astype(np.int16)
    result = denoise(options, *words, "--warm-up", "2", stdin=talk)
    assert (result.returncode, result.stdout) == (0, Denoiser().denoise(y, SR).astype("<i2").tobytes())
    result = denoise(options, *words, "--warm-up", "two", stdin=talk)
    assert result.returncode == 2
    assert result.stderr == b"denoise: --warm-up two: must be a number from 0 to 60 s\n"


def test_between_a_pipe_and_files(
    options: list[str], talk: bytes, denoised: bytes, run: Run, tmp_path: Path
) -> None:
    def samples(path: Path) -> bytes:
        return bytes(soundfile.read(path, dtype="int16")[0].astype("<i2").tobytes())

    words = ["-", "-o", "clean.flac", "--keep-noise", "noise.wav", "--json", "r.json"]
    with piping(ffmpeg_stream(talk)):
        code, out, err = run(*words)
    assert (code, err) == (0, [])
    assert out[0].startswith("standard input -> clean.flac: ")
    assert samples(tmp_path / "clean.flac") == denoised
    parts = [np.frombuffer(samples(tmp_path / name), "<i2") for name in ("clean.flac", "noise.wav")]
    np.testing.assert_array_equal(parts[0] + parts[1], np.frombuffer(talk, "<i2"))
    (entry,) = json.loads((tmp_path / "r.json").read_text())["files"]
    assert (entry["src"], entry["dst"], entry["status"]) == ("-", "clean.flac", "done")

    soundfile.write(tmp_path / "talk.flac", np.frombuffer(talk, "<i2"), SR)
    words = ["talk.flac", "-o", "-", "--raw", "s16le", "--json", "s.json", "--warm-up", "0"]
    result = denoise(options, *words, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, denoised)
    assert result.stderr.startswith(b"talk.flac -> standard output: ")
    document = json.loads((tmp_path / "s.json").read_text())
    assert document["parameters"]["raw"] == "s16le"
    (entry,) = document["files"]
    assert (entry["src"], entry["dst"], entry["format"]) == ("talk.flac", "-", "RAW")


def test_redirected_files(options: list[str], talk: bytes, denoised: bytes, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.flac", np.frombuffer(talk, "<i2"), SR)
    with (tmp_path / "talk.flac").open("rb") as source, (tmp_path / "clean.wav").open("wb") as target:
        code = subprocess.call([*COMMAND, *options, "-", "-o", "-", "-q"], stdin=source, stdout=target)
    assert code == 0
    content = io.BytesIO((tmp_path / "clean.wav").read_bytes())
    head = read_head(content.read)
    assert head is not None
    assert (head.n_bytes, content.read()) == (len(denoised), denoised)


def test_a_reader_that_leaves_is_no_fault_to_talk_about(options: list[str], tmp_path: Path) -> None:
    words = ["-", "-o", "-", "--keep-noise", "noise.wav"]
    with running(options, *words, cwd=tmp_path) as (process, stdin, stdout, stderr):
        stdin.write(ffmpeg_stream(bytes(2 * SR)))
        assert len(received(stdout, 100)) == 100
        stdout.close()
        # it leaves as well, as it should
        with pytest.raises(BrokenPipeError):
            write_for_ever(stdin)
        assert (stderr.read(), process.wait()) == (b"", 141)
    assert names(tmp_path) == []


def test_what_came_of_a_truncated_stream_is_written(options: list[str], talk: bytes, denoised: bytes) -> None:
    n = len(talk)
    result = denoise(options, "-", "-o", "-", "-q", stdin=write_head(WavHead(SR, 1, "PCM_16", 2 * n)) + talk)
    assert result.returncode == 1
    assert result.stdout == write_head(WavHead(SR, 1, "PCM_16", 2 * n)) + denoised
    assert result.stderr.decode() == (
        f"denoise: standard input: warning: is truncated: {n} of {2 * n} bytes of its samples arrived; "
        "what could be read was denoised\n"
    )


def test_ctrl_c_while_it_waits(options: list[str], tmp_path: Path) -> None:
    words = ["-", "-o", "clean.wav", "--keep-noise", "-"]
    with running(options, *words, cwd=tmp_path) as (process, stdin, stdout, stderr):
        stdin.write(ffmpeg_stream(bytes(2 * SR)))
        received(stdout, len(HEAD) + 2 * (SR - 512))
        process.send_signal(signal.SIGINT)
        assert (stderr.read(), process.wait()) == (b"denoise: interrupted\n", 130)
    assert names(tmp_path) == []


def test_terminals_and_closed_streams_are_refused(options: list[str], tmp_path: Path) -> None:
    ours, its = os.openpty()
    result = subprocess.run(
        [*COMMAND, *options, "-", "-o", "-"], stdin=its, stdout=its, stderr=subprocess.PIPE, check=False
    )
    assert not select.select([ours], [], [], 0)[0]
    os.close(its)
    os.close(ours)
    assert result.returncode == 2
    assert result.stderr.decode().splitlines() == [
        "denoise: -: standard input is a terminal; pipe a recording into it",
        "denoise: -o -: standard output is a terminal; pipe it into a program, or give a file",
    ]
    shell = ["sh", "-c", 'exec "$@" <&- >&-', "sh"]
    result = subprocess.run(
        [*shell, *COMMAND, *options, "-", "-o", "-"], stderr=subprocess.PIPE, cwd=tmp_path, check=False
    )
    assert result.returncode == 2
    assert result.stderr.decode().splitlines() == [
        "denoise: -: standard input is closed; pipe a recording into it",
        "denoise: -o -: standard output is closed; pipe it into a program, or give a file",
    ]


def test_the_input_is_never_the_output(options: list[str], tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav")
    before = path.read_bytes()
    with path.open("rb") as source, path.open("ab") as target:
        result = subprocess.run(
            [*COMMAND, *options, "-", "-o", "-"],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert result.returncode == 2
    assert result.stderr == (
        b"denoise: -o -: standard output and standard input are the same file; name another\n"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        (["-"], ["-: standard input has no name to make the output's from; give -o FILE, or -o -"]),
        (["-", "--output-dir", "d"], ["-: standard input has no name to make the output's from"]),
        (["-", "a.wav"], ["-: standard input is given beside other inputs; give it alone"]),
        (["a.wav", "-o", "-", "--json"], ["--json and -o - both write to standard output"]),
        (["a.wav", "-o", "-", "--json", "-"], ["--json and -o - both write to standard output"]),
        (["a.wav", "--keep-noise", "-", "--json"], ["--json and --keep-noise - both write to"]),
        (["a.wav", "-o", "-", "--keep-noise", "-"], ["-o - and --keep-noise - both write to"]),
        (["-", "-o", "b.wav", "--keep-noise", "{stem}.n.wav"], ["--keep-noise {stem}.n.wav: standard input"]),
        (["-", "-o", "b.wav", "--raw", "s16le"], ["--raw has no header: give --rate"]),
        (["-", "-o", "b.wav", "--raw", "x"], ["--raw has no header: give --rate", "--raw x: must be u8"]),
        (["-", "-o", "b.wav", "--raw", "s16", "--rate", "8000"], ["--raw s16: must be u8, s16le"]),
        (
            ["-", "-o", "b.wav", "--raw", "u8", "--rate", "8k"],
            ["--rate 8k: must be a whole number from 4000"],
        ),
        (["-", "-o", "b.wav", "--raw", "u8", "--rate=--5"], ["--rate --5: must be a whole number"]),
        (
            ["-", "-o", "b.wav", "--raw", "u8", "--rate", "8000", "--channels", "0", "--channels", "left"],
            [
                "--channels 0: must be a whole number from 1 to 64",
                "--channels left: must be linked or independent",
            ],
        ),
        (["a.wav", "--raw", "s16le"], ["--raw is for standard input and output"]),
        (["a.wav", "--channels", "2"], ["--channels 2: a number of channels is for --raw samples"]),
        (["a.wav", "-o", "-", "--raw", "s16le", "--channels", "2"], ["--channels 2: a number of channels"]),
        (["a.wav", "-o", "-", "--rate", "8k"], ["--rate 8k: must be a whole number from 4000"]),
        (["a.wav", "-o", "-", "--format", "flac"], ["--format flac: must be WAV or WAVEX; a stream"]),
        (["a.wav", "-o", "-", "--subtype", "vorbis"], ["--subtype vorbis: must be PCM_U8, PCM_16"]),
        (
            ["a.wav", "-o", "-", "--raw", "s16le", "--subtype", "PCM_24"],
            ["--subtype PCM_24 and --raw s16le do not go together"],
        ),
        (
            ["-", "-o", "b.wav", "--noise-from", "50-61"],
            ["--noise-from 50-61: must be within the first 60 s of"],
        ),
        (["-", "-o", "none/b.wav"], ["none/b.wav: there is no folder none"]),
    ],
)
def test_faults_of_names_and_options(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: list[str],
    faults: list[str],
) -> None:
    from nmf_audio.cli.denoise import main

    monkeypatch.chdir(tmp_path)
    # how the tests are started must not matter
    monkeypatch.setattr(os, "isatty", lambda _: False)
    write_noise(tmp_path / "a.wav")
    assert main([*options, *words]) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert (out, len(lines)) == ("", len(faults))
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"denoise: {fault}")
    assert names(tmp_path) == ["a.wav"]


def test_a_dry_run_reads_nothing(run: Run, tmp_path: Path) -> None:
    with piping(b"no recording"):
        assert run("-", "-o", "clean.wav", "-n") == (0, ["standard input -> clean.wav"], [])
        assert os.read(0, 99) == b"no recording"
    assert names(tmp_path) == []


def test_a_file_may_be_called_so(run: Run, tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav").rename(tmp_path / "-")
    assert run("./-", "-o", "clean.wav")[0] == 0
    assert names(tmp_path) == ["-", "clean.wav"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(options: list[str], tmp_path: Path) -> None:
    words = [*options, "-q", "-", "-o", "-", "--raw", "s16le", "--rate", "8000"]
    code = f"""
import pathlib, re, resource, sys
from nmf_audio.cli.denoise import main
assert main({words!r}) == 0
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text()).group(1))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(peak, file=sys.stderr)
"""
    peaks = []
    for minutes in (1, 4):
        data = (noise(60 * minutes)[:, 0] * 2**15).astype("<i2").tobytes()
        result: Any = subprocess.run(
            [sys.executable, "-c", code], input=data, capture_output=True, check=True
        )
        assert len(result.stdout) == len(data)
        peaks.append(int(result.stderr))
    # three minutes are 2.9 MB, and 5.8 MB as float32
    assert peaks[1] - peaks[0] < 2e6
