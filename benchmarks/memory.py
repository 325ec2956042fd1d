"""Peak resident memory of ``denoise`` for a short and a long recording, and the time that each takes. Linux only.

::

    python benchmarks/memory.py --minutes 1 180

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
from nmf_audio.cli.denoise import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text(), time.process_time())
sys.exit(code)
"""


def peak(source: Path) -> tuple[float, float]:
    """Denoise a recording; return the peak of resident memory in MB (10**6 bytes) and the CPU seconds."""
    command = [sys.executable, "-c", MEASURED, str(source), "-f", "-q"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    match = re.search(r"VmHWM:\s*(\d+) kB", done.stdout)
    assert match is not None
    return int(match[1]) * 1024 / 1e6, float(done.stdout.split()[-1])


def main() -> int:
    """Print a line for each length."""
    parser = argparse.ArgumentParser(description="Peak memory of denoise, for recordings of several lengths.")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 180], help="lengths (default: 1 180)")
    parser.add_argument("--sr", type=int, default=16000, help="sample rate in Hz (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args()
    found = []
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "noisy.wav"
            write_recording(source, round(60 * minutes), options.sr, options.channels)
            found.append(peak(source))
    rows: list[list[object]] = [
        [f"{minutes:g} min", f"{memory:.1f}", f"{cpu:.1f}", Bar(memory, 250, digits=0)]
        for minutes, (memory, cpu) in zip(options.minutes, found, strict=True)
    ]
    spread = max(memory for memory, _ in found) - min(memory for memory, _ in found)
    rows.append(["difference", f"{spread:.1f}", "", Bar(spread, 10, digits=0)])
    print_table([f"{options.sr} Hz, {options.channels} ch", "peak memory, MB", "CPU s", "bar"], rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
