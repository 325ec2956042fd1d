"""Defaults of the training functions and of ``nmf-audio train``, in one place that imports nothing.

Those of numbers of atoms and sparsity are what served ``classic`` best on mixtures of unheard speakers and noise.
"""

__all__ = [
    "AUTO_HIGHEST",
    "AUTO_HIGHEST_OF_GROUP",
    "BETA",
    "COOL_DOWN_SHARE",
    "FINE_TUNING_RATE",
    "HIGHEST_RANK",
    "HIGHEST_RATE",
    "MAX_ITER",
    "MAX_SECONDS",
    "N_FRAMES",
    "N_GLOBAL",
    "N_JOBS",
    "N_LAYERS",
    "N_LOCAL",
    "N_NOISE",
    "N_SECOND",
    "N_SPEECH",
    "N_STEPS",
    "PASSES",
    "RANK_FRAMES",
    "RANK_L1",
    "SEPARATOR",
    "SEPARATOR_RATE",
    "STREAM_SECONDS",
    "WHITENING",
    "l1_h",
    "n_components",
]

BETA = 1.0
MAX_ITER = 100
N_FRAMES = 50_000
MAX_SECONDS = 3600.0

STREAM_SECONDS, PASSES = 1200.0, 3
"""Seconds of sound that are held in memory; more is read in a stream, in so many passes: docs/performance.md."""

HIGHEST_RANK, RANK_FRAMES, RANK_L1 = 64, 2000, 0.1
"""Of `find_rank`: the most atoms that are tried, frames, and a penalty without which atoms guess what is hidden."""

AUTO_HIGHEST, AUTO_HIGHEST_OF_GROUP = 128, 32
"""The most atoms that a training tries that chooses their number; of each of several groups."""

N_SPEECH, N_NOISE = 160, 96
N_LAYERS = 4
N_STEPS = 24_000

N_LOCAL, N_GLOBAL, N_SECOND = 32, 96, 32
"""Units of the gated memory: in each group of bands, over all bands, in each group again."""

COOL_DOWN_SHARE = 0.35
"""The last part of a denoiser's training, in which the learning rate falls."""

N_JOBS = 2
"""Threads that a denoiser's training shares its batches of 16 between: more would find too little to do."""

HIGHEST_RATE, FINE_TUNING_RATE = 6e-3, 2e-3
"""Learning rate after the warm-up, from the start and from a trained dictionary: docs/experiments.md, S and D."""

WHITENING = 0.3
"""How far a denoiser's front end evens the signal's spectrum out: docs/experiments.md, G."""

SEPARATOR = {"n_components": 48, "n_layers": 3, "n_steps": 1200}
"""Atoms of each source, layers and steps of `nmf_audio.training.separator`."""

SEPARATOR_RATE = 2e-2
"""Learning rate after the warm-up. A separator that goes on from another learns more with it than with less."""


def n_components(n_groups: int, *, one_group: bool) -> int:
    """Return how many atoms to learn: 128 for one group, as speech is, else 3 for each folder and at least 8.

    Examples
    --------
    >>> n_components(37, one_group=False)
    111
    """
    return 128 if one_group else max(8, 3 * n_groups)


def l1_h(*, one_group: bool) -> float:
    """Return the penalty on activations.

    It is 1 for one group, whose many atoms it keeps apart, and 0 for the few atoms of a kind of noise.
    """
    return 1.0 if one_group else 0.0
