"""Scores of a new dictionary beside others, at the end of ``nmf-audio train``: the table, and a sentence."""

import argparse
from typing import TYPE_CHECKING

from nmf_audio.cli import common
from nmf_audio.cli.score_table import HEADINGS, cells, table
from nmf_audio.errors import AudioFileError, DictionaryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nmf_audio.dictionary import Dictionary
    from nmf_audio.jobs.evaluation import Scores
    from nmf_audio.training.comparison import Gain, Rows
    from nmf_audio.training.corpus import Corpus

SHIPPED = "shipped"
"""What the command calls the dictionary that comes with the program."""
SHIPPED_CALLED = "the shipped dictionary"
DENOISED = ("speech", "noise")
"""Sources whose mixtures are denoised; others are separated."""


def compare_atoms(
    args: argparse.Namespace,
    dictionary: "Dictionary",
    other: "Dictionary | None",
    source: str,
    held_out: "Corpus | None",
    partners: "Corpus | None",
    seed: int,
) -> "Rows | None":
    """Return scores on held-out mixtures, of the shipped dictionary first and of the new one last, if there are some.

    Where there are none, a message says why.
    """
    from nmf_audio.decompose.methods import METHODS
    from nmf_audio.dictionary import load_dictionary
    from nmf_audio.training import comparison

    if held_out is None:
        common.print_message(
            args, "not compared with others: a minute of sound is needed, of which a part is held out"
        )
        return None
    plain = load_dictionary(METHODS["adaptive"].shipped)
    if source in DENOISED:
        others = {SHIPPED: load_dictionary(None), "shipped, plain": plain}
    else:
        others = {SHIPPED: comparison.stand_in(plain, source)}
    if other is not None and source in other.sources and other.sha256 != plain.sha256:
        others[args.other] = other
    others[args.output.stem] = dictionary
    try:
        compared = {
            name: one if one.kind == "trained" else comparison.complete(one, source, plain)
            for name, one in others.items()
        }
        return comparison.compare_atoms(
            comparison.load_sounds(held_out),
            source,
            compared,
            others=None if partners is None else comparison.load_sounds(partners),
            sr=dictionary.spec.sr,
            seed=seed,
        )
    except (AudioFileError, DictionaryError) as error:
        common.print_message(args, f"not compared with others: {error}")
        return None


def print_atoms(args: argparse.Namespace, compared: "Rows", source: str) -> None:
    """Print what `compare_atoms` returned."""
    title = "held-out mixtures, classic" if source == "noise" else "held-out mixtures"
    called, further = SHIPPED_CALLED, "train denoiser --from shipped with these recordings"
    if source not in DENOISED:
        called = "the shipped atoms of speech in its place"
        further = "give more recordings, or ask for more --components"
    print_scores(args, compared, title=title, old=SHIPPED, called=called, further=further)


def print_trained(args: argparse.Namespace, compared: "Rows") -> None:
    """Print the scores of what was trained beside the shipped dictionary or, for other sources, the one of before."""
    old, called = (SHIPPED, SHIPPED_CALLED) if SHIPPED in compared else (str(args.start), str(args.start))
    further = "train denoiser --from shipped with these recordings, or longer, with more of them"
    if args.source == "separator" or args.start == SHIPPED:
        further = "train it longer, with more recordings"
    print_scores(args, compared, title="held-out mixtures", old=old, called=called, further=further)


def mean_cells(compared: "Rows") -> list[list[str]]:
    """Return the mean scores as a dictionary's ``meta`` keeps them."""
    return cells("", _means(compared))


def print_scores(
    args: argparse.Namespace, compared: "Rows", *, title: str, old: str, called: str, further: str
) -> None:
    """Print the table of scores, the new dictionary last, and whether it is better than the one it is to replace.

    That is `old`, if it is among them, `called` so in messages; `further` is what to do where it is not better.
    """
    from nmf_audio.training.comparison import find_gains

    for line in table(title, _means(compared)):
        common.print_message(args, line)
    gains = find_gains(compared[args.output.stem], compared[old]) if old in compared else None
    if gains:
        common.print_message(args, describe_gains(str(args.output), gains, called, further))


def describe_gains(new: str, gains: "Mapping[str, Gain]", called: str, further: str) -> str:
    """Return in a sentence whether a dictionary is better than another in all scores, worse, or neither."""
    listed = []
    for name, gain in gains.items():
        heading, form = HEADINGS[name]
        title = heading.removesuffix(" dB")
        listed.append(f"{title} {form.replace(':', ':+').format(gain.mean)}{heading.removeprefix(title)}")
    signs = {gain.mean > 0 for gain in gains.values() if gain.is_clear}
    found = f"({', '.join(listed)})"
    if signs == {True}:
        return f"{new} is better than {called} on these mixtures {found}"
    if signs == {False}:
        return f"{new} is worse than {called} on these mixtures {found}: use that, or {further}"
    if signs:
        return f"{new} is better than {called} in some scores, worse in others {found}: listen to both, or {further}"
    return f"{new} and {called} hardly differ on these mixtures {found}: for more, {further}"


def _means(compared: "Rows") -> "dict[str, Scores]":
    from nmf_audio.jobs.evaluation import mean_scores
    from nmf_audio.training.comparison import COMPARED

    return {name: mean_scores(rows, COMPARED) for name, rows in compared.items()}
