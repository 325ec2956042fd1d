"""Commands that are killed at random moments: outputs are whole or absent, leftovers go with the next run.

python -m tests.stress.kill_points --seed 1 --minutes 5
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.stress.frame import Options, Tally, make_folder, note, parse_options, summarise

SR = 16000
FOREIGN = (".0123456789abcdef.part", "talk.part", ".nmf-audio-mine.part")
"""Files of others, which nobody removes."""

LONGEST = 120.0
"""Seconds by the clock after which a command hangs."""


@dataclass(frozen=True)
class Job:
    """A command in a folder of its own: its words, what it writes, and a check of that."""

    name: str
    words: tuple[str, ...]
    outputs: tuple[str, ...]
    standard_input: str = ""
    together: bool = False
    """Whether all outputs appear at once, but for the moment in which they are put in place."""

    kept: tuple[str, ...] = ()
    """What else it may leave, as it promises: checkpoints."""


DENOISE, NMF_AUDIO = "nmf_audio.cli.denoise", "nmf_audio.cli.main"
_FAST = ("--dictionary", "trained")

JOBS = (
    Job("one", (DENOISE, "a.wav", "-o", "b.flac", *_FAST), ("b.flac",)),
    Job("forced", (DENOISE, "a.wav", "-o", "old.wav", "-f", *_FAST), ("old.wav",)),
    Job(
        "batch",
        (DENOISE, "a.wav", "c.wav", "d.wav", "--output-dir", "out", "--jobs", "2", *_FAST),
        ("out/a.denoised.wav", "out/c.denoised.wav", "out/d.denoised.wav"),
    ),
    Job("pipe", (DENOISE, "-", "-o", "b.wav", *_FAST), ("b.wav",), "a.wav"),
    Job(
        "keep-noise",
        (DENOISE, "a.wav", "-o", "b.wav", "--keep-noise", "n.wav", "-f", *_FAST),
        ("b.wav", "n.wav"),
        together=True,
    ),
    Job(
        "separate",
        (NMF_AUDIO, "separate", "a.wav", "--sources", "plain", "-o", "parts", "--residual"),
        ("parts/a.speech.wav", "parts/a.noise.wav", "parts/a.residual.wav"),
        together=True,
    ),
    Job("video", (DENOISE, "v.mp4", "-o", "w.mp4", *_FAST), ("w.mp4",)),
    Job(
        "training",
        (
            *(NMF_AUDIO, "train", "speech", "a.wav", "c.wav", "-o", "mine.npz", "--components", "4"),
            *("--iterations", "3"),
        ),
        ("mine.npz", "mine.md"),
        kept=("mine.checkpoint",),
    ),
)


def prepare(folder: Path) -> None:
    """Write what the commands read."""
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 20), ("c", 3), ("d", 0.5), ("old", 1)):
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(round(seconds * SR)), SR)
    from tests.io.media.make import write_media

    write_media(folder / "v.mp4", seconds=8.0)
    for name in FOREIGN:
        (folder / name).write_text("of others")


class Killer:
    """Kills jobs, and looks at what they leave."""

    def __init__(self, folder: Path) -> None:
        self._source, self._work = folder / "source", folder / "work"
        self._source.mkdir()
        prepare(self._source)
        self._inputs = {path.name: path.read_bytes() for path in self._source.iterdir()}
        self._seconds: dict[str, float] = {}

    def kill(self, job: Job, number: int, share: float) -> str:
        """Kill a job after a share of the time that it takes; return what is wrong with what it leaves."""
        if job.name not in self._seconds:
            started = time.monotonic()
            self._set_up()
            code, said = self._run(job)
            self._seconds[job.name] = time.monotonic() - started
            if code or (problem := self._look(job, done=True)):
                return f"{job.name}: not even undisturbed: exit code {code}, {said.strip() or problem}"
        self._set_up()
        code, said = self._run(job, number, share * self._seconds[job.name])
        problem = self._look(job, done=code == 0)
        if "Traceback" in said or "internal error (" in said:
            problem = f"prints {said.strip().splitlines()[-1]}"
        if number == signal.SIGINT and code not in (0, 130, -signal.SIGINT):
            problem = f"exit code {code} after Ctrl-C"
        if number == signal.SIGINT and self._hidden():
            problem = f"Ctrl-C leaves {self._hidden()}"
        if not problem:
            problem = self._run_again(job)
        return f"{job.name} after {signal.Signals(number).name}: {problem}" if problem else ""

    def _set_up(self) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._source, self._work)

    def _run(self, job: Job, number: int = 0, after: float = LONGEST) -> tuple[int, str]:
        """Run a job, send a signal after some seconds, and return its exit code and what it says."""
        source = (self._work / job.standard_input).read_bytes() if job.standard_input else b""
        process = subprocess.Popen(
            [sys.executable, "-m", *job.words],
            cwd=self._work,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=_take_interrupts,
        )
        try:
            said = process.communicate(source, timeout=after)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(number or signal.SIGKILL)
            said = process.communicate(timeout=LONGEST)[1]
        return process.returncode, said.decode(errors="replace")

    def _look(self, job: Job, *, done: bool) -> str:
        """Return what is wrong with the files."""
        for name, content in self._inputs.items():
            path = self._work / name
            if name not in job.outputs and (not path.exists() or path.read_bytes() != content):
                return f"{name} is not what it was"
        there = [name for name in job.outputs if self._is_there(name)]
        for name in there:
            if not _is_whole(self._work / name):
                return f"{name} is not whole"
        if done and len(there) != len(job.outputs):
            return f"exit code 0 with {there} alone"
        known = {*self._inputs, *job.outputs, *job.kept}
        files = {str(p.relative_to(self._work)) for p in self._work.rglob("*") if p.is_file()}
        strange = {name for name in files - known if not Path(name).name.startswith(".nmf-audio-")}
        return f"{sorted(strange)} are left" if strange else ""

    def _is_there(self, name: str) -> bool:
        path = self._work / name
        return path.exists() and path.read_bytes() != self._inputs.get(name)

    def _hidden(self) -> list[str]:
        return [p.name for p in self._work.rglob(".nmf-audio-*") if p.name not in FOREIGN]

    def _run_again(self, job: Job) -> str:
        """Run the job once more: it ends well, and nothing is left of what was killed."""
        again = Job(job.name, (*job.words, "-f"), job.outputs, job.standard_input, kept=job.kept)
        if job.name == "training":
            again = job
        code, said = self._run(again)
        if code:
            return f"the next run ends with {code}: {said.strip()}"
        if hidden := self._hidden():
            return f"the next run leaves {hidden}"
        return self._look(again, done=True)


def _is_whole(path: Path) -> bool:
    """Return whether an output can be read to its end, as long as the recording is."""
    if path.suffix == ".mp4":
        import av

        with av.open(str(path)) as file:
            return sum(frame.samples for frame in file.decode(audio=0)) >= 7.9 * 48000
    if path.suffix in (".npz", ".md"):
        return path.stat().st_size > 100
    stem = path.name.split(".")[0]
    seconds = {"c": 3, "d": 0.5}.get(stem, 20)
    return len(soundfile.read(path)[0]) == round(seconds * SR)


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    options: Options = parse_options(str(__doc__).splitlines()[0], argv)
    tally, started, i = Tally(), time.monotonic(), options.first
    with make_folder() as folder:
        killer = Killer(folder)
        while (options.n_cases is None or tally.n_cases < options.n_cases) and (
            time.monotonic() - started < 60 * options.minutes
        ):
            rng = np.random.default_rng([options.seed, i])
            job, number = JOBS[i % len(JOBS)], (signal.SIGKILL, signal.SIGINT)[int(rng.integers(2))]
            began = time.monotonic()
            problem = killer.kill(job, number, float(rng.uniform(0, 1.05)))
            note(tally, "kill_points", i, problem, time.monotonic() - began)
            i += 1
    print(summarise("kill_points", options, tally, time.monotonic() - started))
    return 1 if tally.n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
