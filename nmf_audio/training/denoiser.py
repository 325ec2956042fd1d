"""Training of the denoiser: dictionaries that are trained to separate speech from noise.

`train_denoiser` makes a trained dictionary from recordings. It starts from KL-NMF dictionaries of speech and of
noise, and improves all parameters of the unrolled decomposition (`nmf_audio.nmf.unrolled`) with Adam on mixtures made
on the fly. Recordings of some speakers and noises are held out for scores. A checkpoint holds everything: a training
that was stopped goes on as if it had not been, bit for bit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from nmf_audio.bands import FrontEndSpec, band_matrix, frame_size
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.errors import ParameterError
from nmf_audio.frontend import Normaliser
from nmf_audio.nmf import factorize
from nmf_audio.training.checkpoint import load_checkpoint, save_checkpoint
from nmf_audio.training.defaults import HIGHEST_RATE, N_LAYERS, N_NOISE, N_SPEECH, N_STEPS
from nmf_audio.training.loop import Progress, run_training
from nmf_audio.training.losses import Loss, Weights
from nmf_audio.training.mixing import Mixer, Sounds
from nmf_audio.training.optimiser import Adam, learning_rate
from nmf_audio.training.parameters import from_arrays, initial, to_arrays
from nmf_audio.training.sounds import Recordings
from nmf_audio.training.spectra import spectra
from nmf_audio.training.unrolled import Network

__all__ = [
    "DenoiserSettings",
    "DenoiserTraining",
    "Progress",
    "train_denoiser",
]

Array = npt.NDArray[np.float32]

HELD_OUT_MIXTURES, HELD_OUT_SECONDS = 48, 4.0
SPECTRUM_RANGE = 1e-3
FIRST_SIGNALS, FIRST_ITERATIONS = 160, 60
QUIET = 0.1
TIMED_STEPS = 4


@dataclass(frozen=True)
class DenoiserSettings:
    """What a training does; the same settings, recordings, machine and versions give the same bits.

    Attributes
    ----------
    n_speech, n_noise : int
        Atoms of each source.
    n_layers : int
        Updates a frame.
    slow, running : bool
        With slow memory, with running atoms.
    inhibition, mid : bool
        With inhibition by the last frames, and, if so, within the frame.
    learn_atoms : bool
        Train the fixed atoms; else they stay as KL-NMF left them.
    n_steps : int
        Steps of the optimiser.
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
    """

    n_speech: int = N_SPEECH
    n_noise: int = N_NOISE
    n_layers: int = N_LAYERS
    slow: bool = True
    running: bool = True
    inhibition: bool = False
    mid: bool = False
    learn_atoms: bool = True
    n_steps: int = N_STEPS
    batch_size: int = 16
    seconds: float = 3.0
    highest_rate: float = HIGHEST_RATE
    weights: Weights = field(default_factory=Weights)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_speech", "n_noise", "n_layers", "n_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)}; must be at least 1")
        if not 0.5 <= self.seconds <= 60:
            raise ParameterError(f"seconds={self.seconds}; must lie in 0.5 ... 60; 3 is the default")
        if not 0 < self.highest_rate <= 0.1:
            raise ParameterError(
                f"highest_rate={self.highest_rate}; must lie in 0 ... 0.1; 0.006 is the default"
            )


class DenoiserTraining:
    """A training, step by step.

    Parameters
    ----------
    recordings : Recordings
        See `nmf_audio.training.sounds.read_recordings`.
    settings : DenoiserSettings
        What to do.
    spec : FrontEndSpec, optional
        The front end; that of `start`, or the default one.
    start : Dictionary, optional
        A trained dictionary to go on from; its sizes hold instead of those of the settings.
    """

    def __init__(
        self,
        recordings: Recordings,
        settings: DenoiserSettings,
        *,
        spec: FrontEndSpec | None = None,
        start: Dictionary | None = None,
    ) -> None:
        if start is not None and start.kind != "trained":
            raise ParameterError(
                f"start={start!r}; must be a trained dictionary; leave it out to start from NMF"
            )
        self.settings, self.recordings = settings, recordings
        self.spec = start.spec if start is not None else spec or FrontEndSpec()
        self.n_steps = settings.n_steps
        sr = self.spec.sr
        self._n_fft = frame_size(sr, self.spec.frame_seconds)
        self._bands = band_matrix(self.spec, sr)
        self._loss = Loss(settings.weights, self._n_fft, sr)
        self._mixer = self._mixer_of(
            recordings.speech, recordings.noise, settings.seconds, [settings.seed, 0]
        )
        if start is None:
            self.spectrum, free = self._first_parameters()
            n_speech = settings.n_speech
        else:
            self.spectrum, free = start.spectrum, from_arrays(start.arrays)
            n_speech = start.n_components("speech")
        self._adam = Adam(free)
        self._network = Network(free, n_speech)
        self._averaged = Network(self._adam.average, n_speech)
        scored = self._mixer_of(
            recordings.held_out_speech,
            recordings.held_out_noise,
            HELD_OUT_SECONDS,
            [settings.seed, 1],
            plain=True,
        )
        self._scored = [scored.batch(16) for _ in range(HELD_OUT_MIXTURES // 16)]

    @property
    def step_number(self) -> int:
        """Steps so far."""
        return self._adam.n_steps

    def step(self) -> float:
        """Take one step; return the loss of its batch."""
        rate = learning_rate(self.step_number, self.n_steps, self.settings.highest_rate)
        batch = self._mixer.batch(self.settings.batch_size)
        parts, d_masks = self._through(self._network, *batch, learn=True)
        gradients = self._network.backward(d_masks)
        if not self.settings.learn_atoms:
            del gradients["W"], gradients["W_out"]
        self._adam.step(gradients, rate)
        return parts["loss"]

    def score(self) -> dict[str, float]:
        """Return the loss and its parts on the held-out mixtures, with averaged weights."""
        results = [self._through(self._averaged, *batch, learn=False)[0] for batch in self._scored]
        return {name: float(np.mean([r[name] for r in results])) for name in results[0]}

    def dictionary(self) -> Dictionary:
        """Return the dictionary as it stands: averaged weights, with what it was made from and how."""
        arrays = to_arrays(self._adam.average)
        n_speech, n_fixed = self._network.n_speech, arrays["W"].shape[2]
        settings = asdict(self.settings) | {"n_steps": self.n_steps}
        training = {"settings": settings, "steps_done": self.step_number, "held_out": self.score()}
        return Dictionary(
            kind="trained",
            spec=self.spec,
            spectrum=self.spectrum.copy(),
            arrays=arrays,
            groups=(Group("speech", "speech", 0, n_speech), Group("noise", "noise", n_speech, n_fixed)),
            meta={"denoiser": training, "trained_on": self.recordings.trained_on},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint; raises DictionaryError when it can't be written."""
        facts = {
            "settings": asdict(self.settings),
            "n_steps": self.n_steps,
            "step": self.step_number,
            "rng": self._mixer.rng.bit_generator.state,
            "recordings": self.recordings.fingerprint(),
        }
        save_checkpoint(path, {**self._adam.state(), "spectrum": self.spectrum}, facts)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        DictionaryError
            When it can't be read.
        ParameterError
            When it is of other settings or other recordings.
        """
        arrays, facts = load_checkpoint(path)
        for name, wanted in (
            ("settings", asdict(self.settings)),
            ("recordings", self.recordings.fingerprint()),
        ):
            if facts[name] != wanted:
                raise ParameterError(
                    f"checkpoint {path}: its {name} are not these; give the same {name}, or start anew"
                )
        self.n_steps = int(facts["n_steps"])
        self.spectrum = arrays["spectrum"]
        self._adam.restore(arrays, int(facts["step"]))
        self._mixer.rng.bit_generator.state = facts["rng"]

    def seconds_per_step(self) -> float:
        """Measure the time of a step; the training stays where it is."""
        state = {name: x.copy() for name, x in self._adam.state().items()}
        n_steps, rng = self.step_number, self._mixer.rng.bit_generator.state
        self.step()
        started = time.perf_counter()
        for _ in range(TIMED_STEPS):
            self.step()
        taken = (time.perf_counter() - started) / TIMED_STEPS
        self._adam.restore(state, n_steps)
        self._mixer.rng.bit_generator.state = rng
        return taken

    def _mixer_of(
        self, speech: Sounds, noise: Sounds, seconds: float, seed: list[int], *, plain: bool = False
    ) -> Mixer:
        hop = self._n_fft // 2
        n_samples = round(seconds * self.spec.sr / hop) * hop
        rng = np.random.default_rng(seed)
        return Mixer(speech, noise, n_samples=n_samples, sr=self.spec.sr, rng=rng, plain=plain)

    def _through(
        self, network: Network, wanted: Array, mixture: Array, present: npt.NDArray[np.bool_], *, learn: bool
    ) -> tuple[dict[str, float], Array]:
        """Loss of a batch, and its gradient by the masks in bands if `learn`."""
        S, X = spectra(wanted, self._n_fft), spectra(mixture, self._n_fft)
        V = np.stack([Normaliser(self.spectrum).process(bands) for bands in np.abs(X) @ self._bands.T])
        mask = np.ascontiguousarray(network.forward(V)) @ self._bands
        parts, d_mask = self._loss(X, S, wanted, mask, present)
        return parts, d_mask @ self._bands.T if learn else d_mask

    def _first_parameters(self) -> tuple[Array, dict[str, Array]]:
        """Long-term spectrum, and free variables from KL-NMF of normalised frames."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 2])
        mixer = self._mixer_of(
            self.recordings.speech, self.recordings.noise, settings.seconds, [settings.seed, 3]
        )
        signals = (
            [mixer.equalised_speech() for _ in range(FIRST_SIGNALS)],
            [mixer.equalised_noise() for _ in range(FIRST_SIGNALS)],
        )
        speech, noise = (np.abs(spectra(np.stack(x), self._n_fft)) @ self._bands.T for x in signals)
        spectrum = speech.mean(axis=(0, 1), dtype=np.float64)
        spectrum = np.maximum(spectrum, SPECTRUM_RANGE * spectrum.max())
        spectrum = (spectrum / spectrum.mean()).astype(np.float32)

        def atoms(magnitudes: Array, n: int) -> Array:
            v = magnitudes / spectrum
            v /= v.mean(axis=(1, 2), keepdims=True)
            rows = v.reshape(-1, v.shape[-1])
            level = rows.mean(axis=1)
            loud = rows[level > QUIET * level.mean()]
            fitted = factorize(
                loud.T, n, beta=1.0, init="frames", max_iter=FIRST_ITERATIONS, tol=0.0, momentum=0.0, coarse=1,
                rng=rng,
            )  # fmt: skip
            return np.asarray(fitted.W, np.float32)

        free = initial(
            atoms(speech, settings.n_speech),
            atoms(noise, settings.n_noise),
            n_layers=settings.n_layers,
            slow=settings.slow,
            mid=settings.mid,
            inhibition=settings.inhibition,
            running=settings.running,
            rng=rng,
        )
        return spectrum, free


def train_denoiser(
    recordings: Recordings,
    settings: DenoiserSettings,
    *,
    minutes: float | None = None,
    spec: FrontEndSpec | None = None,
    start: Dictionary | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    checkpoint_steps: int = 400,
    progress: Callable[[Progress], None] | None = None,
) -> Dictionary:
    """Train a denoiser.

    Parameters
    ----------
    recordings : Recordings
        See `nmf_audio.training.sounds.read_recordings`.
    settings : DenoiserSettings
        What to do.
    minutes : float, optional
        Take as many steps as this machine makes in that time, rather than those of the settings.
    spec : FrontEndSpec, optional
        The front end; that of `start`, or the default one.
    start : Dictionary, optional
        A trained dictionary to go on from (fine-tuning) instead of starting from KL-NMF.
    checkpoint : path-like, optional
        Where to keep the state, written every `checkpoint_steps` steps and at the end.
    resume : bool
        Go on from `checkpoint` if it is there: the result is the same, bit for bit, as without the interruption.
    checkpoint_steps : int
        Steps between scores on held-out mixtures, and checkpoints.
    progress : callable, optional
        Called with a `Progress` after every step.

    Returns
    -------
    Dictionary
        Of kind ``'trained'``; its `meta` tells settings, held-out score and recordings.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the checkpoint is of another training.
    DictionaryError
        When the checkpoint can't be read or written.
    """
    training = DenoiserTraining(recordings, settings, spec=spec, start=start)
    run_training(
        training,
        minutes=minutes,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_steps=checkpoint_steps,
        progress=progress,
    )
    return training.dictionary()
