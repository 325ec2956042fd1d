"""Lists of recordings as CSV, JSON lines and Parquet: the same rows, and all that can be wrong with them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nmf_audio.errors import AudioFileError, MissingExtraError, ParameterError
from nmf_audio.io.listing import ListedRecording, read_listing

ROWS: list[dict[str, Any]] = [
    {"path": "a.wav", "start": 1.5, "end": 2.0, "group": "anna", "weight": 2.0, "note": "x"},
    {"path": "/talks/ä, b.wav", "start": None, "end": 3.0, "group": None, "weight": None, "note": None},
    {"path": "s3://talks/c.wav", "start": 0.0, "end": None, "group": "7", "weight": 0.5, "note": ""},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format of the extension."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        table = pytest.importorskip("pyarrow").Table.from_pylist(rows)
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("extension", ["csv", "jsonl", "ndjson", "parquet", "CSV"])
def test_rows_are_the_same_in_all_formats(tmp_path: Path, extension: str) -> None:
    path = write(tmp_path / f"list.{extension.lower()}", ROWS)
    assert list(read_listing(path.rename(tmp_path / f"list.{extension}"))) == [
        ListedRecording(str(tmp_path / "a.wav"), 1.5, 2.0, "anna", 2.0),
        ListedRecording("/talks/ä, b.wav", None, 3.0),
        ListedRecording("s3://talks/c.wav", 0.0, None, "7", 0.5),
    ]


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"path": ""}, "path=''; must be a path or a URL"),
        ({"start": -1.0}, "start=-1.0; must be a number of at least 0 s"),
        ({"start": 3.0, "end": 2.0}, "end=2; must be above 3, the start, in seconds"),
        ({"weight": 0.0}, "weight=0.0; must be a number above 0"),
        ({"end": "later"}, "end='later'; must be a number"),
    ],
)
def test_a_row_that_is_wrong_is_named(
    tmp_path: Path, extension: str, wrong: dict[str, Any], message: str
) -> None:
    rows = [ROWS[0] | wrong] if extension == "parquet" else [ROWS[0], ROWS[0] | wrong]
    path = write(tmp_path / f"list.{extension}", rows)
    where = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 1"}[extension]
    with pytest.raises(ParameterError) as caught:
        list(read_listing(path))
    assert str(caught.value) == f"{path}, {where}: {message}"


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"list\.txt; must be a list that ends in \.csv, \.jsonl"):
        read_listing(tmp_path / "list.txt")
    with pytest.raises(AudioFileError, match=r"none\.csv: can't be read: No such file"):
        list(read_listing(tmp_path / "none.csv"))
    for name, content, error, message in [
        (
            "a.csv",
            b"a.wav\nb.wav\n",
            ParameterError,
            "has the columns a.wav; must be a list with a column 'path'",
        ),
        ("b.csv", b"", ParameterError, "has no columns"),
        ("c.csv", "path\nä.wav".encode("latin-1"), AudioFileError, "not in UTF-8"),
        (
            "d.jsonl",
            b'{"path": "a.wav"}\n["a.wav"]\n',
            ParameterError,
            "line 2: .* must be an object of JSON",
        ),
        (
            "e.jsonl",
            b'{"path": "a.wav"}\n{"path": "b.w',
            ParameterError,
            "line 2: .* must be an object of JSON",
        ),
        ("f.jsonl", b'{"path": "a.wav", "weight": true}', ParameterError, "weight=True; must be a number"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=message):
            list(read_listing(tmp_path / name))


def test_parquet_that_is_damaged_or_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "list.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AudioFileError, match=r"list\.parquet: can't be read"):
        list(read_listing(path))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(
        MissingExtraError, match="Parquet needs PyArrow; install it with: pip install pyarrow"
    ):
        read_listing(path)
