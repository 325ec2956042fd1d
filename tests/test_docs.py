"""The Python examples in README and docs run as they stand, and links lead somewhere."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.examples import PAGES, ROOT, examples
from tests.live.fake import FakeSound

EXAMPLES = examples()


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_example_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "demos" / "noisy.flac", tmp_path / "noisy.flac")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSound())
    exec(compile(code, "example", "exec"), {"__name__": "example"})


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
