import inspect
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import nmf_audio.nmf
from nmf_audio.errors import ConvergenceWarning, ParameterError
from nmf_audio.nmf import NMF, beta_divergence, factorize

from .conftest import Example

Make = Callable[..., Example]


def test_is_factorize_with_a_memory(example: Make) -> None:
    V, _, _ = example()
    model = NMF(3, beta=0.5, rng=3)
    H = model.fit_transform(V)
    W, expected, n_iter, cost = factorize(V, 3, beta=0.5, rng=3)
    assert_array_equal(model.W_, W)
    assert_array_equal(H, expected)
    assert (model.n_iter_, model.reconstruction_err_) == (n_iter, cost)
    assert_array_equal(NMF(3, beta=0.5, rng=3).fit(V).W_, W)
    assert_array_equal(model.inverse_transform(H), W @ H)


def test_defaults_are_those_of_the_function() -> None:
    function, method = inspect.signature(factorize).parameters, inspect.signature(NMF).parameters
    shared = set(function) & set(method) - {"n_components"}
    assert shared >= {"beta", "init", "l1_H", "l1_W", "norm", "max_iter", "tol", "momentum", "rng"}
    for name in shared:
        assert function[name].default == method[name].default


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_transform_finds_what_fit_found(example: Make, beta: float) -> None:
    V, _, _ = example()
    model = NMF(3, beta=beta, max_iter=2000, tol=1e-10, rng=0)
    fitted = beta_divergence(V, model.inverse_transform(model.fit_transform(V)), beta)
    W = model.W_.copy()
    transformed = beta_divergence(V, model.inverse_transform(model.transform(V)), beta)
    assert transformed == pytest.approx(fitted, rel=1e-3)
    assert_array_equal(model.W_, W)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_batches_come_near_the_whole(beta: float) -> None:
    rng = np.random.default_rng(0)
    V = rng.gamma(1, 1, (15, 3)) @ rng.gamma(0.5, 1, (3, 240)) + 1e-3
    start = NMF(3, beta=beta, init="frames", max_iter=1, tol=0, rng=0).fit(V)
    before = beta_divergence(V, start.inverse_transform(start.transform(V)), beta)
    whole = NMF(3, beta=beta, init="frames", rng=0).fit(V)
    model = NMF(3, beta=beta, init="frames", rho=0.5, rng=0)
    for _ in range(10):
        for first in range(0, 240, 40):
            assert model.partial_fit(V[:, first : first + 40]) is model
    after = beta_divergence(V, model.inverse_transform(model.transform(V)), beta)
    assert model.n_iter_ == 60
    assert after < 0.3 * before
    assert after - whole.reconstruction_err_ < 0.3 * (before - whole.reconstruction_err_)


def test_partial_fit_goes_on_from_fit_and_forgets(example: Make) -> None:
    V, _, _ = example()
    model = NMF(4, rho=0.5, rng=0).fit(V)
    fitted = model.W_
    model.partial_fit(V)
    assert np.abs(model.W_ - fitted).max() < 0.1 * fitted.max()
    other = np.roll(V, 6, axis=0)
    before = beta_divergence(other, model.inverse_transform(model.transform(other)))
    for _ in range(50):
        model.partial_fit(other)
    assert beta_divergence(other, model.inverse_transform(model.transform(other))) < 0.8 * before
    assert_allclose(model.W_.sum(0), fitted.sum(0), rtol=1e-9)


def test_start_and_free_atoms_pass_through(example: Make) -> None:
    V, W, H = example()
    model = NMF(4, max_iter=5, tol=0).fit(V, W=W, H=H, free=[3])
    assert_array_equal(model.W_[:, :3], W[:, :3])
    weights = np.ones_like(V)
    weights[:, 0] = 0
    assert np.all(np.isfinite(NMF(4, rng=0).fit_transform(np.where(weights > 0, V, np.nan), weights=weights)))


def test_before_fit_there_are_no_atoms() -> None:
    with pytest.raises(ParameterError, match="call fit or partial_fit first"):
        NMF(2).transform(np.ones((3, 4)))
    with pytest.raises(ParameterError, match="call fit or partial_fit first"):
        NMF(2).inverse_transform(np.ones((2, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components=0; must be a whole number of at least 1"),
        ({"n_components": 2.0}, "n_components=2.0"),
        ({"beta": np.nan}, "beta=nan"),
        ({"init": "svd"}, "init='svd'"),
        ({"norm": "max"}, "norm='max'"),
        ({"max_iter": -3}, "max_iter=-3"),
        ({"tol": np.inf}, "tol=inf"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"coarse": 0}, "coarse=0"),
        ({"momentum": 1.5}, "momentum=1.5"),
        ({"rho": -0.1}, "rho=-0.1"),
        ({"batch_iter": 0}, "batch_iter=0"),
    ],
)
def test_arguments_are_checked_when_atoms_are_learned(arguments: dict[str, object], message: str) -> None:
    model = NMF(2).set_params(**arguments)
    with pytest.raises(ParameterError, match=message):
        model.fit(np.ones((3, 4)))


def test_arguments_are_kept_as_they_are_given() -> None:
    beta, l1 = np.float32(0.5), np.ones(2)
    arguments = {"n_components": np.int64(2), "beta": beta, "l1_H": l1, "rng": np.random.default_rng(0)}
    params = NMF(**arguments).get_params(deep=False)  # type: ignore[arg-type]
    assert all(params[name] is value for name, value in arguments.items())
    assert NMF(2).fit(np.ones((3, 4))).set_params(beta=0).get_params()["beta"] == 0
    with pytest.raises(ParameterError, match="params='alpha'; must be 'n_components', 'beta'"):
        NMF(2).set_params(alpha=1)


def test_scikit_learn_clones_it() -> None:
    base = pytest.importorskip("sklearn.base")
    model = NMF(3, beta=2, rng=7).fit(np.ones((4, 5)))
    again = base.clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "W_")


def test_sparse_data_are_refused_in_a_sentence() -> None:
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(np.eye(3))
    for use in (NMF(2).fit, NMF(2).partial_fit, NMF(2).fit(np.eye(3)).transform):
        with pytest.raises(
            ParameterError, match=r"V; must be an array that is not sparse; give .toarray\(\)"
        ):
            use(sparse)
    with pytest.raises(ParameterError, match=r"^H; must be an array that is not sparse"):
        NMF(2).fit(np.eye(3)).inverse_transform(sparse)


def test_wrong_shapes_are_refused(example: Make) -> None:
    V, W, _ = example()
    model = NMF(4, max_iter=2, tol=0, rng=0).fit(V)
    for use in (model.transform, model.partial_fit):
        with pytest.raises(ParameterError, match="V has 11 features, the atoms have 12; must be of shape"):
            use(V[1:])
    with pytest.raises(ParameterError, match=r"H has shape \(3, 2\); must be of shape \(4, n_frames\)"):
        model.inverse_transform(np.ones((3, 2)))
    with pytest.raises(ParameterError, match="n_components=3; must be 4, the atoms of the given W or H"):
        NMF(3).fit(V, W=W)


def test_says_what_it_is_and_what_it_learned_from(example: Make) -> None:
    model = NMF(3, beta=0.5, norm="l2")
    assert repr(eval(repr(model))) == repr(model)
    assert "beta=0.5" in repr(model)
    assert not hasattr(NMF(3), "W_")
    assert model.fit(example()[0]).n_features_in_ == 12
    with pytest.raises(ParameterError, match="call fit or partial_fit first"):
        _ = NMF(3).n_features_in_


def test_warns_where_it_did_not_converge(example: Make) -> None:
    V, _, _ = example()
    model = NMF(3, max_iter=10, tol=1e-9, rng=0)
    with pytest.warns(ConvergenceWarning, match="tol=1e-09 of its first value when max_iter=10 was reached"):
        model.fit(V)
    with pytest.warns(ConvergenceWarning):
        model.transform(V)
    model.set_params(tol=0).fit(V)  # as many iterations as were asked for
    model.set_params(tol=1e-3, max_iter=500).fit(V)


def test_every_public_name_is_there() -> None:
    for name in nmf_audio.nmf.__all__:
        assert getattr(nmf_audio.nmf, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nmf_audio.nmf.nothing
