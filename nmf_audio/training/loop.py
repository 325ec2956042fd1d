"""The loop that all trainings share: steps, scores, checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nmf_audio._checks import check_number, check_whole
from nmf_audio.errors import ParameterError
from nmf_audio.training.base import Training

__all__ = ["Progress", "run_training"]

SAVED_SECONDS = 120.0
"""No more of a training than this is lost, whatever ends it."""


class Progress(NamedTuple):
    """Told after every step.

    Attributes
    ----------
    step, n_steps : int
        Steps done and to do.
    loss : float
        Of the last batch.
    score : dict of str to float, optional
        On held-out mixtures, at checkpoints: 'loss' and its parts 'comp', 'asym', 'env', 'loud' (lower is
        better) and 'sdr' (dB, higher is better).
    """

    step: int
    n_steps: int
    loss: float
    score: dict[str, float] | None


def run_training(
    training: Training,
    *,
    minutes: float | None,
    checkpoint: str | os.PathLike[str] | None,
    resume: bool | str | os.PathLike[str],
    checkpoint_steps: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Take all steps of a training.

    States of a cool-down are kept in a file of their own, `checkpoint` with ``.cool-down`` at its end, which goes
    when all is done: `checkpoint` stays as it was before, so that the training can go on from there.

    Parameters
    ----------
    training : Training
        Has the number of its steps.
    minutes : float or None
        Take as many steps as this machine makes in that time, rather than those.
    checkpoint : path-like or None
        Where to keep the state, written every `checkpoint_steps` steps, every two minutes, before a cool-down and at
        the end.
    resume : bool or path-like
        Go on from `checkpoint` if it is there, or from another one, which must be there.
    checkpoint_steps : int
        Steps between scores on held-out mixtures, and checkpoints.
    progress : callable or None
        Called with a `Progress` after every step. What it raises ends the training, once its state is kept.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the checkpoint is of another training.
    DictionaryError
        When the checkpoint can't be read or written.
    """
    if minutes is not None:
        check_number("minutes", minutes, 0, above=True, advice="leave it out to go by steps")
    check_whole("checkpoint_steps", checkpoint_steps, 1, advice="400 is the default")
    if resume is True and checkpoint is None:
        raise ParameterError("resume=True; needs the checkpoint's file; give checkpoint=path")
    kept = None if checkpoint is None else Path(checkpoint)
    cooling = None if kept is None else kept.with_name(f"{kept.name}.cool-down")
    if not _go_on(training, resume, kept, cooling):
        if minutes is not None:
            training.plan(max(1, round(60 * minutes / training.seconds_per_step())))
        if cooling is not None:
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
            score = training.score()
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
    training: Training, resume: bool | str | os.PathLike[str], kept: Path | None, cooling: Path | None
) -> bool:
    """Restore the state that `resume` asks for, if there is one."""
    if not isinstance(resume, bool):
        training.restore(resume)
        return True
    if not resume or kept is None or cooling is None:
        return False
    if cooling.exists() and training.is_on_the_way(cooling):
        training.restore(cooling)
        return True
    cooling.unlink(missing_ok=True)
    if kept.exists():
        training.restore(kept)
        return True
    return False
