"""What all stress tests share: numbered cases, a process that checks them, a verdict in one line.

A case follows from the seed and its number alone, so each can be repeated. It is checked in a process of its own,
which may crash, hang or take too much memory; then the smallest case that fails in the same way is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import os
import pickle
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

import nmf_audio

__all__ = [
    "Child",
    "Options",
    "Outcome",
    "Tally",
    "Trial",
    "make_folder",
    "note",
    "parse_options",
    "run_trial",
    "summarise",
]

HANG_SECONDS = 20.0
"""Of processor time, or five times that by the clock: others may be at work beside."""

MOST_MEMORY = 300e6
"""Bytes above the peak of what is whole."""

MOST_TRIES = 200
"""Smaller cases that are tried for one that fails."""

Case = TypeVar("Case")


class Trial(Protocol[Case]):
    """What a stress test is made of."""

    name: str

    def whole(self) -> Sequence[Case]:
        """Return cases that must pass, and whose peak of memory is the measure of others."""

    def make(self, rng: np.random.Generator, i: int) -> Case:
        """Return a case."""

    def check(self, case: Case) -> str:
        """Return what is wrong with what becomes of a case, in a line, or nothing. In a process of its own."""

    def reduce(self, case: Case) -> Iterator[Case]:
        """Yield smaller cases, any of which may fail in the same way."""

    def save(self, case: Case, folder: Path) -> None:
        """Write what shows a case to a person."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: what is wrong with it, its seconds, and the peak of memory in bytes."""

    problem: str
    seconds: float = 0.0
    peak: float = 0.0


@dataclass
class Options:
    """How long to look for failures, where to begin, and where to keep them."""

    seed: int
    minutes: float
    n_cases: int | None
    first: int
    keep: Path
    rest: argparse.Namespace


@dataclass
class Tally:
    """What was found."""

    n_cases: int = 0
    slowest: float = 0.0
    most_memory: float | None = None
    problems: dict[str, list[int]] = field(default_factory=dict)

    @property
    def n_failed(self) -> int:
        return sum(map(len, self.problems.values()))


def parse_options(
    description: str, argv: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None
) -> Options:
    """Read the options that all stress tests have; `parser` may have more."""
    parser = parser or argparse.ArgumentParser()
    parser.description = description
    parser.add_argument("--seed", type=int, default=1, help="of all cases (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=1.0, help="to go on for (default: %(default)s)")
    parser.add_argument("--cases", type=int, help="to check at most (default: as many as there is time for)")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="number of the first (default: 0)")
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path("stress_failures"),
        help="folder for failures (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    return Options(args.seed, args.minutes, args.cases, args.first, args.keep, args)


class Child(Generic[Case]):
    """A copy of this process that checks cases."""

    def __init__(self, trial: Trial[Case]) -> None:
        self._trial = trial
        # what is there already is never searched again for what nothing holds
        gc.collect()
        gc.freeze()
        self._stack = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the child
        requests, answers = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(requests[1])
            os.close(answers[0])
            self._serve(requests[0], answers[1])
        os.close(requests[0])
        os.close(answers[1])
        self._to, self._from = os.fdopen(requests[1], "wb"), os.fdopen(answers[0], "rb")

    def _serve(self, requests: int, answers: int) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable(self._stack)
        # C libraries write there about damaged files
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(requests, "rb") as file, os.fdopen(answers, "wb") as out:
            while True:
                try:
                    case = pickle.load(file)
                except EOFError:
                    os._exit(0)
                gc.collect()
                Path("/proc/self/clear_refs").write_text("5")
                started = time.monotonic()
                try:
                    problem = self._trial.check(case)
                except BaseException as error:
                    problem = describe(error)
                pickle.dump(Outcome(problem, time.monotonic() - started, _read_peak()), out)
                out.flush()

    def run(self, case: Case) -> Outcome:
        """Return what becomes of a case; after one that crashes or hangs the child is gone."""
        started, used = time.monotonic(), self._processor_seconds()
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(case, self._to)
            self._to.flush()
        while not select.select([self._from], [], [], 1.0)[0]:
            seconds = time.monotonic() - started
            if seconds > 5 * HANG_SECONDS or self._processor_seconds() - used > HANG_SECONDS:
                self.end(kill=True)
                return Outcome(f"hangs for more than {HANG_SECONDS:g} s{self._where()}", seconds)
        try:
            outcome: Outcome = pickle.load(self._from)
        except EOFError:
            status = self.end()
            number = os.WTERMSIG(status)
            died = f"by {signal.Signals(number).name}" if number else f"with exit code {status >> 8}"
            return Outcome(f"the process dies {died}{self._where()}", time.monotonic() - started)
        return outcome

    def end(self, *, kill: bool = False) -> int:
        """Let it end, or have it end; return what `os.waitpid` says."""
        if not self.pid:
            return 0
        for file in (self._to, self._from):
            with contextlib.suppress(BrokenPipeError):
                file.close()
        if kill:
            os.kill(self.pid, signal.SIGABRT)
        status = os.waitpid(self.pid, 0)[1]
        self.pid = 0
        return status

    def _processor_seconds(self) -> float:
        words = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _where(self) -> str:
        """Return the innermost line of Python that the child was at."""
        self._stack.seek(0)
        found = re.search(rb'File "([^"]*)", line (\d+) in (\S+)', self._stack.read())
        if found is None:
            return ""
        return f" in {Path(found[1].decode()).name}:{int(found[2])} {found[3].decode()}"


def describe(error: BaseException) -> str:
    """Return an exception in a line, and where it comes from: the innermost place in the package."""
    root = str(Path(nmf_audio.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((f for f in reversed(frames) if f.filename.startswith(root)), frames[-1] if frames else None)
    where = "" if frame is None else f" in {Path(frame.filename).name}:{frame.lineno} {frame.name}"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}{where}"


def _read_peak() -> float:
    text = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", text)
    return 1024.0 * int(found[1]) if found else 0.0


def run_trial(trial: Trial[Any], options: Options) -> int:
    """Check cases as long as there is time, print the verdict, and return the exit code: 1 if any failed."""
    tally = Tally()
    child = Child(trial)
    measure = 0.0
    for case in trial.whole()[: options.n_cases]:
        outcome = child.run(case)
        if outcome.problem:
            print(f"{trial.name}: {case}: what is whole fails: {outcome.problem}", file=sys.stderr)
            return 2
        measure = max(measure, outcome.peak)
    i, started = options.first, time.monotonic()
    while (options.n_cases is None or tally.n_cases < options.n_cases) and (
        time.monotonic() - started < 60 * options.minutes
    ):
        case = trial.make(np.random.default_rng([options.seed, i]), i)
        outcome, child = _check(trial, child, case, measure)
        tally.most_memory = max(tally.most_memory or 0.0, outcome.peak - measure)
        if note(tally, trial.name, i, outcome.problem, outcome.seconds):
            folder = options.keep / f"{trial.name}-{options.seed}-{i}"
            child = _keep(trial, child, case, outcome, measure, folder)
        i += 1
    child.end()
    print(summarise(trial.name, options, tally, time.monotonic() - started))
    return 1 if tally.n_failed else 0


def note(tally: Tally, name: str, i: int, problem: str, seconds: float) -> bool:
    """Count a case; print what is wrong with it, and return True, if it is the first of its kind."""
    tally.n_cases += 1
    tally.slowest = max(tally.slowest, seconds)
    if not problem:
        return False
    kind = _kind(problem)
    is_new = kind not in tally.problems
    tally.problems.setdefault(kind, []).append(i)
    if is_new:
        print(f"{name}: case {i}: {problem}", file=sys.stderr, flush=True)
    return is_new


def _check(trial: Trial[Case], child: Child[Case], case: Case, measure: float) -> tuple[Outcome, Child[Case]]:
    outcome = child.run(case)
    if not child.pid:
        return outcome, Child(trial)
    if not outcome.problem and measure and outcome.peak - measure > MOST_MEMORY:
        more = (outcome.peak - measure) / 1e6
        return Outcome(f"takes {more:.0f} MB more than what is whole", outcome.seconds, outcome.peak), child
    return outcome, child


def _keep(
    trial: Trial[Case], child: Child[Case], case: Case, outcome: Outcome, measure: float, folder: Path
) -> Child[Case]:
    """Find a small case that fails like this one, and write it."""
    n_tries, is_smaller = 0, True
    while is_smaller:
        is_smaller = False
        for smaller in trial.reduce(case):
            n_tries += 1
            if n_tries > MOST_TRIES:
                break
            found, child = _check(trial, child, smaller, measure)
            if found.problem and _kind(found.problem) == _kind(outcome.problem):
                case, outcome, is_smaller = smaller, found, True
                break
    folder.mkdir(parents=True, exist_ok=True)
    trial.save(case, folder)
    (folder / "problem.txt").write_text(f"{outcome.problem}\n{case}\n")
    return child


def _kind(problem: str) -> str:
    """Return a problem without its numbers: those that differ in these alone are one."""
    return re.sub(r"[\d.]+", "#", re.sub(r"'[^']*'|b?\"[^\"]*\"", "'...'", problem))


def summarise(name: str, options: Options, tally: Tally, seconds: float) -> str:
    """Return the verdict."""
    failed = "none failed"
    if tally.problems:
        ways = "1 way" if len(tally.problems) == 1 else f"{len(tally.problems)} ways"
        failed = f"{tally.n_failed} FAILED in {ways}"
    words = [
        f"{name} --seed {options.seed}: {tally.n_cases} cases, {failed}; {seconds / 60:.1f} min",
        f"slowest {tally.slowest:.2f} s",
    ]
    if tally.most_memory is not None:
        words.append(f"at most {tally.most_memory / 1e6:.0f} MB above what is whole")
    return ", ".join(words)


@contextlib.contextmanager
def make_folder() -> Iterator[Path]:
    """Give a folder for what a test writes: in memory where there is such a place, since disks are slow."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="stress_", dir=place) as folder:
        yield Path(folder)
