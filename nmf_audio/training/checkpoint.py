"""Checkpoints on the disk: a npz of arrays and one JSON text, written completely or not at all."""

from __future__ import annotations

import io
import json
import math
import os
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.dictionary.npz_file import shorten
from nmf_audio.errors import DictionaryError
from nmf_audio.io.atomic import saving

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(
    path: str | os.PathLike[str], arrays: Mapping[str, AnyArray], facts: Mapping[str, Any]
) -> None:
    """Write arrays and facts that JSON can hold, replacing the file only once the new one is whole.

    `DictionaryError` if it can't be written.
    """
    with saving(path, "the checkpoint") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("facts.json", json.dumps(dict(facts)))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read the arrays and the facts of a checkpoint; `DictionaryError` if it can't be read or is none."""
    source = Path(path)
    try:
        with zipfile.ZipFile(source) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("its entries are compressed")
            facts = json.loads(archive.read("facts.json"))
            arrays = {
                name.removesuffix(".npy"): _read_array(archive.read(name))
                for name in archive.namelist()
                if name.endswith(".npy")
            }
    except OSError as error:
        raise DictionaryError(f"{source}: the checkpoint can't be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DictionaryError(
            f"{source}: this is no checkpoint, or it is damaged: {shorten(error)}"
        ) from error
    return arrays, facts


def _read_array(content: bytes) -> AnyArray:
    """Return an array from a stranger: the size that its header claims is checked before anything is allocated."""
    stream = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("an array has another version than 1.0")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        n_bytes = math.prod(shape) * dtype.itemsize
    except (SyntaxError, TypeError, tokenize.TokenError) as error:
        raise ValueError(f"an array has no header: {error}") from error
    if dtype.hasobject or n_bytes != len(content) - stream.tell():
        raise ValueError(f"an array of type {dtype} and shape {shape} holds {len(content)} bytes")
    stream.seek(0)
    array: AnyArray = np.lib.format.read_array(stream, allow_pickle=False)
    return array
