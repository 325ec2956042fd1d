"""Mutated recordings through all that reads them: nothing crashes or hangs, and every output is whole or absent.

python -m tests.stress.fuzz_recordings --seed 1 --minutes 5
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import nmf_audio
from nmf_audio import denoise_file
from tests.pipe import Pipe
from tests.stress.frame import make_folder, parse_options, run_trial
from tests.stress.layouts import repair_ogg
from tests.stress.mutations import Splice, apply, choose_splice, cut_at, flip_bit
from tests.stress.recordings import Recording, make_recordings
from tests.tiny import tiny_dictionary

ROUTES = ("file", "file", "separate", "pipe", "command", "command pipe")

MOST_LOST = 2.0
"""Seconds that one flipped bit may cost at most."""

LONGEST = 600.0
"""Seconds beyond which a recording of a few kilobytes is longer than it can be, but at a rate of its own."""

# where a file that was cut off at a frame looks whole: docs/formats.md
_NO_END = (".aac", ".ac3", ".ts")


@dataclass(frozen=True)
class Case:
    """A recording, what is changed in it, and what reads it."""

    recording: Recording
    splices: tuple[Splice, ...]
    route: str
    is_repaired: bool = False

    @property
    def content(self) -> bytes:
        content = apply(self.recording.content, self.splices)
        return repair_ogg(content) if self.is_repaired else content

    def __repr__(self) -> str:
        return f"{self.recording} by {self.route}: {'; '.join(map(repr, self.splices)) or 'as it is'}"


class FuzzRecordings:
    """Mutated recordings."""

    name = "fuzz_recordings"

    def __init__(self, folder: Path, routes: Sequence[str] = ROUTES) -> None:
        self._folder, self._routes = folder, routes
        self._recordings = make_recordings()
        self._long = [r for r in self._recordings if r.name.startswith("long.")]
        self._short = [r for r in self._recordings if not r.name.startswith("long.")]
        # small, and so more cases a minute; the commands have the shipped one
        self._denoise = partial(denoise_file, dictionary=tiny_dictionary(), method="classic")
        if "separate" in routes:
            # what is compiled is so in all processes
            (folder / "a.wav").write_bytes(self._recordings[0].content)
            _separate(self, folder / "a.wav", b"")

    def whole(self) -> list[Case]:
        return [Case(one, (), route) for one in self._recordings for route in dict.fromkeys(self._routes)]

    def make(self, rng: np.random.Generator, i: int) -> Case:
        route = self._routes[int(rng.integers(len(self._routes)))]
        kind = rng.random()
        if kind < 0.04:
            one = self._long[rng.integers(len(self._long))]
            at = int(rng.integers(len(one.content) // 10, len(one.content)))
            return Case(one, (flip_bit(at, int(rng.integers(8)), one.content),), route)
        one = self._short[rng.integers(len(self._short))]
        if kind < 0.12:
            return Case(one, (cut_at(int(rng.integers(len(one.content))), one.content),), route)
        splices: list[Splice] = []
        content = one.content
        for _ in range(int(rng.choice((1, 2, 3, 6), p=(0.5, 0.25, 0.15, 0.1)))):
            other = self._short[rng.integers(len(self._short))].content
            splices.append(choose_splice(rng, content, other))
            content = splices[-1](content)
        return Case(one, tuple(splices), route, content[:4] == b"OggS" and rng.random() < 0.7)

    def check(self, case: Case) -> str:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            return self._check_in(folder, case)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def reduce(self, case: Case) -> Iterator[Case]:
        for i in range(len(case.splices)):
            if len(case.splices) > 1:
                yield replace(case, splices=case.splices[:i] + case.splices[i + 1 :])
        if case.is_repaired:
            yield replace(case, is_repaired=False)
        for i, splice in enumerate(case.splices):
            n = len(splice.new)
            if n > 1 and n != splice.stop - splice.start:
                shorter = replace(splice, new=splice.new[: n // 2])
                yield replace(case, splices=(*case.splices[:i], shorter, *case.splices[i + 1 :]))
        for route in ("file", "pipe"):
            if case.route != route:
                yield replace(case, route=route)

    def save(self, case: Case, folder: Path) -> None:
        (folder / case.recording.name).write_bytes(case.content)

    def _check_in(self, folder: Path, case: Case) -> str:
        src, content = folder / case.recording.name, case.content
        src.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = _ROUTES[case.route](self, src, content)
            except nmf_audio.NmfAudioError:
                result = Result("failed", [])
        numeric = [str(w.message) for w in caught if "encountered in" in str(w.message)]
        if numeric:
            return f"arithmetic warns: {numeric[0]}"
        return result.problem or _judge(case, src, content, result)


@dataclass
class Result:
    """What a route gave: the status of the report, outputs, samples that are in them, what is wrong."""

    status: str
    outputs: list[Path]
    n_samples: int | None = None
    problem: str = ""


def _judge(case: Case, src: Path, content: bytes, result: Result) -> str:
    """Return what is wrong with the files after a recording was read."""
    if src.read_bytes() != content:
        return "the recording is not what it was"
    there = {path.name for path in src.parent.iterdir()} - {src.name}
    expected = {path.name for path in result.outputs}
    if result.status == "failed" and there:
        return f"an error leaves {sorted(there)}"
    if result.status != "failed" and not there <= expected:
        return f"{sorted(there - expected)} are left behind"
    if result.status == "failed":
        return ""
    if not there and expected:
        return "no output, and no error"
    n, sr = result.n_samples, 0
    for path in result.outputs:
        if path.name in there and path.suffix[1:].upper() in soundfile.available_formats() and n is None:
            y, sr = soundfile.read(path, dtype="float32", always_2d=True)
            if not np.isfinite(y).all():
                return f"{path.suffix} output has samples that are no numbers"
            n = len(y)
    recording = case.recording
    if n is None or not recording.n_samples:
        return ""
    if n > LONGEST * max(sr, recording.sr, 48000):
        return f"{len(content)} bytes become {n} samples"
    kinds = [splice.kind for splice in case.splices]
    is_cut = kinds == ["cut off"] and src.suffix not in _NO_END
    if is_cut and n < recording.n_samples and result.status == "done":
        return f"{src.suffix}: {n} of {recording.n_samples} samples pass as all"
    if kinds == ["one bit"] and recording.name.startswith("long.") and sr == recording.sr:
        lost = (recording.n_samples - n) / recording.sr
        # of an MP3 it may be all that follows, if that is said
        if lost > MOST_LOST and (src.suffix != ".mp3" or result.status == "done"):
            return f"{src.suffix}: one bit costs {lost:.1f} s"
    return ""


def _denoise(trial: FuzzRecordings, src: Path, content: bytes) -> Result:
    dst = src.with_name(f"out{src.suffix}")
    report = trial._denoise(src, dst)
    return Result(report.status, [dst])


def _separate(trial: FuzzRecordings, src: Path, content: bytes) -> Result:
    from nmf_audio import Separator, separate_file

    separator = Separator("plain")
    parts = {name: src.with_name(f"out.{name}{src.suffix}") for name in (*separator.sources, "residual")}
    report = separate_file(src, parts, separator=separator)
    return Result(report.status, list(parts.values()))


def _pipe(trial: FuzzRecordings, src: Path, content: bytes) -> Result:
    dst = Pipe()
    report = trial._denoise(Pipe(content, 1000), dst)
    out = src.with_name("out.wav")
    out.write_bytes(dst.content)
    return Result(report.status, [out])


def _command(trial: FuzzRecordings, src: Path, content: bytes) -> Result:
    dst = src.with_name(f"out{src.suffix}")
    return _run_command([str(src), "-o", str(dst)], dst, content=None)


def _command_pipe(trial: FuzzRecordings, src: Path, content: bytes) -> Result:
    dst = src.with_name("out.flac")
    return _run_command(["-", "-o", str(dst)], dst, content=content)


def _run_command(words: list[str], dst: Path, content: bytes | None) -> Result:
    """Run the command in this process, and judge its exit code and what it prints."""
    from nmf_audio.cli.denoise import main

    with tempfile.TemporaryFile(dir=dst.parent.parent) as printed, _streams(printed.fileno(), content):
        try:
            code = main([*words, "--dictionary", "trained"])
        except SystemExit as error:
            code = int(error.code or 0)
        sys.stderr.flush()
        printed.seek(0)
        said = printed.read().decode(errors="replace")
    result = Result({0: "done", 1: "partial"}.get(code, "failed"), [dst])
    if code == 1 and not dst.exists():
        result.status = "failed"
    if "Traceback" in said or "internal error (" in said:
        result.problem = f"prints {said.splitlines()[-1]}"
    elif not said.replace("\n", "").isprintable():
        result.problem = "prints what moves the cursor"
    elif code not in (0, 1, 2):
        result.problem = f"exit code {code}"
    elif code == 0 and not dst.exists():
        result.problem = "exit code 0 without an output"
    elif code and not said.strip():
        result.problem = f"exit code {code} without a word"
    return result


@contextlib.contextmanager
def _streams(output: int, content: bytes | None) -> Iterator[None]:
    """Let standard output and error go to a file, and standard input come from a pipe."""
    saved = [os.dup(number) for number in range(3)]
    streams = sys.stdin, sys.stdout, sys.stderr
    source = os.open(os.devnull, os.O_RDONLY)
    writer = None
    if content is not None:
        os.close(source)
        source, inlet = os.pipe()
        writer = threading.Thread(target=_pour, args=(inlet, content))
        writer.start()
    try:
        for number, target in ((0, source), (1, output), (2, output)):
            os.dup2(target, number)
        os.close(source)
        with (
            open(0, closefd=False) as sys.stdin,
            open(1, "w", closefd=False) as sys.stdout,
            open(2, "w", closefd=False) as sys.stderr,
        ):
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, target in enumerate(saved):
            os.dup2(target, number)
            os.close(target)
        if writer is not None:
            writer.join()


def _pour(inlet: int, content: bytes) -> None:
    """Write into a pipe, unless nobody reads it."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(inlet, "wb") as file:
        file.write(content)


_ROUTES: dict[str, Callable[[Any, Path, bytes], Result]] = {
    "file": _denoise,
    "separate": _separate,
    "pipe": _pipe,
    "command": _command,
    "command pipe": _command_pipe,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--routes", nargs="+", choices=tuple(_ROUTES), default=ROUTES, help="what reads (default: all)"
    )
    options = parse_options(str(__doc__).splitlines()[0], argv, parser)
    with make_folder() as folder:
        return run_trial(FuzzRecordings(folder, options.rest.routes), options)


if __name__ == "__main__":
    sys.exit(main())
