"""The head of a WAV stream, read and written from start to end as a pipe needs it.

libsndfile seeks, and so can do neither. Layout: Microsoft's *Multimedia Programming Interface* (1991) and
``WAVEFORMATEXTENSIBLE``; 64-bit lengths: EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nmf_audio.io.containers import is_unknown_length
from nmf_audio.io.pcm import PCM_BYTES

__all__ = ["WavHead", "read_head", "write_head"]

_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBTYPES = {
    (_PCM, 8): "PCM_U8",
    (_PCM, 16): "PCM_16",
    (_PCM, 24): "PCM_24",
    (_PCM, 32): "PCM_32",
    (_IEEE_FLOAT, 32): "FLOAT",
    (_IEEE_FLOAT, 64): "DOUBLE",
}
# what follows the two bytes of a format tag in the GUID that stands for it
_GUID_REST = bytes.fromhex("000000001000800000aa00389b71")
_UNKNOWN = 0xFFFFFFFF
_MAX_CHUNKS = 10_000
_MAX_BODY = 2**20
# longer ones, with what stands beside the samples, are near what stands for an unknown length
_MAX_KNOWN = 0xFFFF0000 - 2 * _MAX_BODY
_TAGS = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICMT": "comment",
    b"ICRD": "date",
    b"IGNR": "genre",
    b"ITRK": "tracknumber",
    b"ICOP": "copyright",
}


@dataclass(frozen=True)
class WavHead:
    """What stands before the samples of a WAV stream.

    Parameters
    ----------
    sr : int
        Sample rate in Hz.
    n_channels : int
        Channels.
    subtype : str
        Coding of the samples, a key of `nmf_audio.io.pcm.PCM_BYTES`.
    n_bytes : int or None
        Bytes of the samples; None if whoever wrote it did not know.
    extensible : bool
        Whether it is a ``WAVEFORMATEXTENSIBLE``, as it should be with more than two channels.
    channel_mask : int
        Which loudspeaker each channel is for; 0 for none in particular.
    tags : mapping of str
        Title, artist and so on.
    """

    sr: int
    n_channels: int
    subtype: str
    n_bytes: int | None = None
    extensible: bool = False
    channel_mask: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of each channel."""
        return self.n_channels * PCM_BYTES[self.subtype]


def read_head(take: Callable[[int], bytes]) -> WavHead | None:
    """Read up to the first sample.

    Parameters
    ----------
    take : callable
        Returns the next n bytes, fewer at the end of the stream.

    Returns
    -------
    WavHead or None
        None if it is no WAV stream of plain numbers; it may be one of another coding.

    Raises
    ------
    EOFError
        If the stream is one, and ends before the first sample.

    Examples
    --------
    >>> import io
    >>> read_head(io.BytesIO(write_head(WavHead(48000, 2, "PCM_24"))).read)
    WavHead(sr=48000, n_channels=2, subtype='PCM_24', n_bytes=None, extensible=False, channel_mask=0, tags={})
    """
    start = take(12)
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:12] != b"WAVE":
        return None
    (riff_bytes,) = struct.unpack("<I", start[4:8])
    position = 12
    n_bytes_64 = 0
    head: WavHead | None = None
    tags: dict[str, str] = {}
    for _ in range(_MAX_CHUNKS):
        chunk = _exactly(take, 8)
        name, n_bytes = struct.unpack("<4sI", chunk)
        position += 8
        if name == b"data":
            if head is None:
                return None
            if n_bytes == _UNKNOWN and n_bytes_64:
                return replace(head, n_bytes=n_bytes_64, tags=tags)
            # some put 0, and leave it if they can't go back; a stream that ends there anyway has more chunks, or none
            empty = n_bytes == 0 and position < riff_bytes + 8 and not is_unknown_length(riff_bytes)
            unknown = is_unknown_length(n_bytes) or (n_bytes == 0 and not empty)
            return replace(head, n_bytes=None if unknown else n_bytes, tags=tags)
        if n_bytes > _MAX_BODY and head is None:
            return None
        n_padded = n_bytes + n_bytes % 2
        position += n_padded
        if name not in (b"fmt ", b"ds64", b"LIST") or n_bytes > _MAX_BODY:
            _skip(take, n_padded)
            continue
        body = _exactly(take, n_padded)
        if name == b"fmt " and head is None:
            head = _read_format(body)
            if head is None:
                return None
        elif name == b"ds64" and n_bytes >= 16:
            n_bytes_64 = struct.unpack("<QQ", body[:16])[1]
        elif name == b"LIST" and body[:4] == b"INFO":
            tags |= _read_tags(body[4:n_bytes])
    return None


def _exactly(take: Callable[[int], bytes], n: int) -> bytes:
    data = take(n)
    if len(data) < n:
        raise EOFError
    return data


def _skip(take: Callable[[int], bytes], n: int) -> None:
    while n:
        n -= len(_exactly(take, min(n, _MAX_BODY)))


def _read_format(body: bytes) -> WavHead | None:
    if len(body) < 16:
        return None
    tag, n_channels, sr, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    extensible = tag == _EXTENSIBLE and len(body) >= 40
    channel_mask = 0
    if extensible:
        channel_mask, tag, rest = struct.unpack("<IH14s", body[20:40])
        if rest != _GUID_REST:
            return None
    subtype = _SUBTYPES.get((tag, bits))
    if subtype is None or n_channels == 0 or frame_bytes != n_channels * PCM_BYTES[subtype]:
        return None
    return WavHead(sr, n_channels, subtype, extensible=extensible, channel_mask=channel_mask)


def _read_tags(body: bytes) -> dict[str, str]:
    tags = {}
    position = 0
    while position + 8 <= len(body):
        name, n = struct.unpack("<4sI", body[position : position + 8])
        text = body[position + 8 : position + 8 + n].split(b"\0")[0].decode("utf-8", "replace").strip()
        if name in _TAGS and text:
            tags[_TAGS[name]] = text
        position += 8 + n + n % 2
    return tags


def write_head(head: WavHead) -> bytes:
    """Return what stands before the samples.

    Parameters
    ----------
    head : WavHead
        A length that is None, or more than a WAV can state, becomes 0xFFFFFFFF, as ffmpeg writes to a pipe: it, and
        SoX, read on to the end then.

    Returns
    -------
    bytes
    """
    is_float = head.subtype in ("FLOAT", "DOUBLE")
    tag, bits = _IEEE_FLOAT if is_float else _PCM, 8 * PCM_BYTES[head.subtype]
    n_channels, frame_bytes = head.n_channels, head.frame_bytes
    form = struct.pack(
        "<HHIIHH",
        _EXTENSIBLE if head.extensible else tag,
        *(n_channels, head.sr, min(head.sr * frame_bytes, _UNKNOWN), frame_bytes, bits),
    )
    if head.extensible:
        form += struct.pack("<HHIH14s", 22, bits, head.channel_mask, tag, _GUID_REST)
    elif is_float:
        form += struct.pack("<H", 0)
    known = head.n_bytes is not None and head.n_bytes < _MAX_KNOWN
    n_bytes = (head.n_bytes or 0) if known else _UNKNOWN
    chunks = _chunk(b"fmt ", form)
    if is_float:
        chunks += _chunk(b"fact", struct.pack("<I", n_bytes // frame_bytes if known else 0))
    names = {text: name for name, text in _TAGS.items()}
    info = b"".join(
        _chunk(names[name], text.encode() + b"\0") for name, text in head.tags.items() if name in names
    )
    if info and len(info) <= _MAX_BODY:
        chunks += _chunk(b"LIST", b"INFO" + info)
    riff_bytes = 4 + len(chunks) + 8 + n_bytes + n_bytes % 2 if known else _UNKNOWN
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + chunks + struct.pack("<4sI", b"data", n_bytes)
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2)
