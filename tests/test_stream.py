from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmf_audio import Denoiser, ParameterError, Separator, Stream
from nmf_audio._types import ComplexArray
from nmf_audio.decompose import METHODS
from nmf_audio.decompose.analysis import AnalysedFrames, Analysis
from tests.tiny import NO_MEMORY, denoiser_by

Array = npt.NDArray[np.float32]
NoisyAt = Callable[[int, int, float], Array]

RATES = [8000, 16000, 44100, 48000, 192000]
CHANNELS = [1, 2, 6]
# every method at every rate, and with every number of channels; the other combinations are slow
SIGNALS = [
    pytest.param(method, sr, n, marks=() if (i + j) % 3 == k else pytest.mark.slow)
    for i, method in enumerate([*METHODS, NO_MEMORY])
    for j, sr in enumerate(RATES)
    for k, n in enumerate(CHANNELS)
]

# Blocks give the same bits as the whole signal: each frame is computed alone, by products of one shape. (The product
# of all frames of a block at once would round differently with their number.)


def in_blocks(stream: Stream, y: Array, lengths: Iterator[int]) -> tuple[Array, list[tuple[int, int]]]:
    """Run `y` through in blocks; return the output and, after every block, samples in and samples out."""
    parts, counts, position, n_out = [], [], 0, 0
    while position < y.shape[-1]:
        n = next(lengths)
        out = stream.process(y[..., position : position + n])
        position = min(position + n, y.shape[-1])
        n_out += out.shape[-1]
        parts.append(out)
        counts.append((position, n_out))
    parts.append(stream.flush())
    return np.concatenate(parts, axis=-1), counts


def random_lengths(seed: int, longest: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.choice(np.array([0, 1, 1, 7, 160, longest, rng.integers(0, longest)])))


@pytest.mark.parametrize(("method", "sr", "n_channels"), SIGNALS)
def test_any_blocks_give_the_one_shot_result(
    method: str, sr: int, n_channels: int, noisy_at: NoisyAt
) -> None:
    y = noisy_at(sr, n_channels, 0.9)
    y = y[0] if n_channels == 1 else y
    denoiser = denoiser_by(method)
    expected = denoiser.denoise(y, sr, warm_up=0)
    assert expected.shape == y.shape
    assert np.abs(expected).max() > 0.01
    stream = denoiser.stream(sr, n_channels)
    assert stream.latency == pytest.approx(0.032 * sr, rel=0.02)
    first, counts = in_blocks(stream, y, random_lengths(1, sr // 10))
    for n_in, n_out in counts:
        assert n_in - stream.latency <= n_out <= n_in
    assert first.shape == y.shape
    np.testing.assert_array_equal(first, expected)
    again, _ = in_blocks(stream, y, random_lengths(1, sr // 10))
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
@pytest.mark.parametrize("length", [1, 17, 509, 44100])
def test_blocks_of_one_length(method: str, length: int, noisy_speech: Array) -> None:
    y = noisy_speech[8000:16000]
    denoiser = denoiser_by(method)
    expected = denoiser.denoise(y, 16000, warm_up=0)

    def lengths() -> Iterator[int]:
        while True:
            yield length

    out, _ = in_blocks(denoiser.stream(16000), y, lengths())
    np.testing.assert_array_equal(out, expected)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 2000), min_size=1, max_size=12))
def test_length_and_alignment_for_any_cut(lengths: list[int], noisy_speech: Array) -> None:
    y = noisy_speech[: sum(lengths)]
    out, _ = in_blocks(STREAM, y, iter([*lengths, 1]))
    assert out.shape == y.shape
    np.testing.assert_array_equal(out, DENOISER.denoise(y, 16000, warm_up=0))


DENOISER = Denoiser()
STREAM = DENOISER.stream(16000)


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
def test_a_gain_of_one_gives_the_signal_back_in_place(method: str, noisy_speech: Array) -> None:
    y = noisy_speech[:20000]
    for mix, reduction_db in ((0.0, 30.0), (1.0, 0.0)):
        out = denoiser_by(method, mix=mix, reduction_db=reduction_db).denoise(y, 16000)
        np.testing.assert_allclose(out, y, atol=1e-6)
    np.testing.assert_array_equal(denoiser_by(method, mix=0).denoise(y, 16000), y)


def test_mix_is_the_weighted_sum(noisy_speech: Array) -> None:
    y = noisy_speech[:20000]
    wet = Denoiser().denoise(y, 16000)
    half = Denoiser(mix=0.5).denoise(y, 16000)
    np.testing.assert_allclose(half, 0.5 * (y + wet), atol=1e-6)


@pytest.mark.parametrize("length", [1, 16, 160, 700])
def test_fixed_blocks_are_the_output_delayed_by_the_latency(length: int, noisy_speech: Array) -> None:
    y = noisy_speech[: 20 * 700]
    stream = DENOISER.stream(16000)
    parts = []
    for i in range(0, len(y), length):
        block = y[i : i + length]
        out = stream.process(block, fixed=True)
        assert out.shape == block.shape
        parts.append(out)
    parts.append(stream.flush())
    out = np.concatenate(parts)
    assert not out[: stream.latency].any()
    np.testing.assert_array_equal(out[stream.latency :], DENOISER.denoise(y, 16000, warm_up=0))


def test_fixed_may_not_change_within_a_signal() -> None:
    stream = DENOISER.stream(16000)
    stream.process(np.zeros(10, np.float32), fixed=True)
    with pytest.raises(ParameterError, match="fixed=False"):
        stream.process(np.zeros(10, np.float32))
    stream.reset()
    assert stream.process(np.zeros(10, np.float32)).shape == (0,)


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "NaN"), (-np.inf, "infinite"), (1e37, "1e[+]37")])
@pytest.mark.parametrize("method", ["trained", NO_MEMORY])
def test_a_refused_block_leaves_the_stream_as_it_was(
    method: str, value: float, shown: str, noisy_speech: Array
) -> None:
    y = noisy_speech[:8000]
    denoiser = denoiser_by(method)
    stream = denoiser.stream(16000)
    parts = [stream.process(y[:3000])]
    bad = y[3000:4000].copy()
    bad[123] = value
    with pytest.raises(ParameterError, match=f"block: sample 3123 of channel 1 is {shown}; must be"):
        stream.process(bad)
    with pytest.raises(ParameterError, match="shape"):
        stream.process(np.zeros((3, 100), np.float32))
    parts += [stream.process(y[3000:]), stream.flush()]
    np.testing.assert_array_equal(np.concatenate(parts), denoiser.denoise(y, 16000, warm_up=0))


@pytest.mark.parametrize("n_samples", [0, 1, 2, 255, 256, 257, 511, 512, 513, 10000])
@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
def test_short_and_silent_signals_are_fine(method: str, n_samples: int) -> None:
    denoiser = denoiser_by(method)
    for value in (0.0, 0.5):
        y = np.full(n_samples, value, np.float32)
        out = denoiser.denoise(y, 16000)
        assert out.shape == y.shape
        assert np.isfinite(out).all()
        if value == 0:
            assert not out.any()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_types_come_back_as_they_went_in(dtype: type, noisy_speech: Array) -> None:
    y = noisy_speech[:16000]
    expected = DENOISER.denoise(y, 16000)
    scale = 1.0 if np.dtype(dtype).kind == "f" else float(-np.iinfo(dtype).min)
    samples: npt.NDArray[np.generic] = (
        (y.astype(np.float64) * scale).round(12 if scale == 1 else 0).astype(dtype)
    )
    out = DENOISER.denoise(samples, 16000)
    assert out.dtype == dtype
    np.testing.assert_allclose(out / scale, expected, atol=1e-4)


@pytest.mark.parametrize("n_channels", [0, 65, 1.0, True, "2"])
def test_channel_counts_that_are_not_allowed(n_channels: object) -> None:
    with pytest.raises(ParameterError, match="n_channels="):
        DENOISER.stream(16000, n_channels)  # type: ignore[arg-type]


def test_a_primed_stream_knows_the_noise_from_the_first_frame_on() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(16000 * 4).astype(np.float32)
    alone, y = noise[: 16000 * 3], noise[16000 * 3 :]
    denoiser = Denoiser(reduction_db=100)
    plain, primed = (denoiser.denoise(y, 16000, noise=n)[:4000] for n in (None, alone))
    assert np.std(primed) < 0.5 * np.std(plain)


@pytest.mark.parametrize("method", ["trained", NO_MEMORY])
def test_priming_survives_reset_and_is_refused_once_the_signal_has_begun(
    method: str, noisy_speech: Array
) -> None:
    y, noise = noisy_speech[:8000], noisy_speech[8000:20000]
    denoiser = denoiser_by(method)
    stream = denoiser.stream(16000, 2)
    stream.prime(noise)
    outputs = [np.concatenate([stream.process(np.stack([y, y])), stream.flush()], axis=1) for _ in (0, 1)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    # two equal channels, joined by power, have the magnitudes of one only up to rounding
    np.testing.assert_allclose(outputs[0][0], denoiser.denoise(y, 16000, noise=noise, warm_up=0), atol=1e-5)
    assert np.abs(outputs[0][0] - denoiser.denoise(y, 16000, warm_up=0)).max() > 1e-4
    # what the noise is like is learned, not how loud it is
    louder = denoiser.denoise(y, 16000, noise=64 * noise, warm_up=0)
    np.testing.assert_allclose(louder, denoiser.denoise(y, 16000, noise=noise, warm_up=0), atol=1e-5)
    stream.process(np.stack([y, y]))
    with pytest.raises(ParameterError, match="has begun"):
        stream.prime(noise)


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY])
@pytest.mark.parametrize("channels", ["linked", "independent"])
def test_primed_with_its_beginning_a_stream_gives_the_one_shot_result(
    method: str, channels: str, noisy_speech: Array
) -> None:
    y = np.stack([noisy_speech[:20000], noisy_speech[20000:40000]])
    denoiser = denoiser_by(method, channels=channels)
    stream = denoiser.stream(16000, 2)
    stream.prime(beginning=y[:, :8000])
    expected = denoiser.denoise(y, 16000, warm_up=0.5)
    # twice: it is kept over the end of a signal
    for seed in (1, 2):
        out, _ = in_blocks(stream, y, random_lengths(seed, 3000))
        np.testing.assert_array_equal(out, expected)
    assert np.abs(expected - denoiser.denoise(y, 16000, warm_up=0)).max() > 1e-6


@pytest.mark.parametrize("channels", ["linked", "independent"])
def test_a_beginning_is_heard_once_for_each_signal(channels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    process = Analysis.process

    def count(analysis: Analysis, X: ComplexArray) -> AnalysedFrames:
        counts.append(X.shape[1])
        return process(analysis, X)

    monkeypatch.setattr(Analysis, "process", count)
    stream = Denoiser(channels=channels).stream(16000, 2)
    stream.prime(beginning=np.zeros((2, 256 * 20), np.float32))
    heard = sum(counts)
    assert heard >= 19
    stream.process(np.zeros((2, 256 * 10), np.float32))
    stream.flush()
    of_signal = sum(counts) - heard
    # the next signal hears it again, with its first block
    stream.process(np.zeros((2, 256 * 10), np.float32))
    stream.flush()
    assert sum(counts) == 2 * (heard + of_signal)


def test_a_beginning_that_was_heard_comes_out_as_clean_as_the_rest() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    denoiser = Denoiser(reduction_db=100)
    cold, warm = (denoiser.denoise(noise, 16000, warm_up=seconds)[:4000] for seconds in (0, 2))
    assert np.std(warm) < 0.5 * np.std(cold)


@pytest.mark.parametrize("warm_up", [-1, 61, np.nan, "2", None])
def test_a_warm_up_is_some_seconds(warm_up: Any) -> None:
    with pytest.raises(ParameterError, match=r"^warm_up=.*must be a number from 0 to 60"):
        DENOISER.denoise(np.zeros(100, np.float32), 16000, warm_up=warm_up)


def test_a_stream_that_got_nothing_has_nothing_left() -> None:
    assert DENOISER.stream(16000).flush().shape == (0,)
    assert {part.shape for part in Separator("plain").stream(16000, 2).flush().values()} == {(2, 0)}


def test_the_output_has_the_type_of_its_block(noisy_speech: Array) -> None:
    y = noisy_speech[:16000]
    stream = DENOISER.stream(16000)
    parts = [stream.process(y[:8000]), stream.process((y[8000:] * 32768).astype(np.int16))]
    parts.append(stream.flush())
    assert [part.dtype for part in parts] == [np.float32, np.int16, np.int16]
    assert sum(part.shape[0] for part in parts) == len(y)


def test_one_thread_at_a_time(noisy_speech: Array) -> None:
    y = noisy_speech[:4000]
    inside: list[Callable[[], object]] = []

    def enter(*_: object) -> None:
        with ThreadPoolExecutor(1) as other:
            for call in inside:
                with pytest.raises(ParameterError, match="one stream, one thread at a time"):
                    other.submit(call).result()

    stream = DENOISER.stream(16000, observer=enter)
    parts = [stream.process(y[:1000])]
    inside += [lambda: stream.process(y), stream.flush, stream.reset, lambda: stream.prime(y)]
    # the calls that were refused have changed nothing
    parts += [stream.process(y[1000:]), stream.flush()]
    np.testing.assert_array_equal(np.concatenate(parts), DENOISER.denoise(y, 16000, warm_up=0))


@pytest.mark.parametrize("make", [Denoiser, partial(Separator, "plain")])
def test_an_error_does_not_keep_others_out(make: Callable[[], Denoiser | Separator]) -> None:
    stream = make().stream(16000)
    with pytest.raises(ParameterError, match="shape"):
        stream.process(np.zeros((3, 100), np.float32))
    stream.process(np.zeros(100, np.float32))


@cache
def keep_one(method: str, samples: bytes) -> Array:
    """Return the speech of float32 samples at 16 kHz, the same ones once."""
    y = np.frombuffer(samples, np.float32)
    if method == "separator":
        return np.asarray(Separator("plain").separate(y, 16000)["speech"])
    return np.asarray(denoiser_by(method).denoise(y, 16000))


@pytest.mark.parametrize("method", [*METHODS, NO_MEMORY, "separator"])
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logarithm=st.floats(3, 9), at=st.one_of(st.just(0), st.integers(0, 12000)), n_samples=st.integers(1, 700)
)
@example(logarithm=3.0, at=583, n_samples=700)
@example(logarithm=3.0, at=800, n_samples=700)
def test_a_stream_recovers_from_samples_out_of_place(
    method: str, logarithm: float, at: int, n_samples: int, noisy_speech: Array
) -> None:
    y = noisy_speech[:36000].copy()
    expected = keep_one(method, y.tobytes())
    y[at : at + n_samples] += np.float32(10**logarithm)
    out = keep_one(method, y.tobytes())
    assert np.isfinite(out).all()
    later = slice(at + n_samples + 16000, None)
    assert np.std(out[later] - expected[later]) < 0.3 * np.std(expected[later])


def test_a_stream_recovers_from_a_long_stretch_far_beyond_full_scale(noisy_speech: Array) -> None:
    y = noisy_speech[:64000].copy()
    expected = DENOISER.denoise(y, 16000, warm_up=0)
    y[16000:24000] = 1e9
    out = DENOISER.denoise(y, 16000, warm_up=0)
    assert np.std(out[40000:] - expected[40000:]) < 0.3 * np.std(expected[40000:])
