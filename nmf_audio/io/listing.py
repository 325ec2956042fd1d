"""Lists of recordings: tables with a row for each, as CSV, JSON lines or Parquet, read row by row."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmf_audio._checks import check_number, invalid
from nmf_audio._types import PathLike
from nmf_audio.errors import AudioFileError, MissingExtraError, ParameterError
from nmf_audio.io.remote import is_url
from nmf_audio.io.section import check_section

__all__ = ["LIST_EXTENSIONS", "ListedRecording", "read_listing"]

Rows = Iterator[tuple[str, Mapping[str, Any]]]
"""Where a row stands, and its values by column."""


@dataclass(frozen=True, slots=True)
class ListedRecording:
    """A row of a list: a recording, by a path, from the folder of the list unless it is absolute, or a URL.

    `start` and `end` are seconds of the part that is meant, None for its beginning or end; `group` is a speaker, a
    kind of noise, or None; `weight` how much it counts beside others, above 0.
    """

    path: str
    start: float | None = None
    end: float | None = None
    group: str | None = None
    weight: float = 1.0


def read_listing(path: PathLike) -> Iterator[ListedRecording]:
    """Read a list of recordings, row by row.

    Columns are ``path``, and if they are there ``start``, ``end``, ``group`` and ``weight``; others are passed over,
    and empty cells stand for what is not given. The first line of a CSV file names its columns; each line of a JSONL
    file is an object. Parquet needs PyArrow: `MissingExtraError` if that is not installed. `ParameterError` at the
    call if the extension is none of `LIST_EXTENSIONS`, and at a row that has a value that is not allowed;
    `AudioFileError` if the file can't be read.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise invalid(
            "files", str(path), f"a list that ends in {', '.join(LIST_EXTENSIONS)}", given=str(path)
        )
    if read is _read_parquet:
        _import_parquet(path)
    return _read_rows(path, read)


def _read_rows(path: Path, read: Callable[[Path], Rows]) -> Iterator[ListedRecording]:
    try:
        for where, row in read(path):
            yield _make_entry(path.parent, where, row)
    except OSError as error:
        raise AudioFileError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise AudioFileError(f"{path}: can't be read: it is not in UTF-8") from error


def _make_entry(folder: Path, where: str, row: Mapping[str, Any]) -> ListedRecording:
    path, group = row.get("path"), row.get("group")
    if not isinstance(path, str) or not path or "\0" in path:
        raise invalid("path", path, "a path or a URL", given=f"{where}: path={path!r}")
    start, end, weight = (_read_number(where, row, name) for name in ("start", "end", "weight"))
    try:
        check_section(start, end)
        check_number("weight", 1.0 if weight is None else weight, 0, above=True)
    except ParameterError as error:
        if error.name is None:
            given = f"{where}: end={end:g}"
            raise invalid("end", end, f"above {start or 0:g}, the start, in seconds", given=given) from error
        given = f"{where}: {error.name}={error.value}"
        raise invalid(error.name, error.value, error.allowed, given=given) from error
    return ListedRecording(
        path if is_url(path) else os.path.join(folder, path),  # noqa: PTH118  # Path would take time, a million times
        start,
        end,
        None if group in (None, "") else str(group),
        1.0 if weight is None else weight,
    )


def _read_number(where: str, row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(value)
    raise invalid(name, value, "a number", given=f"{where}: {name}={value!r}")


def _read_csv(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        _check_columns(path, rows.fieldnames or ())
        try:
            for row in rows:
                yield f"{path}, line {rows.line_num}", row
        except csv.Error as error:
            raise AudioFileError(f"{path}, line {rows.line_num}: can't be read: {error}") from error


def _read_jsonl(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as file:
        for n, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {n}"
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise invalid(
                    "files", line.strip(), "an object of JSON", given=f"{where}: {line.strip()[:60]}"
                )
            yield where, row


def _read_parquet(path: Path) -> Rows:
    parquet, error_type = _import_parquet(path)
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_columns(path, names)
            columns = [name for name in ("path", "start", "end", "group", "weight") if name in names]
            n = 0
            for batch in file.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    n += 1
                    yield f"{path}, row {n}", row
    except error_type as error:
        raise AudioFileError(f"{path}: can't be read: {error}") from error


def _import_parquet(path: Path) -> tuple[Any, type[Exception]]:
    """Return PyArrow's module for Parquet, and what it raises."""
    try:
        import pyarrow.parquet
    except ImportError:
        message = f"{path}: Parquet needs PyArrow; install it with: pip install pyarrow"
        raise MissingExtraError(message) from None
    return pyarrow.parquet, pyarrow.ArrowException


def _check_columns(path: Path, names: Any) -> None:
    if "path" not in names:
        given = f"{path} has {'the columns ' + ', '.join(map(str, names)) if names else 'no columns'}"
        raise invalid("files", str(path), "a list with a column 'path'", given=given)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
LIST_EXTENSIONS = tuple(_READERS)
