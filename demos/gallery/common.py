"""What the scripts of the gallery share."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nmf_audio.nmf import match_atoms

Array = NDArray[Any]


def agreement(labels: Array, true: Array) -> float:
    """Return the share of items in the cluster that belongs to their true one."""
    n = max(labels.max(), true.max()) + 1
    order = match_atoms(np.eye(n)[labels], np.eye(n)[true]).order
    return float((order[true] == labels).mean())


def picture_path(doc: str | None) -> Path | None:
    """Return what the option -o names, if it is given."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, metavar="PICTURE", help="draw a picture; default: none")
    path: Path | None = parser.parse_args().output
    return path


@contextmanager
def panels(path: Path, titles: list[str], height: float = 2.6, **options: Any) -> Iterator[list[Axes]]:
    """Give panels side by side to draw into, and write them as a picture."""
    figure = Figure(figsize=(9, height), layout="constrained")
    row = figure.subplots(1, len(titles), squeeze=False, **options)[0]
    for ax, title in zip(row, titles, strict=True):
        ax.set_title(title, fontsize="medium")
    yield list(row)
    figure.savefig(path, dpi=75)


def show(ax: Axes, image: Array, **options: Any) -> None:
    """Draw an image without ticks."""
    ax.imshow(image, **{"cmap": "magma", "interpolation": "nearest", **options})
    ax.set_xticks([])
    ax.set_yticks([])
