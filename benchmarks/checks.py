"""Checks of a denoiser: clean speech, noise alone, level, rate, edges of words, channels.

Each check gives a Markdown table with one line a system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pairs import SCORE_SR, Pair, read_pair
from scoring import Row, evaluate, mean, means_table, table
from systems import System, run

from nmf_audio.metrics import active_frames, edge_windows, si_sdr

__all__ = ["Map", "clean", "in_a_row", "level", "noise_alone", "onsets", "rate", "reduction", "stereo"]

Array = npt.NDArray[np.float32]
Map = Callable[[Callable[[Pair], Any], Sequence[Pair]], Iterable[Any]]
"""Calls a function for each pair, perhaps in several processes."""

START_SECONDS = 2.0
WANTED_REDUCTION_DB = 15.0
ONSET_SNR_DB = 10.0
ONSET_FILES = 20
PROBE = np.float32(1e-3)
LEVELS_DB = (-30.0, 30.0)
REDUCTIONS_DB = (12.0, 18.0, 24.0, 30.0, 40.0, 60.0)


def clean(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """Clean recordings in: PESQ, SI-SDR and STOI against themselves."""
    rows = _rows(each, pairs, systems, SCORE_SR, clean_in=True)
    lines = []
    for system in systems:
        own = [row for row in rows if row.system == system.name]
        worst = min(own, key=lambda row: row.pesq)
        scores = [f"{mean(own, 'pesq'):.3f}", f"{mean(own, 'stoi'):.3f}", f"{mean(own, 'si_sdr'):.2f}"]
        lines.append([system.name, *scores, f"{worst.pesq:.2f} ({worst.pair})"])
    return table(["clean speech in", "PESQ", "STOI", "SI-SDR dB", "lowest PESQ"], lines)


def rate(each: Map, pairs: Sequence[Pair], systems: Sequence[System], sr: int) -> str:
    """Copies of the recordings at another rate, scored at 16 kHz, beside those at 16 kHz."""
    here, there = (_rows(each, pairs, systems, x) for x in (SCORE_SR, sr))
    lines = []
    for system in systems:
        a, b = ([row for row in rows if row.system == system.name] for rows in (here, there))
        scores = [(mean(x, "pesq") or 0.0, mean(x, "estoi") or 0.0, mean(x, "si_sdr") or 0.0) for x in (a, b)]
        at_sr = [f"{x:.{n}f}" for x, n in zip(scores[1], (3, 3, 2), strict=True)]
        differences = [f"{y - x:+.{n}f}" for x, y, n in zip(*scores, (3, 3, 2), strict=True)]
        lines.append([system.name, *(f"{x} ({d})" for x, d in zip(at_sr, differences, strict=True))])
    return table([f"at {sr} Hz (change)", "PESQ", "ESTOI", "SI-SDR dB"], lines)


def reduction(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """The first system with other limits to how far noise is pushed down."""
    first = systems[0]
    limited = [replace(first, name=f"{first.name}, {db:g} dB", reduction_db=db) for db in REDUCTIONS_DB]
    return means_table([replace(row, cpu=None) for row in _rows(each, pairs, limited, SCORE_SR)])


def noise_alone(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """The noise alone (noisy minus clean): how many decibels lower it comes out, from 2 s on; by kind."""
    found = list(each(partial(_noise_reductions, systems), pairs))
    lines = []
    for i, system in enumerate(systems):
        kinds: dict[str, list[float]] = {}
        for pair, reductions in zip(pairs, found, strict=True):
            if reductions[i] is not None:
                kinds.setdefault(pair.kind, []).append(reductions[i])
        means = {kind: float(np.mean(values)) for kind, values in kinds.items()}
        low = sorted((kind for kind in means if means[kind] < WANTED_REDUCTION_DB), key=means.__getitem__)
        everything = [value for values in kinds.values() for value in values]
        named = ", ".join(f"{kind} {means[kind]:.0f}" for kind in low) or "none"
        lines.append([system.name, f"{np.mean(everything):.1f}", named])
    return table(["noise alone", "dB lower after 2 s", f"kinds below {WANTED_REDUCTION_DB:g} dB"], lines)


def level(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """Copies 30 dB quieter and louder: largest difference from the scaled result, relative to its peak."""
    found = np.array(list(each(partial(_level_errors, systems), pairs)))
    lines = [
        [system.name, *(f"{error:.1e}" for error in worst)]
        for system, worst in zip(systems, found.max(axis=0), strict=True)
    ]
    return table(["largest difference", *(f"{db:+g} dB" for db in LEVELS_DB)], lines)


def stereo(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """L = R and L = -R: largest differences between the channels, and from the same as mono, relative to the peak."""
    found = np.array(list(each(partial(_stereo_errors, systems), pairs)))
    lines = [
        [system.name, *(f"{error:.1e}" for error in worst)]
        for system, worst in zip(systems, found.max(axis=0), strict=True)
    ]
    headings = ["L - R for L = R", "from mono", "L + R for L = -R", "from mono"]
    return table(["largest difference", *headings], lines)


def onsets(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """First 20 recordings with their noise at 10 dB: what 50 ms at the edges of words lose of the clean energy.

    The speech that is left is measured alone: the gains that the mixture gets are applied to the clean recording.
    """
    found = list(each(partial(_edge_losses, systems), pairs[:ONSET_FILES]))
    lines = []
    for i, system in enumerate(systems):
        cells = []
        for edge in range(2):
            losses = np.concatenate([one[i][edge] for one in found])
            cells += [
                f"{losses.mean():.2f}",
                f"{np.median(losses):.2f}",
                f"{100 * np.mean(losses > 3):.0f} %",
            ]
        lines.append([system.name, *cells])
    names = [
        f"{edge}: {what}" for edge in ("onsets", "ends") for what in ("mean dB lost", "median", "above 3 dB")
    ]
    return table(["speech at 10 dB", *names], lines)


def in_a_row(each: Map, pairs: Sequence[Pair], systems: Sequence[System]) -> str:
    """All recordings as one, each with another voice and noise: SI-SDR after the first second, and by itself."""
    alone = np.array(list(each(partial(_late_scores, systems), pairs)))
    signals = [read_pair(pair) for pair in pairs]
    ends = np.cumsum([len(noisy) for _, noisy in signals])[:-1]
    joined = np.concatenate([noisy for _, noisy in signals])
    lines = []
    for i, system in enumerate(systems):
        parts = np.split(run(system, joined, SCORE_SR)[0], ends)
        scores = [_late(speech, part) for (speech, _), part in zip(signals, parts, strict=True)]
        difference = np.array(scores) - alone[:, i]
        lines.append(
            [system.name, f"{alone[:, i].mean():.2f}", f"{np.mean(scores):.2f} ({difference.mean():+.2f})"]
        )
    return table(["SI-SDR dB after 1 s", "each by itself", "one after another (change)"], lines)


def _late_scores(systems: Sequence[System], pair: Pair) -> list[float]:
    speech, noisy = read_pair(pair)
    return [_late(speech, run(system, noisy, SCORE_SR)[0]) for system in systems]


def _late(speech: Array, estimate: Array) -> float:
    return si_sdr(speech[SCORE_SR:], estimate[SCORE_SR:])


def _rows(
    each: Map, pairs: Sequence[Pair], systems: Sequence[System], sr: int, *, clean_in: bool = False
) -> list[Row]:
    one = partial(evaluate, systems=systems, sr=sr, keep=None, clean_in=clean_in)
    return [row for rows in each(one, pairs) for row in rows]


def _noise_reductions(systems: Sequence[System], pair: Pair) -> list[float | None]:
    """Return the reduction in decibels, None for noise that ends before it is measured."""
    speech, noisy = read_pair(pair)
    noise = noisy - speech
    start = round(START_SECONDS * SCORE_SR)
    before = _energy(noise[start:])
    if before < 1e-6 * _energy(noise):
        return [None] * len(systems)
    return [
        float(10 * np.log10(before / max(_energy(run(system, noise, SCORE_SR)[0][start:]), 1e-10 * before)))
        for system in systems
    ]


def _level_errors(systems: Sequence[System], pair: Pair) -> list[list[float]]:
    noisy = read_pair(pair)[1]
    errors = []
    for system in systems:
        expected = run(system, noisy, SCORE_SR)[0]
        gains = [np.float32(10 ** (db / 20)) for db in LEVELS_DB]
        errors.append([_difference(run(system, g * noisy, SCORE_SR)[0] / g, expected) for g in gains])
    return errors


def _stereo_errors(systems: Sequence[System], pair: Pair) -> list[list[float]]:
    noisy = read_pair(pair)[1]
    errors = []
    for system in systems:
        mono = run(system, noisy, SCORE_SR)[0]
        equal = run(system, np.stack([noisy, noisy]), SCORE_SR)[0]
        opposite = run(system, np.stack([noisy, -noisy]), SCORE_SR)[0]
        errors.append(
            [
                _difference(equal[0], equal[1]),
                _difference(equal[0], mono),
                _difference(opposite[0], -opposite[1]),
                _difference(opposite[0], mono),
            ]
        )
    return errors


def _edge_losses(systems: Sequence[System], pair: Pair) -> list[tuple[list[float], list[float]]]:
    speech, noisy = read_pair(pair)
    noise = noisy - speech
    active = np.repeat(active_frames(speech, SCORE_SR), SCORE_SR // 100)
    wanted = np.mean(speech[: len(active)][active] ** 2) / 10 ** (ONSET_SNR_DB / 10)
    mixture = speech + noise * np.float32(np.sqrt(wanted / np.mean(noise**2)))
    # channels share their gains; a second one this quiet does not change them and shows what they do to speech
    probed = np.stack([mixture, PROBE * speech])
    losses = []
    for system in systems:
        left = run(system, probed, SCORE_SR)[0][1] / PROBE
        windows = edge_windows(speech, SCORE_SR)
        first, last = (
            [float(10 * np.log10(_energy(speech[w]) / max(_energy(left[w]), 1e-12))) for w in edges]
            for edges in windows
        )
        losses.append((first, last))
    return losses


def _energy(y: Array) -> float:
    return float(np.sum(np.square(y, dtype=np.float64)))


def _difference(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())
