"""Gradients through the unrolled recurrence, and agreement with what denoises."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.dictionary import load_dictionary
from nmf_audio.dictionary.schema import check_trained_arrays
from nmf_audio.dsp.bands import band_matrix, frame_size
from nmf_audio.dsp.normaliser import FLOOR, SILENCE, Normaliser
from nmf_audio.errors import DictionaryError, ParameterError
from nmf_audio.nmf.kernels import log_exp, unrolled_forward
from nmf_audio.nmf.unrolled import UnrolledNMF
from nmf_audio.training.gated_memory import MemorySizes, first_memory
from nmf_audio.training.parameters import Arrays, from_arrays, initial, to_arrays
from nmf_audio.training.spectra import spectra
from nmf_audio.training.unrolled import Network

Array = npt.NDArray[np.float32]

N_BANDS, N_SPEECH, N_NOISE = 12, 6, 5
MEMORY = MemorySizes(n_local=4, n_global=6, n_down=5, n_second=0)
PARTS = ("slow", "mid", "inhibition", "memory")
VARIANTS = [
    (False, False, True, None),
    (True, False, True, None),
    (False, True, True, None),
    (True, True, True, None),
    (True, False, False, None),
    (True, False, False, MEMORY),
    (True, True, True, MEMORY),
    (True, False, False, replace(MEMORY, n_second=3, n_up=2)),
]


def random_free(
    slow: bool, mid: bool, inhibition: bool = True, memory: MemorySizes | None = None, seed: int = 0
) -> Arrays:
    """Free variables near the start, every one of them disturbed."""
    rng = np.random.default_rng(seed)
    W_speech, W_noise = (rng.random((N_BANDS, n), np.float32) ** 4 for n in (N_SPEECH, N_NOISE))
    free = initial(W_speech, W_noise, n_layers=3, slow=slow, mid=mid, inhibition=inhibition, rng=rng)
    if memory is not None:
        free |= first_memory(N_BANDS, len(free["b"]), memory, rng)
        # heads that say something
        free |= {name: 10 * x for name, x in free.items() if name.startswith("head_") and x.ndim > 1}
    return {name: np.asarray(x + 0.1 * rng.standard_normal(x.shape), np.float32) for name, x in free.items()}


def batch(n_frames: int = 25, seed: int = 1) -> Array:
    """Three signals: one begins with silence, one pauses."""
    rng = np.random.default_rng(seed)
    V = rng.gamma(0.7, 1.5, (3, n_frames, N_BANDS)).astype(np.float32)
    V[0, :6] = 0
    V[1, 10:16] = 0
    return V + np.float32(FLOOR)


@pytest.mark.parametrize(PARTS, VARIANTS)
def test_every_gradient_is_the_slope_of_the_loss(
    slow: bool, mid: bool, inhibition: bool, memory: MemorySizes | None
) -> None:
    rng = np.random.default_rng(2)
    free, V = random_free(slow, mid, inhibition, memory), batch()
    network = Network(free, N_SPEECH)
    weights = rng.standard_normal(V.shape).astype(np.float32)
    network.forward(V)
    gradients = network.backward(weights)

    def loss() -> float:
        return float((network.forward(V).astype(np.float64) * weights).sum())

    assert set(gradients) == set(free)
    for name, x in free.items():
        if not x.size:
            continue
        direction = rng.standard_normal(x.shape).astype(np.float32)
        kept = x.copy()
        free[name][...] = kept + np.float32(3e-3) * direction
        above = loss()
        free[name][...] = kept - np.float32(3e-3) * direction
        below = loss()
        free[name][...] = kept
        slope = float((gradients[name].astype(np.float64) * direction).sum())
        size = float(np.linalg.norm(gradients[name]))
        assert (above - below) / 6e-3 == pytest.approx(slope, abs=0.01 * size + 2e-3), name


@pytest.mark.parametrize("memory", [None, replace(MEMORY, n_second=3, n_up=2)])
def test_signals_go_on_where_they_were_left(memory: MemorySizes | None) -> None:
    free, V = random_free(True, False, False, memory), batch(40)
    network = Network(free, N_SPEECH)
    whole = network.forward(V).copy()
    parts, state = [], None
    for part in np.split(V, [4, 15, 16], axis=1):
        parts.append(network.forward(part, before=state).copy())
        state = network.after
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=2e-6)


def test_signals_that_begin_anew_have_no_past() -> None:
    free, V = random_free(True, False, False, MEMORY), batch(20)
    network = Network(free, N_SPEECH)
    new = network.forward(V).copy()
    left = network.after
    mixed = network.forward(V, before=left._replace(new=np.array([False, True, True])))
    np.testing.assert_array_equal(mixed[1:], new[1:])
    assert not np.allclose(mixed[0], new[0], atol=1e-3)


@pytest.mark.parametrize("n_second", [0, 3])
@pytest.mark.slow
def test_masks_and_gradients_are_those_of_automatic_differentiation(n_second: int) -> None:
    jax = pytest.importorskip("jax")
    from tests.training import jax_reference

    memory = replace(MEMORY, n_second=n_second, n_up=2)
    free, V = random_free(True, False, False, memory), batch(20)
    n_seen = np.array([N_BANDS, N_BANDS - 1, 7])
    by_time = np.ascontiguousarray(V.transpose(1, 0, 2))
    silent = by_time.mean(axis=2) <= SILENCE + FLOOR
    floor, start = np.empty_like(by_time), np.zeros(len(V), np.int64)
    unrolled_forward.track_floor(by_time, silent, start, floor, *np.empty((2, *V.shape[::2]), np.float32))
    given = V, floor.transpose(1, 0, 2), silent.T, start, n_seen, N_SPEECH
    expected, back = jax.vjp(lambda free: jax_reference.masks(free, *given), free)
    network = Network(free, N_SPEECH)
    masks = network.forward(V, n_seen)
    np.testing.assert_allclose(masks, expected, atol=1e-5)
    d_masks = np.random.default_rng(0).standard_normal(V.shape).astype(np.float32)
    gradients = network.backward(d_masks)
    for name, slope in back(d_masks)[0].items():
        size = np.abs(slope).max(initial=0)
        np.testing.assert_allclose(gradients[name], slope, atol=2e-5 * size + 1e-7, err_msg=name)


@pytest.mark.parametrize(PARTS, VARIANTS)
def test_masks_are_those_of_the_denoiser(
    slow: bool, mid: bool, inhibition: bool, memory: MemorySizes | None
) -> None:
    free, V = random_free(slow, mid, inhibition, memory), batch(40)
    masks = Network(free, N_SPEECH).forward(V)
    nmf = UnrolledNMF(to_arrays(free), n_speech=N_SPEECH, n_observed=N_BANDS)
    for signal, mask in zip(V, masks, strict=True):
        nmf.reset()
        _, found, _ = nmf.process(signal, SILENCE + FLOOR, FLOOR)
        np.testing.assert_allclose(found[0], mask, atol=1e-5)


def test_masks_of_the_shipped_dictionary_are_those_of_its_training(noisy_speech: Array) -> None:
    dictionary = load_dictionary("trained")
    n_fft = frame_size(dictionary.spec.sr, dictionary.spec.frame_seconds)
    y = noisy_speech[: len(noisy_speech) // n_fft * n_fft]
    bands = np.abs(spectra(y[None], n_fft)[0]) @ band_matrix(dictionary.spec, dictionary.spec.sr).T
    V = Normaliser(dictionary.spectrum).process(bands)
    n_speech = dictionary.n_components("speech")
    expected = Network(from_arrays(dictionary.arrays), n_speech).forward(V[None])[0]
    nmf = UnrolledNMF(dictionary.arrays, n_speech=n_speech, n_observed=V.shape[1])
    found = nmf.process(V, SILENCE + FLOOR, FLOOR)[1][0]
    assert 0.1 < found.mean() < 0.9
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(PARTS, VARIANTS)
def test_parameters_fit_the_schema_and_survive_the_way_back(
    slow: bool, mid: bool, inhibition: bool, memory: MemorySizes | None
) -> None:
    arrays = to_arrays(random_free(slow, mid, inhibition, memory))
    assert check_trained_arrays(arrays, N_BANDS) == N_SPEECH + N_NOISE
    again = to_arrays(from_arrays(arrays))
    for name, x in arrays.items():
        np.testing.assert_allclose(again[name], x, rtol=1e-4, atol=1e-6, err_msg=name)


def test_inhibition_within_the_frame_needs_that_by_the_last_frames() -> None:
    arrays = to_arrays(random_free(True, True))
    with pytest.raises(DictionaryError, match="C_mid without C"):
        check_trained_arrays(arrays | {"C": arrays["C"][:0]}, N_BANDS)
    with pytest.raises(DictionaryError, match="C has shape"):
        check_trained_arrays(arrays | {"C": arrays["C"][:3]}, N_BANDS)


def test_what_the_floor_tracks_is_the_recursion() -> None:
    V = np.ascontiguousarray(batch(60).transpose(1, 0, 2))
    silent = V.mean(axis=2) <= SILENCE + FLOOR
    floor, start = np.empty_like(V), np.zeros(3, np.int64)
    unrolled_forward.track_floor(V, silent, start, floor, *np.empty((2, 3, N_BANDS), np.float32))
    assert start.tolist() == [6, 0, 0]
    for i in range(3):
        smooth = tracked = V[0, i].astype(np.float64)
        for t in range(len(V)):
            if t <= start[i]:
                smooth = tracked = V[t, i].astype(np.float64)
            elif not silent[t, i]:
                smooth = 0.8 * smooth + 0.2 * V[t, i]
                tracked = np.minimum(1.006 * tracked, smooth)
            np.testing.assert_allclose(floor[t, i], tracked, rtol=1e-4)


def test_fast_logarithm_and_exponential() -> None:
    x = np.geomspace(1e-30, 1e30, 2001).astype(np.float32)
    y = np.linspace(-80, 80, 2001).astype(np.float32)
    logs = np.array([log_exp.log(v) for v in x])
    powers = np.array([log_exp.exp(v) for v in y])
    np.testing.assert_allclose(logs, np.log(x.astype(np.float64)), rtol=3e-7, atol=2e-7)
    np.testing.assert_allclose(powers, np.exp(y.astype(np.float64)), rtol=5e-7)


@pytest.mark.slow
def test_what_was_compiled_and_what_was_loaded_give_the_same_bits(tmp_path: Path) -> None:
    lines = (
        "import hashlib, numpy as np",
        "from nmf_audio.training.parameters import initial",
        "from nmf_audio.training.unrolled import Network",
        "rng = np.random.default_rng(0)",
        "network = Network(initial(rng.random((40, 24)), rng.random((40, 18)), rng=0), 24)",
        "mask = network.forward(rng.gamma(0.7, 1.4, (4, 50, 40)).astype(np.float32) + np.float32(1e-4))",
        "gradients = network.backward(np.ones_like(mask))",
        "print(hashlib.sha256(b''.join(x.tobytes() for x in gradients.values())).hexdigest())",
    )
    compiled, loaded = (
        subprocess.run(
            [sys.executable, "-c", "\n".join(lines)],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert compiled == loaded


def test_gradient_without_masks_is_refused() -> None:
    with pytest.raises(ParameterError, match="forward"):
        Network(random_free(True, True), N_SPEECH).backward(batch())


def test_start_needs_the_same_bands_and_a_layer() -> None:
    W = np.ones((4, 2), np.float32)
    with pytest.raises(ParameterError, match=r"W_noise has shape .*; both have the same bands"):
        initial(W, np.ones((5, 2), np.float32))
    with pytest.raises(ParameterError, match="n_layers=0"):
        initial(W, W, n_layers=0)
