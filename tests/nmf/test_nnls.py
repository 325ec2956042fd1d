"""Solvers of the Euclidean cost: exact or monotone, in agreement with scipy.optimize.nnls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.optimize import nnls as scipy_nnls

from nmf_audio.errors import ConvergenceWarning, ParameterError
from nmf_audio.nmf import NMF, beta_divergence, factorize, nnls
from nmf_audio.nmf.kernels import descend_each, descend_together
from nmf_audio.nmf.nnls_solvers import SOLVERS
from nmf_audio.nmf.quadratic import least_squares

from . import naive

Array = NDArray[Any]

each_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))


def _data(seed: int = 0) -> tuple[Array, Array]:
    """Data that the atoms do not fit, so that many activations are 0."""
    rng = np.random.default_rng(seed)
    return rng.gamma(0.5, 1, (12, 7)), rng.gamma(0.5, 1, (12, 4))


def _reference(V: Array, W: Array, M: Array, l1: Array, l2: Array) -> Array:
    """Penalties as rows of a larger problem, (sqrt(l2) * x + l1 / sqrt(l2))**2 / 2 without its constant."""
    root = np.sqrt(l2)
    columns = [
        scipy_nnls(np.vstack([np.sqrt(m)[:, None] * W, np.diag(root)]), np.r_[np.sqrt(m) * v, -l1 / root])[0]
        for v, m in zip(V.T, M.T, strict=True)
    ]
    return np.array(columns).T


@each_solver
def test_agrees_with_scipy(solver: str) -> None:
    V, W = _data()
    expected = np.array([scipy_nnls(W, v)[0] for v in V.T]).T
    assert 5 < (expected == 0).sum() < 20
    assert_allclose(nnls(V, W, solver=solver), expected, atol=1e-6)
    start = np.random.default_rng(1).random((4, 7)) + 0.1
    assert_allclose(nnls(1e-5 * V, W, solver=solver, H=start), 1e-5 * expected, atol=1e-11)
    single = nnls(V.astype(np.float32), W, solver=solver)
    assert single.dtype == np.float32
    assert_allclose(single, expected, atol=1e-3)


@each_solver
def test_penalties_and_weights_agree_with_scipy(solver: str) -> None:
    V, W = _data(2)
    rng = np.random.default_rng(3)
    M = rng.random(V.shape) * (rng.random(V.shape) > 0.2)
    l1, l2 = np.array([0.0, 0.1, 0.2, 0.5]), np.array([0.1, 1.0, 0.2, 0.01])
    got = nnls(np.where(M > 0, 9 * V, np.nan), W, solver=solver, l1_H=l1, l2_H=l2, weights=M)
    assert_allclose(got, _reference(9 * V, W, M, l1, l2), atol=1e-5)
    got = nnls(9 * V, W, solver=solver, l1_H=l1, l2_H=l2)
    assert_allclose(got, _reference(9 * V, W, np.ones_like(V), l1, l2), atol=1e-5)


@each_solver
def test_no_step_makes_a_column_worse(solver: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        V, A = rng.random((9, 6)), rng.random((5, 6))
        A[4] = A[3] if seed else 0
        program = least_squares(V, rng.random(V.shape) if seed % 2 else None, A, np.full(5, 0.1), np.zeros(5))
        X = rng.random((5, 9)) * (rng.random((5, 9)) > 0.3)
        cost = program.cost(X, program.product(X))
        for _ in range(6):
            X = SOLVERS[solver].improve(program, X, 1)
            before, cost = cost, program.cost(X, program.product(X))
            assert X.min() >= 0
            assert (cost <= before + 1e-12).all()


@pytest.mark.parametrize("solver", ["active-set", "block-pivoting"])
def test_exact_where_atoms_depend_on_each_other_and_where_they_are_more_than_features(solver: str) -> None:
    rng = np.random.default_rng(0)
    for W in (np.repeat(rng.random((6, 3)), 2, axis=1), rng.random((4, 9)), np.eye(5, 4) * [1, 0, 1, 1]):
        V = rng.gamma(0.5, 1, (len(W), 20))
        H = nnls(V, W, solver=solver)
        best = [scipy_nnls(W, v)[1] for v in V.T]
        assert_allclose(np.linalg.norm(V - W @ H, axis=0), best, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_coordinate_descent_is_what_its_equation_says(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    n_sweeps: list[float] = []
    for n, n_components, enough in ((1, 1, 0.0), (70, 3, 0.0), (64, 4, 0.03), (130, 9, 0.3), (3, 6, 0.03)):
        A, V = rng.random((n_components, 20)), rng.standard_normal((n, 20))
        A[0] *= n_components < 9  # an atom of zeros
        C, X = V @ A.T, rng.random((n, n_components)) * (rng.random((n, n_components)) > 0.3)
        own = (A * rng.random((n, 1, 20))) @ A.T
        for G, kernel, width in ((A @ A.T, descend_together, 64), (own, descend_each, 1)):
            expected, count = naive.descend_coordinates(G, C, X, 6, enough, width)
            got = X.astype(dtype)
            kernel(G.astype(dtype), C.astype(dtype), got, 6, dtype(enough))
            assert_allclose(got, expected, atol=1e-12 if dtype is np.float64 else 2e-5)
            n_sweeps.append(count / -(-n // width))
    assert min(n_sweeps) < 3, "where there is little to gain, it ends earlier"
    assert max(n_sweeps) == 6


@each_solver
def test_a_factorization_descends_to_a_stationary_point(solver: str) -> None:
    rng = np.random.default_rng(0)
    V = rng.random((10, 3)) @ rng.random((3, 14)) + 0.2 * rng.random((10, 14))
    W, H = rng.random((10, 3)), rng.random((3, 14))
    costs = [beta_divergence(V, W @ H, 2)]
    options: dict[str, Any] = {"beta": 2, "solver": solver, "tol": 0, "W": W, "H": H}
    n_iter = 600 if solver == "mu" else 120
    got = factorize(V, max_iter=n_iter, callback=lambda n, cost: costs.append(cost), **options)
    assert np.all(np.diff(costs) <= 1e-12 * costs[0])
    assert got.cost == pytest.approx(beta_divergence(V, got.W @ got.H, 2))
    for x, gradient in ((got.W, (got.W @ got.H - V) @ got.H.T), (got.H, got.W.T @ (got.W @ got.H - V))):
        assert np.abs(np.minimum(x, gradient)).max() < 3e-2
    part = factorize(V, max_iter=5, free=[2], **options)
    assert_array_equal(part.W[:, :2], W[:, :2])
    assert part.cost < factorize(V, max_iter=5, free=(), **options).cost


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"mu"}))
def test_penalties_of_both_sides_count(solver: str) -> None:
    V, _ = _data(5)
    weights = np.random.default_rng(0).random(V.shape)
    penalties: dict[str, Any] = {"l1_H": 0.1, "l1_W": [0.0, 0.2], "l2_H": [0.3, 0.1], "l2_W": 0.2}
    for M in (None, weights):
        W, H, _, cost = factorize(3 * V, 2, 2, solver=solver, weights=M, max_iter=40, rng=0, **penalties)
        terms = 0.1 * H.sum() + W.sum(0) @ [0.0, 0.2] + (H**2).sum(1) @ [0.15, 0.05] + 0.1 * (W**2).sum()
        assert cost == pytest.approx(beta_divergence(3 * V, W @ H, 2, weights=M) + terms)
        # stationary: the activations are the best for these atoms
        best = nnls(3 * V, W, l1_H=0.1, l2_H=penalties["l2_H"], weights=M)
        assert_allclose(H, best, atol=0.05 * H.max())


def test_the_default_is_coordinate_descent_where_that_is_allowed() -> None:
    V, _ = _data()
    options: dict[str, Any] = {"rng": 0, "max_iter": 20, "tol": 0}
    assert_array_equal(factorize(V, 3, 2, **options).W, factorize(V, 3, 2, solver="hals", **options).W)
    for kind in ({"norm": "l2"}, {"weights": np.ones_like(V)}):
        got = factorize(V, 3, 2, **options, **kind)
        assert_array_equal(got.W, factorize(V, 3, 2, solver="mu", **options, **kind).W)
    assert_array_equal(NMF(3, beta=2, **options).fit(V).W_, factorize(V, 3, 2, **options).W)


def test_what_a_solver_has_no_theory_for_is_refused() -> None:
    V = np.ones((3, 4))
    for arguments, message in (
        ({"solver": "hals"}, "solver='hals' and beta=1.0 do not go together; give solver='mu', or beta=2"),
        (
            {"solver": "active-set", "beta": 2, "norm": "l2"},
            "solver='active-set' and norm='l2' do not go together; give solver='hals' or 'mu'",
        ),
        (
            {"solver": "hals", "beta": 2, "norm": "l2", "weights": V},
            "solver='hals' and norm='l2' do not go together; give solver='mu', or l2_W",
        ),
        ({"solver": "mu", "beta": 2, "l2_H": 1.0}, "do not go together; for beta 2 give solver='hals'"),
        ({"solver": "newton"}, "solver='newton'; must be 'mu', 'hals'"),
        ({"beta": 2, "l2_W": -1.0}, "l2_W=-1.0; must be a number of at least 0"),
    ):
        with pytest.raises(ParameterError, match=message):
            factorize(V, 2, **arguments)
    with pytest.raises(ParameterError, match="solver='newton'; must be"):
        nnls(V, V, solver="newton")


def test_says_where_it_did_not_converge() -> None:
    V, W = _data()
    with pytest.warns(ConvergenceWarning, match="max_iter=3 was reached"):
        nnls(V, W, solver="mu", max_iter=3)


def test_sparse_coding_with_atoms_of_unit_norm_descends_below_the_steps_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    V, W, H = rng.gamma(0.5, 1, (10, 30)), rng.random((10, 4)), rng.random((4, 30))
    W /= np.linalg.norm(W, axis=0)
    l1, costs = 0.3, [beta_divergence(V, W @ H, 2) + 0.3 * H.sum()]
    options: dict[str, Any] = {"beta": 2, "norm": "l2", "l1_H": l1, "tol": 0, "W": W, "H": H}
    got = factorize(V, solver="hals", max_iter=100, callback=lambda n, cost: costs.append(cost), **options)
    assert np.all(np.diff(costs) <= 1e-12 * costs[0])
    assert_allclose(np.linalg.norm(got.W, axis=0), 1)
    assert got.cost == pytest.approx(beta_divergence(V, got.W @ got.H, 2) + l1 * got.H.sum())
    # Hoyer (2002): a gradient step of W that is projected, with a step that makes the cost fall, and H by updates
    theirs_W, theirs_H, step = W, H, 1.0
    for _ in range(300):
        gradient = (theirs_W @ theirs_H - V) @ theirs_H.T
        before = np.square(V - theirs_W @ theirs_H).sum()
        while True:
            new = np.maximum(theirs_W - step * gradient, 0)
            new /= np.linalg.norm(new, axis=0)
            if np.square(V - new @ theirs_H).sum() <= before or step < 1e-12:
                break
            step /= 2
        theirs_W, step = new, 1.2 * step
        theirs_H = theirs_H * (theirs_W.T @ V) / (theirs_W.T @ theirs_W @ theirs_H + l1)
    assert got.cost <= 1.001 * (beta_divergence(V, theirs_W @ theirs_H, 2) + l1 * theirs_H.sum())
    updated = factorize(V, solver="mu", max_iter=400, **options)
    assert got.cost <= 1.001 * updated.cost
    # of fixed atoms nothing changes, and a larger penalty leaves fewer activations
    part = factorize(V, solver="hals", max_iter=5, free=[1, 3], **options)
    assert_array_equal(part.W[:, [0, 2]], W[:, [0, 2]])
    sparser = factorize(V, solver="hals", max_iter=100, **options | {"l1_H": 1.0})
    assert (sparser.H > 0).sum() < (got.H > 0).sum() < H.size
    idle = factorize(V, solver="hals", max_iter=20, **options | {"l1_H": 1e3})
    assert idle.H.max() == 0
    assert np.isfinite(idle.W).all()
