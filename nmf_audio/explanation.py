"""Explanations of a denoising: input, estimates and gains of each frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import out_of_order
from nmf_audio._types import Array
from nmf_audio.decompose.analysis import AnalysedFrames
from nmf_audio.defaults import DEFAULT_WARM_UP
from nmf_audio.denoiser import Denoiser, check_denoiser, check_warm_up
from nmf_audio.dsp.bands import BandMap
from nmf_audio.dsp.normaliser import FLOOR
from nmf_audio.dsp.samples import check_samples
from nmf_audio.nmf.gated_memory import Priors

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """Input, estimates and gains of a denoising.

    Attributes
    ----------
    denoised : ndarray
        The denoised signal, as `Denoiser.denoise` returns it.
    times : ndarray (n_frames,)
        Centres of the frames in seconds.
    band_hz : ndarray (n_bands,)
        Centres of the bands in Hz.
    frequencies : ndarray (n_freq,)
        Frequencies of the bins in Hz.
    noisy, speech, noise : ndarray (n_bands, n_frames), float32
        Band magnitudes of the signal, and what the speech and the noise atoms explain, in the same unit. The mask
        follows from the ratio of the last two; with a gated memory also from `priors`, and noise may lie above noisy.
    gains : ndarray (n_freq, n_frames), float32
        The gains: times the noisy STFT they give `denoised`.
    H : ndarray (n_components, n_frames), float32
        Activations of the atoms.
    atoms : tuple of str
        Names of the atoms: source and number, for example ``'speech 12'``.
    priors : Priors or None
        Priors by a gated memory: the factor on each atom's start and its inhibition (n_components, n_frames), the
        addition to the mask's logit (n_bands, n_frames). None without one.
    """

    denoised: npt.NDArray[Any]
    times: npt.NDArray[np.float64]
    band_hz: npt.NDArray[np.float64]
    frequencies: npt.NDArray[np.float64]
    noisy: Array
    speech: Array
    noise: Array
    gains: Array
    H: Array
    atoms: tuple[str, ...]
    priors: Priors | None = None

    def strongest(self, n: int) -> list[int]:
        """Return the rows of `H` with the largest sums, at most `n`, in the order of the atoms."""
        order = np.argsort(-self.H.sum(axis=1, dtype=np.float64), kind="stable")[:n]
        return sorted(int(k) for k in order)

    def raised(self) -> Array:
        """Return how far the memory raised (above 0) or held down (below 0) each atom, (n_components, n_frames), dB.

        The factor on an atom's start less what its inhibition takes in one update:
        ``20 log10(factor / (1 + inhibition))``.

        Raises
        ------
        ParameterError
            When the dictionary has no memory.
        """
        if self.priors is None:
            raise out_of_order("the dictionary has no gated memory", "explain with one that has")
        decibels: Array = 20 * np.log10(self.priors.factor / (1 + self.priors.inhibition))
        return decibels


def explain(
    y: npt.NDArray[Any], sr: int, denoiser: Denoiser | None = None, *, warm_up: float = DEFAULT_WARM_UP
) -> Explanation:
    """Denoise a signal and keep the intermediate results.

    Parameters
    ----------
    y : ndarray (n_samples,) or (n_channels, n_samples)
        Samples. All results are kept in memory, so give some seconds, up to a minute.
    sr : int
        Sample rate in Hz.
    denoiser : Denoiser or None
        The denoiser to explain; None takes the default one.
    warm_up : float
        Seconds of the signal that are heard before it is denoised, 0 to 60, as in `Denoiser.denoise`.

    Returns
    -------
    Explanation

    Raises
    ------
    ParameterError
        If an argument is not allowed, or `y` is empty.

    Examples
    --------
    >>> import numpy as np
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    >>> found = explain(noise, 16000)
    >>> bool(found.noise.mean() > found.speech.mean())
    True
    """
    y = check_samples(y)
    denoiser = check_denoiser(denoiser)
    tiles: list[tuple[AnalysedFrames, Array]] = []

    def observe(found: AnalysedFrames, _: Array, gains: Array) -> None:
        tiles.append((found, gains))

    stream = denoiser.stream(sr, 1 if y.ndim == 1 else y.shape[0], observer=observe)
    stream.prime(beginning=y[..., : round(check_warm_up(warm_up) * sr)])
    ready = stream.process(y)
    denoised = np.concatenate([ready, stream.flush()], axis=-1)
    band_map = BandMap(denoiser.dictionary.spec, sr)
    found, gains = zip(*tiles, strict=True)
    _, bands, normalised, estimates = zip(*found, strict=True)
    n_frames = -(-y.shape[-1] // band_map.hop_length) + 1
    noisy = np.concatenate(bands)[:n_frames].T
    spectra = np.concatenate([e.spectra for e in estimates], axis=2)[:, :, :n_frames]
    spectra = spectra ** np.float32(1 / denoiser.dictionary.power)
    weight = denoiser.dictionary.spectrum[: len(noisy), None]
    # the divisor of the normalisation scales estimates to magnitudes; in empty bands the frame's mean does
    seen, given = np.concatenate(normalised)[:n_frames].T - np.float32(FLOOR), noisy / weight
    total = seen.sum(axis=0)
    level = np.divide(given.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    divisor = np.divide(given, seen, out=np.tile(level, (len(seen), 1)), where=seen > FLOOR)
    speech, noise = spectra * weight * divisor
    H = np.concatenate([e.H for e in estimates], axis=1)[:, :n_frames]
    kept = [e.priors for e in estimates if e.priors is not None]
    priors = (
        Priors(*(np.concatenate(x, axis=1)[:, :n_frames] for x in zip(*kept, strict=True))) if kept else None
    )
    return Explanation(
        denoised=denoised,
        times=np.arange(noisy.shape[1]) * np.float64(band_map.hop_length / sr),
        band_hz=band_map.centres,
        frequencies=np.arange(band_map.n_freq) * np.float64(sr / band_map.n_fft),
        noisy=noisy,
        speech=speech,
        noise=noise,
        gains=np.concatenate(gains)[:n_frames].T,
        H=H,
        atoms=_name_atoms(denoiser, len(H)),
        priors=priors,
    )


def _name_atoms(denoiser: Denoiser, n_components: int) -> tuple[str, ...]:
    names = []
    for group in denoiser.dictionary.groups:
        label = group.source if group.name == group.source else f"{group.source}: {group.name}"
        names += [f"{label} {k - group.start}" for k in range(group.start, group.stop)]
    running = n_components - len(names)
    return (*names, *(f"running {k}" for k in range(running)))
