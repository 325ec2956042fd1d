"""Tables of scores, one line a system."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nmf_audio.cli import common

if TYPE_CHECKING:
    from nmf_audio.jobs.evaluation import Scores

HEADINGS = {
    "si_sdr": ("SI-SDR dB", "{:.2f}"),
    "segmental_snr": ("seg. SNR dB", "{:.2f}"),
    "pesq": ("PESQ", "{:.3f}"),
    "stoi": ("STOI", "{:.3f}"),
    "estoi": ("ESTOI", "{:.3f}"),
}


def cells(title: str, scores: "Mapping[str, Scores]") -> list[list[str]]:
    """Return a heading and a row for each system; scores that nobody has are left out."""
    shown = [name for name in HEADINGS if any(row.get(name) is not None for row in scores.values())]
    rows = [[title, *(HEADINGS[name][0] for name in shown)]]
    for system, row in scores.items():
        values = ["-" if row[name] is None else HEADINGS[name][1].format(row[name]) for name in shown]
        rows.append([system, *values])
    return rows


def table(title: str, scores: "Mapping[str, Scores]") -> list[str]:
    """Return the lines of a table for the terminal."""
    rows = cells(title, scores)
    width = max(len(row[0]) for row in rows)
    return [
        "  ".join([common.escape(name).ljust(width), *(value.rjust(11) for value in values)])
        for name, *values in rows
    ]
