"""Tags, pictures, chunks and loudspeakers that an output takes over from a recording, and what it can't keep."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import soundfile

from nmf_audio.io.containers import Container
from nmf_audio.io.format_chunk import FormatChunk, build_speaker_chunk, put_format
from nmf_audio.io.media.reader import MediaReader
from nmf_audio.io.pipe_reader import StreamReader
from nmf_audio.io.riff import WavHead, write_head
from nmf_audio.io.sndfile_reader import AudioReader
from nmf_audio.io.speakers import FLAC_MASKS, is_usual, name_speakers
from nmf_audio.io.tags import flac, id3
from nmf_audio.io.tags.chunks import ID3_CHUNKS, SPEAKER_CHUNKS, append_chunks, is_text, is_timeless
from nmf_audio.io.tags.comments import build_comments, keep_comments, make_comments, state_mask, state_picture
from nmf_audio.io.tags.info import INFO_TAGS, build_info, list_other_texts
from nmf_audio.io.tags.ogg import put_ogg_comments
from nmf_audio.io.tags.picture import Picture, pack_picture

__all__ = [
    "NO_EXTRAS",
    "Extras",
    "collect_extras",
    "collect_head",
    "describe_left_out",
    "list_left_out",
    "make_extras",
    "must_state_speakers",
]

_WAVS = ("WAV", "WAVEX", "RF64")
# of a stream: what its reader takes in one piece
_MAX_HEAD = 2**20
# what one block of FLAC holds
_MAX_PICTURE = 2**24 - 2**12
# libsndfile's own signature stands there, whatever was asked for
_OWN_TAGS = ("software", "encoder")

AnyReader = AudioReader | MediaReader | StreamReader


@dataclass(frozen=True)
class Extras:
    """What an output has beside its samples.

    libsndfile writes the `tags`; the `additions` are done to the finished file, whose path each takes. `valid_bits`,
    to which integers are rounded, is None for all that are stored. `timed` is a sentence on what is left out since it
    holds for all samples of a recording only, and `left_out` names what else is.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    additions: Sequence[Callable[[Path], object]] = ()
    valid_bits: int | None = None
    timed: str = ""
    left_out: Sequence[str] = ()

    def list_warnings(self, container: Container, lost: Iterable[str] = ()) -> list[str]:
        """Return sentences on what an output of a container leaves out; `lost` are tags that it did not take."""
        lost = [name for name in lost if name not in _OWN_TAGS]
        return [*filter(None, [self.timed]), *describe_left_out(container, [*self.left_out, *lost])]


NO_EXTRAS = Extras()
"""Nothing."""


def get_family(container: Container) -> bytes:
    """Return which chunks a container has: files of the same family take each other's; empty if it has none."""
    if container.format in _WAVS:
        return b"RIFX" if container.endian == "BIG" else b"RIFF"
    return {"AIFF": b"FORM", "CAF": b"caff"}.get(container.format, b"")


def make_extras(
    container: Container,
    *,
    tags: Mapping[str, str],
    comments: Sequence[bytes] | None = None,
    pictures: Sequence[Picture] = (),
) -> Extras:
    """Return what puts tags and pictures into an output, and names the pictures that it has no place for.

    `comments` are the tags as FLAC and Ogg have them, if they come from one.
    """
    tags = {name: text for name, text in tags.items() if name not in _OWN_TAGS}
    if comments is None:
        comments = make_comments(tags)
    if container.format == "MP3":
        tag = id3.build_tag(tags, pictures)
        return Extras(additions=[partial(id3.put_tag, tag=tag)] if tag else [])
    if container.format == "OGG":
        comments = [*comments, *map(state_picture, pictures)]
        return Extras(additions=[partial(put_ogg_comments, comments=comments)] if comments else [])
    if container.format == "FLAC":
        small = [picture for picture in pictures if len(picture.data) < _MAX_PICTURE]
        blocks = [(flac.COMMENT, build_comments(comments))] if comments else []
        blocks += [(flac.PICTURE, pack_picture(picture)) for picture in small]
        additions = [partial(flac.put_metadata_blocks, blocks=blocks)] if blocks else []
        too_large = ["a picture"] if len(small) < len(pictures) else []
        return Extras(additions=additions, left_out=too_large)
    return Extras(tags, left_out=["a picture"] if pictures else [])


def collect_extras(reader: AnyReader, container: Container, *, sr: int, is_part: bool) -> Extras:
    """Return what an output of a container and rate takes over from a recording, or from a part of it."""
    is_whole = not is_part and sr == reader.sr
    chunks, timed, lost = _carry_chunks(reader, container, is_whole=is_whole)
    additions = _copy_head(reader, container, is_part=is_part, is_whole=is_whole)
    extras = Extras(additions=additions or ())
    if additions is None:
        comments = reader.comments
        if comments is not None:
            comments = keep_comments(comments, is_whole=is_whole)
            timed += ["chapters"] if len(comments) < len(keep_comments(reader.comments or ())) else []
        extras = make_extras(
            container,
            # where the texts are copied as they are, nothing else says them again
            tags={} if any(is_text(*chunk) for chunk in chunks) else reader.tags,
            comments=comments,
            pictures=() if any(name in ID3_CHUNKS for name, _ in chunks) else reader.pictures,
        )
        lost += reader.others
    elif container.format == "FLAC" and not is_whole:
        timed += reader.others
    valid_bits = reader.form.valid_bits
    if container.format not in _WAVS or container.subtype != reader.container.subtype:
        valid_bits = None
    stated, speakers = _state_speakers(reader, container, valid_bits)
    if chunks:
        stated.append(partial(append_chunks, chunks=chunks))
    return Extras(
        extras.tags,
        [*extras.additions, *stated],
        valid_bits,
        _describe_timed(reader, timed),
        [*extras.left_out, *lost, *speakers],
    )


def collect_head(
    reader: AnyReader, container: Container, *, is_whole: bool
) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Return the chunks that stand before the samples of a WAV stream, and sentences on what is left out."""
    carried, timed, lost = _carry_chunks(reader, container, is_whole=is_whole)
    chunks = [chunk for chunk in carried if _is_harmless(*chunk)]
    lost += [_spell(name) for name, body in carried if (name, body) not in chunks and not is_text(name, body)]
    if not any(is_text(*chunk) for chunk in chunks):
        chunks = build_info(reader.tags) + chunks
        lost += [name for name in reader.tags if name not in (*INFO_TAGS, *_OWN_TAGS)]
    n_left, kept = _MAX_HEAD, []
    lost += [*reader.others, *(["a picture"] if reader.pictures else [])]
    for name, body in chunks:
        if len(body) <= n_left:
            kept.append((name, body))
            n_left -= len(body)
        else:
            lost.append(_spell(name))
    extras = Extras(timed=_describe_timed(reader, timed), left_out=lost)
    return kept, extras.list_warnings(container)


def _is_harmless(name: bytes, body: bytes) -> bool:
    """Whether libsndfile finds the samples behind a chunk: what is in one from a stranger may mislead it."""
    head = write_head(WavHead(16000, 1, "PCM_16", n_bytes=2, chunks=[(name, body)]))
    try:
        with soundfile.SoundFile(io.BytesIO(head + bytes(2))) as sound:
            return bool(sound.frames == 1)
    except soundfile.LibsndfileError:
        return False


def list_left_out(reader: AnyReader, container: Container) -> list[str]:
    """Return names of what a media file does not take over from another recording, besides tags and pictures."""
    _, timed, lost = _carry_chunks(reader, container, is_whole=False)
    return [*timed, *lost, *reader.others]


def _copy_head(
    reader: AnyReader, container: Container, *, is_part: bool, is_whole: bool
) -> list[Callable[[Path], object]] | None:
    """Return what copies all that stands before the sound, byte by byte; None if that can't be done."""
    if not isinstance(reader, AudioReader) or reader.container.format != container.format:
        return None
    if container.format == "MP3" and not is_part and (tag := id3.read_tag(reader.path)):
        return [partial(id3.put_tag, tag=tag)]
    if container.format == "FLAC":
        blocks = flac.read_metadata_blocks(reader.path, is_whole=is_whole)
        return [partial(flac.put_metadata_blocks, blocks=blocks)] if blocks else []
    return None


def _carry_chunks(
    reader: AnyReader, container: Container, *, is_whole: bool
) -> tuple[list[tuple[bytes, bytes]], list[str], list[str]]:
    """Return the chunks that an output takes as they are; names of those that count samples; of others left out."""
    same = get_family(reader.container) == get_family(container)
    kept, timed, lost = [], [], []
    for name, body in reader.chunks:
        if same and (is_whole or is_timeless(name, body)):
            kept.append((name, body))
        elif not is_timeless(name, body):
            timed.append(_spell(name))
        elif is_text(name, body):
            lost += list_other_texts(name, body)
        elif name in ID3_CHUNKS:
            lost += id3.list_others(body)
        elif name not in SPEAKER_CHUNKS:
            lost.append(_spell(name))
    return kept, timed, lost


def _spell(name: bytes) -> str:
    return name.decode("latin-1").strip()


def _state_speakers(
    reader: AnyReader, container: Container, valid_bits: int | None
) -> tuple[list[Callable[[Path], object]], list[str]]:
    """Return what states loudspeakers and valid bits in an output, or names the loudspeakers if nothing does."""
    mask, stated = reader.channel_mask, must_state_speakers(reader)
    additions: list[Callable[[Path], object]] = []
    if container.format in _WAVS:
        additions.append(partial(put_format, form=FormatChunk(mask, valid_bits)))
        has_place = container.format != "WAV"
    elif container.format in ("AIFF", "CAF"):
        has_place = True
        if mask is not None and stated and not any(name in SPEAKER_CHUNKS for name, _ in reader.chunks):
            chunk = build_speaker_chunk(container.format, mask)
            additions.append(partial(append_chunks, chunks=[chunk]))
    elif container.format == "FLAC":
        has_place = True
        # another FLAC has it among the tags that are copied
        usual = is_usual(mask, reader.n_channels, FLAC_MASKS)
        if mask is not None and not usual and reader.container.format != "FLAC":
            additions.append(partial(flac.put_comment, comment=state_mask(mask)))
    else:
        has_place = container.format == "OGG" and is_usual(mask, reader.n_channels)
    if has_place or mask is None or not stated:
        return additions, []
    return additions, [f"loudspeakers {name_speakers(mask) or 'that have no names'}"]


def must_state_speakers(reader: AnyReader) -> bool:
    """Whether a recording says more of its loudspeakers than mono and stereo do by themselves."""
    return reader.channel_mask is not None and (
        reader.n_channels > 2 or not is_usual(reader.channel_mask, reader.n_channels)
    )


def _describe_timed(reader: AnyReader, things: Iterable[str]) -> str:
    """Return a sentence on what holds for all samples of a recording only, or nothing."""
    named = ", ".join(dict.fromkeys(things))
    format = "WAV" if reader.container.format in _WAVS else reader.container.format
    return f"left out, since it is for a whole {format} of the same rate: {named}" if named else ""


def describe_left_out(container: Container, things: Iterable[str]) -> list[str]:
    """Return a sentence on what an output has no place for."""
    named = ", ".join(dict.fromkeys(things))
    return [f"left out, since {container.format} does not keep it here: {named}"] if named else []
