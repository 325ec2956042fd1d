"""The Python examples in README and docs run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.fake import FakeSound

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [
    pytest.param(match.group(1), id=f"{page.name}-{i}")
    for page in PAGES
    for i, match in enumerate(re.finditer(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "demos" / "noisy.flac", tmp_path / "noisy.flac")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound())
    exec(compile(code, "example", "exec"), {"__name__": "example"})


def test_examples_are_well_typed(tmp_path: Path) -> None:
    files = []
    for example in EXAMPLES:
        assert example.id is not None
        files.append(tmp_path / f"{re.sub(r'[^a-z0-9]', '_', str(example.id).lower())}.py")
        files[-1].write_text(str(example.values[0]), encoding="utf-8")
    # the project's own settings, and so its cache
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
