"""PyAV, which reads and writes media files: loaded where it is needed."""

from __future__ import annotations

import os
from typing import Any

from nmf_audio.errors import MissingExtraError

__all__ = ["FFMPEG_TAGS", "load_pyav", "open_to_read"]

FFMPEG_TAGS = {
    "track": "tracknumber",
    "album_artist": "albumartist",
    "disc": "discnumber",
    "publisher": "organization",
}
"""Its names of tags -> ours, where they differ."""


def load_pyav(what: str) -> Any:
    """Return the module ``av``; raise `MissingExtraError`, which says what it is needed for, if it is not there."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"{what} needs PyAV; install it with: pip install av") from error
    return av


# what holds sound, and names no other files or addresses, as playlists and session descriptions do
_DEMUXERS = """
    aa aac ac3 ac4 act adx aea aiff amr amrnb amrwb ape aptx asf asf_o ast au avi avr bonk caf codec2 dhav dsf
    dss dts dtshd dv eac3 epaf flac flv g722 g723_1 g726 g726le g728 g729 gsm gxf hca hcom iamf iff ilbc ircam
    kux lc3 live_flv loas lxf matroska mlp mmf mov mp3 mpc mpc8 mpeg mpegts mpegvideo msf mtaf mxf nistsphere
    nsv nut nuv ogg oma osq paf pva pvf qcp qoa rka rm rso sbc sds sdr2 shn siff sln smjpeg sol sox spdif swf
    tak truehd tta ty vag voc vqf w64 wav wavarc wsaud wsd wtv wv wve xa xwma
"""


def open_to_read(av: Any, path: str | os.PathLike[str]) -> Any:
    """Open a media file, and nothing else that it may name; `av.error.FFmpegError` or ValueError if that fails.

    Tags that are not text in UTF-8 come out with marks in place of what can't be read.
    """
    limits = {"protocol_whitelist": "file", "format_whitelist": ",".join(_DEMUXERS.split())}
    # before version 19 bytes that are no text are an error unless this says otherwise; since then they never are
    options = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    # the prefix keeps a colon in a name from being taken for the end of a protocol
    return av.open(f"file:{os.fspath(path)}", options=limits, **options)
