from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import Penalty, factorize, factorize_penalised
from nmf_audio.nmf.minimisers import derivative, find_root, minimum_of_sum_one

from . import naive

BETAS = st.sampled_from([0.0, 1.0, 2.0])
WEIGHT = st.sampled_from([0.0, 0.01, 1.0, 30.0])


def _example(seed: int = 0, n_features: int = 8, n_frames: int = 11, n_components: int = 4) -> Any:
    rng = np.random.default_rng(seed)
    V = rng.gamma(1.0, 1.0, (n_features, n_frames)) + 0.01
    W = rng.uniform(0.1, 1.0, (n_features, n_components))
    return V, W, rng.uniform(0.1, 1.0, (n_components, n_frames))


@given(BETAS, WEIGHT, WEIGHT, st.integers(0, 99), st.sampled_from([1e-4, 1.0, 1e4]))
@settings(max_examples=40, deadline=None)
def test_the_objective_rises_at_no_iteration(
    beta: float, continuity: float, group: float, seed: int, level: float
) -> None:
    V, W, H = _example(seed)
    penalty = Penalty((0.0, 0.1, 0.0, 5.0), continuity, group, (0, 1, 1, 0))
    before = np.inf
    for _ in range(6):
        W, H, _, cost = factorize_penalised(
            level * V, beta=beta, W=W, H=H, penalty=penalty, max_iter=1, tol=0
        )
        assert cost <= before * (1 + 1e-9)
        assert_allclose(W.sum(0), 1)
        before = cost


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_cost_is_the_objective_as_it_is_written(beta: float) -> None:
    V, W, H = _example()
    V *= 2.0 / V.mean()  # the scale is a power of two
    weights: dict[str, Any] = {
        "l1": (0.0, 0.2, 0.0, 1.0),
        "continuity": (1.0, 2.0, 0.0, 3.0),
    }
    penalty = Penalty(group=0.3, groups=(0, 0, 5, 5), **weights)
    W, H, _, cost = factorize_penalised(V, beta=beta, W=W, H=H, penalty=penalty, max_iter=3, tol=0)
    expected = naive.penalised_objective(V / 2, W, H / 2, beta, group=0.3, groups=(0, 0, 5, 5), **weights)
    assert cost == pytest.approx(expected * 2**beta, rel=1e-6)


def test_without_weights_it_is_plain_nmf() -> None:
    V, W, H = _example()
    for beta in (1.0, 0.0, 2.0):
        # one atom has one best fit
        plain = factorize(V, beta=beta, W=W[:, :1], H=H[:1], max_iter=300, tol=0)
        ours = factorize_penalised(V, beta=beta, W=W[:, :1], H=H[:1], penalty=Penalty(), max_iter=300, tol=0)
        assert ours.cost == pytest.approx(plain.cost, rel=1e-6)
        assert_allclose(ours.W @ ours.H, plain.W @ plain.H, rtol=1e-4)
    ours = factorize_penalised(V, W=W, H=H, free=(), penalty=Penalty(), max_iter=30, tol=0)
    plain = factorize(V, W=W / W.sum(0), H=H * W.sum(0)[:, None], free=(), max_iter=30, tol=0, momentum=0)
    assert_allclose(ours.H, plain.H, rtol=1e-6)


@given(BETAS, st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_roots_are_where_the_derivative_changes_its_sign(beta: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, num, den, C = (10 ** rng.uniform(-4, 4, 6) for _ in range(4))
    D = rng.normal(0, 1, 6) * 10 ** rng.uniform(-3, 3, 6)
    for i, x in enumerate(find_root(beta, y, num, den, C, D)):
        at = (y[i], num[i], den[i], C[i], D[i])
        if x == 0:
            assert derivative(beta, 1e-20, *at) >= 0
        else:
            expected = brentq(lambda z: derivative(beta, z, *at), x / 3, 3 * x, rtol=1e-12)  # noqa: B023
            assert x == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_multiplier_makes_sums_of_one_at_the_minimum(beta: float) -> None:
    rng = np.random.default_rng(3)
    y, num, den = (rng.uniform(0.1, 2.0, (3, 9)) for _ in range(3))
    den = np.ones_like(den) if beta == 1 else den
    x = minimum_of_sum_one(beta, y, num, den)
    assert_allclose(x.sum(1), 1)
    slopes = derivative(beta, x, y, num, den, 0.0, 0.0)
    for row, free in zip(slopes, x > 1e-9, strict=True):
        assert_allclose(row[free], row[free].mean(), rtol=1e-5)
        assert (row[~free] >= row[free].mean() - 1e-6).all()


def test_continuity_finds_slow_activations_in_noise() -> None:
    rng = np.random.default_rng(0)
    W = rng.random((10, 2))
    H = 2 + np.sin(np.arange(120) / 15 + np.array([[0.0], [2.0]]))
    V = rng.gamma(2.0, W @ H / 2)
    size = W.sum(0)[:, None]  # atoms come back with a sum of 1
    errors = [
        np.mean((factorize_penalised(V, W=W, free=(), penalty=p, tol=0, max_iter=300).H - H * size) ** 2)
        for p in (Penalty(), Penalty(continuity=10.0))
    ]
    assert errors[1] < 0.3 * errors[0]


def test_groups_switch_each_other_off() -> None:
    rng = np.random.default_rng(0)
    W = rng.random((12, 6)) ** 3 + 0.05
    on = np.repeat([[1.0, 0.0], [0.0, 1.0]], 30, axis=1)
    H = np.repeat(on, 3, axis=0) * rng.random((6, 60))
    V = rng.gamma(20.0, W @ H / 20)
    options: dict[str, Any] = {"W": W, "free": (), "tol": 0, "max_iter": 300}
    plain = factorize_penalised(V, penalty=Penalty(), **options).H
    grouped = factorize_penalised(V, penalty=Penalty(group=0.1, groups=(0, 0, 0, 1, 1, 1)), **options).H
    wrong = np.repeat(on == 0, 3, axis=0)
    assert plain[wrong].sum() > 0.05 * plain.sum()
    assert grouped[wrong].sum() < 1e-6 * grouped.sum()


def test_fixed_atoms_come_back_with_a_sum_of_one() -> None:
    V, W, H = _example()
    found = factorize_penalised(V, W=W, H=H, free=[1, 3], penalty=Penalty(continuity=1.0), max_iter=5, tol=0)
    assert_allclose(found.W[:, [0, 2]], (W / W.sum(0))[:, [0, 2]], rtol=1e-14)
    assert not np.allclose(found.W[:, [1, 3]], (W / W.sum(0))[:, [1, 3]])


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_level_goes_to_the_activations_and_float32_stays(beta: float) -> None:
    V = _example()[0].astype(np.float32)
    penalty = Penalty(0.1, 1.0, 0.1, (0, 0, 1))
    loud, quiet = (
        factorize_penalised(g * V, 3, beta, penalty=penalty, rng=0, max_iter=20, tol=0)
        for g in (np.float32(1), np.float32(2.0**-30))
    )
    assert loud.H.dtype == loud.W.dtype == np.float32
    assert_allclose(quiet.W, loud.W, rtol=1e-5)
    assert_allclose(quiet.H * 2.0**30, loud.H, rtol=1e-5)


def test_silence_one_frame_and_progress() -> None:
    seen: list[int] = []
    everything = Penalty(0.1, 1.0, 1.0)
    silent = factorize_penalised(
        np.zeros((3, 4)), 2, penalty=everything, rng=0, callback=lambda n, c: seen.append(n)
    )
    assert np.isfinite(silent.H).all()
    assert seen == list(range(10, silent.n_iter + 1, 10))
    assert np.isfinite(factorize_penalised(np.ones((1, 1)), 1, penalty=everything, rng=0).cost)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.5}, "beta=0.5"),
        ({"penalty": Penalty(continuity=-1.0)}, "continuity"),
        ({"penalty": Penalty(continuity=(1.0, 2.0))}, "continuity has shape"),
        ({"penalty": Penalty(group=float("nan"))}, "group"),
        ({"penalty": Penalty(groups=(0, 1))}, "groups"),
        ({"n_components": None}, "n_components=None"),
        ({"H": np.ones((2, 11))}, "n_components=3"),
        ({"W": np.ones((8, 2))}, "n_components=3"),
        ({"W": np.eye(8, 3) * [1, 0, 1]}, r"W\[:, 1\] is all 0"),
    ],
)
def test_faults_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"V": _example()[0], "n_components": 3, "penalty": Penalty()} | change
    with pytest.raises(ParameterError, match=message):
        factorize_penalised(arguments.pop("V"), **arguments)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("shape", [None, (3, 4), (2, 3, 2)])
def test_the_objective_with_total_variation_is_as_written_and_never_rises(
    beta: float, shape: tuple[int, ...] | None
) -> None:
    V, W, H = _example(n_frames=12)
    V *= 2.0 / V.mean()
    continuity, variation = np.array([0.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.2, 0.0, 30.0])
    penalty = Penalty(continuity=continuity.tolist(), variation=variation.tolist(), shape=shape)
    before = np.inf
    for _ in range(8):
        W, H, _, cost = factorize_penalised(V, beta=beta, W=W, H=H, penalty=penalty, max_iter=1, tol=0)
        a = (H / 2 / 8).reshape(4, *(shape or (12,)))
        expected = naive.penalised_objective(
            V / 2, W, H / 2, beta, np.zeros(4), np.zeros(4), 0.0, np.arange(4)
        )
        for axis in range(1, a.ndim):
            d = np.moveaxis(np.diff(a, axis=axis), 0, -1)
            expected += 8 * (continuity * d**2 + variation * (np.sqrt(d**2 + 1e-4) - 1e-2)).sum()
        assert cost == pytest.approx(expected * 2**beta, rel=1e-6)
        assert cost <= before * (1 + 1e-9)
        before = cost


def test_total_variation_keeps_a_step_that_continuity_smears() -> None:
    rng = np.random.default_rng(0)
    W, H = np.array([[1.0], [2.0], [1.0]]), np.where(np.arange(60) < 30, 1.0, 4.0)[None]
    V = rng.gamma(4.0, W @ H / 4)
    found = [
        factorize_penalised(V, W=W, free=(), penalty=p, tol=0, max_iter=300).H / 4
        for p in (Penalty(variation=1.0), Penalty(continuity=2.0), Penalty())
    ]
    errors = [np.mean((h - H) ** 2) for h in found]
    assert errors[0] < 0.5 * errors[1] < 0.5 * errors[2]
    steps = [h[0, 30] - h[0, 29] for h in found]
    assert steps[0] > 2
    assert steps[1] < 1


def test_total_variation_over_an_image_finds_its_regions() -> None:
    rng = np.random.default_rng(1)
    W = rng.random((6, 2)) + 0.1
    W /= W.sum(0)
    maps = np.full((2, 10, 10), 0.2)
    maps[0, 2:6, 3:8], maps[1, 5:9, 1:4] = 1, 1
    H = 6 * maps.reshape(2, 100)
    V = rng.gamma(4.0, W @ H / 4)
    errors = [
        np.mean((factorize_penalised(V, W=W, free=(), penalty=p, tol=0, max_iter=300).H - H) ** 2)
        for p in (
            Penalty(),
            Penalty(continuity=0.05, shape=(10, 10)),
            Penalty(variation=0.05),
            Penalty(variation=0.05, shape=(10, 10)),
        )
    ]
    assert errors[3] < 0.7 * min(errors[:3])


def test_a_shape_that_does_not_fit_is_named() -> None:
    V, _, _ = _example()
    with pytest.raises(ParameterError, match=r"shape=\(2, 5\); must be that of 11 pixels, the frames of V"):
        factorize_penalised(V, 2, penalty=Penalty(variation=1.0, shape=(2, 5)))
    with pytest.raises(ParameterError, match="variation=-1"):
        factorize_penalised(V, 2, penalty=Penalty(variation=-1.0))
