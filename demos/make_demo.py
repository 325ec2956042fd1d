"""The demo recordings, demos/clean.flac and demos/noisy.flac, made from two Debian packages.

    apt-get download pocketsphinx-testdata ufoai-sound
    for package in *.deb; do dpkg-deb -x "$package" unpacked; done
    python demos/make_demo.py --root unpacked

The speech is one sentence of a LibriVox reading (public domain), the noise a fountain (CC BY-SA 3.0);
demos/README.md has names, versions and licences. The result is the same bits each time.
"""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

SR = 16000
SNR_DB = 3.0
MARGIN_SECONDS = 0.5
LEVEL = 0.5  # the loudest drop of the fountain would otherwise leave the range
SPEECH = "usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav"
NOISE_ARCHIVE = "usr/share/games/ufoai/base/0snd.pk3"
NOISE = "sound/ambience/waterfontain.ogg"


def read_mono(data: bytes) -> npt.NDArray[np.float64]:
    """Return the mean of a recording's channels at 16 kHz.

    Parameters
    ----------
    data : bytes
        An audio file that libsndfile reads.

    Returns
    -------
    numpy.ndarray, shape (n_samples,)
        Full scale 1.0.
    """
    y, sr = soundfile.read(io.BytesIO(data), always_2d=True)
    return np.asarray(soxr.resample(y.mean(axis=1), sr, SR))


def active_power(y: npt.NDArray[np.float64]) -> float:
    """Return the mean power over the 20 ms frames within 30 dB of the loudest, so that pauses do not count.

    Parameters
    ----------
    y : numpy.ndarray, shape (n_samples,)
        Speech at 16 kHz.

    Returns
    -------
    float
        Mean square, full scale 1.0.
    """
    size = SR // 50
    powers = np.mean(y[: len(y) // size * size].reshape(-1, size) ** 2, axis=1)
    return float(powers[powers > 1e-3 * powers.max()].mean())


def mix(
    speech: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the clean and the noisy recording, half a second longer than the speech at each end.

    Parameters
    ----------
    speech, noise : numpy.ndarray, shape (n_samples,)
        Mono at 16 kHz; the noise is longer by at least one second.

    Returns
    -------
    clean, noisy : numpy.ndarray, shape (n_samples,)
        The speech at half its level between two half seconds of silence; the same plus the noise, 3 dB below
        the active speech.
    """
    clean = np.pad(LEVEL * speech, round(MARGIN_SECONDS * SR))
    noise = noise[: len(clean)]
    gain = np.sqrt(active_power(clean) / np.mean(noise**2) / 10 ** (SNR_DB / 10))
    return clean, clean + gain * noise


def main() -> None:
    """Write the two recordings beside this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help="folder the packages are unpacked in")
    root = parser.parse_args().root
    with zipfile.ZipFile(root / NOISE_ARCHIVE) as archive:
        noise = read_mono(archive.read(NOISE))
    clean, noisy = mix(read_mono((root / SPEECH).read_bytes()), noise)
    here = Path(__file__).resolve().parent
    soundfile.write(here / "clean.flac", clean, SR, subtype="PCM_16")
    soundfile.write(here / "noisy.flac", noisy, SR, subtype="PCM_16")


if __name__ == "__main__":
    main()
