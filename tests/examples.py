"""The Python examples in README and docs; `python -m tests.examples FOLDER` writes a file for each, to type-check."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def examples() -> dict[str, str]:
    """Return the code of each example by its page and number."""
    return {
        f"{page.relative_to(ROOT)}-{i}": match.group(1)
        for page in PAGES
        for i, match in enumerate(re.finditer(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    }


def main(folder: Path) -> None:
    """Write each example into a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in examples().items():
        (folder / f"{re.sub(r'[^a-z0-9]', '_', name.lower())}.py").write_text(code, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
