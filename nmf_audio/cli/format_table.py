"""``--list-formats``: what can be read and written."""

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nmf_audio.cli import common

if TYPE_CHECKING:
    from nmf_audio.io.formats import Format

WIDTH = 100


class ListFormats(argparse.Action):
    """Prints the formats and leaves."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print, and end the program."""
        common.print_line("\n".join(lines()))
        parser.exit()


def lines() -> list[str]:
    """Return the table, line by line."""
    from importlib.util import find_spec

    import soundfile

    from nmf_audio.io.formats import FORMATS, READ_ONLY

    table = ["read and written: --format NAME, by these extensions, with these codings (--subtype)"]
    table += _rows(entry for entry in FORMATS.values() if not entry.is_media)
    known = {entry.container for entry in FORMATS.values()} | {"RAW"}
    others = [name for name in soundfile.available_formats() if name not in known]
    table.append("read, and written where the input is one of them")
    table += _row("", others)
    missing = "" if find_spec("av") else "; needs PyAV, which is not installed: pip install av"
    table.append(f"media files: read and written; all but the sound is copied{missing}")
    table += _rows(entry for entry in FORMATS.values() if entry.is_media)
    table.append(f"media files: read{missing}")
    table += _row("", sorted(extension for extension, entry in READ_ONLY.items() if entry.is_media))
    table.append("read")
    table += _row("", sorted(extension for extension, entry in READ_ONLY.items() if not entry.is_media))
    return table


def _rows(entries: "Iterable[Format]") -> list[str]:
    return [
        line
        for entry in entries
        for line in _row(f"{entry.name:6} {' '.join(entry.extensions):18} ", entry.subtypes)
    ]


def _row(head: str, words: Sequence[str]) -> list[str]:
    import textwrap

    indent = " " * (2 + len(head))
    return textwrap.wrap(" ".join(words), WIDTH, initial_indent=f"  {head}", subsequent_indent=indent)
