"""The loop that all trainings share: steps, scores, checkpoints."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from nmf_audio._checks import check_number, check_whole, invalid

__all__ = ["Progress", "Steps", "run_training"]

LOGGER = logging.getLogger("nmf_audio")

SAVED_SECONDS = 120.0
"""No more of a training than this is lost, whatever ends it."""


class Progress(NamedTuple):
    """State of a training after a step.

    Attributes
    ----------
    step, n_steps : int
        Steps done and to do.
    loss : float
        Of the last batch.
    score : dict of str to float, optional
        On held-out mixtures, at checkpoints: 'loss' and its parts 'comp', 'asym', 'env', 'loud' (lower is
        better) and 'sdr' (dB, higher is better). Of atoms only 'loss', their cost a frame.
    """

    step: int
    n_steps: int
    loss: float
    score: dict[str, float] | None


class Steps(Protocol):
    """What is trained step by step; `nmf_audio.training.base.Training` says what these mean."""

    n_steps: int
    last_score: dict[str, float] | None

    @property
    def step_number(self) -> int: ...  # noqa: D102

    @property
    def is_cooling_down(self) -> bool: ...  # noqa: D102

    @property
    def has_cooled_down(self) -> bool: ...  # noqa: D102

    def plan_minutes(self, minutes: float) -> None: ...  # noqa: D102

    def step(self) -> float: ...  # noqa: D102

    def keep_score(self) -> dict[str, float]: ...  # noqa: D102

    def describe_score(self) -> str: ...  # noqa: D102

    def save(self, path: str | os.PathLike[str]) -> None: ...  # noqa: D102

    def restore(self, path: str | os.PathLike[str], minutes: float | None = None) -> None: ...  # noqa: D102

    def is_on_the_way(self, path: str | os.PathLike[str], minutes: float | None = None) -> bool: ...  # noqa: D102


def run_training(
    training: Steps,
    *,
    minutes: float | None,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool | str | os.PathLike[str],
    checkpoint_steps: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Take all steps of a training.

    The state is kept in `checkpoint`: every `checkpoint_steps` steps (with a score on held-out mixtures), every
    two minutes, before a cool-down and at the end. States of a cool-down are kept in a file of their own,
    `checkpoint` with ``.cool-down`` at its end, which goes when all is done: `checkpoint` stays as it was, so
    that the training can continue from there.

    With `resume`, continue from `checkpoint` if it is there, or from another one, which must be there; one that
    has all steps already takes none. With `minutes`, take as many steps in all as this machine makes in that
    time. `progress` is called with a `Progress` after every step; what it raises ends the training, once its
    state is kept. `ParameterError` and `DictionaryError` as of `nmf_audio.train_denoiser`.
    """
    if minutes is not None:
        check_number("minutes", minutes, 0, above=True, advice="leave it out to go by steps")
    check_whole("checkpoint_steps", checkpoint_steps, 1, advice="400 is the default")
    if resume is True and checkpoint is None:
        raise invalid("checkpoint", None, "the file that the training is to go on from")
    kept = None if checkpoint is None else Path(checkpoint)
    cooling = None if kept is None else kept.with_name(f"{kept.name}.cool-down")
    restored = _go_on(training, resume, minutes, kept, cooling)
    if restored is None and minutes is not None:
        training.plan_minutes(minutes)
    # a state of another cool-down; that of this one has been restored
    if cooling is not None and restored != cooling:
        cooling.unlink(missing_ok=True)

    def save() -> None:
        if kept is not None and cooling is not None:
            training.save(cooling if training.has_cooled_down else kept)

    saved = time.monotonic()
    while training.step_number < training.n_steps:
        loss = training.step()
        score = None
        is_last = training.step_number == training.n_steps
        if training.step_number % checkpoint_steps == 0 or is_last:
            score = training.keep_score()
        begins_to_cool = training.is_cooling_down and not training.has_cooled_down
        is_due = score is not None or begins_to_cool or time.monotonic() - saved > SAVED_SECONDS
        if is_due and not (is_last and training.has_cooled_down):
            save()
            saved = time.monotonic()
        if progress is not None:
            try:
                progress(Progress(training.step_number, training.n_steps, loss, score))
            except BaseException:
                save()
                raise
    if cooling is not None:
        cooling.unlink(missing_ok=True)


def _go_on(
    training: Steps,
    resume: bool | str | os.PathLike[str],
    minutes: float | None,
    kept: Path | None,
    cooling: Path | None,
) -> Path | None:
    """Restore the state that `resume` asks for, and return its file, or None if there is none."""
    if not isinstance(resume, bool):
        path = Path(resume)
    elif not resume or kept is None or cooling is None:
        return None
    elif cooling.exists() and training.is_on_the_way(cooling, minutes):
        path = cooling
    elif kept.exists():
        path = kept
    else:
        LOGGER.info("%s is not there: the training starts anew", kept)
        return None
    training.restore(path, minutes)
    LOGGER.info("continuing from %s: %s", path, _describe(training))
    return path


def _describe(training: Steps) -> str:
    """Return in words how far a training is."""
    done = f"{training.step_number} of {training.n_steps} steps are done"
    if training.last_score is not None:
        done += f"; {training.describe_score()}"
    if training.step_number == training.n_steps:
        done += "; nothing is left to train unless more steps are asked for"
    return done
