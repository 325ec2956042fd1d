"""Media files that are small enough to make in every test."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

SR = 48000
FPS = 25
CLICK = 1.52
"""Seconds to the click in the sound, and to the white picture."""

SUBTITLES = [(0.5, 1.0, "first"), (1.5, 2.0, "second")]


def click(seconds: float, sr: int, n_channels: int = 1) -> npt.NDArray[np.float32]:
    """Return noise (n_channels, n) with a click at `CLICK`."""
    y = 0.01 * np.random.default_rng(0).standard_normal((n_channels, round(seconds * sr)))
    y[:, round(CLICK * sr) : round(CLICK * sr) + 24] = 0.9
    return y.astype(np.float32)


def write_media(
    path: Path,
    *,
    codec: str = "aac",
    sample_format: str = "fltp",
    video: str | None = "mpeg4",
    sr: int = SR,
    n_tracks: int = 1,
    layout: str = "mono",
    default: int | None = None,
    seconds: float = 3.0,
    start: float = 0.0,
    y: npt.NDArray[np.float32] | None = None,
    tags: Mapping[str, str] | None = None,
    chapters: Sequence[tuple[float, float, str]] = (),
    subtitles: str | None = None,
    cover: bytes | None = None,
    muxer: str | None = None,
) -> Path:
    """Write a file whose picture is white, and whose sound clicks, at `CLICK`; return its path.

    Each sound track but the first is twice as loud as the one before, and named ``track N``.
    """
    with av.open(str(path), "w", format=muxer) as file:
        file.metadata.update(tags or {})
        file.set_chapters(
            [
                {
                    "id": i,
                    "start": round(1000 * begin),
                    "end": round(1000 * end),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for i, (begin, end, title) in enumerate(chapters)
            ]
        )
        picture: Any = None if video is None else file.add_stream(video, rate=FPS, width=64, height=48)
        sounds = []
        for i in range(n_tracks):
            sound: Any = file.add_stream(codec, rate=sr)
            sound.layout, sound.format, sound.time_base = layout, sample_format, Fraction(1, sr)
            if n_tracks > 1:
                sound.metadata["title"] = f"track {i + 1}"
                sound.metadata["language"] = ("eng", "deu", "fra")[i]
            if default is not None:
                sound.disposition = av.stream.Disposition.default if i == default else 0
            sounds.append(sound)
        text: Any = None if subtitles is None else file.add_mux_stream(subtitles)
        still: Any = None
        if cover is not None:
            still = file.add_stream("mjpeg", width=16, height=16, pix_fmt="yuvj420p")
            still.disposition = av.stream.Disposition.attached_pic
        if still is not None:
            packet = av.Packet(cover)
            packet.stream, packet.time_base, packet.pts, packet.dts = still, Fraction(1, 90000), 0, 0
            packet.is_keyframe = True
            file.mux(packet)
        if picture is not None:
            for i in range(round(seconds * FPS)):
                image = np.full((48, 64, 3), 255 if i == round(CLICK * FPS) else 0, np.uint8)
                file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            file.mux(picture.encode())
        if text is not None:
            write_subtitles(file, text, subtitles or "")
        y = click(seconds, sr, sounds[0].layout.nb_channels) if y is None else y
        for i, sound in enumerate(sounds):
            write_sound(file, sound, 2**i * y, sr, start)
    return path


def write_sound(file: Any, sound: Any, y: npt.NDArray[np.float32], sr: int, start: float) -> None:
    """Encode all of a signal."""
    sample_format = sound.format.name
    if sound.format.name.startswith("s"):
        bits = 16 if sample_format.startswith("s16") else 32
        y = np.rint(y * 2.0 ** (bits - 1)).astype(f"int{bits}")
    data = np.ascontiguousarray(y.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(data, sample_format.removesuffix("p"), sound.layout.name)
    frame.sample_rate, frame.time_base, frame.pts = sr, Fraction(1, sr), round(start * sr)
    file.mux(sound.encode(frame))
    file.mux(sound.encode(None))


def write_subtitles(file: Any, track: Any, kind: str) -> None:
    """Write `SUBTITLES` in the way of MP4's text tracks or of SubRip."""
    for begin, end, words in SUBTITLES:
        content = words.encode()
        if kind == "mov_text":
            content = len(content).to_bytes(2, "big") + content
        packet = av.Packet(content)
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = round(1000 * begin)
        packet.duration = round(1000 * (end - begin))
        file.mux(packet)


def click_of(path: Path, track: int = 0) -> float:
    """Return the seconds to the click in a sound track, as a player has it."""
    with av.open(str(path)) as file:
        for frame in file.decode(file.streams.audio[track]):
            y = frame.to_ndarray()
            if not frame.format.is_planar:
                y = y.reshape(-1, frame.layout.nb_channels).T
            full_scale = 1.0 if y.dtype.kind == "f" else 2.0 ** (8 * y.dtype.itemsize - 1)
            loud = np.flatnonzero(np.abs(y[0]) > 0.3 * full_scale)
            if loud.size:
                assert frame.time is not None
                return float(frame.time + loud[0] / frame.sample_rate)
    raise AssertionError("no click")


def white_of(path: Path) -> float:
    """Return the seconds to the white picture."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > 128:
                assert frame.time is not None
                return float(frame.time)
    raise AssertionError("no white picture")


def packets_of(path: Path, kind: str) -> list[tuple[bytes, float | None]]:
    """Return the packets of all tracks of a kind and their times, as they are stored."""
    with av.open(str(path)) as file:
        tracks = [track for track in file.streams if track.type == kind]
        if not tracks:
            return []
        return [
            (bytes(packet), None if packet.pts is None else float(packet.pts * packet.time_base))
            for packet in file.demux(*tracks)
            if packet.size
        ]


def jpeg() -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as out:
        track = out.add_stream("mjpeg", width=16, height=16, pix_fmt="yuvj420p")
        image = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 99, np.uint8), format="rgb24")
        out.mux(track.encode(image))
        out.mux(track.encode(None))
    return file.getvalue()
