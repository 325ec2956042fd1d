"""Checkpoints from strangers: refused in a sentence, in memory that the file itself bounds."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nmf_audio import DictionaryError
from nmf_audio.training.checkpoint import load_checkpoint, save_checkpoint


def npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + content


def head(kind: str, shape: str) -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n"


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.ones((2, 3), np.float32)),
        "c": np.array(3),
    }
    save_checkpoint(tmp_path / "x", arrays, {"step": 3})
    found, facts = load_checkpoint(tmp_path / "x")
    assert facts == {"step": 3}
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize(
    "array",
    [
        b"abc",
        npy(head("'<f4'", "(1000000000000,)"), b"1234"),
        npy(head("'<f4'", "(-1,)"), b"1234"),
        npy(head("'<f4'", "(1L, (,")),
        npy(head("'|O'", "(1,)"), b"cos\nsystem\n"),
        npy(head("'<f4'", "(1,)"), b"1234", b"\x02\x00"),
        npy(head("__import__('os')", "(1,)"), b"1234"),
        npy(head("'<f4'", "(1,)"), b"12345"),
        npy("{"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path: Path, array: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("facts.json", "{}")
        archive.writestr("a.npy", array)
    with pytest.raises(DictionaryError, match="x: this is no checkpoint, or it is damaged: "):
        load_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_nothing_is_inflated(tmp_path: Path, compression: int) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w", compression) as archive:
        archive.writestr("facts.json", json.dumps({"a": "b" * 10**6}))
    with pytest.raises(DictionaryError, match="its entries are compressed"):
        load_checkpoint(tmp_path / "x")


def test_facts_that_are_deep_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("facts.json", "[" * 100_000)
    with pytest.raises(DictionaryError, match="this is no checkpoint"):
        load_checkpoint(tmp_path / "x")


def test_cut_off_and_flipped_bytes_never_do_worse_than_a_refusal(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x", {"a": np.arange(5.0)}, {"step": 3})
    good = (tmp_path / "x").read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(good), 200):
        changed = io.BytesIO(good)
        changed.seek(int(at))
        changed.write(rng.bytes(1))
        for content in (changed.getvalue(), good[:at]):
            (tmp_path / "x").write_bytes(content)
            try:
                load_checkpoint(tmp_path / "x")
            except DictionaryError:
                continue
