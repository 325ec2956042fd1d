"""Verification of a dictionary: its hashes, origin and licence, and what they are compared with."""

import hashlib
from pathlib import Path

from nmf_audio.dictionary import Dictionary, shipped_dictionaries
from nmf_audio.training.card import NOT_STATED, card_path

__all__ = ["list_mismatches", "verification"]

FILE, ARRAYS = "sha256 of the file", "sha256 of its arrays"


def verification(dictionary: Dictionary, path: Path) -> dict[str, str]:
    """Return what is known of a dictionary that was loaded, by what it is called."""
    meta = dictionary.meta
    origins = {f"{row['origin']} ({row['licence']})": None for row in meta.get("trained_on", ())}
    same = next((name for name, file in shipped_dictionaries().items() if _has_hash(file, dictionary)), None)
    return {
        "file": str(path),
        "checks": "passed: sizes, types, shapes, ranges, names, and the hash that the file states",
        FILE: hashlib.sha256(path.read_bytes()).hexdigest(),
        ARRAYS: dictionary.sha256,
        "shipped": "no" if same is None else f"yes, its arrays are those of {same}",
        "kind": dictionary.kind,
        "licence": meta.get("licence", NOT_STATED),
        "learned from": ", ".join(origins) or NOT_STATED,
        "made with": ", ".join(f"{name} {number}" for name, number in meta.get("versions", {}).items())
        or NOT_STATED,
    }


def list_mismatches(
    dictionary: Dictionary, path: Path, found: dict[str, str], expected: str | None
) -> list[str]:
    """Return a sentence for each hash that is stated elsewhere and is another one."""
    wrong = []
    if expected is not None and expected.lower() not in (found[FILE], found[ARRAYS]):
        wrong.append(f"--sha256 {expected} is neither the hash of the file nor that of its arrays")
    card = card_path(path)
    # one that was made by others states none
    stated = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    if ARRAYS in stated and dictionary.sha256 not in stated:
        wrong.append(f"the card {card} states another hash: it describes another dictionary")
    return wrong


def _has_hash(file: Path, dictionary: Dictionary) -> bool:
    return Dictionary.load(file).sha256 == dictionary.sha256
