"""The command ``nmf-audio explain``: a picture of why a sound was kept or removed."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from nmf_audio.cli import common, pictures, settings
from nmf_audio.errors import NmfAudioError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nmf_audio.explanation import Explanation

MAX_SECONDS = 60.0
N_ATOMS = 24
RANGE_DB = 60.0
MEMORY_DB = 20.0
DB_PER_LOGIT = 10 / math.log(10)


def add_parser(subparsers: common.Subparsers) -> None:
    """Add ``nmf-audio explain``."""
    parser = subparsers.add_parser(
        "explain",
        help="draw why a sound was kept or removed",
        description="Draw a recording, what the atoms of speech and of noise explain, the gains that were applied, "
        "what the memory did (if the dictionary has one), and the atoms that were most active, over time.",
    )
    parser.add_argument("input", metavar="FILE", type=Path, help="recording to explain")
    pictures.add_arguments(parser)
    settings.add_method_arguments(parser.add_argument_group("sound"))
    part = parser.add_argument_group("part")
    part.add_argument(
        "--start",
        metavar="TIME",
        default="0",
        help="where to begin, in seconds, m:s or h:m:s (default: %(default)s)",
    )
    part.add_argument(
        "--seconds",
        metavar="TIME",
        default="20",
        help=f"how much to draw, at most {MAX_SECONDS:g} s (default: %(default)s)",
    )
    common.add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the picture, and return the exit code; `UsageError` before anything is written."""
    from nmf_audio._checks import check_number, collect
    from nmf_audio.denoiser import Denoiser
    from nmf_audio.explanation import explain

    figure = cast("Figure", pictures.new_axes(12.0, 18.0).figure)
    figure.clear()
    errors: list[str] = []
    pictures.check(args, figure, [args.input], errors)
    start, seconds = settings.read_time(args, "start", errors), settings.read_time(args, "seconds", errors)
    denoiser = None
    refused: list[NmfAudioError] = []
    if seconds is not None:
        collect(refused, check_number, "seconds", seconds, 0, MAX_SECONDS, above=True)
    try:
        denoiser = Denoiser(args.dictionary, method=args.method)
    except NmfAudioError as error:
        refused.append(error)
    errors.extend(map(common.describe, refused))
    if errors or denoiser is None or start is None or seconds is None:
        raise common.UsageError(errors)
    y, sr = _read(args.input, start, seconds)
    found = explain(y, sr, denoiser)
    _draw(found, figure)
    figure.suptitle(f"{args.input.name}, {denoiser!r}")
    pictures.save(args, figure, [args.input], dpi=100)
    common.print_message(args, f"{args.output}: {y.shape[-1] / sr:.1f} s of {args.input.name}")
    return common.EXIT_DONE


def _read(path: Path, start: float, seconds: float) -> "tuple[np.ndarray, int]":
    """Return the wanted part (n_channels, n_samples) and the sample rate."""
    from nmf_audio.io.open import open_reader

    with open_reader(path) as reader:
        first, last = round(start * reader.sr), round((start + seconds) * reader.sr)
        position, parts = 0, []
        for block in reader.blocks():
            parts.append(block[:, max(first - position, 0) : max(last - position, 0)])
            position += block.shape[1]
            if position >= last:
                break
        y = np.concatenate(parts, axis=1) if parts else np.zeros((reader.n_channels, 0), np.float32)
        if not y.shape[1]:
            raise common.UsageError([f"--start {start:g}: {path} has only {position / reader.sr:.1f} s"])
        return y, reader.sr


def _draw(found: "Explanation", figure: "Figure") -> None:
    from nmf_audio.plots import plot_activations, plot_cells

    heights = [1, 1, 1, 1, 1.3] if found.priors is None else [1, 1, 1, 1, 1, 1.3, 1.3]
    axes = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True)
    # a band above 2 kHz holds several bins: per bin there is no step where these begin
    widths = np.gradient(found.band_hz)
    widths /= widths[0]
    parts = {
        name: cells / widths[:, None]
        for name, cells in (
            ("noisy", found.noisy),
            ("what the speech atoms explain", found.speech),
            ("what the noise atoms explain", found.noise),
        )
    }
    peak = float(parts["noisy"].max())
    for ax, (name, cells) in zip(axes, parts.items(), strict=False):
        plot_cells(
            cells, found.times, found.band_hz, label="dB", range_db=RANGE_DB, reference=peak, ax=ax
        ).set_title(f"{name}, dB below the loudest cell of the noisy recording", fontsize="small")
    plot_cells(found.gains, found.times, found.frequencies, label="gain", ax=axes[3]).set_title(
        "the gains that were applied: 1 keeps, 0 removes", fontsize="small"
    )
    rows = found.strongest(N_ATOMS)
    names = [found.atoms[k] for k in rows]
    plot_activations(found.H[rows], found.times, names, ax=axes[-1]).set_title(
        f"the {len(rows)} atoms that were most active", fontsize="small"
    )
    if found.priors is not None:
        plot_cells(
            DB_PER_LOGIT * found.priors.logit,
            found.times,
            found.band_hz,
            label="dB",
            limit=MEMORY_DB,
            ax=axes[4],
        ).set_title("what the memory added to speech over noise: red keeps, blue removes", fontsize="small")
        plot_activations(found.raised()[rows], found.times, names, limit=MEMORY_DB, ax=axes[5]).set_title(
            "how the memory raised (red) or held down (blue) these atoms", fontsize="small"
        )
    for ax in axes[:-1]:
        ax.set_xlabel("")
