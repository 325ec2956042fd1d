"""Scores of outputs against clean recordings, and their means."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pairs import SCORE_SR, Pair, convert, read_pair
from systems import System, run

from nmf_audio.metrics import estoi, pesq, si_sdr, stoi

__all__ = [
    "SCORES",
    "Row",
    "distance_table",
    "evaluate",
    "groups_table",
    "mean",
    "means_table",
    "table",
    "write_csv",
]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """Scores of one system on one pair; what was not measured is None.

    Attributes
    ----------
    system, pair, kind : str
        Names, and the kind of noise.
    snr_db : float or None
        SNR of the pair.
    pesq, stoi, estoi, si_sdr : float
        Scores at 16 kHz.
    cpu : float or None
        CPU seconds per second of audio.
    dnsmos_sig, dnsmos_bak, dnsmos_ovrl : float or None
        DNSMOS P.835: speech, background, overall.
    """

    system: str
    pair: str
    kind: str
    snr_db: float | None
    pesq: float
    stoi: float
    estoi: float
    si_sdr: float
    cpu: float | None = None
    dnsmos_sig: float | None = None
    dnsmos_bak: float | None = None
    dnsmos_ovrl: float | None = None


SCORES = {
    "pesq": ("PESQ", "{:.3f}"),
    "stoi": ("STOI", "{:.3f}"),
    "estoi": ("ESTOI", "{:.3f}"),
    "si_sdr": ("SI-SDR dB", "{:.2f}"),
    "cpu": ("CPU s/s", "{:.4f}"),
    "dnsmos_sig": ("DNSMOS SIG", "{:.2f}"),
    "dnsmos_bak": ("BAK", "{:.2f}"),
    "dnsmos_ovrl": ("OVRL", "{:.2f}"),
}
"""Heading and format of each score."""


def evaluate(
    pair: Pair, systems: Sequence[System], sr: int, keep: Path | None, *, clean_in: bool = False
) -> list[Row]:
    """Run systems on one pair and score them at 16 kHz.

    Parameters
    ----------
    pair : Pair
        The recordings.
    systems : sequence of System
        What to run.
    sr : int
        Rate at which the systems work, in Hz; the recordings are converted to it and the results back.
    keep : Path or None
        Folder for the outputs at 16 kHz, ``<keep>/<number of the system>/<pair>.npy``.
    clean_in : bool
        Give the systems the clean recording instead of the noisy one.

    Returns
    -------
    list of Row
        One a system.
    """
    clean, noisy = read_pair(pair)
    given = convert(clean if clean_in else noisy, SCORE_SR, sr)
    rows = []
    for i, system in enumerate(systems):
        cpu: float | None = None
        if system.stored is None:
            y, cpu = run(system, given, sr)
        else:
            y = np.load(system.stored / f"{pair.name}.npy")
        y = _fit(convert(y, sr, SCORE_SR), len(clean))
        if keep is not None:
            (keep / str(i)).mkdir(parents=True, exist_ok=True)
            np.save(keep / str(i) / f"{pair.name}.npy", y)
        rows.append(
            Row(
                system.name,
                pair.name,
                pair.kind,
                pair.snr_db,
                pesq=pesq(clean, y),
                stoi=stoi(clean, y),
                estoi=estoi(clean, y),
                si_sdr=si_sdr(clean, y),
                cpu=cpu,
            )
        )
    return rows


def mean(rows: Iterable[Row], score: str) -> float | None:
    """Return the mean of a score over rows, None if it was not measured."""
    values = [getattr(row, score) for row in rows]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    body = [list(headings), ["---"] * len(headings), *map(list, lines)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in body)


def means_table(rows: Sequence[Row]) -> str:
    """Return the mean scores of each system, one a line, as a Markdown table."""
    shown = [score for score in SCORES if mean(rows, score) is not None]
    lines = [
        [name, *(_cell([row for row in rows if row.system == name], score) for score in shown)]
        for name in _names(rows)
    ]
    return table(["", *(SCORES[score][0] for score in shown)], lines)


def distance_table(rows: Sequence[Row], systems: Iterable[str], others: Iterable[str]) -> str:
    """Return how far each of `systems` is above each of `others` in the four scores, as a Markdown table."""
    scores = ("pesq", "stoi", "estoi", "si_sdr")
    lines = []
    for name in systems:
        for other in others:
            ours, theirs = ([r for r in rows if r.system == x] for x in (name, other))
            gaps = [(mean(ours, score) or 0.0) - (mean(theirs, score) or 0.0) for score in scores]
            shown = [f"{gap:+{SCORES[s][1][2:-1]}}" for gap, s in zip(gaps, scores, strict=True)]
            lines.append([f"{name} - {other}", *shown])
    return table(["", *(SCORES[score][0] for score in scores)], lines)


def groups_table(
    rows: Sequence[Row], score: str, by: Callable[[Row], str], *, sort_by_gain: bool = False
) -> str:
    """Return the mean of one score in each group of pairs, one group a line, as a Markdown table.

    Parameters
    ----------
    rows : sequence of Row
        Rows of the systems to show.
    score : str
        One of `SCORES`.
    by : callable
        Gives the group of a row, for example its SNR.
    sort_by_gain : bool
        The groups in which the second system gains least over the first come first; else in order of appearance.

    Returns
    -------
    str
    """
    names = _names(rows)
    cells = {
        group: [[r for r in rows if r.system == name and by(r) == group] for name in names]
        for group in dict.fromkeys(by(row) for row in rows)
    }
    if sort_by_gain and len(names) > 1:
        gain = {g: (mean(c[1], score) or 0.0) - (mean(c[0], score) or 0.0) for g, c in cells.items()}
        cells = {group: cells[group] for group in sorted(cells, key=gain.__getitem__)}
    lines = [[group, *(_cell(cell, score) for cell in line)] for group, line in cells.items()]
    return table([SCORES[score][0], *names], lines)


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write all rows, one a line, with a heading."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.system for row in rows))


def _cell(rows: Sequence[Row], score: str) -> str:
    value = mean(rows, score)
    return "" if value is None else SCORES[score][1].format(value)


def _fit(y: Array, n_samples: int) -> Array:
    return y[:n_samples] if len(y) >= n_samples else np.pad(y, (0, n_samples - len(y)))
