"""The card beside a dictionary: contents, recordings, licences, commands, scores."""

import csv
import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from nmf_audio._checks import invalid
from nmf_audio.dictionary import Dictionary
from nmf_audio.io.atomic import saving
from nmf_audio.io.remote import Url

__all__ = [
    "NOT_STATED",
    "Origin",
    "card_path",
    "card_text",
    "origin_of",
    "program_versions",
    "read_manifest",
    "trained_on",
    "write_card",
]

NOT_STATED = "not stated"

LIBRARIES = ("numpy", "scipy", "numba", "soundfile", "soxr")
"""What the bits of a dictionary depend on, besides the machine."""


class Origin(NamedTuple):
    """Origin of a recording: the name of the collection, and under what licence it may be used."""

    name: str
    licence: str


def read_manifest(path: str | os.PathLike[str]) -> dict[Path, Origin]:
    """Read a table of recordings: their origins by resolved path.

    It is a CSV file with the columns ``path`` (from the table's own folder), ``source`` and ``license`` (or
    ``licence``); other columns are ignored. `ParameterError` if it can't be read or lacks a column.
    """
    table = Path(path)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise invalid("manifest", str(path), "a CSV file in UTF-8", f"it can't be read ({error})") from error
    origins = {}
    for row in rows:
        name, licence = row.get("source"), row.get("license") or row.get("licence")
        if not row.get("path") or not name or not licence:
            allowed = "a table with the columns path, source and license, filled in"
            raise invalid("manifest", str(path), allowed, f"it has {', '.join(map(str, row))}")
        origins[(table.parent / row["path"]).resolve()] = Origin(name, licence)
    return origins


def origin_of(path: Path, origins: Mapping[Path, Origin] | None) -> Origin:
    """Return where a recording is from by what `read_manifest` gave; `NOT_STATED` if that doesn't name it."""
    real = path if isinstance(path, Url) else path.resolve()
    return (origins or {}).get(real, Origin(NOT_STATED, NOT_STATED))


def trained_on(
    source: str, heard: Mapping[Path, float], origins: Mapping[Path, Origin] | None
) -> list[dict[str, Any]]:
    """Sum up the recordings that were used, by collection, most seconds first.

    `heard` has the seconds taken from each recording; `origins` is what `read_manifest` returned.
    """
    sums: dict[Origin, list[float]] = {}
    for path, seconds in heard.items():
        sums.setdefault(origin_of(path, origins), []).append(seconds)
    rows = [
        {
            "source": source,
            "origin": origin.name,
            "licence": origin.licence,
            "recordings": len(seconds),
            "seconds": round(sum(seconds), 1),
        }
        for origin, seconds in sums.items()
    ]
    return sorted(rows, key=lambda row: (-float(row["seconds"]), str(row["origin"])))


def program_versions() -> dict[str, str]:
    """Return the versions that the bits of a dictionary depend on, by name, this program's first."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"nmf-audio": version("nmf-audio"), "python": platform.python_version(), **libraries}


def card_path(path: str | os.PathLike[str]) -> Path:
    """Return where the card of a dictionary file lies: beside it, with the suffix ``.md``."""
    return Path(path).with_suffix(".md")


def card_text(dictionary: Dictionary) -> str:
    """Return the card as Markdown.

    The dictionary's `meta` may hold ``licence`` (str), ``commands`` (list of str), ``versions`` (dict),
    ``trained_on`` and ``training`` (lists of dicts, as `train_plain` makes them), ``held_out`` (list of dicts,
    as `nmf_audio.training.sounds.read_recordings` makes it), ``compared`` (rows of a table of scores), and
    ``notes`` (paragraphs in the place of the promise that the same command gives the same bits).
    """
    meta = dictionary.meta
    counts = " + ".join(f"{dictionary.n_components(source)} {source}" for source in dictionary.sources)
    divergence = {1.0: "Kullback-Leibler (beta 1)", 0.0: "Itakura-Saito (beta 0)", 2.0: "Euclidean (beta 2)"}
    named = sorted(meta.get("versions", {}).items(), key=lambda item: (item[0] != "nmf-audio", item[0]))
    versions = ", ".join(f"{name} {number}" for name, number in named)
    facts = [
        ("kind", dictionary.kind),
        ("atoms", f"{counts}, of {dictionary.spec.n_bands} bands"),
        ("divergence", divergence.get(dictionary.beta, f"beta {dictionary.beta:g}")),
        ("exponent of the magnitudes", f"{dictionary.power:g}"),
        ("learned at", f"{dictionary.spec.sr} Hz"),
        ("licence", meta.get("licence", NOT_STATED)),
        ("made with", versions or NOT_STATED),
        ("sha256 of its arrays", f"`{dictionary.sha256}`"),
    ]
    parts = [f"# Dictionary `{dictionary.name}`", _table(("", ""), facts), "## How it was made"]
    commands = meta.get("commands", ())
    parts.append("\n".join(f"    {command}" for command in commands) or NOT_STATED.capitalize() + ".")
    notes = meta.get("notes", ())
    parts += notes or ["The same recordings, machine and versions give the same bits."]
    learned = [
        (row["source"], row["origin"], row["licence"], row["recordings"], f"{row['seconds'] / 60:.1f}")
        for row in meta.get("trained_on", ())
    ]
    parts += ["## Learned from", _table(("source", "from", "licence", "recordings", "minutes"), learned)]
    held_out = [
        (
            row["source"],
            ", ".join(row["groups"]),
            ", ".join(row["origins"]),
            row["recordings"],
            f"{row['seconds'] / 60:.1f}",
        )
        for row in meta.get("held_out", ())
    ]
    if held_out:
        header = ("source", "whole groups", "all from", "recordings", "minutes")
        parts += ["## Held out for scores", _table(header, held_out)]
    if compared := meta.get("compared"):
        parts += ["## Scores on held-out mixtures", _table(compared[0], compared[1:])]
    groups = [(group.source, group.name, group.stop - group.start) for group in dictionary.groups]
    parts += ["## Groups", _table(("source", "group", "atoms"), groups)]
    scores = [
        (row["source"], row["n_frames"], row["max_iter"], row["seed"], row["cost_per_frame"])
        for row in meta.get("training", ())
    ]
    if scores:
        header = ("source", "frames", "iterations", "seed", "cost a frame")
        parts += ["## Fit to what it was learned from", _table(header, scores)]
    return "\n\n".join(parts) + "\n"


def write_card(dictionary: Dictionary, path: str | os.PathLike[str]) -> Path:
    """Write the card of a dictionary beside its file `path`, in the place of an old one; return the card's path."""
    target = card_path(path)
    with saving(target, "the card") as file:
        file.write_text(card_text(dictionary), encoding="utf-8")
    return target


def _table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(" ".join(str(cell).replace("|", r"\|").split()) for cell in cells) + " |"

    names = list(header)
    return "\n".join([line(names), "|" + "---|" * len(names), *map(line, rows)])
