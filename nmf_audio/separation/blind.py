"""Blind separation: atoms are learned on the mixture, and similar ones are grouped into sources.

Two atoms differ by up to four squared distances:

- of their spectral envelopes: 24 bands evenly spaced on the ERB scale, the root of each, unit norm;
- of how their activations change: histograms, weighted by level, of the steps from frame to frame, which differ
  between struck notes, held notes and speech;
- of when they are active: the activations smoothed by a Hann window of two seconds, unit norm, which differ between
  sources that take turns;
- with `places`: of their shares in the channels.

The first three are divided by their medians. Without places, weighted k-means of their sum makes the clusters
(`nmf_audio.nmf.k_means`): an atom counts by its level, so that a quiet one, however odd, is no source of its own.
With places, atoms of one source must be of one place: exp(-d) of each distance is a positive semidefinite kernel,
and so is their product, which symmetric NMF cuts into clusters (`nmf_audio.nmf.cluster`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._attributes import Constant
from nmf_audio._checks import check_flag, check_whole, conflict
from nmf_audio._types import AnyArray, ShareProgress
from nmf_audio.defaults import DEFAULT_GROUP_SPARSITY
from nmf_audio.nmf import Penalty, cluster, factorize, factorize_penalised, factorize_tensor, k_means
from nmf_audio.separation.atoms_masker import AtomsMasker
from nmf_audio.separation.recording_separator import Recording, RecordingSeparator, check_weight
from nmf_audio.separation.segment_masking import Masker
from nmf_audio.separation.stream import in_steps

__all__ = ["BlindSeparator"]


FRAME_SECONDS = 0.064
MAX_SOURCES = 16
ATOMS_PER_SOURCE, MORE_ATOMS = 8, 8
N_ITER = 100
N_ENVELOPE = 24
TOGETHER_SECONDS = 2.0
STEPS = (-np.inf, -1.5, -0.75, -0.4, -0.2, -0.1, -0.03, 0.03, 0.1, 0.2, 0.4, 0.75, 1.5, np.inf)
"""Edges of the histogram of steps from frame to frame, in octaves of level."""

PLACE_WIDTH = 0.15
"""Standard deviation of the share in a channel among atoms of one place."""

LEARNING_COST, LEARNING_COST_BY_PLACE = 2.8, 5.0
"""Time to learn from a second of sound, in that to separate one."""


class BlindSeparator(RecordingSeparator):
    """Separates a mixture into N sources without prior knowledge of them.

    It finds sources that differ in their spectrum, in how their notes start and end, in when they are active, or,
    with `places`, in where they are. It confuses voices and instruments that do not: docs/blind.md has figures.

    Parameters
    ----------
    n_sources : int
        Number of sources, 2 to 16. Their names are ``source1``, ``source2`` ..., the loudest first.
    n_components : int or None
        Number of atoms to learn; None for 8 per source and 8 more.
    group_sparsity : float
        Weight of a preference for one source at a time, applied once atoms are grouped, for sources that take turns:
        0.03 is a strong preference, see docs/blind.md. Not with `places`.
    places : bool
        Learn the share of each atom in each channel, too (non-negative tensor factorization), and give each channel
        its own masks. Otherwise all channels get the same masks.
    beta : {0, 1, 2}
        1 Kullback-Leibler, 0 Itakura-Saito, 2 Euclidean.
    mask_power : float or None
        Exponent of the masks on magnitudes; 2, the Wiener filter, by default.
    seed : int
        Seed of the random start of the atoms.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    >>> sorted(BlindSeparator(2).separate(y, 8000))
    ['residual', 'source1', 'source2']
    """

    n_components = Constant[int]()
    places = Constant[bool]()
    group_sparsity = Constant[float]()

    def __init__(
        self,
        n_sources: int,
        *,
        n_components: int | None = None,
        group_sparsity: float = DEFAULT_GROUP_SPARSITY,
        places: bool = False,
        beta: float = 1.0,
        mask_power: float | None = None,
        seed: int = 0,
    ) -> None:
        n_sources = check_whole("n_sources", n_sources, 2, MAX_SOURCES)
        if n_components is None:
            n_components = ATOMS_PER_SOURCE * n_sources + MORE_ATOMS
        super().__init__(
            [f"source{i + 1}" for i in range(n_sources)],
            frame_seconds=FRAME_SECONDS,
            beta=beta,
            mask_power=mask_power,
            seed=seed,
        )
        self.group_sparsity = check_weight("group_sparsity", group_sparsity)
        self.places = check_flag("places", places)
        if self.places and self.group_sparsity:
            raise conflict({"places": True, "group_sparsity": self.group_sparsity})
        self.n_components = check_whole(
            "n_components", n_components, n_sources, advice="each source has one or more"
        )
        self._learning_cost = LEARNING_COST_BY_PLACE if self.places else LEARNING_COST

    @property
    def parameters(self) -> dict[str, Any]:
        """What was chosen, for reports."""
        own = {
            "n_components": self.n_components,
            "places": self.places,
            "group_sparsity": self.group_sparsity,
        }
        return {**own, **super().parameters}

    def _view(self, S: AnyArray) -> AnyArray:
        return S if self.places else super()._view(S)

    def _fit(
        self, recordings: Iterable[Recording], sr: int, n_fft: int, progress: ShareProgress | None = None
    ) -> Masker:
        S = self._collect_frames(recordings, n_fft)
        n_channels, n_freq, n_frames = S.shape
        if not n_frames:
            flat = np.ones((n_channels * n_freq, 1), np.float32)
            return self._make_masker([flat for _ in self.sources])
        V = S ** np.float32(self._power)
        n_steps = 2 if self.group_sparsity else 1
        if self.places:
            Q, W, H, _, _ = factorize_tensor(
                V, self.n_components, self.beta, max_iter=N_ITER, tol=0, rng=self.seed,
                callback=in_steps(progress, N_ITER),
            )  # fmt: skip
        else:
            W, H, _, _ = factorize(
                V[0],
                self.n_components,
                self.beta,
                solver="mu",
                max_iter=N_ITER,
                tol=0,
                momentum=0.9,
                rng=self.seed,
                callback=in_steps(progress, n_steps * N_ITER),
            )
            Q = np.ones((1, self.n_components), np.float32)
        size = np.sqrt((W * W).sum(axis=0))
        W, H = W / np.where(size > 0, size, 1), H * size[:, None]
        features = np.concatenate(
            [
                _scale_to_median_one(_describe_envelopes(W, sr / n_fft, self._power)),
                _scale_to_median_one(_describe_changes(H, self._power)),
                _scale_to_median_one(_describe_times(H, 2 * TOGETHER_SECONDS * sr / n_fft)),
            ],
            axis=1,
        )
        n = len(self.sources)
        if self.places:
            places = Q.T / PLACE_WIDTH
            labels = cluster(
                _compute_similarity(np.concatenate([features, places], axis=1)), n, rng=self.seed
            )
        else:
            labels = k_means(features, n, weights=W.sum(axis=0) * H.sum(axis=1), rng=self.seed)
        if self.group_sparsity:
            grouped = Penalty(group=self.group_sparsity, groups=labels.tolist())
            W, H, _, _ = factorize_penalised(
                V[0], beta=self.beta, W=W, H=H, penalty=grouped, max_iter=N_ITER, tol=0,
                callback=in_steps(progress, n_steps * N_ITER, first=N_ITER),
            )  # fmt: skip
        stacked = (Q[:, None, :] * W[None]).reshape(-1, self.n_components)
        energy = [_sum_energy(stacked[:, labels == i], H[labels == i], self._power) for i in range(n)]
        loudest = sorted(range(n), key=lambda i: -energy[i])
        return self._make_masker([stacked[:, labels == i] for i in loudest])

    def _make_masker(self, atoms: list[AnyArray]) -> Masker:
        groups = [i for i, some in enumerate(atoms) for _ in range(some.shape[1])]
        return AtomsMasker(
            atoms,
            beta=self.beta,
            power=self._power,
            mask_power=self.mask_power,
            penalty=Penalty(group=self.group_sparsity, groups=groups) if self.group_sparsity else None,
            places=self.places,
        )


def _sum_energy(W: AnyArray, H: AnyArray, power: float) -> float:
    """Sum of the squared magnitudes of W @ H, which are magnitudes to `power` 1 or 2."""
    if power == 2:
        return float(W.sum(axis=0) @ H.sum(axis=1))
    return float(((W.T @ W) * (H @ H.T)).sum())


def _describe_envelopes(W: AnyArray, hz_per_bin: float, power: float) -> AnyArray:
    erb = 21.4 * np.log10(1 + 0.00437 * hz_per_bin * np.arange(len(W)))
    centres = np.linspace(0, erb[-1], N_ENVELOPE)
    pool = np.maximum(0, 1 - np.abs(erb - centres[:, None]) / (2 * (centres[1] - centres[0])))
    return _normalise_rows((pool @ W).T ** (0.5 / power))


def _describe_changes(H: AnyArray, power: float) -> AnyArray:
    h = H / np.maximum(H.max(axis=1, keepdims=True), 1e-30)
    h = h ** (1 / power)
    before, after = h[:, :-1] + 1e-4, h[:, 1:] + 1e-4
    steps, weights = np.log2(after / before), np.sqrt(before * after)
    classes = np.stack(
        [
            (weights * ((steps >= low) & (steps < high))).sum(axis=1)
            for low, high in itertools.pairwise(STEPS)
        ],
        axis=1,
    )
    shares = np.sqrt(classes / np.maximum(classes.sum(axis=1, keepdims=True), 1e-30))
    padded = np.pad(shares, ((0, 0), (1, 1)))
    return np.asarray(0.5 * padded[:, :-2] + shares + 0.5 * padded[:, 2:])


def _describe_times(H: AnyArray, n_frames: float) -> AnyArray:
    window = np.hanning(max(3, round(n_frames)))
    return _normalise_rows(np.stack([np.convolve(h, window)[len(window) // 2 :][: H.shape[1]] for h in H]))


def _normalise_rows(rows: npt.NDArray[Any]) -> AnyArray:
    norm = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    out: AnyArray = rows / np.maximum(norm, 1e-30)
    return out


def _scale_to_median_one(rows: AnyArray) -> AnyArray:
    d = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    positive = d[d > 0]
    out: AnyArray = rows / np.sqrt(np.median(positive) if positive.size else 1.0)
    return out


def _compute_similarity(rows: AnyArray) -> AnyArray:
    out: AnyArray = np.exp(-((rows[:, None] - rows[None]) ** 2).sum(axis=-1))
    return out
