"""Spectrograms of a recording before and after, by default the demo's to docs/before_after.png.

    python demos/plot_before_after.py
    python demos/plot_before_after.py mine.wav -o mine.png

Needs matplotlib: pip install matplotlib. Both pictures have the same scale, so that what is darker is quieter.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.figure import Figure

from nmf_audio import Denoiser
from nmf_audio.dsp.bands import frame_size
from nmf_audio.dsp.stft import stft
from nmf_audio.plots import plot_cells

HERE = Path(__file__).resolve().parent
RANGE_DB = 60.0


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="Draw the spectrograms of a recording before and after.")
    parser.add_argument("recording", type=Path, nargs="?", default=HERE / "noisy.flac")
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "docs" / "before_after.png")
    args = parser.parse_args()
    y, sr = soundfile.read(args.recording, dtype="float32", always_2d=True)
    before = np.ascontiguousarray(y[:, 0])
    after = Denoiser().denoise(before, sr)
    n_fft = frame_size(sr)
    spectra = [np.abs(stft(signal, n_fft)) for signal in (before, after)]
    kilohertz = np.arange(0, sr // 2000 + 1, max(1, sr // 8000))
    figure = Figure(figsize=(9, 5), layout="constrained")
    for ax, S, title in zip(figure.subplots(2, 1, sharex=True), spectra, ("before", "after"), strict=True):
        plot_cells(
            S,
            times=np.arange(S.shape[1]) * n_fft / 2 / sr,
            hz=np.arange(S.shape[0]) * sr / n_fft,
            label="dB",
            range_db=RANGE_DB,
            reference=float(spectra[0].max()),
            ax=ax,
        )
        ax.set_title(title)
        ax.set_yticks(kilohertz * 1000 * n_fft / sr, labels=kilohertz.tolist())
        ax.set_ylabel("kHz")
    figure.savefig(args.output, dpi=75)


if __name__ == "__main__":
    main()
