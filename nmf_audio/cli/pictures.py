"""Pictures that commands write."""

import argparse
import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nmf_audio.cli import common

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def add_arguments(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Add ``--output`` and ``--force``, and return their group."""
    group = parser.add_argument_group("picture")
    group.add_argument(
        "-o",
        "--output",
        metavar="PICTURE",
        type=Path,
        required=True,
        help="where to write; its extension names the format: .png, .svg, .pdf",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace a picture that exists")
    return group


def new_axes(width: float, height: float) -> "Axes":
    """Make Axes in a figure of some inches, in the style of matplotlib or the person.

    matplotlib also looks for a style in the current folder, where it may be a stranger's, who can have programs run.
    """
    from nmf_audio.plots import new_axes

    with contextlib.suppress(ImportError):
        import matplotlib

        if not Path(matplotlib.matplotlib_fname()).is_absolute():
            matplotlib.rcdefaults()
    return new_axes(width, height)


def check(
    args: argparse.Namespace,
    figure: "Figure",
    sources: Iterable[Path],
    errors: list[str],
    option: str = "-o",
) -> None:
    """Add to `errors` what keeps a picture from being written; `figure` knows the formats, `sources` are read."""
    from nmf_audio.io.atomic import check_target

    formats = sorted(figure.canvas.get_supported_filetypes())
    if _format(args) not in formats:
        errors.append(f"{option} {args.output}: the name must end in one of .{', .'.join(formats)}")
    with common.collecting(errors):
        check_target(args.output, sources=sources, force=args.force)


def save(args: argparse.Namespace, figure: "Figure", sources: Iterable[Path], *, dpi: int) -> None:
    """Write a picture of some files, whole or not at all."""
    from nmf_audio.io.atomic import replacing

    picture = io.BytesIO()
    figure.savefig(picture, format=_format(args), dpi=dpi)
    with replacing(args.output, force=args.force, sources=sources) as temporary:
        temporary.write_bytes(picture.getvalue())


def _format(args: argparse.Namespace) -> str:
    return str(args.output.suffix).removeprefix(".").lower()
