"""Passes over a corpus come to what all of it at once gives, whoever shares them and whenever they were stopped."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import ParameterError
from nmf_audio.nmf import activations, beta_divergence
from nmf_audio.training import passes, sums
from nmf_audio.training.corpus import Corpus, CorpusWarning, find_recordings
from nmf_audio.training.frames import analyse, normalised_frames
from nmf_audio.training.loop import Progress
from nmf_audio.training.passes import Passes, Piece
from nmf_audio.training.plain import check_plain, power_of, train_plain
from nmf_audio.training.streaming import train_passes
from nmf_audio.training.sums import Model, Sums, sum_up
from tests.training.sounds import hiss, voice, write

N = 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(3):
        write(
            folder / f"speaker{i}" / "a.wav",
            voice(8.0, seed=i) + hiss(8.0, seed=9 + i, slope=0.5) * np.float32(0.05),
        )
        write(folder / f"speaker{i}" / "b.wav", voice(2.0, seed=9 + i))
    return find_recordings([folder], sr=16000)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PIECE_SECONDS", 2.0)
    monkeypatch.setattr(sums, "CLIP_SECONDS", 2.0)


def learn(corpus: Corpus, **options: Any) -> Dictionary:
    given: dict[str, Any] = {"source": "speech", "one_group": "speech", "n_components": N, "l1_H": 0.0}
    return train_passes(corpus, **(given | options))


def cost(dictionary: Dictionary, corpus: Corpus) -> float:
    """Divergence of all frames from the best that the atoms can make of them."""
    bands = analyse(corpus.clips(clip_seconds=2.0), FrontEndSpec())
    frames = normalised_frames(
        bands, spectrum=dictionary.spectrum, n_frames=None, one_group="all", rng=np.random.default_rng(0)
    )
    V, W = frames["all"].V ** np.float32(dictionary.power), dictionary.arrays["W"]
    return beta_divergence(V, W @ activations(V, W, beta=dictionary.beta, n_iter=100), dictionary.beta)


@pytest.mark.parametrize("beta", [1.0, 0.0, 0.5])
def test_three_passes_come_within_a_hundredth_of_the_batch(corpus: Corpus, beta: float) -> None:
    batch = train_plain(
        corpus, source="speech", one_group="speech", n_components=N, l1_H=0.0, beta=beta, max_iter=100, rng=0
    )
    streamed = learn(corpus, beta=beta, spectrum=batch.spectrum)
    assert cost(streamed, corpus) < 1.01 * cost(batch, corpus)


def test_passes_do_the_work_not_the_sample(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmf_audio.training.streaming.SAMPLE_ITERATIONS", 2)
    spectrum = np.ones(100, np.float32)
    sampled = train_plain(
        corpus,
        source="speech",
        one_group="speech",
        n_components=N,
        l1_H=0.0,
        max_iter=2,
        spectrum=spectrum,
        rng=0,
    )
    first, third = (learn(corpus, passes=passes, spectrum=spectrum) for passes in (1, 3))
    assert cost(third, corpus) < cost(first, corpus) < 0.9 * cost(sampled, corpus)


@pytest.mark.parametrize("one_group", [None, "speech"])
def test_the_number_of_workers_does_not_matter(corpus: Corpus, one_group: str | None) -> None:
    found = [learn(corpus, one_group=one_group, l1_H=1.0, passes=1)]
    for n in (1, 2, 3):
        with ThreadPoolExecutor(n) as executor:
            found.append(learn(corpus, one_group=one_group, l1_H=1.0, passes=1, executor=executor))
    assert len({dictionary.sha256 for dictionary in found}) == 1
    assert len(found[0].groups) == (1 if one_group else 3)


def test_sums_of_shares_add_up_to_those_of_the_whole(corpus: Corpus) -> None:
    settings = check_plain(corpus, "speech", N, "speech", 0.0, 0.0, None)
    W = np.random.default_rng(0).uniform(0.1, 1, (100, N)).astype(np.float32)
    order = Passes(corpus, balanced=True, seed=0)
    pieces = [piece for n in range(order.n_rounds) for piece in order.pieces(0, n)]
    model = Model(settings, np.ones(100, np.float32), {"speech": W})
    whole = sum_up(Piece(tuple(s for piece in pieces for s in piece.stretches)), model)
    for n_workers in (1, 2, 3):
        total = Sums()
        for share in np.array_split(np.arange(len(pieces)), n_workers):
            sums = Sums()
            for i in share:
                # as another process returns it
                sums.add(pickle.loads(pickle.dumps(sum_up(*pickle.loads(pickle.dumps((pieces[i], model)))))))
            total.add(sums)
        np.testing.assert_allclose(total.for_atoms["speech"], whole.for_atoms["speech"], rtol=1e-5)
        assert total.cost == pytest.approx(whole.cost, rel=1e-5)
        assert total.n_frames == whole.n_frames


def test_a_pass_hears_every_sample_once_in_an_order_of_its_own(corpus: Corpus) -> None:
    order = Passes(corpus, balanced=True, seed=0)
    orders = []
    for number in range(2):
        stretches = [
            (recording.path, first, stop)
            for n in range(order.n_rounds)
            for piece in order.pieces(number, n)
            for recording, first, stop, _ in piece.stretches
        ]
        orders.append(stretches)
        assert sum(stop - first for _, first, stop in stretches) == corpus.seconds * 16000
        assert len(set(stretches)) == len(stretches)
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


class StoppedError(Exception):
    """Ends a training."""


def stop_after(n: int) -> Callable[[Progress], None]:
    def progress(now: Progress) -> None:
        if now.step == n:
            raise StoppedError

    return progress


def test_stopped_at_any_step_and_resumed_it_gives_the_same_bits(corpus: Corpus, tmp_path: Path) -> None:
    whole = learn(corpus, passes=2, one_group=None)
    state = tmp_path / "state"
    for n in (1, 4, 14, 15, 16, 29):
        with pytest.raises(StoppedError):
            learn(corpus, passes=2, one_group=None, checkpoint=state, resume=True, progress=stop_after(n))
    resumed = learn(corpus, passes=2, one_group=None, checkpoint=state, resume=True)
    assert resumed.sha256 == whole.sha256
    assert resumed.meta["training"] == whole.meta["training"]


def test_a_finished_training_is_made_longer_but_not_shorter_or_another(
    corpus: Corpus, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    learn(corpus, passes=1, checkpoint=state)
    longer = learn(corpus, passes=2, checkpoint=state, resume=True)
    assert longer.sha256 == learn(corpus, passes=2).sha256
    for options, message in (
        ({"passes": 1}, "passes=1; must be more, for checkpoint .* has 2.0 passes already"),
        ({"passes": 2, "beta": 0.0}, "its settings differ"),
        ({"passes": 2, "seed": 1}, "its settings differ"),
    ):
        with pytest.raises(ParameterError, match=message):
            learn(corpus, checkpoint=state, resume=True, **options)
    fewer = replace(corpus, recordings=corpus.recordings[1:])
    with pytest.raises(ParameterError, match="its recordings differ"):
        learn(fewer, passes=2, checkpoint=state, resume=True)


def test_what_turns_out_unreadable_is_left_out_and_named(corpus: Corpus, tmp_path: Path) -> None:
    path = write(tmp_path / "speaker9" / "gone.wav", voice(2.0))
    more = replace(corpus, recordings=(*corpus.recordings, *find_recordings([path], sr=16000).recordings))
    path.unlink()
    with pytest.warns(CorpusWarning, match=r"left out .*gone\.wav"):
        dictionary = learn(more, passes=1)
    (row,) = dictionary.meta["trained_on"]
    assert row["recordings"] == len(corpus.recordings)


def test_small_groups_count_as_much_as_large_ones_up_to_ten_times_a_frame(tmp_path: Path) -> None:
    for name, seconds in (("long", 30.0), ("short", 6.0), ("tiny", 0.5)):
        write(tmp_path / name / "a.wav", hiss(seconds))
    corpus = find_recordings([tmp_path], sr=16000)
    passes = Passes(corpus, balanced=True, seed=0)
    stretches = [s for n in range(passes.n_rounds) for piece in passes.pieces(0, n) for s in piece.stretches]
    weights = {recording.group: weight for recording, _, _, weight in stretches}
    assert 30 * weights["long"] == pytest.approx(6 * weights["short"])
    assert weights["tiny"] == 10


def test_power_of_a_divergence_is_that_of_the_dictionary(corpus: Corpus) -> None:
    assert learn(corpus, beta=0.0, passes=1).power == power_of(0.0) == 2.0
