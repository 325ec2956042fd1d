"""Training of a separator: one dictionary of several named sources, trained to tell them apart.

`train_separator` starts from a KL-NMF dictionary of each source, and improves all parameters of the unrolled
decomposition (`nmf_audio.nmf.unrolled_sources`) with Adam on mixtures made on the fly. The last part of every
recording is held out for scores.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nmf_audio._checks import check_callable, check_kind, check_rng, invalid
from nmf_audio._types import Array, RandomSource
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.nmf.blas import single_blas
from nmf_audio.training.base import Settings, Training
from nmf_audio.training.card import Origin, trained_on
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.defaults import SEPARATOR, SEPARATOR_RATE
from nmf_audio.training.first_atoms import first_atoms, unit_spectrum
from nmf_audio.training.loop import Progress, run_training
from nmf_audio.training.losses import Weights
from nmf_audio.training.separator_network import SeparatorNetwork
from nmf_audio.training.separator_parameters import initial_separator, separator_arrays
from nmf_audio.training.source_mixing import Clips, SourceBatch, SourceMixer, halve
from nmf_audio.training.spectra import spectra

__all__ = ["SeparatorSettings", "SeparatorTraining", "SourceClips", "read_sources", "train_separator"]


HELD_OUT_MIXTURES, HELD_OUT_SECONDS = 16, 4.0
FIRST_SIGNALS = 60

MAX_SECONDS = 1800.0
"""Of each source that are read into memory."""


@dataclass(frozen=True)
class SeparatorSettings(Settings):
    """Settings of a training; the same ones, recordings, machine and versions give the same bits.

    Attributes
    ----------
    n_components : int
        Atoms of each source.
    n_layers, n_steps, batch_size, seconds, highest_rate, weights, seed
        See `nmf_audio.training.base.Settings`; the loss is averaged over sources.
    """

    n_layers: int = SEPARATOR["n_layers"]
    n_steps: int | None = None
    batch_size: int = 8
    seconds: float = 2.0
    highest_rate: float = SEPARATOR_RATE
    weights: Weights = field(default_factory=lambda: Weights(asym=0.0, env=0.0, sdr=0.01, loud=0.0))
    n_components: int = SEPARATOR["n_components"]


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
    max_seconds: float = MAX_SECONDS,
    origins: Mapping[Path, Origin] | None = None,
    rng: RandomSource = None,
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
    generator = check_rng(rng)
    clips: Clips = {}
    rows: list[dict[str, Any]] = []
    for name, corpus in check_kind("sources", sources, Mapping).items():
        check_kind(f"sources[{name!r}]", corpus, Corpus, "find_recordings makes one")
        heard: dict[Path, float] = {}
        for clip in corpus.clips(max_seconds=max_seconds, clip_seconds=30.0, rng=generator):
            clips.setdefault(name, []).append(clip.y - clip.y.mean(dtype=np.float64).astype(np.float32))
            path = clip.recording.path
            heard[path] = heard.get(path, 0.0) + len(clip.y) / corpus.sr
        rows.extend(trained_on(name, heard, origins))
    return SourceClips(*halve(clips, held_out), rows)


class SeparatorTraining(Training):
    """A training of a separator, step by step; see `train_separator`."""

    kind = "separator"
    default_steps = SEPARATOR["n_steps"]

    def __init__(
        self,
        clips: SourceClips,
        settings: SeparatorSettings,
        *,
        spec: FrontEndSpec | None = None,
        start: Dictionary | None = None,
    ) -> None:
        super().__init__(settings, clips.fingerprint(), spec, start)
        if start is None:
            n = settings.n_components
            self._groups = tuple(
                Group(name, name, i * n, (i + 1) * n) for i, name in enumerate(clips.learned)
            )
        else:
            check_same_sources(start, clips.learned)
            self._groups = start.groups
        self.settings, self.clips = settings, clips
        self._mixer = self._mixer_of(clips.learned, settings.seconds, 0)
        adam = self._begin(self._mixer.rng)
        sizes = [group.stop - group.start for group in self._groups]
        self._network = SeparatorNetwork(adam.free, sizes)
        self._averaged = SeparatorNetwork(adam.average, sizes)
        scored = self._mixer_of(clips.held_out, HELD_OUT_SECONDS, 1, plain=True)
        self._scored = scored.batch(HELD_OUT_MIXTURES)

    def score(self) -> dict[str, float]:
        """Return the loss and its parts on held-out mixtures, averaged over sources, with averaged weights."""
        return self._through(self._averaged, self._scored)[0]

    def dictionary(self) -> Dictionary:
        """Return the current dictionary: averaged weights; its `meta` holds settings and recordings."""
        arrays = {
            name: np.array(x, np.float32, order="C")
            for name, x in separator_arrays(self._adam.average).items()
        }
        return self._dictionary("separator", arrays, self._groups, self.clips.trained_on)

    def _learn(self) -> tuple[float, dict[str, Array]]:
        parts, d_masks = self._through(self._network, self._mixer.batch(self.settings.batch_size))
        return parts["loss"], self._network.backward(d_masks)

    def _mixer_of(self, clips: Clips, seconds: float, stream: int, *, plain: bool = False) -> SourceMixer:
        rng = np.random.default_rng([self.settings.seed, stream])
        members = {group.source: clips[group.source] for group in self._groups}
        return SourceMixer(members, n_samples=self._n_samples(seconds), sr=self.spec.sr, rng=rng, plain=plain)

    def _through(self, network: SeparatorNetwork, batch: SourceBatch) -> tuple[dict[str, float], Array]:
        """Loss of a batch, and its gradient by the masks in bands."""
        X = spectra(batch.mixture, self._n_fft)
        masks = network.forward(self._normalised(X))
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
        magnitudes = [
            self._magnitudes([mixer.source(group.source) for _ in range(FIRST_SIGNALS)])
            for group in self._groups
        ]
        spectrum = unit_spectrum(np.mean([m.mean(axis=(0, 1), dtype=np.float64) for m in magnitudes], axis=0))
        first = [first_atoms(m, spectrum, settings.n_components, floor=1e-4, rng=rng) for m in magnitudes]
        return spectrum, initial_separator(first, n_layers=settings.n_layers, rng=rng)


def check_same_sources(start: Dictionary, names: Iterable[str]) -> None:
    """Raise ParameterError unless a dictionary has these sources and no others."""
    if set(start.sources) != set(names):
        sources = ", ".join(start.sources)
        given = f"the dictionary to go on from has the sources {sources}"
        raise invalid("start", sources, "of the same sources as the recordings", given=given)


@single_blas
def train_separator(
    clips: SourceClips,
    settings: SeparatorSettings,
    *,
    minutes: float | None = None,
    spec: FrontEndSpec | None = None,
    start: Dictionary | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool | str | os.PathLike[str] = False,
    checkpoint_steps: int = 100,
    progress: Callable[[Progress], None] | None = None,
) -> Dictionary:
    """Train a separator.

    Parameters
    ----------
    clips : SourceClips
        See `read_sources`.
    settings : SeparatorSettings
        Sizes, length, losses, seed.
    minutes, checkpoint, resume, checkpoint_steps, progress
        As in `nmf_audio.training.denoiser.train_denoiser`.
    spec : FrontEndSpec, optional
        The front end; that of `start`, or the default one.
    start : Dictionary, optional
        A separator of the same sources to go on from (fine-tuning) instead of starting from KL-NMF.

    Returns
    -------
    Dictionary
        Of kind ``'separator'``; its `meta` holds settings, held-out score and recordings.

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
    check_callable("progress", progress)
    check_kind("clips", clips, SourceClips, "read_sources makes them")
    check_kind("settings", settings, SeparatorSettings)
    training = SeparatorTraining(clips, settings, spec=spec, start=start)
    run_training(
        training,
        minutes=minutes,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_steps=checkpoint_steps,
        progress=progress,
    )
    return training.dictionary()
