"""Samples as bytes: as libsndfile has them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nmf_audio.errors import ParameterError
from nmf_audio.io.pcm import PCM_BYTES, RAW_CODINGS, RawFormat, decode, encode

SAMPLES = arrays(
    np.float32, st.tuples(st.integers(1, 3), st.integers(0, 9)), elements=st.floats(-1.5, 1.5, width=32)
)


def raw_file(y: Any, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, y.T, 8000, subtype=subtype, format="RAW", endian="LITTLE")
    return file.getvalue()


@pytest.mark.parametrize("subtype", PCM_BYTES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_stand_for_what_libsndfile_reads(subtype: str, dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(0)
    data = raw_file(rng.uniform(-1, 1, (2, 500)), subtype)
    expected, _ = soundfile.read(
        io.BytesIO(data),
        500,
        dtype=dtype.__name__,
        format="RAW",
        subtype=subtype,
        samplerate=8000,
        channels=2,
    )
    found = decode(data, subtype, 2, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected.T)


@pytest.mark.parametrize("subtype", PCM_BYTES)
@settings(max_examples=30)
@given(y=SAMPLES)
def test_what_is_stored_is_what_will_be_read(subtype: str, y: Any) -> None:
    data, stored, n_clipped = encode(y, subtype)
    assert len(data) == y.size * PCM_BYTES[subtype]
    np.testing.assert_array_equal(decode(data, subtype, len(y), stored.dtype), stored)
    step = 0 if subtype in ("FLOAT", "DOUBLE") else 2.0 ** (1 - 8 * PCM_BYTES[subtype])
    wanted = y.astype(np.float64)
    limited = wanted if step == 0 else np.clip(wanted, -1, 1 - step)
    np.testing.assert_allclose(stored, limited, rtol=0, atol=step / 2)
    assert n_clipped == (0 if step == 0 else np.count_nonzero(np.abs(stored - wanted) > step / 2))


def test_the_coding_of_libsndfile_and_ours_agree() -> None:
    y = np.random.default_rng(0).uniform(-0.99, 0.99, (2, 500)).astype(np.float32)
    for subtype in ("PCM_16", "PCM_24", "FLOAT", "DOUBLE"):
        data, _, _ = encode(y, subtype)
        difference = decode(data, subtype, 2, np.float64) - decode(
            raw_file(y, subtype), subtype, 2, np.float64
        )
        # libsndfile's full scale is one less
        assert np.abs(difference).max() <= 2.0 ** (2 - 8 * PCM_BYTES[subtype])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s8",), "coding='s8'; must be 'u8', 's16le'"),
        (("s16le", 100), "sr=100; must be a whole number from 4000 to 384000 Hz"),
        (("s16le", 16000, 0), "n_channels=0; must be a whole number from 1 to 64"),
        (("s16le", 16000, "2"), "n_channels='2'"),
    ],
)
def test_raw_formats_are_checked(arguments: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        RawFormat(*arguments)


def test_every_raw_coding_has_a_size() -> None:
    assert {RawFormat(coding).subtype for coding in RAW_CODINGS} == set(PCM_BYTES)
