"""Atoms that are learned on the mixture itself."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_audio import ParameterError, Separator, separate
from nmf_audio.metrics import si_sdr
from nmf_audio.separation.free_atoms import FrameSampler, learn_free_atoms
from tests.separation.material import two_instruments


def test_a_source_without_a_dictionary_is_found_by_name_or_left_in_the_residual() -> None:
    mixture = two_instruments(4.0)
    known = {"low": mixture.dictionaries["low"]}
    named = separate(mixture.y, mixture.sr, known, free={"high": 6})
    assert list(named) == ["low", "high", "residual"]
    unnamed = separate(mixture.y, mixture.sr, known, free=6)
    assert list(unnamed) == ["low", "residual"]
    np.testing.assert_array_equal(named["low"], unnamed["low"])
    before = si_sdr(mixture.high, mixture.y)
    assert si_sdr(mixture.high, named["high"]) > before + 8
    assert si_sdr(mixture.high, unnamed["residual"]) > before + 8
    without = separate(mixture.y, mixture.sr, known)
    assert si_sdr(mixture.low, named["low"]) > si_sdr(mixture.low, without["low"]) + 6


def test_the_same_seed_gives_the_same_bits_and_blocks_do_not_matter() -> None:
    mixture = two_instruments(2.0)
    separator = Separator({"low": mixture.dictionaries["low"]}, free=4, seed=3)
    whole = separator.separate(mixture.y, mixture.sr)
    stream = separator.learn(np.split(mixture.y, [100, 7777]), mixture.sr)
    parts = [stream.process(mixture.y), stream.flush()]
    np.testing.assert_array_equal(np.concatenate([part["low"] for part in parts]), whole["low"])


def test_there_is_no_stream_and_a_sentence_says_why() -> None:
    with pytest.raises(ParameterError, match=r"free=4 learns from the whole signal .* no stream"):
        Separator("plain", free=4).stream(16000)


def test_long_signals_are_heard_evenly_in_bounded_memory() -> None:
    sampler = FrameSampler(max_frames=10)
    V = np.arange(1, 101, dtype=np.float32)[None].repeat(3, axis=0)
    for part in np.split(V, [1, 40, 41], axis=1):
        sampler.process(part)
    assert sampler.frames()[0].tolist() == [1, 17, 33, 49, 65, 81, 97]
    sampler.reset()
    assert sampler.frames().shape == (0, 0)


def test_known_atoms_are_held_while_the_rest_is_learned() -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.random((20, 2)) ** 4, rng.random((20, 1)) ** 4
    known, unknown = (W / np.linalg.norm(W, axis=0) for W in (known, unknown))
    # frames in which only one sounds, and frames with all
    H = rng.exponential(1, (3, 400)) * (rng.random((3, 400)) < 0.6)
    V = (np.concatenate([known, unknown], axis=1) @ H + 1e-4).astype(np.float32)
    learned = learn_free_atoms(V, known.astype(np.float32), 1, beta=1.0, power=1.0, rng=0)
    assert float((learned * unknown).sum()) > 0.98
