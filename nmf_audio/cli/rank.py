"""The command ``nmf-audio rank``: how many atoms recordings are worth."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nmf_audio.cli import common, pictures, train_common
from nmf_audio.cli.progress import progress_bar
from nmf_audio.cli.ranges import Range, read_numbers
from nmf_audio.errors import ParameterError
from nmf_audio.io.remote import locate
from nmf_audio.training import defaults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nmf_audio.nmf import RankComparison

EPILOG = """examples:
  nmf-audio rank my_voice/
  nmf-audio rank fan.wav --max 32 --plot fan.png

It learns dictionaries of 1, 2, 3, 4, 6, 8, 12, 16 ... atoms and prints, for each,
  residual     what the atoms leave of the energy, learned one after the other, earlier ones kept
  principal    what as many principal components leave: no model of that size leaves less
  held out     error (divergence) of entries that the learning did not see, with its standard error
The first two fall with every atom. The last rises again where atoms learn what does not come again. The smallest
number is recommended whose error is above the lowest one by no more than a standard error of that difference.

exit codes: 0 done; 1 a recording was left out, or nothing could be learned; 2 names or options are wrong; 130
interrupted"""

RANGES: dict[str, Range] = {
    "max": (int, 1, 512),
    "frames": (int, 2, 100_000),
    "beta": (float, 0, 3),
    "sparsity": (float, 0, math.inf),
    "seed": (int, 0, math.inf),
}


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio rank``."""
    parser = subparsers.add_parser(
        "rank",
        help="print how many atoms recordings are worth",
        description="Print how many atoms a dictionary of one source should have: what numbers of atoms leave "
        "unexplained, and how well they predict what they have not seen.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "recordings",
        metavar="RECORDINGS",
        nargs="+",
        type=locate,
        help="files, folders, searched recursively, lists of files, and URLs; of one source alone",
    )
    files.add_argument(
        "--strict", action="store_true", help="stop if a recording can't be read, rather than leave it out"
    )
    group = parser.add_argument_group("learning")
    for option, name, value, text in (
        ("--max", "N", defaults.HIGHEST_RANK, "largest number of atoms that is tried"),
        (
            "--frames",
            "N",
            defaults.RANK_FRAMES,
            "frames of sound, drawn evenly over folders; time grows with it and with the square of --max",
        ),
        ("--beta", "BETA", defaults.BETA, "divergence: 1 Kullback-Leibler, 0 Itakura-Saito"),
        ("--sparsity", "L1", defaults.RANK_L1, "penalty on the activations where entries are held out"),
        ("--seed", "N", 0, "the same seed, recordings, machine and versions give the same numbers"),
    ):
        group.add_argument(option, metavar=name, default=f"{value:g}", help=f"{text} (default: %(default)s)")
    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--plot",
        dest="output",
        metavar="PICTURE",
        type=Path,
        help="draw the curves, too; its extension names the format: .png, .svg, .pdf (default: none)",
    )
    picture.add_argument("-f", "--force", action="store_true", help="replace a picture that exists")
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table and the recommendation; return the exit code, 1 if a recording was left out."""
    common.use_one_thread()
    from nmf_audio.dsp.bands import FrontEndSpec
    from nmf_audio.training.rank_search import find_rank

    errors: list[str] = []
    numbers = read_numbers(args, RANGES, errors)
    files = train_common.check_recordings(args.recordings, errors)
    figure = None
    if args.output is not None:
        figure = cast("Figure", pictures.new_axes(8.0, 5.0).figure)
        pictures.check(args, figure, files, errors, "--plot")
    if errors:
        raise common.UsageError(errors)
    spec = FrontEndSpec()
    with (
        train_common.reporting_warnings(args) as caught,
        progress_bar(args, "comparing", unit="%", lines=True) as progress,
    ):
        corpus = train_common.open_corpus(args.recordings, spec.sr)
        try:
            found = find_rank(
                corpus,
                ranks=int(numbers["max"]),
                n_frames=int(numbers["frames"]),
                beta=numbers["beta"],
                l1_H=numbers["sparsity"],
                spec=spec,
                rng=int(numbers["seed"]),
                callback=lambda share: progress(100 * share, 100.0),
            )
        except ParameterError as error:
            raise common.UsageError([common.describe_argument(error, ranks="--max")]) from error
    for line in _table(found):
        common.print_line(line)
    common.print_line(_recommend(found))
    if figure is not None:
        from nmf_audio.plots import plot_ranks

        plot_ranks(found, ax=figure.axes[0])
        pictures.save(args, figure, files, dpi=100)
        common.print_message(args, f"{args.output}: the curves")
    return common.EXIT_ERROR if caught else common.EXIT_DONE


def _table(found: "RankComparison") -> list[str]:
    from nmf_audio.nmf.cross_validation import standard_error

    lines = [f"{'atoms':>5}  {'residual':>9}  {'principal':>9}  {'held out':>17}"]
    means = found.held_out.mean(axis=0).tolist()
    columns = (found.ranks, found.residuals, found.principal, means, standard_error(found.held_out))
    for n, residual, principal, mean, error in zip(*columns, strict=True):
        lines.append(f"{n:5d}  {residual:9.4f}  {principal:9.4f}  {mean:9.4f} +- {error:.4f}")
    return lines


def _recommend(found: "RankComparison") -> str:
    """Return the recommendation and its reason, in one sentence."""
    means = found.held_out.mean(axis=0)
    lowest, last = int(found.ranks[means.argmin()]), int(found.ranks[-1])
    n = "1 atom" if found.best == 1 else f"{found.best} atoms"
    if found.best == last and len(found.ranks) > 1:
        return f"at least {n}: the error of held-out entries still falls at --max {last}; try a larger one"
    if found.best == lowest:
        return f"{n}: the error of held-out entries is lowest there, and more learn what does not come again"
    reason = f"lowest with {lowest}, but by no more than a standard error of the difference"
    return f"{n}: the error of held-out entries is {reason}"
