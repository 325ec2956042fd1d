"""Free atoms: learned on the mixture itself, for sources without a dictionary.

Semi-supervised NMF (Smaragdis, Raj & Shashanka 2007): V ~= [W_known | W_free] @ H with W_known fixed. It needs the
whole signal before the first output, so streams can't use it; but the result is a dictionary like any other, and the
signal is then processed like all others.
"""

from __future__ import annotations

import numpy as np

from nmf_audio._types import Array, ShareProgress
from nmf_audio.decompose.base import Estimate
from nmf_audio.dsp.normaliser import FLOOR, SILENCE
from nmf_audio.nmf import activations, factorize
from nmf_audio.nmf.blas import single_blas
from nmf_audio.separation.stream import in_steps

__all__ = ["MAX_FRAMES", "FrameSampler", "learn_free_atoms"]


MAX_FRAMES = 16384
"""Number of frames for learning, four and a half minutes; of longer signals every 2nd, 4th, 8th ... frame is kept."""

FIRST_UPDATES = 20
N_ITER = 80

L1_H = 0.1
"""With a larger penalty free atoms explain more: good for voices in rich music, but single instruments may vanish."""


class FrameSampler:
    """A decomposition without sources that keeps frames, evenly spread, in bounded memory."""

    sources = ()

    def __init__(self, max_frames: int = MAX_FRAMES) -> None:
        self._max_frames = max_frames
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._kept: list[Array] = []
        self._step, self._n_seen = 1, 0

    def process(self, V: Array) -> Estimate:
        """Keep some of the next frames V (n_bands, n_frames); there are no sources to estimate."""
        for t in range(V.shape[1]):
            if self._n_seen % self._step == 0:
                self._kept.append(V[:, t].copy())
                if len(self._kept) > self._max_frames:
                    del self._kept[1::2]
                    self._step *= 2
            self._n_seen += 1
        nothing = np.zeros((0, *V.shape), np.float32)
        return Estimate(nothing, nothing, nothing[:, 0])

    def frames(self) -> Array:
        """Return the kept frames that are not silent, (n_bands, n_frames)."""
        loud = [v for v in self._kept if v.mean() > SILENCE + FLOOR]
        return np.stack(loud, axis=1) if loud else np.zeros((0, 0), np.float32)


@single_blas
def learn_free_atoms(
    V: Array,
    W: Array,
    n_components: int,
    *,
    beta: float,
    power: float,
    rng: int,
    progress: ShareProgress | None = None,
) -> Array:
    """Learn atoms (n_bands, n_components), of L2 norm 1, for what the fixed atoms `W` leave unexplained.

    `V` (n_bands, n_frames) are normalised bands of the mixture; `W`, of L2 norm 1 too, describes magnitudes to
    `power`. `rng` draws the frames to start from. Without any sound the atoms are flat. `progress` is called with the
    share of the iterations that are done.
    """
    if V.shape[1] == 0:
        return np.full((len(W), n_components), len(W) ** -0.5, np.float32)
    generator = np.random.default_rng(rng)
    V = V ** np.float32(power)
    H = activations(V, W, beta=beta, n_iter=FIRST_UPDATES, l1_H=L1_H)
    unexplained = np.maximum(V - W @ H, np.float32(1e-3 * FLOOR**power))
    weight = unexplained.sum(axis=0, dtype=np.float64)
    chosen = generator.choice(len(weight), n_components, replace=True, p=weight / weight.sum())
    # atoms that start equal would stay equal
    jitter = generator.uniform(0.5, 1.5, (len(V), n_components))
    start = np.concatenate([W, unexplained[:, chosen] * jitter], axis=1)
    fitted = factorize(
        V,
        W=start.astype(np.float32),
        beta=beta,
        solver="mu",
        free=slice(W.shape[1], None),
        l1_H=L1_H,
        norm="l2",
        max_iter=N_ITER,
        tol=0.0,
        rng=generator,
        callback=in_steps(progress, N_ITER),
    )
    return np.asarray(fitted.W[:, W.shape[1] :], np.float32)
