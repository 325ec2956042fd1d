"""Finite data of any size, with zeros anywhere: results are finite, or the error says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmf_audio import NMF, ParameterError
from nmf_audio.nmf import (
    FrameSolver,
    Penalty,
    activations,
    beta_divergence,
    cluster,
    factorize,
    factorize_convex,
    factorize_convolutive,
    factorize_joint,
    factorize_orthogonal,
    factorize_penalised,
    factorize_rank,
    factorize_rank_symmetric,
    factorize_semi,
    factorize_sequentially,
    factorize_symmetric,
    factorize_tensor,
    find_anchors,
    initialize,
    k_means,
    nnls,
    plsa,
    update_H,
    update_W,
)

Array = NDArray[Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:V has"),
    pytest.mark.filterwarnings("ignore:the activations still moved"),
]

BETAS = [-2.0, 0.0, 0.5, 1.0, 2.0, 3.0]
LARGEST = {"float32": 38, "float64": 300}


@st.composite
def matrices(draw: st.DrawFn, n_rows: int = 0, n_columns: int = 0) -> Array:
    """Matrices of any level, of which rows, columns, some entries, or all are zero."""
    dtype = draw(st.sampled_from(sorted(LARGEST)))
    shape = n_rows or draw(st.integers(1, 6)), n_columns or draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    a = rng.random(shape) * 10.0 ** draw(st.integers(-LARGEST[dtype], LARGEST[dtype] - 1))
    if draw(st.booleans()):
        a[rng.integers(0, shape[0])] = 0
    if draw(st.booleans()):
        a[:, rng.integers(0, shape[1])] = 0
    return np.asarray(a * (rng.random(shape) < draw(st.sampled_from([0.0, 0.7, 1.0, 1.0]))), dtype)


def check(compute: Callable[[], Any]) -> None:
    try:
        results = compute()
    except ParameterError:
        return
    for result in results if isinstance(results, tuple) else (results,):
        assert np.isfinite(result).all()


@example(V=np.array([[6.4e-155]]), beta=-2.0, init="random")
@example(V=np.array([[5.1e162, 0.0]]), beta=-2.0, init="random")
@settings(deadline=None, max_examples=15)
@given(V=matrices(), beta=st.sampled_from(BETAS), init=st.sampled_from(["random", "frames", "nndsvdar"]))
def test_factorizations_of_any_data(V: Array, beta: float, init: str) -> None:
    n = min(2, *V.shape)
    check(lambda: factorize(V, n, beta, init=init, max_iter=15, rng=0))
    check(lambda: factorize(V, n, beta, norm="l2", l1_H=0.1, l1_W=0.1, max_iter=15, rng=0))
    check(lambda: factorize(V, n, beta, weights=V.max() <= V, max_iter=15, rng=0))
    check(lambda: factorize(V, n, 2.0, solver="hals", norm="l2", l1_H=0.1, max_iter=5, rng=0))
    check(lambda: initialize(V, n, init=init, rng=0))
    check(lambda: factorize_tensor(V[None], n, beta, max_iter=5, rng=0))
    size = float((V[V > 0].astype(np.float64) ** beta).sum())
    assert beta_divergence(V, V[::-1], beta) >= -1e-12 * max(1.0, size)
    check(lambda: factorize_convolutive(V, n, 1, beta, max_iter=5, rng=0))
    check(lambda: (*factorize_joint([(V, "a", "b")], n, beta, max_iter=5, rng=0).factors.values(),))
    check(lambda: factorize_sequentially(V, n, beta, max_iter=5))
    if beta in (0, 1, 2):
        penalty = Penalty(l1=0.1, continuity=1.0, group=0.1, variation=0.1)
        check(lambda: factorize_penalised(V, n, beta, penalty=penalty, init=init, max_iter=5, rng=0))


@settings(deadline=None, max_examples=25)
@given(V=matrices(3, 4), W=matrices(3, 2), H=matrices(2, 4), beta=st.sampled_from(BETAS))
def test_any_start(V: Array, W: Array, H: Array, beta: float) -> None:
    check(lambda: factorize(V, beta=beta, W=W, H=H, max_iter=15))
    check(lambda: factorize(V, beta=beta, W=W, free=(), max_iter=15))
    check(lambda: activations(V, W, beta=beta))
    check(lambda: update_H(V, W, H, beta=beta))
    check(lambda: nnls(V, W, H=H, weights=V.max() <= V, solver="hals", l1_H=0.1, l2_H=0.1, max_iter=50))
    check(lambda: nnls(V, W))
    check(lambda: update_W(V, W, H, beta=beta, norm="l2"))
    check(lambda: factorize_tensor(V[None], beta=beta, Q=np.ones((1, 2)), W=W, H=H, max_iter=5))
    check(lambda: FrameSolver(W, beta=max(beta, 0.5)).solve(V))
    if beta in (0, 1, 2):
        check(lambda: factorize_penalised(V, beta=beta, W=W, H=H, penalty=Penalty(l1=1.0), max_iter=5))


@settings(deadline=None, max_examples=20)
@given(batches=st.lists(matrices(3, 4), min_size=1, max_size=4), beta=st.sampled_from(BETAS))
def test_any_batches(batches: list[Array], beta: float) -> None:
    def learn() -> Array:
        model = NMF(2, beta=beta, rng=0, batch_iter=3)
        for V in batches:
            model.partial_fit(V)
        return model.W_ if hasattr(model, "W_") else np.zeros(0)

    check(learn)


@settings(deadline=None, max_examples=20)
@given(X=matrices(5, 3), weights=matrices(5, 1))
def test_clusters_of_any_data(X: Array, weights: Array) -> None:
    A = X.astype(np.float64) @ X.T.astype(np.float64) if X.max() < 1e140 else np.full((5, 5), X.max())
    check(lambda: k_means(X, 2, weights=weights[:, 0], n_starts=2, rng=0))
    check(lambda: factorize_symmetric(A, 2, max_iter=20, rng=0))
    check(lambda: cluster(A, 2, n_starts=2, rng=0))
    check(lambda: find_anchors(X, 2))
    check(lambda: factorize_semi(X, 2, max_iter=5, rng=0))
    check(lambda: factorize_convex(X, 2, max_iter=5, rng=0))
    check(lambda: plsa(X, 2, max_iter=5, rng=0))
    check(lambda: factorize_rank(X))
    check(lambda: factorize_rank_symmetric(A))
    for solver in ("assignment", "mu"):
        check(lambda solver=solver: factorize_orthogonal(X, 2, solver=solver, max_iter=5, rng=0))  # type: ignore[misc]


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_the_level_of_the_data_does_not_matter(scale: float, beta: float) -> None:
    V = np.random.default_rng(0).random((6, 3)) @ np.random.default_rng(1).random((3, 40)) + 0.01
    expected, found = (factorize(V * s, 3, beta, rng=0) for s in (1.0, scale))
    np.testing.assert_allclose(found.W @ (found.H / scale), expected.W @ expected.H, rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("silent", [0, 1, 3])
def test_silence_teaches_nothing(beta: float, silent: int) -> None:
    rng = np.random.default_rng(0)
    V = rng.random((8, 3)) @ rng.random((3, 60)) + 0.01
    plain, interrupted = (NMF(3, beta=beta, init="frames", rng=0) for _ in range(2))
    for i in range(6):
        batch = V[:, 10 * i : 10 * i + 10]
        plain.partial_fit(batch)
        for _ in range(silent):
            interrupted.partial_fit(np.zeros((8, 5)))
        interrupted.partial_fit(batch)
    np.testing.assert_array_equal(interrupted.W_, plain.W_)


def test_atoms_of_zeros_are_refused() -> None:
    V = np.ones((3, 4))
    for call in (
        lambda: NMF(2).fit(V, W=np.zeros((3, 2))),
        lambda: activations(V, np.zeros((3, 2))),
        lambda: factorize(V.astype(np.float32), W=np.full((3, 2), 1e-300)),
    ):
        with pytest.raises(ParameterError, match="W is all 0; must be above 0"):
            call()


def test_results_beyond_the_range_of_a_number_are_refused() -> None:
    V = np.ones((3, 4))
    for message, call in (
        (
            "V has a mean of 1e[+]200; must be at most 3e[+]150 for beta=2",
            lambda: factorize(V * 1e200, 1, 2.0),
        ),
        (
            "W holds 1e[+]300; must be within float32",
            lambda: activations(V.astype("f"), np.full((3, 1), 1e300)),
        ),
        (
            "A holds 1e[+]200; must be at most 1e[+]150",
            lambda: factorize_symmetric(np.full((2, 2), 1e200), 1),
        ),
        ("l1_W=0.1; must be at most", lambda: factorize((V * 1e-30).astype("f"), 1, 2.0, l1_W=0.1)),
        ("leaves the range of", lambda: activations(V * 1e200, V[:, :1] * 1e-200)),
    ):
        with pytest.raises(ParameterError, match=message):
            call()


def test_scattered_zeros_are_named_and_raised_where_the_divergence_is_infinite() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((20, 4)) @ rng.random((4, 100))
    with pytest.warns(UserWarning, match="scattered zeros"):
        found = factorize(np.where(rng.random(X.shape) < 0.3, 0, X), 8, 0.0, rng=0)
    assert (found.W @ found.H).max() < 10 * X.max()
    for seed, share in ((0, 0.6), (1, 0.6), (2, 0.9), (4, 0.9)):
        rng = np.random.default_rng(seed)
        Z = rng.gamma(0.5, 1, (20, 40))
        Z[rng.random(Z.shape) < share] = 0
        with pytest.warns(UserWarning, match="scattered zeros"):
            found = factorize(Z, 3, 0.0, rng=seed)
        assert (found.W @ found.H).max() < 10 * Z.max()
    # a quiet frame stays quiet
    quiet = X * np.where(np.arange(100) < 50, 1e-6, 1)
    quiet[3, 7] = 0
    with pytest.warns(UserWarning, match="V has 1 scattered zeros"):
        found = factorize(quiet, 4, 0.0, rng=0, max_iter=500)
    assert (found.W @ found.H)[:, 7].max() < 1e-4 * X.max()
    V = np.ones((4, 5))
    V[1, 2] = V[3, 0] = 0
    with pytest.warns(UserWarning, match="V has 2 scattered zeros"):
        factorize(V, 1, 0.0, max_iter=1)
    # silence and missing bands are fitted by zeros, and unknown entries do not count
    V[1], V[:, 0] = 0, 0
    factorize(V, 1, 0.0, max_iter=1)
    factorize(np.eye(3), 1, 0.0, weights=np.eye(3), max_iter=1)
