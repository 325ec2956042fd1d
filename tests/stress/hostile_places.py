"""Commands in hostile places: each ends in time, with a true exit code, and leaves whole files or none.

    python -m tests.stress.hostile_places --seed 1 --minutes 5 --files 10000

Full disks, links, FIFOs, devices, few open files, little memory, no home, odd locales and names, closed standard
streams, files that change, two runs on one target, folders that contain themselves, very many files.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from tests.stress.frame import Tally, make_folder, note, parse_options, summarise

SR = 16000
SECONDS = 120.0
"""By the clock after which a command hangs."""

EXTENSIONS = ("wav", "flac", "ogg", "opus", "mp3", "aiff", "caf", "w64", "au", "m4a", "mkv")
Place = Callable[["Runner", np.random.Generator], str]


class Runner:
    """Runs the command in a folder that holds ``a.wav``, and judges what it leaves."""

    def __init__(self, folder: Path, recording: bytes, n_files: int) -> None:
        self.folder, self.recording, self.n_files = folder, recording, n_files
        folder.mkdir()
        (folder / "a.wav").write_bytes(recording)

    def start(
        self,
        *words: str,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], object] = lambda: None,
        redirection: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start the command."""
        shell = ["sh", "-c", f'exec "$@" {redirection}', "sh"] if redirection else []
        command = [*shell, sys.executable, "-m", "nmf_audio.cli.denoise", "--dictionary", "trained", *words]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=dict(os.environ) if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,
        )

    def judge(
        self, process: subprocess.Popen[bytes], codes: Sequence[int], outputs: Sequence[str] = ()
    ) -> str:
        """Return what is wrong with how it ends; `outputs` are whole if the exit code is 0, else whole or absent."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "hangs"
        said = (out + err).decode(errors="backslashreplace")
        last = said.strip().splitlines()[-1:] or ["nothing"]
        if process.returncode not in codes:
            return f"exit code {process.returncode}, not one of {list(codes)}; it says: {last[0]}"
        if "Traceback" in said or "internal error (" in said:
            return f"prints: {last[0]}"
        hidden = [path.name for path in self.folder.rglob(".nmf-audio-*")]
        if hidden:
            return f"leaves {hidden}"
        for name in outputs:
            path = self.folder / name
            if path.exists() and not is_whole(path, len(self.recording) // 2 - 22):
                return f"{name} is not whole"
            if process.returncode == 0 and not path.exists():
                return f"exit code 0 without {name}"
            if process.returncode == 2 and path.exists():
                return f"exit code 2 with {name}"
        return ""

    def run(self, *words: str, codes: Sequence[int], outputs: Sequence[str] = (), **how: object) -> str:
        """Start it, and judge it."""
        return self.judge(self.start(*words, **how), codes, outputs)  # type: ignore[arg-type]


def is_whole(path: Path, n_samples: int) -> bool:
    """Return whether an output can be read to its end, and is as long as the recording."""
    if path.suffix in (".m4a", ".mkv"):
        import av

        with av.open(str(path)) as file:
            n = sum(frame.samples for frame in file.decode(audio=0))
        return n_samples - 2048 <= n <= n_samples + 4096
    with contextlib.suppress(soundfile.LibsndfileError):
        return len(soundfile.read(path)[0]) == n_samples
    return False


def limit(kind: int, n: int) -> Callable[[], None]:
    """Return what limits a resource of a process."""
    return lambda: resource.setrlimit(kind, (n, n))


def full_disk(runner: Runner, rng: np.random.Generator) -> str:
    name = f"b.{EXTENSIONS[int(rng.integers(len(EXTENSIONS)))]}"
    room = limit(resource.RLIMIT_FSIZE, int(rng.integers(2 * len(runner.recording))))
    return runner.run("a.wav", "-o", name, codes=(0, 1), outputs=[name], before=room)


def few_files(runner: Runner, rng: np.random.Generator) -> str:
    n = int(rng.integers(10, 64))
    return runner.run(
        *("a.wav", "-o", "b.flac", "--keep-noise", "n.flac"),
        codes=(0, 1),
        outputs=["b.flac", "n.flac"],
        before=limit(resource.RLIMIT_NOFILE, n),
    )


def little_memory(runner: Runner, rng: np.random.Generator) -> str:
    room = limit(resource.RLIMIT_AS, int(rng.uniform(4e8, 1.2e9)))
    return runner.run("a.wav", "-o", "b.wav", codes=(0, 1), outputs=["b.wav"], before=room)


def links(runner: Runner, rng: np.random.Generator) -> str:
    (runner.folder / "real.wav").write_bytes(runner.recording)
    (runner.folder / "link.wav").symlink_to("real.wav")
    (runner.folder / "dangling.wav").symlink_to("nowhere/x.wav")
    (runner.folder / "loop.wav").symlink_to("loop.wav")
    (runner.folder / "self.wav").symlink_to("a.wav")
    os.link(runner.folder / "a.wav", runner.folder / "hard.wav")
    for target in ("dangling.wav", "loop.wav", "self.wav", "hard.wav", "link.wav"):
        force = ["-f"] if target in ("self.wav", "hard.wav") else []
        if problem := runner.run("a.wav", "-o", target, *force, codes=(2,)):
            return f"{target}: {problem}"
    if problem := runner.run("loop.wav", "-o", "b.wav", codes=(1, 2)):
        return problem
    problem = runner.run("a.wav", "-o", "link.wav", "-f", codes=(0,), outputs=["real.wav"])
    return problem or ("" if (runner.folder / "link.wav").is_symlink() else "a link is no link any more")


def special_files(runner: Runner, rng: np.random.Generator) -> str:
    os.mkfifo(runner.folder / "fifo.wav")
    for source in ("fifo.wav", "/dev/zero", "/dev/null", "/dev/full", "."):
        if problem := runner.run(source, "-o", "b.wav", codes=(1, 2)):
            return f"{source} as input: {problem}"
    for target in ("fifo.wav", "/dev/zero", "/dev/full", "/dev/null", "."):
        if problem := runner.run("a.wav", "-o", target, "-f", "--format", "WAV", codes=(2,)):
            return f"{target} as output: {problem}"
    return "" if stat.S_ISFIFO((runner.folder / "fifo.wav").stat().st_mode) else "the FIFO is none any more"


def no_home(runner: Runner, rng: np.random.Generator) -> str:
    bare = {name: text for name, text in os.environ.items() if name not in ("HOME", "NMF_AUDIO_HOME")}
    for more in ({}, {"HOME": ""}, {"HOME": "/nowhere"}, {"HOME": str(runner.folder / "a.wav")}):
        if problem := runner.run(
            "a.wav", "-o", "b.wav", "-f", codes=(0,), outputs=["b.wav"], environment=bare | more
        ):
            return f"{more}: {problem}"
    return ""


def odd_locale(runner: Runner, rng: np.random.Generator) -> str:
    names = [
        "\u00e4\u00f6\u4e2d.wav",
        "a\nb.wav",
        "\x1b[2J.wav",
        "\udce4.wav",
        "-x.wav",
        "[1].wav",
        "x" * 240 + ".wav",
    ]
    for name in names:
        with contextlib.suppress(OSError):
            (runner.folder / name).write_bytes(runner.recording)
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}):
        for name in names:
            environment = dict(os.environ) | locale
            problem = runner.run(f"./{name}", "-f", codes=(0, 1, 2), environment=environment)
            if problem:
                return f"{name[:20]!r} in {locale}: {problem}"
    return ""


def closed_streams(runner: Runner, rng: np.random.Generator) -> str:
    for i in range(8):
        closed = " ".join(f"{n}>&-" if n else "<&-" for n in range(3) if i >> n & 1)
        how = closed or ">/dev/full"
        problem = runner.run("a.wav", "-o", "b.wav", "-f", codes=(0, 1), outputs=["b.wav"], redirection=how)
        if problem:
            return f"{how}: {problem}"
    return ""


def files_that_change(runner: Runner, rng: np.random.Generator) -> str:
    path = runner.folder / "long.wav"
    path.write_bytes(runner.recording[:44] + 40 * runner.recording[44:])
    process = runner.start("long.wav", "-o", "b.wav")
    time.sleep(float(rng.uniform(0.2, 1.5)))
    kind = int(rng.integers(4))
    if kind == 0:
        path.unlink()
    elif kind == 1:
        os.truncate(path, int(rng.integers(1000)))
    elif kind == 2:
        path.write_bytes(rng.bytes(5000))
    else:
        shutil.rmtree(runner.folder)
        process.communicate(timeout=SECONDS)
        runner.folder.mkdir()
        return "" if process.returncode in (0, 1, 2) else f"exit code {process.returncode}"
    # what was whole when it was read is whole still
    problem = runner.judge(process, (0, 1, 2))
    if not problem and process.returncode == 0 and not (runner.folder / "b.wav").exists():
        problem = "exit code 0 without b.wav"
    return problem


def two_runs(runner: Runner, rng: np.random.Generator) -> str:
    force = ["-f"] if rng.random() < 0.5 else []
    processes = [runner.start("a.wav", "-o", "b.wav", *force) for _ in range(2)]
    found: list[str] = []

    def wait(process: subprocess.Popen[bytes]) -> None:
        process.wait(SECONDS)

    threads = [threading.Thread(target=wait, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        found.append(runner.judge(process, (0, 1, 2), ["b.wav"] if process.returncode == 0 else []))
    codes = sorted(process.returncode for process in processes)
    if codes != [0, 0] and (force or codes[0] != 0 or codes[1] not in (1, 2)):
        found.append(f"exit codes {codes}")
    return next(filter(None, found), "")


def folders_in_themselves(runner: Runner, rng: np.random.Generator) -> str:
    inner = runner.folder / "talks" / "more"
    inner.mkdir(parents=True)
    (inner / "c.wav").write_bytes(runner.recording)
    (inner / "up").symlink_to("../..")
    (inner / "here").symlink_to(".")
    problem = runner.run("-r", "talks", "--output-dir", "out", codes=(0,))
    n = len(list((runner.folder / "out").rglob("*.wav")))
    return problem or ("" if n >= 1 else "nothing came out")


def permissions(runner: Runner, rng: np.random.Generator) -> str:
    (runner.folder / "a.wav").chmod(0o600)
    mask = (0o000, 0o022, 0o077)[int(rng.integers(3))]
    problem = runner.run("a.wav", "-o", "b.wav", codes=(0,), outputs=["b.wav"], before=lambda: os.umask(mask))
    mode = (runner.folder / "b.wav").stat().st_mode & 0o777 if not problem else 0o600
    return problem or ("" if mode == 0o600 else f"mode {mode:o} of what came from mode 600")


def odd_clocks(runner: Runner, rng: np.random.Generator) -> str:
    """Any rate and number of channels: each is done, or refused in a sentence."""
    rates = (1, 7, 100, 3999, 4000, 44099, 96000, 352800, 384000, 384001, 768000, 2**31 - 1)
    for _ in range(4):
        sr, n_channels = (rates[int(rng.integers(len(rates)))], int(rng.integers(1, 129)))
        y = 0.1 * rng.standard_normal((1000, n_channels))
        soundfile.write(runner.folder / "odd.wav", y, sr)
        if problem := runner.run("odd.wav", "-o", "c.wav", "-f", codes=(0, 1)):
            return f"{sr} Hz, {n_channels} channels: {problem}"
    return ""


def many_files(runner: Runner, rng: np.random.Generator) -> str:
    short = runner.recording[:40] + (2000).to_bytes(4, "little") + runner.recording[44:2044]
    folder = runner.folder / "many"
    folder.mkdir()
    for i in range(runner.n_files):
        (folder / f"{i}.wav").write_bytes(short)
    process = runner.start("-r", "many", "--output-dir", "out", "-q")
    process.communicate()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    n = len(list((runner.folder / "out").iterdir()))
    if process.returncode or n != runner.n_files:
        return f"exit code {process.returncode}, {n} of {runner.n_files} files"
    return "" if peak < 400 else f"{peak:.0f} MB for {n} small files"


PLACES: dict[str, Place] = {
    place.__name__: place
    for place in (
        *(full_disk, few_files, little_memory, links, special_files, no_home, odd_locale, closed_streams),
        *(files_that_change, two_runs, folders_in_themselves, permissions, odd_clocks, many_files),
    )
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=200, help="of very many (default: %(default)s)")
    parser.add_argument("--places", nargs="+", choices=tuple(PLACES), default=list(PLACES))
    options = parse_options(str(__doc__).splitlines()[0], argv, parser)
    names = options.rest.places
    tally, started, i = Tally(), time.monotonic(), options.first
    recording = make_recording()
    # one round at least
    while tally.n_cases < (options.n_cases or len(names)) or (
        options.n_cases is None and time.monotonic() - started < 60 * options.minutes
    ):
        rng, name, began = np.random.default_rng([options.seed, i]), names[i % len(names)], time.monotonic()
        with make_folder() as folder:
            problem = PLACES[name](Runner(folder / "work", recording, options.rest.files), rng)
        note(tally, "hostile_places", i, f"{name}: {problem}" if problem else "", time.monotonic() - began)
        i += 1
    print(summarise("hostile_places", options, tally, time.monotonic() - started))
    return 1 if tally.n_failed else 0


def make_recording() -> bytes:
    """Return a WAV of two seconds, without other chunks."""
    with make_folder() as folder:
        y = 0.1 * np.random.default_rng(0).standard_normal(2 * SR)
        soundfile.write(folder / "a.wav", y, SR)
        return (folder / "a.wav").read_bytes()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
