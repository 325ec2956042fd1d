"""The project's own files: one version, and what stands beside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from nmf_audio import __version__

ROOT = Path(__file__).parent.parent


def test_the_version_has_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "nmf_audio/__init__.py"}
    source = (ROOT / "nmf_audio" / "__init__.py").read_text(encoding="utf-8")
    # what the build reads
    assert re.findall(r'(?m)^__version__ = "(.*)"$', source) == [__version__]


def test_pages_name_the_current_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## \[?([^\]\s]+)", changes)[:2] == ["Unreleased", __version__]
    citations = (ROOT / "docs" / "citations.md").read_text(encoding="utf-8")
    assert f"version = {{{__version__}}}" in citations
