"""Separation of harmonic sounds, steady in time, from percussive ones, spread over frequencies.

A note is a ridge along time, a beat one along frequency. A median filter along time keeps the first and removes the
second, one along frequency does the reverse (FitzGerald 2010); a mask from the two is a rough separation. From it
start atoms of both kinds. These are then learned together on the mixture, with the activations of harmonic atoms held
to slow changes (temporal continuity, Virtanen 2007; as Canadas-Quesada et al. 2014 do, with steps that have no
guarantee): what comes and goes too fast for them is left to the percussive atoms. What stands far above both is the
residual.

D. FitzGerald, "Harmonic/percussive separation using median filtering", DAFx 2010. F. J. Canadas-Quesada,
P. Vera-Candeas, N. Ruiz-Reyes, J. Carabias-Orti, P. Cabanas-Molero, "Percussive/harmonic sound separation by
non-negative matrix factorization with smoothness/sparseness constraints", EURASIP J. Audio, Speech, Music Process.
2014:26.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nmf_audio._attributes import Checked
from nmf_audio._types import Array, ShareProgress
from nmf_audio.defaults import DEFAULT_CONTINUITY
from nmf_audio.dsp.gains import ratio_mask
from nmf_audio.nmf import Penalty, factorize, factorize_penalised
from nmf_audio.separation.frame_sampling import limit_spikes
from nmf_audio.separation.recording_separator import Recording, RecordingSeparator, check_weight
from nmf_audio.separation.segment_masking import Masker, join_channels

__all__ = ["PercussiveSeparator"]


FRAME_SECONDS = 0.128
MEDIAN_SECONDS, MEDIAN_HZ = 0.25, 500.0
N_HARMONIC, N_PERCUSSIVE = 24, 12
FIRST_ITER, N_ITER = 40, 60

MARGIN = 2.0
"""A cell is unexplained as far as it exceeds this multiple of the model. A smaller excess is the model's inaccuracy:
without a margin each part loses 2 dB of SDR, and a voice over the music goes to the residual with it, too."""


class PercussiveSeparator(RecordingSeparator):
    """Separates music into sustained sounds (``harmonic``), struck ones (``percussive``), and the residual.

    It learns from each 16 s separately, so it needs no second pass, and memory does not grow with the length.

    Parameters
    ----------
    continuity : float
        Weight of the steadiness of harmonic activations; see `nmf_audio.nmf.Penalty`.
    mask_power : float or None
        Exponent of the masks on magnitudes; 2, the Wiener filter, by default.
    seed : int
        Seed of the random start of the atoms.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    >>> sorted(PercussiveSeparator().separate(y, 8000))
    ['harmonic', 'percussive', 'residual']
    """

    n_passes = 1
    continuity = Checked(check_weight)

    def __init__(
        self, *, continuity: float = DEFAULT_CONTINUITY, mask_power: float | None = None, seed: int = 0
    ) -> None:
        super().__init__(
            ("harmonic", "percussive"),
            frame_seconds=FRAME_SECONDS,
            beta=1.0,
            mask_power=mask_power,
            seed=seed,
        )
        self.continuity = continuity

    @property
    def parameters(self) -> dict[str, object]:
        """What was chosen, for reports."""
        return {"continuity": self.continuity, **super().parameters}

    def _fit(
        self, recordings: Iterable[Recording], sr: int, n_fft: int, progress: ShareProgress | None = None
    ) -> Masker:
        along_time = _round_to_odd(MEDIAN_SECONDS * 2 * sr / n_fft)
        along_frequency = _round_to_odd(MEDIAN_HZ * n_fft / sr)

        def mask(S: Array) -> Array:
            V = limit_spikes(join_channels(S)[0])
            models = self._fit_models(V, along_time, along_frequency)
            unexplained = np.maximum(V - MARGIN * models.sum(axis=0), 0)
            shares = ratio_mask(np.concatenate([models, unexplained[None]]), self.mask_power)
            return shares[:2, None]

        return mask

    def _fit_models(self, V: Array, along_time: int, along_frequency: int) -> Array:
        from scipy.ndimage import median_filter

        ridges = np.stack([median_filter(V, (1, along_time)), median_filter(V, (along_frequency, 1))])
        rough = ratio_mask(ridges, 2.0) * V
        rng = np.random.default_rng(self.seed)
        starts = [
            factorize(part, n, max_iter=FIRST_ITER, tol=0, momentum=0.9, rng=rng)
            for part, n in zip(rough, (N_HARMONIC, N_PERCUSSIVE), strict=True)
        ]
        W = np.concatenate([one.W for one in starts], axis=1)
        H = np.concatenate([one.H for one in starts])
        penalty = Penalty(continuity=[self.continuity] * N_HARMONIC + [0.0] * N_PERCUSSIVE)
        found = factorize_penalised(V, W=W, H=H, penalty=penalty, max_iter=N_ITER, tol=0)
        halves = (slice(None, N_HARMONIC), slice(N_HARMONIC, None))
        models: Array = np.stack([found.W[:, half] @ found.H[half] for half in halves])
        return models


def _round_to_odd(width: float) -> int:
    """Return the odd whole number nearest above a width, at least 3."""
    return max(3, int(width) | 1)
