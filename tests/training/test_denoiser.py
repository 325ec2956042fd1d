"""Training the denoiser: it learns, goes on bit for bit, and says what it was made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmf_audio.dictionary import Dictionary
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import DictionaryError, ParameterError
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.denoiser import PART, DenoiserSettings, DenoiserTraining, Progress, train_denoiser
from nmf_audio.training.gated_memory import MemorySizes, has_memory
from nmf_audio.training.losses import FINISHING, Weights
from nmf_audio.training.optimiser import Adam, learning_rate
from nmf_audio.training.sounds import Recordings, read_recordings
from tests.training.sounds import quick_training as quick_training
from tests.training.sounds import small_collection

SPEC = FrontEndSpec(sr=8000, linear_to_hz=1000.0, n_high=8)
SMALL = DenoiserSettings(
    n_speech=8,
    n_noise=6,
    n_layers=2,
    n_steps=6,
    batch_size=2,
    seconds=0.5,
    highest_rate=0.02,
    seed=3,
    memory=MemorySizes(n_local=4, n_global=6, n_down=5, n_second=3, n_up=2),
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    speech, noise = small_collection(tmp_path_factory.mktemp("collection"))
    return read_recordings(
        find_recordings([speech], sr=SPEC.sr), find_recordings([noise], sr=SPEC.sr), held_out=0.4, rng=0
    )


@pytest.fixture(scope="module")
def trained(recordings: Recordings) -> Dictionary:
    return train_denoiser(recordings, SMALL, spec=SPEC)


def test_the_loss_falls(recordings: Recordings) -> None:
    """On the same mixtures before and after: the steps' own are of other difficulty each."""
    settings = replace(SMALL, n_steps=80, batch_size=4, seconds=1.0, cool_down=80, weights=FINISHING)
    training = DenoiserTraining(recordings, settings, spec=SPEC)
    before = training.score()
    for _ in range(80):
        training.step()
    after = training.score()
    assert after["loss"] < 0.9 * before["loss"]


def test_a_training_that_was_stopped_goes_on_bit_for_bit(
    recordings: Recordings, trained: Dictionary, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state.ckpt"
    stopped = DenoiserTraining(recordings, SMALL, spec=SPEC)
    for _ in range(3):
        stopped.step()
    stopped.save(checkpoint)
    steps: list[int] = []
    resumed = train_denoiser(
        recordings,
        SMALL,
        spec=SPEC,
        checkpoint=checkpoint,
        resume=True,
        progress=lambda p: steps.append(p.step),
    )
    assert steps == [4, 5, 6]
    assert resumed.sha256 == trained.sha256


class _StoppedError(Exception):
    """Raised in the midst of a training."""


def _stop_after(step: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise _StoppedError

    return stop


@pytest.mark.parametrize("stopped_at", [3, 6])
def test_a_cool_down_that_was_stopped_goes_on_bit_for_bit(
    recordings: Recordings, tmp_path: Path, stopped_at: int
) -> None:
    """Whether it was stopped before or in the cool-down."""
    settings = replace(SMALL, n_steps=8, cool_down=4)
    expected = train_denoiser(recordings, settings, spec=SPEC)
    state = tmp_path / "state.ckpt"
    with pytest.raises(_StoppedError):
        train_denoiser(
            recordings, settings, spec=SPEC, checkpoint=state, checkpoint_steps=1,
            progress=_stop_after(stopped_at),
        )  # fmt: skip
    # the length is the checkpoint's own
    resumed = train_denoiser(recordings, replace(settings, n_steps=None, cool_down=None), spec=SPEC,
        checkpoint=state, resume=True)  # fmt: skip
    assert resumed.sha256 == expected.sha256
    assert resumed.meta["denoiser"]["steps_done"] == 8
    assert [path.name for path in tmp_path.iterdir()] == ["state.ckpt"]


def test_what_progress_raises_keeps_the_state(recordings: Recordings, tmp_path: Path) -> None:
    state = tmp_path / "state.ckpt"
    settings = replace(SMALL, n_steps=7, cool_down=3)
    expected = train_denoiser(recordings, settings, spec=SPEC)
    for stopped_at in (2, 6):
        with pytest.raises(_StoppedError):
            train_denoiser(
                recordings,
                settings,
                spec=SPEC,
                checkpoint=state,
                resume=True,
                progress=_stop_after(stopped_at),
            )
    steps: list[int] = []
    resumed = train_denoiser(
        recordings,
        settings,
        spec=SPEC,
        checkpoint=state,
        resume=True,
        progress=lambda now: steps.append(now.step),
    )
    assert steps == [7]
    assert resumed.sha256 == expected.sha256


def test_a_dictionary_is_taken_from_a_training_that_goes_on(recordings: Recordings, tmp_path: Path) -> None:
    long = replace(SMALL, n_steps=9, cool_down=2)
    expected = train_denoiser(recordings, long, spec=SPEC)
    state = tmp_path / "long.ckpt"
    with pytest.raises(_StoppedError):
        train_denoiser(
            recordings, long, spec=SPEC, checkpoint=state, checkpoint_steps=2, progress=_stop_after(4)
        )
    before = state.read_bytes()
    now = replace(SMALL, n_steps=None, cool_down=3)
    taken = train_denoiser(
        recordings, now, spec=SPEC, checkpoint=tmp_path / "taken.ckpt", resume=state, checkpoint_steps=1
    )
    told = taken.meta["denoiser"]
    assert (told["steps_done"], told["settings"]["cool_down"]) == (7, 3)
    assert (
        taken.sha256 == train_denoiser(recordings, replace(SMALL, n_steps=7, cool_down=3), spec=SPEC).sha256
    )
    assert state.read_bytes() == before
    on = train_denoiser(recordings, long, spec=SPEC, checkpoint=state, resume=True)
    assert on.sha256 == expected.sha256


def test_a_checkpoint_can_be_gone_on_from_for_longer_but_not_shorter(
    recordings: Recordings, tmp_path: Path
) -> None:
    state = tmp_path / "state.ckpt"
    train_denoiser(recordings, replace(SMALL, n_steps=6, cool_down=2), spec=SPEC, checkpoint=state)
    longer = replace(SMALL, n_steps=8, cool_down=1)
    resumed = train_denoiser(recordings, longer, spec=SPEC, checkpoint=state, resume=True)
    assert resumed.sha256 == train_denoiser(recordings, longer, spec=SPEC).sha256
    with pytest.raises(
        ParameterError, match=r"n_steps=3; must be more, for checkpoint .* has 7 steps already"
    ):
        train_denoiser(recordings, replace(SMALL, n_steps=3), spec=SPEC, checkpoint=state, resume=True)
    cooled = DenoiserTraining(recordings, replace(SMALL, n_steps=6, cool_down=2), spec=SPEC)
    for _ in range(5):
        cooled.step()
    cooled.save(tmp_path / "cooled.ckpt")
    with pytest.raises(ParameterError, match="from a cool-down of 2 steps to step 6"):
        DenoiserTraining(recordings, longer, spec=SPEC).restore(tmp_path / "cooled.ckpt")


def test_a_dictionary_without_a_memory_is_given_one(recordings: Recordings) -> None:
    plain = train_denoiser(recordings, replace(SMALL, n_steps=2, memory=None), spec=SPEC)
    assert not has_memory(plain.arrays)
    tuned = train_denoiser(recordings, replace(SMALL, n_steps=2), start=plain)
    assert has_memory(tuned.arrays)
    again = train_denoiser(recordings, replace(SMALL, n_steps=2), start=tuned)
    assert {name: x.shape for name, x in again.arrays.items()} == {
        name: x.shape for name, x in tuned.arrays.items()
    }


def test_the_number_of_threads_does_not_matter(recordings: Recordings) -> None:
    settings = replace(SMALL, n_steps=3, batch_size=2 * PART + 3)
    one, three = (train_denoiser(recordings, settings, spec=SPEC, n_jobs=n) for n in (1, 3))
    assert one.sha256 == three.sha256


def test_the_dictionary_can_be_saved_and_tells_its_making(trained: Dictionary, tmp_path: Path) -> None:
    trained.save(tmp_path / "mine.npz")
    again = Dictionary.load(tmp_path / "mine.npz")
    assert again.sha256 == trained.sha256
    assert again.kind == "trained"
    assert (again.n_components("speech"), again.n_components("noise")) == (8, 6)
    told = again.meta["denoiser"]
    assert told["steps_done"] == 6
    assert told["settings"]["seed"] == 3
    assert set(told["held_out"]) == {"loss", "comp", "asym", "env", "sdr", "loud"}
    assert {row["source"] for row in again.meta["trained_on"]} == {"speech", "noise"}


def test_the_last_part_is_trained_by_other_weights(recordings: Recordings) -> None:
    """Trainings with different last weights are the same until then, and not after."""
    settings = [replace(SMALL, n_steps=8, cool_down=2, last_weights=Weights(asym=x)) for x in (0.0, 3.0)]
    one, other = (DenoiserTraining(recordings, s, spec=SPEC) for s in settings)
    losses = [(one.step(), other.step()) for _ in range(8)]
    assert [a == b for a, b in losses] == [True] * 6 + [False] * 2
    assert one.score()["asym"] == pytest.approx(other.score()["asym"], rel=0.5)
    assert one.score()["loss"] != other.score()["loss"]


def test_progress_and_scores_come_as_asked(recordings: Recordings, tmp_path: Path) -> None:
    told: list[Progress] = []
    train_denoiser(
        recordings,
        SMALL,
        spec=SPEC,
        checkpoint=tmp_path / "c",
        checkpoint_steps=4,
        progress=told.append,
    )
    assert [p.step for p in told] == [1, 2, 3, 4, 5, 6]
    assert [p.step for p in told if p.score] == [4, 6]
    assert (tmp_path / "c").exists()


def test_training_goes_on_from_a_trained_dictionary(recordings: Recordings, trained: Dictionary) -> None:
    tuned = DenoiserTraining(recordings, replace(SMALL, n_speech=99), start=trained)
    same = tuned.dictionary()
    assert tuned.spec == SPEC
    for name, x in trained.arrays.items():
        np.testing.assert_allclose(same.arrays[name], x, rtol=1e-4, atol=1e-6, err_msg=name)
    tuned.step()
    assert tuned.dictionary().sha256 != same.sha256


def test_minutes_choose_the_steps_and_leave_the_start_alone(recordings: Recordings) -> None:
    training = DenoiserTraining(recordings, SMALL, spec=SPEC)
    before = training.dictionary().sha256
    assert training.seconds_per_step() > 0
    assert training.step_number == 0
    assert training.dictionary().sha256 == before
    told: list[Progress] = []
    train_denoiser(recordings, SMALL, spec=SPEC, minutes=1e-4, progress=told.append)
    assert told[-1].step == told[-1].n_steps


def test_more_minutes_make_a_finished_training_longer(
    recordings: Recordings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state.ckpt"
    settings = replace(SMALL, n_steps=None, cool_down=0)
    steps: list[int] = []

    def train(minutes: float) -> Dictionary:
        steps.clear()
        return train_denoiser(
            recordings,
            settings,
            spec=SPEC,
            minutes=minutes,
            checkpoint=state,
            resume=True,
            progress=lambda now: steps.append(now.step),
        )

    with caplog.at_level("INFO"):
        first = train(1e-3)
        n = len(steps)
        again = train(1e-3)
        assert not steps
        assert again.sha256 == first.sha256
        assert (
            f"continuing from {state}: {n} of {n} steps are done; held out after step {n}: loss"
            in caplog.text
        )
        assert "nothing is left to train" in caplog.text
        longer = train(3e-3)
    assert steps == list(range(n + 1, 3 * n + 1))
    expected = train_denoiser(recordings, replace(settings, n_steps=3 * n), spec=SPEC)
    assert longer.sha256 == expected.sha256
    with pytest.raises(ParameterError, match=r"minutes=0.0001; must be more, for checkpoint"):
        train(1e-4)


def test_a_cool_down_is_left_for_a_longer_training(recordings: Recordings, tmp_path: Path) -> None:
    state = tmp_path / "state.ckpt"
    settings = replace(SMALL, n_steps=None, cool_down=2)
    started = DenoiserTraining(recordings, replace(settings, n_steps=6), spec=SPEC)
    started.minutes = 2.0
    for step in range(5):
        started.step()
        if step == 3:
            started.save(state)
    started.save(tmp_path / "state.ckpt.cool-down")
    longer = train_denoiser(recordings, settings, spec=SPEC, minutes=3.0, checkpoint=state, resume=True)
    expected = train_denoiser(recordings, replace(settings, n_steps=9), spec=SPEC)
    assert longer.sha256 == expected.sha256


def test_a_checkpoint_of_another_training_is_refused(recordings: Recordings, tmp_path: Path) -> None:
    training = DenoiserTraining(recordings, SMALL, spec=SPEC)
    training.save(tmp_path / "c")
    other = DenoiserTraining(recordings, replace(SMALL, weights=Weights(asym=0.5)), spec=SPEC)
    with pytest.raises(ParameterError, match="settings"):
        other.restore(tmp_path / "c")
    fewer = recordings._replace(noise=dict(list(recordings.noise.items())[:1]))
    with pytest.raises(ParameterError, match="recordings"):
        DenoiserTraining(fewer, SMALL, spec=SPEC).restore(tmp_path / "c")
    (tmp_path / "broken").write_bytes(b"no archive")
    with pytest.raises(DictionaryError, match="no checkpoint"):
        training.restore(tmp_path / "broken")
    with pytest.raises(DictionaryError, match="can't be read"):
        training.restore(tmp_path / "missing")
    with pytest.raises(DictionaryError, match="can't be written"):
        training.save(tmp_path / "missing" / "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_steps": 0}, "n_steps=0"),
        ({"seconds": 0.1}, "seconds=0.1"),
        ({"n_layers": 0}, "n_layers=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"seconds": 61.0}, "seconds=61.0"),
        ({"highest_rate": 0.0}, "highest_rate=0.0"),
        ({"highest_rate": 0.11}, "highest_rate=0.11"),
        ({"cool_down_share": 1.5}, "cool_down_share=1.5"),
        ({"cool_down": -1}, "cool_down=-1"),
        ({"n_steps": 5, "cool_down": 6}, "cool_down=6"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        replace(SMALL, **change)  # type: ignore[arg-type]


def test_arguments_out_of_range_are_refused(recordings: Recordings) -> None:
    with pytest.raises(ParameterError, match="minutes=0"):
        train_denoiser(recordings, SMALL, minutes=0)
    with pytest.raises(ParameterError, match="checkpoint_steps=0"):
        train_denoiser(recordings, SMALL, checkpoint_steps=0)
    with pytest.raises(ParameterError, match="checkpoint=None; must be the file"):
        train_denoiser(recordings, SMALL, resume=True)


def test_held_out_speakers_are_not_learned_from(recordings: Recordings) -> None:
    assert recordings.speech
    assert recordings.held_out_speech
    assert not set(recordings.speech) & set(recordings.held_out_speech)


def test_adam_finds_a_minimum_and_skips_what_is_not_finite() -> None:
    target = np.linspace(-1, 1, 5).astype(np.float32)
    adam = Adam({"x": np.zeros(5, np.float32)}, decay=0.9)
    for step in range(400):
        adam.step({"x": adam.free["x"] - target}, learning_rate(step, 400, 0.05))
    np.testing.assert_allclose(adam.free["x"], target, atol=1e-2)
    np.testing.assert_allclose(adam.average["x"], target, atol=1e-2)
    kept = adam.free["x"].copy()
    assert not np.isfinite(adam.step({"x": np.full(5, np.nan, np.float32)}, 0.05))
    assert np.array_equal(adam.free["x"], kept)


@pytest.mark.parametrize(
    ("settings", "still"),
    [
        (replace(SMALL, inhibition=False), "C"),
        (replace(SMALL, running=False), "b"),
        (replace(SMALL, learn_atoms=False), "W"),
    ],
)
def test_a_part_that_is_left_out_stays_out(
    recordings: Recordings, settings: DenoiserSettings, still: str
) -> None:
    training = DenoiserTraining(recordings, settings, spec=SPEC)
    before = training.dictionary().arrays
    for _ in range(3):
        training.step()
    after = training.dictionary().arrays
    n_fixed = before["W"].shape[2]
    chosen = slice(None) if settings.running else slice(n_fixed, None)
    np.testing.assert_array_equal(after[still][chosen], before[still][chosen])
    assert not np.array_equal(after["lam"], before["lam"])
    if settings.learn_atoms:
        assert after[still][chosen].sum() < 1e-20
