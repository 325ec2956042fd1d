"""``--list-formats``: what can be read and written."""

import argparse

WIDTH = 100


class ListFormats(argparse.Action):
    """Prints the formats and leaves."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print, and end the program."""
        print("\n".join(lines()))
        parser.exit()


def lines() -> list[str]:
    """Return the table, line by line.

    Returns
    -------
    list of str
    """
    import soundfile

    from nmf_audio.formats import FORMATS

    table = ["read and written: --format NAME, by these extensions, with these codings (--subtype)"]
    for entry in FORMATS.values():
        table += _row(f"{entry.name:6} {' '.join(entry.extensions):18} ", entry.subtypes)
    known = {entry.container for entry in FORMATS.values()} | {"RAW"}
    others = [name for name in soundfile.available_formats() if name not in known]
    table.append("read, and written where the input is one of them")
    table += _row("", others)
    return table


def _row(head: str, words: "tuple[str, ...] | list[str]") -> list[str]:
    import textwrap

    indent = " " * (2 + len(head))
    return textwrap.wrap(" ".join(words), WIDTH, initial_indent=f"  {head}", subsequent_indent=indent)
