"""`Restorer`, its stream, and `restore`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio import ParameterError, Restorer, restore
from nmf_audio.dsp.samples import FULL_SCALE
from nmf_audio.restoration.missing_samples import estimate_missing
from tests.restoration.material import LEVEL, SR, chord, sdr

GAP = slice(2500, 2620)


def broken_chord() -> npt.NDArray[np.float64]:
    """Return a chord that is clipped, and has a gap."""
    y = np.clip(chord(), -LEVEL, LEVEL)
    y[GAP] = 0.0
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
def test_what_is_not_lost_stays_the_same_to_the_bit(dtype: type[Any]) -> None:
    y = (broken_chord() * min(FULL_SCALE[dtype], 2.0**31 - 128)).astype(dtype)
    found = restore(y, SR)
    assert found.dtype == dtype
    is_clipped = np.abs(chord()) >= LEVEL
    lost = is_clipped.copy()
    lost[GAP] = True
    np.testing.assert_array_equal(found[~lost], y[~lost])
    clipped = is_clipped & (y != 0)
    # compared as they are stored, none is nearer to zero than it was
    assert np.all(np.abs(found[clipped].astype(float)) >= np.abs(y[clipped].astype(float)))
    assert sdr(chord(), found / FULL_SCALE[dtype], lost) > 15


@pytest.mark.parametrize("level", [0.3, 0.5, 0.8])
def test_clipped_samples_come_near_to_what_they_were(level: float) -> None:
    y = chord()
    clipped = np.clip(y, -level, level)
    lost = np.abs(y) >= level
    assert sdr(y, restore(clipped, SR), lost) > sdr(y, clipped, lost) + 10


def test_the_output_does_not_depend_on_how_the_signal_is_cut() -> None:
    # more than a section and its context, with faults in the second section too
    y = np.stack([broken_chord(), chord()])[:, 1000:]
    y[0, 1000:3900] = chord()[2000:4900]
    restorer = Restorer()
    whole = restorer.restore(y, SR)
    for size in (1, 999):
        blocks = [y[:, start : start + size] for start in range(0, y.shape[1], size)]
        if size == 1:
            blocks = [*blocks[:5], y[:, 5:]]
        stream = restorer.learn(blocks, SR, 2)
        n_in = n_out = 0
        found = []
        for block in blocks:
            found.append(stream.process(block))
            n_in, n_out = n_in + block.shape[1], n_out + found[-1].shape[1]
            assert n_out > n_in - stream.latency
        np.testing.assert_array_equal(np.concatenate([*found, stream.flush()], axis=1), whole)


def test_channels_are_restored_each_by_itself() -> None:
    y = np.stack([broken_chord(), 0.1 * chord()])[:, 2000:3000]
    found = restore(y, SR)
    np.testing.assert_array_equal(found[0], restore(y[0], SR))
    np.testing.assert_array_equal(found[1], y[1])


def test_gaps_are_those_that_are_given() -> None:
    y = chord()
    broken = y + np.where(np.isin(np.arange(len(y)), np.arange(3000, 3080)), 2.0, 0.0)
    broken[GAP] = 0.0
    found = restore(broken, SR, faults="gaps", gaps=[(3000 / SR, 3080 / SR)])
    lost = found != broken
    assert set(np.flatnonzero(lost)) <= set(range(3000, 3080))
    assert sdr(y, found, lost) > 10


def test_a_gap_across_sections_is_filled_once() -> None:
    y = chord()
    # sections are half a second long
    broken = y.copy()
    broken[3940:4060] = 0.0
    stream = Restorer(faults="gaps").learn([broken], SR)
    found = np.concatenate([stream.process(broken), stream.flush()])
    assert [tuple(span) for span in stream.channels[0].filled] == [(3940, 4060)]
    assert sdr(y, found, broken != y) > 10


def test_one_fault_alone_can_be_restored() -> None:
    y = broken_chord()
    in_gap = np.zeros(len(y), bool)
    in_gap[GAP] = True
    np.testing.assert_array_equal(restore(y, SR, faults="clipping")[in_gap], y[in_gap])
    np.testing.assert_array_equal(restore(y, SR, faults=["gaps"])[~in_gap], y[~in_gap])


def test_a_level_that_is_given_counts_from_both_sides() -> None:
    y = chord()
    found = restore(np.clip(y, -LEVEL, LEVEL) * 1.0, SR, clip_level=0.45)
    assert np.all(np.abs(found[np.abs(y) >= 0.45]) >= 0.45)


def test_where_most_is_clipped_nothing_is_changed() -> None:
    y = np.clip(chord(), -0.05, 0.05)
    stream = Restorer().learn([y], SR)
    np.testing.assert_array_equal(np.concatenate([stream.process(y), stream.flush()]), y)
    assert stream.channels[0].n_left == np.sum(np.abs(y) == 0.05)


@pytest.mark.parametrize("y", [np.zeros(3000), np.zeros(0), np.ones(1), chord(), np.zeros((2, 0))])
def test_where_nothing_is_lost_nothing_is_changed(y: npt.NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(restore(y, SR), y)
    restorer = Restorer(clip_level=5.0, gaps=())
    assert restorer.n_passes == 1
    np.testing.assert_array_equal(restorer.restore(y, SR), y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faults": "hiss"}, r"faults='hiss'; must be 'clipping' or 'gaps'"),
        ({"faults": ()}, r"faults=\(\); must be some of clipping, gaps"),
        ({"faults": 3}, r"faults=3; must be some of"),
        ({"clip_level": 0}, r"clip_level=0; must be a number above 0"),
        ({"gaps": [(1, 1.2)]}, r"gaps=\(1.0, 1.2\); must be pairs .* at most 0.1 s apart"),
        ({"gaps": [(1, 1)]}, "must be pairs"),
        ({"gaps": [1, 2]}, "gaps=1; must be pairs"),
        ({"gaps": "1-2"}, "gaps='1-2'; must be pairs"),
        ({"gaps": [(-1, 0)]}, "gaps=-1; must be a number of at least 0"),
        (
            {"gaps": [(1, 1.05), (1.02, 1.1)]},
            r"gaps=\(1.02, 1.1\); must be behind the gap before it, .* 1.05 s",
        ),
        ({"faults": "gaps", "clip_level": 0.5}, r"faults=.* and clip_level=0.5 do not go together"),
        ({"faults": "clipping", "gaps": [(1, 1.05)]}, r"do not go together"),
    ],
)
def test_what_is_not_allowed_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        restore(chord(), SR, **options)


def test_where_too_much_is_lost_for_the_memory_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    y = broken_chord()[2000:3000]
    monkeypatch.setattr("nmf_audio.restoration.filling.MAX_ENTRIES", 1000)
    stream = Restorer().learn([y], SR)
    np.testing.assert_array_equal(np.concatenate([stream.process(y), stream.flush()]), y)
    assert stream.channels[0].n_left > 100


def test_long_frames_are_chosen_for_steady_tones(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def note(y: Any, unknown: Any, n_fft: int, **options: Any) -> Any:
        sizes.append(n_fft)
        return estimate_missing(y, unknown, n_fft, **options)

    monkeypatch.setattr("nmf_audio.restoration.filling.estimate_missing", note)
    t = np.arange(6000) / SR
    steady = np.sum([np.sin(2 * np.pi * f * t) for f in range(200, 900, 37)], axis=0) / 20
    steady[3000:3400] = 0.0
    restore(steady, SR, gaps=[(3000 / SR, 3400 / SR)])
    assert sizes[-1] == 2048
    assert set(sizes) == {512, 2048}


def test_where_nothing_is_known_nothing_is_changed() -> None:
    y = chord(700)
    restorer = Restorer(gaps=[(0, 0.05), (0.05, 0.1)])
    stream = restorer.learn([y], SR)
    np.testing.assert_array_equal(np.concatenate([stream.process(y), stream.flush()]), y)
    assert (stream.channels[0].n_left, stream.channels[0].filled) == (700, [])


def test_blocks_of_another_type_or_behind_the_end_are_refused() -> None:
    y = chord(2000)
    stream = Restorer().learn([y], SR)
    first = stream.process(y[:1000])
    with pytest.raises(ParameterError, match="block is of type int16; must be float64 as before"):
        stream.process(np.zeros(10, np.int16))
    np.testing.assert_array_equal(np.concatenate([first, stream.process(y[1000:]), stream.flush()]), y)
    with pytest.raises(ParameterError, match=r"ended by flush\(\); make another stream"):
        stream.process(y)
