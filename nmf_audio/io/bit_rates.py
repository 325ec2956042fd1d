"""Bit rates of lossy recordings: read from them, kept, asked for, and passed to libsndfile.

Layout of frames: ISO/IEC 11172-3 and 13818-3 (MPEG layer 3); of the first packet: Vorbis I specification, 4.2.2.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

from nmf_audio.errors import AudioFileError
from nmf_audio.io.containers import Container, Wanted
from nmf_audio.io.tags.id3 import count_tag_bytes

__all__ = ["choose_bit_rate", "choose_encoding", "read_bit_rate"]

# kbit/s by their number in a frame, of MPEG 1, and of MPEG 2 and 2.5
_MP3_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MP3_SAMPLE_RATES = ((44100, 48000, 32000), (22050, 24000, 16000), (11025, 12000, 8000))
# of two minutes: enough to know the mean of a rate that varies
_MAX_FRAMES = 5000
# libsndfile's range of a channel of Opus in bit/s
_OPUS_RANGE = (6_000, 256_000)
# bit/s of a channel that a sound needs that is coded once more; a frame of AAC takes six bits for each sample
_LEAST, _AAC_MOST = 64_000, 6
_VORBIS_STEPS = 8
# of LAME's tag and what stands before it in a frame
_LENGTH_BYTES = 192


def read_bit_rate(path: Path, subtype: str, seconds: float | None) -> int | None:
    """Return the bits per second of a lossy sound file, the mean if they vary; None of others."""
    with path.open("rb") as file:
        if subtype == "MPEG_LAYER_III":
            return _read_mp3(file)
        if subtype == "VORBIS":
            nominal = _read_vorbis(file.read(64))
            if nominal:
                return nominal
        if subtype in ("VORBIS", "OPUS") and seconds:
            return round(8 * path.stat().st_size / seconds)
    return None


def _read_mp3(file: io.BufferedReader) -> int | None:
    place = count_tag_bytes(file.read(10))
    n_bits, seconds = 0.0, 0.0
    for i in range(_MAX_FRAMES):
        file.seek(place)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
            break
        version = {3: 0, 2: 1, 0: 2}.get(head[1] >> 3 & 3)
        rate, sample_rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
        if version is None or not 0 < rate < 15 or sample_rate == 3:
            break
        sr = _MP3_SAMPLE_RATES[version][sample_rate]
        n_samples = 1152 if version == 0 else 576
        n_bytes = n_samples // 8 * 1000 * _MP3_RATES[min(version, 1)][rate] // sr + padding
        # the first may only tell how many there are
        if i or not any(name in file.read(60) for name in (b"Xing", b"Info", b"VBRI")):
            n_bits += 8 * n_bytes
            seconds += n_samples / sr
        place += n_bytes
    return round(n_bits / seconds) if seconds else None


def _read_vorbis(page: bytes) -> int:
    """Return the rate that the first page of an Ogg Vorbis says it aims at; 0 if it says none."""
    start = page.find(b"\x01vorbis")
    return max(struct.unpack_from("<i", page, start + 20)[0], 0) if 0 <= start <= len(page) - 24 else 0


def choose_bit_rate(
    label: str, container: Container, sr: int, n_channels: int, wanted: Wanted, source: tuple[str, int | None]
) -> int | None:
    """Return the bits per second that an output is to have; None if the encoder may choose.

    That is what was asked for, or that of the recording, `source`: its coding and rate. Another coding, and Opus and
    AAC in any case, have at least 64 kbit/s a channel. `AudioFileError` if it was asked for and can't be.
    """
    coding = container.subtype
    lowest, highest = _find_range(coding, sr, n_channels)
    if wanted.bitrate is None and wanted.quality is None:
        kept = source[1]
        if kept is None or highest == 0:
            return None
        same = coding == source[0] and coding not in ("OPUS", "AAC")
        return min(max(kept, lowest if same else _LEAST * n_channels, lowest), highest)
    if highest == 0 or (wanted.quality is not None and coding not in ("MPEG_LAYER_III", "VORBIS")):
        what = "bit rate" if wanted.quality is None else "quality"
        raise AudioFileError(f"{label}: {container.format} with {coding} offers no choice of {what}")
    if wanted.bitrate is None:
        return None
    bit_rate = round(1000 * wanted.bitrate)
    if not lowest <= bit_rate <= highest:
        channels = f"{n_channels} channel{'s' * (n_channels > 1)}"
        raise AudioFileError(
            f"{label}: {wanted.bitrate:g} kbit/s; {coding} at {sr} Hz with {channels} allows "
            f"{lowest / 1000:g} to {highest / 1000:g} kbit/s"
        )
    return bit_rate


def _find_range(coding: str, sr: int, n_channels: int) -> tuple[int, int]:
    """Return the lowest and highest bits per second of a coding; zeros if it has none to choose."""
    if coding == "MPEG_LAYER_III":
        return (32_000, 320_000) if sr >= 32000 else (8_000, 160_000) if sr >= 16000 else (8_000, 64_000)
    if coding == "OPUS":
        return _OPUS_RANGE[0] * n_channels, _OPUS_RANGE[1] * n_channels
    if coding == "AAC":
        return 8_000 * n_channels, _AAC_MOST * sr * n_channels
    if coding == "VORBIS":
        return _nominal(sr, n_channels, 1.0), _nominal(sr, n_channels, 0.0)
    return 0, 0


def choose_encoding(
    container: Container, sr: int, n_channels: int, bit_rate: int | None, quality: float | None
) -> dict[str, Any]:
    """Return what soundfile is told for a bit rate, or for a quality from 0 to 10."""
    coding = container.subtype
    if quality is not None:
        mode = {"bitrate_mode": "VARIABLE"} if coding == "MPEG_LAYER_III" else {}
        # libsndfile has no level of 1 for MP3
        return {"compression_level": min(1 - quality / 10, 0.999), **mode}
    if bit_rate is None:
        return {}
    if coding == "VORBIS":
        low, high = 0.0, 1.0
        for _ in range(_VORBIS_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if _nominal(sr, n_channels, middle) > bit_rate else (low, middle)
        return {"compression_level": (low + high) / 2}
    if coding == "OPUS":
        lowest, highest = _OPUS_RANGE
        return {"compression_level": (highest - bit_rate / n_channels) / (highest - lowest)}
    rates = _MP3_RATES[0 if sr >= 32000 else 1]
    lowest, highest = (32, 320) if sr >= 32000 else (8, 160) if sr >= 16000 else (8, 64)
    # rates that frames have are constant, those between them a mean; and those of frames in which there is no room
    # for the length of the recording
    nearest = min(rates[1:], key=lambda rate: abs(1000 * rate - bit_rate))
    n_bytes = (144_000 if sr >= 32000 else 72_000) * nearest // sr
    is_constant = abs(1000 * nearest - bit_rate) <= 0.015 * bit_rate and n_bytes >= _LENGTH_BYTES
    wanted = nearest if is_constant else bit_rate / 1000
    return {
        "compression_level": min((highest - wanted) / (highest - lowest), 0.999),
        "bitrate_mode": "CONSTANT" if is_constant else "AVERAGE",
    }


def _nominal(sr: int, n_channels: int, level: float) -> int:
    """Return the rate that libvorbis aims at, as the head of a file says that has no samples."""
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", sr, n_channels, "VORBIS", None, "OGG", compression_level=level):
        pass
    return _read_vorbis(file.getvalue()[:64])
