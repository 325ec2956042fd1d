from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nmf_audio.errors import ParameterError
from nmf_audio.nmf import Factorization, beta_divergence, factorize, initialize

from . import naive
from .conftest import Example

Make = Callable[..., Example]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(
    ("beta", "name"),
    [(0.0, "itakura-saito"), (1.0, "kullback-leibler"), (2.0, "frobenius"), (0.5, 0.5), (3.0, 3.0)],
)
def test_agrees_with_scikit_learn(example: Make, beta: float, name: Any) -> None:
    from sklearn.decomposition import non_negative_factorization

    V, W, H = example(n_features=15, n_frames=25)
    ours = factorize(V, beta=beta, solver="mu", W=W, H=H, max_iter=50, tol=0, momentum=0)
    # scikit-learn has samples in rows: its W is our H.T
    theirs = non_negative_factorization(
        V.T.copy(), W=H.T.copy(), H=W.T.copy(), n_components=4, init="custom", solver="mu", beta_loss=name,
        max_iter=50, tol=0,
    )  # fmt: skip
    assert_allclose(ours.H, theirs[0].T, rtol=1e-5, atol=1e-8)
    assert_allclose(ours.W, theirs[1].T, rtol=1e-5, atol=1e-8)
    assert ours.n_iter == 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(("beta", "name"), [(1.0, "kullback-leibler"), (2.0, "frobenius")])
def test_penalties_agree_with_scikit_learn(example: Make, beta: float, name: str) -> None:
    from sklearn.decomposition import non_negative_factorization

    V, W, H = example(n_features=15, n_frames=25)
    ours = factorize(V, beta=beta, solver="mu", W=W, H=H, l1_H=0.3, l1_W=0.5, max_iter=30, tol=0, momentum=0)
    # alpha_W (on our H) is multiplied by the number of features (our rows), alpha_H by the number of samples
    theirs = non_negative_factorization(
        V.T.copy(), W=H.T.copy(), H=W.T.copy(), n_components=4, init="custom", solver="mu", beta_loss=name,
        max_iter=30, tol=0, alpha_W=0.3 / 15, alpha_H=0.5 / 25, l1_ratio=1.0,
    )  # fmt: skip
    assert_allclose(ours.H, theirs[0].T, rtol=1e-5, atol=1e-8)
    assert_allclose(ours.W, theirs[1].T, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 2e-3), (np.float64, 1e-8)])
def test_it_agrees_with_the_equations(example: Make, dtype: Any, rtol: float, beta: float) -> None:
    V, W, H = example()
    w, h = naive.factorize(V, W, H, beta, 20)
    got = factorize(V.astype(dtype), beta=beta, solver="mu", W=W, H=H, max_iter=20, tol=0, momentum=0)
    assert got.W.dtype == got.H.dtype == dtype
    assert got.n_iter == 20
    assert_allclose(got.W @ got.H, w @ h, rtol=rtol)
    assert got.cost == pytest.approx(naive.divergence(V, w @ h, beta), rel=1e-4)


def test_cost_is_divergence_plus_penalties(example: Make) -> None:
    V, _, _ = example()
    for beta in (0.0, 1.0, 1.5):
        W, H, _, cost = factorize(50 * V, 3, beta, l1_H=0.2, l1_W=[0.0, 1.0, 2.0], max_iter=5, rng=0)
        expected = beta_divergence(50 * V, W @ H, beta) + 0.2 * H.sum() + W.sum(0) @ [0.0, 1.0, 2.0]
        assert cost == pytest.approx(expected, rel=1e-6)


def test_ends_when_the_cost_stands_still(example: Make) -> None:
    V, _, _ = example()
    seen: list[tuple[int, float]] = []
    result = factorize(V, 3, tol=1e-3, rng=0, callback=lambda n, cost: seen.append((n, cost)))
    assert result.n_iter < 200
    assert [n for n, _ in seen] == list(range(10, result.n_iter + 1, 10))
    assert seen[-1][1] == pytest.approx(result.cost)
    assert result.cost < 1.05 * factorize(V, 3, tol=0, max_iter=500, rng=0).cost


@pytest.mark.parametrize("norm", [None, "l2"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_momentum_saves_half_the_iterations(example: Make, beta: float, norm: Any) -> None:
    V, W, H = example(n_features=30, n_frames=50)
    options: dict[str, Any] = {
        "W": W,
        "H": H,
        "l1_H": 0.1 if norm else 0.0,
        "norm": norm,
        "tol": 0,
        "solver": "mu",
    }
    costs: list[float] = []
    plain = factorize(V, beta=beta, max_iter=100, momentum=0, **options)
    fast = factorize(V, beta=beta, max_iter=50, callback=lambda n, c: costs.append(c), **options)
    assert fast.cost < plain.cost
    assert np.all(np.diff(costs) < 0)
    part = factorize(V, beta=beta, max_iter=50, free=slice(3), **options)
    assert_array_equal(part.W[:, 3], W[:, 3])


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_scale_goes_to_the_activations(example: Make, beta: float) -> None:
    V, _, _ = example()
    loud = factorize(V, 3, beta, max_iter=40, tol=0, rng=0)
    quiet = factorize(1e-3 * V, 3, beta, max_iter=40, tol=0, rng=0)
    assert_allclose(quiet.W, loud.W, rtol=1e-6, atol=1e-9)
    assert_allclose(quiet.H, 1e-3 * loud.H, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_sparse_atoms_have_unit_norm_and_sparse_activations(example: Make, beta: float) -> None:
    V, _, _ = example(n_features=20, n_frames=40)
    costs: list[float] = []
    sparse = factorize(
        V, 6, beta, l1_H=0.5, norm="l2", max_iter=100, tol=0, rng=0, callback=lambda n, c: costs.append(c)
    )
    plain = factorize(V, 6, beta, l1_H=0.0, norm="l2", max_iter=100, tol=0, rng=0)
    assert_allclose((sparse.W**2).sum(0), 1, rtol=1e-9)
    assert (sparse.H < 1e-3).mean() > (plain.H < 1e-3).mean()
    assert np.all(np.diff(costs) <= 0)


def test_fixed_atoms_and_free_ones_in_one_call(example: Make) -> None:
    V, W, _ = example()
    got = factorize(V, W=W, free=slice(2, None), max_iter=30, rng=0)
    assert_array_equal(got.W[:, :2], W[:, :2])
    assert not np.allclose(got.W[:, 2:], W[:, 2:])
    all_fixed = factorize(V, W=W, free=(), max_iter=30)
    assert_array_equal(all_fixed.W, W)
    assert got.cost < all_fixed.cost


def test_missing_entries_are_predicted() -> None:
    rng = np.random.default_rng(0)
    V = rng.random((20, 2)) @ rng.random((2, 30))
    M = (rng.random(V.shape) > 0.2).astype(float)
    W, H, _, _ = factorize(np.where(M > 0, V, np.nan), 2, weights=M, max_iter=600, tol=0, rng=0)
    assert_allclose((W @ H)[M == 0], V[M == 0], rtol=0.1)


def test_given_activations_lead_the_atoms(example: Make) -> None:
    V, _, H = example()
    H[0, :9] = 0
    got = factorize(V, H=H, rng=0, max_iter=5)
    assert_array_equal(got.H[0, :9], 0)
    assert got.W.shape == (12, 4)


@pytest.mark.parametrize("init", ["random", "frames", "nndsvda", "nndsvdar", "k-means", "anchors"])
def test_the_same_rng_gives_the_same_bits(example: Make, init: str) -> None:
    V, _, _ = example()
    first, second, other = (factorize(V, 4, init=init, max_iter=5, rng=seed) for seed in (7, 7, 8))
    assert_array_equal(first.W, second.W)
    assert_array_equal(first.H, second.H)
    assert np.array_equal(first.W, other.W) == (init == "nndsvda")
    generator = factorize(V, 4, init=init, max_iter=5, rng=np.random.default_rng(7))
    assert_array_equal(generator.W, first.W)


@pytest.mark.parametrize("init", ["random", "frames", "nndsvda", "nndsvdar", "k-means", "anchors"])
def test_starts_are_positive_have_unit_atoms_and_the_level(example: Make, init: str) -> None:
    for dtype in (np.float32, np.float64):
        V, _, _ = example(dtype=dtype)
        V[:, 0] = V[0] = 0
        W, H = initialize(V, 4, init=init, rng=0)
        assert W.dtype == H.dtype == dtype
        assert W.min() > 0
        assert H.min() > 0
        assert_allclose((W**2).sum(0), 1, rtol=1e-5)
        assert (W @ H).mean() == pytest.approx(V.mean(), rel=1e-4)
        scaled_W, scaled_H = initialize(8 * V, 4, init=init, rng=0)
        assert_allclose(scaled_W, W, rtol=1e-5)
        assert_allclose(scaled_H, 8 * H, rtol=1e-5)


def test_singular_vectors_start_better_than_chance(example: Make) -> None:
    rng = np.random.default_rng(0)
    V = rng.random((20, 4)) ** 4 @ rng.random((4, 50)) ** 4
    costs = {
        i: factorize(V, 4, init=i, max_iter=5, tol=0, momentum=0, rng=0).cost
        for i in ("random", "nndsvda", "nndsvdar")
    }
    assert costs["nndsvda"] < costs["random"]
    assert costs["nndsvdar"] < costs["random"]


def test_frames_that_are_silent_are_not_drawn(example: Make) -> None:
    V, _, _ = example()
    V[:, ::2] = 0
    W, _ = initialize(V, 4, init="frames", rng=0)
    unit = V[:, 1::2] / np.linalg.norm(V[:, 1::2], axis=0)
    assert (unit.T @ W).max(axis=0).min() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 2)])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_tiny_and_silent_data(shape: tuple[int, int], beta: float) -> None:
    for V in (np.zeros(shape), np.ones(shape), np.full(shape, 1e-300)):
        for init in ("random", "frames"):
            W, H, _, cost = factorize(V, 6, beta, init=init, max_iter=20, rng=0)
            assert np.isfinite(W).all()
            assert np.isfinite(H).all()
            assert np.isfinite(cost)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"V": np.ones(3)},
            r"V has shape \(3,\); must be of shape \(n_features, n_frames\) with n_features and",
        ),
        ({"V": np.ones((3, 0))}, r"V has shape \(3, 0\)"),
        ({"V": np.ones((3, 4), complex)}, "V is of type complex128; must be an array of real numbers"),
        ({"beta": "kullback-leibler"}, "2 is Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito"),
        ({"V": np.array([["a"]])}, "V is of type"),
        ({"V": [[1.0, -1.0]]}, r"V\[0, 1\]=-1.0; must be finite and >= 0"),
        ({"V": [[1.0], [np.nan]]}, r"V\[1, 0\]=nan"),
        ({"V": [[np.inf]]}, r"V\[0, 0\]=inf"),
        ({"n_components": None}, "n_components=None; must be the number of atoms; give it, or W, or H"),
        ({"n_components": 0}, "n_components=0; must be a whole number of at least 1"),
        ({"n_components": 2.0}, "n_components=2.0"),
        ({"n_components": True}, "n_components=True"),
        (
            {"n_components": 5, "W": np.ones((3, 2))},
            "n_components=5; must be 2, the atoms of the given W or H",
        ),
        ({"W": np.ones((4, 2))}, r"W has shape \(4, 2\); must be of shape \(3, n_components\) with n_comp"),
        ({"W": np.ones((3, 2)), "H": np.ones((3, 4))}, r"W has shape \(3, 2\); must be of shape \(3, 3\)"),
        ({"H": np.ones((2, 3))}, r"H has shape \(2, 3\); must be of shape \(n_components, 4\)"),
        ({"H": np.full((2, 4), np.nan)}, r"H\[0, 0\]=nan"),
        ({"W": np.full((3, 2), "x")}, "W is of type str"),
        ({"beta": np.inf}, "beta=inf"),
        (
            {"init": "best"},
            "init='best'; must be 'random', 'frames', 'nndsvda', 'nndsvdar', 'k-means' or 'anchors'",
        ),
        ({"init": "nndsvda", "n_components": 4}, "n_components=4; must be at most 3, as a 3 x 4 matrix"),
        ({"l1_H": -1.0}, r"l1_H=-1.0; must be a number of at least 0"),
        ({"l1_H": [1.0, 2.0, 3.0]}, r"l1_H has shape \(3,\); must be of shape \(2,\); or give one number"),
        ({"l1_W": [[1.0, 2.0]]}, r"l1_W has shape \(1, 2\)"),
        ({"norm": "l1"}, "norm='l1'; must be None or 'l2'"),
        ({"free": [0, 2]}, r"free=\[0, 2\]; must be a slice, indices or a mask of 2 atoms"),
        ({"free": [True]}, r"free=\[True\]; must be a slice, indices or a mask of 2 atoms"),
        ({"free": [0, 0]}, r"free=\[0, 0\]; must be a slice, indices or a mask; name each free atom once"),
        ({"free": [0.5]}, r"free=\[0.5\]; must be a slice, indices or a mask of 2 atoms"),
        ({"weights": np.ones((3, 3))}, r"weights has shape \(3, 3\); must be of shape \(3, 4\)"),
        ({"weights": -np.ones((3, 4))}, r"weights\[0, 0\]=-1"),
        ({"weights": np.zeros((3, 4))}, "weights are all 0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"momentum": 1.0}, r"momentum=1.0; must be a number from 0 to 0.999"),
        ({"tol": -1.0}, "tol=-1.0; must be a number of at least 0"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    defaults = {"V": np.ones((3, 4)), "n_components": None if {"W", "H"} & set(arguments) else 2}
    with pytest.raises(ParameterError, match=message):
        factorize(**{**defaults, **arguments})


def test_normalized_activations_are_amounts_in_the_unit_of_the_data() -> None:
    rng = np.random.default_rng(0)
    V = rng.random((6, 9))
    run = factorize(V, 3, rng=0)
    same = run.normalized()
    assert_allclose(same.W.sum(axis=0), 1)
    assert_allclose(same.W @ same.H, run.W @ run.H)
    # the Kullback-Leibler divergence keeps the sum of each frame
    assert_allclose(same.H.sum(axis=0), V.sum(axis=0), rtol=1e-2)
    assert (same.n_iter, same.cost) == (run.n_iter, run.cost)


def test_normalized_leaves_an_atom_of_zeros() -> None:
    run = Factorization(np.array([[1.0, 0.0], [3.0, 0.0]], np.float32), np.ones((2, 2), np.float32), 1, 0.0)
    same = run.normalized()
    assert same.W.tolist() == [[0.25, 0.0], [0.75, 0.0]]
    assert same.H.tolist() == [[4.0, 4.0], [0.0, 0.0]]
    assert same.W.dtype == same.H.dtype == np.float32
