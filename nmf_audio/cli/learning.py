"""What the commands that learn dictionaries share: names, the card's arguments."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio.errors import AudioFileError, DictionaryError, ParameterError

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.card import Origin


def add_output_arguments(group: "argparse._ArgumentGroup", also: str = "") -> None:
    """Add ``--output`` and ``--force``; `also` says what else is written."""
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE.npz",
        type=Path,
        required=True,
        help=f"the dictionary; FILE.md is its card{also}",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace files that exist")


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--licence`` and ``--manifest``."""
    card = parser.add_argument_group("card")
    card.add_argument("--licence", metavar="TEXT", help="licence of the dictionary (default: not stated)")
    card.add_argument(
        "--manifest",
        metavar="FILE.csv",
        type=Path,
        help="table that names where recordings are from: columns path (from its own folder), source, license "
        "(default: none, the card names their files)",
    )


def check_recordings(recordings: Iterable[Path], errors: list[str]) -> list[Path]:
    """Return which of the recordings are files; add to `errors` those that do not exist."""
    named = list(recordings)
    errors += [f"{path}: does not exist" for path in named if not path.exists()]
    return [path for path in named if path.is_file()]


def load_named(
    option: str, name: str | None, kind: str, why: str, inputs: list[Path], errors: list[str]
) -> "Dictionary | None":
    """Return the dictionary that an option names, and note its file in `inputs`.

    Parameters
    ----------
    option, name : str
        The option and what it was given; None for nothing.
    kind, why : str
        The kind that it must be of, and the end of the sentence if it is not.
    inputs : list of Path
        Files that are read.
    errors : list of str
        Where to say what is wrong.
    """
    from nmf_audio.dictionary import load_dictionary

    if name is None:
        return None
    try:
        dictionary = load_dictionary(name)
    except DictionaryError as error:
        errors.append(f"{option}: {error}")
        return None
    if Path(name).is_file():
        inputs.append(Path(name))
    if dictionary.kind != kind:
        errors.append(f"{option} {name}: is {dictionary.kind}; {why}")
    return dictionary


def read_origins(args: argparse.Namespace, errors: list[str]) -> "dict[Path, Origin] | None":
    """Return what ``--manifest`` says; add to `errors` what is wrong with it."""
    from nmf_audio.training.card import read_manifest

    if args.manifest is None:
        return None
    try:
        return read_manifest(args.manifest)
    except ParameterError as error:
        errors.append(str(error))
        return None


def check_output(args: argparse.Namespace, inputs: Iterable[Path], errors: list[str]) -> None:
    """Add to `errors` what keeps the dictionary or its card from being written."""
    from nmf_audio.io.atomic import check_target
    from nmf_audio.training.card import card_path

    if args.output.suffix != ".npz":
        errors.append(f"-o {args.output}: the name of a dictionary must end in .npz")
    for target in (args.output, card_path(args.output)):
        try:
            check_target(target, sources=inputs, force=args.force)
        except AudioFileError as error:
            errors.append(str(error))


def keep(
    args: argparse.Namespace, dictionary: "Dictionary", commands: Iterable[str], **more: object
) -> "tuple[Dictionary, Path]":
    """Write a dictionary and its card.

    Parameters
    ----------
    args : argparse.Namespace
        Has `output` and `licence`.
    dictionary : Dictionary
        What was learned.
    commands : iterable of str
        That made it, the last one last.
    more : object
        What else its ``meta`` is to say.

    Returns
    -------
    tuple of Dictionary and Path
        The dictionary as it was written, and where its card is.
    """
    from nmf_audio.training.card import NOT_STATED, program_versions, write_card

    told = {
        "licence": args.licence or NOT_STATED,
        "commands": list(commands),
        "versions": program_versions(),
        **more,
    }
    named = replace(dictionary, name=args.output.stem, meta={**dictionary.meta, **told})
    named.save(args.output)
    return named, write_card(named, args.output)
