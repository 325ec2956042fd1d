from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_audio.dsp.stft import istft, stft
from nmf_audio.errors import ParameterError
from nmf_audio.separation import segment_masking
from nmf_audio.separation.frame_sampling import RUN, RunSampler, thin
from nmf_audio.separation.recording_separator import SegmentStream
from nmf_audio.separation.segment_masking import SegmentMasking, analyse_blocks, join_channels

N_FFT, HOP = 64, 32


def _masker(S: Any) -> Any:
    """Look at the whole segment, so that what is heard with it matters."""
    a = join_channels(S) / (join_channels(S) + 0.01 * S.sum() + 1e-9)
    return np.stack([a, 0.5 * (1 - a)]).astype(np.float32)


def _stream(n_channels: int = 1, masker: Any = _masker) -> SegmentStream:
    masking = SegmentMasking(masker, 2, N_FFT, n_channels)
    return SegmentStream(masking, 8000, n_channels, sources=("a", "b"))


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_masking, "SEGMENT", 8)
    monkeypatch.setattr(segment_masking, "CONTEXT", 3)


@pytest.mark.parametrize("n", [5000, 8 * HOP, 7 * HOP + 1, 63, 1, 0])
@pytest.mark.parametrize("per_channel", [False, True])
def test_masks_are_those_of_absolute_segments_with_their_context(n: int, per_channel: bool) -> None:
    def masker(S: Any) -> Any:
        masks = _masker(S)
        return masks * np.array([1.0, 0.5], np.float32)[:, None, None] if per_channel else masks

    y = np.random.default_rng(0).standard_normal((2, n)).astype(np.float32)
    X = stft(y, N_FFT)
    n_frames = X.shape[2]
    masks = np.zeros((2, *X.shape), np.float32)
    S = np.abs(X)
    for start in range(0, n_frames, 8):
        first, last = max(start - 3, 0), min(start + 11, n_frames)
        found = masker(S[:, :, first:last])[..., start - first : start - first + 8]
        masks[..., start : start + 8] = found
    stream = _stream(2, masker)
    pieces = [stream.process(y), stream.flush()]
    for i, name in enumerate(("a", "b")):
        expected = istft((masks[i] * X).astype(np.complex64), N_FFT, n)
        np.testing.assert_allclose(
            np.concatenate([piece[name] for piece in pieces], axis=1), expected, atol=2e-6
        )


@given(st.lists(st.integers(0, 700), min_size=1, max_size=8), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_how_a_signal_is_cut_makes_no_difference(lengths: list[int], seed: int) -> None:
    y = np.random.default_rng(seed).standard_normal((2, sum(lengths))).astype(np.float32)
    stream = _stream(2)
    whole = [stream.process(y), stream.flush()]
    ends = np.cumsum(lengths)
    cut = [stream.process(y[:, end - n : end]) for n, end in zip(lengths, ends, strict=True)]
    cut.append(stream.flush())
    for name in ("a", "b", "residual"):
        np.testing.assert_array_equal(
            np.concatenate([piece[name] for piece in cut], axis=1),
            np.concatenate([piece[name] for piece in whole], axis=1),
        )


def test_samples_come_out_within_the_latency() -> None:
    stream, n_out = _stream(), 0
    for n_in in range(1, 3000):
        n_out += stream.process(np.ones(1, np.float32))["a"].shape[0]
        assert n_out >= n_in - stream.latency


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_parts_add_up(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    scale = {np.int16: 3000, np.int32: 2**28}.get(dtype, 0.1)
    y = (scale * rng.standard_normal(3000)).astype(dtype)
    stream = _stream()
    pieces = [stream.process(y), stream.flush()]
    parts = [np.concatenate([piece[name] for piece in pieces]) for name in ("a", "b", "residual")]
    assert parts[0].dtype == dtype
    total: npt.NDArray[Any] = np.sum([p.astype(np.float64) for p in parts], axis=0)
    if np.issubdtype(dtype, np.integer):
        np.testing.assert_array_equal(total, y)
    else:
        np.testing.assert_allclose(total, y, atol=1e-7)


def test_silence_around_a_sound_is_not_learned_from() -> None:
    seen = []

    def masker(S: Any) -> Any:
        seen.append(S.shape[2])
        return _masker(S)

    y = np.zeros(2000, np.float32)
    y[: 4 * HOP] = 1.0
    stream = _stream(masker=masker)
    stream.process(y)
    stream.flush()
    assert seen == [5]


def test_listening_gives_the_stft() -> None:
    y = np.random.default_rng(0).standard_normal((2, 1234)).astype(np.float32)
    heard: list[Any] = []
    analyse_blocks((y[:, i : i + 100] for i in range(0, 1234, 100)), N_FFT, 2, heard.append)
    S = np.abs(stft(y, N_FFT))
    found = np.concatenate(heard, axis=2)
    np.testing.assert_allclose(found[..., : S.shape[2]], S, atol=1e-5)
    assert not found[..., S.shape[2] :].any()
    with pytest.raises(ParameterError, match="sample 3 of channel 1 is NaN"):
        analyse_blocks([np.zeros(3, np.float32), np.full(2, np.nan, np.float32)], N_FFT, 1, heard.append)
    with pytest.raises(ParameterError, match="must be float32 as before"):
        analyse_blocks([np.zeros(3, np.float32), np.zeros(3, np.int16)], N_FFT, 1, heard.append)


@pytest.mark.parametrize("n_frames", [0, 5, RUN, 8 * RUN, 8 * RUN + 1, 33 * RUN + 7])
def test_runs_of_frames_are_kept_in_bounded_memory(n_frames: int) -> None:
    S = 1.0 + np.arange(n_frames, dtype=np.float32)[None, None]
    sampler = RunSampler(8 * RUN)
    for start in range(0, n_frames, 37):
        sampler.add(S[:, :, start : start + 37])
    kept = sampler.frames()[0, 0]
    if n_frames <= 8 * RUN:
        np.testing.assert_array_equal(kept, S[0, 0])
        return
    assert 4 * RUN <= len(kept) <= 8 * RUN
    # neighbours, but for the gaps between runs, which lie evenly over all
    steps = np.diff(kept)
    assert (steps == 1).sum() >= len(kept) - 9
    assert len(np.unique(steps[steps != 1])) <= 1
    assert kept[0] == 1
    assert kept[-1] > 0.7 * n_frames


def test_signals_together_lose_runs_of_the_longest() -> None:
    lengths = (7, 3 * RUN + 5, 40 * RUN)
    kept = [np.arange(n, dtype=np.float32)[None] for n in lengths]
    thin(kept, 10 * RUN)
    assert [S.shape[1] for S in kept] == [7, 3 * RUN + 5, 5 * RUN]
    # what stays are whole runs, evenly spread
    runs = kept[2][0].reshape(-1, RUN)
    np.testing.assert_array_equal(runs[:, 0], 8 * RUN * np.arange(5))
    np.testing.assert_array_equal(runs - runs[:, :1], np.tile(np.arange(RUN), (5, 1)))
    # very many that have no two runs stay as they are
    many = [np.zeros((1, RUN), np.float32) for _ in range(20)]
    thin(many, 10 * RUN)
    assert sum(S.shape[1] for S in many) == 20 * RUN
