"""A trained dictionary beside others, on held-out mixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from nmf_audio._types import Array
from nmf_audio.denoiser import Denoiser
from nmf_audio.dictionary import Dictionary
from nmf_audio.jobs.evaluation import Scores, mean_scores, score
from nmf_audio.separation.separator import Separator
from nmf_audio.training.mixing import Mixer
from nmf_audio.training.separator import SourceClips
from nmf_audio.training.sounds import Recordings
from nmf_audio.training.source_mixing import SourceMixer

__all__ = ["COMPARED", "MIXTURE", "compare_denoisers", "compare_separators"]

Sources = Mapping[str, Array]
System = Callable[[Array], Sources]

N_MIXTURES, SECONDS = 24, 4
STREAM = 5
"""Of the random numbers that a training's seed gives: a training itself takes those before."""

COMPARED = ("si_sdr", "segmental_snr", "estoi")
"""Scores that take no longer than the work itself."""

MIXTURE = "mixture"
"""What is compared as it is."""


def compare_denoisers(
    recordings: Recordings, dictionaries: Mapping[str, Dictionary], *, sr: int, seed: int
) -> dict[str, Scores]:
    """Return the mean scores of mixtures of held-out recordings, as they are and denoised with each dictionary.

    The first are called `MIXTURE`; `seed` draws the mixtures.
    """
    rng = np.random.default_rng([seed, STREAM])
    speech, noise = recordings.held_out_speech, recordings.held_out_noise
    mixer = Mixer(speech, noise, n_samples=SECONDS * sr, sr=sr, rng=rng, plain=True)
    wanted, mixtures, _ = mixer.batch(N_MIXTURES)

    def system(dictionary: Dictionary) -> System:
        denoiser = Denoiser(dictionary)
        return lambda y: {"speech": denoiser.denoise(y, sr)}

    systems = {name: system(dictionary) for name, dictionary in dictionaries.items()}
    pairs = ((y, {"speech": x}) for x, y in zip(wanted, mixtures, strict=True))
    return _compare(pairs, systems, sr)


def compare_separators(
    clips: SourceClips, dictionaries: Mapping[str, Dictionary], *, sr: int, seed: int
) -> dict[str, Scores]:
    """Do the same for mixtures of several sources, and the mean over these."""
    rng = np.random.default_rng([seed, STREAM])
    mixer = SourceMixer(clips.held_out, n_samples=SECONDS * sr, sr=sr, rng=rng, plain=True)
    sources, mixtures, _ = mixer.batch(N_MIXTURES)

    def system(dictionary: Dictionary) -> System:
        separator = Separator(dictionary)
        return lambda y: separator.separate(y, sr)

    systems = {name: system(dictionary) for name, dictionary in dictionaries.items()}
    pairs = ((y, dict(zip(clips.held_out, sources[:, i], strict=True))) for i, y in enumerate(mixtures))
    return _compare(pairs, systems, sr)


def _compare(
    pairs: Iterable[tuple[Array, Sources]], systems: Mapping[str, System], sr: int
) -> dict[str, Scores]:
    found: dict[str, list[Scores]] = {name: [] for name in (MIXTURE, *systems)}
    for y, sources in pairs:
        for name in found:
            outputs = systems[name](y) if name in systems else dict.fromkeys(sources, y)
            found[name] += [
                score(reference, outputs[source], sr, COMPARED)
                for source, reference in sources.items()
                if reference.any()
            ]
    return {name: mean_scores(rows, COMPARED) for name, rows in found.items()}
