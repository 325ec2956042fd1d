"""Lines and modules of the package by room, at revisions and in the working tree.

::

    python benchmarks/lines.py 35b8593

*Code* is what remains without blank lines, comments and docstrings. Modules that lie in no folder count together.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from io import StringIO
from pathlib import Path, PurePosixPath

from table import print_table

ROOT = Path(__file__).parents[1]
PACKAGE = "nmf_audio"
TOP, ALL = "modules at the top", "all"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("revisions", metavar="REVISION", nargs="*")
    args = parser.parse_args()
    today = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / PACKAGE).rglob("*.py")}
    counted = [
        _count(files) for files in (*(dict(_files_of(revision)) for revision in args.revisions), today)
    ]
    whens = [*args.revisions, "today"]
    headings = [f"{what}, {when}" for when in whens for what in ("modules", "lines", "code")]
    rooms = sorted({room for counts in counted for room in counts} - {TOP, ALL})
    rows = [
        [room, *(f"{n:,}" if n else "" for counts in counted for n in counts[room])]
        for room in (*rooms, TOP, ALL)
    ]
    print_table(["room", *headings], rows)
    return 0


def _files_of(revision: str) -> Iterator[tuple[str, str]]:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    for path in git("ls-tree", "-r", "--name-only", revision, PACKAGE).splitlines():
        if path.endswith(".py"):
            yield path, git("show", f"{revision}:{path}")


def _count(files: dict[str, str]) -> dict[str, tuple[int, int, int]]:
    """Return modules, lines, and lines of code of each room."""
    counts: dict[str, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for path, text in files.items():
        _, *folders, _ = PurePosixPath(path).parts
        for room in (folders[0] if folders else TOP, ALL):
            n_modules, n_lines, n_code = counts[room]
            counts[room] = n_modules + 1, n_lines + len(text.splitlines()), n_code + _count_code(text)
    return counts


def _count_code(text: str) -> int:
    """Return how many lines of a module hold code."""
    code: set[int] = set()
    nothing = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type not in nothing:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        # docstrings of modules, classes, functions and constants
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            code.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


if __name__ == "__main__":
    raise SystemExit(main())
