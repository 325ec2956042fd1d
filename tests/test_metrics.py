"""Metrics against their definitions, and what they refuse."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.errors import MissingExtraError, ParameterError
from nmf_audio.metrics import active_frames, edge_windows, estoi, pesq, segmental_snr, si_sdr, stoi

Array = npt.NDArray[np.float32]
SR = 16000
THROUGH_EXTRA = [pesq, stoi, estoi]
ALL = [si_sdr, *THROUGH_EXTRA]


def _orthogonal_pair(n: int = 8000) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    s, e = rng.standard_normal((2, n))
    e -= (e @ s) / (s @ s) * s
    return s, e * np.linalg.norm(s) / np.linalg.norm(e)


@pytest.mark.parametrize("db", [-12.0, 0.0, 7.5, 40.0])
def test_si_sdr_is_the_ratio_of_orthogonal_parts(db: float) -> None:
    s, e = _orthogonal_pair()
    assert si_sdr(s, s + e * 10 ** (-db / 20)) == pytest.approx(db, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-4, 0.5, -2.0, 1e4])
def test_si_sdr_does_not_see_scale(scale: float) -> None:
    s, e = _orthogonal_pair()
    x = s + 0.3 * e
    assert si_sdr(s, scale * x) == pytest.approx(si_sdr(s, x), abs=1e-9)
    assert si_sdr(scale * s, x) == pytest.approx(si_sdr(s, x), abs=1e-9)


def test_si_sdr_at_its_ends() -> None:
    s = np.array([1.0, -1.0, 2.0, 0.0])
    assert si_sdr(s, s) == np.inf
    assert si_sdr(s, np.zeros(4)) == -np.inf
    assert si_sdr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -np.inf


def test_segmental_snr_weighs_quiet_and_loud_alike_and_is_bounded() -> None:
    s = np.random.default_rng(0).standard_normal(SR)
    quiet_half = s * np.where(np.arange(SR) < SR // 2, 1.0, 0.1)
    assert segmental_snr(quiet_half, 0.9 * quiet_half, SR) == pytest.approx(20)
    assert segmental_snr(s, s, SR) == 35
    assert segmental_snr(s, 100 * s, SR) == -10


def test_segmental_snr_of_speech_rises_as_noise_falls(clean_speech: Array, noisy_speech: Array) -> None:
    less = clean_speech + 0.1 * (noisy_speech - clean_speech)
    assert segmental_snr(clean_speech, less, SR) > segmental_snr(clean_speech, noisy_speech, SR) + 10


def test_active_frames_do_not_depend_on_level(clean_speech: Array) -> None:
    active = active_frames(clean_speech, SR)
    assert 0.4 < active.mean() < 0.9
    assert not active[:40].any(), "the demo begins with silence"
    np.testing.assert_array_equal(active, active_frames(1e-3 * clean_speech, SR))


def test_edges_of_bursts() -> None:
    burst, pause = np.ones(4000), np.zeros(3200)
    y = np.concatenate([pause, burst, pause, burst, np.zeros(480), burst, pause])
    onsets, ends = edge_windows(y, SR)
    assert [w.start for w in onsets] == [3200, 10400], "a pause of 30 ms does not separate"
    assert [w.stop for w in ends] == [7200, 18880]
    assert {w.stop - w.start for w in [*onsets, *ends]} == {800}


def test_a_stretch_shorter_than_the_window_has_no_edges() -> None:
    y = np.concatenate([np.zeros(3200), np.ones(480), np.zeros(3200)])
    assert edge_windows(y, SR) == ([], [])


@pytest.mark.parametrize("metric", THROUGH_EXTRA)
def test_the_better_of_two_scores_higher(
    metric: Callable[[Array, Array], float], clean_speech: Array, noisy_speech: Array
) -> None:
    less = clean_speech + 0.3 * (noisy_speech - clean_speech)
    assert (
        metric(clean_speech, noisy_speech) < metric(clean_speech, less) < metric(clean_speech, clean_speech)
    )


def test_the_scores_of_the_demo(clean_speech: Array, noisy_speech: Array) -> None:
    scores = [metric(clean_speech, noisy_speech) for metric in (pesq, stoi, estoi, si_sdr)]
    np.testing.assert_allclose(scores, [1.037, 0.808, 0.640, 2.30], atol=0.01)


@pytest.mark.parametrize("metric", ALL)
def test_refuses_signals_that_do_not_fit(metric: Callable[[Array, Array], float]) -> None:
    y = np.ones(SR, np.float32)
    for reference, estimate in [(y, y[1:]), (y.reshape(1, -1), y.reshape(1, -1)), (y[:0], y[:0])]:
        with pytest.raises(ParameterError, match=r"(estimate|reference) has shape .*; must be of shape"):
            metric(reference, estimate)
    with pytest.raises(ParameterError, match=r"estimate\[0\]=nan; must be finite"):
        metric(y, np.full(SR, np.nan, np.float32))


def test_refuses_what_has_no_score() -> None:
    silence, short = np.zeros(SR, np.float32), np.ones(1000, np.float32)
    with pytest.raises(ParameterError, match="silent"):
        si_sdr(silence, silence)
    with pytest.raises(ParameterError, match="no frame with sound"):
        segmental_snr(silence, silence, SR)
    with pytest.raises(ParameterError, match="utterance"):
        pesq(short, short)
    with pytest.raises(ParameterError, match="too little speech"):
        stoi(short, short)
    with pytest.raises(ParameterError, match="sr=48000"):
        pesq(short, short, 48000)


@pytest.mark.parametrize("metric", THROUGH_EXTRA)
def test_a_missing_extra_says_how_to_get_it(
    metric: Callable[[Array, Array], float], monkeypatch: pytest.MonkeyPatch, clean_speech: Array
) -> None:
    for name in ("pesq", "pystoi"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="install it with: pip install p"):
        metric(clean_speech, clean_speech)


@pytest.mark.parametrize("metric", [stoi, estoi, segmental_snr, active_frames, edge_windows])
def test_the_sample_rate_is_checked(metric: Callable[..., object]) -> None:
    y = np.random.default_rng(0).standard_normal(8000)
    signals = (y,) if metric in (active_frames, edge_windows) else (y, y)
    for sr in (0, -16000, 16000.5, "16000", None):
        with pytest.raises(ParameterError, match="must be a whole number from 4000 to 384000 Hz") as caught:
            metric(*signals, sr)
        assert (caught.value.name, caught.value.value) == ("sr", sr)


def test_lengths_of_frames_windows_and_pauses_are_checked() -> None:
    y = np.ones(1600)
    with pytest.raises(ParameterError, match=r"frame_seconds=0; must be a number above 0 s"):
        segmental_snr(y, y, SR, frame_seconds=0)
    with pytest.raises(ParameterError, match=r"range_db=-1; must be a number of at least 0 dB"):
        active_frames(y, SR, range_db=-1)
    with pytest.raises(ParameterError, match=r"window_seconds=0; must be a number above 0 s"):
        edge_windows(y, SR, window_seconds=0)
    with pytest.raises(ParameterError, match=r"pause_seconds=nan; must be a number of at least 0 s"):
        edge_windows(y, SR, pause_seconds=np.nan)
    with pytest.raises(ParameterError, match=r"reference\[3\]=nan; must be finite"):
        active_frames(np.where(np.arange(1600) == 3, np.nan, y), SR)
