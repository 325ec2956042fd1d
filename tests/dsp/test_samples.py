from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio import ParameterError
from nmf_audio.dsp.samples import check_samples, from_float, remainder, to_float


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_there_and_back_is_exact(dtype: type) -> None:
    y = np.array([-32768, -1, 0, 1, 32767], np.int16)
    if np.dtype(dtype).kind == "f":
        y = (y / 32768).astype(dtype)
    back = from_float(to_float(y), dtype)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, y)


def test_int32_keeps_24_bits() -> None:
    y = (np.arange(-(2**23), 2**23, 12345) * 256).astype(np.int32)
    np.testing.assert_array_equal(from_float(to_float(y), np.int32), y)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integers_saturate(dtype: type) -> None:
    info = np.iinfo(dtype)
    assert from_float(np.array([1.5, -1.5], np.float32), dtype).tolist() == [info.max, info.min]
    y: npt.NDArray[Any] = np.array([5, info.max], dtype)
    part: npt.NDArray[Any] = np.array([2, -9], dtype)
    assert remainder(y, [part]).tolist() == [3, info.max]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.0], "type list"),
        (np.zeros(4, np.uint8), "type uint8"),
        (np.zeros(4, complex), "type complex128"),
        (np.zeros((2, 2, 2), np.float32), "shape"),
        (np.float32(1.0), "type float32"),
        (np.zeros((4000, 2), np.float32), r"pass y\.T"),
        (np.zeros((0, 5), np.float32), "channels"),
    ],
)
def test_what_is_no_signal_is_refused(y: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_samples(y)


def test_swapped_axes_are_named() -> None:
    with pytest.raises(ParameterError, match=r"pass y\.T"):
        check_samples(np.zeros((100, 2), np.float32), 2)


def test_the_first_bad_sample_is_named() -> None:
    y = np.zeros((2, 10), np.float32)
    y[1, 4] = np.nan
    y[0, 7] = np.inf
    with pytest.raises(ParameterError, match="sample 104 of channel 2 is NaN") as caught:
        check_samples(y, first_sample=100)
    assert caught.value.name == "y"
    with pytest.raises(ParameterError, match=r"noise: sample 0 of channel 1 is -1e\+300; must be finite"):
        check_samples(np.array([-1e300, 0]), name="noise")
    check_samples(np.full((1, 2), -(2**31), np.int32))


def test_kinds_of_arrays_are_taken_as_plain_ones() -> None:
    with pytest.warns(PendingDeprecationWarning):
        y = np.matrix(np.ones(4, np.float32))
    assert type(check_samples(y)) is np.ndarray
    hidden = np.ma.masked_array([1.0, np.nan], mask=[False, True])
    with pytest.raises(ParameterError, match="sample 1 of channel 1 is NaN"):
        check_samples(hidden)
