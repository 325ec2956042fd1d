"""A recording denoised block by block, as live audio would be.

    python demos/stream_blocks.py                             # the demo recording, in blocks of 10 ms
    python demos/stream_blocks.py mine.wav -o clean.wav --block-ms 5

Blocks may have any length. What comes out is `latency` samples later than what goes in; nothing is lost at the end.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import Denoiser
from nmf_audio.metrics import si_sdr

HERE = Path(__file__).resolve().parent
Samples = npt.NDArray[Any]


def blocks_of(path: Path, seconds: float) -> Iterator[Samples]:
    """Yield the blocks (n_channels, n) of a file, one after the other, as a sound card would."""
    with soundfile.SoundFile(path) as file:
        size = max(1, round(seconds * file.samplerate))
        for block in file.blocks(size, dtype="float32", always_2d=True):
            yield block.T


def main() -> None:
    """Denoise one file and say how late and how much better it is."""
    parser = argparse.ArgumentParser(description="Denoise a recording block by block.")
    parser.add_argument("recording", type=Path, nargs="?", default=HERE / "noisy.flac")
    parser.add_argument("-o", "--output", type=Path, help="write the result")
    parser.add_argument(
        "--block-ms", type=float, default=10.0, help="length of a block (default: %(default)s)"
    )
    args = parser.parse_args()

    info = soundfile.info(args.recording)
    stream = Denoiser().stream(info.samplerate, info.channels)
    # fixed=True would return as many samples as went in, delayed by `latency`: what an audio callback needs
    parts = [stream.process(block) for block in blocks_of(args.recording, args.block_ms / 1000)]
    parts.append(stream.flush())
    y = np.concatenate(parts, axis=1)

    print(f"{args.recording.name}: {y.shape[1] / info.samplerate:.1f} s in {len(parts) - 1} blocks")
    print(f"latency: {stream.latency} samples, {1000 * stream.latency / info.samplerate:.0f} ms")
    if args.recording == HERE / "noisy.flac":
        clean, _ = soundfile.read(HERE / "clean.flac", dtype="float32")
        noisy, _ = soundfile.read(args.recording, dtype="float32")
        before, after = si_sdr(clean, noisy), si_sdr(clean, y[0])
        print(f"SI-SDR: {before:.1f} dB before, {after:.1f} dB after, {after - before:+.1f} dB")
    if args.output:
        soundfile.write(args.output, y.T, info.samplerate, subtype=info.subtype)


if __name__ == "__main__":
    main()
