"""A mixture comes apart into its sources, and they add up to it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmf_audio import Dictionary, DictionaryError, FrontEndSpec, Group, ParameterError, Separator, separate
from nmf_audio.decompose.fixed import ClassicDecomposition, SourcesDecomposition
from nmf_audio.dictionary import load_dictionary
from nmf_audio.metrics import si_sdr
from tests.separation.material import LOW, Mixture, instrument, melody, two_instruments


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    return two_instruments()


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("mask_power", [1.0, 2.0, 8.0])
def test_sources_come_apart_by_any_divergence_and_mask(beta: float, mask_power: float) -> None:
    power = 2.0 if beta == 0 else 1.0
    mixture = two_instruments(2.0, beta=beta, power=power)
    parts = separate(mixture.y, mixture.sr, mixture.dictionaries, mask_power=mask_power)
    assert list(parts) == ["low", "high", "residual"]
    for name, source in (("low", mixture.low), ("high", mixture.high)):
        assert si_sdr(source, parts[name]) > si_sdr(source, mixture.y) + 12


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
@pytest.mark.parametrize("n_channels", [None, 2])
def test_parts_have_shape_and_type_of_the_mixture_and_add_up(
    mixture: Mixture, dtype: str, n_channels: int | None
) -> None:
    y: npt.NDArray[Any] = mixture.y if n_channels is None else np.stack([mixture.y, -0.3 * mixture.y])
    if np.dtype(dtype).kind == "i":
        y = np.rint(y * np.iinfo(dtype).max * 0.5)
    y = y.astype(dtype)
    parts = separate(y, mixture.sr, mixture.dictionaries, free=2)
    for part in parts.values():
        assert (part.shape, part.dtype) == (y.shape, y.dtype)
    total = sum(part.astype(np.int64 if y.dtype.kind == "i" else np.float64) for part in parts.values())
    if y.dtype.kind == "i":
        np.testing.assert_array_equal(total, y)
    else:
        largest = np.max([np.abs(part) for part in parts.values()], axis=0)
        assert (np.abs(total - y) <= np.spacing(largest.astype(dtype))).all()


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 16000), max_size=6), sr=st.sampled_from([8000, 16000, 44100]))
def test_any_cut_gives_the_same_samples(cuts: list[int], sr: int) -> None:
    separator = Separator("plain")
    y = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    whole = separator.separate(y, sr)
    stream = separator.stream(sr)
    edges = [0, *sorted(cuts), len(y)]
    blocks = [stream.process(y[a:b]) for a, b in itertools.pairwise(edges)]
    blocks.append(stream.flush())
    for name, part in whole.items():
        np.testing.assert_array_equal(np.concatenate([block[name] for block in blocks]), part)


def test_a_stream_is_one_frame_late_and_starts_anew(mixture: Mixture) -> None:
    stream = Separator(mixture.dictionaries).stream(mixture.sr)
    assert stream.latency == 512
    ready = stream.process(mixture.y[:4000])
    assert len(ready["low"]) == len(ready["residual"]) == 4000 // 256 * 256 - 256
    first = [ready, stream.flush()]
    again = [stream.process(mixture.y[:4000]), stream.flush()]
    for a, b in zip(first, again, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_what_is_30_db_quieter_comes_apart_30_db_quieter(mixture: Mixture) -> None:
    gain = np.float32(10 ** (-30 / 20))
    loud = separate(mixture.y, mixture.sr, mixture.dictionaries)
    quiet = separate(gain * mixture.y, mixture.sr, mixture.dictionaries)
    for name in ("low", "high"):
        np.testing.assert_allclose(quiet[name] / gain, loud[name], atol=2e-5)


def test_every_source_keeps_its_place_between_the_channels(mixture: Mixture) -> None:
    y = np.stack([mixture.low + 0.1 * mixture.high, 0.1 * mixture.low + mixture.high])
    parts = separate(y, mixture.sr, mixture.dictionaries)
    for name, louder in (("low", 0), ("high", 1)):
        energy = np.square(parts[name], dtype=np.float64).sum(axis=1)
        assert energy[louder] > 20 * energy[1 - louder]


@pytest.mark.parametrize("sr", [8000, 22050, 48000])
def test_dictionaries_serve_other_rates(sr: int) -> None:
    dictionaries = two_instruments(1.0).dictionaries
    low, high = melody(LOW, 2.0, sr=sr, seed=1), melody((523.0, 784.0), 2.0, sr=sr, seed=2)
    parts = separate(low + high, sr, dictionaries)
    assert si_sdr(low, parts["low"]) > si_sdr(low, low + high) + 10


def test_above_the_top_band_sources_share_as_they_do_below_it() -> None:
    # what lies above 8 kHz follows the source that has the bands from 4 kHz on
    rng = np.random.default_rng(0)
    hiss = 0.1 * rng.standard_normal(48000).astype(np.float32)
    tone = melody(LOW, 1.0, sr=48000)
    dictionaries = {
        "tone": instrument("tone", melody(LOW, 3.0)),
        "hiss": instrument("hiss", hiss[:16000], n_components=1),
    }
    parts = separate(hiss + tone, 48000, dictionaries)
    high = np.abs(np.fft.rfft(parts["hiss"]))[10000:]
    assert np.square(high).sum() > 0.9 * np.square(np.abs(np.fft.rfft(hiss))[10000:]).sum()


@pytest.mark.parametrize("n", [0, 1, 300])
def test_silence_and_hardly_any_samples_are_valid(n: int) -> None:
    for y in (np.zeros(n, np.float32), np.zeros((2, n), np.int16)):
        parts = separate(y, 16000, "plain", free=2)
        for part in parts.values():
            assert part.shape == y.shape
            assert not part.any()


def test_classic_is_a_separation_of_speech_and_noise() -> None:
    dictionary = load_dictionary("plain")
    V = np.random.default_rng(0).random((100, 7), np.float32)
    named = SourcesDecomposition(
        {name: dictionary.columns(name) for name in dictionary.sources},
        100,
        beta=1,
        power=1,
        mask_power=2,
        l1_H=0.1,
    )
    np.testing.assert_array_equal(
        named.process(V).masks, ClassicDecomposition(dictionary, 100).process(V).masks
    )


def test_a_trained_denoiser_separates_speech_and_noise(
    clean_speech: npt.NDArray[np.float32], noisy_speech: npt.NDArray[np.float32]
) -> None:
    parts = separate(noisy_speech, 16000, "trained")
    assert si_sdr(clean_speech, parts["speech"]) > si_sdr(clean_speech, noisy_speech) + 5
    assert si_sdr(noisy_speech - clean_speech, parts["noise"]) > 5


def _other_spec(dictionary: Dictionary) -> Dictionary:
    spec = FrontEndSpec(n_high=20)
    ones = np.ones((spec.n_bands, 2), np.float32)
    return Dictionary("plain", spec, ones[:, 0].copy(), {"W": ones}, (Group("x", "x", 0, 2),))


def test_dictionaries_that_do_not_fit_are_refused_by_name(mixture: Mixture) -> None:
    low = mixture.dictionaries["low"]
    with pytest.raises(DictionaryError, match="'x' has another front end than 'low'"):
        Separator({"low": low, "x": _other_spec(low)})
    powers = instrument("high", mixture.high, beta=0, power=2)
    with pytest.raises(DictionaryError, match="'high' describes magnitudes to the power 2, 'low'"):
        Separator({"low": low, "high": powers})
    euclidean = instrument("high", mixture.high, beta=2)
    with pytest.raises(DictionaryError, match="'high' was learned with beta 2, 'low' with 1"):
        Separator([low, euclidean])
    assert Separator([low, euclidean], beta=1).beta == 1
    with pytest.raises(
        ParameterError, match=r"beta=0.0; must be 0.5 or more; the dictionaries describe magn"
    ):
        Separator(low, beta=0)
    with pytest.raises(DictionaryError, match="'trained' is trained; only plain ones"):
        Separator([low, "trained"])
    with pytest.raises(ParameterError, match=r"mask_power=1; must be left out beside 'trained'"):
        Separator("trained", mask_power=1)


def test_arguments_are_checked_by_name(mixture: Mixture) -> None:
    low = mixture.dictionaries["low"]
    for options, message in (
        ({"beta": 4}, "beta=4; must be a number from 0 to 3"),
        ({"mask_power": 0}, "mask_power=0; must be a number from 0.1 to 20"),
        ({"mask_power": "2"}, "mask_power='2'; must be a number from 0.1 to 20"),
        ({"seed": -1}, "seed=-1; must be a whole number from 0"),
        ({"free": 0}, "free=0; must be a whole number from 1"),
        ({"free": {"a": 1, "b": 2}}, "can't be told apart"),
        ({"free": {"low": 3}}, "free='low'; must be the name of a source without"),
        ({"free": {"residual": 3}}, "remains besides all sources"),
        ({"free": {"a/b": 3}}, "a name of letters"),
    ):
        with pytest.raises(ParameterError, match=message):
            Separator({"low": low}, **options)
    for options in ({"free": 2}, {"beta": 1}, {"mask_power": 2}):
        with pytest.raises(ParameterError, match="must be left out beside 'trained'"):
            Separator("trained", **options)
    with pytest.raises(ParameterError, match=r"sources=\[\]; must be at least one"):
        Separator([])
    with pytest.raises(ParameterError, match="two sources are called 'low'"):
        Separator([low, low])
    with pytest.raises(ParameterError, match="n_channels=65"):
        Separator(low).stream(16000, 65)
    with pytest.raises(ParameterError, match="sr=100"):
        Separator(low).stream(100)


def test_blocks_that_can_not_be_are_refused_and_nothing_of_them_is_taken(mixture: Mixture) -> None:
    stream = Separator(mixture.dictionaries).stream(16000)
    stream.process(mixture.y[:1000])
    with pytest.raises(ParameterError, match="float64; must be float32 as before"):
        stream.process(mixture.y[:10].astype(np.float64))
    with pytest.raises(ParameterError, match=r"sample 1002 .*NaN"):
        stream.process(np.array([0, 0, np.nan], np.float32))
    rest = stream.process(mixture.y[1000:2000])["low"]
    assert len(rest) == 2000 // 256 * 256 - 1000 // 256 * 256


@pytest.mark.parametrize("length", [1, 160, 700])
def test_fixed_blocks_are_the_output_delayed_by_the_latency(length: int, mixture: Mixture) -> None:
    y = mixture.y[: 5 * 700]
    separator = Separator(mixture.dictionaries)
    stream = separator.stream(mixture.sr)
    blocks = [y[i : i + length] for i in range(0, len(y), length)]
    pieces = [stream.process(block, fixed=True) for block in blocks]
    for block, piece in zip(blocks, pieces, strict=True):
        assert all(part.shape == block.shape for part in piece.values())
    with pytest.raises(ParameterError, match="fixed=False; must be True, as it was before"):
        stream.process(y)
    pieces.append(stream.flush())
    for name, expected in separator.separate(y, mixture.sr).items():
        part = np.concatenate([piece[name] for piece in pieces])
        assert not part[: stream.latency].any()
        np.testing.assert_allclose(part[stream.latency :], expected, atol=1e-6)
    assert (
        repr(stream) == f"<SeparationStream of low, high: 1 channels at {mixture.sr} Hz, latency 512 samples>"
    )
