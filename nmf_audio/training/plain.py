"""Plain dictionaries: KL or Itakura-Saito NMF of the front end's normalised bands.

Speech becomes one group of atoms; noise one group for each kind, learned apart, so that a person can see and
choose kinds. Kinds that are harder to describe get more atoms.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nmf_audio._checks import check_callable, check_kind, check_number, check_rng, check_whole, invalid
from nmf_audio._types import Array, Progress, RandomSource
from nmf_audio.dictionary import Dictionary, Group
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.nmf import factorize
from nmf_audio.training import defaults
from nmf_audio.training.card import Origin, trained_on
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.frames import Frames, analyse, long_term_spectrum, normalised_frames

__all__ = [
    "PlainSettings",
    "Progress",
    "Sample",
    "check_plain",
    "learn_sample",
    "make_plain",
    "power_of",
    "share_atoms",
    "train_plain",
]

READING = 40.0
"""Percent of the time that goes into reading; the rest is learning."""

FIRST_ITERATIONS = 20
"""Iterations of the first, even fit that shows which groups need more atoms."""


def train_plain(
    corpus: Corpus,
    *,
    source: str,
    n_components: int | None = None,
    one_group: str | None = None,
    beta: float = defaults.BETA,
    l1_H: float | None = None,
    max_iter: int = defaults.MAX_ITER,
    n_frames: int = defaults.N_FRAMES,
    max_seconds: float = defaults.MAX_SECONDS,
    spec: FrontEndSpec | None = None,
    spectrum: Array | None = None,
    origins: Mapping[Path, Origin] | None = None,
    rng: RandomSource = None,
    progress: Progress | None = None,
) -> Dictionary:
    """Learn atoms of one source from recordings.

    Minimises D_beta(V**power | W H) by multiplicative updates (Fevotte & Idier 2011) over normalised frames V
    (n_bands, n_frames), for each group apart.

    Parameters
    ----------
    corpus : Corpus
        Recordings, at the spec's sample rate.
    source : str
        What they are: ``'speech'``, ``'noise'`` or any name.
    n_components : int, optional
        Atoms, all groups together. None: see `nmf_audio.training.defaults.n_components`.
    one_group : str, optional
        Name of the one group for everything. None: one group for each folder name.
    beta : float
        1 Kullback-Leibler on magnitudes; 0 Itakura-Saito on powers, see `power_of`.
    l1_H : float, optional
        Penalty on the activations: above 0, fewer and fuller atoms explain a frame (sparse NMF with atoms of
        unit norm, Le Roux, Weninger & Hershey 2015). Frames are about 1 in every band. None: see
        `nmf_audio.training.defaults.l1_h`.
    max_iter : int
        Iterations.
    n_frames : int
        At most so many frames, drawn evenly over the corpus's groups.
    max_seconds : float
        At most so much audio is read, drawn evenly over the corpus's groups.
    spec : FrontEndSpec, optional
        The front end; the default one if None.
    spectrum : ndarray, float32 (n_bands,), optional
        Long-term spectrum that frames are divided by: that of the speech which the atoms will be used
        against. The recordings' own if None.
    origins : mapping of pathlib.Path to Origin, optional
        Where recordings are from, see `nmf_audio.training.card.read_manifest`.
    rng : int, Generator, optional
        Randomness. The same seed, machine and versions give the same bits.
    progress : callable, optional
        Told how far it is.

    Returns
    -------
    Dictionary
        Kind ``'plain'``; atoms have L2 norm 1. Its `meta` tells what it was learned from and how.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the recordings are too short for so many atoms.
    AudioFileError
        When nothing could be read or all is silence.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, soundfile as sf
    >>> from nmf_audio.training.corpus import find_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hiss = np.random.default_rng(0).standard_normal(32000) / 10
    ...     sf.write(pathlib.Path(folder) / "hiss.wav", hiss, 16000)
    ...     corpus = find_recordings([folder], sr=16000)
    ...     train_plain(corpus, source="noise", one_group="hiss", n_components=4, rng=0)
    <Dictionary 'unsaved': plain, 4 noise atoms of 100 bands>
    """
    check_callable("progress", progress)
    settings = check_plain(corpus, source, n_components, one_group, beta, l1_H, spec)
    max_iter, n_frames = check_whole("max_iter", max_iter, 1), check_whole("n_frames", n_frames, 1)
    sample = learn_sample(
        corpus,
        settings,
        max_iter=max_iter,
        n_frames=n_frames,
        max_seconds=max_seconds,
        spectrum=spectrum,
        rng=check_rng(rng),
        progress=progress,
    )
    training = {
        "max_iter": max_iter,
        "n_frames": sample.n_frames,
        "seconds": round(sum(sample.heard.values()), 1),
        "seed": int(rng) if isinstance(rng, int | np.integer) else None,
        "cost_per_frame": round(sample.cost, 3),
    }
    return make_plain(settings, sample.spectrum, sample.atoms, sample.heard, training, origins)


class PlainSettings(NamedTuple):
    """Checked settings of plain dictionaries, see `train_plain`."""

    source: str
    n_components: int
    one_group: str | None
    beta: float
    l1_H: float
    spec: FrontEndSpec


def check_plain(
    corpus: Corpus,
    source: str,
    n_components: int | None,
    one_group: str | None,
    beta: float,
    l1_H: float | None,
    spec: FrontEndSpec | None,
) -> PlainSettings:
    """Check the arguments of `train_plain` that are of these names, and put defaults in the place of None."""
    check_kind("corpus", corpus, Corpus, "find_recordings makes one")
    spec = FrontEndSpec() if spec is None else spec
    n_groups = len(corpus.groups)
    if n_components is None:
        n_components = defaults.n_components(n_groups, one_group=one_group is not None)
    if l1_H is None:
        l1_H = defaults.l1_h(one_group=one_group is not None)
    if corpus.sr != spec.sr:
        raise invalid(
            "corpus",
            corpus.sr,
            f"found for {spec.sr} Hz, as the front end",
            given=f"corpus at {corpus.sr} Hz",
        )
    n_components = check_whole("n_components", n_components, 1)
    beta = check_number("beta", beta, 0, 3, advice="1 is Kullback-Leibler, 0 Itakura-Saito")
    l1_H = check_number("l1_H", l1_H, 0, advice="0.1 is a little")
    if one_group is None and n_components < n_groups:
        raise invalid(
            "n_components",
            n_components,
            f"at least {n_groups}, one atom for each folder",
            "ask for more or put recordings together",
        )
    return PlainSettings(source, n_components, one_group, beta, l1_H, spec)


class Sample(NamedTuple):
    """Atoms of each group, of unit L2 norm, and what they were learned from.

    Attributes
    ----------
    spectrum : ndarray, float32 (n_bands,)
        What frames are divided by.
    atoms : dict of str to ndarray (n_bands, n_atoms)
        By group, names sorted.
    cost : float
        A frame.
    frames : dict of str to Frames
        The sample, by group.
    heard : dict of pathlib.Path to float
        Seconds taken from each recording.
    """

    spectrum: Array
    atoms: dict[str, Array]
    cost: float
    frames: dict[str, Frames]
    heard: dict[Path, float]

    @property
    def n_frames(self) -> int:
        """Frames of the sample."""
        return sum(part.V.shape[1] for part in self.frames.values())


def learn_sample(
    corpus: Corpus,
    settings: PlainSettings,
    *,
    max_iter: int,
    n_frames: int,
    max_seconds: float,
    spectrum: Array | None,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Sample:
    """Learn atoms from frames that are held in memory; `train_plain` has the arguments and what is raised."""

    def report(percent: float) -> None:
        if progress is not None:
            progress(percent, 100.0)

    total = min(max_seconds, corpus.seconds)
    bands = analyse(
        corpus.clips(max_seconds=max_seconds, rng=rng),
        settings.spec,
        lambda seconds: report(READING * min(seconds / total, 1.0)),
    )
    if spectrum is None:
        spectrum = long_term_spectrum(bands)
    frames = normalised_frames(
        bands, spectrum=spectrum, n_frames=n_frames, one_group=settings.one_group, rng=rng
    )
    n_drawn = sum(part.V.shape[1] for part in frames.values())
    if n_drawn < settings.n_components:
        raise invalid(
            "n_components",
            settings.n_components,
            f"at most {n_drawn}, the frames with sound that the recordings hold",
            "ask for fewer or give more recordings",
        )
    atoms, cost = _learn(frames, settings, max_iter, rng, report)
    return Sample(spectrum, atoms, cost, frames, bands.heard)


def make_plain(
    settings: PlainSettings,
    spectrum: Array,
    atoms: Mapping[str, Array],
    heard: Mapping[Path, float],
    training: Mapping[str, Any],
    origins: Mapping[Path, Origin] | None,
) -> Dictionary:
    """Return the dictionary of these atoms; `training` says in its `meta` how it was made, besides the settings."""
    groups, start = [], 0
    for name, W in atoms.items():
        groups.append(Group(name, settings.source, start, start + W.shape[1]))
        start += W.shape[1]
    made = {
        "source": settings.source,
        "n_components": settings.n_components,
        "beta": settings.beta,
        "l1_H": settings.l1_H,
        **training,
    }
    return Dictionary(
        kind="plain",
        spec=settings.spec,
        spectrum=spectrum,
        arrays={"W": np.concatenate(list(atoms.values()), axis=1)},
        groups=tuple(groups),
        beta=settings.beta,
        power=power_of(settings.beta),
        meta={"training": [made], "trained_on": trained_on(settings.source, heard, origins)},
    )


def power_of(beta: float) -> float:
    """Return the exponent of the magnitudes that a divergence is for.

    It is 2 (power) for Itakura-Saito and what is nearer to it than to Kullback-Leibler, else 1 (magnitude):
    their statistical models are of powers and of counts (Fevotte, Bertin & Durrieu 2009).

    Examples
    --------
    >>> power_of(0), power_of(1)
    (2.0, 1.0)
    """
    return 2.0 if beta < 0.5 else 1.0


def share_atoms(weights: Sequence[float], available: Sequence[int], n_components: int) -> list[int]:
    """Share atoms among groups in proportion to weights: at least one, at most as many as a group can have.

    There are at least as many atoms as groups. Their sum is `n_components`, unless not so many are available.

    Examples
    --------
    >>> share_atoms([1.0, 3.0, 1.0], [10, 10, 1], 9)
    [2, 6, 1]
    """
    counts = [1] * len(weights)
    for _ in range(min(n_components, sum(available)) - len(weights)):
        # d'Hondt's method: who has the most need for each atom that it would then have
        need = [
            w / (n + 1) if n < most else -1.0 for w, n, most in zip(weights, counts, available, strict=True)
        ]
        counts[int(np.argmax(need))] += 1
    return counts


def _learn(
    frames: Mapping[str, Frames],
    settings: PlainSettings,
    max_iter: int,
    rng: np.random.Generator,
    report: Callable[[float], None],
) -> tuple[dict[str, Array], float]:
    """Atoms of every group and the cost a frame; a short even fit shows who needs more atoms."""
    n_components, beta, l1_H = settings.n_components, settings.beta, settings.l1_H
    names, available = list(frames), [part.V.shape[1] for part in frames.values()]
    n_even = share_atoms([1.0] * len(names), available, n_components)
    work = n_components * (max_iter + (FIRST_ITERATIONS if len(names) > 1 else 0))
    done = 0

    def fit(name: str, n: int, n_iter: int) -> tuple[Array, float]:
        nonlocal done
        part = frames[name]
        fitted = factorize(
            part.V ** np.float32(power_of(beta)),
            n,
            beta=beta,
            init="frames",
            l1_H=l1_H,
            norm="l2" if l1_H > 0 else None,
            weights=part.M,
            max_iter=n_iter,
            tol=0.0,
            momentum=0.0,  # as the shipped dictionaries were learned
            coarse=1,
            rng=rng,
            callback=lambda i, _: report(READING + (100.0 - READING) * (done + i * n) / work),
        )
        done += n_iter * n
        return fitted.W / np.linalg.norm(fitted.W, axis=0), fitted.cost / part.V.shape[1]

    counts = n_even
    if len(names) > 1:
        costs = [fit(name, n, FIRST_ITERATIONS)[1] for name, n in zip(names, n_even, strict=True)]
        counts = share_atoms(np.sqrt(costs).tolist(), available, n_components)
    fits = {name: fit(name, n, max_iter) for name, n in zip(names, counts, strict=True)}
    n_frames = sum(part.V.shape[1] for part in frames.values())
    cost = sum(fits[name][1] * part.V.shape[1] for name, part in frames.items()) / n_frames
    return {name: W for name, (W, _) in fits.items()}, cost
