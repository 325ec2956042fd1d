"""Worth of the presets of `denoise`: scores against the limit of the reduction, for the purpose of each.

::

    python benchmarks/presets.py PAIRS

Purposes are parts of the pairs: *podcast*, a microphone near the mouth, those at 10 dB and above; *call*, all of them
at 8 kHz, as a telephone line has them; *speech* and *field*, all of them. DNSMOS tells how speech (SIG), background
(BAK) and the whole (OVRL) would please a listener; it needs an environment of its own, see quality.py.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import peers
from pairs import SCORE_SR, Pair, find_pairs
from scoring import Row, evaluate, means_table
from systems import NOISY, System

from nmf_audio.defaults import PRESETS

REDUCTIONS_DB = (9, 12, 15, 18, 24, 30, 40, 60)
CALL_RATE = 8000
NEAR_DB = 10.0


def main() -> int:
    """Print a table for each purpose."""
    parser = argparse.ArgumentParser(description="Score the presets' values for the presets' purposes.")
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="folder with clean/ and noisy/")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N pairs only")
    parser.add_argument("--peers-dir", type=Path, default=peers.default_folder(), help="for DNSMOS")
    args = parser.parse_args()
    found = find_pairs(args.pairs, args.limit)
    near = [pair for pair in found if pair.snr_db is not None and pair.snr_db >= NEAR_DB]
    at_16k = _rows(found, SCORE_SR, args.peers_dir)
    at_8k = _rows(found, CALL_RATE, args.peers_dir)
    names = {pair.name for pair in near}
    print(f"presets: {PRESETS}\n")
    print("speech, field: all pairs\n\n" + means_table(at_16k))
    print("\npodcast: pairs at 10 dB and above\n\n" + means_table([r for r in at_16k if r.pair in names]))
    print("\ncall: all pairs at 8 kHz\n\n" + means_table(at_8k))
    return 0


def _rows(found: Sequence[Pair], sr: int, peers_dir: Path) -> list[Row]:
    """Return scores and DNSMOS of the default method at every reduction, at a rate."""
    systems = [NOISY, *(System(f"{db} dB", "trained", reduction_db=float(db)) for db in REDUCTIONS_DB)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = [row for pair in found for row in evaluate(pair, systems, sr, folder)]
        numbers = {system.name: str(i) for i, system in enumerate(systems)}
        signals = {
            f"{numbers[row.system]}_{row.pair}": np.load(folder / numbers[row.system] / f"{row.pair}.npy")
            for row in rows
        }
        judged = peers.judge_all(peers.environment(peers.JUDGE, peers_dir), signals, folder / "judged")
    scored = []
    for row in rows:
        sig, bak, ovrl = judged[f"{numbers[row.system]}_{row.pair}"]
        scored.append(replace(row, cpu=None, dnsmos_sig=sig, dnsmos_bak=bak, dnsmos_ovrl=ovrl))
    return sorted(scored, key=lambda row: int(numbers[row.system]))


if __name__ == "__main__":
    raise SystemExit(main())
