"""Training of a separator: one dictionary of several named sources, trained to tell them apart.

`train_separator` starts from a KL-NMF dictionary of each source, and improves all parameters of the unrolled
decomposition (`nmf_audio.nmf.unrolled_sources`) with Adam on mixtures made on the fly. The last part of every
recording is held out for scores.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmf_audio.bands import FrontEndSpec, band_matrix, frame_size
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.errors import ParameterError
from nmf_audio.frontend import Normaliser
from nmf_audio.nmf import factorize
from nmf_audio.training.card import Origin, trained_on
from nmf_audio.training.checkpoint import load_checkpoint, save_checkpoint
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.defaults import SEPARATOR
from nmf_audio.training.loop import Progress, run_training
from nmf_audio.training.losses import Loss, Weights
from nmf_audio.training.optimiser import Adam, learning_rate
from nmf_audio.training.separator_network import SeparatorNetwork
from nmf_audio.training.separator_parameters import initial_separator, separator_arrays
from nmf_audio.training.source_mixing import Clips, SourceBatch, SourceMixer, halve
from nmf_audio.training.spectra import spectra

__all__ = ["SeparatorSettings", "SeparatorTraining", "SourceClips", "read_sources", "train_separator"]

Array = npt.NDArray[np.float32]

HELD_OUT_MIXTURES, HELD_OUT_SECONDS = 16, 4.0
FIRST_SIGNALS, FIRST_ITERATIONS = 60, 60
QUIET = 0.1
SPECTRUM_RANGE = 1e-3
TIMED_STEPS = 3


@dataclass(frozen=True)
class SeparatorSettings:
    """What a training does; the same settings, recordings, machine and versions give the same bits.

    Attributes
    ----------
    n_components : int
        Atoms of each source.
    n_layers : int
        Updates a frame.
    n_steps : int
        Steps of the optimiser.
    batch_size : int
        Mixtures a step.
    seconds : float
        Length of a mixture.
    highest_rate : float
        Learning rate after the warm-up.
    weights : Weights
        Parts of the loss, which is averaged over sources.
    seed : int
        Of all randomness.
    """

    n_components: int = SEPARATOR["n_components"]
    n_layers: int = SEPARATOR["n_layers"]
    n_steps: int = SEPARATOR["n_steps"]
    batch_size: int = 8
    seconds: float = 2.0
    highest_rate: float = 2e-2
    weights: Weights = field(default_factory=lambda: Weights(asym=0.0, env=0.0, sdr=0.01, loud=0.0))
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_components", "n_layers", "n_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name}={getattr(self, name)}; must be at least 1")
        if not 0.5 <= self.seconds <= 60:
            raise ParameterError(f"seconds={self.seconds}; must lie in 0.5 ... 60; 2 is the default")
        if not 0 < self.highest_rate <= 0.1:
            raise ParameterError(
                f"highest_rate={self.highest_rate}; must lie in 0 ... 0.1; 0.02 is the default"
            )


class SourceClips(NamedTuple):
    """Clips to learn from and to score with, and where they are from."""

    learned: Clips
    held_out: Clips
    trained_on: list[dict[str, Any]]

    def fingerprint(self) -> str:
        """Return a hash over names and samples: a training goes on only with the same ones."""
        digest = hashlib.sha256()
        for clips in (self.learned, self.held_out):
            for name, members in clips.items():
                digest.update(f"{name} {len(members)};".encode())
                for clip in members:
                    digest.update(np.ascontiguousarray(clip[:: max(len(clip) // 64, 1)]).tobytes())
        return digest.hexdigest()


def read_sources(
    sources: Mapping[str, Corpus],
    *,
    held_out: float = 0.1,
    max_seconds: float = 1800.0,
    origins: Mapping[Path, Origin] | None = None,
    rng: int | np.random.Generator | None = None,
) -> SourceClips:
    """Read the recordings of each source into memory, the last part of each held out.

    Parameters
    ----------
    sources : mapping of str to Corpus
        At the front end's sample rate.
    held_out : float
        Share of every clip that is not learned from.
    max_seconds : float
        At most so much of each source is read. Half an hour takes 120 MB.
    origins : mapping of pathlib.Path to Origin, optional
        Where recordings are from, see `nmf_audio.training.card.read_manifest`.
    rng : int, Generator, optional
        Draws what is read, where there is more.

    Returns
    -------
    SourceClips

    Raises
    ------
    AudioFileError
        When no recording of a source could be read.
    """
    generator = np.random.default_rng(rng)
    clips: Clips = {}
    rows: list[dict[str, Any]] = []
    for name, corpus in sources.items():
        heard: dict[Path, float] = {}
        for clip in corpus.clips(max_seconds=max_seconds, clip_seconds=30.0, rng=generator):
            clips.setdefault(name, []).append(clip.y - clip.y.mean(dtype=np.float64).astype(np.float32))
            path = clip.recording.path
            heard[path] = heard.get(path, 0.0) + len(clip.y) / corpus.sr
        rows.extend(trained_on(name, heard, origins))
    return SourceClips(*halve(clips, held_out), rows)


class SeparatorTraining:
    """A training, step by step.

    Parameters
    ----------
    clips : SourceClips
        See `read_sources`.
    settings : SeparatorSettings
        What to do.
    spec : FrontEndSpec, optional
        The front end; the default one if None.
    """

    def __init__(
        self, clips: SourceClips, settings: SeparatorSettings, *, spec: FrontEndSpec | None = None
    ) -> None:
        self.settings, self.clips = settings, clips
        self.spec = spec or FrontEndSpec()
        self.n_steps = settings.n_steps
        self.names = tuple(clips.learned)
        self._n_fft = frame_size(self.spec.sr, self.spec.frame_seconds)
        self._bands = band_matrix(self.spec, self.spec.sr)
        self._loss = Loss(settings.weights, self._n_fft, self.spec.sr)
        self._mixer = self._mixer_of(clips.learned, settings.seconds, 0)
        self.spectrum, free = self._first_parameters()
        sizes = [settings.n_components] * len(self.names)
        self._adam = Adam(free)
        self._network = SeparatorNetwork(free, sizes)
        self._averaged = SeparatorNetwork(self._adam.average, sizes)
        scored = self._mixer_of(clips.held_out, HELD_OUT_SECONDS, 1, plain=True)
        self._scored = scored.batch(HELD_OUT_MIXTURES)

    @property
    def step_number(self) -> int:
        """Steps so far."""
        return self._adam.n_steps

    def step(self) -> float:
        """Take one step; return the loss of its batch."""
        rate = learning_rate(self.step_number, self.n_steps, self.settings.highest_rate)
        batch = self._mixer.batch(self.settings.batch_size)
        parts, d_masks = self._through(self._network, batch)
        self._adam.step(self._network.backward(d_masks), rate)
        return parts["loss"]

    def score(self) -> dict[str, float]:
        """Return the loss and its parts on held-out mixtures, averaged over sources, with averaged weights."""
        return self._through(self._averaged, self._scored)[0]

    def dictionary(self) -> Dictionary:
        """Return the dictionary as it stands: averaged weights, with what it was made from and how."""
        n = self.settings.n_components
        settings = asdict(self.settings) | {"n_steps": self.n_steps}
        training = {"settings": settings, "steps_done": self.step_number, "held_out": self.score()}
        return Dictionary(
            kind="separator",
            spec=self.spec,
            spectrum=self.spectrum.copy(),
            arrays={
                name: np.array(x, np.float32, order="C")
                for name, x in separator_arrays(self._adam.average).items()
            },
            groups=tuple(Group(name, name, i * n, (i + 1) * n) for i, name in enumerate(self.names)),
            meta={"separator": training, "trained_on": self.clips.trained_on},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint; raises DictionaryError when it can't be written."""
        facts = self._facts() | {
            "n_steps": self.n_steps,
            "step": self.step_number,
            "rng": self._mixer.rng.bit_generator.state,
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
        for name, wanted in self._facts().items():
            if facts.get(name) != wanted:
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

    def _facts(self) -> dict[str, Any]:
        return {"settings": asdict(self.settings), "recordings": self.clips.fingerprint()}

    def _mixer_of(self, clips: Clips, seconds: float, stream: int, *, plain: bool = False) -> SourceMixer:
        hop = self._n_fft // 2
        n_samples = round(seconds * self.spec.sr / hop) * hop
        rng = np.random.default_rng([self.settings.seed, stream])
        return SourceMixer(clips, n_samples=n_samples, sr=self.spec.sr, rng=rng, plain=plain)

    def _through(self, network: SeparatorNetwork, batch: SourceBatch) -> tuple[dict[str, float], Array]:
        """Loss of a batch, and its gradient by the masks in bands."""
        X = spectra(batch.mixture, self._n_fft)
        V = np.stack([Normaliser(self.spectrum).process(bands) for bands in np.abs(X) @ self._bands.T])
        masks = network.forward(V)
        d_masks = np.empty_like(masks)
        results = []
        for i, (wanted, present) in enumerate(zip(batch.sources, batch.present, strict=True)):
            S = spectra(wanted, self._n_fft)
            mask = np.ascontiguousarray(masks[i]) @ self._bands
            parts, d_mask = self._loss(X, S, wanted, mask, present)
            results.append(parts)
            d_masks[i] = d_mask @ self._bands.T / len(masks)
        return {name: float(np.mean([r[name] for r in results])) for name in results[0]}, d_masks

    def _first_parameters(self) -> tuple[Array, dict[str, Array]]:
        """Long-term spectrum of all sources, and free variables from KL-NMF of each one's normalised frames."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, 2])
        mixer = self._mixer_of(self.clips.learned, settings.seconds, 3)
        magnitudes = {}
        for name in self.names:
            y = np.stack([mixer.source(name) for _ in range(FIRST_SIGNALS)])
            magnitudes[name] = np.abs(spectra(y, self._n_fft)) @ self._bands.T
        spectrum = np.mean([m.mean(axis=(0, 1), dtype=np.float64) for m in magnitudes.values()], axis=0)
        spectrum = np.maximum(spectrum, SPECTRUM_RANGE * spectrum.max())
        spectrum = (spectrum / spectrum.mean()).astype(np.float32)

        def atoms(magnitudes: Array) -> Array:
            v = magnitudes / spectrum
            v /= v.mean(axis=(1, 2), keepdims=True)
            rows = v.reshape(-1, v.shape[-1])
            level = rows.mean(axis=1)
            loud = rows[level > QUIET * level.mean()]
            if len(loud) < settings.n_components:
                raise ParameterError(
                    f"n_components={settings.n_components}; the recordings hold only {len(loud)} frames with sound"
                )
            fitted = factorize(
                loud.T + np.float32(1e-4),
                settings.n_components,
                beta=1.0,
                init="frames",
                max_iter=FIRST_ITERATIONS,
                tol=0.0,
                rng=rng,
            )
            return np.asarray(fitted.W, np.float32)

        first = [atoms(magnitudes[name]) for name in self.names]
        return spectrum, initial_separator(first, n_layers=settings.n_layers, rng=rng)


def train_separator(
    clips: SourceClips,
    settings: SeparatorSettings,
    *,
    minutes: float | None = None,
    spec: FrontEndSpec | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    checkpoint_steps: int = 100,
    progress: Callable[[Progress], None] | None = None,
) -> Dictionary:
    """Train a separator.

    Parameters
    ----------
    clips : SourceClips
        See `read_sources`.
    settings : SeparatorSettings
        What to do.
    minutes : float, optional
        Take as many steps as this machine makes in that time, rather than those of the settings.
    spec : FrontEndSpec, optional
        The front end; the default one if None.
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
        Of kind ``'separator'``; its `meta` tells settings, held-out score and recordings.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the checkpoint is of another training.
    DictionaryError
        When the checkpoint can't be read or written.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low, high = np.sin(np.arange(32000) * 0.1), np.sin(np.arange(32000) * 0.9)
    >>> clips = {"low": [low.astype(np.float32)], "high": [high.astype(np.float32)]}
    >>> settings = SeparatorSettings(n_components=3, n_layers=2, n_steps=2, batch_size=2)
    >>> train_separator(SourceClips(*halve(clips, 0.2), []), settings)
    <Dictionary 'unsaved': separator, 3 low, 3 high atoms of 100 bands>
    """
    training = SeparatorTraining(clips, settings, spec=spec)
    run_training(
        training,
        minutes=minutes,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_steps=checkpoint_steps,
        progress=progress,
    )
    return training.dictionary()
