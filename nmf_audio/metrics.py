"""Quality metrics: SI-SDR and segmental SNR, and PESQ and STOI by the packages of these names.

All take the clean reference first and the estimate second, mono, aligned and of equal length; docs/quality.md has
more about them.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from nmf_audio._checks import check_array, check_number, invalid
from nmf_audio.dsp.bands import check_rate
from nmf_audio.errors import MissingExtraError

__all__ = ["active_frames", "edge_windows", "estoi", "pesq", "segmental_snr", "si_sdr", "stoi"]

Signal = npt.NDArray[np.floating[Any]]

PESQ_SR = 16000
FRAME_SECONDS = 0.01
SEGMENT_RANGE_DB = (-10.0, 35.0)


def si_sdr(reference: Signal, estimate: Signal) -> float:
    """Return the scale-invariant signal-to-distortion ratio.

    With reference s and estimate x::

        alpha  = <x, s> / <s, s>
        SI-SDR = 10 log10(|alpha s|**2 / |x - alpha s|**2)

    J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019, eq. 1-3.
    Means are not subtracted, since audio has no offset.

    Parameters
    ----------
    reference, estimate : ndarray (n_samples,)
        Clean and estimated signal.

    Returns
    -------
    float
        Decibels; ``inf`` for a perfect estimate, ``-inf`` for one that is orthogonal to the reference.

    Raises
    ------
    ParameterError
        If shapes differ or are not (n_samples,), or if the reference is silent.

    Examples
    --------
    >>> s = np.array([1.0, -1.0, 1.0, -1.0])
    >>> e = np.array([1.0, 1.0, -1.0, -1.0])
    >>> round(si_sdr(s, 3 * (s + 0.1 * e)), 6)
    20.0
    """
    s, x = _check(reference, estimate)
    energy = float(s @ s)
    if energy == 0:
        raise invalid("reference", 0, "above 0 somewhere", given="reference is silent")
    target = (float(x @ s) / energy) * s
    return _ratio_db(float(target @ target), float(np.sum((x - target) ** 2)))


def pesq(reference: Signal, estimate: Signal, sr: int = PESQ_SR) -> float:
    """Return the wide-band perceptual evaluation of speech quality (ITU-T P.862.2), MOS-LQO from 1.0 to 4.6.

    Parameters
    ----------
    reference, estimate : ndarray (n_samples,)
        Clean and estimated signal, at least a quarter of a second.
    sr : int
        Sample rate, which must be 16000.

    Returns
    -------
    float
        Mean opinion score.

    Raises
    ------
    ParameterError
        If shapes differ, `sr` is not 16000, or the reference holds no utterance.
    MissingExtraError
        If the extra ``eval`` is not installed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.standard_normal(32000) * np.repeat(rng.random(20), 1600)
    >>> pesq(y, y) > 4.6
    True
    """
    s, x = _check(reference, estimate)
    if sr != PESQ_SR:
        raise invalid("sr", sr, f"{PESQ_SR} Hz, where wide-band PESQ is defined", "convert the signals first")
    package = _extra("pesq")
    try:
        return float(package.pesq(PESQ_SR, s.astype(np.float32), x.astype(np.float32), "wb"))
    except (package.NoUtterancesError, package.BufferTooShortError) as error:
        given = f"reference of {len(s)} samples holds no utterance ({error})"
        raise invalid("reference", len(s), "at least 0.25 s with speech", given=given) from error


def stoi(reference: Signal, estimate: Signal, sr: int = PESQ_SR) -> float:
    """Return the short-time objective intelligibility, about 0 to 1.

    C. H. Taal, R. C. Hendriks, R. Heusdens, J. Jensen, "An algorithm for intelligibility prediction of time-frequency
    weighted noisy speech", IEEE Trans. Audio, Speech, Language Process. 19(7), 2011.

    Parameters
    ----------
    reference, estimate : ndarray (n_samples,)
        Clean and estimated signal, with at least 0.4 s of speech.
    sr : int
        Sample rate in Hz.

    Returns
    -------
    float
        Correlation of the envelopes: 1 is fully intelligible.

    Raises
    ------
    ParameterError
        If shapes differ, `sr` is not allowed, or there is too little speech.
    MissingExtraError
        If the extra ``eval`` is not installed.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> round(stoi(y, y), 3)
    1.0
    """
    return _stoi(reference, estimate, sr, extended=False)


def estoi(reference: Signal, estimate: Signal, sr: int = PESQ_SR) -> float:
    """Return the extended short-time objective intelligibility, which follows modulated noise better than `stoi`.

    J. Jensen, C. H. Taal, "An algorithm for predicting the intelligibility of speech masked by modulated noise
    maskers", IEEE/ACM Trans. Audio, Speech, Language Process. 24(11), 2016.

    Parameters
    ----------
    reference, estimate, sr
        As in `stoi`, which raises the same errors.

    Returns
    -------
    float
        1 is fully intelligible.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(16000)
    >>> round(estoi(y, y), 3)
    1.0
    """
    return _stoi(reference, estimate, sr, extended=True)


def segmental_snr(reference: Signal, estimate: Signal, sr: int, *, frame_seconds: float = 0.032) -> float:
    """Return the mean of the SNRs of active frames, each limited to -10 to 35 dB.

    Per frame t of the reference s and the estimate x::

        SNR_t = 10 log10(sum s_t**2 / sum (x_t - s_t)**2)

    J. H. L. Hansen, B. L. Pellom, "An effective quality evaluation protocol for speech enhancement algorithms",
    ICSLP 1998. Unlike SI-SDR it weights quiet and loud passages equally, and a wrong scale is an error.

    Parameters
    ----------
    reference, estimate : ndarray (n_samples,)
        Clean and estimated signal.
    sr : int
        Sample rate in Hz.
    frame_seconds : float
        Length of a frame.

    Returns
    -------
    float
        Decibels.

    Raises
    ------
    ParameterError
        If shapes differ or an argument is not allowed, or the reference is silent or shorter than a frame.

    Examples
    --------
    >>> s = np.random.default_rng(0).standard_normal(16000)
    >>> round(segmental_snr(s, 0.9 * s, 16000), 3)
    20.0
    """
    s, x = _check(reference, estimate)
    active = active_frames(s, sr, frame_seconds=frame_seconds)
    signal = _frame_energy(s, sr, frame_seconds)[active]
    error = _frame_energy(x - s, sr, frame_seconds)[active]
    ratio = signal / np.maximum(error, 1e-4 * signal)
    return float(np.mean(np.clip(10 * np.log10(ratio), *SEGMENT_RANGE_DB)))


def active_frames(
    reference: Signal, sr: int, *, frame_seconds: float = FRAME_SECONDS, range_db: float = 30.0
) -> npt.NDArray[np.bool_]:
    """Return which frames of a clean recording hold speech: those within a range of the loudest.

    Parameters
    ----------
    reference : ndarray (n_samples,)
        Clean speech.
    sr : int
        Sample rate in Hz.
    frame_seconds : float
        Length of a frame; frames do not overlap, and an incomplete last one is ignored.
    range_db : float
        Largest distance from the loudest frame, in decibels.

    Returns
    -------
    ndarray (n_frames,), bool

    Raises
    ------
    ParameterError
        If an argument is not allowed, or the recording is silent or shorter than a frame.

    Examples
    --------
    >>> y = np.concatenate([np.zeros(160), np.ones(320), 0.01 * np.ones(160)])
    >>> active_frames(y, 16000).tolist()
    [False, True, True, False]
    """
    y = check_array("reference", reference, ("n_samples",), low=-np.inf)
    range_db = check_number("range_db", range_db, 0, unit="dB")
    energy = _frame_energy(y.astype(np.float64, copy=False), sr, frame_seconds)
    if energy.size == 0 or energy.max() == 0:
        given = f"reference of {len(reference)} samples has no frame with sound"
        raise invalid("reference", len(reference), "a frame or longer, and not silent", given=given)
    return np.asarray(energy > energy.max() * 10 ** (-range_db / 10))


def edge_windows(
    reference: Signal, sr: int, *, window_seconds: float = 0.05, pause_seconds: float = 0.05
) -> tuple[list[slice], list[slice]]:
    """Return the windows in which words begin after a pause, and in which they end before one.

    Parameters
    ----------
    reference : ndarray (n_samples,)
        Clean speech.
    sr : int
        Sample rate in Hz.
    window_seconds : float
        Length of a window. Shorter stretches of speech have none.
    pause_seconds : float
        Shortest pause that separates; the start and the end of the recording count as pauses.

    Returns
    -------
    onsets, ends : list of slice
        Samples of the first and of the last `window_seconds` of each stretch.

    Raises
    ------
    ParameterError
        If an argument is not allowed, or the recording is silent or shorter than a frame of 10 ms.

    Examples
    --------
    >>> y = np.concatenate([np.zeros(1600), np.ones(3200), np.zeros(1600)])
    >>> edge_windows(y, 16000)
    ([slice(1600, 2400, None)], [slice(4000, 4800, None)])
    """
    frame = round(FRAME_SECONDS * check_rate(sr))
    window = round(check_number("window_seconds", window_seconds, 0, above=True, unit="s") * sr)
    pause_seconds = check_number("pause_seconds", pause_seconds, 0, unit="s")
    where = np.flatnonzero(active_frames(reference, sr))
    breaks = np.flatnonzero(np.diff(where) > round(pause_seconds / FRAME_SECONDS))
    starts = where[np.concatenate([[0], breaks + 1])] * frame
    stops = (where[np.concatenate([breaks, [len(where) - 1]])] + 1) * frame
    stretches = [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b - a >= window]
    return [slice(a, a + window) for a, _ in stretches], [slice(b - window, b) for _, b in stretches]


def _stoi(reference: Signal, estimate: Signal, sr: int, *, extended: bool) -> float:
    s, x = _check(reference, estimate)
    sr = check_rate(sr)
    package = _extra("pystoi")
    with warnings.catch_warnings():
        # pystoi warns and returns 1e-5, which could be taken for a score
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(package.stoi(s, x, sr, extended=extended))
        except RuntimeWarning as error:
            given = f"reference of {len(s)} samples has too little speech"
            raise invalid("reference", len(s), "at least 0.4 s of speech", given=given) from error


def _extra(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the package {name!r} is not installed; install it with: pip install {name}"
        ) from error


def _check(reference: Signal, estimate: Signal) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    s = check_array("reference", reference, ("n_samples",), low=-np.inf)
    x = check_array("estimate", estimate, s.shape, low=-np.inf, advice="that of the reference")
    return s.astype(np.float64, copy=False), x.astype(np.float64, copy=False)


def _frame_energy(y: npt.NDArray[np.float64], sr: int, frame_seconds: float) -> npt.NDArray[np.float64]:
    seconds = check_number("frame_seconds", frame_seconds, 0, above=True, unit="s")
    size = max(1, round(seconds * check_rate(sr)))
    return np.asarray(np.sum(y[: len(y) // size * size].reshape(-1, size) ** 2, axis=1))


def _ratio_db(signal: float, error: float) -> float:
    if signal == 0:
        return float("-inf")
    return float(10 * np.log10(signal / error)) if error > 0 else float("inf")
