"""Training of the denoiser: dictionaries that are trained to separate speech from noise.

`train_denoiser` makes a trained dictionary from recordings. It starts from KL-NMF dictionaries of speech and of
noise, and improves all parameters of the unrolled decomposition (`nmf_audio.nmf.unrolled`) with Adam on mixtures made
on the fly. Recordings of some speakers and noises are held out for scores. A checkpoint holds everything: a training
that was stopped goes on as if it had not been, bit for bit.

Half of the mixtures begin; the others go on where a mixture of the step before ended, with another voice and another
noise, so that what the running atoms, the memory and the level remember is not always of the same scene.

A batch is made of parts, which threads share out among them. Each part has randomness of its own, and gradients are
added up in the order of the parts, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_callable, check_kind, check_number, check_whole
from nmf_audio._types import Array
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.nmf.workers import Workers
from nmf_audio.training.base import Settings, Training
from nmf_audio.training.continuation import Continuation, Left
from nmf_audio.training.defaults import (
    COOL_DOWN_SHARE,
    HIGHEST_RATE,
    N_JOBS,
    N_LAYERS,
    N_NOISE,
    N_SPEECH,
    N_STEPS,
    WHITENING,
)
from nmf_audio.training.first_atoms import first_atoms, unit_spectrum
from nmf_audio.training.gated_memory import MemorySizes, first_memory, has_memory
from nmf_audio.training.loop import Progress, run_training
from nmf_audio.training.losses import FINISHING, Loss, Weights
from nmf_audio.training.mixing import Mixer, Sounds
from nmf_audio.training.optimiser import Adam
from nmf_audio.training.parameters import initial, to_arrays
from nmf_audio.training.sounds import Recordings
from nmf_audio.training.spectra import spectra
from nmf_audio.training.unrolled import Network

__all__ = [
    "DenoiserSettings",
    "DenoiserTraining",
    "Progress",
    "train_denoiser",
]


HELD_OUT_MIXTURES, HELD_OUT_SECONDS = 48, 4.0
FIRST_SIGNALS = 160

GOES_ON = 0.5
"""Share of the mixtures that go on where one of the last step ended, as in a recording whose scene changes: what is
trained on beginnings alone loses 1.2 dB after a change."""

HIGHEST_MISSING, SOME_MISSING = 0.15, 0.15
"""Shares of the mixtures whose memory does not see the highest band, as above 16 kHz, or any number of them."""

PART = 8
"""Mixtures of a batch that a thread takes at a time. With fewer, matrix products get slow."""


@dataclass(frozen=True)
class DenoiserSettings(Settings):
    """Settings of a training; the same ones, recordings, machine and versions give the same bits.

    Attributes
    ----------
    n_speech, n_noise : int
        Atoms of each source.
    slow, running : bool
        With slow memory, with running atoms.
    inhibition, mid : bool
        With inhibition by the last frames, and, if so, within the frame.
    learn_atoms : bool
        Train the fixed atoms; else they stay as KL-NMF left them.
    memory : MemorySizes or None
        Of the gated memory; None for none.
    last_weights : Weights
        Parts of the loss in the cool-down, and of the held-out score: they bring the best scores, but only to a
        dictionary that has learned by `weights` not to take speech away.
    cool_down : int, optional
        The last steps, over which the learning rate falls; with `n_steps` None, a training that goes on from a
        checkpoint begins with them at once. `cool_down_share` of all steps by default.
    cool_down_share : float
        0 to 1.
    n_layers, n_steps, batch_size, seconds, highest_rate, weights, seed
        See `nmf_audio.training.base.Settings`.
    """

    n_layers: int = N_LAYERS
    n_steps: int | None = None
    batch_size: int = 16
    seconds: float = 3.0
    highest_rate: float = HIGHEST_RATE
    weights: Weights = field(default_factory=Weights)
    n_speech: int = N_SPEECH
    n_noise: int = N_NOISE
    slow: bool = True
    running: bool = True
    inhibition: bool = False
    mid: bool = False
    learn_atoms: bool = True
    memory: MemorySizes | None = field(default_factory=MemorySizes)
    last_weights: Weights = FINISHING
    cool_down: int | None = None
    cool_down_share: float = COOL_DOWN_SHARE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(
            "cool_down_share", self.cool_down_share, 0, 1, advice=f"{COOL_DOWN_SHARE} is the default"
        )
        if self.cool_down is not None:
            check_whole(
                "cool_down",
                self.cool_down,
                0,
                self.n_steps,
                advice=f"leave it out for {COOL_DOWN_SHARE:.0%} of all steps",
            )


class DenoiserTraining(Training):
    """A training of a denoiser, step by step; see `train_denoiser`.

    `workers` are threads that share the parts of a batch; without them all is done in the caller's thread.
    """

    kind = "trained"
    default_steps = N_STEPS

    def __init__(
        self,
        recordings: Recordings,
        settings: DenoiserSettings,
        *,
        spec: FrontEndSpec | None = None,
        start: Dictionary | None = None,
        workers: Workers | None = None,
    ) -> None:
        spec = spec or FrontEndSpec(whitening=WHITENING)
        self.settings, self.recordings = settings, recordings
        super().__init__(settings, recordings.fingerprint(), spec, start)
        self._workers = workers or Workers()
        self._mixer = self._mixer_of(recordings.speech, recordings.noise, settings.seconds, 0)
        adam = self._begin(self._mixer.rng)
        self._last_loss = Loss(settings.last_weights, self._n_fft, self.spec.sr)
        n_speech = settings.n_speech if start is None else start.n_components("speech")
        self._networks = [Network(adam.free, n_speech) for _ in range(-(-settings.batch_size // PART))]
        self._averaged = Network(adam.average, n_speech)
        self._continuation = Continuation(len(self._networks), self._normaliser)
        scored = self._mixer_of(
            recordings.held_out_speech, recordings.held_out_noise, HELD_OUT_SECONDS, 1, plain=True
        )
        self._scored = [scored.batch(16) for _ in range(HELD_OUT_MIXTURES // 16)]

    def score(self) -> dict[str, float]:
        """Return the loss and its parts on the held-out mixtures, with averaged weights."""
        results = [
            self._through(self._averaged, self._last_loss, *batch, learn=False)[0] for batch in self._scored
        ]
        return {name: float(np.mean([r[name] for r in results])) for name in results[0]}

    def dictionary(self) -> Dictionary:
        """Return the current dictionary: averaged weights; its `meta` holds settings and recordings."""
        arrays = to_arrays(self._adam.average)
        n_speech, n_fixed = self._averaged.n_speech, arrays["W"].shape[2]
        groups = (Group("speech", "speech", 0, n_speech), Group("noise", "noise", n_speech, n_fixed))
        made = self._dictionary("denoiser", arrays, groups, self.recordings.trained_on)
        return replace(made, meta={**made.meta, "held_out": self.recordings.held_out})

    def _learn(self) -> tuple[float, dict[str, Array]]:
        loss = self._last_loss if self.step_number >= self.n_steps - self.cool_down else self._loss
        n_parts = len(self._networks)
        sizes = [len(part) for part in np.array_split(np.arange(self.settings.batch_size), n_parts)]
        seeds = self._rng.integers(2**63, size=n_parts).tolist()

        def learn(part: int) -> tuple[float, dict[str, Array]]:
            network, batch = self._networks[part], self._mixer.seeded(seeds[part]).batch(sizes[part])
            rng = np.random.default_rng([seeds[part], 1])
            n_seen = self._bands_seen(sizes[part], rng)
            before = self._continuation.before(part, rng.random(sizes[part]) < GOES_ON)
            parts, d_masks = self._through(network, loss, *batch, n_seen=n_seen, before=before, learn=True)
            self._continuation.keep(part, before._replace(state=network.after))
            return parts["loss"], network.backward(d_masks)

        total, gradients = 0.0, {name: np.zeros_like(x) for name, x in self._adam.free.items()}
        for size, (part_loss, part_gradients) in zip(
            sizes, self._workers.map(learn, range(n_parts)), strict=True
        ):
            share = size / self.settings.batch_size
            total += share * part_loss
            for name, gradient in part_gradients.items():
                gradients[name] += np.float32(share) * gradient
        memory = self.settings.memory
        still = ("W", "W_out") if not self.settings.learn_atoms else ()
        for name in (*still, *(memory.without if memory is not None else ())):
            del gradients[name]
        return total, gradients

    def _cool_down_of(self, n_steps: int) -> int:
        if self.settings.cool_down is None:
            return round(self.settings.cool_down_share * n_steps)
        return min(self.settings.cool_down, n_steps)

    def _plan_after(self, step: int, n_steps: int, cool_down: int) -> tuple[int, int]:
        wanted = self.settings.cool_down
        if self.settings.n_steps is not None or wanted is None:
            return super()._plan_after(step, n_steps, cool_down)
        # in the midst of this cool-down, or about to begin it
        begun = cool_down == wanted and step > n_steps - cool_down
        return (n_steps, cool_down) if begun else (step + wanted, wanted)

    def _mixer_of(
        self, speech: Sounds, noise: Sounds, seconds: float, stream: int, *, plain: bool = False
    ) -> Mixer:
        rng = np.random.default_rng([self.settings.seed, stream])
        return Mixer(speech, noise, n_samples=self._n_samples(seconds), sr=self.spec.sr, rng=rng, plain=plain)

    def _carried(self) -> Mapping[str, npt.NDArray[Any]]:
        return self._continuation.save()

    def _carry(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._continuation.restore(arrays)

    def seconds_per_step(self) -> float:
        """Return the time of a step in seconds; the state of the training is unchanged."""
        left = self._carried()
        taken = super().seconds_per_step()
        self._carry(left)
        return taken

    def _bands_seen(self, size: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """How many bands the memory sees of each mixture: at other sample rates the highest ones will be missing."""
        n_bands = self.spec.n_bands
        p, anywhere = rng.random(size), rng.integers(n_bands // 2, n_bands, size)
        choices = [p < HIGHEST_MISSING, p < HIGHEST_MISSING + SOME_MISSING]
        return np.select(choices, [np.full(size, n_bands - 1), anywhere], n_bands)

    def _through(
        self,
        network: Network,
        loss: Loss,
        wanted: Array,
        mixture: Array,
        present: npt.NDArray[np.bool_],
        *,
        n_seen: npt.NDArray[np.intp] | None = None,
        before: Left | None = None,
        learn: bool,
    ) -> tuple[dict[str, float], Array]:
        """Loss of a batch, and its gradient by the masks in bands if `learn`."""
        S, X = spectra(wanted, self._n_fft), spectra(mixture, self._n_fft)
        V = self._normalised(X, None if before is None else before.normalisers)
        masks = network.forward(V, n_seen, None if before is None else before.state)
        mask = np.ascontiguousarray(masks) @ self._bands
        parts, d_mask = loss(X, S, wanted, mask, present)
        return parts, d_mask @ self._bands.T if learn else d_mask

    def _first_parameters(self) -> tuple[Array, dict[str, Array]]:
        """Long-term spectrum of speech, and free variables from KL-NMF of normalised frames."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 2])
        mixer = self._mixer_of(self.recordings.speech, self.recordings.noise, settings.seconds, 3)
        speech, noise = (
            self._magnitudes([draw() for _ in range(FIRST_SIGNALS)])
            for draw in (mixer.equalised_speech, mixer.equalised_noise)
        )
        spectrum = unit_spectrum(speech.mean(axis=(0, 1), dtype=np.float64))
        first = [
            first_atoms(magnitudes, spectrum, getattr(settings, n), name=n, momentum=0.0, coarse=1, rng=rng)
            for magnitudes, n in ((speech, "n_speech"), (noise, "n_noise"))
        ]
        free = initial(
            *first,
            n_layers=settings.n_layers,
            slow=settings.slow,
            mid=settings.mid,
            inhibition=settings.inhibition,
            running=settings.running,
            rng=rng,
        )
        return spectrum, free

    def _begin(self, rng: np.random.Generator) -> Adam:
        """Put the first parameters into the optimiser; what goes on from a dictionary without a memory gets one."""
        adam = super()._begin(rng)
        if self.settings.memory is not None and not has_memory(adam.free):
            K = len(adam.free["b"])
            drawn = np.random.default_rng([self.settings.seed, 4])
            memory = first_memory(self.spec.n_bands, K, self.settings.memory, drawn)
            adam = self._adam = Adam(adam.free | memory)
        return adam


def train_denoiser(
    recordings: Recordings,
    settings: DenoiserSettings,
    *,
    minutes: float | None = None,
    spec: FrontEndSpec | None = None,
    start: Dictionary | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool | str | os.PathLike[str] = False,
    checkpoint_steps: int = 400,
    n_jobs: int = N_JOBS,
    progress: Callable[[Progress], None] | None = None,
) -> Dictionary:
    """Train a denoiser.

    Parameters
    ----------
    recordings : Recordings
        See `nmf_audio.training.sounds.read_recordings`.
    settings : DenoiserSettings
        Sizes, length, losses, seed.
    minutes : float, optional
        Take as many steps as this machine makes in that time, rather than those of the settings.
    spec : FrontEndSpec, optional
        The front end; that of `start`, or the usual one with a whitening of 0.3.
    start : Dictionary, optional
        A trained dictionary to go on from (fine-tuning) instead of starting from KL-NMF.
    checkpoint : path-like, optional
        Where to keep the state, written every `checkpoint_steps` steps and before the cool-down.
    resume : bool or path-like
        Go on from `checkpoint` if it is there, or from another one, which must be there and stays as it is: the
        result is the same, bit for bit, as without the interruption. Other `n_steps` and `cool_down` may be given.
    checkpoint_steps : int
        Steps between scores on held-out mixtures, and checkpoints.
    n_jobs : int
        Threads. A batch of 16 is worth 2; the result is the same with any number.
    progress : callable, optional
        Called with a `Progress` after every step.

    Returns
    -------
    Dictionary
        Of kind ``'trained'``; its `meta` holds settings, held-out score and recordings.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the checkpoint is of another training.
    DictionaryError
        When the checkpoint can't be read or written.
    """
    check_callable("progress", progress)
    check_kind("recordings", recordings, Recordings, "read_recordings makes them")
    check_kind("settings", settings, DenoiserSettings)
    with Workers(check_whole("n_jobs", n_jobs, 1)) as workers:
        training = DenoiserTraining(recordings, settings, spec=spec, start=start, workers=workers)
        run_training(
            training,
            minutes=minutes,
            checkpoint=checkpoint,
            resume=resume,
            checkpoint_steps=checkpoint_steps,
            progress=progress,
        )
        return training.dictionary()
