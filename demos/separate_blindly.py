"""Music taken apart without knowing anything of its sources.

    python demos/separate_blindly.py                         # makes the mixtures, says how well they come apart
    python demos/separate_blindly.py -o demos/blind          # and writes the sounds
    python demos/separate_blindly.py --plot docs/blind.png   # and draws the panned ones (needs matplotlib)

Drums and a piano, both made by formula, by what strikes and what sounds on, and by what behaves alike; then two pipes
that only their places tell apart, between the channels of a stereo recording. The same on the command line:

    nmf-audio separate band.wav --percussive
    nmf-audio separate band.wav --blind 2
    nmf-audio separate pipes.wav --blind 2
    nmf-audio separate pipes.wav --blind 2 --by-place
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import BlindSeparator, PercussiveSeparator
from nmf_audio.metrics import si_sdr
from nmf_audio.training.instruments import drums, organ, play, string

Array = npt.NDArray[Any]

SR, SECONDS = 16000, 5.0


def melody(seed: int, n: int) -> list[tuple[float, float, float]]:
    """Return n notes one after the other, of a pentatonic scale."""
    rng = np.random.default_rng(seed)
    return [(i * SECONDS / n, 1.1 * SECONDS / n, 60 + int(rng.choice([0, 2, 4, 7, 9, 12]))) for i in range(n)]


def best_order(sources: list[Array], parts: list[Array]) -> list[Array]:
    """Return two parts in the order of their sources."""
    scores = [
        sum(si_sdr(s.ravel(), p.ravel()) for s, p in zip(sources, parts[::step], strict=True))
        for step in (1, -1)
    ]
    return parts if scores[0] >= scores[1] else parts[::-1]


def mean_sdr(sources: list[Array], parts: list[Array]) -> float:
    """Return the mean SI-SDR of sources in decibels, channels one after the other."""
    return float(np.mean([si_sdr(s.ravel(), p.ravel()) for s, p in zip(sources, parts, strict=True)]))


def draw(pairs: dict[str, Array], path: Path) -> None:
    """Draw stereo sounds: left over right, all at one scale."""
    from matplotlib.figure import Figure

    from nmf_audio.dsp.bands import frame_size
    from nmf_audio.dsp.stft import stft
    from nmf_audio.plots import plot_cells

    n_fft = frame_size(SR)
    spectra = {name: np.abs(stft(y.astype(np.float32), n_fft))[:, : n_fft // 8] for name, y in pairs.items()}
    loudest = max(float(S.max()) for S in spectra.values())
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(2, len(spectra), sharex=True, sharey=True)
    for column, (name, S) in enumerate(spectra.items()):
        for row, side in enumerate(("left", "right")):
            ax = axes[row, column]
            plot_cells(
                S[row],
                times=np.arange(S.shape[2]) * n_fft / 2 / SR,
                hz=np.arange(S.shape[1]) * SR / n_fft,
                label="dB",
                range_db=40.0,
                reference=loudest,
                ax=ax,
            )
            ax.set_title(f"{name}, {side}", fontsize="small")
            ax.set_yticks(np.arange(3) * 1000 * n_fft / SR, labels=["0", "1", "2"])
            ax.set_ylabel("kHz" if column == 0 else "")
            ax.set_xlabel("s" if row == 1 else "")
    figure.savefig(path, dpi=60)


def main() -> None:
    """Mix, take apart, score."""
    parser = argparse.ArgumentParser(description="Take music apart without knowing anything of its sources.")
    parser.add_argument("-o", "--output", type=Path, help="folder for the mixtures and their parts")
    parser.add_argument("--plot", type=Path, help="where to draw the panned mixture and its parts")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    band: list[Array] = [drums(SECONDS, SR, rng), play(string, melody(1, 12), SECONDS, SR, rng)]
    pans = ([0.9, 0.35], [0.35, 0.9])
    pipes: list[Array] = [
        np.outer(pan, play(organ, melody(seed, 10), SECONDS, SR, rng)).astype(np.float32)
        for pan, seed in zip(pans, (2, 3), strict=True)
    ]
    blind, by_place = BlindSeparator(2), BlindSeparator(2, places=True)
    sounds: dict[str, Array] = {}
    print("mean SI-SDR of the two sources, dB")
    for name, text, sources, ways in (
        ("band", "drums and piano", band, {"--percussive": PercussiveSeparator(), "--blind 2": blind}),
        ("pipes", "two pipes", pipes, {"--blind 2": blind, "--blind 2 --by-place": by_place}),
    ):
        mixture = sources[0] + sources[1]
        sounds[name] = mixture
        print(f"{text}, mixture".ljust(36) + f"{mean_sdr(sources, [mixture] * 2):5.1f}")
        for words, separator in ways.items():
            found = separator.separate(mixture, SR)
            parts = best_order(sources, [found[source] for source in separator.sources])
            print(f"{text}, {words}".ljust(36) + f"{mean_sdr(sources, parts):5.1f}")
            way = words.split("--")[-1].replace(" ", "")
            sounds |= {f"{name}.{way}.{i}": part for i, part in enumerate(parts, 1)}
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        for name, y in sounds.items():
            soundfile.write(args.output / f"{name}.ogg", 0.5 * y.T, SR)
    if args.plot:
        columns = {"mixture": "pipes", "first pipe": "pipes.by-place.1", "second pipe": "pipes.by-place.2"}
        draw({title: sounds[name] for title, name in columns.items()}, args.plot)


if __name__ == "__main__":
    main()
