"""Untrusted ``.npz`` files: nothing is evaluated, and sizes are checked before reading."""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmf_audio.errors import DictionaryError
from nmf_audio.io.atomic import saving

__all__ = ["read_arrays", "shorten", "write_arrays"]

MAX_ARRAYS = 64
MAX_ARRAY_BYTES = 128 * 2**20
MAX_META_CHARS = 2**20
MAX_NAME_CHARS = 64
MAX_PROBLEM_CHARS = 400

# what numpy writes, and nothing else: its own parser evaluates the text, and raises whatever comes of that
_NPY_HEADER = re.compile(
    rb"\{'descr': '(?P<type><[fU]\d{1,7})', 'fortran_order': False, 'shape': \((?P<shape>[\d, ]{0,64})\), \}\s*"
)
_LONGEST_END = 22 + 2**16
"""Bytes from the beginning of an archive's end record, with the longest comment."""
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays, the same ones as the same bytes; raises DictionaryError if the file can't be written."""
    with saving(path, "the dictionary") as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            # stored: compression saves 8 % of a dictionary, and takes two thirds of the time to read it
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_TIME), buffer.getvalue())


def read_arrays(source: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file, float32 but for the text ``meta``; raises DictionaryError for any other file."""
    try:
        if source.exists() and not source.is_file():
            raise ValueError("it is no regular file")
        with source.open("rb") as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                return _read_members(archive)
    except OSError as error:
        raise DictionaryError(f"{source}: the dictionary can't be read: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        ValueError,
        zlib.error,
    ) as error:
        raise DictionaryError(
            f"{source}: this is no dictionary file, or it is damaged: {shorten(error)}"
        ) from error


def shorten(error: Exception) -> str:
    """Return the message of an error about a file, cut where the file made it very long."""
    text = str(error)
    return text if len(text) <= MAX_PROBLEM_CHARS else f"{text[:MAX_PROBLEM_CHARS]}..."


def _check_directory(file: BinaryIO) -> None:
    """Refuse an archive of very many entries, or of 64 bits, before `zipfile` holds them all in memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LONGEST_END, 0))
    end = file.read()
    at = end.rfind(b"PK\5\6")
    if at < 0 or len(end) - at < 22:
        raise zipfile.BadZipFile("it has no end record")
    n_entries, n_bytes = struct.unpack_from("<HI", end, at + 10)
    if n_entries > MAX_ARRAYS or n_bytes > MAX_ARRAYS * 2**10 or b"PK\6\7" in end[max(at - 20, 0) : at]:
        raise ValueError(f"{n_entries} entries; at most {MAX_ARRAYS} small ones are allowed")
    file.seek(0)


def _read_members(archive: zipfile.ZipFile) -> dict[str, npt.NDArray[Any]]:
    members = archive.infolist()
    names = [m.filename for m in members]
    if len(members) > MAX_ARRAYS or len(set(names)) != len(names):
        raise ValueError(f"{len(members)} arrays, or two of one name; at most {MAX_ARRAYS} are allowed")
    if max(map(len, names), default=0) > MAX_NAME_CHARS:
        raise ValueError(f"an entry has a name of more than {MAX_NAME_CHARS} characters")
    if "meta.npy" not in names:
        raise ValueError("it has no entry 'meta'")
    total = sum(m.file_size for m in members)
    if total > MAX_ARRAY_BYTES:
        raise ValueError(f"its arrays would take {total} bytes; at most {MAX_ARRAY_BYTES} are allowed")
    arrays = {}
    for member in members:
        if not member.filename.endswith(".npy"):
            raise ValueError(f"unexpected entry {member.filename!r}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"entry {member.filename!r} is compressed in another way than dictionaries are")
        # the declared size may be wrong: never inflate more than that
        with archive.open(member) as stream:
            data = stream.read(member.file_size + 1)
        if len(data) != member.file_size:
            raise ValueError(f"entry {member.filename!r} has not the size that it declares")
        arrays[member.filename[:-4]] = _parse_array(member.filename, data)
    return arrays


def _parse_array(name: str, data: bytes) -> npt.NDArray[Any]:
    """Parse one ``.npy`` whose header is checked before anything of the size that it claims is allocated."""
    end = 10 + int.from_bytes(data[8:10], "little")
    header = _NPY_HEADER.fullmatch(data[10:end])
    if data[:8] != b"\x93NUMPY\x01\x00" or header is None:
        raise ValueError(f"entry {name!r} has no .npy header of version 1.0")
    kind, size = header["type"][:2].decode(), int(header["type"][2:])
    shape = tuple(int(n) for n in header["shape"].split(b",") if n.strip())
    is_text = name == "meta.npy"
    wanted = kind == "<U" and not shape if is_text else (kind, size) == ("<f", 4)
    if not wanted:
        raise ValueError(
            f"entry {name!r} has type {kind}{size} and shape {shape}; little-endian float32 is expected"
        )
    n_bytes = math.prod(shape) * (4 * size if is_text else size)
    rest = data[end:]
    if len(rest) != n_bytes or (is_text and size > MAX_META_CHARS):
        raise ValueError(f"entry {name!r} holds {len(rest)} bytes; its header promises {n_bytes}")
    return np.frombuffer(rest, f"{kind}{size}").reshape(shape).copy()
