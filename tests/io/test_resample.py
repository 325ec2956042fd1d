"""The output at another rate: in step with the input, of the right length, whatever the blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from nmf_audio.io.resample import Resampler

RATES = [(16000, 48000), (44100, 48000), (48000, 44100), (48000, 16000), (8000, 44100)]
Array = npt.NDArray[np.float32]


def convert(y: Array, sr_in: int, sr_out: int, n_block: int = 1000) -> Array:
    blocks: list[Array] = []
    with Resampler(lambda block: blocks.append(block.astype(np.float32)), sr_in, sr_out, len(y)) as resampler:
        for start in range(0, y.shape[1], n_block):
            block = y[:, start : start + n_block]
            assert resampler.write(block) is block
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize(("sr_in", "sr_out"), RATES)
def test_a_sine_stays_where_it_is(sr_in: int, sr_out: int) -> None:
    n, f = sr_in + 123, 440.0
    y = np.sin(2 * np.pi * f * np.arange(n) / sr_in).astype(np.float32)[None]
    out = convert(y, sr_in, sr_out)
    t = np.arange(out.shape[1]) / sr_out
    inner = slice(sr_out // 20, -sr_out // 20)
    # a shift by a hundredth of a sample at 48 kHz would be an error of 6e-4
    np.testing.assert_allclose(out[0, inner], np.sin(2 * np.pi * f * t)[inner], atol=2e-5)


@pytest.mark.parametrize(("sr_in", "sr_out"), RATES)
@pytest.mark.parametrize("second", [0.01, 0.25, 0.99])
def test_an_impulse_stays_where_it_is(sr_in: int, sr_out: int, second: float) -> None:
    y = np.zeros((1, sr_in), np.float32)
    position = round(second * sr_in)
    y[0, position] = 1
    out = convert(y, sr_in, sr_out)[0]
    assert abs(int(np.argmax(np.abs(out))) - position * sr_out / sr_in) <= 0.5


@pytest.mark.parametrize(("sr_in", "sr_out"), RATES)
@pytest.mark.parametrize("n", [0, 1, 2, 100, 4321])
def test_the_length_is_that_of_the_input(sr_in: int, sr_out: int, n: int) -> None:
    out = convert(np.ones((2, n), np.float32), sr_in, sr_out)
    assert out.shape[0] == 2
    assert abs(out.shape[1] - n * sr_out / sr_in) <= 0.5


@pytest.mark.parametrize("n_block", [1, 17, 4096])
def test_blocks_of_any_length_give_the_same(n_block: int) -> None:
    y = np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32)
    whole = soxr.resample(y.T, 16000, 22050, quality="VHQ").T
    np.testing.assert_allclose(convert(y, 16000, 22050, n_block), whole, atol=1e-6)


def test_after_a_fault_nothing_more_is_written() -> None:
    blocks: list[Array] = []
    resampler = Resampler(blocks.append, 8000, 16000, 1)
    resampler.write(np.ones((1, 1000), np.float32))
    n_before = len(blocks)
    resampler.__exit__(InterruptedError, InterruptedError(), None)
    assert len(blocks) == n_before
    resampler.__exit__(None, None, None)
    assert len(blocks) > n_before
