"""The path of a file through the code: which modules `denoise_file` visits, in which order, and how often it returns.

::

    python benchmarks/file_path.py demos/noisy.flac

A *stop* is a run of functions of one module, in the order in which functions are first called; a *return* is a stop
in a module that was visited before. The same is counted for rooms: packages and modules right inside `nmf_audio`. The
recording is denoised twice, and the second time is counted, without imports and the loading of the dictionary.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import nmf_audio
from nmf_audio import Denoiser, denoise_file

PACKAGE = Path(nmf_audio.__file__).parent


def main() -> int:
    """Trace one recording, print its stops and their number."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("recording", type=Path)
    args = parser.parse_args()
    denoiser = Denoiser()
    with tempfile.TemporaryDirectory() as folder:
        denoise_file(args.recording, Path(folder) / "first.wav", denoiser=denoiser)
        visited = _trace(args.recording, Path(folder) / "second.wav", denoiser)
    stops = [(module, [name for _, name in names]) for module, names in groupby(visited, key=lambda x: x[0])]
    for module, names in stops:
        print(f"{module:28} {', '.join(names)}")
    modules = [module for module, _ in stops]
    rooms = [room for room, _ in groupby(module.split("/")[0] for module in modules)]
    for what, entered in (("modules", modules), ("rooms", rooms)):
        n = len(set(entered))
        print(f"{len(entered)} stops in {n} {what}, {len(entered) - n} returns")
    return 0


def _trace(src: Path, dst: Path, denoiser: Denoiser) -> list[tuple[str, str]]:
    """Module and function of all first calls."""
    visited: dict[tuple[str, str], None] = {}

    def on_event(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            visited[str(path.relative_to(PACKAGE).with_suffix("")), frame.f_code.co_qualname] = None

    sys.setprofile(on_event)
    try:
        denoise_file(src, dst, denoiser=denoiser)
    finally:
        sys.setprofile(None)
    return list(visited)


if __name__ == "__main__":
    raise SystemExit(main())
