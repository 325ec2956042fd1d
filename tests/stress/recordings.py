"""Small recordings of all kinds of files, to be mutated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.stress.frame import make_folder

__all__ = ["Recording", "make_recordings"]


@dataclass(frozen=True)
class Recording:
    """A file, by its extension and content, and the samples that it has."""

    name: str
    content: bytes
    n_samples: int
    sr: int

    def __repr__(self) -> str:
        return self.name


# name, rate, channels, seconds, container, coding
_SOUND = (
    ("pcm16.wav", 16000, 1, 0.5, "WAV", "PCM_16"),
    ("pcm24.wav", 44100, 2, 0.2, "WAV", "PCM_24"),
    ("float.wav", 8000, 1, 0.5, "WAV", "FLOAT"),
    ("ulaw.wav", 8000, 1, 0.5, "WAV", "ULAW"),
    ("adpcm.wav", 8000, 1, 0.5, "WAV", "IMA_ADPCM"),
    ("wavex.wav", 16000, 3, 0.2, "WAVEX", "PCM_16"),
    ("rf64.wav", 16000, 1, 0.4, "RF64", "PCM_16"),
    ("a.w64", 16000, 2, 0.2, "W64", "PCM_16"),
    ("a.aiff", 16000, 1, 0.4, "AIFF", "PCM_16"),
    ("float.aiff", 16000, 1, 0.2, "AIFF", "FLOAT"),
    ("a.caf", 16000, 2, 0.2, "CAF", "PCM_24"),
    ("alac.caf", 16000, 1, 0.5, "CAF", "ALAC_16"),
    ("a.au", 8000, 1, 0.5, "AU", "PCM_16"),
    ("a.voc", 8000, 1, 0.5, "VOC", "PCM_U8"),
    ("a.nist", 8000, 1, 0.5, "NIST", "PCM_16"),
    ("a.flac", 16000, 1, 0.6, "FLAC", "PCM_16"),
    ("stereo.flac", 44100, 2, 0.3, "FLAC", "PCM_24"),
    ("a.ogg", 16000, 1, 0.8, "OGG", "VORBIS"),
    ("a.opus", 16000, 1, 0.8, "OGG", "OPUS"),
    ("a.mp3", 16000, 1, 0.8, "MP3", "MPEG_LAYER_III"),
    ("long.flac", 8000, 1, 6.0, "FLAC", "PCM_16"),
    ("long.ogg", 8000, 1, 6.0, "OGG", "VORBIS"),
    ("long.opus", 8000, 1, 6.0, "OGG", "OPUS"),
    ("long.mp3", 8000, 1, 6.0, "MP3", "MPEG_LAYER_III"),
)

# name, codec, samples, picture, rate, more
_MEDIA = (
    ("aac.m4a", "aac", "fltp", None, 16000),
    ("alac.m4a", "alac", "s16p", None, 16000),
    ("a.mp4", "aac", "fltp", "mpeg4", 16000),
    ("a.mov", "pcm_s16le", "s16", "mpeg4", 16000),
    ("opus.mkv", "libopus", "flt", "mpeg4", 48000),
    ("pcm.mkv", "pcm_s16le", "s16", None, 16000),
    ("flac.mkv", "flac", "s16", None, 16000),
    ("a.webm", "libopus", "flt", None, 48000),
)


def make_recordings() -> list[Recording]:
    """Return recordings of all formats that are read, with tags where they take them."""
    with make_folder() as folder:
        found = []
        for name, sr, n_channels, seconds, container, subtype in _SOUND:
            path = folder / name
            with soundfile.SoundFile(path, "w", sr, n_channels, subtype, None, container) as file:
                if container in ("WAV", "AIFF", "FLAC", "OGG", "MP3", "CAF"):
                    file.title, file.artist = "a talk", "an \N{LATIN SMALL LETTER E WITH ACUTE}"
                file.write(_sound(seconds, sr, n_channels).T)
            found.append(_read(path))
        found.append(_rename(found[[r.name for r in found].index("rf64.wav")]))
        for medium in _MEDIA:
            found.append(_read(_write_media(folder, *medium)))
    return found


def _sound(seconds: float, sr: int, n_channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * sr)) / sr
    y = 0.2 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    return (y + 0.03 * rng.standard_normal((n_channels, len(t)))).astype(np.float32)


def _read(path: Path) -> Recording:
    # what is written to is not known to be whole for media files: their length is that of the sound put in
    info = None if path.name in {name for name, *_ in _MEDIA} else soundfile.info(path)
    return Recording(
        path.name,
        path.read_bytes(),
        0 if info is None else info.frames,
        0 if info is None else info.samplerate,
    )


def _rename(rf64: Recording) -> Recording:
    return Recording("bw64.wav", b"BW64" + rf64.content[4:], rf64.n_samples, rf64.sr)


def _write_media(
    folder: Path, name: str, codec: str, sample_format: str, picture: str | None, sr: int
) -> Path:
    from tests.io.media.make import write_media

    return write_media(
        folder / name,
        codec=codec,
        sample_format=sample_format,
        video=picture,
        sr=sr,
        seconds=0.5,
        tags={"title": "a talk"},
        y=_sound(0.5, sr, 1),
    )
