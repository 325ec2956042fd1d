"""The length that the head of a rarer format states, from what libsndfile notes on it, beside what is there.

libsndfile reads as much as there is of these without a message.
"""

from __future__ import annotations

import re
from pathlib import Path

import soundfile

from nmf_audio.io.pcm import PCM_BYTES
from nmf_audio.io.truncation import describe_truncation

__all__ = ["describe_shortage"]

# samples in each channel; the last place counts
_SAMPLES = {
    "AVR": r"Frames\s*: (\d+)",
    "HTK": r"Sample Count\s*: (\d+)",
    "MPC2K": r"Frames\s*: (\d+)",
    "MAT4": r"Cols\s*: (\d+)",
    "MAT5": r"Cols\s*: (\d+)",
}
# bytes stated, and bytes there
_BYTES = {"SVX": r"BODY : (\d+) \(should be (\d+)\)", "WVE": r"Data length (\d+) should be (\d+)"}
# without a length, a part of a sample at the end shows that something is missing; where the first begins
_STARTS = {"IRCAM": 1024, "PAF": 2048, "PVF": 0}
_NIST_SAMPLES = re.compile(rb"\nsample_count -i (\d+)")
_NIST_HEAD = 1024


def describe_shortage(sound: soundfile.SoundFile, path: Path) -> str | None:
    """Return what is missing of a file that libsndfile opened, half a sentence; None if nothing is known to be."""
    name, there = sound.format, sound.frames
    stated: int | None = None
    if name in ("VOC", "MP3"):
        return describe_truncation(path)
    if name == "NIST":
        with path.open("rb") as file:
            found = _NIST_SAMPLES.search(file.read(_NIST_HEAD))
        stated = int(found[1]) if found else None
    elif name in _SAMPLES:
        numbers = re.findall(_SAMPLES[name], sound.extra_info)
        stated = int(numbers[-1]) if numbers else None
    elif name == "SDS":
        # here the notes have what is there
        numbers = re.findall(r"Frames\s*: (\d+)", sound.extra_info)
        stated, there = there, int(numbers[-1]) if numbers else there
    elif name in _BYTES:
        pairs = re.findall(_BYTES[name], sound.extra_info)
        if pairs and int(pairs[-1][1]) < int(pairs[-1][0]):
            return f"is truncated: {pairs[-1][1]} of {pairs[-1][0]} bytes of its samples are there"
    elif name == "XI":
        # of each of its samples; libsndfile writes none
        n_stated = sum(map(int, re.findall(r"  size\s*: (\d+)", sound.extra_info)))
        n_there = path.stat().st_size - _find_start(sound)
        if n_there < n_stated:
            return f"is truncated: {n_there} of {n_stated} bytes of its samples are there"
    elif name in _STARTS:
        return _check_rest(sound, path)
    if stated is not None and there < stated:
        return f"is truncated: {there} of {stated} samples are there"
    return None


def _find_start(sound: soundfile.SoundFile) -> int:
    found = re.search(r"Data Offset : (\d+)", sound.extra_info)
    return int(found[1]) if found else _STARTS.get(sound.format, 0)


def _check_rest(sound: soundfile.SoundFile, path: Path) -> str | None:
    start = _find_start(sound)
    n_bytes = PCM_BYTES.get(sound.subtype, 1) * sound.channels
    is_cut = "truncated" in sound.extra_info or (
        # three bytes of a PAF stand in blocks, which libsndfile checks
        sound.subtype != "PCM_24" and (path.stat().st_size - start) % n_bytes
    )
    return "is truncated: it ends within a sample" if is_cut else None
