"""Momentum that never raises the cost, a start from some of the frames, threads: all leave the result what it was."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import NMF, activations, beta_divergence, factorize
from nmf_audio.nmf.alternation import choose_coarse_frames
from nmf_audio.nmf.workers import Workers

from . import naive
from .conftest import Example

Make = Callable[..., Example]
Array = NDArray[Any]


def small(seed: int) -> Example:
    rng = np.random.default_rng(seed)
    V = rng.gamma(0.5, 1, (5, 6)) + 0.01
    return V, rng.uniform(0.1, 1, (5, 2)), rng.uniform(0.1, 1, (2, 6))


def long(dtype: Any = np.float64) -> Array:
    """Many frames of few atoms, and noise."""
    rng = np.random.default_rng(0)
    V = rng.gamma(0.3, 1, (20, 5)) @ rng.gamma(0.2, 1, (5, 4500))
    return (V * rng.gamma(8, 1 / 8, V.shape) + 1e-3).astype(dtype)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_momentum_is_the_equation(beta: float) -> None:
    V, W, H = small(2)
    w, h = naive.factorize(V, W, H, beta, 8, momentum=0.8)
    got = factorize(V, beta=beta, solver="mu", W=W, H=H, max_iter=8, tol=0, momentum=0.8)
    assert got.cost < naive.divergence(V, W @ H, beta)
    assert_allclose(got.W, w, rtol=1e-7)
    assert_allclose(got.H, h, rtol=1e-7)


def test_where_momentum_would_raise_the_cost_plain_updates_take_its_place() -> None:
    V, W, H = small(6)
    unguarded = [naive.factorize(V, W, H, 1.0, n, momentum=0.999) for n in (20, 30)]
    costs = [naive.divergence(V, w @ h, 1.0) for w, h in unguarded]
    assert costs[1] > costs[0]
    expected_W, expected_H = naive.factorize(V, *unguarded[0], 1.0, 10)
    got = factorize(V, W=W, H=H, max_iter=30, tol=0, momentum=0.999)
    assert_allclose(got.W @ got.H, expected_W @ expected_H, rtol=1e-6)
    assert got.cost < costs[0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    beta=st.sampled_from([-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]),
    shape=st.tuples(st.integers(1, 8), st.integers(1, 12), st.integers(1, 5)),
    momentum=st.floats(0.0, 0.999),
    l1=st.sampled_from([0.0, 0.3]),
    n_iter=st.integers(1, 75),
    missing=st.booleans(),
)
def test_the_cost_never_rises(
    seed: int,
    beta: float,
    shape: tuple[int, int, int],
    momentum: float,
    l1: float,
    n_iter: int,
    missing: bool,
) -> None:
    n_features, n_frames, n_components = shape
    rng = np.random.default_rng(seed)
    V = rng.gamma(0.5, 1.0, (n_features, n_frames)) + 0.01
    W = rng.uniform(0.1, 1.0, (n_features, n_components))
    H = rng.uniform(0.1, 1.0, (n_components, n_frames))
    M = (rng.random(V.shape) > 0.3).astype(float) if missing else np.ones_like(V)
    M[0, 0] = 1
    costs = [beta_divergence(V, W @ H, beta, weights=M) + l1 * H.sum() + l1 * W.sum()]
    result = factorize(
        V, beta=beta, solver="mu", W=W, H=H, l1_H=l1, l1_W=l1, weights=M if missing else None, max_iter=n_iter, tol=0,
        momentum=momentum, callback=lambda _, cost: costs.append(cost),
    )  # fmt: skip
    costs.append(result.cost)
    assert len(costs) == n_iter // 10 + 2
    assert np.all(np.diff(costs) <= 1e-9 * costs[0])
    if l1 == 0:
        again = beta_divergence(V, result.W @ result.H, beta, weights=M)
        assert result.cost == pytest.approx(again, rel=1e-6, abs=1e-8 * costs[0])


@pytest.mark.parametrize("stride", [1, 2, 7, 32])
def test_coarse_frames_are_one_of_each_group_without_a_period(stride: int) -> None:
    frames = choose_coarse_frames(1000, stride)
    assert_array_equal(frames // stride, np.arange(1000 // stride))
    if stride > 1:
        counts = np.bincount(frames % stride, minlength=stride)
        assert counts.max() - counts.min() <= 4


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_a_coarse_start_is_two_factorizations(beta: float) -> None:
    V = long()
    rng = np.random.default_rng(1)
    W, H = rng.uniform(0.1, 1, (20, 5)), rng.uniform(0.1, 1, (5, 4500))
    options: dict[str, Any] = {"beta": beta, "solver": "mu", "tol": 0, "coarse": 1}
    chosen = choose_coarse_frames(4500, 4)
    first = factorize(V[:, chosen], W=W, H=H[:, chosen], max_iter=32, **options)
    profile = first.H.mean(axis=1)
    start = np.outer(profile, V.mean(axis=0) / (first.W @ profile).mean())
    expected = factorize(V, W=first.W, H=start, max_iter=5, **options)
    got = factorize(V, W=W, H=H, max_iter=5, beta=beta, solver="mu", tol=0, coarse=4)
    assert_allclose(got.W @ got.H, expected.W @ expected.H, rtol=1e-4)
    assert got.n_iter == 5
    assert got.cost < factorize(V, W=W, H=H, max_iter=13, **options).cost


def test_the_default_starts_coarsely_where_frames_are_many_and_no_start_is_given() -> None:
    V = long(np.float32)
    options: dict[str, Any] = {"max_iter": 3, "tol": 0, "rng": 0}
    W, H, _, _ = factorize(V, 5, **options)
    assert_array_equal(W, factorize(V, 5, coarse=4, **options).W)
    assert_array_equal(W, NMF(5, **options).fit(V).W_)
    assert not np.array_equal(W, factorize(V, 5, coarse=1, **options).W)
    few = factorize(V[:, :2000], 5, **options)
    assert_array_equal(few.W, factorize(V[:, :2000], 5, coarse=1, **options).W)
    many = factorize(V, 200, **options)
    assert_array_equal(many.W, factorize(V, 200, coarse=1, **options).W)
    assert_array_equal(factorize(V, W=W, **options).W, factorize(V, W=W, coarse=1, **options).W)
    assert_array_equal(factorize(V, H=H, **options).W, factorize(V, H=H, coarse=1, **options).W)


def test_a_coarse_start_leaves_fixed_atoms_and_missing_entries_alone() -> None:
    V = long()
    W = np.random.default_rng(1).uniform(0.1, 1, (20, 5))
    got = factorize(V, W=W, free=[1, 4], coarse=8, max_iter=2, norm="l2", l1_H=0.1)
    assert_array_equal(got.W[:, [0, 2, 3]], W[:, [0, 2, 3]])
    assert_allclose((got.W[:, [1, 4]] ** 2).sum(axis=0), 1)
    M = np.ones_like(V)
    M[3] = 0
    V[3] = np.nan
    assert np.isfinite(factorize(V, 5, weights=M, coarse=8, max_iter=2, rng=0).cost)


def test_more_strides_than_frames_are_refused() -> None:
    with pytest.raises(ParameterError, match="coarse=5; must be a whole number from 1 to 4; V has no more"):
        factorize(np.ones((3, 4)), 2, coarse=5)
    with pytest.raises(ParameterError, match="coarse=0; must be a whole number from 1 to 4"):
        NMF(2, coarse=0).fit(np.ones((3, 4)))


@pytest.mark.parametrize("n_jobs", [2, 3])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_threads_change_no_bit(beta: float, n_jobs: int) -> None:
    V = long(np.float32)
    W = np.random.default_rng(1).uniform(0.1, 1, (20, 8)).astype(np.float32)
    for n_frames in (1, 128, 129, 700):
        part = V[:, :n_frames]
        alone = activations(part, W, beta=beta, n_iter=12)
        assert_array_equal(activations(part, W, beta=beta, n_iter=12, n_jobs=n_jobs), alone)
    options: dict[str, Any] = {"beta": beta, "max_iter": 12, "tol": 0, "rng": 0}
    one, more = NMF(8, **options), NMF(8, n_jobs=n_jobs, **options)
    assert_array_equal(more.fit_transform(V), one.fit_transform(V))
    assert_array_equal(more.W_, one.W_)
    assert_array_equal(more.transform(V[:, :900]), one.transform(V[:, :900]))


def test_threads_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="n_jobs=0; must be a whole number of at least 1"):
        activations(np.ones((2, 2)), np.ones((2, 1)), n_jobs=0)
    with pytest.raises(ParameterError, match="n_jobs=-1"):
        factorize(np.ones((2, 2)), 1, n_jobs=-1)


@pytest.mark.parametrize("n_jobs", [1, 2, 5])
@pytest.mark.parametrize("n_frames", [1, 9, 10, 11, 95])
def test_threads_get_all_frames_in_whole_tiles(n_jobs: int, n_frames: int) -> None:
    spans: list[slice] = []
    with Workers(n_jobs) as workers:
        workers.over(n_frames, 10, spans.append)
    spans.sort(key=lambda s: int(s.start))
    assert_array_equal(np.concatenate([np.arange(n_frames)[s] for s in spans]), np.arange(n_frames))
    assert all(s.start % 10 == 0 for s in spans)
    assert len(spans) <= n_jobs


def test_blas_has_one_thread_inside_and_what_it_had_after_that() -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with Workers(1):
        pass
    before = threads()
    with Workers(2) as workers, Workers(1):
        assert threads() == {1}
        assert set.union(*workers.map(lambda _: threads(), range(3))) == {1}
    assert threads() == before
    with pytest.raises(RuntimeError, match="as it must"), Workers(2) as workers:
        list(workers.map(fail, [1, 2]))
    assert threads() == before


def fail(_: int) -> None:
    raise RuntimeError("as it must")
