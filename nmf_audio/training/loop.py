"""The loop that all trainings share: steps, scores, checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nmf_audio.errors import ParameterError
from nmf_audio.training.base import Training

__all__ = ["Progress", "run_training"]


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
    resume: bool,
    checkpoint_steps: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Take all steps of a training.

    Parameters
    ----------
    training : Training
        Has the number of its steps.
    minutes : float or None
        Take as many steps as this machine makes in that time, rather than those.
    checkpoint : path-like or None
        Where to keep the state, written every `checkpoint_steps` steps and at the end.
    resume : bool
        Go on from `checkpoint` if it is there.
    checkpoint_steps : int
        Steps between scores on held-out mixtures, and checkpoints.
    progress : callable or None
        Called with a `Progress` after every step.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the checkpoint is of another training.
    DictionaryError
        When the checkpoint can't be read or written.
    """
    if minutes is not None and not minutes > 0:
        raise ParameterError(f"minutes={minutes}; must be above 0; leave it out to go by steps")
    if checkpoint_steps < 1:
        raise ParameterError(f"checkpoint_steps={checkpoint_steps}; must be at least 1; 400 is the default")
    if resume and checkpoint is None:
        raise ParameterError("resume=True; needs the checkpoint's file; give checkpoint=path")
    if resume and checkpoint is not None and Path(checkpoint).exists():
        training.restore(checkpoint)
    elif minutes is not None:
        training.n_steps = max(1, round(60 * minutes / training.seconds_per_step()))
    while training.step_number < training.n_steps:
        loss = training.step()
        score = None
        if training.step_number % checkpoint_steps == 0 or training.step_number == training.n_steps:
            score = training.score()
            if checkpoint is not None:
                training.save(checkpoint)
        if progress is not None:
            progress(Progress(training.step_number, training.n_steps, loss, score))
