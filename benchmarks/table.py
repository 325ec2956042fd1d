"""Tables of figures beside their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bar", "print_table"]


@dataclass(frozen=True)
class Bar:
    """Limit of a figure.

    Parameters
    ----------
    value : float
        What was measured.
    bar : float
        What it should not exceed, or, with `at_least`, not fall short of.
    at_least : bool
        Which of the two.
    digits : int
        Of the bar, when it is printed.
    """

    value: float
    bar: float
    at_least: bool = False
    digits: int = 3

    @property
    def met(self) -> bool:
        """Whether the figure is as it should be."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{sign} {self.bar:.{self.digits}f}: {'met' if self.met else 'NOT MET'}"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    lines = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
