"""The command ``nmf-audio train separator``: a dictionary that is trained to separate named sources."""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmf_audio.cli import common, train_common
from nmf_audio.cli.ranges import Range
from nmf_audio.errors import ParameterError
from nmf_audio.training.defaults import SEPARATOR

if TYPE_CHECKING:
    from nmf_audio.dictionary import Dictionary
    from nmf_audio.training.corpus import Corpus

EPILOG = f"""examples:
  nmf-audio train separator anna=her_voice ben=his_voice -o two.npz
  nmf-audio train separator anna=her_voice ben=his_voice street=noises/street -o three.npz --minutes 10
  nmf-audio train separator anna=this_room/anna ben=this_room/ben -o here.npz --from two.npz --minutes 1
  nmf-audio separate talk.wav --sources two.npz

A minute of each source alone is enough; mixtures are made from them. The last tenth of every recording is held out,
and the score on it is shown as it goes. It runs on one processor core.

{train_common.EXIT_CODES}"""

SIZES: dict[str, Range] = {"atoms": (int, 2, 1024), "layers": (int, 1, 16)}
MEANINGS = {
    "atoms": f"atoms of each source (default: {SEPARATOR['n_components']})",
    "layers": f"multiplicative updates a frame (default: {SEPARATOR['n_layers']})",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command to a parser."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "recordings",
        metavar="NAME=PATH",
        nargs="+",
        help="name of a source, and a file or folder of it alone, searched with all below; any format and "
        "rate; a name may be given more than once",
    )
    train_common.add_corpus_arguments(files)
    train_common.add_output_arguments(files, ", FILE.checkpoint keeps the state of the training")
    start = "a separator of the same sources"
    train_common.add_training_arguments(parser, MEANINGS, n_steps=SEPARATOR["n_steps"], start=start)


def run(args: argparse.Namespace) -> int:
    """Train the dictionary that the arguments ask for; return the exit code, 1 if a recording was left out."""
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.comparison import compare_separators
    from nmf_audio.training.separator import read_sources, train_separator

    errors: list[str] = []
    numbers = train_common.read_sizes(args, SIZES, errors)
    sources = _sources(args.recordings, errors)
    inputs = train_common.check_recordings([path for paths in sources.values() for path in paths], errors)
    start = _start(args, list(sources), inputs, errors)
    origins = train_common.read_origins(args, errors)
    checkpoint = train_common.find_checkpoint(args, errors)
    train_common.check_trained_output(args, inputs, errors)
    if errors:
        raise common.UsageError(errors)
    started = time.monotonic()
    seed = int(numbers.get("seed", 0))
    with train_common.reporting_warnings(args) as caught:
        spec = FrontEndSpec() if start is None else start.spec
        corpora = {name: train_common.open_corpus(paths, spec.sr) for name, paths in sources.items()}
        if args.dry_run:
            return _print_plan(args, corpora)
        common.print_message(args, "reading the recordings")
        clips = read_sources(corpora, origins=origins, rng=seed)
        with train_common.showing_progress(args, n_components="--atoms") as progress:
            dictionary = train_separator(
                clips,
                _settings(numbers, seed),
                minutes=numbers.get("minutes"),
                spec=spec,
                start=start,
                checkpoint=checkpoint,
                resume=args.resume or False,
                progress=progress,
            )
    steps = dictionary.meta["separator"]["steps_done"]
    command = train_common.repeat_command(args, ["separator", *args.recordings], SIZES, steps)
    compare = partial(compare_separators, clips, sr=spec.sr, seed=seed)
    train_common.save_trained(
        args,
        dictionary,
        command,
        start=start,
        n_steps=progress.n_steps,
        started=started,
        compare=compare,
    )
    return common.EXIT_ERROR if caught else common.EXIT_DONE


def _print_plan(args: argparse.Namespace, corpora: "dict[str, Corpus]") -> int:
    from nmf_audio.training.memory_use import estimate_separator
    from nmf_audio.training.separator import MAX_SECONDS

    seconds = [min(corpus.seconds, MAX_SECONDS) for corpus in corpora.values()]
    what = (
        f"{sum(seconds) / 60:.1f} min would be kept in memory, at most {MAX_SECONDS / 60:g} min of a source"
    )
    return train_common.print_plan(args, corpora, estimate_separator(sum(seconds)), what)


def _sources(words: list[str], errors: list[str]) -> dict[str, list[Path]]:
    """Return the paths of each source; add to `errors` what is wrong with the words."""
    from nmf_audio.separation.sources import check_source_name

    sources: dict[str, list[Path]] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or not path:
            errors.append(f"{word}: must be NAME=PATH, such as anna=recordings/anna")
            continue
        try:
            sources.setdefault(check_source_name(name), []).append(Path(path))
        except ParameterError as error:
            errors.append(f"{word}: {common.describe_argument(error, source='NAME')}")
    if len(sources) == 1 and not errors:
        errors.append(f"{next(iter(sources))}: is the only source; at least two are needed")
    return sources


def _start(
    args: argparse.Namespace, names: list[str], inputs: list[Path], errors: list[str]
) -> "Dictionary | None":
    """Return what --from names, and note its file in `inputs`; add to `errors` what is wrong with it."""
    start = train_common.load_option(
        "--from", args.start, "separator", "only a separator can be trained further", inputs, errors
    )
    if start is not None and start.kind == "separator" and names and set(start.sources) != set(names):
        errors.append(
            f"--from {args.start}: has the sources {', '.join(start.sources)}; give recordings of these"
        )
    return start


def _settings(numbers: dict[str, float], seed: int) -> Any:
    from nmf_audio.training.separator import SeparatorSettings

    names = {"atoms": "n_components", "layers": "n_layers", "steps": "n_steps"}
    chosen: dict[str, Any] = {field: int(numbers[name]) for name, field in names.items() if name in numbers}
    return SeparatorSettings(seed=seed, **chosen)
