"""The command ``nmf-audio dictionaries``: list, describe, verify and draw dictionaries."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nmf_audio.cli import common, pictures
from nmf_audio.errors import DictionaryError, ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nmf_audio.dictionary import Dictionary


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio dictionaries``."""
    parser = subparsers.add_parser(
        "dictionaries",
        help="list, describe, verify and draw dictionaries",
        description="List, describe, verify and draw dictionaries.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        help="list the shipped ones and your own",
        description="List the shipped dictionaries, and your own: files NAME.npz in the folder that the environment "
        "variable NMF_AUDIO_HOME names, or else in a folder nmf-audio where the system keeps your data (-v prints "
        "it). Every command takes their names. A shipped one has priority over your own of the same name.",
    )
    info = actions.add_parser(
        "info",
        help="print what a dictionary holds and how it was made",
        description="Print what a dictionary holds, what it was learned from, how and under which licence.",
    )
    verify = actions.add_parser(
        "verify",
        help="check a file from elsewhere; print its hashes, origin and licence",
        description="Check that a dictionary is whole and safe to use, and print the SHA-256 of its file and of its "
        "arrays, what it was learned from and under which licence. A hash tells whether two files are the same, not "
        "who made them: compare it with one from a source that you trust.",
    )
    verify.add_argument_group("checks").add_argument(
        "--sha256",
        metavar="HASH",
        help="of the file or of its arrays, as its author states it; another one is an error, exit code 1 "
        "(default: not compared)",
    )
    plot = actions.add_parser(
        "plot",
        help="draw its atoms (needs matplotlib)",
        description="Draw the atoms of a dictionary, grouped by source. Needs: pip install matplotlib",
    )
    for action in (info, verify, plot):
        action.add_argument(
            "dictionary", metavar="NAME|FILE", help="a shipped dictionary, your own, or a file"
        )
    pictures.add_arguments(plot).add_argument(
        "--source", metavar="NAME", help="only this source's atoms, for example speech (default: all)"
    )
    common.add_verbosity(plot)
    for action in (listing, info, verify):
        common.add_verbosity(action).add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask for, and return the exit code; `UsageError` before anything is written."""
    actions = {"list": _list, "info": _info, "verify": _verify, "plot": _plot}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from nmf_audio.dictionary import Dictionary, shipped_dictionaries
    from nmf_audio.dictionary.dictionary import DEFAULT_DICTIONARY
    from nmf_audio.dictionary.folders import home_folder, own_dictionaries

    shipped = shipped_dictionaries()
    found = [(Dictionary.load(path), path) for path in shipped.values()]
    for name, path in own_dictionaries().items():
        if name in shipped:
            reason = (
                f"{path}: a shipped dictionary has this name, and priority; rename yours, or give its path"
            )
            common.report_error(args, f"warning: {reason}")
        try:
            found.append((Dictionary.load(path), path))
        except DictionaryError as error:
            common.report_error(args, f"warning: {error}")
    if args.json:
        _print_result([{**_facts(dictionary), "path": str(path)} for dictionary, path in found])
    for dictionary, path in [] if args.json else found:
        is_own = path not in shipped.values()
        remark = f" ({path})" if is_own else " (default)" if dictionary.name == DEFAULT_DICTIONARY else ""
        licence = dictionary.meta.get("licence", "licence not stated")
        _print_result(f"{dictionary.name}{remark}: {dictionary.kind}, {_atoms(dictionary)}, {licence}")
    if not args.json:
        common.print_message(args, f"your own: {home_folder()}", level=2)
    return common.EXIT_DONE


def _info(args: argparse.Namespace) -> int:
    from nmf_audio.training.card import card_text

    dictionary = _load(args, [])
    _print_result(_facts(dictionary) if args.json else card_text(dictionary).rstrip())
    return common.EXIT_DONE


def _verify(args: argparse.Namespace) -> int:
    from nmf_audio.cli.verification import list_mismatches, verification
    from nmf_audio.dictionary.dictionary import find_file

    dictionary, path = _load(args, []), find_file(args.dictionary)
    found = verification(dictionary, path)
    wrong = list_mismatches(dictionary, path, found, args.sha256)
    if args.json:
        _print_result({**found, "errors": wrong})
    else:
        _print_result("\n".join(f"{name}: {text}" for name, text in found.items()))
    for error in wrong:
        common.report_error(args, error, about=path)
    return common.EXIT_ERROR if wrong else common.EXIT_DONE


def _plot(args: argparse.Namespace) -> int:
    from nmf_audio.plots import plot_atoms

    ax = pictures.new_axes(12.0, 6.0)
    figure = cast("Figure", ax.figure)
    errors: list[str] = []
    path = Path(args.dictionary)
    sources = [path] if path.is_file() else []
    pictures.check(args, figure, sources, errors)
    dictionary = _load(args, errors)
    try:
        plot_atoms(dictionary, source=args.source, ax=ax)
    except ParameterError as error:
        raise common.UsageError([common.describe(error)]) from error
    pictures.save(args, figure, sources, dpi=150)
    common.print_message(args, f"{args.output}: {_atoms(dictionary)}")
    return common.EXIT_DONE


def _load(args: argparse.Namespace, errors: list[str]) -> "Dictionary":
    """Load the dictionary that is named; raise all errors if there are any."""
    from nmf_audio.dictionary import load_dictionary

    try:
        dictionary = load_dictionary(args.dictionary)
    except DictionaryError as error:
        raise common.UsageError([*errors, common.describe(error)]) from error
    if errors:
        raise common.UsageError(errors)
    return dictionary


def _atoms(dictionary: "Dictionary") -> str:
    counts = ", ".join(f"{dictionary.n_components(source)} {source}" for source in dictionary.sources)
    return f"{counts} atoms of {dictionary.spec.n_bands} bands"


def _facts(dictionary: "Dictionary") -> dict[str, Any]:
    return {
        "name": dictionary.name,
        "kind": dictionary.kind,
        "sources": {source: dictionary.n_components(source) for source in dictionary.sources},
        "groups": [[g.name, g.source, g.start, g.stop] for g in dictionary.groups],
        "spec": dictionary.spec.to_dict(),
        "beta": dictionary.beta,
        "power": dictionary.power,
        "sha256": dictionary.sha256,
        "meta": dict(dictionary.meta),
    }


def _print_result(what: object) -> None:
    """Write what was asked for to standard output, also with -q."""
    text = what if isinstance(what, str) else json.dumps(what, indent=2)
    common.write_line(text, sys.stdout)
