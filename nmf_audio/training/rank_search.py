"""Numbers of atoms for recordings, by what is held out of their spectrograms."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nmf_audio._checks import check_number, check_rng, check_whole, invalid
from nmf_audio._types import Array, RandomSource
from nmf_audio.dsp.bands import FrontEndSpec
from nmf_audio.errors import AudioFileError
from nmf_audio.nmf import RankComparison, compare_ranks, cross_validate
from nmf_audio.nmf.rank_comparison import ranks_up_to
from nmf_audio.training import defaults
from nmf_audio.training.corpus import Corpus
from nmf_audio.training.frames import analyse, long_term_spectrum, normalised_frames
from nmf_audio.training.plain import power_of

__all__ = ["choose_n_components", "find_rank"]

SURPLUS = 2.5
"""Frames that are read for each that is drawn: pauses are left out."""

N_FOLDS = 3
MAX_ITER = 60


def find_rank(
    corpus: Corpus,
    *,
    ranks: Sequence[int] | int = defaults.HIGHEST_RANK,
    n_frames: int = defaults.RANK_FRAMES,
    beta: float = defaults.BETA,
    l1_H: float = defaults.RANK_L1,
    spec: FrontEndSpec | None = None,
    rng: RandomSource = None,
    callback: Callable[[float], None] | None = None,
) -> RankComparison:
    """Compare numbers of atoms for recordings of one source, on the frames that a training learns from.

    Parameters
    ----------
    corpus : Corpus
        Recordings, at the spec's sample rate.
    ranks : sequence of int, or int
        Numbers of atoms, each once; one number stands for 1, 2, 3, 4, 6, 8, 12, 16 and so on up to it.
    n_frames : int
        At most so many frames of sound are drawn, evenly over the corpus's groups. Time grows with it, and with
        the sum of `ranks`.
    beta : float
        1 Kullback-Leibler on magnitudes; 0 Itakura-Saito on powers.
    l1_H : float
        Penalty on the activations, see `compare_ranks`.
    spec : FrontEndSpec, optional
        The front end; the default one if None. Bands that some of the recordings can't hold are left out.
    rng : int, Generator, optional
        Randomness. The same seed, machine and versions give the same bits.
    callback : callable, optional
        Called as ``callback(share)`` with the share of the work that is done.

    Returns
    -------
    RankComparison
        Of `nmf_audio.nmf.compare_ranks`. Neighbouring bands and frames are alike, so that what is held out is half
        known: `best` is rather too high than too low.

    Raises
    ------
    ParameterError
        When an argument is out of its range, or the recordings hold fewer frames of sound than atoms are tried.
    AudioFileError
        When nothing could be read or all is silence.

    Examples
    --------
    >>> import tempfile, pathlib, soundfile as sf
    >>> from nmf_audio.training.corpus import find_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hiss = np.random.default_rng(0).standard_normal(32000) / 10
    ...     sf.write(pathlib.Path(folder) / "hiss.wav", hiss, 16000)
    ...     find_rank(find_recordings([folder], sr=16000), ranks=4, rng=0).best
    1
    """
    l1_H, beta = check_number("l1_H", l1_H, 0), check_number("beta", beta, 0, 3)
    tried = list(ranks) if isinstance(ranks, Sequence) else ranks_up_to(ranks)
    generator = check_rng(rng)
    V = _draw(corpus, check_whole("n_frames", n_frames, 1), beta, spec, generator, max(tried, default=1))
    return compare_ranks(
        V, tried, beta, l1_H=l1_H, n_folds=N_FOLDS, max_iter=MAX_ITER, rng=generator, callback=callback
    )


def choose_n_components(
    corpus: Corpus,
    *,
    one_group: bool,
    beta: float = defaults.BETA,
    l1_H: float = 0.0,
    spec: FrontEndSpec | None = None,
    rng: RandomSource = None,
    callback: Callable[[float], None] | None = None,
) -> int:
    """Choose the number of atoms of a training by entries that are held out.

    Numbers up to 128 are tried on 2000 frames; without `one_group`, up to 32 for each of the corpus's groups. Groups
    in which there is nothing to hear get no atoms.

    Parameters
    ----------
    corpus : Corpus
        Recordings, at the spec's sample rate.
    one_group : bool
        Whether the training makes one group of atoms for everything.
    beta, l1_H, spec
        As in `nmf_audio.train_plain`; a penalty below that of `find_rank` counts as that.
    rng, callback
        As in `find_rank`.

    Returns
    -------
    int
        The number of atoms, of all groups together.

    Raises
    ------
    ParameterError
        When the recordings hold too few frames of sound.
    AudioFileError
        When nothing could be read or all is silence.

    Examples
    --------
    >>> import tempfile, pathlib, soundfile as sf
    >>> from nmf_audio.training.corpus import find_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     hiss = np.random.default_rng(0).standard_normal(32000) / 10
    ...     sf.write(pathlib.Path(folder) / "hiss.wav", hiss, 16000)
    ...     choose_n_components(find_recordings([folder], sr=16000), one_group=False, rng=0)
    1
    """
    parts = [corpus] if one_group else [replace(corpus, recordings=r) for r in corpus.groups.values()]
    highest = defaults.AUTO_HIGHEST if one_group else defaults.AUTO_HIGHEST_OF_GROUP
    generator, total = check_rng(rng), 0
    nothing: AudioFileError | None = None

    def report(share: float, i: int) -> None:
        if callback is not None:
            callback((i + share) / len(parts))

    for i, part in enumerate(parts):
        try:
            V = _draw(part, defaults.RANK_FRAMES, beta, spec, generator, 1)
        except AudioFileError as error:
            # a group that is silent or can't be read has no atoms; the training leaves it out, too
            nothing = error
            continue
        tried = ranks_up_to(min(highest, V.shape[1]))
        found = cross_validate(
            V, tried, beta, n_folds=N_FOLDS, l1_H=max(l1_H, defaults.RANK_L1), norm="l2", max_iter=MAX_ITER,
            rng=generator, callback=lambda done, n, i=i: report(done / n, i),  # type: ignore[misc]
        )  # fmt: skip
        total += found.best
    if nothing is not None and not total:
        raise nothing
    return total


def _draw(
    corpus: Corpus,
    n_frames: int,
    beta: float,
    spec: FrontEndSpec | None,
    rng: np.random.Generator,
    least: int,
) -> Array:
    """Return frames of sound (n_bands, n_frames) to the power that belongs to `beta`; at least `least`."""
    spec = FrontEndSpec() if spec is None else spec
    budget = SURPLUS * n_frames * spec.frame_seconds / 2
    bands = analyse(corpus.clips(max_seconds=budget, rng=rng), spec)
    frames = normalised_frames(
        bands, spectrum=long_term_spectrum(bands), n_frames=n_frames, one_group="all", rng=rng
    )["all"]
    if frames.V.shape[1] < least:
        allowed = f"at most {frames.V.shape[1]}, the frames with sound that the recordings hold"
        raise invalid("ranks", least, allowed, "ask for fewer or give more recordings")
    V = frames.V if frames.M is None else frames.V[(frames.M > 0).all(axis=1)]
    powered: Array = V ** np.float32(power_of(beta))
    return powered
