"""A voice and a piano taken apart.

    python demos/separate_sources.py                            # makes the mixture, says how well it comes apart
    python demos/separate_sources.py -o demos/separate          # and writes the sounds
    python demos/separate_sources.py --plot docs/separate.png   # and draws them (needs matplotlib)

The voice is the second half of the demo's sentence, the piano is computed. The dictionaries are learned from the
first half and from another melody, as these commands do it from folders of recordings:

    nmf-audio train source voice her_voice/ -o voice.npz
    nmf-audio train source piano my_piano/ -o piano.npz
    nmf-audio separate song.wav --sources voice.npz piano.npz -o parts
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from nmf_audio import Dictionary, Separator
from nmf_audio.metrics import si_sdr
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.plain import train_plain

Array = npt.NDArray[np.float32]

HERE = Path(__file__).resolve().parent
SR = 16000
PIANO = (57, 60, 62, 64, 65, 67, 69, 71, 72, 76)
"""Keys of the melodies, as MIDI counts them."""


def piano(seconds: float, seed: int) -> Array:
    """Return a melody of struck, slightly inharmonic strings that die away."""
    rng = np.random.default_rng(seed)
    y = np.zeros(round((seconds + 2) * SR))
    t = np.arange(2 * SR) / SR
    for start in np.arange(0, seconds, 0.25):
        f0 = 440 * 2 ** ((rng.choice(PIANO) - 69) / 12)
        note = np.zeros_like(t)
        for k in range(1, 16):
            f = k * f0 * np.sqrt(1 + 0.0004 * k**2)
            if f < SR / 2:
                note += np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) * np.exp(-(1.5 + 0.5 * k) * t) / k
        n = round(start * SR)
        y[n : n + len(note)] += rng.uniform(0.5, 1) * note
    melody: Array = (0.05 * y[: round(seconds * SR)]).astype(np.float32)
    return melody


def learn(name: str, y: Array, folder: Path, n_components: int) -> Dictionary:
    """Return a dictionary of one source, learned from a recording of it alone."""
    (folder / name).mkdir()
    soundfile.write(folder / name / "alone.flac", y, SR)
    corpus = find_recordings([folder / name], sr=SR)
    return train_plain(corpus, source=name, one_group=name, n_components=n_components, rng=0)


def draw(sounds: dict[str, Array], path: Path) -> None:
    """Draw the spectrograms of some sounds at one scale."""
    from matplotlib.figure import Figure

    from nmf_audio.dsp.bands import frame_size
    from nmf_audio.dsp.stft import stft
    from nmf_audio.plots import plot_cells

    n_fft = frame_size(SR)
    spectra = {name: np.abs(stft(y, n_fft))[: n_fft // 4] for name, y in sounds.items()}
    loudest = max(float(S.max()) for S in spectra.values())
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for ax, (name, S) in zip(figure.subplots(1, len(sounds), sharey=True), spectra.items(), strict=True):
        plot_cells(
            S,
            times=np.arange(S.shape[1]) * n_fft / 2 / SR,
            hz=np.arange(S.shape[0]) * SR / n_fft,
            label="dB",
            range_db=50.0,
            reference=loudest,
            ax=ax,
        )
        ax.set_title(name)
        ax.set_yticks(np.arange(5) * 1000 * n_fft / SR, labels=[str(k) for k in range(5)])
        ax.set_ylabel("kHz")
    figure.savefig(path, dpi=60)


def main() -> None:
    """Mix, learn, take apart, score."""
    parser = argparse.ArgumentParser(description="Take a voice and a piano apart.")
    parser.add_argument("-o", "--output", type=Path, help="folder for the mixture and its parts")
    parser.add_argument("--plot", type=Path, help="where to draw the mixture and its parts")
    args = parser.parse_args()
    clean, _ = soundfile.read(HERE / "clean.flac", dtype="float32")
    middle = round(3.9 * SR)
    voice, music = clean[middle:], piano((len(clean) - middle) / SR, seed=1)
    mixture = voice + music
    with tempfile.TemporaryDirectory() as scratch:
        dictionaries = {
            "voice": learn("voice", clean[:middle], Path(scratch), 64),
            "piano": learn("piano", piano(20.0, seed=2), Path(scratch), 32),
        }
    print("SI-SDR, dB                       voice  piano")
    print(f"mixture                          {si_sdr(voice, mixture):5.1f}  {si_sdr(music, mixture):5.1f}")
    parts = {}
    for text, separator in (
        ("8 atoms learned on the mixture", Separator(dictionaries["voice"], free={"piano": 8})),
        ("dictionaries of both", Separator(dictionaries)),
    ):
        parts = separator.separate(mixture, SR)
        print(f"{text:32} {si_sdr(voice, parts['voice']):5.1f}  {si_sdr(music, parts['piano']):5.1f}")
    sounds = {"mixture": mixture, "voice": parts["voice"], "piano": parts["piano"]}
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        for name, y in sounds.items():
            soundfile.write(args.output / f"{name}.flac", y, SR)
    if args.plot:
        draw(sounds, args.plot)


if __name__ == "__main__":
    main()
