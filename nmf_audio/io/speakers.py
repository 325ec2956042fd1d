"""Loudspeakers of channels: bits of a mask, as WAV has them, FFmpeg's names, and the order of channels in Ogg.

All readers and writers here have channels in the order of the bits. Layout: Microsoft's ``WAVEFORMATEXTENSIBLE``; the
order in Ogg: Vorbis I specification, 4.3.9, and RFC 7845, 5.1.1.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

__all__ = ["DEFAULT_MASKS", "FLAC_MASKS", "find_ogg_order", "get_mask", "is_usual", "name_speakers"]

_NAMES = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)

DEFAULT_MASKS = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
"""Channels -> the loudspeakers that they have in Ogg, and elsewhere if nothing else is said."""

FLAC_MASKS = {**DEFAULT_MASKS, 5: 0x607, 6: 0x60F}
"""The same of FLAC, as its own decoder has them: those of the surround are at the side."""

_OGG_ORDERS = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}


def get_mask(names: Sequence[str]) -> int:
    """Return the mask of loudspeakers by FFmpeg's names; 0 if it has no bit for one, or they are in another order.

    Examples
    --------
    >>> hex(get_mask(["FL", "FR", "FC", "LFE", "SL", "SR"])), get_mask(["FR", "FL"])
    ('0x60f', 0)
    """
    bits = [_NAMES.index(name) for name in names if name in _NAMES]
    in_order = len(bits) == len(names) and all(a < b for a, b in pairwise(bits))
    return sum(1 << bit for bit in bits) if in_order else 0


def name_speakers(mask: int) -> str:
    """Return FFmpeg's names of the loudspeakers of a mask; empty if there are none, or others.

    Examples
    --------
    >>> name_speakers(0x60F)
    'FL+FR+FC+LFE+SL+SR'
    """
    if mask >> len(_NAMES):
        return ""
    return "+".join(name for bit, name in enumerate(_NAMES) if mask >> bit & 1)


def is_usual(mask: int | None, n_channels: int, usual: Mapping[int, int] = DEFAULT_MASKS) -> bool:
    """Whether nothing needs to be said of the loudspeakers: they are the usual ones, or unknown."""
    return mask is None or mask == usual.get(n_channels, 0)


def find_ogg_order(n_channels: int) -> list[int] | None:
    """Return where in Ogg each channel is, in the order of their bits; None if they are in this order.

    Examples
    --------
    >>> find_ogg_order(6), find_ogg_order(2)
    ([0, 2, 1, 5, 3, 4], None)
    """
    return list(_OGG_ORDERS[n_channels]) if n_channels in _OGG_ORDERS else None
