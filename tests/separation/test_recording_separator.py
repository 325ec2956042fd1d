"""Separators without dictionaries: what they promise of any signal, and that they find sources."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.errors import ParameterError
from nmf_audio.metrics import si_sdr
from nmf_audio.nmf import Penalty, activations
from nmf_audio.separation.atoms_masker import AtomsMasker
from nmf_audio.separation.blind import BlindSeparator
from nmf_audio.separation.example import ExampleSeparator
from nmf_audio.separation.percussive import PercussiveSeparator
from nmf_audio.separation.recording_separator import Recording, RecordingSeparator, separate_takes
from nmf_audio.training.instruments import drums, organ, play, string

SR = 8000
Array = npt.NDArray[Any]


def _notes(seed: int, low: int, n: int, seconds: float) -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(seed)
    return [
        (i * seconds / n, 1.2 * seconds / n, low + int(rng.choice([0, 2, 4, 7, 9, 12]))) for i in range(n)
    ]


def _music(seconds: float = 4.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return drums(seconds, SR, rng), play(string, _notes(1, 60, 10, seconds), seconds, SR, rng)


def _mean_sdr(references: Sequence[Array], estimates: Sequence[Array]) -> float:
    """Of the best order of the estimates; channels are one after the other."""
    return max(
        float(np.mean([si_sdr(r.ravel(), e.ravel()) for r, e in zip(references, order, strict=True)]))
        for order in itertools.permutations(estimates)
    )


SEPARATORS: list[RecordingSeparator] = [
    BlindSeparator(2),
    BlindSeparator(3, beta=0, mask_power=1),
    BlindSeparator(2, group_sparsity=0.01),
    BlindSeparator(2, places=True, beta=2),
    PercussiveSeparator(),
    ExampleSeparator(0, 0.5),
    ExampleSeparator(0.1, 0.6, beta=0),
]
ALL = pytest.mark.parametrize("separator", SEPARATORS, ids=repr)


@pytest.mark.parametrize(
    ("separator", "dtype"),
    [(separator, (np.int16, np.float32)[i % 2]) for i, separator in enumerate(SEPARATORS)],
    ids=repr,
)
def test_parts_add_up_and_look_like_the_mixture(separator: RecordingSeparator, dtype: Any) -> None:
    y = np.stack([np.add(*_music(1.0)), 0.5 * _music(1.0)[0]])
    y = np.rint(8000 * y).astype(dtype) if dtype == np.int16 else y.astype(dtype)
    before = y.copy()
    parts = separator.separate(y, SR)
    assert set(parts) == {*separator.sources, "residual"}
    assert all(part.shape == y.shape and part.dtype == dtype for part in parts.values())
    np.testing.assert_array_equal(y, before)
    total = np.sum([part.astype(np.float64) for part in parts.values()], axis=0)
    np.testing.assert_allclose(total, y, atol=0 if dtype == np.int16 else 1e-7)
    again = separator.separate(y, SR)
    for name, part in parts.items():
        np.testing.assert_array_equal(again[name], part)


@ALL
def test_a_quieter_mixture_gives_the_same_quieter(separator: RecordingSeparator) -> None:
    y = np.add(*_music(1.0))
    loud, quiet = separator.separate(y, SR), separator.separate(y * np.float32(2.0**-6), SR)
    for name in separator.sources:
        np.testing.assert_allclose(quiet[name] * 2.0**6, loud[name], atol=2e-3 * np.abs(y).max())


@pytest.mark.parametrize(
    "separator", [s for s in SEPARATORS if not isinstance(s, ExampleSeparator)], ids=repr
)
@pytest.mark.parametrize("n", [0, 1, 3000])
def test_silence_and_hardly_any_samples_are_valid(separator: RecordingSeparator, n: int) -> None:
    for y in (np.zeros(n, np.float32), np.full(n, 0.1, np.float32)):
        parts = separator.separate(y, SR)
        np.testing.assert_allclose(np.sum(list(parts.values()), axis=0), y, atol=1e-7)


def test_blind_tells_drums_from_notes() -> None:
    sources = _music()
    parts = BlindSeparator(2).separate(sources[0] + sources[1], SR)
    assert _mean_sdr(sources, [parts["source1"], parts["source2"]]) > 8
    assert np.std(parts["residual"]) < 1e-6


def test_blind_does_not_take_a_sample_out_of_place_for_a_source() -> None:
    sources = np.stack(_music(3.0))
    y = sources.sum(axis=0).astype(np.float32)
    y[15000] = 1e9
    parts = BlindSeparator(2).separate(y, SR)
    elsewhere = np.abs(np.arange(len(y)) - 15000) > 2000
    found = [parts[f"source{i}"][elsewhere] for i in (1, 2)]
    assert _mean_sdr(list(sources[:, elsewhere]), found) > 7


@pytest.mark.parametrize("separator", [PercussiveSeparator(), ExampleSeparator(0, 1)], ids=repr)
def test_a_sample_out_of_place_is_not_learned_from(separator: RecordingSeparator) -> None:
    y = np.sum(_music(3.0), axis=0).astype(np.float32)
    spoiled = y.copy()
    spoiled[15000] = 1e9
    parts, expected = separator.separate(spoiled, SR), separator.separate(y, SR)
    elsewhere = np.abs(np.arange(len(y)) - 15000) > 2000
    for name in separator.sources:
        assert np.isfinite(parts[name]).all()
        assert np.std((parts[name] - expected[name])[elsewhere]) < 0.1 * np.std(y)


def test_the_loudest_source_comes_first() -> None:
    beat, notes = _music()
    for louder, quieter in ((beat, notes), (notes, beat)):
        parts = BlindSeparator(3).separate(louder + 0.6 * quieter, SR)
        levels = [float(np.std(parts[f"source{i}"])) for i in (1, 2, 3)]
        assert levels == sorted(levels, reverse=True)


@pytest.mark.slow
def test_places_separate_what_sounds_alike_and_keep_the_image() -> None:
    rng = np.random.default_rng(0)
    left = play(organ, _notes(1, 60, 8, 4.0), 4.0, SR, rng)
    right = play(organ, _notes(2, 60, 8, 4.0), 4.0, SR, rng)
    images = [np.outer([0.9, 0.3], left).astype(np.float32), np.outer([0.3, 0.9], right).astype(np.float32)]
    mixture = images[0] + images[1]
    found = {}
    for places in (False, True):
        parts = BlindSeparator(2, places=places).separate(mixture, SR)
        found[places] = [parts["source1"], parts["source2"]]
    assert _mean_sdr(images, found[True]) > _mean_sdr(images, found[False]) + 6
    ratios = sorted(float(np.std(one[0]) / np.std(one[1])) for one in found[True])
    assert ratios[0] < 0.5
    assert ratios[1] > 2


@pytest.mark.slow
def test_percussive_tells_beats_from_notes_and_continuity_helps() -> None:
    beat, notes = _music()
    parts = PercussiveSeparator().separate(beat + notes, SR)
    assert min(si_sdr(beat, parts["percussive"]), si_sdr(notes, parts["harmonic"])) > 6
    unsteady = PercussiveSeparator(continuity=0).separate(beat + notes, SR)
    assert si_sdr(beat, parts["percussive"]) > si_sdr(beat, unsteady["percussive"]) + 1.5


def test_an_example_of_noise_takes_it_out() -> None:
    _, notes = _music()
    notes[:SR] = 0
    noise = 0.1 * np.random.default_rng(3).standard_normal(len(notes)).astype(np.float32)
    parts = ExampleSeparator(0, 1).separate(notes + noise, SR)
    assert si_sdr(notes, parts["rest"]) > si_sdr(notes, notes + noise) + 8
    assert np.std(parts["rest"][: SR - 1000]) < 0.3 * np.std(noise)


def test_the_example_is_a_section_of_the_first_take() -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal(2 * SR).astype(np.float32)
    tone = np.sin(0.3 * np.arange(2 * SR)).astype(np.float32)
    _, other = separate_takes([noise, tone], SR, ExampleSeparator(0, 1))
    assert np.std(other["example"]) < 0.3 * np.std(other["rest"])


def test_a_short_take_gains_by_another_that_shares_its_sources() -> None:
    sources = _music()
    y, cut = np.add(*sources), 3 * SR
    separator = BlindSeparator(2, seed=1)
    results = separate_takes([0.1 * y[:cut], y[cut:]], SR, separator)
    assert [len(result["source1"]) for result in results] == [cut, SR]
    references = [source[cut:] for source in sources]
    joint, alone = (
        _mean_sdr(references, [parts[name] for name in separator.sources])
        for parts in (results[1], separator.separate(y[cut:], SR))
    )
    assert joint > alone + 5


def test_takes_may_differ_in_channels_but_not_by_place() -> None:
    y = np.add(*_music(0.5))
    takes = [y, np.stack([y, y])]
    assert separate_takes(takes, SR, BlindSeparator(2))[1]["source1"].shape == takes[1].shape
    with pytest.raises(ParameterError, match="different numbers of channels"):
        separate_takes(takes, SR, BlindSeparator(2, places=True))


def test_what_was_heard_has_one_rate() -> None:
    fitted = BlindSeparator(2).fit([Recording([np.ones(800, np.float32)], 1)], SR)
    with pytest.raises(ParameterError, match="8000 Hz"):
        fitted.learn((), 16000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlindSeparator(1), "n_sources=1"),
        (lambda: BlindSeparator(2.0), "n_sources=2.0"),  # type: ignore[arg-type]
        (lambda: BlindSeparator(3, n_components=2), "n_components=2"),
        (lambda: BlindSeparator(2, beta=0.5), "beta=0.5"),
        (lambda: BlindSeparator(2, mask_power=0), "mask_power=0"),
        (lambda: BlindSeparator(2, mask_power="2"), "mask_power='2'"),  # type: ignore[arg-type]
        (lambda: BlindSeparator(2, seed=1.5), "seed=1.5"),  # type: ignore[arg-type]
        (
            lambda: ExampleSeparator(0, 1, origin=0.5),
            "in the part that is taken apart, which begins at 0.5 s",
        ),
        (lambda: BlindSeparator(2, places=True, group_sparsity=1), "places=True"),
        (lambda: BlindSeparator(2, group_sparsity=-1), "group_sparsity=-1"),
        (lambda: PercussiveSeparator(continuity=-1), "continuity=-1"),
        (lambda: ExampleSeparator(1, 1), "example"),
        (lambda: ExampleSeparator(0, None), "end=None; must be a number of at least 0 s"),  # type: ignore[arg-type]
        (lambda: ExampleSeparator(0, 1, n_rest=0), "n_rest=0"),
    ],
)
def test_faults_are_named(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [(0.0, 0.05, "at least"), (0.5, 3.0, "in the recording, which ends at 1.0 s"), (0.0, 0.4, "silence")],
)
def test_faults_of_a_stretch_are_named(start: float, end: float, message: str) -> None:
    y = np.add(*_music(1.0))
    y[: SR // 2] = 0
    with pytest.raises(ParameterError, match=message):
        ExampleSeparator(start, end).separate(y, SR)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("penalty", [None, Penalty(l1=0.01)])
def test_masks_by_atoms_have_the_exponent_that_is_asked_for(power: float, penalty: Penalty | None) -> None:
    rng = np.random.default_rng(0)
    atoms = [rng.random((40, 3), np.float32) for _ in range(2)]
    S = rng.random((1, 40, 9), np.float32)
    odds = []
    for mask_power in (power, 3.0):
        masks = AtomsMasker(atoms, beta=1, power=power, mask_power=mask_power, penalty=penalty)(S)
        np.testing.assert_allclose(masks.sum(axis=0), 1, rtol=1e-5)
        odds.append(masks[0] / masks[1])
    np.testing.assert_allclose(odds[1], odds[0] ** (3.0 / power), rtol=1e-3)
    if penalty is None:
        # at mask_power = power masks are the shares of the models themselves
        W = np.concatenate(atoms, axis=1)
        H = activations(S[0] ** np.float32(power), W, n_iter=24)
        np.testing.assert_allclose(odds[0][0], (W[:, :3] @ H[:3]) / (W[:, 3:] @ H[3:]), rtol=1e-4)


def test_percussive_masks_have_the_exponent_that_is_asked_for() -> None:
    S = np.random.default_rng(0).random((1, 513, 60), np.float32)
    odds = []
    for mask_power in (1.0, 3.0):
        masks = PercussiveSeparator(mask_power=mask_power)._fit((), 8000, 1024)(S)
        odds.append(masks[0] / masks[1])
    np.testing.assert_allclose(odds[1], odds[0] ** 3, rtol=1e-3)
