"""The unrolled decomposition against a slow oracle written from the equations."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nmf_audio.nmf.unrolled import UnrolledNMF
from tests.nmf import naive
from tests.tiny import memory_arrays

Array = npt.NDArray[np.float32]

N_BANDS, N_SPEECH, N_NOISE, N_LAYERS = 12, 5, 4, 3
RUN_NOISE, RUN_SPEECH = 2, 1
N_RUN = RUN_NOISE + 1 + RUN_SPEECH
K = N_SPEECH + N_NOISE + N_RUN
SILENCE, FLOOR = 1.01e-4, 1e-4


MEMORIES = [None, "first", "both"]


def random_arrays(
    seed: int = 0, slow: bool = False, inhibits: bool = True, memory: str | None = None
) -> dict[str, Array]:
    rng = np.random.default_rng(seed)

    def uniform(low: float, high: float, *shape: int) -> Array:
        return rng.uniform(low, high, shape).astype(np.float32)

    W = uniform(0.01, 1, N_LAYERS, N_BANDS, N_SPEECH + N_NOISE)
    width = K * (2 if slow else 1)
    return {
        "W": W / W.sum(axis=1, keepdims=True),
        "W_out": uniform(0, 0.3, N_BANDS, N_SPEECH + N_NOISE),
        "out_floor": uniform(1e-3, 1e-2, 2, N_BANDS),
        "lam": uniform(0.01, 0.2, N_LAYERS, K),
        "g": uniform(0.6, 1.3, N_LAYERS, K),
        "A": uniform(0, 1 / width, K, width),
        "C": uniform(0, 1 / width, K if inhibits else 0, width),
        "C_mid": uniform(0, 1 / K, K, K) if slow and inhibits else np.zeros((0, 0), np.float32),
        "b": uniform(0.01, 0.1, K),
        "slow_rate": uniform(0.8, 0.99, K) if slow else np.zeros(0, np.float32),
        "rate_noise": uniform(0.7, 0.98, RUN_NOISE),
        "rate_speech": uniform(0.1, 0.6, RUN_SPEECH),
        "run_gain": uniform(0.5, 1.5, N_RUN, N_BANDS),
        "residual": uniform(-0.8, 0.3, N_BANDS),
        "p": np.float32(2.1).reshape(()),
        **(memory_arrays(N_BANDS, K, second=memory == "both", seed=seed) if memory else {}),
    }


def frames(n_frames: int = 40, n_bands: int = N_BANDS, seed: int = 1) -> Array:
    return np.random.default_rng(seed).gamma(0.7, 1.5, (n_frames, n_bands)).astype(np.float32) + np.float32(
        FLOOR
    )


def oracle(a: dict[str, Array], V: Array) -> tuple[npt.NDArray[Any], ...]:
    """Float64, one scalar equation at a time."""
    p = {name: value.astype(np.float64) for name, value in a.items()}
    n_fixed = N_SPEECH + N_NOISE
    n_bands = V.shape[1]
    W, W_out = p["W"][:, :n_bands], p["W_out"][:n_bands]
    h = p["b"].copy()
    slow = p["b"].copy()
    gated = naive.GatedMemory(a) if "local_in" in a else None
    factor: Any = 1
    inhibition: Any = 0
    logit: Any = 0
    running: Any = None
    floor = smooth = V[0]
    out: list[list[Any]] = [[], [], [], []]
    for v in V.astype(np.float64):
        silent = v.mean() <= SILENCE
        if running is None:
            average, floor, smooth = np.full((RUN_NOISE + RUN_SPEECH, n_bands), 0.1 * v.mean()), v, v
        else:
            average = running
            if not silent:
                smooth = 0.8 * smooth + 0.2 * v
                floor = np.minimum(1.006 * floor, smooth)
        u = np.vstack([average[:RUN_NOISE], floor, average[RUN_NOISE:]]) + 1e-3
        u = u / u.sum(axis=1)[:, None]
        z = np.concatenate([h, slow]) if len(p["slow_rate"]) else h
        if gated:
            factor, inhibition, logit = gated.step(v, floor)
        h = (p["A"] @ z + p["b"]) * factor
        d = (p["C"] @ z if len(p["C"]) else 0) + inhibition
        for layer in range(N_LAYERS):
            if layer == 1 and len(p["C_mid"]):
                d = d + p["C_mid"] @ h
            D = np.concatenate([W[layer], u.T], axis=1)
            r = v / (D @ h + 1e-6)
            h = h * ((D.T @ r) / (D.sum(axis=0) + p["lam"][layer] + d) + 1e-5) ** p["g"][layer]
        if len(p["slow_rate"]):
            slow = p["slow_rate"] * slow + (1 - p["slow_rate"]) * h
        run = [u[k] * p["run_gain"][k, :n_bands] * h[n_fixed + k] for k in range(N_RUN)]
        S = W_out[:, :N_SPEECH] @ h[:N_SPEECH] + sum(run[RUN_NOISE + 1 :]) + p["out_floor"][0, :n_bands]
        N = (
            W_out[:, N_SPEECH:] @ h[N_SPEECH:n_fixed]
            + sum(run[: RUN_NOISE + 1])
            + p["out_floor"][1, :n_bands]
        )
        odds = (S / N) ** p["p"] * ((v + FLOOR) / (S + N)) ** (p["p"] * p["residual"][:n_bands])
        odds = odds * np.exp(logit)
        m = odds / (1 + odds)
        if not silent:
            rates = np.concatenate([p["rate_noise"], p["rate_speech"]])[:, None]
            new = np.vstack([(1 - m) * v] * RUN_NOISE + [m * v] * RUN_SPEECH)
            running = rates * average + (1 - rates) * new
        for values, value in zip(out, (S, N, m, h), strict=True):
            values.append(value)
    return tuple(np.array(values) for values in out)


def make(a: dict[str, Array], n_observed: int = N_BANDS) -> UnrolledNMF:
    return UnrolledNMF(a, n_speech=N_SPEECH, n_observed=n_observed)


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("inhibits", [False, True])
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("n_observed", [N_BANDS, N_BANDS - 1, N_BANDS - 4])
def test_agrees_with_the_equations(slow: bool, inhibits: bool, memory: str | None, n_observed: int) -> None:
    arrays = random_arrays(slow=slow, inhibits=inhibits, memory=memory)
    V = frames(n_bands=n_observed)
    V[:3] = V[17:21] = FLOOR
    spectra, masks, H = make(arrays, n_observed).process(V, SILENCE, FLOOR)
    np.testing.assert_allclose(masks.sum(axis=0), 1, rtol=1e-6)
    for result, expected in zip((*spectra, masks[0], H), oracle(arrays, V), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("memory", MEMORIES)
def test_cut_anywhere_and_reset(memory: str | None) -> None:
    V = frames()
    whole = make(random_arrays(memory=memory))
    expected = whole.process(V, SILENCE, FLOOR)
    cut = make(random_arrays(memory=memory))
    parts = [cut.process(V[a:b], SILENCE, FLOOR) for a, b in ((0, 1), (1, 1), (1, 18), (18, 40))]
    for i, values in enumerate(expected):
        np.testing.assert_array_equal(np.concatenate([part[i] for part in parts], axis=-2), values)
    whole.reset()
    for again, values in zip(whole.process(V, SILENCE, FLOOR), expected, strict=True):
        np.testing.assert_array_equal(again, values)


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_copy_that_would_be_wrong_is_refused(memory: str | None) -> None:
    with pytest.raises(TypeError, match="make another"):
        copy.deepcopy(make(random_arrays(memory=memory)))


def test_silence_holds_what_was_learned() -> None:
    V = frames()
    silence = np.full((200, N_BANDS), FLOOR, np.float32)
    plain, interrupted = make(random_arrays()), make(random_arrays())
    plain.process(V, SILENCE, FLOOR)
    interrupted.process(np.concatenate([silence, V, silence]), SILENCE, FLOOR)
    for name in ("_averages", "_smooth"):
        a, b = (getattr(nmf, name) for nmf in (plain, interrupted))
        np.testing.assert_allclose(a, b, rtol=0.05)


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e4])
def test_nothing_that_the_front_end_gives_leads_out_of_range(scale: float, memory: str | None) -> None:
    V = frames() * np.float32(scale)
    V[5] = 0
    for result in make(random_arrays(memory=memory)).process(V + np.float32(FLOOR), SILENCE, FLOOR):
        assert np.isfinite(result).all()
        assert (result >= 0).all()
