"""Separation by example: a section of the mixture in which a source is alone.

Atoms are learned on the section; then, with these fixed, free atoms on all the rest, for what the example does not
explain. The source is found elsewhere as far as it sounds there as in the section.

P. Smaragdis, B. Raj, M. Shashanka, "Supervised and semi-supervised separation of sounds from single-channel
mixtures", ICA 2007.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from nmf_audio._attributes import Checked, Constant
from nmf_audio._checks import check_number, check_whole, invalid
from nmf_audio._types import Array, ShareProgress
from nmf_audio.dsp.samples import check_channels
from nmf_audio.errors import ParameterError
from nmf_audio.nmf import Penalty, factorize, factorize_penalised
from nmf_audio.separation.atoms_masker import AtomsMasker
from nmf_audio.separation.frame_sampling import RunSampler, limit_spikes, thin
from nmf_audio.separation.recording_separator import Recording, RecordingSeparator
from nmf_audio.separation.segment_masking import Masker, analyse_blocks
from nmf_audio.separation.stream import in_steps

__all__ = ["ExampleSeparator"]


FRAME_SECONDS = 0.064
N_EXAMPLE, N_REST = 40, 16
MAX_ATOMS = 1024
SPARSITY = 0.05
"""Penalty on the activations of the free atoms, so that they explain only what the example does not."""

N_ITER = 100
MIN_FRAMES = 4
MAX_EXAMPLE_FRAMES = 4096


class ExampleSeparator(RecordingSeparator):
    """Separates a mixture into what sounds like a section of it (``example``), and the ``rest``.

    Parameters
    ----------
    start, end : float
        The section in seconds, in the first signal if there are several. In it the source is alone.
    origin : float
        Start of the signal in its recording, in seconds, if it is only a part of it: `start` and `end` are times of
        the recording.
    n_example, n_rest : int
        Atoms of each; for the example at most half its number of frames.
    beta, mask_power, seed
        As in `BlindSeparator`.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    >>> noise[16000:] += 10 * np.sin(0.3 * np.arange(16000, dtype=np.float32))
    >>> parts = ExampleSeparator(0, 1).separate(noise, 16000)
    >>> bool(np.std(parts["rest"][:14000]) < 0.2 * np.std(parts["example"][:14000]))
    True
    """

    needs_first = True
    _learning_cost = 2.1
    start = Constant[float]()
    end = Constant[float]()
    origin = Constant[float]()
    n_example = Checked(partial(check_whole, low=1, high=MAX_ATOMS))
    n_rest = Checked(partial(check_whole, low=1, high=MAX_ATOMS))

    def __init__(
        self,
        start: float,
        end: float,
        *,
        origin: float = 0.0,
        n_example: int = N_EXAMPLE,
        n_rest: int = N_REST,
        beta: float = 1.0,
        mask_power: float | None = None,
        seed: int = 0,
    ) -> None:
        self.start, self.end = (
            check_number("start", start, 0, unit="s"),
            check_number("end", end, 0, unit="s"),
        )
        if self.start >= self.end:
            raise self._refuse("a stretch whose end comes after its start")
        self.origin = check_number("origin", origin, 0, unit="s")
        if self.start < self.origin:
            raise self._refuse(f"in the part that is taken apart, which begins at {self.origin:g} s")
        self.n_example, self.n_rest = n_example, n_rest
        super().__init__(
            ("example", "rest"), frame_seconds=FRAME_SECONDS, beta=beta, mask_power=mask_power, seed=seed
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What was chosen, for reports."""
        own = {"example": [self.start, self.end], "n_example": self.n_example, "n_rest": self.n_rest}
        return {**own, **super().parameters}

    def _refuse(self, allowed: str) -> ParameterError:
        stretch = f"the example from {self.start:g} s to {self.end:g} s"
        return invalid("example", (self.start, self.end), allowed, given=stretch)

    def _fit(
        self, recordings: Iterable[Recording], sr: int, n_fft: int, progress: ShareProgress | None = None
    ) -> Masker:
        example, rest = self._split_frames(recordings, sr, n_fft)
        example, rest = example ** np.float32(self._power), rest ** np.float32(self._power)
        n = min(self.n_example, max(1, example.shape[1] // 2))
        known = factorize(
            example, n, self.beta, solver="mu", max_iter=N_ITER, tol=0, momentum=0.9, rng=self.seed
        ).W
        free = np.abs(np.random.default_rng(self.seed).standard_normal((len(example), self.n_rest))) + 1e-3
        W = np.concatenate([known, free.astype(np.float32)], axis=1)
        W = W / np.maximum(W.sum(axis=0), np.float32(1e-30))
        penalty = Penalty(l1=[0.0] * n + [SPARSITY] * self.n_rest)
        if rest.shape[1]:
            W = factorize_penalised(
                rest, W=W, beta=self.beta, free=slice(n, None), penalty=penalty, max_iter=N_ITER, tol=0,
                callback=in_steps(progress, N_ITER),
            ).W  # fmt: skip
        return AtomsMasker(
            np.split(W, [n], axis=1),
            beta=self.beta,
            power=self._power,
            mask_power=self.mask_power,
            penalty=penalty,
        )

    def _split_frames(self, recordings: Iterable[Recording], sr: int, n_fft: int) -> tuple[Array, Array]:
        """Return frames (n_freq, n_frames) of the example, and of all else, divided by the mean of its recording."""
        hop = n_fft // 2
        # frames whose samples all lie in the section; frame t starts at sample (t - 1) * hop
        start, end = self.start - self.origin, self.end - self.origin
        first, last = math.ceil(start * sr / hop) + 1, math.floor(end * sr / hop)
        if last - first < MIN_FRAMES:
            raise self._refuse(f"at least {(MIN_FRAMES + 2) * hop / sr:.2f} s long")
        kept: list[Array] = []
        rests: list[Array] = []
        example = np.zeros((n_fft // 2 + 1, 0), np.float32)
        for i, recording in enumerate(recordings):
            check_channels(recording.n_channels)
            sampler, position = RunSampler(), 0

            def receive(S: Array, i: int = i, sampler: RunSampler = sampler) -> None:
                nonlocal position
                at = position + np.arange(S.shape[2])
                position += S.shape[2]
                inside = (at >= first) & (at < last) & (i == 0)
                S = self._view(S)
                if inside.any() and sum(part.shape[1] for part in kept) < MAX_EXAMPLE_FRAMES:
                    kept.append(S[0][:, inside])
                sampler.add(S[:, :, ~inside])

            analyse_blocks(recording.blocks, n_fft, recording.n_channels, receive)
            if i == 0:
                if position < last:
                    ends = self.origin + max(position - 1, 0) * hop / sr
                    raise self._refuse(f"in the recording, which ends at {ends:.1f} s")
                example = limit_spikes(np.concatenate(kept, axis=1))
                example = example[:, example.any(axis=0)]
                if not example.shape[1]:
                    raise self._refuse("a stretch with sound, not silence")
            rest = limit_spikes(sampler.frames()[0])
            if not rest.shape[1]:
                continue
            level = rest.mean(dtype=np.float64).astype(np.float32)
            rests.append(rest / level)
            thin(rests)
        return example, np.concatenate(rests, axis=1) if rests else example[:, :0]
