"""Quality of separation without dictionaries, beside librosa and scikit-learn, on music made by formula.

::

    python benchmarks/blind.py                     # all tables; or some: percussive blind place joint example groups
    python benchmarks/blind.py --speech HER HIS    # voices from recordings: a folder for each speaker
    python benchmarks/blind.py blind --rows voice  # only the mixtures that have a voice

The voice is that of the first folder, or of the demo; each further folder is another talker beside it. Needs the
extras ``eval`` and ``dev``. Numbers are BSS-eval's SDR (fast_bss_eval, filters of 512 samples) in dB, the mean of all
sources in their best order, and of three melodies and seeds; sources are equally loud, 8 s at 16 kHz.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
from scoring import table
from separation import bss_sdr
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF

from nmf_audio import BlindSeparator, ExampleSeparator, PercussiveSeparator, separate_takes
from nmf_audio.dsp.bands import frame_size
from nmf_audio.dsp.gains import ratio_mask
from nmf_audio.dsp.stft import istft, stft
from nmf_audio.training.corpus import find_recordings
from nmf_audio.training.instruments import drums, organ, play, pluck, string

Array = npt.NDArray[Any]
Sources = list[Array]

SR, SECONDS = 16000, 8.0
N = int(SR * SECONDS)
SEEDS = (11, 12, 13)
DEMO = Path(__file__).parent.parent / "demos" / "clean.flac"
SCALE = (0, 2, 4, 7, 9, 12, 14, 16)
CHORDS = ((60, 64, 67), (57, 60, 64), (65, 69, 72), (55, 59, 62))


class Material:
    """The sounds of one seed."""

    def __init__(self, seed: int, voices: Mapping[str, Array]) -> None:
        rng = np.random.default_rng(seed)
        self.drums = drums(SECONDS, SR, rng, beat=float(rng.uniform(0.4, 0.6)))
        self.piano = play(string, self._melody(rng, 60, 20, 0.6), SECONDS, SR, rng)
        self.bass = play(organ, self._melody(rng, 36, 8, 0.98), SECONDS, SR, rng)
        self.guitar = play(pluck, self._melody(rng, 64, 24, 0.5), SECONDS, SR, rng)
        held = [(2.0 * i, 1.9, pitch) for i, chord in enumerate(CHORDS) for pitch in chord]
        self.chords = play(organ, held, SECONDS, SR, rng)
        self.noise = (0.1 * rng.standard_normal(N)).astype(np.float32)
        self.voice, *others = voices.values()
        self.others = dict(zip(list(voices)[1:], others, strict=True))

    @staticmethod
    def _melody(
        rng: np.random.Generator, low: int, n: int, length: float
    ) -> list[tuple[float, float, float]]:
        return [(i * SECONDS / n, length, low + int(rng.choice(SCALE))) for i in range(n)]

    def turns(self, a: Array, b: Array) -> Sources:
        """Return two sources that take turns, a second each."""
        first = np.arange(N) // SR % 2 == 0
        return [np.where(first, a, 0), np.where(first, 0, b)]


def voices_of(speakers: Sequence[Path]) -> list[dict[str, Array]]:
    """Return eight seconds of each speaker for each seed: other recordings each time, one after the other."""
    found: list[dict[str, Array]] = [{} for _ in SEEDS]
    for speaker in speakers:
        clips = find_recordings([speaker], sr=SR).load(clip_seconds=SECONDS)
        y = np.concatenate([clip for members in clips.values() for clip in members])
        for i, voices in enumerate(found):
            part = y.take(np.arange(N) + i * len(y) // len(SEEDS), mode="wrap")
            voices[speaker.name] = np.asarray(0.1 * part / part.std(), np.float32)
    return found


def score(references: Sources, estimates: Sources) -> float:
    """Return the mean SDR of the best order; channels are one after the other."""
    s, e = (np.stack([np.ravel(one) for one in some]) for some in (references, estimates))
    pairs = np.array([bss_sdr(np.repeat(one[None], len(e), axis=0), e) for one in s])
    orders = itertools.permutations(range(len(e)), len(s))
    return max(float(np.mean([pairs[i, j] for i, j in enumerate(order)])) for order in orders)


def scikit(references: Sources, n_components: int, seed: int, *, oracle: bool) -> float:
    """Return the score of scikit-learn's NMF, atoms grouped by the true sources or by k-means of their spectra."""
    y = np.sum(references, axis=0)
    n_fft = frame_size(SR, 0.064)
    X = stft(y, n_fft)
    model = NMF(
        n_components,
        init="random",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=300,
        tol=0,
        random_state=seed,
    )
    H = model.fit_transform(np.abs(X).T + 1e-8).T
    W = model.components_.T
    n = len(references)
    if oracle:
        powers = np.stack([np.abs(stft(one, n_fft)) ** 2 for one in references])
        shares = powers / (powers.sum(axis=0) + 1e-12)
        labels = np.einsum("fk,kt,sft->sk", W, H, shares, optimize=True).argmax(axis=0)
    else:
        labels = KMeans(n, n_init=10, random_state=seed).fit_predict((W / np.linalg.norm(W, axis=0)).T)
    models = np.stack([W[:, labels == i] @ H[labels == i] for i in range(n)]).astype(np.float32)
    return score(references, [istft(mask * X, n_fft, len(y)) for mask in ratio_mask(models, 2.0)])


def hpss(references: Sources, seed: int) -> float:
    """Return the score of librosa's median filters, as they come."""
    y = np.sum(references, axis=0)
    return score(references, list(librosa.effects.hpss(y)))


def blindly(references: Sources, seed: int, **options: Any) -> float:
    """Return the score of `BlindSeparator`."""
    separator = BlindSeparator(len(references), seed=seed, **options)
    parts = separator.separate(np.sum(references, axis=0), SR)
    return score(references, [parts[name] for name in separator.sources])


def percussively(references: Sources, seed: int, **options: Any) -> float:
    """Return the score of `PercussiveSeparator`."""
    parts = PercussiveSeparator(seed=seed, **options).separate(np.sum(references, axis=0), SR)
    return score(references, [parts["percussive"], parts["harmonic"]])


def by_example(references: Sources, seed: int) -> float:
    """Return the score of `ExampleSeparator` after the stretch, in which only the first source sounds."""
    example, rest = references[0], np.where(np.arange(N) < 2 * SR, 0, references[1])
    parts = ExampleSeparator(0, 2, seed=seed).separate((example + rest).astype(np.float32), SR)
    return score([example[2 * SR :], rest[2 * SR :]], [parts["example"][2 * SR :], parts["rest"][2 * SR :]])


def untouched(references: Sources, seed: int) -> float:
    """Return the score of the mixture itself."""
    return score(references, [np.sum(references, axis=0)] * len(references))


def short_take(references: Sources, seed: int, *, joint: bool) -> float:
    """Return the score of the last two seconds, taken apart alone or together with the six before."""
    y, cut = np.sum(references, axis=0), 6 * SR
    separator = BlindSeparator(len(references), seed=seed)
    takes = [y[:cut], y[cut:]] if joint else [y[cut:]]
    parts = separate_takes(takes, SR, separator)[-1]
    return score([one[cut:] for one in references], [parts[name] for name in separator.sources])


def panned(references: Sources) -> Sources:
    """Return the sources as a stereo mixer places them, from left to right, at constant power."""
    angles = np.linspace(0.2, 0.8, len(references)) * np.pi / 2
    return [
        np.outer([np.cos(a), np.sin(a)], y).astype(np.float32)
        for a, y in zip(angles, references, strict=True)
    ]


Mixtures = dict[str, Callable[[Material], Sources]]
Systems = dict[str, Callable[[Sources, int], float]]

TWO_OR_THREE: Mixtures = {
    "drums, piano": lambda m: [m.drums, m.piano],
    "voice, piano": lambda m: [m.voice, m.piano],
    "voice, drums": lambda m: [m.voice, m.drums],
    "piano, bass": lambda m: [m.piano, m.bass],
    "guitar, chords": lambda m: [m.guitar, m.chords],
    "drums, guitar, chords": lambda m: [m.drums, m.guitar, m.chords],
}
BEATS: Mixtures = {
    "drums, piano": lambda m: [m.drums, m.piano],
    "drums, guitar + chords": lambda m: [m.drums, 0.7 * (m.guitar + m.chords)],
    "drums, bass + piano": lambda m: [m.drums, 0.7 * (m.bass + m.piano)],
    "drums, voice": lambda m: [m.drums, m.voice],
}
EXAMPLES: Mixtures = {
    "noise, voice": lambda m: [m.noise, m.voice],
    "drums, voice": lambda m: [m.drums, m.voice],
    "drums, piano": lambda m: [m.drums, m.piano],
    "piano, voice": lambda m: [m.piano, m.voice],
    "chords, guitar": lambda m: [m.chords, m.guitar],
}
TURNS: Mixtures = {
    "piano, voice in turns": lambda m: m.turns(m.piano, m.voice),
    "piano, bass in turns": lambda m: m.turns(m.piano, m.bass),
    "drums, piano at once": lambda m: [m.drums, m.piano],
}
TALKERS: dict[str, Callable[[Material, Array], Sources]] = {
    "blind": lambda m, other: [m.voice, other],
    "place": lambda m, other: [m.voice, other],
    "joint": lambda m, other: [m.voice, other],
    "example": lambda m, other: [m.voice, other],
    "groups": lambda m, other: m.turns(m.voice, other),
}
PLAIN: Systems = {"mixture": untouched}


def _atoms(references: Sources) -> int:
    return BlindSeparator(len(references)).n_components


TABLES: dict[str, tuple[Mixtures, Systems]] = {
    "percussive": (
        BEATS,
        PLAIN
        | {
            "librosa HPSS": hpss,
            "scikit-learn, 36 atoms, oracle groups": lambda r, s: scikit(r, 36, s, oracle=True),
            "--continuity 0": lambda r, s: percussively(r, s, continuity=0),
            "--percussive": percussively,
        },
    ),
    "blind": (
        TWO_OR_THREE,
        PLAIN
        | {
            "scikit-learn, k-means": lambda r, s: scikit(r, _atoms(r), s, oracle=False),
            "--blind N": blindly,
            "scikit-learn, oracle groups": lambda r, s: scikit(r, _atoms(r), s, oracle=True),
        },
    ),
    "place": (
        TWO_OR_THREE,
        {
            "mixture": lambda r, s: untouched(panned(r), s),
            "--blind N": lambda r, s: blindly(panned(r), s),
            "--blind N --by-place": lambda r, s: blindly(panned(r), s, places=True),
        },
    ),
    "joint": (
        TWO_OR_THREE,
        {
            "last 2 s alone": lambda r, s: short_take(r, s, joint=False),
            "--joint with 6 s before": lambda r, s: short_take(r, s, joint=True),
        },
    ),
    "example": (EXAMPLES, PLAIN | {"--example 0-2": by_example}),
    "groups": (
        TURNS,
        {
            f"--group-sparsity {weight:g}": lambda r, s, w=weight: blindly(r, s, group_sparsity=w)  # type: ignore[misc]
            for weight in (0.0, 0.01, 0.03)
        },
    ),
}


def two_talkers(material: Material, *, table: str, other: str) -> Sources:
    """Return the sources of a table's mixture of the voice and another talker."""
    return TALKERS[table](material, material.others[other])


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="How well separation without dictionaries works.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument(
        "--speech",
        nargs="+",
        type=Path,
        default=[DEMO],
        metavar="FOLDER",
        help="recordings of a speaker each",
    )
    parser.add_argument("--rows", default="", metavar="WORD", help="only mixtures whose name has this word")
    args = parser.parse_args()
    materials = [Material(*pair) for pair in zip(SEEDS, voices_of(args.speech), strict=True)]
    for name in args.tables:
        mixtures, systems = TABLES[name]
        if name in TALKERS:
            others = materials[0].others
            mixtures = mixtures | {
                f"voice, {other}": partial(two_talkers, table=name, other=other) for other in others
            }
        mixtures = {title: make for title, make in mixtures.items() if args.rows in title}
        lines = []
        for title, make in mixtures.items():
            scores = [
                np.mean([system(make(m), seed) for m, seed in zip(materials, SEEDS, strict=True)])
                for system in systems.values()
            ]
            lines.append([title, *(f"{one:.1f}" for one in scores)])
        print(table([name, *systems], lines), flush=True)
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
