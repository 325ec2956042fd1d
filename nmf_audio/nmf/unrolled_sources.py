"""Unrolled recurrent KL-NMF of any number of sources: a trained inference, frame after frame.

The model of `nmf_audio.nmf.unrolled` for any number of sources, without running atoms (Le Roux, Hershey & Weninger
2015; Wisdom et al. 2017). For each frame v, all quantities non-negative::

    h    = A @ [h, slow] + b;  d = C @ [h, slow]              prediction and inhibition by the last frames
    for each layer l:
        r  = v / (W_l @ h + EPS)
        h *= (W_l.T @ r / (colsum_l + lam_l + d) + STEP_FLOOR) ** g_l
    slow = slow_rate * slow + (1 - slow_rate) * h
    S_i  = W_out_i @ h_i + out_floor_i                        for each source i
    mask = softmax over i of p * (log S_i + residual_i * log((v + FLOOR) / sum_j S_j))

so that with residual = 0 the masks are ``S_i**p / sum_j S_j**p``. colsum is the sum of an atom over the bands that
exist at the signal's rate.

The functions take a batch of signals and keep its dtype: training runs them, too, in float64 where its gradients are
checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nmf_audio._types import AnyArray
from nmf_audio.nmf.unrolled_constants import EPS, STEP_FLOOR

__all__ = ["SourceParameters", "Trace", "UnrolledSources", "estimate_sources", "infer_frame", "make_blocks"]


class SourceParameters(NamedTuple):
    """Arrays as the frame loop reads them; names as in `nmf_audio.dictionary.schema`, atoms as rows."""

    W: AnyArray
    """(n_layers, n_components, n_bands)"""
    W_out: AnyArray
    """(n_components, n_bands)"""
    out_floor: AnyArray
    den: AnyArray
    """colsum + lam, (n_layers, n_components)"""
    g: AnyArray
    AC: AnyArray
    """A above C, (2 * n_components, 2 * n_components)"""
    b: AnyArray
    slow_rate: AnyArray
    residual: AnyArray
    p: Any
    blocks: tuple[slice, ...]
    """Atoms of each source."""

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, AnyArray], sizes: Sequence[int], n_observed: int | None = None
    ) -> SourceParameters:
        """Take a dictionary's arrays; of its bands the first `n_observed`."""
        W = arrays["W"][:, :n_observed]
        return cls(
            W=np.ascontiguousarray(W.transpose(0, 2, 1)),
            W_out=np.ascontiguousarray(arrays["W_out"][:n_observed].T),
            out_floor=np.ascontiguousarray(arrays["out_floor"][:, :n_observed]),
            den=W.sum(axis=1) + arrays["lam"],
            g=np.array(arrays["g"]),
            AC=np.concatenate([arrays["A"], arrays["C"]]),
            b=np.array(arrays["b"]),
            slow_rate=np.array(arrays["slow_rate"]),
            residual=np.ascontiguousarray(arrays["residual"][:, :n_observed]),
            p=arrays["p"][()],
            blocks=make_blocks(sizes),
        )


def make_blocks(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Return where the atoms of each source stand, given how many each has.

    Examples
    --------
    >>> make_blocks([2, 3])
    (slice(0, 2, None), slice(2, 5, None))
    """
    ends = np.cumsum(sizes).tolist()
    return tuple(slice(end - n, end) for n, end in zip(sizes, ends, strict=True))


class Trace(Protocol):
    """Keeps the intermediate results that gradients need."""

    def keep(self, layer: int, h: AnyArray, r: AnyArray, step: AnyArray) -> None:
        """Take activations before a layer, ratios and steps."""

    def keep_inhibition(self, d: AnyArray) -> None:
        """Take the inhibition."""


def infer_frame(
    v: AnyArray, memory: AnyArray, p: SourceParameters, trace: Trace | None = None
) -> tuple[AnyArray, AnyArray]:
    """Infer the activations (batch, n_components) of one frame `v` (batch, n_bands), positive.

    `memory` (batch, 2 * n_components) are the last and the slow activations; those for the next frame are returned
    beside. All are of the dtype of `p`; `trace` keeps the results of each layer.
    """
    K = len(p.b)
    prediction = memory @ p.AC.T
    h, d = prediction[:, :K] + p.b, prediction[:, K:]
    if trace is not None:
        trace.keep_inhibition(d)
    for layer, D in enumerate(p.W):
        r = h @ D
        r += EPS
        np.divide(v, r, out=r)
        step = r @ D.T
        step /= p.den[layer] + d
        step += STEP_FLOOR
        if trace is not None:
            trace.keep(layer, h, r, step)
        h = h * step ** p.g[layer]
    slow = p.slow_rate * memory[:, K:] + (1 - p.slow_rate) * h
    return h, np.concatenate([h, slow], axis=1)


def estimate_sources(
    V: AnyArray, H: AnyArray, p: SourceParameters, floor: float
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Turn activations `H` (..., n_components) of frames `V` (..., n_bands) into spectra and masks.

    Returns, (n_sources, ..., n_bands) each, the spectrum estimates, the arguments of the softmax, and the masks,
    which sum to 1 over the sources. `floor` is added in the residual's logarithm.
    """
    S = np.stack(
        [H[..., block] @ p.W_out[block] + added for block, added in zip(p.blocks, p.out_floor, strict=True)]
    )
    unexplained = np.log((V + floor) / S.sum(axis=0))
    by_source = (slice(None), *(None,) * (V.ndim - 1))
    logits = p.p * (np.log(S) + p.residual[by_source] * unexplained)
    masks = np.exp(logits - logits.max(axis=0))
    masks /= masks.sum(axis=0)
    return S, logits, masks


class UnrolledSources:
    """Trained decomposition of normalised frames into sources with `sizes` atoms each, with state."""

    def __init__(self, arrays: Mapping[str, AnyArray], *, sizes: Sequence[int], n_observed: int) -> None:
        self._parameters = SourceParameters.from_arrays(arrays, sizes, n_observed)
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        b = self._parameters.b
        self._memory = np.concatenate([b, b])[None]

    def process(self, V: AnyArray, floor: float) -> tuple[AnyArray, AnyArray, AnyArray]:
        """Decompose the next frames V (n_frames, n_observed), positive and of mean 1 in the long run.

        `floor` is the value of `V` in silence. Returns spectrum estimates and masks (n_sources,
        n_frames, n_observed), and activations (n_frames, n_components).
        """
        p = self._parameters
        spectra, masks = (np.empty((len(p.blocks), *V.shape), np.float32) for _ in range(2))
        H = np.empty((len(V), len(p.b)), np.float32)
        # one frame a time, so that the products have one shape however a signal is cut
        for t in range(len(V)):
            v = V[t : t + 1]
            H[t : t + 1], self._memory = infer_frame(v, self._memory, p)
            spectra[:, t : t + 1], _, masks[:, t : t + 1] = estimate_sources(v, H[t : t + 1], p, floor)
        return spectra, masks, H
