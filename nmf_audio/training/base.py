"""The steps of a training: settings, optimiser, checkpoints, the dictionary that results."""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_kind, check_number, check_whole, invalid
from nmf_audio._types import Array
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import FrontEndSpec, band_matrix, frame_size
from nmf_audio.dsp.normaliser import Normaliser
from nmf_audio.training.checkpoint import load_checkpoint, save_checkpoint
from nmf_audio.training.losses import Loss, Weights
from nmf_audio.training.optimiser import Adam, learning_rate
from nmf_audio.training.parameters import from_arrays
from nmf_audio.training.spectra import spectra

__all__ = ["Settings", "Training", "score_text"]


LENGTH = {"n_steps", "cool_down", "cool_down_share", "last_share"}
"""Settings that say how long a training is; the last one is what older checkpoints have."""
TIMED_STEPS = 12


@dataclass(frozen=True)
class Settings:
    """Settings of a training; the same ones, recordings, machine and versions give the same bits.

    Attributes
    ----------
    n_layers : int
        Updates a frame.
    n_steps : int or None
        Steps of the optimiser; None for as many as the checkpoint says that is gone on from, else the default.
    batch_size : int
        Mixtures a step.
    seconds : float
        Length of a mixture.
    highest_rate : float
        Learning rate after the warm-up.
    weights : Weights
        Parts of the loss.
    seed : int
        Of all randomness.

    Raises
    ------
    ParameterError
        When a number is out of its range.
    """

    n_layers: int
    n_steps: int | None
    batch_size: int
    seconds: float
    highest_rate: float
    weights: Weights
    seed: int = 0

    def __post_init__(self) -> None:
        usual = {field.name: field.default for field in fields(self)}
        for name in usual:
            if (name.startswith("n_") or name == "batch_size") and getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_whole("seed", self.seed, 0)
        check_kind("weights", self.weights, Weights)
        check_number("seconds", self.seconds, 0.5, 60, advice=f"{usual['seconds']:g} is the default")
        check_number(
            "highest_rate",
            self.highest_rate,
            0,
            0.1,
            above=True,
            advice=f"{usual['highest_rate']:g} is the default",
        )


class Training(ABC):
    """A training, step by step.

    `fingerprint` is that of the recordings: a training continues only with the same ones. With `start`, a
    dictionary of the `kind` that is made, it begins there, and the sizes are those of that dictionary rather
    than of the settings; `ParameterError` if it is of another kind.

    Attributes
    ----------
    n_steps : int
        Steps to take.
    cool_down : int
        The last steps, over which the learning rate falls.
    minutes : float or None
        The time that these steps were planned for, if they were.
    last_score : dict of str to float, or None
        What `score` last returned, and the ``step`` after which it did.
    spectrum : ndarray, float32 (n_bands,)
        The spectrum that frames are divided by.
    """

    kind: ClassVar[str]
    """Of the dictionary that is made."""

    default_steps: ClassVar[int]
    """Steps where the settings do not say."""

    spectrum: Array
    _adam: Adam
    _rng: np.random.Generator

    def __init__(
        self, settings: Settings, fingerprint: str, spec: FrontEndSpec | None, start: Dictionary | None
    ) -> None:
        if start is not None and start.kind != self.kind:
            raise invalid("start", start, f"a {self.kind} dictionary", "leave it out to start from NMF")
        self._settings, self._start = settings, start
        self.minutes: float | None = None
        self.last_score: dict[str, float] | None = None
        self.plan(settings.n_steps or self.default_steps)
        self.spec = start.spec if start is not None else spec or FrontEndSpec()
        self._facts = {
            "settings": _identity(asdict(settings)),
            "recordings": fingerprint,
            "first atoms": None if start is None else start.sha256,
        }
        self._n_fft = frame_size(self.spec.sr, self.spec.frame_seconds)
        self._bands = band_matrix(self.spec, self.spec.sr)
        self._loss = Loss(settings.weights, self._n_fft, self.spec.sr)

    @property
    def step_number(self) -> int:
        """Steps so far."""
        return self._adam.n_steps

    @property
    def is_cooling_down(self) -> bool:
        """True if the next step belongs to a cool-down that follows other steps."""
        first = self.n_steps - self.cool_down
        return 0 < first <= self.step_number

    @property
    def has_cooled_down(self) -> bool:
        """True if the last step belonged to a cool-down that follows other steps."""
        return 0 < self.n_steps - self.cool_down < self.step_number

    def plan(self, n_steps: int) -> None:
        """Take so many steps in all; the last ones are the cool-down that the settings ask for."""
        self.n_steps, self.cool_down = n_steps, self._cool_down_of(n_steps)

    def plan_minutes(self, minutes: float) -> None:
        """Take as many steps in all as this machine makes in that time."""
        self.plan(self._steps_in(minutes))
        self.minutes = minutes

    def _steps_in(self, minutes: float) -> int:
        return max(1, round(60 * minutes / self.seconds_per_step()))

    def _cool_down_of(self, n_steps: int) -> int:
        """How many of these steps are the cool-down."""
        return n_steps

    def step(self) -> float:
        """Take one step; return the loss of its batch."""
        rate = learning_rate(self.step_number, self.n_steps, self._settings.highest_rate, self.cool_down)
        loss, gradients = self._learn()
        self._adam.step(gradients, rate)
        return loss

    @abstractmethod
    def score(self) -> dict[str, float]:
        """Return the loss and its parts on held-out mixtures, with averaged weights."""

    def keep_score(self) -> dict[str, float]:
        """Return the score, and keep it for checkpoints."""
        score = self.score()
        self.last_score = {"step": self.step_number, **score}
        return score

    def describe_score(self) -> str:
        """Return the last score in words."""
        assert self.last_score is not None
        return f"held out after step {self.last_score['step']}: {score_text(self.last_score)}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint; raises DictionaryError when it can't be written."""
        facts = {
            "n_steps": self.n_steps,
            "cool_down": self.cool_down,
            "step": self.step_number,
            "minutes": self.minutes,
            "score": self.last_score,
            "rng": self._rng.bit_generator.state,
        }
        arrays = {**self._adam.state(), "spectrum": self.spectrum, **self._carried()}
        save_checkpoint(path, arrays, self._facts | facts)

    def restore(self, path: str | os.PathLike[str], minutes: float | None = None) -> None:
        """Continue from a checkpoint, to the end that the settings ask for, or else to its own.

        With `minutes`, continue to as many steps in all as this machine makes in that time; to those of the
        checkpoint if they were planned for the same time. `DictionaryError` if it can't be read; `ParameterError` if
        it is of other settings or recordings, began elsewhere, has more steps than are asked for, or was made in the
        midst of another cool-down.
        """
        arrays, facts = load_checkpoint(path)
        facts["settings"] = _identity(facts.get("settings", {}))
        for name, wanted in self._facts.items():
            # those that older versions wrote do not say where they began
            if facts.get(name, wanted) != wanted:
                given = f"checkpoint {path}: its {name} differ"
                allowed = f"of a training with the same {name}"
                raise invalid("checkpoint", str(path), allowed, "or start anew", given=given)
        step = int(facts["step"])
        self.spectrum = arrays["spectrum"]
        self._adam.restore(arrays, step)
        self._carry(arrays)
        self._rng.bit_generator.state = facts["rng"]
        before, planned = _length(facts), self._length_after(facts, minutes)
        if step > planned[0]:
            name, value = ("n_steps", planned[0]) if minutes is None else ("minutes", minutes)
            raise invalid(
                name,
                value,
                f"more, for checkpoint {path} has {step} steps already",
                "ask for more, or start anew",
            )
        if 0 < before[0] - before[1] < step and planned != before:
            given = f"checkpoint {path}: is from a cool-down of {before[1]} steps to step {before[0]}"
            raise invalid("checkpoint", str(path), "from before it", "or go on with that one", given=given)
        self.n_steps, self.cool_down = planned
        self.minutes = minutes or (facts.get("minutes") if planned == before else None)
        self.last_score = facts.get("score")

    def _carried(self) -> Mapping[str, npt.NDArray[Any]]:
        """What goes from one step to the next besides the optimiser's state."""
        return {}

    def _carry(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:  # noqa: B027
        """Take over what `_carried` gave, as far as it is among these arrays."""

    def is_on_the_way(self, path: str | os.PathLike[str], minutes: float | None = None) -> bool:
        """Return whether a checkpoint has the length that the settings, or the minutes, ask for."""
        facts = load_checkpoint(path)[1]
        if minutes is not None and facts.get("minutes") is None:
            return False
        return self._length_after(facts, minutes) == _length(facts)

    def _length_after(self, facts: Mapping[str, Any], minutes: float | None) -> tuple[int, int]:
        """Return n_steps and cool_down of what goes on from a checkpoint with these facts."""
        n_steps, cool_down = _length(facts)
        if minutes is None:
            return self._plan_after(int(facts["step"]), n_steps, cool_down)
        before = facts.get("minutes")
        n_steps = self._steps_in(minutes) if before is None else max(1, round(n_steps * minutes / before))
        return n_steps, self._cool_down_of(n_steps)

    def _plan_after(self, step: int, n_steps: int, cool_down: int) -> tuple[int, int]:
        """Return n_steps and cool_down of what goes on after `step` of a training with these."""
        if self._settings.n_steps is None:
            return n_steps, cool_down
        return self._settings.n_steps, self._cool_down_of(self._settings.n_steps)

    def seconds_per_step(self) -> float:
        """Return the time of a step in seconds; the state of the training is unchanged."""
        state = {name: x.copy() for name, x in self._adam.state().items()}
        n_steps, rng = self.step_number, self._rng.bit_generator.state
        self.step()
        started = time.perf_counter()
        for _ in range(TIMED_STEPS):
            self.step()
        taken = (time.perf_counter() - started) / TIMED_STEPS
        self._adam.restore(state, n_steps)
        self._rng.bit_generator.state = rng
        return taken

    @abstractmethod
    def _learn(self) -> tuple[float, dict[str, Array]]:
        """Return the loss of the next batch, and its gradients by the free variables."""

    @abstractmethod
    def _first_parameters(self) -> tuple[Array, dict[str, Array]]:
        """Return the long-term spectrum and the free variables that a training from NMF starts with."""

    def _begin(self, rng: np.random.Generator) -> Adam:
        """Put the first parameters into the optimiser; `rng` draws the batches."""
        if self._start is None:
            self.spectrum, free = self._first_parameters()
        else:
            self.spectrum, free = self._start.spectrum, from_arrays(self._start.arrays)
        self._adam, self._rng = Adam(free), rng
        return self._adam

    def _n_samples(self, seconds: float) -> int:
        hop = self._n_fft // 2
        return round(seconds * self.spec.sr / hop) * hop

    def _magnitudes(self, signals: Sequence[Array]) -> Array:
        """Band magnitudes (n_signals, n_frames, n_bands) of signals of the same length."""
        magnitudes: Array = np.abs(spectra(np.stack(signals), self._n_fft)) @ self._bands.T
        return magnitudes

    def _normaliser(self) -> Normaliser:
        """Level and tilt of a signal that begins."""
        return Normaliser(self.spectrum, self.spec.whitening)

    def _normalised(
        self, X: npt.NDArray[np.complex64], normalisers: Sequence[Normaliser] | None = None
    ) -> Array:
        """Frames of mixtures as the network takes them; the mixtures begin with them, unless said otherwise."""
        bands = np.abs(X) @ self._bands.T
        normalisers = [self._normaliser() for _ in bands] if normalisers is None else normalisers
        return np.stack([one.process(x) for one, x in zip(normalisers, bands, strict=True)])

    def _dictionary(
        self,
        key: str,
        arrays: Mapping[str, Array],
        groups: tuple[Group, ...],
        trained_on: list[dict[str, Any]],
    ) -> Dictionary:
        """Return a dictionary whose `meta` says under `key` how it was made."""
        settings = asdict(self._settings) | {"n_steps": self.n_steps, "cool_down": self.cool_down}
        made = {"settings": settings, "steps_done": self.step_number, "held_out": self.score()}
        return Dictionary(
            kind=self.kind,
            spec=self.spec,
            spectrum=self.spectrum.copy(),
            arrays=arrays,
            groups=groups,
            meta={key: made, "trained_on": trained_on},
        )


def score_text(score: Mapping[str, float]) -> str:
    """Return a score in words.

    Examples
    --------
    >>> score_text({"loss": 1.88543, "sdr": 8.534})
    'loss 1.8854, SI-SDR 8.53 dB'
    """
    return f"loss {score['loss']:.4f}, SI-SDR {score['sdr']:.2f} dB"


def _length(facts: Mapping[str, Any]) -> tuple[int, int]:
    """Return n_steps and cool_down of a checkpoint; the oldest ones cool down from the beginning."""
    n_steps = int(facts["n_steps"])
    return n_steps, int(facts.get("cool_down", n_steps))


def _identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a training can't change while it goes on, as a checkpoint gives them back: not its length."""
    kept: dict[str, Any] = json.loads(json.dumps({k: x for k, x in settings.items() if k not in LENGTH}))
    return kept
