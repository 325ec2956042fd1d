"""A new dictionary beside others, on held-out mixtures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nmf_audio._types import Array
from nmf_audio.denoiser import Denoiser
from nmf_audio.dictionary import Dictionary
from nmf_audio.jobs.evaluation import Scores, score
from nmf_audio.separation.separator import Separator
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.merge import merge, select_source
from nmf_audio.training.mixing import Mixer
from nmf_audio.training.separator import SourceClips
from nmf_audio.training.sounds import CLIP_SECONDS, Sounds, in_memory
from nmf_audio.training.source_mixing import SourceMixer
from nmf_audio.training.synthetic import coloured_noise, hum, modulated_noise, utterance
from nmf_audio.training.textures import impacts, texture, tones

__all__ = [
    "COMPARED",
    "MIXTURE",
    "Gain",
    "compare_atoms",
    "compare_denoisers",
    "compare_separators",
    "complete",
    "find_gains",
    "hold_out",
    "load_sounds",
    "stand_in",
]

Sources = Mapping[str, Array]
System = Callable[[Array], Sources]
Rows = dict[str, list[Scores]]
"""For each system its scores, mixture by mixture."""

N_MIXTURES, SECONDS = 24, 4
STREAM, HOLDING_STREAM = 5, 6
"""Of the random numbers that a training's seed gives: a training itself takes those before."""

COMPARED = ("si_sdr", "segmental_snr", "estoi")
"""Scores that take no longer than the work itself."""

MIXTURE = "mixture"
"""What is compared as it is."""

HELD_OUT, LEAST_SECONDS, MOST_SECONDS = 0.07, 4.0, 300.0
"""Share of the sound that atoms are not learned from, and how many seconds that must be, and may be."""

N_MADE = 2
"""Of each kind of sounds that are made by formula."""


class Gain(NamedTuple):
    """By how much a score is above that of another system, in the mean over mixtures, and its standard error."""

    mean: float
    error: float

    @property
    def is_clear(self) -> bool:
        """True if it is more than chance."""
        return abs(self.mean) > 2 * self.error


def find_gains(new: Sequence[Scores], old: Sequence[Scores]) -> dict[str, Gain]:
    """Return the gain in each score that both systems have on two mixtures or more.

    Examples
    --------
    >>> find_gains([{"si_sdr": 8.0}, {"si_sdr": 6.0}], [{"si_sdr": 5.0}, {"si_sdr": 5.0}])
    {'si_sdr': Gain(mean=2.0, error=1.0)}
    """
    gains = {}
    for name in COMPARED:
        pairs = [(a.get(name), b.get(name)) for a, b in zip(new, old, strict=True)]
        known = [a - b for a, b in pairs if a is not None and b is not None and math.isfinite(a - b)]
        if len(known) > 1:
            error = np.std(known, ddof=1) / math.sqrt(len(known))
            gains[name] = Gain(float(np.mean(known)), float(error))
    return gains


def hold_out(corpus: Corpus, seed: int) -> tuple[Corpus, Corpus | None]:
    """Return what atoms are to be learned from, and what is held out: nothing if that would be too little."""
    rng = np.random.default_rng([seed, HOLDING_STREAM])
    learned, held_out = corpus.split_seconds(min(HELD_OUT, MOST_SECONDS / corpus.seconds), rng=rng)
    return (learned, held_out) if held_out.seconds >= LEAST_SECONDS else (corpus, None)


def load_sounds(corpus: Corpus) -> Sounds:
    """Return the sounds of a corpus, of at most `MOST_SECONDS`; AudioFileError if none can be read."""
    clips = corpus.clips(max_seconds=MOST_SECONDS, clip_seconds=CLIP_SECONDS, rng=0)
    return in_memory((clip.recording.group, clip.y) for clip in clips)


def complete(dictionary: Dictionary, source: str, plain: Dictionary) -> Dictionary:
    """Return a plain dictionary with the atoms of another for what `source` is mixed with, where it has none.

    DictionaryError if they do not fit together.
    """
    other = "speech" if source == "noise" else "noise"
    if other in dictionary.sources:
        return dictionary
    parts = dictionary, select_source(plain, other)
    # atoms describe frames that are divided by the spectrum of the speech
    return merge(*(parts if other == "noise" else reversed(parts)))


def stand_in(plain: Dictionary, source: str) -> Dictionary:
    """Return a plain dictionary whose speech has the place of another source."""
    groups = [replace(group, source=source) if group.source == "speech" else group for group in plain.groups]
    return replace(plain, groups=tuple(groups))


def compare_atoms(
    held_out: Sounds,
    source: str,
    dictionaries: Mapping[str, Dictionary],
    *,
    others: Sounds | None = None,
    sr: int,
    seed: int,
) -> Rows:
    """Return the scores of mixtures of held-out sounds of a source, as they are and with each dictionary.

    Speech and noise are denoised; another source is separated from noise. Atoms of noise are compared by `classic`,
    the only method that uses those of a plain dictionary. `others` are mixed with the held-out ones:
    speech if these are noise, else noise; sounds made by formula by default.
    """
    if others is None:
        make = _make_speech if source == "noise" else _make_noise
        others = make(2 * SECONDS * sr, sr, np.random.default_rng([seed, STREAM, 1]))
    if source == "noise":
        return compare_denoisers(others, held_out, dictionaries, method="classic", sr=sr, seed=seed)
    if source == "speech":
        return compare_denoisers(held_out, others, dictionaries, sr=sr, seed=seed)
    wanted, mixtures = _mix(held_out, others, sr, seed)
    systems = {name: _separating(dictionary, sr) for name, dictionary in dictionaries.items()}
    return _compare(((y, {source: x}) for x, y in zip(wanted, mixtures, strict=True)), systems, sr)


def compare_denoisers(
    speech: Sounds,
    noise: Sounds,
    dictionaries: Mapping[str, Dictionary],
    *,
    method: str | None = None,
    sr: int,
    seed: int,
) -> Rows:
    """Return the scores of mixtures of held-out sounds, as they are and denoised with each dictionary.

    The first are called `MIXTURE`; `seed` draws the mixtures. Plain dictionaries are used with `method`.
    """
    wanted, mixtures = _mix(speech, noise, sr, seed)

    def system(dictionary: Dictionary) -> System:
        denoiser = Denoiser(dictionary, method=method if dictionary.kind == "plain" else None)
        return lambda y: {"speech": denoiser.denoise(y, sr)}

    systems = {name: system(dictionary) for name, dictionary in dictionaries.items()}
    return _compare(((y, {"speech": x}) for x, y in zip(wanted, mixtures, strict=True)), systems, sr)


def compare_separators(
    clips: SourceClips, dictionaries: Mapping[str, Dictionary], *, sr: int, seed: int
) -> Rows:
    """Do the same for mixtures of several sources, each of which has a row."""
    rng = np.random.default_rng([seed, STREAM])
    mixer = SourceMixer(clips.held_out, n_samples=SECONDS * sr, sr=sr, rng=rng, plain=True)
    sources, mixtures, _ = mixer.batch(N_MIXTURES)
    systems = {name: _separating(dictionary, sr) for name, dictionary in dictionaries.items()}
    pairs = ((y, dict(zip(clips.held_out, sources[:, i], strict=True))) for i, y in enumerate(mixtures))
    return _compare(pairs, systems, sr)


def _separating(dictionary: Dictionary, sr: int) -> System:
    separator = Separator(dictionary)
    return lambda y: separator.separate(y, sr)


def _mix(speech: Sounds, noise: Sounds, sr: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, STREAM])
    batch = Mixer(speech, noise, n_samples=SECONDS * sr, sr=sr, rng=rng, plain=True).batch(N_MIXTURES)
    return batch.wanted, batch.mixture


def _make_noise(n: int, sr: int, rng: np.random.Generator) -> Sounds:
    makers: dict[str, Callable[[], Array]] = {
        "coloured": lambda: coloured_noise(n, rng),
        "hum": lambda: hum(n, sr, rng),
        "impacts": lambda: impacts(n, sr, rng),
        "modulated": lambda: modulated_noise(n, sr, rng),
        "texture": lambda: texture(n, sr, rng),
        "tones": lambda: tones(n, sr, rng),
    }
    return in_memory((name, make()) for name, make in makers.items() for _ in range(N_MADE))


def _make_speech(n: int, sr: int, rng: np.random.Generator) -> Sounds:
    return in_memory((f"speaker {i}", utterance(n, sr, rng)) for i in range(4 * N_MADE))


def _compare(pairs: Iterable[tuple[Array, Sources]], systems: Mapping[str, System], sr: int) -> Rows:
    found: Rows = {name: [] for name in (MIXTURE, *systems)}
    for y, sources in pairs:
        for name in found:
            outputs = systems[name](y) if name in systems else dict.fromkeys(sources, y)
            found[name] += [
                score(reference, outputs[source], sr, COMPARED)
                for source, reference in sources.items()
                if reference.any()
            ]
    return found
