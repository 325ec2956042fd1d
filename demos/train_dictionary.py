"""The noise of your own room, learned and used.

    python demos/train_dictionary.py                                # the first half of the demo's noise
    python demos/train_dictionary.py room/ meeting.wav -o mine.npz  # a folder of your noise, and a recording with it

The same on the command line, with the speech atoms of the shipped dictionary ``plain``:

    nmf-audio train noise room/ -o mine.npz --with plain --replace
    denoise meeting.wav --method classic --dictionary mine.npz
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy.typing as npt
import soundfile

from nmf_audio import Denoiser, Dictionary, load_dictionary
from nmf_audio.metrics import si_sdr
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.merge import merge
from nmf_audio.training.plain import train_plain

HERE = Path(__file__).resolve().parent
METHOD = "classic"
N_ATOMS = 16


def learn_noise(folder: Path) -> Dictionary:
    """Return the shipped speech atoms with noise atoms learned from a folder of recordings.

    Parameters
    ----------
    folder : Path
        Noise without speech, in any format and rate; each folder name becomes a group of atoms.

    Returns
    -------
    Dictionary
        Of kind ``plain``.
    """
    shipped = load_dictionary("plain")
    noise = train_plain(
        find_recordings([folder], sr=shipped.spec.sr),
        source="noise",
        n_components=N_ATOMS,
        beta=shipped.beta,
        spectrum=shipped.spectrum,
        max_iter=50,
        rng=0,
    )
    return merge(noise, shipped, replace=True)


def demo_halves() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], int]:
    """Return the noise of the demo's first half, the clean and the noisy signal of its second half, and the rate."""
    clean, sr = soundfile.read(HERE / "clean.flac", dtype="float32")
    noisy, _ = soundfile.read(HERE / "noisy.flac", dtype="float32")
    middle = len(clean) // 2
    return (noisy - clean)[:middle], clean[middle:], noisy[middle:], sr


def main() -> None:
    """Train, save, load, denoise."""
    parser = argparse.ArgumentParser(description="Learn the noise of your own room, and use it.")
    parser.add_argument("folder", type=Path, nargs="?", help="recordings of noise alone")
    parser.add_argument("recording", type=Path, nargs="?", help="a recording with that noise, to denoise")
    parser.add_argument("-o", "--output", type=Path, help="where to save the dictionary")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder
        if folder is None:
            noise, clean, noisy, sr = demo_halves()
            folder = Path(scratch) / "fountain"
            folder.mkdir()
            soundfile.write(folder / "first_half.flac", noise, sr)
        path = args.output or Path(scratch) / "mine.npz"
        learn_noise(folder).save(path)
        dictionary = load_dictionary(path)
        groups = ", ".join(f"{g.name} ({g.source}, {g.stop - g.start} atoms)" for g in dictionary.groups)
        print(f"learned {groups}")
        denoiser = Denoiser(dictionary, method=METHOD)
        if args.recording:
            y, sr = soundfile.read(args.recording, dtype="float32", always_2d=True)
            target = args.recording.with_name(f"{args.recording.stem}.denoised.wav")
            soundfile.write(target, denoiser.denoise(y.T.copy(), sr).T, sr)
            print(f"wrote {target}")
    if args.folder is None:
        print(f"SI-SDR of the second half, method {METHOD}:")
        print(f"  noisy               {si_sdr(clean, noisy):5.1f} dB")
        print(f"  shipped dictionary  {si_sdr(clean, Denoiser(method=METHOD).denoise(noisy, sr)):5.1f} dB")
        print(f"  own noise           {si_sdr(clean, denoiser.denoise(noisy, sr)):5.1f} dB")


if __name__ == "__main__":
    main()
