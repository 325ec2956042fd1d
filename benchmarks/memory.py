"""Peak resident memory for a short and a long recording, and the time that each takes. Linux only.

::

    python benchmarks/memory.py --minutes 1 180
    python benchmarks/memory.py --minutes 1 10 30 --separate

The demo recording, repeated, at 16 kHz and mono unless told otherwise; it and its output take 4 MB of disk a minute.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cost import ONE_THREAD, write_recording
from table import Bar, print_table

MEASURED = """
import sys, time
from pathlib import Path
from nmf_audio.cli.{module} import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text(), time.process_time())
sys.exit(code)
"""

DENOISE = {"denoise": ()}
SEPARATE = {
    "--sources plain": ("--sources", "plain"),
    "--sources plain --free 8": ("--sources", "plain", "--free", "8"),
    "--percussive": ("--percussive",),
    "--blind 2": ("--blind", "2"),
    "--example 0-5": ("--example", "0-5"),
}
"""What is measured: a name, and the words of the command besides the recording."""


def peak(source: Path, way: tuple[str, ...]) -> tuple[float, float]:
    """Denoise a recording, or take it apart; return the peak of resident memory in MB (10**6) and the CPU seconds."""
    module, words = ("main", ["separate", *way]) if way else ("denoise", [])
    command = [sys.executable, "-c", MEASURED.format(module=module), *words, "-f", "-q", str(source)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    match = re.search(r"VmHWM:\s*(\d+) kB", done.stdout)
    assert match is not None
    return int(match[1]) * 1024 / 1e6, float(done.stdout.split()[-1])


def main() -> int:
    """Print a line for each length."""
    parser = argparse.ArgumentParser(description="Peak memory, for recordings of several lengths.")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 180], help="lengths (default: 1 180)")
    parser.add_argument("--sr", type=int, default=16000, help="sample rate in Hz (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--separate", action="store_true", help="of all ways of separate, instead of denoise")
    options = parser.parse_args()
    ways = SEPARATE if options.separate else DENOISE
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "noisy.wav"
            write_recording(source, round(60 * minutes), options.sr, options.channels)
            for name, way in ways.items():
                found[name].append(peak(source, way))
    heading = f"{options.sr} Hz, {options.channels} ch"
    if options.separate:
        # no bar: what learns from a whole file takes more until there is more than it learns from
        rows: list[list[object]] = [
            [name, f"{minutes:g} min", f"{memory:.0f}", f"{cpu:.1f}"]
            for name, measured in found.items()
            for minutes, (memory, cpu) in zip(options.minutes, measured, strict=True)
        ]
        print_table([heading, "length", "peak memory, MB", "CPU s"], rows)
        return 0
    (measured,) = found.values()
    rows = [
        [f"{minutes:g} min", f"{memory:.1f}", f"{cpu:.1f}", Bar(memory, 250, digits=0)]
        for minutes, (memory, cpu) in zip(options.minutes, measured, strict=True)
    ]
    spread = max(memory for memory, _ in measured) - min(memory for memory, _ in measured)
    rows.append(["difference", f"{spread:.1f}", "", Bar(spread, 10, digits=0)])
    print_table([heading, "peak memory, MB", "CPU s", "bar"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
