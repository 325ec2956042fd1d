"""Scores of the methods, and of other denoisers, on a folder of clean/noisy pairs.

::

    python benchmarks/quality.py PAIRS                        # the table: PESQ, STOI, ESTOI, SI-SDR, CPU time
    python benchmarks/quality.py PAIRS --peers --dnsmos       # with RNNoise, log-MMSE and others, and DNSMOS
    python benchmarks/quality.py PAIRS --clean --onsets       # checks instead of the table
    python benchmarks/quality.py PAIRS --all --peers --update docs/quality.md

PAIRS holds the folders clean and noisy with files of the same names, like ``003_chimes_10dB.flac``. The last command
makes every table of docs/quality.md anew. CPU times are those of one thread; with --jobs 1 nothing disturbs them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import checks
import numpy as np
import peers
from pairs import SCORE_SR, Pair, find_pairs, read_pair
from scoring import Row, distance_table, evaluate, groups_table, means_table, write_csv
from systems import ABLATIONS, NOISY, System

from nmf_audio.decompose import METHODS
from nmf_audio.defaults import DEFAULT_WARM_UP

T = TypeVar("T")

CHECKS: dict[str, tuple[str, Callable[..., str]]] = {
    "clean": ("clean recordings in: PESQ, STOI, SI-SDR", checks.clean),
    "noise_alone": ("noise alone in: how much lower it comes out, by kind", checks.noise_alone),
    "onsets": ("what word onsets and ends lose, at 10 dB", checks.onsets),
    "in_a_row": ("all recordings as one: what a change of scene costs", checks.in_a_row),
    "level": ("30 dB quieter and louder copies", checks.level),
    "stereo": ("L = R and L = -R", checks.stereo),
    "reduction": ("other values of reduction_db", checks.reduction),
}
ALL_RATE = 48000


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(
        description="Score the methods, and other denoisers, on a folder of clean/noisy pairs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument(
        "--methods", nargs="*", choices=list(METHODS), default=list(METHODS), help="own methods"
    )
    parser.add_argument(
        "--dictionary", help="name or file, for the methods of its kind; shipped ones if not given"
    )
    parser.add_argument(
        "--warm-up",
        type=float,
        default=DEFAULT_WARM_UP,
        metavar="SECONDS",
        help="what own methods hear of a recording first (default: %(default)g, as `denoise`; 0: as a stream)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N pairs only")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    table = parser.add_argument_group("table")
    table.add_argument("--no-ablations", action="store_true", help="leave out the parts of adaptive")
    table.add_argument("--peers", nargs="*", choices=list(peers.PEERS), metavar="PEER", help="run others too")
    table.add_argument("--peers-dir", type=Path, default=peers.default_folder(), help="their environments")
    table.add_argument("--dnsmos", action="store_true", help="with DNSMOS (in an environment in --peers-dir)")
    table.add_argument("--csv", type=Path, metavar="FILE", help="write every score of every pair")
    group = parser.add_argument_group("checks (instead of the table)")
    for name, (text, _) in CHECKS.items():
        group.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=text)
    group.add_argument("--rate", type=int, metavar="HZ", help="copies at another rate")
    group.add_argument("--all", action="store_true", help=f"the table and every check, --rate {ALL_RATE}")
    parser.add_argument("--update", type=Path, metavar="FILE", help="replace the tables in a Markdown file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 1 if a peer failed, else 0."""
    parser = build_parser()
    args = parser.parse_args(argv)
    chosen = [name for name in CHECKS if args.all or getattr(args, name)]
    rate = args.rate or (ALL_RATE if args.all else None)
    try:
        found = find_pairs(args.pairs, args.limit)
    except FileNotFoundError as error:
        parser.error(str(error))
    own = [
        System(method, method, args.dictionary, warm_up=args.warm_up)
        for method in args.methods
        if _fits(method, args.dictionary)
    ]
    if not own and (chosen or rate):
        parser.error(
            f"--methods {' '.join(args.methods)} with --dictionary {args.dictionary}: nothing to check"
        )
    # children read this when they load numpy
    os.environ.update(peers.ONE_THREAD)
    failed = False
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn) as pool, tempfile.TemporaryDirectory() as scratch:
        sections: dict[str, str] = {}
        if args.all or not (chosen or rate):
            rows, failed = score(args, found, own, pool, Path(scratch))
            if args.csv:
                write_csv(rows, args.csv)
            sections |= score_sections(rows, own)
        for name in chosen:
            sections[name] = CHECKS[name][1](pool.map, found, own)
        if rate:
            sections["rate"] = checks.rate(pool.map, found, own, rate)
    for text in sections.values():
        print(text, end="\n\n")
    if args.update:
        update(args.update, sections)
    return int(failed)


def score(
    args: argparse.Namespace,
    found: Sequence[Pair],
    own: Sequence[System],
    pool: ProcessPoolExecutor,
    scratch: Path,
) -> tuple[list[Row], bool]:
    """Return the scores of all systems on all pairs, and whether a peer failed."""
    systems = [NOISY, *own]
    if not args.no_ablations and any(system.method == "adaptive" for system in own):
        systems += [
            System(name, "adaptive", args.dictionary, settings, warm_up=args.warm_up)
            for name, settings in ABLATIONS.items()
        ]
    cpu: dict[tuple[str, str], float] = {}
    failed = False
    if args.peers is not None:
        signals = {pair.name: read_pair(pair)[1] for pair in found}
        for key in args.peers or peers.PEERS:
            peer = peers.PEERS[key]
            results = scratch / key
            costs = _try(peer, partial(_denoise, peer, args.peers_dir, signals, results))
            if costs is None:
                failed = True
                continue
            cpu |= {(peer.title, name): seconds for name, seconds in costs.items()}
            systems.append(System(peer.title, stored=results))
    outputs = scratch / "outputs" if args.dnsmos else None
    one = partial(evaluate, systems=systems, sr=SCORE_SR, keep=outputs)
    rows = [row for rows in pool.map(one, found) for row in rows]
    rows = [replace(row, cpu=cpu.get((row.system, row.pair), row.cpu)) for row in rows]
    # by system, not by pair
    rows.sort(key=lambda row: [system.name for system in systems].index(row.system))
    if outputs is not None:
        judged = _try(peers.JUDGE, partial(_judge, args.peers_dir, rows, systems, outputs))
        return (rows, True) if judged is None else (judged, failed)
    return rows, failed


def score_sections(rows: Sequence[Row], own: Sequence[System]) -> dict[str, str]:
    """Return the tables of scores by name: all, distances, by SNR, by kind."""
    marks = [p.title for p in (peers.PEERS["logmmse"], peers.PEERS["rnnoise"])]
    marks = [title for title in marks if any(row.system == title for row in rows)]
    shown = [NOISY.name, *(system.name for system in own), *marks]
    main_rows = [row for row in rows if row.system in shown]

    def by_snr(row: Row) -> str:
        return "?" if row.snr_db is None else f"{row.snr_db:g} dB"

    main_rows.sort(key=lambda row: (shown.index(row.system), row.snr_db or 0.0))
    sections = {"scores": means_table(rows)}
    if marks:
        sections["distance"] = distance_table(rows, [system.name for system in own], marks)
    for measure in ("pesq", "estoi", "si_sdr"):
        sections[f"snr_{measure}"] = groups_table(main_rows, measure, by_snr)
    for measure in ("pesq", "si_sdr"):
        sections[f"kind_{measure}"] = groups_table(
            main_rows, measure, lambda row: row.kind, sort_by_gain=True
        )
    return sections


def update(path: Path, sections: dict[str, str]) -> None:
    """Replace the tables between ``<!-- quality:NAME -->`` and ``<!-- end -->`` in a Markdown file."""
    text = path.read_text(encoding="utf-8")
    for name, content in sections.items():
        pattern = rf"(<!-- quality:{name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m, c=content: f"{m[1]}{c}\n{m[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    path.write_text(text, encoding="utf-8")


def _fits(method: str, dictionary: str | None) -> bool:
    if dictionary is None:
        return True
    from nmf_audio import load_dictionary

    return METHODS[method].kind == load_dictionary(dictionary).kind


def _denoise(peer: peers.Peer, folder: Path, signals: dict[str, Any], results: Path) -> dict[str, float]:
    return peers.denoise_all(peer, peers.environment(peer, folder), signals, SCORE_SR, results)


def _judge(folder: Path, rows: Sequence[Row], systems: Sequence[System], outputs: Path) -> list[Row]:
    """Return the rows with DNSMOS; `outputs` is where `evaluate` kept the signals."""
    numbers = {system.name: i for i, system in enumerate(systems)}
    signals = {
        f"{numbers[row.system]}_{row.pair}": np.load(outputs / str(numbers[row.system]) / f"{row.pair}.npy")
        for row in rows
    }
    judged = peers.judge_all(peers.environment(peers.JUDGE, folder), signals, outputs / "judged")
    scored = []
    for row in rows:
        sig, bak, ovrl = judged[f"{numbers[row.system]}_{row.pair}"]
        scored.append(replace(row, dnsmos_sig=sig, dnsmos_bak=bak, dnsmos_ovrl=ovrl))
    return scored


def _try(peer: peers.Peer, work: Callable[[], T]) -> T | None:
    """Return what `work` gives; None, with a message, if the peer can't be installed or fails."""
    try:
        return work()
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        print(f"{peer.title}: left out: {error.cmd[0]} failed: {last[0]}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
