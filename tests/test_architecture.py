"""Imports flow one way, and what must start fast loads nothing that is slow."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import nmf_audio
from nmf_audio.cli.main import COMMANDS
from nmf_audio.decompose import METHODS
from nmf_audio.defaults import METHOD_NAMES

PACKAGE = Path(nmf_audio.__file__).parent

ROOMS = Path(__file__).parent.parent / "docs" / "architecture.md"


def _order() -> dict[str, int]:
    """The rank of each room, from the table in docs/architecture.md."""
    text = ROOMS.read_text(encoding="utf-8").split("## Rooms")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name: i for i, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}


RANK = _order()
SOURCES = sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(_tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names]
        rooms |= {n.split(".")[1] for n in names if n.startswith("nmf_audio.") and n.split(".")[1] in RANK}
    return rooms


def test_imports_only_what_stands_before() -> None:
    for path in SOURCES:
        room = _room(path)
        if room != "__init__":
            assert room in RANK, f"{path}: a new room needs a place in the table of docs/architecture.md"
            for other in _imported_rooms(path) - {room}:
                assert RANK[other] < RANK[room], f"{path} imports {other}, which does not stand before it"


SAME_PART = {"base", "defaults", "denoiser", "gated_memory", "separator", "stream", "unrolled"}
"""Module names that several rooms have, since the modules play the same part in each."""


def test_no_two_modules_share_a_name() -> None:
    counts = Counter(path.stem for path in SOURCES if path.stem != "__init__")
    assert {name for name, n in counts.items() if n > 1} <= SAME_PART


def test_every_room_of_the_table_is_there() -> None:
    assert set(RANK) == {_room(path) for path in SOURCES} - {"__init__"}


def test_the_map_names_every_module_in_its_room() -> None:
    text = ROOMS.read_text(encoding="utf-8").split("**Inside.**")[1].split("\n**")[0]
    rooms = dict(re.findall(r"(?ms)^    (\w+)/ (.*?)(?=^    \w|\Z)", text))
    commands = {name.rsplit(".")[-1] for name in COMMANDS.values()} | {"train_average", "train_separator"}
    for path in SOURCES:
        room, name = _room(path), path.stem
        if path.parent == PACKAGE or name == "__init__" or "kernels" in path.parts or name in commands:
            continue
        assert re.search(rf"\b{name}\b", rooms[room]), f"{path}: is not on the map in docs/architecture.md"


def test_numba_lives_in_one_place() -> None:
    for path in SOURCES:
        imports = [
            n.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.walk(_tree(path))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for n in node.names
        ]
        uses = any(name.split(".")[0] == "numba" for name in imports)
        assert not uses or "kernels" in path.parts, f"{path} imports numba"


def test_the_first_line_names_the_thing() -> None:
    for path in (*SOURCES, *PACKAGE.parent.glob("benchmarks/*.py"), *PACKAGE.parent.glob("demos/*.py")):
        text = ast.get_docstring(_tree(path))
        assert text, f"{path}: has no docstring"
        assert not re.match(r"(What|Whether|How|Why)\b", text), f"{path}: {text.splitlines()[0]}"


def test_the_table_of_methods_and_the_names_in_the_help_agree() -> None:
    assert tuple(METHODS) == METHOD_NAMES


def test_the_public_names_can_be_imported() -> None:
    for name in nmf_audio.__all__:
        assert getattr(nmf_audio, name) is not None
    assert set(nmf_audio.__all__) <= set(dir(nmf_audio))
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("nmf_audio").no_such_name  # noqa: B018


def test_a_public_name_is_not_that_of_a_module() -> None:
    # importing such a module would put it in the place of what the name stands for
    assert not {
        name for name in nmf_audio.__all__ if (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
    }


def test_what_a_script_needs_is_public() -> None:
    jobs = {"denoise_file", "denoise_files", "separate_file", "Report", "SeparationReport", "RawFormat"}
    training = {"train_denoiser", "train_separator", "train_plain", "DenoiserSettings", "SeparatorSettings"}
    recordings = {"find_recordings", "read_recordings", "read_sources", "MemorySizes"}
    assert {"explain", "Explanation"} | jobs | training | recordings <= set(nmf_audio.__all__)


def _modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in result.stdout.split()} | set(result.stdout.split())


def test_importing_the_package_loads_no_numpy() -> None:
    assert "numpy" not in _modules_after("import nmf_audio")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_next_to_nothing(option: str) -> None:
    code = f"""if True:
        from nmf_audio.cli.denoise import main
        try:
            main([{option!r}])
        except SystemExit:
            pass
    """
    assert not _modules_after(code) & {
        "numpy",
        "pathlib",
        "dataclasses",
        "json",
        "inspect",
        "importlib.metadata",
        "shtab",
    }


def test_denoising_loads_nothing_slow(tmp_path: Path) -> None:
    demo = PACKAGE.parent / "demos" / "noisy.flac"
    arguments = [str(demo), "-o", str(tmp_path / "out.flac"), "-q"]
    code = f"from nmf_audio.cli.denoise import main; assert main({arguments!r}) == 0"
    loaded = _modules_after(code)
    slow = {"librosa", "scipy", "sklearn", "matplotlib", "torch", "soxr", "numba", "tqdm", "threadpoolctl"}
    assert not loaded & (slow | {"av", "shtab", "sounddevice"})


def test_types_that_many_rooms_name_stand_once() -> None:
    from nmf_audio import _types

    for path in SOURCES:
        targets = [t for node in _tree(path).body if isinstance(node, ast.Assign) for t in node.targets]
        again = set(map(ast.unparse, targets)) & set(_types.__all__)
        assert _room(path) == "_types" or not again, f"{path}: {again}"
